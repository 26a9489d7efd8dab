//! Unpacking tar archives with the system's tar, which knows of sparse files, links, owners and long names, and finding in
//! them what was packed: older tools packed whole paths, this program what lies in a directory.

use std::collections::VecDeque;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clients::process::{ProcessError, Program, RunAs, Talk};
use crate::datastores::dump::DumpError;
use crate::datastores::job::because_of;

/// How deep what was packed may lie: `opt/data/backups/postgresql/postgres_..`, and more.
const DEPTH: usize = 16;
/// How many directories are looked into for it.
const DIRECTORIES: usize = 10_000;
const CHUNK: usize = 256 << 10;
/// How long tar may take nothing of the archive: a disk that is gone, such as a network mount, keeps it for ever.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What is given back besides content, times and modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes {
    Modes,
    /// Access control lists and extended attributes too.
    All,
}

/// Makes everything below a directory last (syncfs(2)).
pub fn settle(directory: &Path) -> io::Result<()> {
    nix::unistd::syncfs(File::open(directory)?).map_err(io::Error::from)
}

/// Unpacks an archive into an existing directory. Paths are never followed out of it: tar itself takes the slash from
/// absolute names and refuses `..`. Owners are as they were where this runs as root, and else are whoever runs it.
pub fn unpack(
    bytes: &mut dyn Read,
    into: &Path,
    user: Option<RunAs>,
    attributes: Attributes,
) -> Result<(), DumpError> {
    let tar = Program::new("tar")
        .args(["--extract", "--file=-", "--preserve-permissions", "--delay-directory-restore"])
        .args(match attributes {
            Attributes::Modes => &[][..],
            Attributes::All => &["--acls", "--xattrs", "--xattrs-include=*"][..],
        })
        .arg_path("--directory", into)
        .as_user(user);
    feed(bytes, tar, PATIENCE)
}

/// Gives the archive to tar, which is killed where it takes nothing of it for so long.
fn feed(bytes: &mut dyn Read, tar: Program, patience: Duration) -> Result<(), DumpError> {
    let unpacked = |why: &dyn Display| DumpError::new(format!("the archive cannot be unpacked: {why}"));
    let failed = |error: ProcessError| match error {
        ProcessError::TimedOut { .. } => because_of(unpacked(&error), &error)
            .help("see what keeps it from the disk that it unpacks to: `mount`, `dmesg`"),
        error => because_of(unpacked(&error), &error),
    };
    let mut tar = tar.start(Talk::Both).map_err(failed)?;
    let mut input = tar.patient_stdin(patience).map_err(|error| unpacked(&error).lack())?;
    match copy(bytes, &mut input) {
        Ok(_) => {}
        Err(Copied::Read(error)) => {
            return Err(DumpError::new(format!("the backup cannot be read: {error}")));
        }
        Err(Copied::Write(error)) if error.kind() == io::ErrorKind::TimedOut => {
            return Err(failed(tar.time_out(patience)));
        }
        // tar ended before its input did, and says why; what follows the end of an archive it need not read.
        Err(Copied::Write(_)) => {}
    }
    drop(input);
    tar.wait_within(patience).map_err(failed)?;
    // What is behind the archive's end belongs to the backup all the same, and must be read to be compared.
    copy(bytes, &mut io::sink()).map(|_| ()).map_err(|error| match error {
        Copied::Read(error) | Copied::Write(error) => {
            DumpError::new(format!("the backup cannot be read: {error}"))
        }
    })
}

/// Which side of a copy failed.
#[derive(Debug)]
pub enum Copied {
    Read(io::Error),
    Write(io::Error),
}

/// Copies to the end, and tells which side failed.
pub fn copy(from: &mut dyn Read, to: &mut dyn Write) -> Result<u64, Copied> {
    let mut buffer = vec![0; CHUNK];
    let mut copied = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Copied::Read(error)),
        };
        to.write_all(&buffer[..read]).map_err(Copied::Write)?;
        copied += read as u64;
    }
}

/// The uppermost directory below `top`, or itself, of which `is_it` holds.
pub fn find(top: &Path, is_it: impl Fn(&Path) -> bool) -> io::Result<Option<PathBuf>> {
    let mut queue = VecDeque::from([(top.to_owned(), 0)]);
    let mut seen = 0;
    while let Some((directory, depth)) = queue.pop_front() {
        if is_it(&directory) {
            return Ok(Some(directory));
        }
        seen += 1;
        if depth == DEPTH || seen > DIRECTORIES {
            continue;
        }
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                queue.push_back((entry.path(), depth + 1));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(arguments: &[&str]) -> Vec<u8> {
        let packed = std::process::Command::new("tar").args(arguments).output().expect("tar runs");
        assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
        packed.stdout
    }

    #[test]
    fn what_was_packed_under_its_whole_path_is_found() {
        let from = tempfile::tempdir().expect("a directory");
        let data = from.path().join("data/global");
        fs::create_dir_all(&data).expect("made");
        fs::write(data.join("pg_control"), "control").expect("written");
        // As the scripts of commcare-cloud pack a tree: with `-P`.
        let archive = packed(&["-P", "-cf", "-", &from.path().join("data").display().to_string()]);
        let into = tempfile::tempdir().expect("a directory");
        unpack(&mut &archive[..], into.path(), None, Attributes::Modes).expect("unpacked");
        let is_data = |path: &Path| path.join("global/pg_control").is_file();
        let found = find(into.path(), is_data).expect("readable").expect("there");
        assert!(found.ends_with("data"), "{}", found.display());
        let below = into.path().join(from.path().strip_prefix("/").expect("absolute"));
        assert_eq!(found, below.join("data"));
        assert_eq!(find(&found, is_data).expect("readable"), Some(found));
        assert_eq!(find(into.path(), |path| path.join("other").exists()).expect("readable"), None);
    }

    #[test]
    fn a_tar_that_hangs_is_given_up_and_told() {
        let archive = vec![0; 1 << 20];
        for script in ["sleep 1000 & wait", "cat >/dev/null; sleep 1000 & wait"] {
            let tar = Program::new("sh").args(["-c", script]);
            let told = feed(&mut &archive[..], tar, Duration::from_millis(300)).expect_err("it hangs");
            assert!(told.message.contains("cannot be unpacked: `sh` gave no answer within"), "{told}");
            assert!(told.help.is_some_and(|help| help.contains("mount")), "{script}");
        }
    }

    #[test]
    fn a_cut_archive_is_refused_and_nothing_leaves_the_directory() {
        let from = tempfile::tempdir().expect("a directory");
        fs::write(from.path().join("file"), vec![7; 100_000]).expect("written");
        let archive = packed(&["-C", &from.path().display().to_string(), "-cf", "-", "file"]);
        let into = tempfile::tempdir().expect("a directory");
        let cut = unpack(&mut &archive[..50_000], into.path(), None, Attributes::Modes).expect_err("cut");
        assert!(cut.message.contains("cannot be unpacked"), "{cut}");

        let climbing = packed(&[
            "-C",
            &from.path().display().to_string(),
            "-P",
            "--transform=s,file,../escaped,",
            "-cf",
            "-",
            "file",
        ]);
        let inner = into.path().join("inner");
        fs::create_dir(&inner).expect("made");
        assert!(unpack(&mut &climbing[..], &inner, None, Attributes::Modes).is_err());
        assert!(!into.path().join("escaped").exists());
    }
}
