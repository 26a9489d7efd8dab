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

use crate::clients::machine;
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

/// Whether a volume is mounted at a path, which is no link: then it cannot be exchanged (rename(2), EBUSY).
pub fn is_mounted(home: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.dev());
    device(home).zip(home.parent().and_then(device)).is_some_and(|(home, around)| home != around)
}

/// What to do where one is.
pub fn help_where_mounted(home: &Path) -> String {
    format!(
        "{} is a place where a volume is mounted, which cannot be exchanged: restore with --to into a directory on that \
         volume, and let the service use it",
        home.display()
    )
}

/// Why not everything could be exchanged.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed {
    pub error: JobError,
    /// Part of what is there is from before and part of it restored: nobody may use it.
    pub is_mixed: bool,
}

/// Exchanges everything that was built with what is there; answers with where that is kept. Where one of them cannot be,
/// those before it are put back: what belongs together is all from before or all restored. A link stays: what it leads to
/// is exchanged.
pub fn exchange(all: &[Built], now: DateTime<Utc>) -> Result<Vec<PathBuf>, Failed> {
    let behind_links = |one: &Built| match machine::behind_links(&one.home) {
        Ok(home) => Ok(Built { home, ..one.clone() }),
        Err(error) => Err(failed(one, &error, &[])),
    };
    let all = all.iter().map(behind_links).collect::<Result<Vec<Built>, Failed>>()?;
    let mut done: Vec<(&Built, Option<PathBuf>)> = Vec::new();
    for one in &all {
        match one_by_one(one, now) {
            Ok(kept) => done.push((one, kept)),
            Err(error) => {
                let back = |(one, kept): &(&Built, Option<PathBuf>)| {
                    put_back(one, kept.as_deref()).err().map(|why| (one.home.clone(), why))
                };
                let stuck: Vec<(PathBuf, io::Error)> = done.iter().rev().filter_map(back).collect();
                return Err(failed(one, &error, &stuck));
            }
        }
    }
    Ok(done.into_iter().filter_map(|(_, kept)| kept).collect())
}

/// Undoes one exchange.
fn put_back(one: &Built, kept: Option<&Path>) -> io::Result<()> {
    fs::rename(&one.home, &one.built)?;
    match kept {
        Some(kept) => fs::rename(kept, &one.home)?,
        // It was empty, or not there: an empty one does no harm.
        None => fs::create_dir(&one.home)?,
    }
    directory::sync(one.home.parent().unwrap_or(Path::new("/")))
}

fn failed(one: &Built, error: &io::Error, stuck: &[(PathBuf, io::Error)]) -> Failed {
    let home = one.home.display();
    let state = match stuck {
        [] => "the present data is untouched".to_owned(),
        stuck => {
            let stuck: Vec<String> =
                stuck.iter().map(|(home, why)| format!("{} ({why})", home.display())).collect();
            format!(
                "and these could not be put back: {}. What was there before lies beside each as .before-restore-..; start \
                 nothing on it before all of them are of one time",
                stuck.join(", ")
            )
        }
    };
    let help = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EBUSY) => help_where_mounted(&one.home),
        Some(Errno::EACCES | Errno::EPERM) => {
            format!("run it as whoever may rename {home}: the owner of the directory around it, or root")
        }
        _ => "see what is wrong with the disk, and restore again".to_owned(),
    };
    let message = format!("what was restored cannot be put in the place of {home}: {error}; {state}");
    Failed { error: JobError::new(Stage::Exchange, message).help(help), is_mixed: !stuck.is_empty() }
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
        assert!(refused.error.message.contains("untouched") && !refused.is_mixed, "{refused:?}");
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
    fn a_mounted_volume_is_told() {
        let folder = tempfile::tempdir().expect("a directory");
        assert!(is_mounted(Path::new("/proc")));
        assert!(!is_mounted(folder.path()) && !is_mounted(Path::new("/nonexistent/x")));
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_exchanged() {
        let folder = tempfile::tempdir().expect("a directory");
        let at = |name: &str| folder.path().join(name);
        let make = |name: &str| {
            fs::create_dir_all(at(name)).expect("made");
            fs::write(at(name).join("file"), name).expect("written");
            at(name)
        };
        let (there, built) = (make("volume/data"), make("volume/built"));
        let real = fs::canonicalize(&there).expect("there");
        std::os::unix::fs::symlink(&there, at("data")).expect("linked");
        let kept = exchange(&[Built { built, home: at("data") }], now()).expect("exchanged");
        assert_eq!(kept, [super::kept(&real, now())]);
        assert_eq!(fs::read_link(at("data")).expect("a link"), there);
        assert_eq!(fs::read_to_string(at("data/file")).expect("there"), "volume/built");
        assert_eq!(fs::read_to_string(kept[0].join("file")).expect("kept"), "volume/data");

        // A volume that is not mounted: nothing takes the place of the link.
        let built = make("built");
        fs::remove_file(at("data")).expect("removed");
        std::os::unix::fs::symlink("/nonexistent/data", at("data")).expect("linked");
        let failed =
            exchange(&[Built { built: built.clone(), home: at("data") }], now()).expect_err("nowhere");
        assert!(failed.error.message.contains("the present data is untouched"), "{failed:?}");
        assert!(fs::symlink_metadata(at("data")).expect("there").is_symlink() && built.is_dir());
    }

    #[test]
    fn what_belongs_together_is_all_restored_or_all_from_before() {
        let folder = tempfile::tempdir().expect("a directory");
        let make = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir(&path).expect("made");
            fs::write(path.join("file"), text).expect("written");
            path
        };
        let both = ["tablespace", "data"]
            .map(|name| Built { home: make(name, "old"), built: make(&format!("{name}.built"), "new") });
        let empty = Built { home: folder.path().join("empty"), built: make("empty.built", "new") };
        // Something has the name already that the data directory's own would get.
        fs::write(kept(&both[1].home, now()), "x").expect("written");
        let all = [empty, both[0].clone(), both[1].clone()];
        let failed = exchange(&all, now()).expect_err("in the way");
        assert!(!failed.is_mixed && failed.error.message.contains("untouched"), "{failed:?}");
        for one in &both {
            assert_eq!(fs::read_to_string(one.home.join("file")).expect("there"), "old");
            assert_eq!(fs::read_to_string(one.built.join("file")).expect("there"), "new");
        }
        assert_eq!(fs::read_dir(&all[0].home).expect("there").count(), 0);
        assert!(!kept(&both[0].home, now()).exists());
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
