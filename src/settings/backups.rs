//! The key `backups:` as it is written: types that give the schema (their comments are its descriptions) and that a
//! tree of the right shape becomes.
//!
//! What this version does not carry out is told by [`BackupsFile::unsupported`]; it is read and checked all the same.

mod access;
mod alerts;
mod proofs;
mod sources;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use access::{Identity, Networks};
pub use alerts::{Alerts, Smtp, Tls};
pub use proofs::{Proof, Service};
pub use sources::{
    Database, DirectElasticsearch, DirectPostgresql, DirectTree, Dokku, Duration, Files, KeepLocally,
    MethodFile, Objectives, OffSystem,
};

use crate::vocab::{Encryption, KeepVersions, LockMode, Tier};

/// Everything about backups that the flat keys cannot say
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "backups")]
pub struct BackupsFile {
    /// The only AWS account that may be touched: twelve digits, quoted
    #[schemars(example = "123456789012", regex(pattern = r"^[0-9]{12}$"))]
    pub account: Option<String>,
    /// The buckets that hold backups, by name; what is listed here gets all of this by default
    pub buckets: BTreeMap<String, BucketFile>,

    /// The only principals who may weaken or destroy: ARNs of roles that exist; no sessions, no users, not root
    #[schemars(example = ["arn:aws:iam::123456789012:role/OrganizationAdmin"])]
    pub break_glass: Option<Vec<String>>,
    /// Datastores of commcare-cloud that are backed up from here, whatever their flat switches say
    #[schemars(example = ["postgresql"])]
    pub adopt: Option<Vec<Adopt>>,
    /// Earlier names of this environment: what carries their mark becomes this one's
    #[schemars(example = ["example-old"])]
    pub previous_names: Option<Vec<String>>,
    /// Buckets that were uploaded to before, and that still hold backups: read, never written to
    #[schemars(example = ["example-org-old-backups"])]
    pub previous_buckets: Option<Vec<String>>,
    /// What every datastore is held to
    pub objectives: Option<Objectives>,
    /// Who writes backups; the least privilege is derived
    pub identities: Option<Vec<Identity>>,
    /// Databases of Amazon RDS; never created, never deleted
    pub databases: Option<Vec<Database>>,
    /// Directory trees
    pub files: Option<Vec<Files>>,
    /// Services of dokku-postgres and their own backup schedule
    pub dokku: Option<Vec<Dokku>>,
    /// How backups are proven, by datastore: postgresql, couchdb, blobdb, elasticsearch, files-NAME
    pub verify: BTreeMap<String, Proof>,
    /// How whoever uses the data is stopped and started by a restore, by datastore; without it a person does
    pub services: BTreeMap<String, Service>,
    /// Who hears of what went wrong
    pub alerts: Option<Alerts>,
    /// PostgreSQL, declared directly in place of backup_postgres and its keys
    pub postgresql: Option<DirectPostgresql>,
    /// CouchDB, declared directly in place of backup_couch and its keys
    pub couchdb: Option<DirectTree>,
    /// The directory of blobs, declared directly in place of backup_blobdb and its keys
    pub blobdb: Option<DirectTree>,
    /// Elasticsearch, declared directly in place of backup_es_s3 and its keys
    pub elasticsearch: Option<DirectElasticsearch>,
}

/// `adopt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Adopt {
    Postgresql,
    Couchdb,
    Blobdb,
    Elasticsearch,
}

impl Adopt {
    pub fn name(self) -> &'static str {
        match self {
            Adopt::Postgresql => "postgresql",
            Adopt::Couchdb => "couchdb",
            Adopt::Blobdb => "blobdb",
            Adopt::Elasticsearch => "elasticsearch",
        }
    }
}

/// One bucket
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BucketFile {
    /// The bucket's region; default: aws_region
    #[schemars(example = "eu-west-2")]
    pub region: Option<String>,
    /// Whether the program sees to it that the storage keeps old versions, or leaves that to others; default: enabled
    pub versioning: VersioningFile,
    /// Deny the actions that destroy backups to all but break_glass; default: true
    pub versioning_lock: Option<bool>,
    /// How long noncurrent versions live, per tier; a tier that is absent keeps them for ever
    pub keep_versions: KeepTiers,
    /// Object lock; irreversible, and covers new versions only; default: none
    pub object_lock: Option<ObjectLock>,
    /// After how many days the parts of an unfinished upload go; default: 7d
    #[schemars(example = "7d", regex(pattern = r"^[1-9][0-9]{0,3}d$"))]
    pub abort_uploads_after: Option<String>,
    /// The bucket's default encryption; default: AES256
    pub encryption: Option<EncryptionFile>,
    /// Whether the block of public access is seen to, or left to others; default: blocked
    pub public_access: PublicAccessFile,
    /// Refuse requests without TLS; default: true
    pub tls_only: Option<bool>,
}

/// Object lock of new versions
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectLock {
    /// governance can be lifted by those who may; compliance by nobody, not even the account's root
    pub mode: LockMode,
    /// How many days a version cannot be removed
    #[schemars(range(min = 1, max = 36500), example = 30)]
    pub days: u32,
}

/// `versioning`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum VersioningFile {
    #[default]
    Enabled,
    Unmanaged,
}

/// `public_access`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum PublicAccessFile {
    #[default]
    Blocked,
    Unmanaged,
}

/// `encryption`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum EncryptionFile {
    Named(EncryptionName),
    Key(EncryptionKey),
}

/// Keys that AWS keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum EncryptionName {
    #[serde(rename = "AES256")]
    Aes256,
    #[serde(rename = "aws:kms")]
    Kms,
}

/// A key of one's own
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct EncryptionKey {
    /// The ARN of a KMS key
    #[schemars(regex(pattern = r"^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+$"))]
    pub kms_key: String,
}

/// How long noncurrent versions live, per tier
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct KeepTiers {
    /// Versions of hourly backups
    pub hourly: Option<KeepFile>,
    /// Versions of daily backups
    pub daily: Option<KeepFile>,
    /// Versions of weekly backups
    pub weekly: Option<KeepFile>,
}

/// Both conditions must hold before the storage removes a version
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepFile {
    /// Days since the version became noncurrent
    #[schemars(range(min = 1, max = 36500))]
    pub days: u32,
    /// How many of the newest noncurrent versions stay whatever their age; S3 counts to 100
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub newest: u32,
}

impl EncryptionFile {
    pub fn encryption(&self) -> Encryption {
        match self {
            EncryptionFile::Named(EncryptionName::Aes256) => Encryption::Aes256,
            EncryptionFile::Named(EncryptionName::Kms) => Encryption::Kms(None),
            EncryptionFile::Key(EncryptionKey { kms_key }) => Encryption::Kms(Some(kms_key.clone())),
        }
    }
}

impl KeepTiers {
    pub fn by_tier(&self) -> BTreeMap<Tier, KeepVersions> {
        let KeepTiers { hourly, daily, weekly } = *self;
        [(Tier::Hourly, hourly), (Tier::Daily, daily), (Tier::Weekly, weekly)]
            .into_iter()
            .filter_map(|(tier, keep)| {
                keep.map(|KeepFile { days, newest }| (tier, KeepVersions { days, newest }))
            })
            .collect()
    }
}

impl BackupsFile {
    /// The members that are understood and not carried out yet, each with what will not happen.
    pub fn unsupported(&self) -> Vec<(&'static str, &'static str)> {
        let BackupsFile {
            account: _,
            buckets: _,
            break_glass: _,
            adopt: _,
            previous_names: _,
            previous_buckets: _,
            objectives: _,
            identities: _,
            databases,
            files: _,
            dokku,
            verify: _,
            services: _,
            alerts: _,
            postgresql: _,
            couchdb: _,
            blobdb: _,
            elasticsearch: _,
        } = self;
        let members = [
            ("databases", databases.is_some(), "Amazon RDS is not managed by this version yet"),
            ("dokku", dokku.is_some(), "dokku's backups are not managed by this version yet"),
        ];
        members.into_iter().filter(|(_, is_there, _)| *is_there).map(|(key, _, why)| (key, why)).collect()
    }
}
