//! The keys of KMS that backups are encrypted with: which key a name stands for, and what was seen of it. Pure data:
//! live reading fills it, and exports leave it empty.
//!
//! Must never take a name for a key that it may not stand for: an alias that nobody looked up is any key.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::bucket::BucketFacts;
use super::evidence::Evidence;
use super::fact::{Fact, Unread};
use super::terms::{BucketTerms, Terms};
use crate::policy::Document;
use crate::vocab::Encryption;

/// What was seen of a key.
#[derive(Clone, Debug, Default)]
pub struct KeyFacts {
    pub about: Fact<About>,
    pub policy: Fact<Arc<Document>>,
}

/// What KMS says of a key
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Whether AWS manages it: then nobody can delete it, switch it off or write its policy.
    pub by_aws: bool,
    pub state: KeyState,
    /// Whether its material came from outside, and so can be deleted by itself; `None` where KMS does not say.
    pub imported: Option<bool>,
    /// When imported material expires, if it does.
    pub expires: Option<DateTime<Utc>>,
    pub multi_region: bool,
}

/// Whether a key opens anything
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState {
    Enabled,
    Disabled,
    /// Gone from this instant on, where KMS says when.
    PendingDeletion(Option<DateTime<Utc>>),
    /// As soon as its replicas in other regions have gone.
    PendingReplicaDeletion,
    /// Without material: it never came, expired or was deleted.
    PendingImport,
    /// There is no such key, or no longer.
    Absent,
    /// In KMS' own word, such as `Unavailable`: its key store does not answer.
    Other(String),
}

impl KeyFacts {
    /// What could not be seen.
    pub fn unread(&self) -> impl Iterator<Item = &Unread> {
        [self.about.unread(), self.policy.unread()].into_iter().flatten()
    }

    /// A key whose name means nothing to KMS.
    pub fn absent() -> Self {
        let state = KeyState::Absent;
        let about = About { by_aws: false, state, imported: None, expires: None, multi_region: false };
        KeyFacts { about: Fact::Known(about), policy: Fact::NotAsked }
    }
}

/// Where the keys of a bucket are whose names do not say it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub partition: &'a str,
    /// The bucket's region, where it is known: a bucket's key is in the same.
    pub region: Option<&'a str>,
    pub account: &'a str,
}

impl<'a> Place<'a> {
    /// That of a bucket.
    pub fn of(
        evidence: &'a Evidence,
        facts: &'a BucketFacts,
        terms: &'a BucketTerms,
        account: &'a str,
    ) -> Self {
        let region = facts.region.as_ref().or(terms.region.as_ref());
        Place { partition: evidence.partition(), region: region.map(|region| region.as_str()), account }
    }

    /// The ARN of a key or an alias: of an ID, `alias/NAME`, or what is an ARN already. With `*` for a region that is not
    /// known.
    pub fn arn<'n>(&self, named: &'n str) -> Cow<'n, str> {
        let Place { partition, account, .. } = self;
        let region = self.region.unwrap_or("*");
        match named {
            arn if arn.starts_with("arn:") => arn.into(),
            alias if alias.starts_with("alias/") => {
                format!("arn:{partition}:kms:{region}:{account}:{alias}").into()
            }
            id => format!("arn:{partition}:kms:{region}:{account}:key/{id}").into(),
        }
    }

    /// The ARN that any key here has, with `*` at its end.
    pub fn any(&self) -> String {
        let Place { partition, account, .. } = self;
        match self.region {
            Some(region) => format!("arn:{partition}:kms:{region}:{account}:key/*"),
            None => format!("arn:{partition}:kms:*"),
        }
    }
}

/// The key that an encryption names; AWS's own key for S3 is named by nobody.
pub fn named(encryption: &Encryption) -> Option<&str> {
    match encryption {
        Encryption::Kms(Some(key)) | Encryption::KmsDouble(Some(key)) => Some(key),
        _ => None,
    }
}

/// `key/ID` or `alias/NAME` of an ID, an alias or an ARN, as people say it.
pub fn subject(named: &str) -> String {
    match named.splitn(6, ':').nth(5) {
        Some(resource) => resource.to_owned(),
        None if named.starts_with("alias/") => named.to_owned(),
        None => format!("key/{named}"),
    }
}

/// The account that an ARN of KMS says.
pub fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

/// An alias of a key that AWS manages.
fn is_of_aws(arn: &str) -> bool {
    arn.contains(":alias/aws/")
}

/// What the ARN of a key or an alias stands for, as far as it was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands<'a> {
    /// For this key, by its ARN.
    For(&'a str),
    /// For a key that AWS manages.
    ForAws,
    /// For nothing: there is no such alias.
    ForNothing,
    /// For any key of its place: the alias was not, or could not be, looked up.
    Untold,
}

impl Evidence {
    /// What an ARN of a key or an alias stands for.
    pub fn stands<'a>(&'a self, arn: &'a str) -> Stands<'a> {
        if is_of_aws(arn) {
            return Stands::ForAws;
        }
        let key = match arn.contains(":alias/") {
            false => arn,
            true => match self.aliases.get(arn) {
                Some(Fact::Known(Some(key))) => key,
                Some(Fact::Known(None)) => return Stands::ForNothing,
                Some(Fact::Unread(_) | Fact::NotAsked) | None => return Stands::Untold,
            },
        };
        match self.keys.get(key).and_then(|facts| facts.about.known()) {
            Some(about) if about.by_aws => Stands::ForAws,
            _ => Stands::For(key),
        }
    }

    /// Every key and alias that backups of these settings are, or will be, encrypted with: ARNs whose region is known.
    /// Those of AWS are left out.
    pub fn keys_to_look_at(&self, terms: &Terms, account: &str) -> BTreeSet<String> {
        let nothing = BucketTerms::default();
        let mut arns = BTreeSet::new();
        for (name, facts) in &self.buckets {
            let marked = facts.mark.known().is_some_and(|mark| mark.as_ref() == Some(&terms.environment));
            let declared = terms.buckets.get(name);
            if declared.is_none() && !marked {
                continue;
            }
            let declared = declared.unwrap_or(&nothing);
            let place = Place::of(self, facts, declared, account);
            let both = [facts.encryption.known(), declared.encryption.as_ref()];
            for arn in both.into_iter().flatten().filter_map(named).map(|key| place.arn(key)) {
                let is_somewhere = arn.split(':').nth(3).is_some_and(|region| !["", "*"].contains(&region));
                if is_somewhere && !is_of_aws(&arn) {
                    arns.insert(arn.into_owned());
                }
            }
        }
        arns
    }
}
