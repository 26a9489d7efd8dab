//! The commands as cron and people call them: one process, its streams and its exit code.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::postgres::Postgres;

/// A host's folder with a job file and a backup directory.
struct Host {
    folder: TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Host { folder: tempfile::tempdir().expect("folder") };
        std::fs::create_dir(host.path("backups")).expect("folder");
        std::fs::create_dir(host.path("empty")).expect("folder");
        let job = json!({
            "reconcile": {"environment": "production", "id": "host_file/db1/postgresql"},
            "version": 1,
            "environment": "production",
            "host": "db1",
            "datastore": "postgresql",
            "source": {"postgresql": {"method": "dump", "read_from": null}},
            "directory": host.path("backups"),
            "compression": "gzip",
            "keep": {"days": 2, "weeks": 2, "hours": 1},
            "upload": null,
            "secrets": {"access_key": "AKIACANARY", "secret_key": "the-canary"},
        });
        std::fs::write(host.path("postgresql.json"), job.to_string()).expect("job file");
        std::fs::set_permissions(host.path("postgresql.json"), PermissionsExt::from_mode(0o600))
            .expect("mode");
        host
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str], socket: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reconcile"));
        command.args(arguments).arg("--job").arg(self.path("postgresql.json"));
        command.env("PATH", self.path("empty")).env("TZ", "UTC").env_remove("RECONCILE_ENV");
        command.env("PGHOST", socket).env("PGPORT", "54321").env("PGUSER", "postgres");
        command
    }

    /// Runs the program on this host, libpq pointed at `socket`, and no system log to write to.
    fn run(&self, arguments: &[&str], socket: &Path) -> Output {
        let output = self.command(arguments, socket).output().expect("the program runs");
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        assert!(!String::from_utf8_lossy(&said).to_lowercase().contains("canary"));
        output
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn cron_runs_a_backup_and_the_list_shows_it() {
    let Some(server) = Postgres::start("") else { return };
    let socket = server.connection().host.expect("a socket");
    let host = Host::new();
    let run = host.run(&["run", "backup", "postgresql", "--tier", "daily"], Path::new(&socket));
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert!(text(&run.stdout).starts_with("postgresql daily backup: "), "{}", text(&run.stdout));
    assert_eq!(text(&run.stderr), "");

    let list = host.run(&["list", "postgresql"], Path::new(&socket));
    assert_eq!(list.status.code(), Some(0), "{}", text(&list.stderr));
    assert!(text(&list.stdout).contains("newer is proven"), "{}", text(&list.stdout));
    let json = host.run(&["list", "postgresql", "--output", "json"], Path::new(&socket));
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["format"], "reconcile.list/1");
    assert_eq!(json["backups"][0]["proven"], true);
}

/// Cron names no terminal, and neither does ssh with a command: who labels a backup is no cron.
#[test]
fn without_a_terminal_a_labelled_backup_says_what_it_made() {
    let Some(server) = Postgres::start("") else { return };
    let socket = server.connection().host.expect("a socket");
    let host = Host::new();
    let run = |words: &[&str]| {
        let mut command = host.command(words, Path::new(&socket));
        let output = command.env_remove("TERM").output().expect("the program runs");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(run(&["run", "backup", "postgresql", "--tier", "daily"]), "");
    let said = run(&["run", "backup", "postgresql", "--label", "n1"]);
    assert!(said.starts_with("postgresql backup n1: "), "{said}");
}

#[test]
fn a_failure_is_loud_and_a_lock_is_a_refusal() {
    let host = Host::new();
    let run = host.run(&["run", "backup", "postgresql"], &host.path("empty"));
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).starts_with("error: "), "{}", text(&run.stderr));
    assert!(host.path("backups/last-failure.json").is_file());

    let lock =
        std::fs::File::create(host.path("backups/.reconcile-production-postgresql.lock")).expect("lock");
    lock.try_lock().expect("free");
    let run = host.run(&["run", "backup", "postgresql"], &host.path("empty"));
    assert_eq!(run.status.code(), Some(3));
    assert!(text(&run.stderr).starts_with("refused: another job is at work"), "{}", text(&run.stderr));

    let json = host.run(&["run", "backup", "postgresql", "--output", "json"], &host.path("empty"));
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&json["format"], &json["stage"]), (&json!("reconcile.failure/1"), &json!("lock")));
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let host = Host::new();
    let sandbox = host.path("sandbox").display().to_string();
    for arguments in [
        ["run", "backup", "couchdb"].as_slice(),
        &["run", "backup", "postgresql", "--tier", "yearly"],
        &["run", "backup", "postgresql", "--tier", "daily", "--label", "mine"],
        &["run", "backup", "postgresql", "--label", "before upgrade"],
        &["run", "backup", "postgresql", "--label", "mine", "--keep-until", "2020-01-01"],
        &["run", "backup", "postgresql", "--label", "mine", "--keep-until", "soon"],
        &["run", "backup", "postgresql", "--keep-until", "2999-01-01"],
        &["run", "check", "postgresql", "--label", "mine"],
        &["run", "backup", "postgresql", "--output", "sarif"],
        &["run", "backup", "postgresql", "--sandbox", &sandbox],
        &["list", "postgresql", "--output", "markdown"],
    ] {
        let run = host.run(arguments, &host.path("empty"));
        assert_eq!(run.status.code(), Some(64), "{arguments:?}: {}", text(&run.stderr));
    }
}

/// A job file of a base backup, and a place where the server's user may go.
fn provable(server: &Postgres) -> Host {
    let host = Host::new();
    let path = host.path("postgresql.json");
    let text = std::fs::read_to_string(&path).expect("there").replace("\"dump\"", "\"plain\"");
    std::fs::write(&path, text).expect("written");
    let everybody = || PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(host.folder.path(), everybody()).expect("given");
    for name in ["scratch", "tmp"] {
        std::fs::create_dir(host.path(name)).expect("made");
        std::fs::set_permissions(host.path(name), everybody()).expect("given");
    }
    server.sql("create table people as select n from generate_series(1, 500) n");
    host
}

/// `kill -9` of a verification leaves its server: the next one ends it, and takes away what it lived in.
#[test]
fn a_scratch_server_whose_verification_was_killed_is_ended_by_the_next() {
    let Some(server) = Postgres::start("") else { return };
    let host = provable(&server);
    let socket = server.connection().host.expect("a socket");
    let command = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reconcile"));
        command.args(words).arg("--job").arg(host.path("postgresql.json"));
        command.env("PGHOST", &socket).env("PGPORT", "54321").env("PGUSER", "postgres");
        command.env("TMPDIR", host.path("tmp")).env_remove("RECONCILE_ENV").current_dir("/");
        command
    };
    let made = command(&["run", "backup", "postgresql"]).output().expect("it runs");
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let scratch = host.path("scratch").display().to_string();
    let verify = ["verify", "postgresql", "--scratch", &scratch];
    let mut first = command(&verify);
    let quiet = std::process::Stdio::null;
    let mut first = first.stdout(quiet()).stderr(quiet()).spawn().expect("it starts");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let lock = loop {
        let directories = std::fs::read_dir(host.path("tmp")).expect("there").flatten();
        let lock = directories.map(|one| one.path().join(".s.PGSQL.5432.lock")).find(|lock| lock.exists());
        let text =
            lock.and_then(|lock| std::fs::read_to_string(lock).ok()).filter(|text| text.lines().count() > 3);
        if let Some(text) = text {
            break text;
        }
        assert!(std::time::Instant::now() < until, "its server comes up");
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    first.kill().expect("killed");
    first.wait().expect("ended");
    let process = lock.lines().next().expect("a number").trim().to_owned();
    let lives = || match std::fs::read_to_string(format!("/proc/{process}/stat")) {
        Ok(stat) => !stat.contains(") Z "),
        Err(_) => false,
    };
    assert!(lives(), "nobody ended it");
    let second = command(&verify).output().expect("it runs");
    assert_eq!(second.status.code(), Some(0), "{}{}", text(&second.stdout), text(&second.stderr));
    assert!(!lives(), "the next one did");
    for place in ["tmp", "scratch"] {
        let left: Vec<_> = std::fs::read_dir(host.path(place)).expect("there").flatten().collect();
        assert!(left.is_empty(), "{place}: {left:?}");
    }
}
