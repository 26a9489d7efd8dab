//! `reconcile vault`: what it answers, that Ansible agrees, that a failure harms nothing, that nothing leaks.

mod ansible;
mod environments;
mod faults;
mod leaks;
mod prompt;
mod verbs;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A folder to work in, with a file `password` that holds `canary-password`.
pub struct Desk {
    folder: TempDir,
}

/// What the program answered.
pub struct Answer {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Desk {
    pub fn new() -> Self {
        let desk = Desk { folder: tempfile::tempdir().expect("a folder") };
        desk.write("password", b"canary-password\n");
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        if let Some(parent) = self.path(name).parent() {
            fs::create_dir_all(parent).expect("made");
        }
        fs::write(self.path(name), bytes).expect("written");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file")
    }

    /// Everything in the folder, by name.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("listed");
        let mut names: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The program in this folder, without a password in its environment.
    pub fn program(&self, arguments: &[&str]) -> Command {
        self.command(Path::new(env!("CARGO_BIN_EXE_reconcile")), arguments)
    }

    /// Any program in this folder.
    pub fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path());
        for variable in ["RECONCILE_ENV", "RECONCILE_VAULT_PASSWORD", "RECONCILE_LOG"] {
            command.env_remove(variable);
        }
        for (variable, _) in std::env::vars_os() {
            if variable.as_encoded_bytes().starts_with(b"ANSIBLE_") {
                command.env_remove(variable);
            }
        }
        // Ansible keeps its own files below the home directory.
        command.env("HOME", self.folder.path()).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        answer(self.program(arguments), b"")
    }

    pub fn run_with(&self, arguments: &[&str], stdin: &[u8]) -> Answer {
        answer(self.program(arguments), stdin)
    }
}

/// Runs a command to its end.
pub fn answer(mut command: Command, stdin: &[u8]) -> Answer {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let mut pipe = child.stdin.take().expect("a pipe");
    let stdin = stdin.to_vec();
    // A program that refuses at once reads nothing.
    let writer = std::thread::spawn(move || _ = pipe.write_all(&stdin));
    let output = child.wait_with_output().expect("ended");
    writer.join().expect("written");
    Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Answer {
    /// What it printed, where it did well.
    #[track_caller]
    pub fn good(self) -> Vec<u8> {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    /// What it complained of, on one line: nothing is on standard output.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_slice()), (code, &b""[..]), "{}", self.stderr);
        self.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
