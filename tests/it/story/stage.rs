//! Where a story plays: a copy of the example environment, a sandbox, and the program run as a person runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reconcile::clients::aws::Aws;
use reconcile::sandbox::Sandbox;
use reconcile::vocab::Clock;
use tempfile::TempDir;

use crate::support;
use crate::support::postgres::Postgres;

/// An environment and a sandbox of its own.
pub struct Stage {
    folder: TempDir,
}

/// What one command answered.
pub struct Answer {
    command: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Stage {
    /// The example environment, and a sandbox whose clock stands at noon of Saturday, 21 November 2026.
    pub fn new() -> Self {
        Stage::of("commcare")
    }

    /// The same with another example.
    pub fn of(example: &str) -> Self {
        let stage = Stage { folder: tempfile::tempdir().expect("a directory") };
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
        fs::create_dir_all(stage.path("environment")).expect("made");
        for file in fs::read_dir(example).expect("the example").map(|file| file.expect("a file").path()) {
            let name = file.file_name().expect("a name").to_owned();
            fs::copy(&file, stage.path("environment").join(name)).expect("copied");
        }
        fs::create_dir_all(stage.path("sandbox")).expect("made");
        stage.sandbox("now: 2026-11-21T12:00:00Z\n");
        stage
    }

    /// Says what the sandbox is like.
    pub fn sandbox(&self, config: &str) {
        fs::write(self.path("sandbox/sandbox.yml"), config).expect("written");
    }

    /// Lets the sandbox's hosts use a real server.
    pub fn with_server(self, server: &Postgres) -> Self {
        let connection = server.connection();
        let (host, port) = (connection.host.expect("a socket"), connection.port.expect("a port"));
        let user = connection.user.expect("a user");
        self.sandbox(&format!(
            "now: 2026-11-21T12:00:00Z\npostgresql: {{host: {host}, port: {port}, user: {user}}}\n"
        ));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The host's own path.
    pub fn on_host(&self, path: &str) -> PathBuf {
        self.path("sandbox/hosts/db1").join(path.trim_start_matches('/'))
    }

    /// Replaces a text in a file of the environment or of the sandbox.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let path = self.path(name);
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "{name} lacks {from:?}:\n{text}");
        fs::write(path, text.replace(from, to)).expect("written");
    }

    /// Puts a copy of another stage's folder in place of its own.
    pub fn take(&self, folder: &str, from: &Stage) {
        fs::remove_dir_all(self.path(folder)).expect("removed");
        copy(&from.path(folder), &self.path(folder));
    }

    /// Does something to the sandbox's buckets that `reconcile` did not do.
    pub fn by_hand<F>(&self, deed: impl FnOnce(aws_sdk_s3::Client) -> F) -> F::Output
    where
        F: Future,
    {
        let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
        let sandbox = Sandbox::open(&self.path("sandbox"), clock).expect("a sandbox");
        self.wait(async {
            deed(Aws::load(sandbox.aws_settings()).await.s3(Some(&"eu-west-2".parse().expect("valid")))).await
        })
    }

    /// Does something to the sandbox's IAM that `reconcile` did not do.
    pub fn iam_by_hand<F>(&self, deed: impl FnOnce(aws_sdk_iam::Client) -> F) -> F::Output
    where
        F: Future,
    {
        let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
        let sandbox = Sandbox::open(&self.path("sandbox"), clock).expect("a sandbox");
        self.wait(async { deed(Aws::load(sandbox.aws_settings()).await.iam()).await })
    }

    /// Does something to the sandbox's KMS of the buckets' region that `reconcile` did not do.
    pub fn kms_by_hand<F>(&self, deed: impl FnOnce(aws_sdk_kms::Client) -> F) -> F::Output
    where
        F: Future,
    {
        let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
        let sandbox = Sandbox::open(&self.path("sandbox"), clock).expect("a sandbox");
        self.wait(async {
            deed(Aws::load(sandbox.aws_settings()).await.kms(Some(&"eu-west-2".parse().expect("valid"))))
                .await
        })
    }

    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        support::wait(future)
    }

    /// Runs `reconcile` with the words of `line`, in 80 columns and without colour.
    pub fn reconcile(&self, line: &str) -> Answer {
        self.reconcile_plain(&format!("--vault-password-file environment/vault-password.txt {line}"))
    }

    /// The same without the vault's password.
    pub fn reconcile_plain(&self, line: &str) -> Answer {
        self.reconcile_exactly(&format!("--sandbox sandbox -e environment {line}"))
    }

    /// The words of `line` and nothing else: what the program itself told to type.
    pub fn reconcile_exactly(&self, line: &str) -> Answer {
        let output = self.command(line).output().expect("the program runs");
        Answer::of(line, output)
    }

    /// The program with the words of `line`, not started yet.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reconcile"));
        command
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(std::process::Stdio::null())
            .env("NO_COLOR", "1")
            // What the machine knows of AWS must not matter.
            .env("AWS_ACCESS_KEY_ID", "AKIACANARY")
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .env_remove("RECONCILE_ENV")
            .env_remove("RECONCILE_VAULT_PASSWORD")
            .env_remove("ANSIBLE_VAULT_PASSWORD_FILE");
        command
    }
}

impl Answer {
    pub fn of(line: &str, output: std::process::Output) -> Self {
        let answer = Answer {
            command: line.to_owned(),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        };
        // Law 9: no output holds a secret. These are the example's.
        for secret in ["AKIAEXAMPLE", "example-secret-key", "example-password", "CANARY"] {
            assert!(!answer.stdout.contains(secret) && !answer.stderr.contains(secret), "{secret}: {answer}");
        }
        answer
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Answer { command, code, stdout, stderr } = self;
        write!(f, "\n$ reconcile {command}\n{stdout}{stderr}(exit {code})\n")
    }
}

impl Answer {
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Every one of the texts stands in standard output, in this order.
    pub fn says(self, texts: &[&str]) -> Self {
        let mut rest = self.stdout.as_str();
        for text in texts {
            let at = rest.find(text).unwrap_or_else(|| panic!("lacks {text:?} (in this order): {self}"));
            rest = &rest[at + text.len()..];
        }
        self
    }

    pub fn complains(self, texts: &[&str]) -> Self {
        // A paragraph may be broken anywhere.
        let flat = self.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in texts {
            assert!(flat.contains(text), "lacks {text:?}: {self}");
        }
        self
    }

    /// The command that a plan gives to apply it, without the program's name.
    pub fn line_to_apply(&self) -> Option<&str> {
        self.stdout.lines().find_map(|line| line.strip_prefix("To apply: reconcile "))
    }

    pub fn says_not(self, text: &str) -> Self {
        assert!(!self.stdout.contains(text), "holds {text:?}: {self}");
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self}"))
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let target = to.join(entry.file_name().expect("a name"));
        match entry.is_dir() {
            true => copy(&entry, &target),
            false => assert!(fs::copy(&entry, target).is_ok()),
        }
    }
}
