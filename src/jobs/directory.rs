//! The backup directory: finding it, what lies in it, room in it, and writing small files so that they are whole or
//! absent.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use nix::unistd::{Uid, User};

use super::beside::Beside;
use super::context::Context;
use super::error::{JobError, Stage};
use super::manifest::Manifest;
use super::verify::Evidence;
use crate::datastores::names::{Name, Series};

/// What a file is called until it is whole.
pub const PARTIAL: &str = ".partial";
/// What the folder of a dump that needs one is called.
pub const SCRATCH: &str = ".scratch";

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

/// The backups of `series` in a directory, oldest first; every other file is passed over.
pub fn backups(directory: &Path, series: &Series) -> io::Result<Vec<Local>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(file) = entry.file_name().into_string() else { continue };
        let Some(name) = series.parse(&file) else { continue };
        // A file that goes away meanwhile is no failure; a link or a folder of that name is not ours.
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_file() {
            continue;
        }
        let manifest = Manifest::read(directory, &file).filter(|manifest| manifest.bytes == metadata.len());
        let modified = metadata.modified().map(DateTime::<Utc>::from).unwrap_or(DateTime::UNIX_EPOCH);
        let restored = manifest.as_ref().and_then(|manifest| {
            let evidence = Evidence::read(directory, &file)?;
            // An undated name may have been another backup's before.
            (evidence.taken == Some(manifest.ended)).then_some(evidence.is_proof())
        });
        found.push(Local { file, name, bytes: metadata.len(), modified, manifest, restored });
    }
    found.sort_by(|a, b| (a.taken(), &a.file).cmp(&(b.taken(), &b.file)));
    Ok(found)
}

/// Removes what an earlier job of this series left when it was killed. Only under the lock.
pub fn clean(directory: &Path, series: &Series) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(file) = entry.file_name().into_string() else { continue };
        let ours = |suffix: &str| file.strip_suffix(suffix).is_some_and(|name| series.parse(name).is_some());
        if ours(PARTIAL) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        } else if ours(SCRATCH) && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Refuses to begin what cannot end: the file system must have room for the last backup of this kind and a fifth
/// more. Where there is no earlier one the dump itself finds out.
pub fn check_space(directory: &Path, series: &Series, method: &str) -> Result<(), JobError> {
    let last = backups(directory, series).ok().and_then(|found| {
        found.into_iter().rev().find_map(|local| local.manifest.filter(|m| m.method == method))
    });
    let (Some(last), Some(free)) = (last, free(directory)) else { return Ok(()) };
    match shortage(last.bytes, free) {
        None => Ok(()),
        Some(needed) => {
            let (free, needed) = (size(free), size(needed));
            let message = format!(
                "{} has {free} free and the backup needs about {needed}: it would fill the disk half way",
                directory.display()
            );
            Err(JobError::new(Stage::Space, message).help(
                "make room or enlarge the volume; older backups are removed only after a new one is proven",
            ))
        }
    }
}

/// How many bytes whoever runs this may still write there.
pub fn free(directory: &Path) -> Option<u64> {
    let room = nix::sys::statvfs::statvfs(directory).ok()?;
    // Both counts are as wide as the platform's; a product that overflows is room enough.
    #[allow(clippy::useless_conversion)]
    Some(u64::from(room.blocks_available()).saturating_mul(u64::from(room.fragment_size())))
}

/// How many bytes a backup like the last one needs, where there are fewer.
fn shortage(last: u64, free: u64) -> Option<u64> {
    let needed = last.saturating_add(last / 5);
    (free < needed).then_some(needed)
}

/// Bytes for people: `512.0 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Writes a small file beside the backups: whole and on disk, or not at all.
pub fn write(directory: &Path, file: &str, bytes: &[u8]) -> io::Result<()> {
    let mut partial =
        tempfile::Builder::new().prefix(".reconcile-").suffix(PARTIAL).tempfile_in(directory)?;
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
    fn room_is_the_last_backup_and_a_fifth() {
        assert_eq!(shortage(1000, 1200), None);
        assert_eq!(shortage(1000, 1199), Some(1200));
        assert_eq!(shortage(u64::MAX, u64::MAX), None);
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

    #[test]
    fn sizes_read_well() {
        assert_eq!(size(512), "512 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 40), "3.0 TiB");
    }
}
