//! What `backups:` declares, after parsing and checking: no field means "maybe wrong". Most of it is not carried out
//! by this version; it is read whole all the same, so that its mistakes are told now and not in the night of its
//! first use.

mod access;
mod alerts;
mod names;
mod proofs;
mod read;
mod sources;

use std::collections::BTreeMap;

use crate::datastores::postgresql::settings::Method;
use crate::vocab::{
    AccountId, BucketName, Datastore, Environment, HostName, OsUser, Place, RegionName, Schedule,
};

pub use crate::vocab::Network;

pub use read::read;

/// Everything below `backups:` but account and buckets.
///
/// Lists keep the order of the file; `at` is an item's place in its list, so that problems find where it stands.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    pub break_glass: Vec<Role>,
    /// Datastores of commcare-cloud that are ours whatever their flat switches say, by name.
    pub adopt: BTreeMap<&'static str, Adopted>,
    /// Earlier names of the environment.
    pub previous_names: Vec<Previous<Environment>>,
    /// Buckets that were uploaded to before.
    pub previous_buckets: Vec<Previous<BucketName>>,
    pub objectives: Objectives,
    pub identities: Vec<Identity>,
    pub databases: Vec<Database>,
    pub files: Vec<Files>,
    pub dokku: Vec<Dokku>,
    /// How backups are proven.
    pub verify: BTreeMap<Datastore, Proof>,
    /// Who is stopped and started around a restore.
    pub services: BTreeMap<Datastore, Service>,
    pub alerts: Option<Alerts>,
    pub postgresql: Option<Direct>,
    pub couchdb: Option<Direct>,
    pub blobdb: Option<Direct>,
    pub elasticsearch: Option<DirectElasticsearch>,
}

/// How a datastore's backups are proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// When; `None`: only when somebody asks.
    pub schedule: Option<Schedule>,
    /// SQL that answers `true`, in `database` or the only one there is.
    pub checks: Vec<String>,
    pub database: Option<String>,
    pub preload: Vec<String>,
    pub scratch: Option<String>,
}

/// The commands that stop and start whoever uses the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub stop: String,
    pub start: String,
}

/// A word of `adopt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    pub at: usize,
    pub place: Place,
}

/// A name that something had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous<T> {
    pub at: usize,
    pub name: T,
}

/// A role that may break the glass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub at: usize,
    pub account: AccountId,
    /// The whole ARN, path included.
    pub arn: String,
}

/// What a datastore is held to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objectives {
    /// The newest backup is never older.
    pub recovery_point: Option<chrono::TimeDelta>,
    /// A backup was restored and checked within.
    pub verified_within: Option<chrono::TimeDelta>,
}

/// Who writes backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub at: usize,
    pub place: Place,
    pub who: Who,
    pub writes: Vec<BucketName>,
    /// Identifiers of databases whose snapshots may be created and described.
    pub snapshots: Vec<String>,
    pub from: Option<From>,
}

/// A role or a user of IAM, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Role { name: String, assumed_by: Option<String> },
    User { name: String },
}

/// Where requests must come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// Public networks, by the address that S3 sees.
    Networks(Vec<Network>),
    /// Private networks within a VPC; none is the whole VPC.
    Vpc { vpc: String, networks: Vec<Network> },
}

/// A database of Amazon RDS.
#[derive(Clone, Debug)]
pub struct Database {
    pub at: usize,
    pub identifier: String,
    pub window: Option<Window>,
    pub retention_days: Option<u32>,
    pub deletion_protection: Option<bool>,
    pub copy_tags: Option<bool>,
    pub long_term: Option<LongTerm>,
    pub off_system: Option<OffSystem>,
    pub objectives: Objectives,
}

/// A daily span of time in UTC, in minutes since midnight; `end` is smaller where it crosses midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub start: u32,
    pub end: u32,
}

/// Manual snapshots: how many of each are kept, and where copies go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongTerm {
    pub weekly: Option<u32>,
    pub monthly: Option<u32>,
    pub region: Option<RegionName>,
}

/// A dump of a restored snapshot.
#[derive(Clone, Debug)]
pub struct OffSystem {
    /// Groups or hosts, as written.
    pub hosts: Vec<String>,
    pub schedule: Schedule,
    pub reach_over: Option<HostName>,
    pub instance_class: Option<String>,
    pub keep_days: Option<u32>,
    pub exclude_table_data: Vec<String>,
    /// The bucket of a second copy, and the name of its credentials in the vault.
    pub copy_to: Option<(BucketName, Option<String>)>,
    pub checks: Vec<String>,
}

/// A directory tree.
#[derive(Clone, Debug)]
pub struct Files {
    pub at: usize,
    pub name: String,
    pub hosts: Vec<String>,
    /// The host that holds the tree, where it is not the one that backs it up.
    pub source_host: Option<HostName>,
    pub source: String,
    pub exclude: Vec<String>,
    pub schedule: Schedule,
    pub keep_days: Option<u32>,
    pub bucket: Option<BucketName>,
    pub directory: Option<String>,
    pub user: Option<OsUser>,
    pub objectives: Objectives,
}

/// A service of dokku-postgres.
#[derive(Clone, Debug)]
pub struct Dokku {
    pub at: usize,
    pub service: String,
    pub hosts: Vec<String>,
    pub schedule: Schedule,
    pub bucket: BucketName,
    pub use_iam: bool,
    pub objectives: Objectives,
}

/// Who hears of what went wrong.
#[derive(Clone, Debug)]
pub struct Alerts {
    pub email: Vec<String>,
    pub smtp: Option<Smtp>,
    pub sendmail: bool,
    pub prometheus_textfile: Option<String>,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    pub host: HostName,
    pub port: Option<u16>,
    pub from: Option<String>,
    pub tls: Tls,
}

/// How the connection to a mail server is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    Off,
    Upgraded,
    FromTheStart,
}

/// A datastore of commcare-cloud's kind, declared directly: what is absent is as the flat keys have it.
#[derive(Clone, Debug, Default)]
pub struct Direct {
    pub hosts: Vec<String>,
    /// PostgreSQL's alone.
    pub method: Option<Method>,
    pub source: Option<String>,
    pub directory: Option<String>,
    pub hours: Option<u32>,
    pub days: Option<u32>,
    pub weeks: Option<u32>,
    /// Minute and hour.
    pub at: Option<(u32, u32)>,
    pub bucket: Option<BucketName>,
    pub objectives: Objectives,
}

/// Elasticsearch, declared directly.
#[derive(Clone, Debug)]
pub struct DirectElasticsearch {
    pub hosts: Vec<String>,
    pub bucket: BucketName,
    /// Where it listens.
    pub url: Option<String>,
    pub repository: Option<String>,
    pub keep_days: Option<u32>,
    pub schedule: Option<Schedule>,
    pub objectives: Objectives,
}
