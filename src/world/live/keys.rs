//! The keys that buckets are encrypted with: each is described once, and its policy read, for all buckets that name it.
//!
//! A key that may not be looked at is told as unread, with the permission that it needs. Of a key that AWS manages, and of
//! one of another account, the policy is not asked for: nobody changes the first, and the second's owner alone reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_kms::types as kms;
use chrono::{DateTime, Utc};

use super::{LiveWorld, all};
use crate::audit::key::{About, KeyFacts, KeyState, account_of, subject};
use crate::audit::raw::PolicyText;
use crate::audit::{Evidence, Fact, Terms, Unread};
use crate::clients::aws_error::{AwsErrorKind, aws_error};
use crate::policy::Document;
use crate::vocab::RegionName;

const DESCRIBE: &str = "kms:DescribeKey";
const POLICY: &str = "kms:GetKeyPolicy";

/// The one policy that a key has
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyPolicy.html>).
const POLICY_NAME: &str = "default";

/// What a name turned out to be.
type Described = Fact<Option<(String, About)>>;

impl LiveWorld {
    /// Looks at the keys of the buckets that were seen, and at those that settings name for them.
    pub(super) async fn look_at_keys(&self, terms: &Terms, evidence: &mut Evidence) {
        let account = evidence.account.as_ref().or(terms.account.as_ref()).map(ToString::to_string);
        let Some(account) = account.filter(|_| self.aws.is_aws()) else { return };
        let is_alias = |arn: &String| arn.contains(":alias/");
        let (aliases, mut arns): (BTreeSet<String>, BTreeSet<String>) =
            evidence.keys_to_look_at(terms, &account).into_iter().partition(is_alias);
        // Aliases first: the key that one stands for need not be described again.
        for (alias, described) in self.describe_all(aliases).await {
            let key = match described {
                Fact::Known(Some((key, about))) => {
                    arns.remove(&key);
                    let facts = KeyFacts { about: Fact::Known(about), ..KeyFacts::default() };
                    evidence.keys.insert(key.clone(), facts);
                    Fact::Known(Some(key))
                }
                Fact::Known(None) => Fact::Known(None),
                Fact::Unread(unread) => Fact::Unread(unread),
                Fact::NotAsked => Fact::NotAsked,
            };
            evidence.aliases.insert(alias, key);
        }
        for (arn, described) in self.describe_all(arns).await {
            let facts = match described {
                Fact::Known(Some((_, about))) => {
                    KeyFacts { about: Fact::Known(about), ..KeyFacts::default() }
                }
                Fact::Known(None) => KeyFacts::absent(),
                Fact::Unread(unread) => KeyFacts { about: Fact::Unread(unread), ..KeyFacts::default() },
                Fact::NotAsked => KeyFacts::default(),
            };
            evidence.keys.insert(arn, facts);
        }
        let has_policy = |facts: &KeyFacts| match facts.about.known() {
            Some(about) => !about.by_aws && about.state != KeyState::Absent,
            None => true,
        };
        let asked = evidence
            .keys
            .iter()
            .filter(|(arn, facts)| account_of(arn) == Some(account.as_str()) && has_policy(facts));
        let asked: Vec<String> = asked.map(|(arn, _)| arn.clone()).collect();
        let policies = all(asked, self.parallel, |arn| async move {
            let policy = Box::pin(self.policy_of(&arn)).await;
            (arn, policy)
        });
        for (arn, policy) in policies.await {
            evidence.keys.entry(arn).or_default().policy = policy;
        }
    }

    async fn describe_all(&self, arns: BTreeSet<String>) -> BTreeMap<String, Described> {
        let described = all(arns, self.parallel, |arn| async move {
            let described = Box::pin(self.describe(&arn)).await;
            (arn, described)
        });
        described.await.into_iter().collect()
    }

    fn kms_of(&self, arn: &str) -> aws_sdk_kms::Client {
        let region = arn.split(':').nth(3).and_then(|region| region.parse::<RegionName>().ok());
        self.aws.kms(region.as_ref())
    }

    /// The key of an ARN, also of an alias, by its own ARN; `None` where there is none.
    async fn describe(&self, arn: &str) -> Described {
        let answer = {
            let _permit = self.gate.acquire().await.ok();
            self.kms_of(arn).describe_key().key_id(arn).send().await
        };
        let unread = |why: String| Fact::Unread(Unread::new(subject(arn), DESCRIBE, why));
        match answer {
            Ok(answer) => match answer.key_metadata {
                Some(key) => {
                    let own = key.arn.clone().unwrap_or_else(|| arn.to_owned());
                    Fact::Known(Some((own, about(&key))))
                }
                None => unread("KMS says nothing of it".to_owned()),
            },
            Err(error) => {
                let error = aws_error(&error);
                match error.kind {
                    AwsErrorKind::NotFound => Fact::Known(None),
                    AwsErrorKind::NotImplemented => Fact::NotAsked,
                    _ => unread(error.to_string()),
                }
            }
        }
    }

    async fn policy_of(&self, arn: &str) -> Fact<Arc<Document>> {
        let answer = {
            let _permit = self.gate.acquire().await.ok();
            self.kms_of(arn).get_key_policy().key_id(arn).policy_name(POLICY_NAME).send().await
        };
        let unread = |why: String| Fact::Unread(Unread::new(subject(arn), POLICY, why));
        match answer {
            Ok(answer) => match PolicyText::parse(&answer.policy.unwrap_or_default()).0 {
                Ok(document) => Fact::Known(document),
                Err(why) => unread(why),
            },
            Err(error) => match aws_error(&error) {
                error if error.kind == AwsErrorKind::NotImplemented => Fact::NotAsked,
                error => unread(error.to_string()),
            },
        }
    }
}

/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html>
fn about(key: &kms::KeyMetadata) -> About {
    let instant = |at: Option<&aws_smithy_types::DateTime>| -> Option<DateTime<Utc>> {
        at.and_then(|at| DateTime::from_timestamp(at.secs(), 0))
    };
    let state = match &key.key_state {
        // Updating is a change of what does not matter here; the key goes on opening what it opened.
        Some(kms::KeyState::Enabled | kms::KeyState::Updating) => KeyState::Enabled,
        Some(kms::KeyState::Disabled) => KeyState::Disabled,
        Some(kms::KeyState::PendingDeletion) => {
            KeyState::PendingDeletion(instant(key.deletion_date.as_ref()))
        }
        Some(kms::KeyState::PendingReplicaDeletion) => KeyState::PendingReplicaDeletion,
        Some(kms::KeyState::PendingImport) => KeyState::PendingImport,
        Some(other) => KeyState::Other(other.as_str().to_owned()),
        None if key.enabled => KeyState::Enabled,
        None => KeyState::Disabled,
    };
    let expires = key.expiration_model == Some(kms::ExpirationModelType::KeyMaterialExpires);
    About {
        by_aws: key.key_manager == Some(kms::KeyManagerType::Aws),
        state,
        imported: key.origin.as_ref().map(|origin| *origin == kms::OriginType::External),
        expires: instant(key.valid_to.as_ref()).filter(|_| expires),
        multi_region: key.multi_region == Some(true),
    }
}
