//! An environment of real machines, and the program run on it as a person runs it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::postgres::Postgres;
use crate::support::sshd::{Like, Machine};

/// PostgreSQL on every host of the inventory, without a bucket: what is tried here are hosts.
pub const PUBLIC: &str = "deploy_env: fleet\nbackup_postgres: plain\npostgres_s3: false\nnadir_hour: 1\n";

/// An environment's directory, and the server that its machines back up.
pub struct Fleet {
    pub folder: TempDir,
    server: Postgres,
}

/// What one command answered.
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Fleet {
    /// `None` is a skip that was told.
    pub fn new() -> Option<Fleet> {
        let server =
            Postgres::start("wal_level = replica\nmax_wal_senders = 10\nmax_replication_slots = 10\n")?;
        let fleet = Fleet { folder: tempfile::tempdir().expect("a directory"), server };
        fleet.write("public.yml", PUBLIC);
        fleet.write("inventory.ini", "[pg_backup]\n");
        fleet.write("known_hosts", "");
        Some(fleet)
    }

    /// Starts a machine that has the program already, and a server to back up; `None` is a skip.
    pub fn machine(&self, like: &Like) -> Option<Machine> {
        let machine = self.bare_machine(like)?;
        fs::copy(program(), machine.at("/usr/local/bin/reconcile")).expect("copied");
        Some(machine)
    }

    /// The same without the program.
    pub fn bare_machine(&self, like: &Like) -> Option<Machine> {
        let machine = Machine::start(like)?;
        let connection = self.server.connection();
        let socket = Path::new(&connection.host.expect("a socket"))
            .join(format!(".s.PGSQL.{}", connection.port.expect("a port")));
        let sockets = machine.at("/run/postgresql");
        fs::set_permissions(&sockets, fs::Permissions::from_mode(0o755)).expect("given");
        symlink(socket, sockets.join(".s.PGSQL.5432")).expect("linked");
        Some(machine)
    }

    /// Lists machines: name, machine, user, and the port that leads to it.
    pub fn inventory(&self, hosts: &[(&str, &Machine, &str, u16)]) {
        let mut inventory = "[pg_backup]\n".to_owned();
        let mut known = String::new();
        for (name, machine, user, port) in hosts {
            inventory.push_str(&machine.inventory_line(name, user, *port));
            known.push_str(&machine.known_host(*port));
        }
        self.write("inventory.ini", &inventory);
        self.write("known_hosts", &known);
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `reconcile` with these words; programs for hosts are small copies of it.
    pub fn reconcile(&self, line: &str) -> Answer {
        Answer::of(self.command(line).output().expect("it runs"))
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reconcile"));
        command.arg("-e").arg(self.folder.path()).args(line.split_whitespace());
        if line.starts_with("plan") || line.starts_with("apply") {
            command.arg("--program").arg(program());
        }
        command
            .stdin(Stdio::null())
            .env("NO_COLOR", "1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .env("SSH_AUTH_SOCK", "")
            .env_remove("RECONCILE_ENV")
            .env_remove("RECONCILE_VAULT_PASSWORD")
            .env_remove("ANSIBLE_VAULT_PASSWORD_FILE");
        command
    }
}

/// The program without what only a debugger reads: it is copied many times.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let small = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("reconcile-{}", std::process::id()));
        let built = env!("CARGO_BIN_EXE_reconcile");
        let stripped = Command::new("strip").arg("-o").arg(&small).arg(built).status();
        if !stripped.is_ok_and(|status| status.success()) {
            fs::copy(built, &small).expect("copied");
        }
        small
    })
}

impl Answer {
    pub fn of(output: Output) -> Answer {
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// All of these words, wherever lines break.
    pub fn says(self, words: &[&str]) -> Self {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = flat(&format!("{}\n{}", self.stdout, self.stderr));
        for words in words {
            assert!(said.contains(&flat(words)), "lacks {words:?}:\n{}\n{}", self.stdout, self.stderr);
        }
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}:\n{}\n{}", self.stdout, self.stderr))
    }

    /// What is held: id, code and why.
    pub fn held(&self) -> Vec<(String, String, String)> {
        let json = self.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let held = json["held"].as_array().cloned().unwrap_or_default();
        held.iter().map(|held| (text(&held["id"]), text(&held["code"]), text(&held["why"]))).collect()
    }

    /// What would be changed, or was.
    pub fn changes(&self) -> Vec<String> {
        let json = self.json();
        let changes = json["changes"].as_array().cloned().unwrap_or_default();
        changes.iter().map(|change| change["id"].as_str().unwrap_or_default().to_owned()).collect()
    }
}
