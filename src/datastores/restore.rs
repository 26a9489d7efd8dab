//! What the restore sequence asks of a datastore: to build, beside the living data, what a backup holds.
//!
//! `jobs::restore` is written once over [`Restore`]; each datastore's `job` implements it. Must never touch the living
//! data: exchanging the two is the sequence's.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::dump::DumpError;
use super::names::Content;

/// What is known of a backup that is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub content: Content,
    /// The server's version, where a manifest tells it.
    pub server_version: Option<String>,
    /// What the manifest tells of the source.
    pub source: BTreeMap<String, String>,
}

/// Something that was built, and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// On the file system of `home`, so that exchanging them is one step.
    pub built: PathBuf,
    pub home: PathBuf,
}

/// Commands for a person, or for the sequence where the settings declare them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    pub stop: Option<String>,
    pub start: Option<String>,
}

/// A datastore that takes a backup back.
pub trait Restore: Send {
    /// Where the data lives, where that is known.
    fn home(&self) -> Option<PathBuf>;

    /// Why the data at `home` cannot be replaced now: whoever uses it would go on with what is no longer there.
    fn in_use(&self, home: &Path) -> Option<String>;

    /// How whoever uses the data at `home` is stopped and started.
    fn services(&self, home: &Path) -> Services;

    /// How what was restored into `home`, which is not its own place, can be looked at beside the living data and without
    /// disturbing it; `None` where that takes no more than reading files.
    fn beside(&self, _home: &Path) -> Option<String> {
        None
    }

    /// Builds, in the empty directory `staging`, what is to be at `home`, out of the backup's bytes; the last of what it
    /// answers is what is at `home` itself. Also what a person must know.
    fn build(
        &mut self,
        bytes: &mut (dyn Read + Send),
        staging: &Path,
        home: &Path,
    ) -> Result<(Vec<Built>, Vec<String>), DumpError>;
}
