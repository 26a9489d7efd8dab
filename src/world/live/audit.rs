//! What the audit looks at: the account's identities, of each bucket at most ten things, and of each key two, one request
//! each. One that may not be read is told as unread, with the permission that it needs; the rest goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::types as s3;
use futures_util::join;

use super::buckets::{Listing, with_help};
use super::{LiveWorld, all};
use crate::audit::bucket::{BucketFacts, Destination, Grant, Grantee, LifecycleRule};
use crate::audit::raw::PolicyText;
use crate::audit::{Evidence, Fact, Terms, Unread};
use crate::clients::aws_error::{AwsErrorKind, CallError};
use crate::policy::Document;
use crate::resources::bucket::BucketObjectLock;
use crate::resources::bucket::live::Target;
use crate::state::Sighting;
use crate::vocab::{BucketName, Id, Kind, Versioning};

impl LiveWorld {
    /// Looks at everything that the audit judges by. Never fails whole.
    pub async fn evidence(&self, terms: &Terms) -> Evidence {
        let mut evidence = Evidence {
            account: self.caller.account.clone(),
            partition: self.caller.partition.clone().unwrap_or_default(),
            ..Evidence::default()
        };
        if let Some(why) = self.nothing_may_be_asked(terms.account.as_ref()) {
            evidence.unread.push(Unread::new("the account", "sts:GetCallerIdentity", why));
            for name in terms.buckets.keys() {
                let subject = Id::cloud(Kind::Bucket, name.as_str()).to_string();
                let unseen =
                    BucketFacts::unseen(&subject, "sts:GetCallerIdentity", "nobody is known to be asking");
                evidence.buckets.insert(name.clone(), unseen);
            }
            return evidence;
        }
        let things = async {
            Box::pin(self.look_at_buckets(terms, &mut evidence)).await;
            // Which keys there are to look at, buckets say.
            Box::pin(self.look_at_keys(terms, &mut evidence)).await;
        };
        let (identities, ()) = join!(Box::pin(self.identities()), Box::pin(things));
        evidence.identities = identities;
        evidence
    }

    /// The buckets of the settings, and those of the account that carry the environment's mark.
    async fn look_at_buckets(&self, terms: &Terms, evidence: &mut Evidence) {
        let listing = match self.list().await {
            Ok(listing) => listing,
            Err(error) => {
                let why = with_help(&error);
                evidence.unread.push(Unread::new("the account's buckets", "s3:ListAllMyBuckets", why));
                Listing::Refused
            }
        };
        let mut wanted: BTreeMap<BucketName, bool> =
            terms.buckets.keys().map(|name| (name.clone(), true)).collect();
        match &listing {
            Listing::Complete(buckets) => {
                let others = buckets.keys().filter_map(|name| name.parse::<BucketName>().ok());
                others.for_each(|name| {
                    wanted.entry(name).or_insert(false);
                });
            }
            _ if evidence.unread.is_empty() => evidence.unread.push(Unread::new(
                "the account's buckets",
                "s3:ListAllMyBuckets",
                "refused: buckets that carry the environment's mark and stand in no setting are not seen",
            )),
            _ => {}
        }
        let listing = &listing;
        let seen = all(wanted, self.parallel, |(name, declared)| async move {
            let seen = Box::pin(self.look_at_bucket(&name, declared, terms, listing)).await;
            (name, seen)
        });
        for (name, seen) in seen.await {
            match seen {
                Seen::Facts(facts) => {
                    evidence.buckets.insert(name, *facts);
                }
                Seen::Absent(why) => {
                    evidence.absent.insert(name, why);
                }
                Seen::NotOurs => {}
            }
        }
    }

    async fn look_at_bucket(
        &self,
        name: &BucketName,
        declared: bool,
        terms: &Terms,
        listing: &Listing,
    ) -> Seen {
        let subject = Id::cloud(Kind::Bucket, name.as_str()).to_string();
        let told = match listing {
            Listing::Complete(buckets) => buckets.get(name.as_str()).cloned().flatten(),
            _ => None,
        };
        let hint = terms.buckets.get(name).and_then(|terms| terms.region.as_ref());
        let is_listed = matches!(listing, Listing::Complete(buckets) if buckets.contains_key(name.as_str()));
        let region = match told {
            Some(region) => Some(region),
            None if is_listed && !self.aws.is_aws() => None,
            None => match self.locate(name, hint).await {
                Ok(region) => region,
                Err(error) => {
                    return match super::buckets::unseen(&error, name, listing) {
                        Sighting::Absent => Seen::Absent("there is no such bucket".to_owned()),
                        Sighting::Foreign(_) => Seen::Absent("it belongs to another account".to_owned()),
                        _ => Seen::Facts(Box::new(BucketFacts::unseen(
                            &subject,
                            "s3:ListBucket",
                            &error.to_string(),
                        ))),
                    };
                }
            },
        };
        let client = self.aws.s3(region.as_ref().or(hint));
        let target = self.target(&client, name);
        let mark = fact(&subject, Box::pin(target.mark()).await);
        let is_marked = mark.known().is_some_and(|mark| terms.is_ours(mark.as_ref()));
        if !declared && !is_marked {
            // Whose mark cannot be read may be ours.
            return match mark {
                Fact::Unread(_) => {
                    Seen::Facts(Box::new(BucketFacts { region, mark, ..BucketFacts::default() }))
                }
                _ => Seen::NotOurs,
            };
        }
        let facts = Box::pin(facts(&target, &subject)).await;
        Seen::Facts(Box::new(BucketFacts { region, mark, ..facts }))
    }
}

enum Seen {
    Facts(Box<BucketFacts>),
    /// Why nothing is there that belongs to the settings.
    Absent(String),
    NotOurs,
}

/// A call's answer as a fact. What a store does not know at all was not asked.
fn fact<T>(subject: &str, answer: Result<T, CallError>) -> Fact<T> {
    match answer {
        Ok(value) => Fact::Known(value),
        Err(error) if error.error.kind == AwsErrorKind::NotImplemented => Fact::NotAsked,
        Err(error) => Fact::Unread(Unread::new(subject, error.action, error.error.to_string())),
    }
}

/// The other nine things, those first on which depends what else is worth a request.
async fn facts(target: &Target<'_>, subject: &str) -> BucketFacts {
    let (object_lock, acls_off) = join!(Box::pin(target.object_lock()), Box::pin(target.acls_off()));
    let (object_lock, acls_off) = (fact(subject, object_lock), fact(subject, acls_off));
    // Object lock needs versioning, which cannot be suspended from then on
    // (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html).
    let is_locked = object_lock.known().is_some_and(|lock| *lock != BucketObjectLock::None);
    let has_acls = acls_off.known() != Some(&true);
    let versioning = async {
        match is_locked {
            true => Fact::Known(Versioning::Enabled),
            false => fact(subject, target.versioning().await),
        }
    };
    let grants = async {
        match has_acls {
            true => match target.acl().await {
                Ok((owner, grants)) => {
                    Fact::Known(grants.iter().filter_map(|one| grant(one, owner.as_deref())).collect())
                }
                Err(error) => fact(subject, Err(error)),
            },
            false => Fact::Known(Vec::new()),
        }
    };
    // In place of the two that were not needed.
    let oldest_is_held = async {
        match is_locked && !has_acls {
            true => fact(subject, target.oldest_is_held().await),
            false => Fact::NotAsked,
        }
    };
    let (versioning, grants, oldest_is_held, policy, lifecycle, public_access, replication, encryption) = join!(
        Box::pin(versioning),
        Box::pin(grants),
        Box::pin(oldest_is_held),
        Box::pin(target.policy()),
        Box::pin(target.lifecycle()),
        Box::pin(target.public_access()),
        Box::pin(target.replication()),
        Box::pin(target.encryption()),
    );
    BucketFacts {
        region: None,
        mark: Fact::NotAsked,
        versioning,
        policy: match policy {
            Ok(None) => Fact::Known(None),
            Ok(Some(text)) => document(subject, &text),
            Err(error) => fact(subject, Err(error)),
        },
        lifecycle: fact(subject, lifecycle.map(|rules| rules.iter().map(rule).collect())),
        object_lock,
        oldest_is_held,
        public_access: fact(subject, public_access),
        acls_off,
        grants,
        replication: fact(subject, replication.map(|rules| rules.iter().filter_map(destination).collect())),
        encryption: fact(subject, encryption),
    }
}

fn document(subject: &str, text: &str) -> Fact<Option<Arc<Document>>> {
    match PolicyText::parse(text).0 {
        Ok(document) => Fact::Known(Some(document)),
        Err(why) => Fact::Unread(Unread::new(subject, "s3:GetBucketPolicy", why)),
    }
}

fn rule(rule: &s3::LifecycleRule) -> LifecycleRule {
    let filter = rule.filter();
    let and = filter.and_then(|filter| filter.and());
    #[allow(deprecated, reason = "old rules have their prefix outside of a filter")]
    let prefix = filter
        .and_then(|filter| filter.prefix())
        .or_else(|| and.and_then(|and| and.prefix()))
        .or_else(|| rule.prefix());
    let tags =
        filter.and_then(|filter| filter.tag()).into_iter().chain(and.into_iter().flat_map(|and| and.tags()));
    let number = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    let expires = rule.expiration().and_then(|expiration| match (expiration.days(), expiration.date()) {
        (Some(1), _) => Some("after 1 day".to_owned()),
        (Some(days), _) => Some(format!("after {days} days")),
        (None, Some(date)) => {
            let day = chrono::DateTime::from_timestamp(date.secs(), 0);
            Some(format!(
                "on {}",
                day.map_or_else(|| "a date".to_owned(), |day| day.format("%Y-%m-%d").to_string())
            ))
        }
        (None, None) => None,
    });
    let noncurrent = rule.noncurrent_version_expiration();
    LifecycleRule {
        id: rule.id().unwrap_or("without an ID").to_owned(),
        enabled: *rule.status() == s3::ExpirationStatus::Enabled,
        prefix: prefix.unwrap_or_default().to_owned(),
        tags: tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect(),
        expires_current: expires,
        noncurrent_days: noncurrent.map(|one| number(one.noncurrent_days()).unwrap_or_default()),
        newest: noncurrent.and_then(|one| number(one.newer_noncurrent_versions())).unwrap_or_default(),
    }
}

fn grant(grant: &s3::Grant, owner: Option<&str>) -> Option<Grant> {
    let grantee = grant.grantee()?;
    let permission = grant.permission().map_or("something", |permission| permission.as_str()).to_owned();
    let who = match grantee.uri() {
        Some(uri) if uri.ends_with("/global/AllUsers") => Grantee::Everyone,
        Some(uri) if uri.ends_with("/global/AuthenticatedUsers") => Grantee::AnyAccount,
        Some(uri) if uri.ends_with("/s3/LogDelivery") => Grantee::LogDelivery,
        Some(uri) => Grantee::Other(uri.to_owned()),
        None => {
            let id = grantee.id().or(grantee.email_address())?;
            if owner == Some(id) {
                return None;
            }
            Grantee::Other(format!("canonical user {id}"))
        }
    };
    Some(Grant { grantee: who, permission })
}

fn destination(rule: &s3::ReplicationRule) -> Option<Destination> {
    let destination = rule.destination()?;
    Some(Destination {
        bucket: destination.bucket().to_owned(),
        account: destination.account().map(str::to_owned),
    })
}
