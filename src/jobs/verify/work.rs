//! Looking into a backup: read to its end, restored into the scratch place, and asked. Blocks, on a thread of its own.
//!
//! Must tell what speaks against the backup from what only stood in the way: the one condemns it, the other does not.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::datastores::couchdb::job as couchdb;
use crate::datastores::dump::DumpError;
use crate::datastores::job::Around;
use crate::datastores::job_file::{Source, Verify};
use crate::datastores::postgresql::job as postgresql;
use crate::datastores::prove::{Checked, Counts};
use crate::datastores::restore::Parcel;
use crate::datastores::tree::job::{TreeRestore, count};
use crate::jobs::context::Context;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::restore::{Broken, Chosen, Origin, open, unpacked};

/// How long a scratch server may replay WAL before it answers.
const START_LIMIT: Duration = Duration::from_secs(6 * 3600);

/// What was found in a restored backup.
#[derive(Debug, Default)]
pub struct Findings {
    pub counts: Counts,
    pub checks: Vec<Checked>,
    /// What pg_amcheck and its like found broken.
    pub broken: Option<String>,
    pub notes: Vec<String>,
}

/// Why nothing could be found in a backup.
pub enum Why {
    /// It is none.
    Condemned(String),
    /// It could not be looked at: the network, the disk, or what lacks on this machine. That says nothing of the backup.
    Unmade(JobError),
}

/// How the system says that a disk is full (errno(3), ENOSPC), whichever program passes it on.
const FULL: &str = "No space left on device";

impl From<Broken> for Why {
    fn from(broken: Broken) -> Self {
        let is_lack = match &broken {
            Broken::Read(error) => error.kind() == io::ErrorKind::StorageFull,
            Broken::Build(error) => error.is_lack || error.message.contains(FULL),
        };
        match broken {
            Broken::Build(DumpError { message, help, .. }) if is_lack => {
                let help = help.or_else(|| {
                    Some("make room, or restore to another volume with --scratch DIR".to_owned())
                });
                Why::Unmade(JobError { stage: Stage::Prove, message, help })
            }
            Broken::Read(error) if is_lack => Why::Unmade(
                JobError::new(Stage::Prove, error.to_string())
                    .help("make room, or restore to another volume with --scratch DIR"),
            ),
            broken => Why::Condemned(broken.words()),
        }
    }
}

impl From<DumpError> for Why {
    fn from(error: DumpError) -> Self {
        Broken::from(error).into()
    }
}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull => Broken::from(error).into(),
            _ => Why::Condemned(error.to_string()),
        }
    }
}

/// Bytes that come over the network, and why they came no further.
struct Fetched {
    bytes: Box<dyn Read + Send>,
    lost: Arc<OnceLock<String>>,
}

impl Read for Fetched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer).inspect_err(|error| _ = self.lost.set(error.to_string()))
    }
}

/// Everything that the thread needs which restores and asks.
pub struct Work {
    source: Source,
    around: Around,
    verify: Verify,
    parcel: Parcel,
    chosen: Chosen,
    staging: PathBuf,
    handle: Handle,
}

impl Work {
    pub fn of(context: &Context, chosen: &Chosen, staging: &Path) -> Work {
        Work {
            source: context.job.source.clone(),
            around: context.around(),
            verify: context.job.verify.clone(),
            parcel: chosen.parcel(),
            chosen: chosen.clone(),
            staging: staging.to_owned(),
            handle: Handle::current(),
        }
    }

    /// What was found and the checksum of what was read, or why it is no backup.
    pub fn run(self) -> Result<(Findings, String), Why> {
        let shown = self.chosen.place();
        match &self.source {
            Source::Postgresql(_) => {
                let (data, sha256) = self.cluster(&shown)?;
                postgresql::tame(&data.directory)?;
                let unpacked = |one: &postgresql::Tablespace| one.unpacked.clone().unwrap_or_default();
                postgresql::point(&data.directory, &data.tablespaces, unpacked)?;
                let findings = self.ask(&data)?;
                Ok((findings, sha256))
            }
            Source::Elasticsearch(_) => Err(Why::Condemned("snapshots are proven where they are".to_owned())),
            Source::Couchdb(source) => self.tree(&couchdb::restore(source, &self.around), &shown),
            Source::Tree(source) => {
                let tree = TreeRestore { path: source.path.clone(), home: None, marker: None };
                self.tree(&tree, &shown)
            }
        }
    }

    /// Unpacks a tree and weighs what is in it.
    fn tree(&self, tree: &TreeRestore, shown: &str) -> Result<(Findings, String), Why> {
        let build = |bytes: &mut (dyn Read + Send)| tree.unpack(bytes, &self.staging).map_err(Broken::from);
        let (unpacked, sha256) = self.read(shown, build)?;
        let counts = count(&unpacked)?;
        Ok((Findings { counts, ..Findings::default() }, sha256))
    }

    /// Reads the backup while `build` unpacks it, and compares what was read with what was written.
    fn read<T>(
        &self,
        shown: &str,
        build: impl FnOnce(&mut (dyn Read + Send)) -> Result<T, Broken>,
    ) -> Result<(T, String), Why> {
        let changed = |why: String| Why::Condemned(format!("{shown} is not what was written: {why}"));
        self.chosen.is_cut().map_err(changed)?;
        let lost = Arc::new(OnceLock::new());
        let opened = open(&self.chosen.origin, &self.handle).map_err(Broken::from);
        let read = opened.and_then(|bytes| {
            let bytes = match &self.chosen.origin {
                Origin::Here(_) => bytes,
                Origin::There(_) => Box::new(Fetched { bytes, lost: Arc::clone(&lost) }),
            };
            unpacked(bytes, self.chosen.parsed.compression, build)
        });
        let (built, seen) = read.map_err(|broken| match lost.get() {
            None => Why::from(broken),
            Some(why) => Why::Unmade(
                JobError::new(Stage::Prove, format!("{shown} cannot be read to its end: {why}"))
                    .help("see the network and the storage; the next verification reads it anew"),
            ),
        })?;
        self.chosen.known.agrees(&seen).map_err(changed)?;
        Ok((built, seen.sha256))
    }

    /// Builds the data directory, and compares what was read with what was written.
    fn cluster(&self, shown: &str) -> Result<(postgresql::Data, String), Why> {
        // What stands in the way before a byte was read is this machine's.
        let user = postgresql::server_user(&self.staging).map_err(DumpError::lack)?;
        postgresql::own(&self.staging, user).map_err(DumpError::lack)?;
        let place = |one: &postgresql::Tablespace| self.staging.join(format!("tablespace-{}", one.oid));
        let build = |bytes: &mut (dyn Read + Send)| {
            let ground = postgresql::Ground { staging: &self.staging, user, place: &place };
            ground.build(&self.parcel, bytes).map_err(Broken::from)
        };
        self.read(shown, build)
    }

    fn ask(&self, data: &postgresql::Data) -> Result<Findings, DumpError> {
        let server = postgresql::ScratchServer::start(
            &data.programs,
            &data.directory,
            &data.role,
            &self.verify.preload,
            START_LIMIT,
        )?;
        let mut findings = Findings { counts: postgresql::count(&server)?, ..Findings::default() };
        findings.checks = postgresql::declared(&server, &self.verify.checks, &findings.counts);
        match postgresql::structure(&server, data) {
            Ok(broken) => findings.broken = broken,
            Err(why) => findings.notes.push(format!("its structure was not looked at: {why}")),
        }
        server.stop()?;
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_the_backups_own_condemns_it() {
        let is_unmade = |why: Why| matches!(why, Why::Unmade(_));
        let full = "tar: blob: Cannot write: No space left on device";
        assert!(is_unmade(Broken::Build(DumpError::new(full)).into()));
        assert!(is_unmade(DumpError::new("PostgreSQL 9 is not here").lack().into()));
        assert!(is_unmade(io::Error::from(io::ErrorKind::StorageFull).into()));
        assert!(!is_unmade(DumpError::new("the archive holds no `_dbs.couch`").into()));
        assert!(!is_unmade(Broken::Read(io::Error::from(io::ErrorKind::UnexpectedEof)).into()));
    }
}
