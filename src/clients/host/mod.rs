//! Hosts: what lies on them and how it is changed.
//!
//! Place on the data's path: below the world, above the machines. A host is a folder of the sandbox, this machine, or a
//! machine that ssh reaches; all three answer one question ([`Question`]) with one [`View`], in one round trip, and are
//! changed by the same few writes. Writes are whole or not at all: a temporary file beside the target, synced, renamed,
//! and the directory synced. Symbolic links are never followed at the last step. Must never decide anything, and never
//! put what a file holds into an argument: other users of the machine see those.

mod answer;
mod asks;
mod folder;
mod script;
mod shell;
mod ssh;
mod tables;
mod view;

#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use folder::{Folder, Player};
pub use shell::{Shell, Way};
pub use ssh::Ssh;
pub use tables::{InTable, Taken, Taking};
pub use view::{Contents, Facts, Installed, Question, Seen, Space, View};

/// Who owns a file and what its permission bits are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    pub owner: String,
    pub group: String,
    pub mode: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Directory,
    /// A link, a device, a pipe: never written over.
    Other,
}

/// What could not be done on a host, for people.
#[derive(Debug, thiserror::Error)]
#[error("{what} {path}: {why}")]
pub struct HostError {
    what: &'static str,
    path: String,
    why: String,
}

/// Called before and after every write, so that tests can stop the program at any of them.
pub type Tripwire = Arc<dyn Fn(Moment) -> Result<(), String> + Send + Sync>;

/// A moment around a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

/// A program to be put on hosts.
#[derive(Clone, Debug)]
pub struct ProgramFile {
    /// All of it.
    pub bytes: Arc<[u8]>,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// What it prints for `--version`: `reconcile 0.1.0`.
    pub banner: String,
}

/// What became of a command that was run on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    pub succeeded: bool,
    /// What it printed, both streams, as text.
    pub output: String,
}

/// What became of a swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    Done,
    /// Something else is there, and stays: what it holds, or nothing.
    Differs(Option<Vec<u8>>),
}

/// A host, however it is reached.
#[derive(Debug)]
pub enum Host {
    Folder(Folder),
    Shell(Box<Shell>),
}

/// More than any file that this program manages.
const MOST_BYTES: u64 = 4 << 20;

impl Host {
    /// Everything that is asked, in one round trip. The error says for people why the host does not answer.
    pub async fn look(&self, question: &Question) -> Result<View, String> {
        match self {
            Host::Folder(folder) => {
                let mut view = folder.look(question).map_err(|error| error.to_string())?;
                for (key, ask) in &question.asks {
                    view.asked.insert(key.clone(), Box::pin(folder.ask(ask)).await);
                }
                Ok(view)
            }
            Host::Shell(shell) => shell.look(question).await,
        }
    }

    /// Replaces a file, whole, or leaves it as it was.
    pub async fn write(&self, path: &str, bytes: &[u8], access: &Access) -> Result<(), HostError> {
        match self {
            Host::Folder(folder) => folder.write(path, bytes, access),
            Host::Shell(shell) => shell.write(path, bytes, access).await,
        }
    }

    /// Makes a directory, and those above it, which belong to root and are open to pass whatever the umask: whoever owns
    /// the last one must be able to get there.
    pub async fn make_directory(&self, path: &str, access: &Access) -> Result<(), HostError> {
        match self {
            Host::Folder(folder) => folder.make_directory(path, access),
            Host::Shell(shell) => shell.make_directory(path, access).await,
        }
    }

    /// Removes a file that may already be gone.
    pub async fn remove(&self, path: &str) -> Result<(), HostError> {
        match self {
            Host::Folder(folder) => folder.remove(path),
            Host::Shell(shell) => shell.remove(path).await,
        }
    }

    /// Replaces a small file if it still holds `from`, or makes it if that is `None` and nothing is there; `to` of `None`
    /// removes it. Of any number who try at once one succeeds. The directory is made where it is missing.
    pub async fn swap(
        &self,
        path: &str,
        from: Option<&[u8]>,
        to: Option<&[u8]>,
    ) -> Result<Swapped, HostError> {
        match self {
            Host::Folder(folder) => folder.swap(path, from, to),
            Host::Shell(shell) => shell.swap(path, from, to).await,
        }
    }

    /// Puts a program in its place: copied under another name, tried with `--version`, renamed.
    pub async fn install(&self, path: &str, program: &ProgramFile) -> Result<(), HostError> {
        match self {
            Host::Folder(folder) => folder.install(path, program),
            Host::Shell(shell) => shell.install(path, program).await,
        }
    }

    /// Runs a program as a user, with the little environment that cron gives. `None` where the host can run nothing.
    pub async fn run(&self, user: &str, words: &[String], limit: Duration) -> Result<Option<Ran>, String> {
        match self {
            Host::Folder(folder) => folder.run(words, limit).await,
            Host::Shell(shell) => shell.run(user, words, limit).await.map(Some),
        }
    }
}

/// A path that every host takes: absolute, without `..`, and nothing that a shell would read as more than a name.
fn plain(path: &str) -> Result<&str, HostError> {
    let parts = Path::new(path).components();
    let is_plain = parts.into_iter().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.starts_with('/') || !is_plain {
        return Err(error("cannot use", path, "it is not an absolute path without `..`"));
    }
    match path.contains(|c: char| c.is_control() || c == '*') {
        true => Err(error("cannot use", path, "it holds a `*` or a control character")),
        false => Ok(path),
    }
}

/// The bytes of a plain file of moderate size; `None` where there is none.
fn read_plain(path: &Path) -> Result<Option<Vec<u8>>, String> {
    // Without NONBLOCK a pipe in the file's place would be waited for; without NOFOLLOW a link would be followed.
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW;
    let file = match fs::OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(with_help(&cause.to_string())),
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|cause| with_help(&cause.to_string()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(TOO_LARGE.to_owned());
    }
    Ok(Some(bytes))
}

const TOO_LARGE: &str = "it is larger than 4 MiB, which no file of this program is";

/// A file of this machine that a person named, whole.
pub fn read_small(path: &Path) -> Result<Vec<u8>, String> {
    read_plain(path)?.ok_or_else(|| "there is no such file".to_owned())
}

fn error(what: &'static str, path: &str, why: impl Into<String>) -> HostError {
    HostError { what, path: path.to_owned(), why: why.into() }
}

fn io_error(what: &'static str, path: &str, cause: &io::Error) -> HostError {
    error(what, path, with_help(&cause.to_string()))
}

/// What the system says, and what to do about it; by its words, since a remote one has only those.
fn with_help(said: &str) -> String {
    let helps = [
        ("Permission denied", "; run as root"),
        ("Operation not permitted", "; run as root"),
        ("No space left on device", "; free some space, nothing was changed"),
        ("Read-only file system", "; the disk is mounted read-only, nothing was changed"),
    ];
    let help = helps.iter().find(|(words, _)| said.contains(words)).map_or("", |(_, help)| help);
    format!("{said}{help}")
}
