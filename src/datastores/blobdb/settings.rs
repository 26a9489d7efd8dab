//! What an operator may say of the blob database's backups, after parsing and checking; no field means "maybe wrong".

use crate::datastores::backed::Backed;
use crate::datastores::tree::settings::TreeSource;

/// The blob database's backups as the settings want them.
#[derive(Clone, Debug)]
pub struct Blobdb {
    /// `blobdb_dir_path`.
    pub source: TreeSource,
    pub backed: Backed,
}
