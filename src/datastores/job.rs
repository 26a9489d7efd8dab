//! The one place that opens a dump, or the way back, for whatever source a job file names.
//!
//! What surrounds a dump is handed in, so that a job on a host, in the sandbox and in a test is the same job.

pub mod archive;

use std::io::Read;
use std::path::{Path, PathBuf};

use super::dump::{Dump, DumpError, Scratch};
use super::job_file::Source;
use super::postgresql::job::Connection;
use super::restore::{Built, Parcel, Restore, Services};
use super::tree::job::{Elsewhere, TreeRestore};
use super::{couchdb, postgresql, tree};
use crate::clients::process::ProcessError;

/// What a dump takes from outside.
#[derive(Clone, Debug)]
pub struct Around {
    /// `/`, or the folder that is the host in the sandbox: every path of the source lies below it.
    pub root: PathBuf,
    /// The backup directory as the job file names it: a tree that holds it leaves it out.
    pub directory: String,
    pub postgresql: Connection,
    /// How other hosts are reached.
    pub elsewhere: Elsewhere,
    pub couchdb: couchdb::job::Server,
}

impl Around {
    /// A path of the host where it really lies.
    pub fn inside(&self, path: &str) -> PathBuf {
        below(&self.root, path)
    }
}

/// An error because of what a program did not do: that lacks something here, or speaks against what it worked on.
pub fn because_of(error: DumpError, why: &ProcessError) -> DumpError {
    if why.is_of_machine() { error.lack() } else { error }
}

/// A path of a host that lies below `root`.
pub fn below(root: &Path, path: &str) -> PathBuf {
    let path = Path::new(path);
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Looks whether `source` can be dumped, and makes ready to. Nothing runs yet.
pub fn open(source: &Source, around: &Around, scratch: Scratch) -> Result<Box<dyn Dump>, DumpError> {
    match source {
        Source::Postgresql(source) => postgresql::job::open(source, &around.postgresql, scratch),
        Source::Couchdb(source) => couchdb::job::open(source, around),
        Source::Elasticsearch(_) => Err(no_stream()),
        Source::Tree(source) => tree::job::open(source, around),
    }
}

/// Whether a backup of `source` could begin. What was found, in words.
pub fn try_out(source: &Source, around: &Around) -> Result<String, DumpError> {
    match source {
        Source::Postgresql(source) => {
            postgresql::job::try_out(source, &around.postgresql, &around.inside(&around.directory))
        }
        Source::Couchdb(source) => couchdb::job::try_out(source, around),
        Source::Elasticsearch(_) => Err(no_stream()),
        Source::Tree(source) => tree::job::try_out(source, around),
    }
}

/// Elasticsearch makes its snapshots itself, and no stream comes of it.
fn no_stream() -> DumpError {
    DumpError::new("Elasticsearch makes its snapshots itself: there is nothing to read")
}

/// How `source` takes a backup back.
pub fn restore(source: &Source, around: &Around, parcel: Parcel) -> Box<dyn Restore> {
    match source {
        Source::Elasticsearch(_) => Box::new(NoFiles),
        Source::Postgresql(_) => {
            Box::new(postgresql::job::PostgresqlRestore::new(parcel, &around.postgresql))
        }
        Source::Couchdb(source) => {
            Box::new(couchdb::job::CouchdbRestore { tree: couchdb::job::restore(source, around) })
        }
        Source::Tree(source) => Box::new(TreeRestore {
            path: source.path.clone(),
            home: source.host.is_none().then(|| around.inside(&source.path)),
            marker: None,
        }),
    }
}

/// Whether something is left to do once whoever uses restored data runs again.
pub fn is_settled_after_start(source: &Source) -> bool {
    matches!(source, Source::Couchdb(_))
}

/// Does it, and says what was done; `None` where nothing ever is.
pub async fn after_start(source: &Source, around: &Around) -> Option<Result<String, DumpError>> {
    match source {
        Source::Couchdb(_) => {
            Some(Box::pin(couchdb::job::after_start(around)).await.map(|done| done.words()))
        }
        Source::Postgresql(_) | Source::Tree(_) | Source::Elasticsearch(_) => None,
    }
}

/// What has no files of its own on this host.
struct NoFiles;

impl Restore for NoFiles {
    fn home(&self) -> Option<PathBuf> {
        None
    }

    fn in_use(&self, _: &Path) -> Option<String> {
        None
    }

    fn services(&self, _: &Path) -> Services {
        Services::default()
    }

    fn build(
        &mut self,
        _: &mut (dyn Read + Send),
        _: &Path,
        _: &Path,
    ) -> Result<(Vec<Built>, Vec<String>), DumpError> {
        Err(no_stream())
    }
}
