//! Shapes of the parts of `backups:` that are checked now and carried out by a later version: they exist for the
//! schema alone.
#![expect(dead_code, reason = "the schema is made of the types; no value of them is ever built")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

/// A whole number with a unit: 26h, 7d, 4w
#[derive(JsonSchema)]
pub struct Duration(#[schemars(regex(pattern = r"^[1-9][0-9]{0,4}(m|h|d|w)$"))] String);

/// Five fields of cron, or @daily and the like
#[derive(JsonSchema)]
pub struct Cron(#[schemars(length(min = 1, max = 200))] String);

/// What every datastore is held to
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Objectives {
    /// The newest backup is never older than this
    #[schemars(with = "Duration", default)]
    recovery_point: (),
    /// A backup was restored and checked within this time
    #[schemars(with = "Duration", default)]
    verified_within: (),
}

/// Object lock of new versions
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ObjectLock {
    mode: LockMode,
    /// How many days a version cannot be removed
    #[schemars(range(min = 1, max = 36500))]
    days: u32,
}

/// governance can be lifted by those who may; compliance by nobody
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum LockMode {
    Governance,
    Compliance,
}

/// Who writes backups
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Identity {
    /// The name of a role
    role: Option<String>,
    /// The name of a user
    user: Option<String>,
    /// The service that assumes the role
    assumed_by: Option<String>,
    /// Buckets that are written to
    #[schemars(default)]
    writes: Vec<String>,
    /// Databases whose snapshots may be created and described
    #[schemars(default)]
    snapshots: Vec<String>,
    from: Option<Networks>,
}

/// Where requests must come from
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Networks {
    /// The VPC that private networks are in
    vpc: Option<String>,
    /// Networks as 172.31.0.0/16
    #[schemars(default)]
    networks: Vec<String>,
}

/// A database of Amazon RDS
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Database {
    identifier: String,
    /// The backup window, in UTC, at least 30 minutes: 16:00-16:30
    #[schemars(with = "Option<String>", regex(pattern = r"^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"))]
    window: (),
    /// Days of automated backups
    #[schemars(with = "Option<u32>", range(min = 1, max = 35))]
    retention_days: (),
    deletion_protection: Option<bool>,
    copy_tags: Option<bool>,
    long_term: Option<LongTerm>,
    off_system: Option<OffSystem>,
    objectives: Option<Objectives>,
}

/// Manual snapshots beyond the 35 days
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct LongTerm {
    /// How many weekly ones
    weekly: Option<u32>,
    /// How many monthly ones
    monthly: Option<u32>,
    /// Where copies go
    region: Option<String>,
}

/// A dump of a restored snapshot, kept outside of AWS's own formats
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OffSystem {
    /// Groups or hosts that run it
    hosts: Vec<String>,
    schedule: Cron,
    /// How the database is reached
    reach: Option<BTreeMap<String, String>>,
    instance_class: Option<String>,
    #[schemars(with = "Option<u32>", range(min = 1, max = 36500))]
    keep_days: (),
    #[schemars(default)]
    exclude_table_data: Vec<String>,
    copy_to: Option<CopyTo>,
    verify: Option<Verify>,
}

/// A second bucket
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CopyTo {
    bucket: String,
    /// A name below backup_credentials in the vault
    credentials: Option<String>,
}

/// What proves a restored backup
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Verify {
    /// SQL that answers true
    checks: Vec<String>,
}

/// A directory tree
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Files {
    #[schemars(regex(pattern = r"^[a-z0-9_-]{1,32}$"))]
    name: String,
    /// Groups or hosts that run it
    hosts: Vec<String>,
    source: Tree,
    #[schemars(default)]
    exclude: Vec<String>,
    schedule: Cron,
    #[schemars(with = "Option<u32>", range(min = 1, max = 36500))]
    keep_days: (),
    bucket: Option<String>,
    objectives: Option<Objectives>,
}

/// A local path, or one on another host
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Tree {
    Local(String),
    Remote(RemoteTree),
}

/// A path on another host
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RemoteTree {
    host: String,
    path: String,
}

/// A service of dokku-postgres
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Dokku {
    service: String,
    /// Groups or hosts that run it
    hosts: Vec<String>,
    schedule: Cron,
    bucket: String,
    /// The host's own role instead of credentials from the vault
    use_iam: Option<bool>,
    objectives: Option<Objectives>,
}

/// Who hears of what went wrong
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Alerts {
    email: Option<String>,
    smtp: Option<Smtp>,
    /// Hand mails to the host's own sendmail
    sendmail: Option<bool>,
    /// A directory of node_exporter's textfile collector
    prometheus_textfile: Option<String>,
}

/// A mail server; user and password are in the vault
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Smtp {
    host: String,
    port: Option<u16>,
    from: Option<String>,
    tls: Option<Tls>,
}

/// How the connection is kept private
#[derive(JsonSchema)]
enum Tls {
    #[schemars(rename = "none")]
    Off,
    #[schemars(rename = "starttls")]
    Upgraded,
    #[schemars(rename = "tls")]
    FromTheStart,
}

/// A datastore, declared directly
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Direct {
    /// Groups or hosts that run it
    hosts: Vec<String>,
    method: Option<String>,
    dir: Option<String>,
    /// How many of each tier: {daily: 7, weekly: 4}
    keep: Option<BTreeMap<String, u32>>,
    schedule: Option<Cron>,
    bucket: Option<String>,
    objectives: Option<Objectives>,
}
