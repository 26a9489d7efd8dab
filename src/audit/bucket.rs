//! One bucket as far as it could be looked at. Pure data: live reading and exports fill it.

use std::sync::Arc;

use super::fact::{Fact, Unread};
use crate::policy::Document;
use crate::resources::bucket::{BucketObjectLock, PublicAccess};
use crate::vocab::{Encryption, Environment, RegionName, Versioning};

/// What was seen of a bucket.
#[derive(Clone, Debug, Default)]
pub struct BucketFacts {
    pub region: Option<RegionName>,
    /// The environment whose mark it carries.
    pub mark: Fact<Option<Environment>>,
    pub versioning: Fact<Versioning>,
    /// Its policy; `None` is a bucket without one.
    pub policy: Fact<Option<Arc<Document>>>,
    pub lifecycle: Fact<Vec<LifecycleRule>>,
    pub object_lock: Fact<BucketObjectLock>,
    /// Whether the oldest version that was looked at is held by object lock; `None` where there is no version.
    pub oldest_is_held: Fact<Option<bool>>,
    pub public_access: Fact<PublicAccess>,
    /// Whether access control lists are switched off: S3's `BucketOwnerEnforced`.
    pub acls_off: Fact<bool>,
    /// To whom the bucket's access control list grants something, besides its owner.
    pub grants: Fact<Vec<Grant>>,
    /// ARNs of the buckets that an enabled rule copies to, with the account where it is named.
    pub replication: Fact<Vec<Destination>>,
    pub encryption: Fact<Encryption>,
}

impl BucketFacts {
    /// What could not be seen.
    pub fn unread(&self) -> impl Iterator<Item = &Unread> {
        let BucketFacts {
            region: _,
            mark,
            versioning,
            policy,
            lifecycle,
            object_lock,
            oldest_is_held,
            public_access,
            acls_off,
            grants,
            replication,
            encryption,
        } = self;
        [
            mark.unread(),
            versioning.unread(),
            policy.unread(),
            lifecycle.unread(),
            object_lock.unread(),
            oldest_is_held.unread(),
            public_access.unread(),
            acls_off.unread(),
            grants.unread(),
            replication.unread(),
            encryption.unread(),
        ]
        .into_iter()
        .flatten()
    }

    /// Every fact unread for the same reason: the bucket as a whole could not be looked at.
    pub fn unseen(subject: &str, permission: &'static str, why: &str) -> Self {
        fn unread<T>(subject: &str, permission: &'static str, why: &str) -> Fact<T> {
            Fact::Unread(Unread::new(subject, permission, why))
        }
        BucketFacts {
            region: None,
            mark: unread(subject, permission, why),
            versioning: unread(subject, permission, why),
            policy: unread(subject, permission, why),
            lifecycle: unread(subject, permission, why),
            object_lock: unread(subject, permission, why),
            oldest_is_held: Fact::NotAsked,
            public_access: unread(subject, permission, why),
            acls_off: unread(subject, permission, why),
            grants: unread(subject, permission, why),
            replication: unread(subject, permission, why),
            encryption: unread(subject, permission, why),
        }
    }
}

/// A lifecycle rule, whoever wrote it
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifecycleRule {
    pub id: String,
    pub enabled: bool,
    pub prefix: String,
    /// Tags that an object must have, all of them.
    pub tags: Vec<(String, String)>,
    /// When current versions expire, in words: `after 30 days`, `on 2026-12-01`.
    pub expires_current: Option<String>,
    /// Days after which noncurrent versions go.
    pub noncurrent_days: Option<u32>,
    /// How many of the newest noncurrent versions stay whatever their age.
    pub newest: u32,
}

/// An entry of an access control list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub grantee: Grantee,
    /// `FULL_CONTROL`, `WRITE`, ..
    pub permission: String,
}

/// To whom an access control list grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    Everyone,
    /// Anybody with an account of AWS.
    AnyAccount,
    /// S3's own service that writes access logs.
    LogDelivery,
    /// Another account, by its canonical number or address.
    Other(String),
}

/// Where a rule of replication copies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The bucket's ARN.
    pub bucket: String,
    /// Its account, where the rule names one.
    pub account: Option<String>,
}
