//! What an operator may say of PostgreSQL's backups, after parsing and checking; no field means "maybe wrong".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::datastores::backed::Backed;
use crate::vocab::HostName;

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

/// PostgreSQL's backups as the settings want them.
#[derive(Clone, Debug)]
pub struct Postgresql {
    /// Where the switch is off, what holds if nothing else is said.
    pub method: Method,
    /// Per host, the host variable `pg_backup_from`.
    pub read_from: BTreeMap<HostName, HostName>,
    pub backed: Backed,
}
