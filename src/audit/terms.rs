//! What the settings expect of the account: which buckets hold backups, how long versions live, who may break the glass.

use std::collections::{BTreeMap, BTreeSet};

use crate::resources::Resource;
use crate::resources::bucket::{Bucket, BucketObjectLock, VersionRule, VersioningLock};
use crate::state::{Desired, HeldCode};
use crate::vocab::{
    AccountId, BucketName, Encryption, Environment, Id, KeepVersions, Kind, ObjectLock, RegionName,
    Versioning,
};

/// The settings as the audit holds the account to them.
#[derive(Clone, Debug)]
pub struct Terms {
    pub environment: Environment,
    pub account: Option<AccountId>,
    pub buckets: BTreeMap<BucketName, BucketTerms>,
    /// ARNs of the roles that may destroy.
    pub break_glass: BTreeSet<String>,
    /// `role/NAME` and `user/NAME` of who writes backups.
    pub writers: BTreeSet<String>,
    /// Whether the jobs upload with a key of the account's root.
    pub root_writes: bool,
    /// Identifiers of databases of Amazon RDS.
    pub databases: BTreeSet<String>,
    /// Where databases are, and buckets whose settings name no region.
    pub region: Option<RegionName>,
    /// Buckets whose backups are copied elsewhere by a job of ours.
    pub copied: BTreeSet<BucketName>,
    /// Datastores that are switched on without a host, and the words about it.
    pub without_host: BTreeMap<String, String>,
    /// Earlier names of the environment: their marks are its own.
    pub earlier: BTreeSet<Environment>,
    /// Buckets that were uploaded to before: judged as the others are, and nothing is expected of them.
    pub previous: BTreeSet<BucketName>,
    /// Every bucket that settings name, managed or held.
    pub named: BTreeSet<String>,
}

/// What settings say of one bucket.
#[derive(Clone, Debug, Default)]
pub struct BucketTerms {
    pub region: Option<RegionName>,
    /// Backups rely on its old versions.
    pub versioned: bool,
    /// How long noncurrent versions live, by prefix; a prefix that is absent keeps them for ever.
    pub keep: BTreeMap<String, KeepVersions>,
    pub object_lock: Option<ObjectLock>,
    /// Whether settings ask for the versioning lock; `None` where they do not speak of it.
    pub lock: Option<bool>,
    pub encryption: Option<Encryption>,
}

impl Terms {
    /// The terms of an environment, from what is desired. Writers, databases and copies are added by the caller.
    pub fn of(desired: &Desired) -> Terms {
        let bucket = |(id, resource): (&Id, &Resource)| match resource {
            Resource::Bucket(bucket) => Some((id.name().parse().ok()?, BucketTerms::of(bucket))),
            _ => None,
        };
        let without_host = desired.held.iter().filter(|held| held.code == HeldCode::NoHost);
        Terms {
            environment: desired.environment.clone(),
            account: desired.account.clone(),
            buckets: desired
                .resources
                .iter()
                .filter_map(|(id, wanted)| bucket((id, &wanted.resource)))
                .collect(),
            break_glass: desired.break_glass.clone(),
            writers: BTreeSet::new(),
            root_writes: false,
            databases: BTreeSet::new(),
            region: None,
            copied: BTreeSet::new(),
            earlier: BTreeSet::new(),
            previous: BTreeSet::new(),
            without_host: without_host.map(|held| (held.id.name().to_owned(), held.why.clone())).collect(),
            named: desired
                .declared
                .iter()
                .filter(|id| id.kind() == Kind::Bucket)
                .map(|id| id.name().to_owned())
                .collect(),
        }
    }
}

impl Terms {
    /// The same terms of an environment that had other names and other buckets before.
    pub fn with_previous(
        mut self,
        names: impl IntoIterator<Item = Environment>,
        buckets: impl IntoIterator<Item = BucketName>,
    ) -> Terms {
        self.earlier.extend(names);
        for name in buckets {
            self.named.insert(name.to_string());
            self.buckets.entry(name.clone()).or_default();
            self.previous.insert(name);
        }
        self
    }

    /// Whether a thing with this mark is the environment's.
    pub fn is_ours(&self, mark: Option<&Environment>) -> bool {
        mark.is_some_and(|mark| *mark == self.environment || self.earlier.contains(mark))
    }
}

impl BucketTerms {
    fn of(bucket: &Bucket) -> BucketTerms {
        let keep = |rules: &BTreeMap<String, VersionRule>| {
            let kept = rules.iter().filter_map(|(prefix, rule)| match rule {
                VersionRule::Keep(keep) => Some((prefix.clone(), *keep)),
                VersionRule::Unrecognised(_) => None,
            });
            kept.collect()
        };
        BucketTerms {
            region: bucket.region.clone(),
            versioned: bucket.versioning == Some(Versioning::Enabled),
            keep: bucket.keep_versions.as_ref().map(keep).unwrap_or_default(),
            object_lock: match &bucket.object_lock {
                Some(BucketObjectLock::Holds(lock)) => Some(*lock),
                _ => None,
            },
            lock: bucket.versioning_lock.as_ref().map(|lock| *lock != VersioningLock::None),
            encryption: bucket.encryption.clone(),
        }
    }
}
