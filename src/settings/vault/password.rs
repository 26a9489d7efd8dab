//! Where one password of a vault comes from: a file, a program, a person, or the caller.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::settings::files;
use crate::vocab::Secret;

/// How long a password program may take: some ask a person or a far key store.
const PROGRAM_TIME: Duration = Duration::from_secs(60);
/// No password is longer.
const MAX_BYTES: usize = 64 << 10;
/// What a client program exits with where it has no password of that label.
const UNKNOWN_LABEL: i32 = 2;

/// The source of a vault's password.
#[derive(Clone, Debug)]
pub enum VaultPassword {
    /// A file that holds it, or that prints it where it is executable (as `ansible-vault` has it).
    File(PathBuf),
    /// The password itself (`RECONCILE_VAULT_PASSWORD`).
    Given(Secret),
    /// A person, who is asked when it is needed.
    Prompt,
}

/// Asks a person for the password of a label; empty where they gave none. `Err` says why nobody could be asked.
pub type Ask = fn(label: &str) -> Result<Zeroizing<Vec<u8>>, String>;

impl VaultPassword {
    /// A shell leaves the `~` of `LABEL@~/FILE`, and of many a variable, as it is; Ansible does not.
    pub fn of_file(file: &Path) -> Self {
        VaultPassword::File(match (file.strip_prefix("~"), std::env::home_dir()) {
            (Ok(below), Some(home)) => home.join(below),
            _ => file.to_owned(),
        })
    }

    /// The password as Ansible understands it, then as it stands where that differs. A program runs without a shell and
    /// is stopped after a minute. Empty only where a person gave none.
    ///
    /// Ansible strips spaces around what a file holds, and line ends alone around what a program prints
    /// (`FileVaultSecret` and `ScriptVaultSecret` of its `parsing/vault`); other programs keep a file's spaces.
    pub(super) fn read(
        &self,
        label: &str,
        ask: Option<Ask>,
    ) -> Result<Vec<Zeroizing<Vec<u8>>>, PasswordError> {
        let path = match self {
            VaultPassword::Given(secret) => {
                return Ok(vec![Zeroizing::new(secret.expose().as_bytes().to_vec())]);
            }
            VaultPassword::Prompt => {
                let nobody = || Err("there is no terminal to ask on".to_owned());
                let given = ask.map_or_else(nobody, |ask| ask(label));
                return given.map(|password| vec![password]).map_err(|why| PasswordError { file: None, why });
            }
            VaultPassword::File(path) => path,
        };
        let metadata = std::fs::metadata(path).ok();
        let is_program =
            |metadata: &Metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
        let (text, is_printed) = match metadata {
            Some(metadata) if is_program(&metadata) => (from_program(path, label)?, true),
            Some(metadata) if metadata.file_type().is_fifo() => (from_pipe(path)?, false),
            _ => (from_file(path)?, false),
        };
        // Editors and `echo` end files with a newline that is no part of the password.
        let line = stripped(&text, |byte| b"\r\n".contains(&byte));
        let bare = stripped(&text, |byte| b" \t\r\n\x0b\x0c".contains(&byte));
        let candidates = if is_printed || bare == line { vec![line] } else { vec![bare, line] };
        if candidates.first().is_none_or(|password| password.is_empty()) {
            return Err(PasswordError::of(path, "holds no password"));
        }
        Ok(candidates.into_iter().map(|password| Zeroizing::new(password.to_vec())).collect())
    }
}

/// Why there is no password. Never the password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct PasswordError {
    /// The file or program; `None` where a person was to be asked.
    pub file: Option<PathBuf>,
    pub why: String,
}

impl PasswordError {
    fn of(file: &Path, why: impl Into<String>) -> Self {
        PasswordError { file: Some(file.to_owned()), why: why.into() }
    }
}

/// A text without such bytes at both ends.
fn stripped(text: &[u8], strip: impl Fn(u8) -> bool) -> &[u8] {
    let start = text.iter().position(|byte| !strip(*byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !strip(*byte)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

fn from_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let error = |why: String| PasswordError::of(path, why);
    match files::bytes(path, "") {
        Ok(Some(bytes)) => Ok(Zeroizing::new(bytes)),
        Ok(None) => Err(error("does not exist".to_owned())),
        Err(problem) => Err(error(problem.message)),
    }
}

/// A pipe, as a shell's `<(..)` makes one.
fn from_pipe(path: &Path) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let error = |why: String| PasswordError::of(path, why);
    let pipe = path.to_owned();
    match in_time(move || File::open(pipe)) {
        Some(Ok(text)) => Ok(text),
        Some(Err(cause)) => Err(error(format!("cannot be read: {cause}"))),
        None => Err(error(format!("gave no password within {} seconds", PROGRAM_TIME.as_secs()))),
    }
}

/// What a reader gives, on a thread of its own since neither opening nor reading can be interrupted; `None` where it
/// takes too long.
fn in_time<R: Read>(
    open: impl FnOnce() -> std::io::Result<R> + Send + 'static,
) -> Option<std::io::Result<Zeroizing<Vec<u8>>>> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        // Room for all of it: a vector that grows leaves copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(2 * MAX_BYTES));
        let read = open().and_then(|reader| reader.take(MAX_BYTES as u64).read_to_end(&mut text));
        // Nobody listens any more where it took too long.
        let _ = send.send(read.map(|_| text));
    });
    receive.recv_timeout(PROGRAM_TIME).ok()
}

/// A client is told which label is wanted, as Ansible tells the programs whose names end so.
fn is_client(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem.as_encoded_bytes().ends_with(b"-client"))
}

fn from_program(path: &Path, label: &str) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let error = |why: String| PasswordError::of(path, why);
    let is_client = is_client(path);
    // A bare name would be looked for in PATH; the operator named a file.
    let program = if path.components().count() == 1 { Path::new(".").join(path) } else { path.to_owned() };
    let mut command = Command::new(program);
    if is_client {
        command.args(["--vault-id", label]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .process_group(0)
        .spawn()
        .map_err(|cause| error(format!("cannot be run: {cause}")))?;
    let output = child.stdout.take();
    let Some(read) = in_time(move || output.ok_or_else(|| std::io::ErrorKind::BrokenPipe.into())) else {
        stop(&mut child);
        return Err(error(format!("printed no password within {} seconds", PROGRAM_TIME.as_secs())));
    };
    let text = read.map_err(|cause| error(format!("cannot be read: {cause}")))?;
    let status = ended(&mut child).map_err(|cause| error(format!("cannot be waited for: {cause}")))?;
    match status {
        Some(status) if status.success() => Ok(text),
        Some(status) if is_client && status.code() == Some(UNKNOWN_LABEL) => {
            Err(error("knows no password of this label".to_owned()))
        }
        Some(status) => Err(error(format!("failed: {status}"))),
        None => Err(error("closed its output and did not end".to_owned())),
    }
}

/// Waits a little for a program that has said everything; `None` where it had to be stopped.
fn ended(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    for _ in 0..200 {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    stop(child);
    Ok(None)
}

/// Ends the program and what it started.
fn stop(child: &mut Child) {
    if let Ok(id) = i32::try_from(child.id()) {
        // It may have ended by itself just now.
        let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGKILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::super::DEFAULT_LABEL;
    use super::*;

    fn read(password: &VaultPassword) -> Result<Vec<Vec<u8>>, String> {
        let read = password.read(DEFAULT_LABEL, None);
        read.map(|all| all.iter().map(|one| one.to_vec()).collect()).map_err(|error| error.why)
    }

    fn password(name: &str, text: &str, mode: u32) -> Result<Vec<Vec<u8>>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        read(&VaultPassword::File(path))
    }

    fn one(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        Ok(vec![text.to_vec()])
    }

    #[test]
    fn a_file_holds_it_and_a_program_prints_it() {
        assert_eq!(password("file", "pa ss\r\n", 0o600), one(b"pa ss"));
        assert_eq!(password("spaces", "\n pass \n", 0o600), Ok(vec![b"pass".to_vec(), b" pass ".to_vec()]));
        assert_eq!(password("program", "#!/bin/sh\necho ' printed'\n", 0o700), one(b" printed"));
    }

    #[test]
    fn a_client_is_told_the_label() {
        let echo = "#!/bin/sh\necho \"$*\"\n";
        assert_eq!(password("store-client.sh", echo, 0o700), one(b"--vault-id default"));
        let unknown = password("store-client", "#!/bin/sh\nexit 2\n", 0o700);
        assert_eq!(unknown, Err("knows no password of this label".to_owned()));
        assert_eq!(password("client", "#!/bin/sh\necho \"$#\"\n", 0o700), one(b"0"));
    }

    #[test]
    fn a_pipe_gives_it_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        let writer = {
            let path = path.clone();
            std::thread::spawn(move || std::fs::write(path, "piped\n"))
        };
        let password = read(&VaultPassword::File(path));
        writer.join().expect("ended").expect("written");
        assert_eq!(password, one(b"piped"));
    }

    #[test]
    fn none_is_told() {
        assert_eq!(password("empty", " \n", 0o600), Err("holds no password".to_owned()));
        assert_eq!(
            password("failing", "#!/bin/sh\nexit 3\n", 0o700),
            Err("failed: exit status: 3".to_owned())
        );
        let missing = read(&VaultPassword::File("/nonexistent/password".into()));
        assert_eq!(missing, Err("does not exist".to_owned()));
        assert_eq!(read(&VaultPassword::Prompt), Err("there is no terminal to ask on".to_owned()));
    }
}
