//! A bucket: where backups are kept, how long its old versions live, who may read it over what, who may destroy it.
//!
//! Pure: the normal form, its fields and their risks. `live.rs` reads and writes it. Must never be removed.

pub mod live;
mod protection;

use std::collections::BTreeMap;

pub use protection::{BucketObjectLock, VersioningLock, member as lock_member};

use super::{Field, Judgement};
use crate::vocab::{Encryption, Environment, KeepVersions, RegionName, Risk, Value, Versioning};

/// The tag that marks a bucket as ours; its value is the environment.
pub const MARK: &str = "reconcile:environment";

/// A bucket in its normal form. In a desired bucket `None` leaves a field as it is; in an observed one it says that
/// the store does not know the feature at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The environment whose mark it carries; `Some(None)` is a bucket without any mark.
    pub owner: Option<Option<Environment>>,
    pub region: Option<RegionName>,
    pub versioning: Option<Versioning>,
    /// Our lifecycle rules for noncurrent versions by key prefix; a prefix that is absent keeps its versions for ever.
    pub keep_versions: Option<BTreeMap<String, VersionRule>>,
    pub abort_uploads: Option<AbortUploads>,
    pub encryption: Option<Encryption>,
    pub public_access: Option<PublicAccess>,
    /// Whether our statement that denies requests without TLS stands in the bucket's policy.
    pub tls_only: Option<bool>,
    pub object_lock: Option<BucketObjectLock>,
    pub versioning_lock: Option<VersioningLock>,
}

/// One of our lifecycle rules, or what somebody made of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionRule {
    Keep(KeepVersions),
    /// A rule under our ID that says something else: shown as it is and replaced.
    Unrecognised(String),
}

/// What happens to parts of uploads that were never completed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AbortUploads {
    /// They stay, and are paid for, for ever.
    Never,
    AfterDays(u32),
    Unrecognised(String),
}

/// The four switches of S3's public access block
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicAccess {
    pub block_acls: bool,
    pub ignore_acls: bool,
    pub block_policy: bool,
    pub restrict_buckets: bool,
}

impl PublicAccess {
    pub const BLOCKED: PublicAccess =
        PublicAccess { block_acls: true, ignore_acls: true, block_policy: true, restrict_buckets: true };
    pub const OPEN: PublicAccess =
        PublicAccess { block_acls: false, ignore_acls: false, block_policy: false, restrict_buckets: false };
}

impl From<PublicAccess> for Value {
    fn from(access: PublicAccess) -> Self {
        if access == PublicAccess::BLOCKED {
            return "blocked".into();
        }
        if access == PublicAccess::OPEN {
            return "open".into();
        }
        let PublicAccess { block_acls, ignore_acls, block_policy, restrict_buckets } = access;
        let open = [
            (block_acls, "new public ACLs"),
            (ignore_acls, "public ACLs"),
            (block_policy, "new public policies"),
            (restrict_buckets, "public policies"),
        ];
        let open: Vec<&str> =
            open.into_iter().filter(|(blocked, _)| !blocked).map(|(_, what)| what).collect();
        format!("open to {}", open.join(", ")).into()
    }
}

impl From<VersionRule> for Value {
    fn from(rule: VersionRule) -> Self {
        match rule {
            VersionRule::Keep(keep) => keep.into(),
            VersionRule::Unrecognised(what) => format!("unrecognised: {what}").into(),
        }
    }
}

impl From<AbortUploads> for Value {
    fn from(abort: AbortUploads) -> Self {
        match abort {
            AbortUploads::Never => "never".into(),
            AbortUploads::AfterDays(days) => days.into(),
            AbortUploads::Unrecognised(what) => format!("unrecognised: {what}").into(),
        }
    }
}

/// Names of fields, as plans, consents and scripts know them.
pub mod field {
    pub const OWNER: &str = "owner";
    pub const REGION: &str = "region";
    pub const VERSIONING: &str = "versioning";
    pub const KEEP_VERSIONS: &str = "keep_versions";
    pub const ABORT_UPLOADS: &str = "abort_uploads_after";
    pub const ENCRYPTION: &str = "encryption";
    pub const PUBLIC_ACCESS: &str = "public_access";
    pub const TLS_ONLY: &str = "tls_only";
    pub const OBJECT_LOCK: &str = "object_lock";
    pub const VERSIONING_LOCK: &str = "versioning_lock";
}

impl Bucket {
    pub fn fields(&self) -> Vec<Field> {
        let Bucket {
            owner,
            region,
            versioning,
            keep_versions,
            abort_uploads,
            encryption,
            public_access,
            tls_only,
            object_lock,
            versioning_lock,
        } = self;
        let rules = keep_versions.as_ref().map(|rules| {
            Value::Map(rules.iter().map(|(prefix, rule)| (prefix.clone(), rule.clone().into())).collect())
        });
        let owner = owner.as_ref().map(|owner| Value::or_null(owner.as_ref().map(Environment::as_str)));
        vec![
            Field::managed(field::OWNER, owner),
            Field::managed(field::REGION, region.as_ref().map(RegionName::as_str)),
            Field::managed(field::VERSIONING, *versioning),
            Field::managed(field::KEEP_VERSIONS, rules),
            Field::managed(field::ABORT_UPLOADS, abort_uploads.clone()),
            Field::managed(field::ENCRYPTION, encryption.clone()),
            Field::managed(field::PUBLIC_ACCESS, *public_access),
            Field::managed(field::TLS_ONLY, *tls_only),
            Field::managed(field::OBJECT_LOCK, object_lock.clone()),
            Field::managed(field::VERSIONING_LOCK, versioning_lock.clone()),
        ]
    }

    /// This desired bucket on top of what is there.
    pub fn over(&self, present: Option<&Bucket>) -> Bucket {
        let newborn = Bucket::newborn();
        let present = present.unwrap_or(&newborn).clone();
        Bucket {
            owner: self.owner.clone().or(present.owner),
            // A bucket never moves.
            region: present.region.or_else(|| self.region.clone()),
            versioning: self.versioning.or(present.versioning),
            keep_versions: self.keep_versions.clone().or(present.keep_versions),
            abort_uploads: self.abort_uploads.clone().or(present.abort_uploads),
            encryption: self.encryption.clone().or(present.encryption),
            public_access: self.public_access.or(present.public_access),
            tls_only: self.tls_only.or(present.tls_only),
            object_lock: self.object_lock.clone().or(present.object_lock),
            versioning_lock: self.versioning_lock.clone().or(present.versioning_lock),
        }
    }

    /// What AWS gives to a bucket that was just made
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/create-bucket-overview.html>).
    pub fn newborn() -> Bucket {
        Bucket {
            owner: Some(None),
            region: None,
            versioning: Some(Versioning::Never),
            keep_versions: Some(BTreeMap::new()),
            abort_uploads: Some(AbortUploads::Never),
            encryption: Some(Encryption::Aes256),
            public_access: Some(PublicAccess::BLOCKED),
            tls_only: Some(false),
            object_lock: Some(BucketObjectLock::None),
            versioning_lock: Some(VersioningLock::None),
        }
    }
}

/// The risk of one field of an existing bucket changing.
pub fn risk(name: &str, from: &Value, to: &Value) -> Judgement {
    match name {
        // S3 cannot go back to never; suspended to enabled is what it was before.
        field::VERSIONING if from.as_text() == Some(Versioning::Never.name()) => Risk::Irreversible.into(),
        field::VERSIONING if to.as_text() != Some(Versioning::Enabled.name()) => Risk::Destructive.into(),
        field::KEEP_VERSIONS if shortens(from, to) => Risk::Destructive.into(),
        field::PUBLIC_ACCESS if to.as_text() == Some("blocked") => {
            Judgement { risk: Risk::Routine, may_break: vec!["whoever reads this bucket without signing in"] }
        }
        field::PUBLIC_ACCESS => Risk::Widening.into(),
        field::TLS_ONLY if *to == Value::Bool(true) => {
            Judgement { risk: Risk::Routine, may_break: vec!["clients that speak plain HTTP"] }
        }
        field::TLS_ONLY => Risk::Widening.into(),
        field::ENCRYPTION => encryption_risk(from, to),
        field::OBJECT_LOCK => protection::object_lock_risk(from, to),
        field::VERSIONING_LOCK => protection::lock_risk(from, to),
        _ => Risk::Routine.into(),
    }
}

/// Whether any prefix's noncurrent versions live shorter under the new rules.
pub fn shortens(from: &Value, to: &Value) -> bool {
    let Value::Map(to) = to else { return false };
    to.iter().any(|(prefix, new)| match (from.get(prefix).and_then(keep_of), keep_of(new)) {
        // For ever before, or something that is not understood: any limit may be shorter.
        (None, Some(_)) => true,
        (Some(old), Some(new)) => new.days < old.days || new.newest < old.newest,
        (_, None) => false,
    })
}

pub fn keep_of(value: &Value) -> Option<KeepVersions> {
    let number = |name| value.get(name).and_then(Value::as_number).and_then(|n| u32::try_from(n).ok());
    Some(KeepVersions { days: number("days")?, newest: number("newest").unwrap_or(0) })
}

fn encryption_risk(from: &Value, to: &Value) -> Judgement {
    let kms = |value: &Value| value.as_text().is_some_and(|text| text.starts_with("aws:kms"));
    match (kms(from), kms(to)) {
        // A key's policy is a second lock on every object; without it the bucket's own permissions suffice.
        (true, false) => Risk::Widening.into(),
        (_, true) => {
            Judgement { risk: Risk::Routine, may_break: vec!["writers and readers that may not use the key"] }
        }
        (false, false) => Risk::Routine.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(list: &[(&str, u32, u32)]) -> Value {
        Value::Map(
            list.iter()
                .map(|(prefix, days, newest)| {
                    ((*prefix).to_owned(), KeepVersions { days: *days, newest: *newest }.into())
                })
                .collect(),
        )
    }

    #[test]
    fn keeping_versions_shorter_is_destructive_and_longer_is_not() {
        let ninety = rules(&[("postgres_daily_", 90, 5)]);
        for (to, risk_wanted) in [
            (rules(&[("postgres_daily_", 7, 5)]), Risk::Destructive),
            (rules(&[("postgres_daily_", 90, 2)]), Risk::Destructive),
            (rules(&[("postgres_daily_", 90, 5), ("couchdb_daily_", 400, 0)]), Risk::Destructive),
            (rules(&[("postgres_daily_", 91, 5)]), Risk::Routine),
            (rules(&[]), Risk::Routine),
        ] {
            assert_eq!(risk(field::KEEP_VERSIONS, &ninety, &to).risk, risk_wanted, "{to:?}");
        }
        assert_eq!(risk(field::KEEP_VERSIONS, &rules(&[]), &ninety).risk, Risk::Destructive);
    }

    #[test]
    fn the_first_versioning_is_final_and_a_resumed_one_is_not() {
        let enabled = Value::from(Versioning::Enabled);
        assert_eq!(risk(field::VERSIONING, &Versioning::Never.into(), &enabled).risk, Risk::Irreversible);
        assert_eq!(risk(field::VERSIONING, &Versioning::Suspended.into(), &enabled).risk, Risk::Routine);
        assert_eq!(risk(field::VERSIONING, &enabled, &Versioning::Suspended.into()).risk, Risk::Destructive);
    }

    #[test]
    fn a_protection_taken_off_widens() {
        let open = Value::from(PublicAccess { block_policy: false, ..PublicAccess::BLOCKED });
        assert_eq!(open, "open to new public policies".into());
        assert_eq!(risk(field::PUBLIC_ACCESS, &"blocked".into(), &open).risk, Risk::Widening);
        assert_eq!(risk(field::TLS_ONLY, &true.into(), &false.into()).risk, Risk::Widening);
        assert_eq!(risk(field::ENCRYPTION, &"aws:kms".into(), &"AES256".into()).risk, Risk::Widening);
        assert_eq!(risk(field::TLS_ONLY, &false.into(), &true.into()).may_break.len(), 1);
    }
}
