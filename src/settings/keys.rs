//! The one table of flat keys: name, type, default, meaning. The schema, the parser, suggestions and
//! `show settings` all follow from it.
//!
//! Names and meanings are those of commcare-cloud's environments, so that they work as they are.

/// One flat key of `public.yml`.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Fallback,
    /// One sentence for the schema, without a full stop.
    pub meaning: &'static str,
    pub part: Part,
    /// Spellings that the deployed roles read in place of the name: accepted, with a warning.
    pub also: &'static [&'static str],
    /// Spellings that older documents give and that nothing ever read.
    pub never: &'static [&'static str],
}

/// What a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Common,
    Postgresql,
    Couchdb,
    Blobdb,
    Elasticsearch,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    /// An hour of the day, or a step of hours.
    Hour {
        least: i64,
        most: i64,
    },
    /// How many are kept; must be given where the key stands.
    Keep,
    /// One of these words; `false` switches off where the key allows it.
    Choice {
        words: &'static [&'static str],
        or_false: bool,
    },
    /// The environment's name.
    Environment,
    /// An absolute path on a host.
    Path,
    Bucket,
    Region,
    /// A host or a URL.
    Endpoint,
    /// Mail addresses with commas between.
    Addresses,
    OsUser,
    HostOrFalse,
    /// A name in a store: letters, digits, `-`, `_`, `.`.
    Name,
}

/// What holds where a key is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    Unset,
    Bool(bool),
    Number(i64),
    /// `ENV` stands for the environment's name, `ROOT` for `encrypted_root`.
    Text(&'static str),
}

/// More days, weeks or hours than this are a slip: a hundred years.
pub const MOST_KEPT: i64 = 36_500;

const fn key(name: &'static str, part: Part, kind: Kind, default: Fallback, meaning: &'static str) -> Key {
    Key { name, kind, default, meaning, part, also: &[], never: &[] }
}

impl Key {
    const fn also(self, also: &'static [&'static str]) -> Key {
        Key { also, ..self }
    }

    const fn never(self, never: &'static [&'static str]) -> Key {
        Key { never, ..self }
    }
}

use Fallback::{Bool, Number, Text, Unset};
use Part::{Blobdb, Common, Couchdb, Elasticsearch, Postgresql};

const NO: Fallback = Bool(false);

impl Part {
    pub const ALL: [Part; 5] = [Common, Postgresql, Couchdb, Blobdb, Elasticsearch];

    /// The group of the inventory whose hosts back it up.
    pub fn group(self) -> Option<&'static str> {
        match self {
            Common => None,
            Postgresql => Some("pg_backup"),
            Couchdb => Some("couchdb2"),
            Blobdb => Some("shared_dir_host"),
            Elasticsearch => Some("elasticsearch"),
        }
    }
}

/// Every flat key, in the order of the documentation.
pub static KEYS: &[Key] = &[
    key(
        "deploy_env",
        Common,
        Kind::Environment,
        Unset,
        "The environment's name: it marks what is ours, in public.yml or meta.yml, else the directory's name",
    ),
    key("encrypted_root", Common, Kind::Path, Text("/opt/data"), "Base of the default directories"),
    key(
        "aws_endpoint",
        Common,
        Kind::Endpoint,
        Unset,
        "An S3-compatible store in place of AWS's, for S3 alone: a host or a URL",
    ),
    key("aws_region", Common, Kind::Region, Unset, "The region of the buckets and of the default endpoint"),
    key(
        "aws_versioning_enabled",
        Common,
        Kind::Bool,
        Bool(true),
        "True: one undated key per tier and host, old versions kept by the storage. False: dated keys, and versioning is not managed",
    ),
    key(
        "check_s3_backups_email",
        Common,
        Kind::Addresses,
        Unset,
        "Where failed freshness checks are mailed: addresses with commas between",
    ),
    key(
        "backup_compression",
        Common,
        Kind::Choice { words: &["gzip", "zstd"], or_false: false },
        Unset,
        "How backups are compressed: gzip where the flat keys of commcare-cloud are used, else zstd",
    ),
    key(
        "nadir_hour",
        Common,
        Kind::Hour { least: 0, most: 23 },
        Number(0),
        "The hour of daily (Monday to Saturday) and weekly (Sunday) backups, in the host's time zone",
    ),
    key(
        "nadir_hour_frequency",
        Common,
        Kind::Hour { least: 1, most: 23 },
        Number(3),
        "Hourly backups run every so many hours",
    ),
    key(
        "backup_postgres",
        Postgresql,
        Kind::Choice { words: &["plain", "dump"], or_false: true },
        NO,
        "How PostgreSQL is backed up on the hosts of [pg_backup]: plain (pg_basebackup), dump (pg_dumpall), or false",
    ),
    key(
        "postgresql_backup_dir",
        Postgresql,
        Kind::Path,
        Text("ROOT/backups/postgresql"),
        "The backup directory",
    ),
    key(
        "postgresql_backup_days",
        Postgresql,
        Kind::Keep,
        Number(2),
        "Whole days that daily backups stay in the backup directory",
    )
    .never(&["postgres_backup_days"]),
    key(
        "postgresql_backup_weeks",
        Postgresql,
        Kind::Keep,
        Number(2),
        "Weeks that weekly backups stay in the backup directory",
    )
    .never(&["postgres_backup_weeks"]),
    key(
        "postgresql_backup_hours",
        Postgresql,
        Kind::Keep,
        Number(1),
        "Hours that hourly backups stay in the backup directory",
    )
    .never(&["postgres_backup_hours"]),
    key("postgres_backup_hourly", Postgresql, Kind::Bool, NO, "Whether hourly backups are made as well")
        .never(&["postgresql_backup_hourly"]),
    key("postgres_s3", Postgresql, Kind::Bool, NO, "Whether a second copy goes to the bucket")
        .never(&["postgresql_s3"]),
    key(
        "postgres_snapshot_bucket",
        Postgresql,
        Kind::Bucket,
        Text("dimagi-ENV-postgres-backups"),
        "The bucket of the second copy",
    )
    .never(&["postgresql_snapshot_bucket"]),
    key("backup_couch", Couchdb, Kind::Bool, NO, "Whether CouchDB is backed up on the hosts of [couchdb2]")
        .never(&["backup_couchdb"]),
    key("couch_s3", Couchdb, Kind::Bool, NO, "Whether a second copy goes to the bucket")
        .never(&["couchdb_s3"]),
    key("couch_backup_hourly", Couchdb, Kind::Bool, NO, "Whether hourly backups are made as well")
        .never(&["couchdb_backup_hourly"]),
    key("couch_backup_dir", Couchdb, Kind::Path, Text("ROOT/backups/couchdb2"), "The backup directory")
        .never(&["couchdb_backup_dir"]),
    key("couch_data_dir", Couchdb, Kind::Path, Text("ROOT/couchdb2"), "Where CouchDB keeps its data"),
    key(
        "couchdb_backup_days",
        Couchdb,
        Kind::Keep,
        Number(2),
        "Whole days that daily backups stay in the backup directory",
    )
    .never(&["couch_backup_days"]),
    key(
        "couchdb_backup_weeks",
        Couchdb,
        Kind::Keep,
        Number(2),
        "Weeks that weekly backups stay in the backup directory",
    )
    .never(&["couch_backup_weeks"]),
    key(
        "couchdb_backup_hours",
        Couchdb,
        Kind::Keep,
        Number(1),
        "Hours that hourly backups stay in the backup directory",
    )
    .never(&["couch_backup_hours"]),
    key(
        "couchdb_snapshot_bucket",
        Couchdb,
        Kind::Bucket,
        Text("dimagi-ENV-couch-backups"),
        "The bucket of the second copy",
    )
    .never(&["couch_snapshot_bucket"]),
    key("remote_couch_backup", Couchdb, Kind::HostOrFalse, NO, "A host that gets a second copy by rsync"),
    key(
        "backup_blobdb",
        Blobdb,
        Kind::Bool,
        NO,
        "Whether the blob database is backed up on the hosts of [shared_dir_host]",
    ),
    key("blobdb_s3", Blobdb, Kind::Bool, NO, "Whether a second copy goes to the bucket"),
    key("blobdb_backup_hourly", Blobdb, Kind::Bool, NO, "Whether hourly backups are made as well"),
    key("blobdb_backup_dir", Blobdb, Kind::Path, Text("ROOT/backups/blobdb"), "The backup directory"),
    key("blobdb_dir_path", Blobdb, Kind::Path, Text("ROOT/blobdb"), "Where the blobs are"),
    key("blobdb_user", Blobdb, Kind::OsUser, Text("root"), "The user that backs the blobs up"),
    key(
        "blobdb_backup_days",
        Blobdb,
        Kind::Keep,
        Number(2),
        "Whole days that daily backups stay in the backup directory",
    ),
    key(
        "blobdb_backup_weeks",
        Blobdb,
        Kind::Keep,
        Number(2),
        "Weeks that weekly backups stay in the backup directory",
    ),
    key(
        "blobdb_backup_hours",
        Blobdb,
        Kind::Keep,
        Number(1),
        "Hours that hourly backups stay in the backup directory",
    ),
    key(
        "blobdb_snapshot_bucket",
        Blobdb,
        Kind::Bucket,
        Text("dimagi-ENV-blobdb-backups"),
        "The bucket of the second copy",
    ),
    key("backup_es_s3", Elasticsearch, Kind::Bool, NO, "Whether Elasticsearch's snapshots go to the bucket")
        .never(&["backup_es"]),
    key(
        "es_local_repo",
        Elasticsearch,
        Kind::Bool,
        NO,
        "Whether Elasticsearch's snapshots go to a local directory; not together with backup_es_s3",
    ),
    key(
        "elasticsearch_version",
        Elasticsearch,
        Kind::Name,
        Text("6.8.23"),
        "The version of Elasticsearch; part of its data directory's name",
    ),
    key(
        "elasticsearch_data_dir",
        Elasticsearch,
        Kind::Path,
        Text("ROOT/elasticsearch-VERSION"),
        "Where Elasticsearch keeps its data",
    ),
    key(
        "es_repository_name",
        Elasticsearch,
        Kind::Name,
        Text("ENV_es_snapshot"),
        "The name of the snapshot repository",
    ),
    key(
        "es_snapshot_bucket",
        Elasticsearch,
        Kind::Bucket,
        Text("dimagi-ENV-es-snapshots"),
        "The bucket of the snapshots",
    ),
    key(
        "elasticsearch_backup_days",
        Elasticsearch,
        Kind::Keep,
        Number(3),
        "Snapshots older than this many days go",
    )
    .also(&["elastcsearch_backup_days"]),
];

/// Keys that once looked like settings of backups, and what to use instead.
pub static RETIRED: &[(&str, &str)] = &[(
    "postgresql_backup_master",
    "where a standby is to be read, set the host variable pg_backup_from in the inventory; else remove the key",
)];

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_spelling_stands_for_two_keys() {
        let mut seen = BTreeSet::new();
        for key in KEYS {
            for name in [key.name].iter().chain(key.also).chain(key.never) {
                assert!(seen.insert(*name), "{name} stands twice");
            }
        }
    }
}
