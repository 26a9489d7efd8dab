//! Scratch servers whose program was killed: nobody asks them any more, nobody ends them, and their data is about to go.
//!
//! Each has a directory for its socket that names the program's process. PostgreSQL notes in the socket's lock file which
//! process the server is and where its data lies
//! (<https://www.postgresql.org/docs/current/storage-file-layout.html>), so that no other server is ever taken for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::clients::machine;

/// What the directories are called, before the process that made them.
const PREFIX: &str = "reconcile-pg-";
/// How long a server may take to end that is told to do so at once.
const LIMIT: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(20);

/// The beginning of the name of a directory that this process makes.
pub(super) fn prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

/// Ends every scratch server of a process that is no more, and removes what was kept for it. What cannot be looked into
/// is another user's.
pub fn end_forsaken() {
    for directory in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = directory.file_name();
        let process =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-')?.0.parse().ok());
        if process.is_none_or(|process: u32| machine::runs(process, None)) {
            continue;
        }
        if let Some(server) = server_of(&directory.path()) {
            end(server);
        }
        if let Err(error) = fs::remove_dir_all(directory.path()) {
            tracing::info!("{} cannot be removed: {error}", directory.path().display());
        }
    }
}

/// The server whose socket lies in a directory, where it runs on the data that its lock file names.
fn server_of(directory: &Path) -> Option<Pid> {
    let locks = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
    let mut locks = locks.filter(|path| path.extension().is_some_and(|ending| ending == "lock"));
    let text = fs::read_to_string(locks.next()?).ok()?;
    let mut lines = text.lines();
    let process: i32 = lines.next()?.trim().parse().ok()?;
    let data = PathBuf::from(lines.next()?);
    // A server works in its data directory; a number may be another process's by now.
    let works_in = fs::read_link(format!("/proc/{process}/cwd")).ok()?;
    let is_it = works_in == data || works_in == Path::new(&format!("{} (deleted)", data.display()));
    (process > 1 && is_it).then(|| Pid::from_raw(process))
}

/// SIGQUIT is "immediate shutdown" (<https://www.postgresql.org/docs/current/server-shutdown.html>).
fn end(server: Pid) {
    let _ = kill(server, Signal::SIGQUIT);
    let until = Instant::now() + LIMIT;
    while machine::runs(server.as_raw().unsigned_abs(), None) {
        if Instant::now() > until {
            let _ = kill(server, Signal::SIGKILL);
            return;
        }
        std::thread::sleep(TICK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_works_in_the_noted_directory_is_a_forsaken_server() {
        let folder = tempfile::tempdir().expect("a directory");
        let here = fs::read_link("/proc/self/cwd").expect("a directory");
        let lock = folder.path().join(".s.PGSQL.5432.lock");
        assert_eq!(server_of(folder.path()), None);
        let note = |data: &Path| {
            let text = format!("{}\n{}\n1\n5432\n", std::process::id(), data.display());
            fs::write(&lock, text).expect("written");
        };
        note(folder.path());
        assert_eq!(server_of(folder.path()), None, "another process has the number now");
        note(&here);
        assert!(server_of(folder.path()).is_some_and(|found| found == Pid::this()));
        fs::write(&lock, "what is this").expect("written");
        assert_eq!(server_of(folder.path()), None);
    }
}
