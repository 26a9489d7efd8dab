//! Where the vault's password comes from: a file, a program, or the caller.

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
const MAX_BYTES: u64 = 64 << 10;

/// The source of the vault's password.
#[derive(Clone, Debug)]
pub enum VaultPassword {
    /// A file that holds it, or that prints it where it is executable (as `ansible-vault` has it).
    File(PathBuf),
    /// The password itself (`RECONCILE_VAULT_PASSWORD`, or typed at a prompt).
    Given(Secret),
}

impl VaultPassword {
    /// The password. A program runs without a shell and is stopped after a minute.
    pub(in crate::settings) fn read(&self) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
        let path = match self {
            VaultPassword::Given(secret) => {
                return Ok(Zeroizing::new(secret.expose().as_bytes().to_vec()));
            }
            VaultPassword::File(path) => path,
        };
        let metadata = std::fs::metadata(path).ok();
        let is_program =
            |metadata: &Metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
        let mut password = match metadata {
            Some(metadata) if is_program(&metadata) => from_program(path)?,
            Some(metadata) if metadata.file_type().is_fifo() => from_pipe(path)?,
            _ => from_file(path)?,
        };
        // Editors and `echo` end files with a newline that is no part of the password.
        let kept = password.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
        password.truncate(kept);
        if password.is_empty() {
            return Err(PasswordError { path: path.clone(), why: "holds no password".to_owned() });
        }
        Ok(password)
    }
}

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(in crate::settings) struct PasswordError {
    pub path: PathBuf,
    pub why: String,
}

fn from_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let error = |why: String| PasswordError { path: path.to_owned(), why };
    match files::bytes(path, "") {
        Ok(Some(bytes)) => Ok(Zeroizing::new(bytes)),
        Ok(None) => Err(error("does not exist".to_owned())),
        Err(problem) => Err(error(problem.message)),
    }
}

/// A pipe, as a shell's `<(..)` makes one.
fn from_pipe(path: &Path) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let error = |why: String| PasswordError { path: path.to_owned(), why };
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
        let mut text = Zeroizing::new(Vec::new());
        let read = open().and_then(|reader| reader.take(MAX_BYTES).read_to_end(&mut text));
        // Nobody listens any more where it took too long.
        let _ = send.send(read.map(|_| text));
    });
    receive.recv_timeout(PROGRAM_TIME).ok()
}

fn from_program(path: &Path) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let error = |why: String| PasswordError { path: path.to_owned(), why };
    // A bare name would be looked for in PATH; the operator named a file.
    let program = if path.components().count() == 1 { Path::new(".").join(path) } else { path.to_owned() };
    let mut child = Command::new(program)
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
    use super::*;

    fn password(name: &str, text: &str, mode: u32) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        let read = VaultPassword::File(path).read();
        read.map(|password| password.to_vec()).map_err(|error| error.why)
    }

    #[test]
    fn a_file_holds_it_and_a_program_prints_it() {
        assert_eq!(password("file", "pa ss \r\n", 0o600), Ok(b"pa ss ".to_vec()));
        assert_eq!(password("program", "#!/bin/sh\necho printed\n", 0o700), Ok(b"printed".to_vec()));
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
        let password = VaultPassword::File(path).read().expect("a password");
        writer.join().expect("ended").expect("written");
        assert_eq!(&password[..], b"piped");
    }

    #[test]
    fn none_is_told() {
        assert_eq!(password("empty", "\n", 0o600), Err("holds no password".to_owned()));
        assert_eq!(
            password("failing", "#!/bin/sh\nexit 3\n", 0o700),
            Err("failed: exit status: 3".to_owned())
        );
        let missing = VaultPassword::File("/nonexistent/password".into()).read();
        assert_eq!(missing.expect_err("none").why, "does not exist");
    }
}
