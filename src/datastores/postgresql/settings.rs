//! What an operator may say of PostgreSQL's backups, after parsing and checking; no field means "maybe wrong".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::datastores::job_file::KeepLocal;
use crate::vocab::{BucketName, HostName, OsUser, Place, Schedule, Tier};

/// `backup_postgres`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// `pg_basebackup`: the whole cluster, file by file.
    Plain,
    /// `pg_dumpall`: SQL.
    Dump,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Plain => "plain",
            Method::Dump => "dump",
        }
    }
}

/// How the job dumps; part of the job file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresqlSource {
    pub method: Method,
    /// The standby to read from in place of this host's own server (`pg_backup_from`).
    pub read_from: Option<HostName>,
}

/// PostgreSQL's backups as the settings want them. The switch off is `method: None`; the rest is then what would
/// hold if it were on, for `show settings`.
#[derive(Clone, Debug)]
pub struct Postgresql {
    pub method: Option<Method>,
    /// Where the switch stands, for reasons and held items.
    pub switch: Option<Place>,
    /// Who makes the backups, less the hosts that are left out, in the inventory's order.
    pub hosts: Vec<HostName>,
    /// What names the hosts: the group `[pg_backup]`, or the key that lists them.
    pub hosts_from: &'static str,
    /// Per host, the host variable `pg_backup_from`.
    pub read_from: BTreeMap<HostName, HostName>,
    pub user: OsUser,
    /// The backup directory: absolute, no `..`, no character that a shell or cron reads.
    pub directory: String,
    pub keep: KeepLocal,
    pub schedules: BTreeMap<Tier, Schedule>,
    /// The bucket of the second copy, and whether it is used (`postgres_s3`).
    pub bucket: BucketName,
    pub s3: bool,
}
