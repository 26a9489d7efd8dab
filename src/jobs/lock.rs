//! One job at a time for each datastore and directory.
//!
//! The lock is the kernel's (flock(2)), so that it goes with the process that holds it, however that ends; the file's
//! text only says who it is.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::error::{JobError, Stage};
use crate::clients::machine;
use crate::freshness::Running;
use crate::vocab::{Tier, words};

/// Held until dropped. The file stays: removing it would let two jobs lock two files of the same name.
#[derive(Debug)]
pub struct Lock(File);

impl Drop for Lock {
    /// Closing alone would not do: a child that another thread is just starting holds the file too, until its exec.
    fn drop(&mut self) {
        // Whoever reads it meanwhile must not take this process for one at work.
        let _ = self.0.set_len(0);
        let _ = self.0.unlock();
    }
}

/// Who holds a lock.
#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
    job: String,
    began: chrono::DateTime<chrono::Utc>,
    /// Which backup it makes, and when the kernel started it, in its ticks: a number may be another process's by now.
    #[serde(default)]
    tier: Option<Tier>,
    #[serde(default)]
    started: Option<u64>,
}

/// Who holds the lock of backups, as its file tells. The lock itself is left alone: a backup that begins in that moment
/// would be refused for it.
pub fn running(context: &Context) -> Option<Running> {
    let holder = holder(context, BACKUP)?;
    let is_here = holder.host == context.hostname && machine::runs(holder.pid, holder.started);
    is_here.then_some(Running { tier: holder.tier, began: holder.began })
}

/// Whether the job that just refused this one has held the lock for so long that it hangs; also where nobody knows how
/// long, since the clock was ahead when it began.
pub fn hangs(context: &Context, kind: &str) -> bool {
    let day = TimeDelta::days(1);
    holder(context, kind).is_some_and(|holder| (context.clock.now() - holder.began).abs() > day)
}

/// Who holds a lock, or last did and was killed.
fn holder(context: &Context, kind: &str) -> Option<Holder> {
    let text = std::fs::read(path(context, &context.directory(), kind)).ok()?;
    serde_json::from_slice(&text).ok()
}

fn path(context: &Context, directory: &Path, kind: &str) -> PathBuf {
    directory.join(format!(".reconcile-{}-{}{kind}.lock", context.job.environment, context.job.datastore))
}

/// What a job's lock is called that only reads backups: it holds up no backup.
pub const VERIFY: &str = "-verify";
/// What the lock of backups and restores is called.
pub const BACKUP: &str = "";

/// Opens what is to be locked, and makes it where it is not there. It is its directory's owner's: what root made the owner
/// could not open the next night.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    // Behind a link there could be anybody's file, and it would be given away.
    options.read(true).write(true).create(true).truncate(false).custom_flags(OFlag::O_NOFOLLOW.bits());
    let file = options.open(path)?;
    let owner = path.parent().filter(|_| geteuid().is_root()).and_then(|directory| directory.metadata().ok());
    if let Some(owner) = owner
        && file.metadata()?.nlink() == 1
    {
        let _ = std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()));
    }
    Ok(file)
}

/// Takes the lock of that kind in `directory`, or refuses with the name of the job that holds it. A backup says of which
/// tier it is.
pub fn take(
    context: &Context,
    directory: &Path,
    kind: &str,
    title: String,
    tier: Option<Tier>,
) -> Result<Lock, JobError> {
    let path = path(context, directory, kind);
    let failed = |error: io::Error| {
        let shown = path.display();
        JobError::new(
            Stage::Prepare,
            format!("the lock {shown} cannot be taken: {error}; without it two jobs could mix"),
        )
        .help(format!("see who owns {}: the job's user must be able to write there", directory.display()))
    };
    let mut file = open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(held(file)),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let holder = Holder {
        pid: std::process::id(),
        host: context.hostname.clone(),
        job: title,
        began: context.clock.now(),
        tier,
        started: machine::started(std::process::id()),
    };
    let text = serde_json::to_string(&holder).unwrap_or_default();
    // The text is for people: a full disk must not keep a job from finding out about it where it matters.
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{text}"));
    Ok(Lock(file))
}

fn held(mut file: File) -> JobError {
    let mut text = String::new();
    let holder = file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str::<Holder>(&text).ok());
    let who = holder.map_or_else(
        || "another job".to_owned(),
        |holder| {
            let began = words::second(holder.began);
            format!("`{}`, process {} on {}, since {began}", holder.job, holder.pid, holder.host)
        },
    );
    JobError::new(
        Stage::Lock,
        format!("{who} is at work in this directory: two at once would disturb each other"),
    )
    .help("wait for it, or end that process if it hangs; nothing of it needs to be cleaned up by hand")
}
