//! Other programs: started, time-limited, their last words kept for the error.
//!
//! Must never put a secret into an argument, and never leave a child behind: dropping a [`Running`] kills the child and
//! whatever it started.

mod last_words;
mod patience;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use last_words::{LastWords, Listener};

/// The process groups of children that run, and the threads that started them.
static RUNNING: Mutex<BTreeMap<i32, ThreadId>> = Mutex::new(BTreeMap::new());

/// Asks every child that runs to end, with whatever it started: this program was told to.
pub fn end_all() {
    for group in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).keys() {
        let _ = killpg(Pid::from_raw(*group), Signal::SIGTERM);
    }
}

/// Kills every child that a thread started and that runs, with whatever it started.
pub fn end_of(thread: ThreadId) {
    for (group, by) in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if *by == thread {
            let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
        }
    }
}

/// Notes a child, or that it was waited for: its number may be another's from then on.
fn note(child: &Child, runs: bool) {
    let Ok(group) = i32::try_from(child.id()) else { return };
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if runs {
        running.insert(group, thread::current().id());
    } else {
        running.remove(&group);
    }
}

/// How often a child is asked whether it ended, where that has a limit.
const TICK: Duration = Duration::from_millis(10);

/// The largest pipe that Linux gives to anybody.
const PIPE: i32 = 1 << 20;

/// The most that [`Program::output`] takes from a child.
const OUTPUT_LIMIT: u64 = 1 << 20;

/// Why a program did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("the program `{0}` is not there")]
    Missing(String),
    #[error("`{program}` could not be started: {source}")]
    Start { program: String, source: io::Error },
    #[error("`{program}` {status}{}", said(stderr))]
    Failed { program: String, status: String, code: Option<i32>, stderr: String },
    #[error("`{program}` gave no answer within {}{}", span(*limit), said(stderr))]
    TimedOut { program: String, limit: Duration, stderr: String },
    #[error("talking to `{program}` failed: {source}")]
    Pipe { program: String, source: io::Error },
}

impl ProcessError {
    /// Whether it says nothing of what the program was to work on: it could not run to its end, since it is not there,
    /// hung, or was killed, as by a kernel that had no memory left.
    pub fn is_of_machine(&self) -> bool {
        !matches!(self, ProcessError::Failed { code: Some(_), .. })
    }

    /// What the program wrote to its standard error, as far as it is kept; empty where it did not run.
    pub fn stderr(&self) -> &str {
        match self {
            ProcessError::Failed { stderr, .. } | ProcessError::TimedOut { stderr, .. } => stderr,
            _ => "",
        }
    }
}

/// In the largest unit that leaves two or more.
fn span(limit: Duration) -> String {
    match limit.as_secs() {
        seconds @ ..120 => format!("{seconds} seconds"),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds => format!("{} hours", seconds / 3600),
    }
}

/// A program's last words in one line.
fn said(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { String::new() } else { format!(": {}", lines.join("; ")) }
}

/// A program with its arguments, not yet started.
#[derive(Debug)]
pub struct Program {
    name: String,
    command: Command,
    listener: Option<Listener>,
}

impl Program {
    /// A program by its path, or by its name to be looked for in `PATH`.
    pub fn new(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let mut command = Command::new(path);
        // Messages in English, since they end up in errors that people search for; and a process group of its own,
        // since some programs start others.
        command.env("LC_ALL", "C").process_group(0);
        Program { name, command, listener: None }
    }

    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    /// An option with a path as its value; paths need not be UTF-8.
    pub fn arg_path(mut self, option: &str, path: &Path) -> Self {
        self.command.arg(option).arg(path);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it as another user, which only root may.
    pub fn as_user(mut self, user: Option<RunAs>) -> Self {
        if let Some(RunAs { uid, gid }) = user {
            self.command.uid(uid).gid(gid);
            // A directory that the other may not enter is no place to start in.
            self.command.current_dir("/");
        }
        self
    }

    /// Hands each line of the program's standard error to `listener`, besides keeping the last ones for an error.
    pub fn listen(self, listener: impl FnMut(&str) + Send + 'static) -> Self {
        Program { listener: Some(Listener(Box::new(listener))), ..self }
    }

    /// Starts the program with pipes on its output, and on its input where `talk` says so.
    pub fn start(mut self, talk: Talk) -> Result<Running, ProcessError> {
        self.command
            .stdin(if talk == Talk::Both { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.spawn()?;
        let listener = self.listener.take();
        let stderr = child.stderr.take().map(|stderr| LastWords::of(stderr, listener));
        Ok(Running { name: self.name, child, stderr })
    }

    fn spawn(&mut self) -> Result<Child, ProcessError> {
        let child = self.command.spawn().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ProcessError::Missing(self.name.clone()),
            _ => ProcessError::Start { program: self.name.clone(), source },
        })?;
        note(&child, true);
        Ok(child)
    }

    /// Runs the program to its end and answers with its standard output, at most a mebibyte.
    pub fn output(self, limit: Duration) -> Result<String, ProcessError> {
        let mut running = self.start(Talk::Listen)?;
        let Some(stdout) = running.stdout() else { return running.wait().map(|()| String::new()) };
        let (done, answer) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.take(OUTPUT_LIMIT).read_to_end(&mut bytes).map(|_| bytes);
            let _ = done.send(read);
        });
        match answer.recv_timeout(limit) {
            Ok(read) => {
                let bytes = read.map_err(|source| running.pipe_error(source))?;
                running.wait_within(limit)?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            Err(_) => Err(running.time_out(limit)),
        }
    }
}

/// The user and group that a program runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunAs {
    pub uid: u32,
    pub gid: u32,
}

/// Which of a child's streams are pipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// The child is only listened to.
    Listen,
    /// The child is also spoken to.
    Both,
}

/// A program that runs. Dropped, it is killed with all its children.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    stderr: Option<LastWords>,
}

impl Running {
    /// The child's standard output; once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The child's standard output as a pipe that holds much, so that the two ends seldom wait for one another.
    pub fn wide_stdout(&mut self) -> Option<ChildStdout> {
        let stdout = self.stdout()?;
        // Where the user's share of pipe memory is used up, the usual size does (pipe(7)).
        let _ = fcntl(&stdout, FcntlArg::F_SETPIPE_SZ(PIPE));
        Some(stdout)
    }

    /// The child's standard input; once. Dropping it ends the child's input.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Waits for the end; anything but success is an error with the child's last words.
    pub fn wait(mut self) -> Result<(), ProcessError> {
        let status = self.child.wait();
        note(&self.child, false);
        let status = status.map_err(|source| self.pipe_error(source))?;
        match status.success() {
            true => Ok(()),
            false => {
                let stderr = self.take_stderr();
                Err(ProcessError::Failed {
                    program: self.name.clone(),
                    status: ended(status),
                    code: status.code(),
                    stderr,
                })
            }
        }
    }

    /// Waits for the end, whichever it is, and until its listener has heard everything.
    pub fn end(mut self) -> Result<Ended, ProcessError> {
        let status = self.child.wait();
        note(&self.child, false);
        let status = status.map_err(|source| self.pipe_error(source))?;
        let stderr = self.stderr.take().map(LastWords::all).unwrap_or_default();
        Ok(Ended { code: status.code(), status: ended(status), stderr })
    }

    /// Kills the child that did not answer in time.
    pub fn time_out(mut self, limit: Duration) -> ProcessError {
        self.kill();
        let stderr = self.take_stderr();
        ProcessError::TimedOut { program: self.name.clone(), limit, stderr }
    }

    /// Whether it runs still.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to end, as that signal is understood by it.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running()
            && let Ok(pid) = i32::try_from(self.child.id())
        {
            let _ = nix::sys::signal::kill(Pid::from_raw(pid), signal);
        }
    }

    pub fn pipe_error(&self, source: io::Error) -> ProcessError {
        ProcessError::Pipe { program: self.name.clone(), source }
    }

    /// The end of its standard error, once it has ended. What it left running may hold that for ever.
    fn take_stderr(&mut self) -> String {
        self.stderr.take().map(LastWords::soon).unwrap_or_default()
    }

    fn kill(&mut self) {
        // A child that was waited for has no process group left, and its number may be another's by now.
        if matches!(self.child.try_wait(), Ok(None)) {
            if let Ok(pid) = i32::try_from(self.child.id()) {
                let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
            }
            let _ = self.child.wait();
        }
        note(&self.child, false);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// `None` where a signal ended it.
    pub code: Option<i32>,
    /// In words that continue the program's name: `failed with exit code 2`.
    pub status: String,
    /// The end of its standard error.
    pub stderr: String,
}

fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("failed with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

/// Looks for a program in `directories`, then in `PATH`.
pub fn find(name: &str, directories: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    directories
        .iter()
        .cloned()
        .chain(std::env::split_paths(&path))
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::new("sh").args(["-c", script])
    }

    #[test]
    fn output_is_what_the_program_wrote() {
        let output = shell("echo well; echo noise >&2").output(Duration::from_secs(60));
        assert_eq!(output.expect("succeeds"), "well\n");
    }

    #[test]
    fn a_failure_holds_the_last_words() {
        let error = shell("echo because >&2; exit 7").output(Duration::from_secs(60)).expect_err("fails");
        assert_eq!(error.to_string(), "`sh` failed with exit code 7: because");
        let error = shell("kill -9 $$").output(Duration::from_secs(60)).expect_err("fails");
        assert_eq!(error.to_string(), "`sh` was killed by signal 9");
    }

    #[test]
    fn a_program_that_does_not_answer_is_killed_with_its_children() {
        let error = shell("sleep 1000 & wait").output(Duration::from_millis(200)).expect_err("too slow");
        assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error =
            Program::new("/nonexistent/pg_dumpall").output(Duration::from_secs(1)).expect_err("missing");
        assert_eq!(error.to_string(), "the program `pg_dumpall` is not there");
    }
}
