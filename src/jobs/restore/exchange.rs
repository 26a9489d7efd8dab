//! Putting what was built in the place of the present data, which is kept beside it: one step, so that whoever comes at
//! any moment finds the one or the other, whole.
//!
//! Around that step what is not in its place lies at `HOME.restoring-INODE`, the inode being that of what was there. So
//! [`settle`] knows after a crash which of the two it finds there: the one is kept, the other removed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::datastores::restore::Built;
use crate::jobs::directory;
use crate::jobs::error::{JobError, Stage};

/// Where the present data goes: `HOME.before-restore-20261121T120000Z`.
pub fn kept(home: &Path, now: DateTime<Utc>) -> PathBuf {
    let mut name = home.as_os_str().to_owned();
    name.push(format!(".before-restore-{}", now.format("%Y%m%dT%H%M%SZ")));
    PathBuf::from(name)
}

/// Whether there is something at a path that must be kept.
pub fn is_occupied(home: &Path) -> io::Result<bool> {
    match fs::read_dir(home) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Exchanges everything that was built with what is there; answers with where that is kept.
pub fn exchange(all: &[Built], now: DateTime<Utc>) -> Result<Vec<PathBuf>, JobError> {
    let mut done = Vec::new();
    for one in all {
        let kept = one_by_one(one, now).map_err(|error| failed(one, &error, &done))?;
        done.extend(kept);
    }
    Ok(done)
}

fn failed(one: &Built, error: &io::Error, done: &[PathBuf]) -> JobError {
    let home = one.home.display();
    let already = match done {
        [] => "the present data is untouched".to_owned(),
        done => {
            let done: Vec<String> = done.iter().map(|path| path.display().to_string()).collect();
            format!("kept already: {}", done.join(", "))
        }
    };
    let help = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EBUSY) => format!(
            "{home} is a place where a volume is mounted, which cannot be exchanged: restore with --to into a directory on \
             that volume, and let the service use it"
        ),
        Some(Errno::EACCES | Errno::EPERM) => {
            format!("run it as whoever may rename {home}: the owner of the directory around it, or root")
        }
        _ => "see what is wrong with the disk, and restore again".to_owned(),
    };
    JobError::new(
        Stage::Exchange,
        format!("what was restored cannot be put in the place of {home}: {error}; {already}"),
    )
    .help(help)
}

fn one_by_one(one: &Built, now: DateTime<Utc>) -> io::Result<Option<PathBuf>> {
    let around = one.home.parent().unwrap_or(Path::new("/"));
    if !is_occupied(&one.home)? {
        // An empty directory is replaced by rename(2).
        fs::rename(&one.built, &one.home)?;
        directory::sync(around)?;
        return Ok(None);
    }
    settle(&one.home)?;
    let kept = kept(&one.home, now);
    if kept.exists() {
        return Err(io::Error::other(format!("{} is there already", kept.display())));
    }
    let between = between(&one.home, fs::metadata(&one.home)?.ino());
    fs::rename(&one.built, &between)?;
    match renameat2(AT_FDCWD, &between, AT_FDCWD, &one.home, RenameFlags::RENAME_EXCHANGE) {
        Ok(()) => fs::rename(&between, &kept)?,
        // Some file systems cannot: for a moment there is neither, and a failure puts the old one back.
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            fs::rename(&one.home, &kept)?;
            if let Err(error) = fs::rename(&between, &one.home) {
                let _ = fs::rename(&kept, &one.home);
                let _ = fs::rename(&between, &one.built);
                return Err(error);
            }
        }
        Err(error) => {
            fs::rename(&between, &one.built)?;
            return Err(error.into());
        }
    }
    directory::sync(around)?;
    Ok(Some(kept))
}

/// What stands between a home's path and the inode of what was there.
const BETWEEN: &str = ".restoring-";

/// Where something lies while it is exchanged with what is at `home`.
fn between(home: &Path, inode: u64) -> PathBuf {
    let mut name = home.as_os_str().to_owned();
    name.push(format!("{BETWEEN}{inode}"));
    PathBuf::from(name)
}

/// Ends what a restore began that was killed around the exchange: the data from before is kept, under the name that it
/// would have got; data that never came to its place is removed.
pub fn settle(home: &Path) -> io::Result<()> {
    let (Some(around), Some(name)) = (home.parent(), home.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let entries = match fs::read_dir(around) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let found = entry.file_name();
        let inode =
            found.to_str().and_then(|text| text.strip_prefix(name)?.strip_prefix(BETWEEN)?.parse().ok());
        let Some(inode): Option<u64> = inode else { continue };
        let found = entry.metadata()?;
        // When it was renamed last.
        let former = kept(home, DateTime::from_timestamp(found.ctime(), 0).unwrap_or_default());
        match found.ino() == inode {
            true if former.exists() => {
                return Err(io::Error::other(format!("{} is there already", former.display())));
            }
            true => fs::rename(entry.path(), former)?,
            false => fs::remove_dir_all(entry.path())?,
        }
        directory::sync(around)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn the_present_data_is_kept_beside_the_restored() {
        let folder = tempfile::tempdir().expect("a directory");
        let (home, built) = (folder.path().join("data"), folder.path().join("built"));
        for (path, text) in [(&home, "old"), (&built, "new")] {
            fs::create_dir(path).expect("made");
            fs::write(path.join("file"), text).expect("written");
        }
        let one = Built { built: built.clone(), home: home.clone() };
        let kept = exchange(std::slice::from_ref(&one), now()).expect("exchanged");
        assert_eq!(kept, [folder.path().join("data.before-restore-20261121T120000Z")]);
        assert_eq!(fs::read_to_string(home.join("file")).expect("there"), "new");
        assert_eq!(fs::read_to_string(kept[0].join("file")).expect("kept"), "old");
        assert!(!built.exists());

        // What was kept is never written over.
        fs::create_dir(&built).expect("made");
        let refused = exchange(&[one], now()).expect_err("it is there");
        assert!(refused.message.contains("untouched"), "{refused}");
        assert_eq!(fs::read_to_string(home.join("file")).expect("there"), "new");
    }

    #[test]
    fn a_restore_that_died_around_the_exchange_loses_neither_data() {
        let folder = tempfile::tempdir().expect("a directory");
        let home = folder.path().join("data");
        let make = |path: &Path, text: &str| {
            fs::create_dir(path).expect("made");
            fs::write(path.join("file"), text).expect("written");
        };
        make(&home, "old");
        let inode = fs::metadata(&home).expect("there").ino();
        // Before the exchange: what was built is of no use any more.
        make(&between(&home, inode), "new");
        settle(&home).expect("settled");
        assert_eq!(fs::read_to_string(home.join("file")).expect("there"), "old");
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
        // After it: what was there gets the name that it should have had.
        fs::rename(&home, between(&home, inode)).expect("moved");
        make(&home, "new");
        settle(&home).expect("settled");
        assert_eq!(fs::read_to_string(home.join("file")).expect("there"), "new");
        let left: Vec<String> = fs::read_dir(folder.path())
            .expect("there")
            .map(|entry| entry.expect("one").file_name().to_string_lossy().into_owned())
            .collect();
        let former = left.iter().find(|name| name.starts_with("data.before-restore-")).expect("kept");
        assert_eq!(fs::read_to_string(folder.path().join(former).join("file")).expect("kept"), "old");
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn what_is_empty_needs_no_keeping() {
        let folder = tempfile::tempdir().expect("a directory");
        for there in [false, true] {
            let (home, built) = (folder.path().join(format!("{there}")), folder.path().join("built"));
            if there {
                fs::create_dir(&home).expect("made");
            }
            fs::create_dir(&built).expect("made");
            fs::write(built.join("file"), "new").expect("written");
            assert_eq!(exchange(&[Built { built, home: home.clone() }], now()), Ok(Vec::new()));
            assert_eq!(fs::read_to_string(home.join("file")).expect("there"), "new");
        }
    }
}
