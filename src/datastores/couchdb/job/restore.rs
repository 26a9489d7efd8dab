//! How CouchDB takes a backup back: its data directory is built beside the living one, which no CouchDB may use meanwhile.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::clients::machine;
use crate::datastores::dump::DumpError;
use crate::datastores::restore::{Built, Restore, Services};
use crate::datastores::tree::job::TreeRestore;

/// CouchDB on this host, as it is to be again.
#[derive(Clone, Debug)]
pub struct CouchdbRestore {
    pub tree: TreeRestore,
}

impl Restore for CouchdbRestore {
    fn home(&self) -> Option<PathBuf> {
        self.tree.home()
    }

    /// It keeps the files of its databases open, its map of shards always.
    fn in_use(&self, home: &Path) -> Option<String> {
        let (process, name) = machine::holder(home)?;
        Some(format!("process {process} ({name}) has files in {} open", home.display()))
    }

    /// As its Debian package names the service (<https://docs.couchdb.org/en/stable/install/unix.html>).
    fn services(&self, _home: &Path) -> Services {
        let systemctl = |what: &str| Some(format!("sudo systemctl {what} couchdb"));
        Services { stop: systemctl("stop"), start: systemctl("start") }
    }

    fn build(
        &mut self,
        bytes: &mut (dyn Read + Send),
        staging: &Path,
        home: &Path,
    ) -> Result<(Vec<Built>, Vec<String>), DumpError> {
        self.tree.build(bytes, staging, home)
    }
}
