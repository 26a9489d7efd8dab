//! Taking a backup back: choose -> show -> build beside the present data -> compare checksums -> exchange -> tell.
//!
//! Until everything is built and its checksum compared, the present data is not touched; then it is kept beside the
//! restored. Whoever uses the data must be stopped first; this tells how, and does it only where settings declare it.

mod choose;
mod exchange;
mod fetch;
pub(super) mod space;
mod url;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::runtime::Handle;

pub(super) use choose::choose;
pub use choose::{Chosen, Wanted};
pub use fetch::{Known, Object, Origin};
pub(super) use fetch::{open, seen, unpacked};
pub use url::{Fetched, Url, fetch};

use super::context::Context;
use super::directory;
use super::error::{JobError, Stage};
use super::list::Earlier;
use super::{lock, log};
use crate::clients::machine;
use crate::clients::process::Program;
use crate::datastores::dump::DumpError;
use crate::datastores::postgresql::job as postgresql;
use crate::datastores::restore::{Built, Restore, Services};
use crate::datastores::{job, job_file};

/// A restore that is ready, and what it will do: for a person to agree to.
pub struct Ready {
    pub chosen: Chosen,
    /// What is replaced, or the directory that was asked for.
    pub home: PathBuf,
    /// The same, where `home` is a link.
    behind_links: PathBuf,
    /// Whether that is where the datastore lives.
    pub in_place: bool,
    /// Where the present data will be kept; `None` where there is none.
    pub kept: Option<PathBuf>,
    /// Who uses the present data now: it must be stopped.
    pub in_use: Option<String>,
    pub services: Services,
    /// Who is stopped and started by the restore itself, as the settings declare.
    pub declared: Option<job_file::Services>,
    restore: Box<dyn Restore>,
}

/// What a restore came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    pub name: String,
    pub from: String,
    pub ended: Option<DateTime<Utc>>,
    pub into: String,
    /// Where what was there before is kept.
    pub kept: Vec<String>,
    pub bytes: u64,
    /// Whether a checksum was known to compare with.
    pub compared: bool,
    pub notes: Vec<String>,
    /// How whoever uses the data is started: again, or elsewhere beside the living one.
    pub start: Option<String>,
    /// What is left to be done once it runs.
    pub then: Option<String>,
}

/// Chooses the backup and looks at what it would replace; changes nothing. `to`: another directory in place of the
/// datastore's own.
pub async fn prepare(
    context: &Context,
    earlier: &[Earlier],
    wanted: &Wanted,
    to: Option<PathBuf>,
) -> Result<Ready, JobError> {
    let chosen = Box::pin(choose(context, earlier, wanted)).await?;
    let parcel = chosen.parcel();
    let (source, around) = (context.job.source.clone(), context.around());
    let restore = super::blocking(Stage::Choose, move || job::restore(&source, &around, parcel)).await?;
    let own = restore.home();
    let home: PathBuf = match to.clone().or(own.clone()) {
        // Names are made of it: a slash at its end is none of them.
        Some(home) => home.components().collect(),
        None => {
            return Err(JobError::new(
                Stage::Choose,
                format!(
                    "nobody noted where the data of {} lives, and its server does not say",
                    context.job.datastore
                ),
            )
            .help("say where it is to be restored: --to DIR"));
        }
    };
    let in_place = to.is_none() || own.as_deref() == Some(&home);
    let Ground { behind_links, occupied } = ground(&home, in_place)?;
    Ok(Ready {
        kept: occupied.then(|| exchange::kept(&behind_links, context.clock.now())),
        in_use: if in_place { restore.in_use(&home) } else { None },
        services: restore.services(&home),
        // What a sandbox plays has no services; this machine's are none of its business.
        declared: context.job.services.clone().filter(|_| context.root == Path::new("/")),
        chosen,
        home,
        behind_links,
        in_place,
        restore,
    })
}

/// Where something is to be restored to.
struct Ground {
    behind_links: PathBuf,
    occupied: bool,
}

/// Looks at where something is to be restored to. `in_place`: what is there may be replaced.
fn ground(home: &Path, in_place: bool) -> Result<Ground, JobError> {
    let behind_links = machine::behind_links(home).map_err(|error| {
        JobError::new(Stage::Choose, format!("{} leads nowhere: {error}", home.display()))
            .help("mount the volume that it leads to, or make the directory there; or restore elsewhere with --to DIR")
    })?;
    let occupied = exchange::is_occupied(home).map_err(|error| {
        JobError::new(Stage::Choose, format!("{} cannot be looked into: {error}", home.display()))
            .help("run it as the data's own user, or as root")
    })?;
    if occupied && !in_place {
        return Err(JobError::new(Stage::Choose, format!("{} is not empty", home.display())).help(
            "name a directory that is empty or does not exist: nothing is ever mixed with what is there",
        ));
    }
    if exchange::is_mounted(&behind_links) {
        return Err(JobError::new(Stage::Choose, format!("{} cannot be replaced", home.display()))
            .help(exchange::help_where_mounted(&behind_links)));
    }
    Ok(Ground { behind_links, occupied })
}

impl Ready {
    /// Builds what the backup holds, and puts it in its place.
    pub async fn carry_out(self, context: &Context) -> Result<Restored, JobError> {
        let place = directory::find(context)?;
        let title = format!("restore {} of {}", context.job.datastore, context.job.environment);
        let _lock = lock::take(context, &place, lock::BACKUP, title, None)?;
        let note = |level, what: &str| {
            let title = format!("restore {} of {}", context.job.datastore, context.job.environment);
            log::line(context, self.chosen.parsed.tier(), level, &format!("{title}: {what}"));
        };
        note(log::Level::Info, &format!("{} into {}", self.chosen.place(), self.home.display()));
        let by_hand = self.in_place && self.declared.is_none();
        if let Some(who) = self.restore.in_use(&self.home).filter(|_| by_hand) {
            return Err(JobError::new(
                Stage::Exchange,
                format!("{who}: it would go on with what is no longer there"),
            )
            .help(
                self.services.stop.map_or_else(|| "stop it".to_owned(), |stop| format!("stop it: {stop}")),
            ));
        }
        self.chosen.is_cut().map_err(|why| changed(&self.chosen.place(), &why))?;
        exchange::settle(&self.behind_links).map_err(|error| {
            let home = self.behind_links.display();
            let message = format!("what an earlier restore left beside {home} cannot be put away: {error}");
            JobError::new(Stage::Restore, message).help("look at it, and move it away by hand")
        })?;
        let staging = Staging::beside(&self.behind_links)?;
        let (manifest, content) = (self.chosen.manifest.as_ref(), self.chosen.parsed.content);
        space::check(&context.room, &staging.0, manifest, content, ELSEWHERE)?;
        let guard = space::Guard::of(&context.room, &staging.0);
        let (origin, compression) = (self.chosen.origin.clone(), self.chosen.parsed.compression);
        let (handle, into, home) = (Handle::current(), staging.0.clone(), self.home.clone());
        let (in_place, now) = (self.in_place, context.clock.now());
        let known = self.chosen.known.clone();
        let shown = self.chosen.place();
        let mut restore = self.restore;
        let declared = self.declared.clone().filter(|_| in_place);
        let watching = guard.clone();
        let building = guard.over(Stage::Restore, ELSEWHERE, move || {
            let built = |bytes: &mut (dyn Read + Send)| {
                restore.build(&mut watching.watch(bytes), &into, &home).map_err(Broken::from)
            };
            let opened = open(&origin, &handle).map_err(Broken::from);
            let read = opened.and_then(|bytes| unpacked(bytes, compression, built));
            let ((built, notes), seen) = read.map_err(|broken| broken.told(&shown))?;
            let compared = known.agrees(&seen).map_err(|why| {
                remove(&built);
                changed(&shown, &why)
            })?;
            Ok::<_, JobError>((restore, home, built, notes, seen, compared))
        });
        let (restore, home, built, notes, seen, compared) = building.await??;
        // One thread from here on: nothing may come between what is stopped, exchanged and started.
        let (kept, beside) = super::blocking(Stage::Restore, move || {
            let start = || declared.as_ref().map(|services| run_service(&services.start)).transpose();
            if let Some(services) = &declared {
                run_service(&services.stop).inspect_err(|_| remove(&built))?;
            }
            if in_place && let Some(who) = restore.in_use(&home) {
                remove(&built);
                // Part of it may have stopped.
                let _ = start();
                return Err(JobError::new(Stage::Exchange, format!("{who}: it runs still, or again"))
                    .help("stop it, and restore again"));
            }
            let kept = match exchange::exchange(&built, now) {
                Ok(kept) => kept,
                Err(failed) => {
                    // Whoever was stopped goes on with the data from before, where that is whole.
                    if !failed.is_mixed {
                        remove(&built);
                        let _ = start();
                    }
                    return Err(failed.error);
                }
            };
            start()?;
            Ok::<_, JobError>((kept, restore.beside(&home)))
        })
        .await??;
        drop(staging);
        let start = match self.in_place {
            true => self.services.start.filter(|_| by_hand),
            false => beside,
        };
        let kept: Vec<String> = kept.iter().map(|path| path.display().to_string()).collect();
        let mut notes = notes;
        let is_settled = job::is_settled_after_start(&context.job.source);
        if is_settled && self.in_place && self.declared.is_some() {
            notes.extend(Box::pin(after_start(context)).await.map_err(|error| restored_but(error, &kept))?);
        }
        Ok(Restored {
            name: self.chosen.name.clone(),
            from: self.chosen.place(),
            ended: self.chosen.ended,
            into: self.home.display().to_string(),
            kept,
            bytes: seen.bytes,
            compared,
            notes,
            start,
            then: (is_settled && by_hand)
                .then(|| format!("reconcile restore {} --after-start", context.job.datastore)),
        })
    }
}

/// What is left once whoever uses the restored data runs again, and what was done; nothing where nothing ever is.
pub async fn after_start(context: &Context) -> Result<Option<String>, JobError> {
    let (source, around) = (&context.job.source, context.around());
    let Some(done) = Box::pin(job::after_start(source, &around)).await else { return Ok(None) };
    let DumpError { message, help, .. } = match done {
        Ok(done) => {
            let title = format!("restore {} of {}", context.job.datastore, context.job.environment);
            log::line(context, None, log::Level::Info, &format!("{title}: {done}"));
            return Ok(Some(done));
        }
        Err(error) => error,
    };
    Err(JobError { stage: Stage::Exchange, message, help })
}

/// The data is in its place, and not all that follows from it.
fn restored_but(error: JobError, kept: &[String]) -> JobError {
    let before = match kept {
        [] => String::new(),
        kept => format!(", what was there before is kept as {}", kept.join(", ")),
    };
    JobError { message: format!("the data is restored{before}; but {}", error.message), ..error }
}

/// The bytes are not those that were written.
fn changed(place: &str, why: &str) -> JobError {
    JobError::new(
        Stage::Restore,
        format!("{place} is not what was written: {why}; the present data is untouched"),
    )
    .help("restore another backup: `reconcile list` shows them; a disk or a person changed this one")
}

const ELSEWHERE: &str = "make room, or restore to another volume with --to DIR";

/// How long stopping or starting a service may take.
const SERVICE_LIMIT: Duration = Duration::from_secs(900);

/// Runs a command that the settings declare.
pub(super) fn run_service(command: &str) -> Result<(), JobError> {
    // By its own end alone: a server that it starts may keep its outputs for as long as it runs.
    Program::new("/bin/sh").args(["-c", command]).done(SERVICE_LIMIT).map_err(|error| {
        JobError::new(Stage::Exchange, format!("`{command}`, which the settings declare, did not work: {error}"))
            .help("look at the service, and see that it runs on the data that is wanted; what was there before is kept")
    })
}

/// Takes away what was built and is not wanted.
fn remove(built: &[Built]) {
    for one in built {
        let _ = fs::remove_dir_all(&one.built);
    }
}

/// Why nothing could be built.
#[derive(Debug)]
pub(super) enum Broken {
    Read(io::Error),
    Build(DumpError),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Broken::Read(error)
    }
}

impl From<DumpError> for Broken {
    fn from(error: DumpError) -> Self {
        Broken::Build(error)
    }
}

impl Broken {
    /// Why, in one line.
    pub(super) fn words(self) -> String {
        match self {
            Broken::Read(error) => format!("it cannot be read: {error}"),
            Broken::Build(DumpError { message, help: Some(help), .. }) => format!("{message}; {help}"),
            Broken::Build(DumpError { message, help: None, .. }) => message,
        }
    }

    pub(super) fn told(self, place: &str) -> JobError {
        match self {
            Broken::Read(error) => JobError::new(
                Stage::Restore,
                format!("{place} cannot be read: {error}; the present data is untouched"),
            )
            .help("restore another backup: `reconcile list` shows them"),
            Broken::Build(DumpError { message, help, .. }) => JobError {
                stage: Stage::Restore,
                message: format!("{place}: {message}; the present data is untouched"),
                help,
            },
        }
    }
}

/// A directory beside the one that is replaced, on the same file system; removed when dropped.
pub(super) struct Staging(pub PathBuf);

impl Staging {
    pub fn beside(home: &Path) -> Result<Staging, JobError> {
        let name = home.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Staging::named(home.parent().unwrap_or(Path::new("/")), &format!(".reconcile-restore-{name}"))
    }

    /// One in that directory. What a killed job left there under the same name goes.
    pub fn named(around: &Path, name: &str) -> Result<Staging, JobError> {
        use std::os::unix::fs::DirBuilderExt;
        let unmade = |error: io::Error| {
            JobError::new(
                Stage::Restore,
                format!("no directory can be made in {}: {error}", around.display()),
            )
            .help("run it as whoever may write there: the data's own user, or root")
        };
        let staging = around.join(name);
        // One of its own would write to it still.
        postgresql::end_forsaken();
        match fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unmade(error)),
            _ => {}
        }
        fs::DirBuilder::new().mode(0o700).create(&staging).map_err(unmade)?;
        Ok(Staging(staging))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!("{} cannot be removed: {error}", self.0.display());
        }
    }
}
