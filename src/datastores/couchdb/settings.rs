//! What an operator may say of CouchDB's backups, after parsing and checking; no field means "maybe wrong".

use serde::{Deserialize, Serialize};

use crate::datastores::backed::Backed;
use crate::vocab::HostName;

/// How the job dumps; part of the job file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CouchdbSource {
    /// `couch_data_dir`, absolute.
    pub data_dir: String,
    /// The host whose directory of the same name gets a copy of each backup (`remote_couch_backup`).
    pub remote_copy: Option<HostName>,
}

/// CouchDB's backups as the settings want them.
#[derive(Clone, Debug)]
pub struct Couchdb {
    pub source: CouchdbSource,
    pub backed: Backed,
}
