//! What is backed up, declared under `backups:`, as it is written: datastores, hosted databases, directory trees.

use schemars::JsonSchema;
use serde::Deserialize;

/// A whole number with a unit: 30m, 26h, 7d, 4w
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(example = &"26h")]
pub struct Duration(#[schemars(regex(pattern = r"^[1-9][0-9]{0,4}(m|h|d|w)$"))] pub String);

/// Five fields of cron (minute hour day month weekday), or @daily and the like, in the host's own time zone
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(example = &"30 16 * * *")]
pub struct Cron(#[schemars(length(min = 1, max = 200))] pub String);

/// What a datastore is held to
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Objectives {
    /// The newest backup is never older than this
    pub recovery_point: Option<Duration>,
    /// A backup was restored and checked within this time
    pub verified_within: Option<Duration>,
}

/// A database of Amazon RDS
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The database's identifier in RDS
    #[schemars(example = &"example-production")]
    pub identifier: String,
    /// When AWS makes the daily snapshot: UTC, at least 30 minutes, clear of the maintenance window
    #[schemars(example = &"16:00-16:30", regex(pattern = r"^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"))]
    pub window: Option<String>,
    /// Days of automated backups; RDS keeps them for 35 days at most
    #[schemars(range(min = 1, max = 35), example = 14)]
    pub retention_days: Option<u32>,
    /// Whether the database refuses to be deleted
    #[schemars(example = true)]
    pub deletion_protection: Option<bool>,
    /// Whether snapshots carry the database's tags
    #[schemars(example = true)]
    pub copy_tags: Option<bool>,
    /// Manual snapshots beyond the 35 days
    pub long_term: Option<LongTerm>,
    /// A dump of a restored snapshot, kept outside of RDS's own formats
    pub off_system: Option<OffSystem>,
    /// What this database is held to, in place of the common objectives
    pub objectives: Option<Objectives>,
}

/// Manual snapshots beyond the 35 days
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LongTerm {
    /// How many weekly ones are kept
    #[schemars(range(min = 1, max = 5200), example = 52)]
    pub weekly: Option<u32>,
    /// How many monthly ones are kept
    #[schemars(range(min = 1, max = 1200), example = 24)]
    pub monthly: Option<u32>,
    /// The region that copies go to: another than the database's
    #[schemars(example = &"ap-southeast-4")]
    pub region: Option<String>,
}

/// A dump of a restored snapshot, kept outside of RDS's own formats
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OffSystem {
    /// Groups or hosts of the inventory that run it
    #[schemars(example = ["off_system"])]
    pub hosts: Vec<String>,
    /// When it runs: after the window in which the snapshot is made
    pub schedule: Cron,
    /// How the restored database is reached
    pub reach: Option<Reach>,
    /// The class of the instance that the snapshot is restored to
    #[schemars(example = &"db.t3.micro", regex(pattern = r"^db\.[a-z0-9]+\.[a-z0-9]+$"))]
    pub instance_class: Option<String>,
    /// Days that dumps are kept on the host
    #[schemars(range(min = 1, max = 36500), example = 3)]
    pub keep_days: Option<u32>,
    /// Tables whose rows are left out: pg_dump's patterns
    #[serde(default)]
    #[schemars(example = ["public.session_*"])]
    pub exclude_table_data: Vec<String>,
    /// A second copy
    pub copy_to: Option<CopyTo>,
    /// What proves a restored backup
    pub verify: Option<Verify>,
}

/// How the restored database is reached
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// The host whose network the database is in
    #[schemars(example = &"web")]
    pub ssh: Option<String>,
}

/// A second bucket
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyTo {
    /// The bucket's name
    #[schemars(example = &"example-org-offsite-backups")]
    pub bucket: String,
    /// A name below backup_credentials in the vault
    #[schemars(example = &"offsite")]
    pub credentials: Option<String>,
}

/// What proves a restored backup
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// SQL that answers true
    #[schemars(example = ["SELECT count(*) > 0 FROM accounts_user"], length(min = 1))]
    pub checks: Vec<String>,
}

/// A directory tree
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The tree's name: the datastore is called files-NAME
    #[schemars(example = &"media", regex(pattern = r"^[a-z0-9_-]{1,32}$"))]
    pub name: String,
    /// Groups or hosts of the inventory that run it
    #[schemars(example = ["off_system"])]
    pub hosts: Vec<String>,
    /// What is backed up: a path on the host itself, or on another
    pub source: Tree,
    /// What is left out: paths below the source such as /cache, and names anywhere in it such as *.tmp
    #[serde(default)]
    #[schemars(example = ["/cache"])]
    pub exclude: Vec<String>,
    /// When it runs; what runs several times on a day is kept by the hour
    pub schedule: Cron,
    /// The backup directory; default: encrypted_root/backups/files-NAME
    #[schemars(example = &"/srv/backups/media")]
    pub dir: Option<String>,
    /// Who reads the tree, and whose the backups are; over ssh, whose configuration and keys are used. Default: root
    #[schemars(example = &"media", regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,31}$"))]
    pub user: Option<String>,
    /// Days that backups are kept on the host; default: 2
    #[schemars(range(min = 1, max = 36500), example = 3)]
    pub keep_days: Option<u32>,
    /// The bucket of the second copy
    #[schemars(example = &"example-org-offsite-backups")]
    pub bucket: Option<String>,
    /// What these backups are held to, in place of the common objectives
    pub objectives: Option<Objectives>,
}

/// A local path, or one on another host
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Tree {
    /// An absolute path on the host that runs the backup
    Local(#[schemars(example = &"/srv/media")] String),
    Remote(RemoteTree),
}

/// A path on another host
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteTree {
    /// The host that holds the tree
    #[schemars(example = &"web")]
    pub host: String,
    /// An absolute path on it
    #[schemars(example = &"/srv/media")]
    pub path: String,
}

/// A service of dokku-postgres
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dokku {
    /// The service's name in dokku
    #[schemars(example = &"prod", regex(pattern = r"^[a-z0-9_-]{1,32}$"))]
    pub service: String,
    /// Groups or hosts of the inventory that run dokku
    #[schemars(example = ["dokku"])]
    pub hosts: Vec<String>,
    /// When dokku makes its backups
    pub schedule: Cron,
    /// The bucket that dokku writes to
    #[schemars(example = &"example-org-database-backups")]
    pub bucket: String,
    /// The host's own role instead of credentials from the vault; default: false
    #[schemars(example = true)]
    pub use_iam: Option<bool>,
    /// What these backups are held to, in place of the common objectives
    pub objectives: Option<Objectives>,
}

/// How long the tiers stay in the backup directory: hours, days and weeks
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct KeepLocally {
    /// Hours that hourly backups stay; hourly backups are made where this is written
    #[schemars(range(min = 1, max = 36500), example = 24)]
    pub hourly: Option<u32>,
    /// Whole days that daily backups stay; default: 2
    #[schemars(range(min = 1, max = 36500), example = 7)]
    pub daily: Option<u32>,
    /// Weeks that weekly backups stay; default: 2
    #[schemars(range(min = 1, max = 36500), example = 4)]
    pub weekly: Option<u32>,
}

/// `method`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum MethodFile {
    Plain,
    Dump,
}

/// PostgreSQL, declared directly
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectPostgresql {
    /// Groups or hosts of the inventory whose server is backed up
    #[schemars(example = ["db"])]
    pub hosts: Vec<String>,
    /// plain: pg_basebackup, the whole cluster; dump: pg_dumpall, SQL
    pub method: MethodFile,
    /// The backup directory; default: encrypted_root/backups/postgresql
    #[schemars(example = &"/srv/backups/postgresql")]
    pub dir: Option<String>,
    /// How long the tiers stay in the backup directory
    #[serde(default)]
    pub keep: KeepLocally,
    /// The minute and the hour of the daily backup (Monday to Saturday) and the weekly one (Sunday); default: nadir_hour
    pub schedule: Option<Cron>,
    /// The bucket of the second copy; default: none
    #[schemars(example = &"example-org-postgres-backups")]
    pub bucket: Option<String>,
    /// What these backups are held to, in place of the common objectives
    pub objectives: Option<Objectives>,
}

/// CouchDB or the directory of blobs, declared directly
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectTree {
    /// Groups or hosts of the inventory that are backed up
    #[schemars(example = ["couch"])]
    pub hosts: Vec<String>,
    /// The directory that is backed up; default: as with the flat keys
    #[schemars(example = &"/srv/couchdb")]
    pub source: Option<String>,
    /// The backup directory; default: as with the flat keys
    #[schemars(example = &"/srv/backups/couchdb")]
    pub dir: Option<String>,
    /// How long the tiers stay in the backup directory
    #[serde(default)]
    pub keep: KeepLocally,
    /// The minute and the hour of the daily backup (Monday to Saturday) and the weekly one (Sunday); default: nadir_hour
    pub schedule: Option<Cron>,
    /// The bucket of the second copy; default: none
    #[schemars(example = &"example-org-couch-backups")]
    pub bucket: Option<String>,
    /// What these backups are held to, in place of the common objectives
    pub objectives: Option<Objectives>,
}

/// Elasticsearch, declared directly
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectElasticsearch {
    /// Groups or hosts of the inventory; the first one asks for the snapshots
    #[schemars(example = ["elasticsearch"])]
    pub hosts: Vec<String>,
    /// The bucket of the snapshots
    #[schemars(example = &"example-org-es-snapshots")]
    pub bucket: String,
    /// Where Elasticsearch listens, as its host reaches it; default: port 9200 of 127.0.0.1, else of the host's own address
    #[schemars(example = &"https://es1.example.org:9200", regex(pattern = r"^https?://[A-Za-z0-9._\[\]:-]+/?$"))]
    pub url: Option<String>,
    /// The name of the snapshot repository; default: ENV_es_snapshot
    #[schemars(example = &"production_es_snapshot", regex(pattern = r"^[A-Za-z0-9._-]{1,200}$"))]
    pub repository: Option<String>,
    /// Snapshots older than this many days go; default: 3
    #[schemars(range(min = 1, max = 36500), example = 3)]
    pub keep_days: Option<u32>,
    /// When snapshots are made; default: daily, four hours after nadir_hour
    pub schedule: Option<Cron>,
    /// What these backups are held to, in place of the common objectives
    pub objectives: Option<Objectives>,
}

impl Files {
    /// The path of the source, and the host that holds it where it is another.
    pub fn tree(&self) -> (Option<&str>, &str) {
        match &self.source {
            Tree::Local(path) => (None, path),
            Tree::Remote(RemoteTree { host, path }) => (Some(host), path),
        }
    }
}
