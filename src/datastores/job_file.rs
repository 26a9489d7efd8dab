//! The job file, `/etc/reconcile/ENV/DATASTORE.json`: everything a job on a host needs, so that it needs neither
//! the settings nor the vault. Written by `apply` from settings, read by `jobs`.
//!
//! On disk it is one JSON object: the mark (`"reconcile": {"environment": .., "id": ..}`) first, then the members
//! of [`JobFile`], then `"secrets"` with the members that the constants `SECRET_..` name.
//! Version N of the program reads the files of version N-1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::couchdb::settings::CouchdbSource;
use super::elasticsearch::settings::ElasticsearchSource;
use super::postgresql::settings::PostgresqlSource;
use super::prove::SqlCheck;
use super::tree::settings::TreeSource;
use crate::retention::local::Policy;
use crate::vocab::{AccountId, BucketName, Datastore, Environment, HostName, RegionName, Schedule, Tier};

/// The version of the format that this program writes.
pub const VERSION: u32 = 2;
/// The oldest version that it reads: what came since has a default.
pub const OLDEST: u32 = 1;

/// Member of `secrets`: the access key of the identity that uploads.
pub const SECRET_ACCESS_KEY: &str = "access_key";
/// Member of `secrets`: the secret key of the identity that uploads.
pub const SECRET_SECRET_KEY: &str = "secret_key";
/// Members of `secrets`: as whom mails are handed to the server.
pub const SECRET_SMTP_USERNAME: &str = "smtp_username";
pub const SECRET_SMTP_PASSWORD: &str = "smtp_password";
/// Members of `secrets`: the URLs that are asked for after a run, where somebody waits for them.
pub const SECRET_PING_SUCCESS: &str = "ping_success";
pub const SECRET_PING_FAILURE: &str = "ping_failure";
/// Members of `secrets`: as whom a server of PostgreSQL on another host is asked, and read.
pub const SECRET_BACKUP_USERNAME: &str = "backup_username";
pub const SECRET_BACKUP_PASSWORD: &str = "backup_password";
pub const SECRET_REPLICATION_USERNAME: &str = "replication_username";
pub const SECRET_REPLICATION_PASSWORD: &str = "replication_password";
/// Members of `secrets`: CouchDB's administrator, who names the node anew after a restore.
pub const SECRET_COUCH_USERNAME: &str = "couch_username";
pub const SECRET_COUCH_PASSWORD: &str = "couch_password";
/// Members of `secrets`: as whom Elasticsearch is asked.
pub const SECRET_ELASTICSEARCH_USERNAME: &str = "elasticsearch_username";
pub const SECRET_ELASTICSEARCH_PASSWORD: &str = "elasticsearch_password";

/// What a job needs to know. Member names below `keep` are judged by the plan: less is destructive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFile {
    pub version: u32,
    pub environment: Environment,
    /// The host as the inventory names it.
    pub host: HostName,
    pub datastore: Datastore,
    pub source: Source,
    /// The backup directory, absolute.
    pub directory: String,
    pub compression: Compression,
    pub keep: KeepLocal,
    /// Where a second copy goes; `None` keeps backups on the host alone.
    pub upload: Option<Upload>,
    /// What proves a restored backup.
    #[serde(default, skip_serializing_if = "Verify::is_default")]
    pub verify: Verify,
    /// Who is stopped and started around a restore; `None`: a person does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Services>,
    /// What there was before: listed, never written to. Programs that know nothing of it wrote files without it.
    #[serde(default, skip_serializing_if = "Previous::is_empty")]
    pub previous: Previous,
    /// When backups of each tier begin, in the host's own time zone: what `check` expects to find.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schedules: BTreeMap<Tier, Schedule>,
    /// Who hears of what went wrong.
    #[serde(default, skip_serializing_if = "Alerts::is_empty")]
    pub alerts: Alerts,
    /// What the backups are held to besides their schedules.
    #[serde(default, skip_serializing_if = "Objectives::is_empty")]
    pub objectives: Objectives,
}

/// Who hears of what went wrong, and by which way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// Mail addresses.
    pub email: Vec<String>,
    /// The server that takes the mails; without one the host's own `sendmail` does.
    pub smtp: Option<Smtp>,
    /// The directory of node_exporter's textfile collector, absolute.
    pub prometheus_textfile: Option<String>,
}

impl Alerts {
    fn is_empty(&self) -> bool {
        *self == Alerts::default()
    }
}

/// A mail server; user and password are among the secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    pub host: HostName,
    pub port: u16,
    pub tls: SmtpTls,
    /// The sender's address; without one root at the host.
    pub from: Option<String>,
}

/// How the connection to a mail server is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    None,
    /// It begins in the clear and must be upgraded before anything else is said (RFC 3207).
    Starttls,
    /// From the first byte on (RFC 8314).
    Tls,
}

/// What backups are held to, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objectives {
    /// The newest backup is never older.
    pub recovery_point: Option<i64>,
    /// A backup was restored and checked within.
    pub verified_within: Option<i64>,
}

impl Objectives {
    fn is_empty(&self) -> bool {
        *self == Objectives::default()
    }
}

/// Earlier names of the environment, and buckets that were uploaded to before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Previous {
    pub names: Vec<Environment>,
    pub buckets: Vec<Upload>,
}

impl Previous {
    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.buckets.is_empty()
    }
}

/// How a backup is proven, beyond what is always looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Verify {
    /// SQL that must answer `true` in a restored database.
    pub checks: Vec<SqlCheck>,
    /// Libraries without which a server cannot read the data, such as `timescaledb`: no other is loaded.
    pub preload: Vec<String>,
    /// Where backups are restored for it; where `None`, in the backup directory.
    pub scratch: Option<String>,
}

impl Verify {
    fn is_default(&self) -> bool {
        *self == Verify::default()
    }
}

/// The commands that stop and start whoever uses the data, as `/bin/sh` reads them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    pub stop: String,
    pub start: String,
}

/// How to dump, per datastore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Postgresql(PostgresqlSource),
    Couchdb(CouchdbSource),
    Elasticsearch(ElasticsearchSource),
    Tree(TreeSource),
}

impl Source {
    /// How it is dumped, as manifests name it.
    pub fn method(&self) -> &'static str {
        match self {
            Source::Postgresql(source) => source.method.name(),
            Source::Elasticsearch(_) => "snapshot",
            Source::Couchdb(_) | Source::Tree(_) => "tree",
        }
    }

    /// The members of `secrets` with which its server is asked. One on the job's own host knows the job's user.
    pub fn logins(&self) -> &'static [&'static str] {
        match self {
            Source::Postgresql(PostgresqlSource { read_from: Some(_), .. }) => &[
                SECRET_BACKUP_USERNAME,
                SECRET_BACKUP_PASSWORD,
                SECRET_REPLICATION_USERNAME,
                SECRET_REPLICATION_PASSWORD,
            ],
            Source::Couchdb(_) => &[SECRET_COUCH_USERNAME, SECRET_COUCH_PASSWORD],
            Source::Elasticsearch(_) => &[SECRET_ELASTICSEARCH_USERNAME, SECRET_ELASTICSEARCH_PASSWORD],
            Source::Postgresql(_) | Source::Tree(_) => &[],
        }
    }
}

/// How the bytes of a dump are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// The ending of a compressed file's name, without the dot.
    pub fn ending(self) -> &'static str {
        match self {
            Compression::Gzip => "gz",
            Compression::Zstd => "zst",
        }
    }
}

/// How long backups stay in the backup directory; the newest proven one always stays. `retention::local` decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepLocal {
    /// Whole days for daily backups: removed when the age reaches (days + 1) x 24 h.
    pub days: u32,
    /// Weeks for weekly backups: as `days` with weeks x 7.
    pub weeks: u32,
    /// Hours for hourly backups: removed when the age exceeds hours x 60 minutes.
    pub hours: u32,
}

impl From<KeepLocal> for Policy {
    fn from(keep: KeepLocal) -> Self {
        Policy { days: keep.days, weeks: keep.weeks, hours: keep.hours }
    }
}

/// The bucket that holds the second copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub bucket: BucketName,
    pub region: Option<RegionName>,
    /// An S3-compatible store in place of AWS's.
    pub endpoint: Option<String>,
    /// The account that must own the bucket; where `None` and the store is AWS's, the job asks for its own.
    pub account: Option<AccountId>,
    /// True: one undated key per tier and host, old versions kept by the storage. False: dated keys.
    pub versioned: bool,
}
