//! The backup directory: finding it, what lies in it, room in it, and writing small files so that they are whole or
//! absent.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use nix::unistd::{Uid, User};

use super::beside::Beside;
use super::context::Context;
use super::error::{JobError, Stage};
use super::manifest::Manifest;
use super::room::Space;
use super::verify::Evidence;
use crate::clients::machine;
use crate::datastores::names::{Name, Series};
use crate::retention::local::Term;
use crate::vocab::words::bytes;

/// What a file is called until it is whole.
pub const PARTIAL: &str = ".partial";
/// What the folder of a dump that needs one is called.
pub const SCRATCH: &str = ".scratch";

/// What the folder of a preflight begins with: it may hold passwords.
const PREFLIGHT: &str = ".reconcile-preflight-";

/// One backup on disk.
#[derive(Clone, Debug)]
pub struct Local {
    pub file: String,
    pub name: Name,
    pub bytes: u64,
    /// The file's time; the manifest's end is better where there is one.
    pub modified: DateTime<Utc>,
    /// Its manifest, where there is one that agrees with the file's size.
    pub manifest: Option<Manifest>,
    /// Its manifest, where that tells of another size: the file is not what was written, and no backup.
    pub cut: Option<Manifest>,
    /// Whether it was restored and found good; `None` where nobody tried.
    pub restored: Option<bool>,
}

impl Local {
    pub fn taken(&self) -> DateTime<Utc> {
        self.manifest.as_ref().map_or(self.modified, |manifest| manifest.ended)
    }

    /// Whether older ones may go for it: every copy that was wanted is whole, and no verification says that it is worth
    /// nothing.
    pub fn proven(&self) -> bool {
        self.manifest.as_ref().is_some_and(Manifest::proven) && self.restored != Some(false)
    }

    /// What decides how long it stays. A labelled one whose date nobody knows any more waits for a person.
    pub fn term(&self, zone: Tz) -> Term {
        let day = || self.manifest.as_ref().and_then(|manifest| manifest.keep_until);
        match self.name.tier() {
            Some(tier) => Term::Tier(tier),
            None => Term::Label { until: day().map(|day| end_of(day, zone)) },
        }
    }
}

/// The first instant after a day of a zone's calendar.
pub fn end_of(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX).and_time(NaiveTime::MIN);
    // Where clocks change at midnight there may be no such time of day: then an hour later there is.
    let hours = (0..4).map(|hours| next + chrono::TimeDelta::hours(hours));
    let found = hours.filter_map(|at| zone.from_local_datetime(&at).earliest()).next();
    found.map_or(next.and_utc(), |at| at.to_utc())
}

/// The backup directory, which `apply` makes. A job never does: where a volume is not mounted, its backups would fill
/// the disk below.
pub fn find(context: &Context) -> Result<PathBuf, JobError> {
    let directory = context.directory();
    match fs::metadata(&directory) {
        Ok(metadata) if metadata.is_dir() => Ok(directory),
        Ok(_) => Err(JobError::new(Stage::Prepare, format!("{} is no directory", directory.display()))
            .help("move it away and run `reconcile apply`")),
        Err(error) => {
            let message = format!("the backup directory {} cannot be used: {error}", directory.display());
            Err(JobError::new(Stage::Prepare, message)
                .help("run `reconcile apply`, which makes it; if it is on a volume of its own, see that it is mounted"))
        }
    }
}

/// Refuses to write as anybody but the directory's owner. What root left here, the lock above all, the job's own user could
/// not open the next night; and root must not write where another user may lay out links.
pub fn check_user(directory: &Path) -> Result<(), JobError> {
    let unusable = |error: io::Error| {
        JobError::new(
            Stage::Prepare,
            format!("the backup directory {} cannot be used: {error}", directory.display()),
        )
    };
    let owner = Uid::from_raw(fs::metadata(directory).map_err(unusable)?.uid());
    match stranger(owner, Uid::effective()) {
        None => Ok(()),
        Some((owner, user)) => Err(JobError::new(
            Stage::Prepare,
            format!(
                "the backup directory {} is {owner}'s, and this job runs as {user}: {owner}'s own jobs would fail over what \
                 it leaves there",
                directory.display()
            ),
        )
        .help(format!("run it as {owner}, as cron does: sudo -u {owner} reconcile run .."))),
    }
}

/// The names of owner and user, where they are not the same.
fn stranger(owner: Uid, user: Uid) -> Option<(String, String)> {
    let name =
        |id: Uid| User::from_uid(id).ok().flatten().map_or_else(|| format!("user {id}"), |user| user.name);
    (owner != user).then(|| (name(owner), name(user)))
}

/// The backups of `series` in a directory that jobs wrote, oldest first; every other file is passed over.
pub fn backups(directory: &Path, series: &Series) -> io::Result<Vec<Local>> {
    named(directory, |file| series.parse_file(file))
}

/// What somebody put there under the name of a key: it can be restored, and is never removed.
pub fn strays(directory: &Path, series: &Series) -> io::Result<Vec<Local>> {
    named(directory, |file| series.parse(file).filter(|_| series.parse_file(file).is_none()))
}

fn named(directory: &Path, parse: impl Fn(&str) -> Option<Name>) -> io::Result<Vec<Local>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(file) = entry.file_name().into_string() else { continue };
        let Some(name) = parse(&file) else { continue };
        // A file that goes away meanwhile is no failure; a link or a folder of that name is not ours.
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_file() {
            continue;
        }
        let (manifest, cut) = match Manifest::read(directory, &file) {
            Some(manifest) if manifest.bytes == metadata.len() => (Some(manifest), None),
            other => (None, other),
        };
        let modified = metadata.modified().map(DateTime::<Utc>::from).unwrap_or(DateTime::UNIX_EPOCH);
        let restored = manifest.as_ref().and_then(|manifest| {
            let evidence = Evidence::read(directory, &file)?;
            // A name may have been another backup's before.
            (evidence.taken == Some(manifest.ended)).then_some(evidence.is_proof())
        });
        found.push(Local { file, name, bytes: metadata.len(), modified, manifest, cut, restored });
    }
    found.sort_by(|a, b| (a.taken(), &a.file).cmp(&(b.taken(), &b.file)));
    Ok(found)
}

/// Removes what an earlier job of this series left when it was killed. Only under the lock.
pub fn clean(directory: &Path, series: &Series) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(file) = entry.file_name().into_string() else { continue };
        let ours =
            |suffix: &str| file.strip_suffix(suffix).is_some_and(|name| series.parse_file(name).is_some());
        // Of labelled ones the backup is removed before its manifest.
        let is_labelled = |name: &str| series.parse(name).is_some_and(|name| name.label().is_some());
        let widowed = Manifest::backup_of(&file)
            .is_some_and(|name| is_labelled(name) && !directory.join(name).exists());
        let half = (ours(PARTIAL) || is_forsaken(&file)) && entry.file_type()?.is_file();
        if half || widowed {
            remove(&entry.path())?;
        } else if (ours(SCRATCH) || file.starts_with(PREFLIGHT)) && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// What the small files are called that [`write()`] has not done with, and which process writes them.
fn writing(process: u32) -> String {
    format!(".reconcile-{process}-")
}

/// Whether a file is one that a process was writing which is no more.
fn is_forsaken(file: &str) -> bool {
    let process = || file.strip_suffix(PARTIAL)?.strip_prefix(".reconcile-")?.split_once('-')?.0.parse().ok();
    process().is_some_and(|process: u32| !machine::runs(process, None))
}

/// Refuses to begin what cannot end: the file system must have room for the last backup of this kind and a fifth more,
/// beside what must stay free. Where there is no earlier one the dump itself finds out.
pub fn check_space(context: &Context, directory: &Path, series: &Series) -> Result<(), JobError> {
    let Some(space) = context.room.of(directory) else { return Ok(()) };
    let method = context.job.source.method();
    let last = backups(directory, series).ok().and_then(|found| {
        found.into_iter().rev().find_map(|local| local.manifest.filter(|m| m.method == method))
    });
    let last = last.map_or(0, |last| last.bytes);
    match shortage(last, space) {
        None => Ok(()),
        Some(needed) => {
            let (free, floor, needed) = (bytes(space.free), bytes(space.floor()), bytes(needed));
            let message = format!(
                "{} has {free} free, the backup needs about {needed} and {floor} must stay for whoever else writes there: it \
                 would fill the disk half way",
                directory.display()
            );
            Err(JobError::new(Stage::Space, message).help(
                "make room or enlarge the volume; older backups are removed only after a new one is proven",
            ))
        }
    }
}

/// How many bytes a backup like the last one needs, where there are fewer beside what must stay.
fn shortage(last: u64, space: Space) -> Option<u64> {
    let needed = last.saturating_add(last / 5);
    (space.free < needed.saturating_add(space.floor())).then_some(needed)
}

/// Writes a small file beside the backups: whole and on disk, or not at all. It is the directory's owner's, also where root
/// writes it: the owner's jobs are to read it.
pub fn write(directory: &Path, file: &str, bytes: &[u8]) -> io::Result<()> {
    let prefix = writing(std::process::id());
    let mut partial = tempfile::Builder::new().prefix(&prefix).suffix(PARTIAL).tempfile_in(directory)?;
    if Uid::effective().is_root() {
        let owner = fs::metadata(directory)?;
        std::os::unix::fs::fchown(partial.as_file(), Some(owner.uid()), Some(owner.gid()))?;
    }
    partial.write_all(bytes)?;
    partial.as_file().sync_all()?;
    partial.persist(directory.join(file)).map_err(|error| error.error)?;
    sync(directory)
}

/// Makes renames and removals in a directory last (fsync(2)).
pub fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Removes a file; one that is absent already is as good.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_the_last_backup_and_a_fifth_beside_the_floor() {
        let space = |free| Space { free, total: 8000 };
        assert_eq!(space(0).floor(), 1000);
        assert_eq!(shortage(1000, space(2200)), None);
        assert_eq!(shortage(1000, space(2199)), Some(1200));
        assert_eq!(shortage(0, space(999)), Some(0));
        assert_eq!(shortage(u64::MAX, space(8000)), Some(u64::MAX));
    }

    #[test]
    fn a_day_ends_where_the_host_is() {
        let end = |day: &str, zone: Tz| end_of(day.parse().expect("a day"), zone).to_rfc3339();
        assert_eq!(end("2026-12-31", Tz::UTC), "2027-01-01T00:00:00+00:00");
        assert_eq!(end("2026-12-31", Tz::Asia__Kolkata), "2026-12-31T18:30:00+00:00");
        // Clocks went from 24:00 to 01:00.
        assert_eq!(end("2018-11-03", Tz::America__Sao_Paulo), "2018-11-04T03:00:00+00:00");
        assert!(end_of(NaiveDate::MAX, Tz::UTC) > DateTime::UNIX_EPOCH);
    }

    #[test]
    fn only_the_owner_of_a_directory_writes_to_it() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(check_user(directory.path()).is_ok());
        assert!(
            stranger(Uid::from_raw(0), Uid::from_raw(4_000_000_000))
                .is_some_and(|(owner, user)| { owner == "root" && user == "user 4000000000" })
        );
    }
}
