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
use crate::jobs::beside::Beside;
use crate::jobs::context::Context;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::manifest::Manifest;
use crate::jobs::restore::space::Guard;
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

/// How the system says that nothing more can be written (errno(3), ENOSPC and EDQUOT), whichever program passes it on.
const FULL: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

pub const ELSEWHERE: &str = "make room, or restore to another volume with --scratch DIR";
const GONE: &str = "it was removed or replaced meanwhile; the next verification looks again";
const LACKS: &str =
    "mend what the message names; it says nothing of the backup, and the next verification looks again";

impl From<Broken> for Why {
    fn from(broken: Broken) -> Self {
        let help = match &broken {
            Broken::Read(error) => match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(ELSEWHERE),
                // It was there when it was chosen.
                io::ErrorKind::NotFound => Some(GONE),
                _ => None,
            },
            Broken::Build(error) if FULL.iter().any(|full| error.message.contains(full)) => Some(ELSEWHERE),
            Broken::Build(error) => error.is_lack.then_some(LACKS),
        };
        let Some(help) = help else { return Why::Condemned(broken.words()) };
        Why::Unmade(match broken {
            Broken::Read(error) => JobError::new(Stage::Prove, error.to_string()).help(help),
            Broken::Build(DumpError { message, help: own, .. }) => {
                JobError { stage: Stage::Prove, message, help: own.or_else(|| Some(help.to_owned())) }
            }
        })
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
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Broken::from(error).into(),
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
    guard: Guard,
    handle: Handle,
}

impl Work {
    pub fn of(context: &Context, chosen: &Chosen, staging: &Path, guard: Guard) -> Work {
        Work {
            source: context.job.source.clone(),
            around: context.around(),
            verify: context.job.verify.clone(),
            parcel: chosen.parcel(),
            chosen: chosen.clone(),
            staging: staging.to_owned(),
            guard,
            handle: Handle::current(),
        }
    }

    /// What was found and the checksum of what was read, or why it is no backup.
    pub fn run(self) -> Result<(Findings, String), Why> {
        match self.look() {
            Err(Why::Condemned(_)) if self.is_replaced() => {
                let message = format!("{} was another when it was chosen", self.chosen.place());
                Err(Why::Unmade(JobError::new(Stage::Prove, message).help(GONE)))
            }
            looked => looked,
        }
    }

    fn look(&self) -> Result<(Findings, String), Why> {
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
            let build = |bytes: &mut (dyn Read + Send)| build(&mut self.guard.watch(bytes));
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

    /// Whether another run of the same day put its backup in the place of the one that was chosen.
    fn is_replaced(&self) -> bool {
        let Origin::Here(path) = &self.chosen.origin else { return false };
        let (Some(chosen), Some(place)) = (&self.chosen.manifest, path.parent()) else { return false };
        Manifest::read(place, &chosen.name).is_some_and(|now| now.sha256 != chosen.sha256)
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
        match self.answers(&server, data) {
            Ok(findings) => server.stop().map(|()| findings),
            Err(error) => Err(server.broke(error)),
        }
    }

    fn answers(
        &self,
        server: &postgresql::ScratchServer,
        data: &postgresql::Data,
    ) -> Result<Findings, DumpError> {
        let mut findings = Findings { counts: postgresql::count(server)?, ..Findings::default() };
        findings.checks = postgresql::declared(server, &self.verify.checks, &findings.counts)?;
        match postgresql::structure(server, data) {
            Ok(broken) => findings.broken = broken,
            Err(why) => findings.notes.push(format!("its structure was not looked at: {why}")),
        }
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::process::ProcessError;
    use crate::datastores::job::because_of;

    #[test]
    fn only_what_is_the_backups_own_condemns_it() {
        let is_unmade = |why: Why| matches!(why, Why::Unmade(_));
        let full = "tar: blob: Cannot write: No space left on device";
        assert!(is_unmade(Broken::Build(DumpError::new(full)).into()));
        assert!(is_unmade(DumpError::new("PostgreSQL 9 is not here").lack().into()));
        assert!(is_unmade(io::Error::from(io::ErrorKind::StorageFull).into()));
        assert!(is_unmade(io::Error::from(io::ErrorKind::QuotaExceeded).into()));
        assert!(is_unmade(
            Broken::Build(DumpError::new("tar: blob: Cannot write: Disk quota exceeded")).into()
        ));
        assert!(is_unmade(Broken::Read(io::Error::from(io::ErrorKind::NotFound)).into()));
        let failed = |code| ProcessError::Failed {
            program: "psql".to_owned(),
            status: "ended".to_owned(),
            code,
            stderr: String::new(),
        };
        let because_of = |why: ProcessError| because_of(DumpError::new("the script does not load"), &why);
        assert!(is_unmade(because_of(failed(None)).into()), "the kernel kills whom it has no memory for");
        assert!(is_unmade(because_of(ProcessError::Missing("tar".to_owned())).into()));
        let hung =
            ProcessError::TimedOut { program: "tar".to_owned(), limit: START_LIMIT, stderr: String::new() };
        assert!(is_unmade(because_of(hung).into()));
        assert!(!is_unmade(because_of(failed(Some(3))).into()));
        assert!(!is_unmade(DumpError::new("the archive holds no `_dbs.couch`").into()));
        assert!(!is_unmade(Broken::Read(io::Error::from(io::ErrorKind::UnexpectedEof)).into()));
    }
}
