//! A PostgreSQL server of our own on data that is not its own: what a restore loads a script with, and what a verification
//! asks. It must never do what the data's own configuration says: a copy of a server that archives, replicates or follows
//! another would do so to the living.
//!
//! Its configuration is written by us and handed over by name (`config_file`, `hba_file`); what the data directory would
//! add by itself (postgresql.auto.conf, signal files, slots) is taken out of the copy first. No address, a socket in a
//! closed directory, no archiving, no replication, no workers, no library that is not named
//! (<https://www.postgresql.org/docs/current/runtime-config.html>).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Connection, forsaken};
use crate::clients::process::{Program, RunAs, Running, Talk};
use crate::datastores::dump::DumpError;

/// Only part of the socket's name.
const PORT: u16 = 5432;
/// How often a server that starts is asked.
const TICK: Duration = Duration::from_millis(100);
/// How long a server may take to end: it writes what it holds.
const STOP_LIMIT: Duration = Duration::from_secs(300);

/// Where the programs of one version are, and whom they run as.
#[derive(Clone, Debug)]
pub struct Programs {
    pub bin: PathBuf,
    pub user: Option<RunAs>,
}

impl Programs {
    pub fn program(&self, name: &str) -> Program {
        Program::new(self.bin.join(name)).as_user(self.user)
    }

    /// Gives a path to the user whom the programs run as.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        match self.user {
            Some(RunAs { uid, gid }) => chown(path, Some(uid), Some(gid)),
            None => Ok(()),
        }
    }

    /// Makes a directory that nobody else enters.
    pub fn directory(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().mode(0o700).create(path)?;
        self.give(path)
    }
}

/// Names that a copy must not keep: what a server finds there it obeys, whatever its configuration says.
const OBEYED: [&str; 6] = [
    "postgresql.auto.conf",
    "recovery.signal",
    "standby.signal",
    // Before PostgreSQL 12.
    "recovery.conf",
    "postmaster.pid",
    "postmaster.opts",
];
/// Directories whose content a copy must not keep: slots would hold back WAL and be looked for by their readers.
const EMPTIED: [&str; 1] = ["pg_replslot"];

/// Takes out of a copy what would make it act as the server that it was copied from.
pub fn tame(data: &Path) -> io::Result<()> {
    for name in OBEYED {
        match fs::remove_file(data.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for name in EMPTIED {
        let entries = match fs::read_dir(data.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
    }
    Ok(())
}

/// A server that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct ScratchServer {
    server: Running,
    socket: tempfile::TempDir,
    programs: Programs,
    role: String,
}

impl ScratchServer {
    /// Starts a server on `data`, which was tamed, and waits until it answers: for at most `limit`, since it may have to
    /// replay much WAL first. `preload`: libraries without which it cannot read its data.
    pub fn start(
        programs: &Programs,
        data: &Path,
        role: &str,
        preload: &[String],
        limit: Duration,
    ) -> Result<ScratchServer, DumpError> {
        // A socket's path may have some hundred bytes (unix(7)): beside the backups it could be too long.
        let unmade =
            |error: io::Error| DumpError::new(format!("the scratch server cannot be set up: {error}"));
        let socket = tempfile::Builder::new().prefix(&forsaken::prefix()).tempdir().map_err(unmade)?;
        let closed = fs::Permissions::from_mode(0o700);
        fs::set_permissions(socket.path(), closed)
            .and_then(|()| programs.give(socket.path()))
            .map_err(unmade)?;
        let written = |name: &str, text: &str| -> io::Result<PathBuf> {
            let path = socket.path().join(name);
            fs::write(&path, text)?;
            programs.give(&path)?;
            Ok(path)
        };
        let settings = configuration(socket.path(), preload, &controls(programs, data)?);
        let config = written("postgresql.conf", &settings).map_err(unmade)?;
        let access = written("pg_hba.conf", "local all all trust\n").map_err(unmade)?;
        let users = written("pg_ident.conf", "").map_err(unmade)?;
        let server = programs
            .program("postgres")
            .arg_path("-D", data)
            .args(["-c"])
            .args([option("config_file", &config)])
            .args(["-c"])
            .args([option("hba_file", &access)])
            .args(["-c"])
            .args([option("ident_file", &users)])
            .start(Talk::Listen)
            .map_err(|error| DumpError::new(error.to_string()))?;
        let mut scratch = ScratchServer { server, socket, programs: programs.clone(), role: role.to_owned() };
        let until = Instant::now() + limit;
        while !scratch.answers() {
            if !scratch.server.is_running() {
                return Err(scratch.ended());
            }
            if Instant::now() > until {
                let why = scratch.server.time_out(limit);
                return Err(DumpError::new(format!("the scratch server does not come up: {why}")).help(
                    "it replays the WAL that the backup holds; give it more time, or see how much that is",
                ));
            }
            std::thread::sleep(TICK);
        }
        Ok(scratch)
    }

    fn answers(&self) -> bool {
        self.sql("postgres", "select 1", Duration::from_secs(10)).is_ok()
    }

    fn ended(self) -> DumpError {
        let why = match self.server.wait() {
            Err(error) => error.to_string(),
            Ok(()) => "it ended by itself".to_owned(),
        };
        DumpError::new(format!("the scratch server does not start on the backup: {why}"))
    }

    /// How to reach it.
    pub fn connection(&self) -> Connection {
        Connection {
            host: Some(self.socket.path().display().to_string()),
            port: Some(PORT),
            user: Some(self.role.clone()),
            programs: Some(self.programs.bin.clone()),
            ..Connection::default()
        }
    }

    /// A client program that reaches it, as the user that may enter the socket's directory. What roles and databases say
    /// about libraries is overruled.
    pub fn client(&self, name: &str) -> Program {
        self.programs
            .program(name)
            .env("PGAPPNAME", "reconcile")
            .env("PGOPTIONS", "-c session_preload_libraries= -c local_preload_libraries=")
            .args(self.connection().options())
    }

    /// The bare answer to some SQL.
    pub fn sql(&self, database: &str, sql: &str, limit: Duration) -> Result<String, DumpError> {
        let psql = self.client("psql").args([
            "-X",
            "-A",
            "-t",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            database,
            "-c",
            sql,
        ]);
        psql.output(limit)
            .map(|answer| answer.trim_end().to_owned())
            .map_err(|error| DumpError::new(error.to_string()))
    }

    /// Ends it as an operator would, so that its data is whole.
    pub fn stop(mut self) -> Result<(), DumpError> {
        // SIGINT is "fast shutdown" (<https://www.postgresql.org/docs/current/server-shutdown.html>).
        self.server.signal(Signal::SIGINT);
        self.server
            .wait_within(STOP_LIMIT)
            .map_err(|error| DumpError::new(format!("the scratch server did not end well: {error}")))
    }
}

fn option(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// Settings without which a server does not start on this data: what the control file says of the one that made it.
fn controls(programs: &Programs, data: &Path) -> Result<BTreeMap<&'static str, String>, DumpError> {
    let told =
        programs.program("pg_controldata").arg_path("-D", data).output(Duration::from_secs(60)).map_err(
            |error| DumpError::new(format!("the backup has no control file that can be read: {error}")),
        )?;
    let known = [
        ("max_connections setting:", "max_connections"),
        ("max_worker_processes setting:", "max_worker_processes"),
        ("max_prepared_xacts setting:", "max_prepared_transactions"),
        ("max_locks_per_xact setting:", "max_locks_per_transaction"),
    ];
    Ok(known
        .into_iter()
        .filter_map(|(words, setting)| {
            let value = told.lines().find_map(|line| line.strip_prefix(words))?.trim();
            value.parse::<u32>().ok().map(|value| (setting, value.to_string()))
        })
        .collect())
}

/// The whole configuration.
fn configuration(socket: &Path, preload: &[String], controls: &BTreeMap<&str, String>) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut settings: BTreeMap<&str, String> = BTreeMap::from(
        [
            // Nobody else reaches it, and it reaches nobody.
            ("listen_addresses", quoted("")),
            ("unix_socket_directories", quoted(&socket.display().to_string())),
            ("unix_socket_permissions", "0700".to_owned()),
            ("port", PORT.to_string()),
            ("ssl", "off".to_owned()),
            ("archive_mode", "off".to_owned()),
            ("max_wal_senders", "0".to_owned()),
            ("wal_level", "replica".to_owned()),
            ("max_logical_replication_workers", "0".to_owned()),
            // Origins of subscriptions take a place each, though nobody follows them.
            ("max_replication_slots", "1000".to_owned()),
            ("shared_preload_libraries", quoted(&preload.join(","))),
            ("session_preload_libraries", quoted("")),
            ("local_preload_libraries", quoted("")),
            ("jit", "off".to_owned()),
            // It is thrown away: speed before safety, and no work of its own.
            ("fsync", "off".to_owned()),
            ("full_page_writes", "off".to_owned()),
            ("synchronous_commit", "off".to_owned()),
            ("autovacuum", "off".to_owned()),
            ("max_wal_size", "4GB".to_owned()),
            ("shared_buffers", "64MB".to_owned()),
            ("maintenance_work_mem", "256MB".to_owned()),
            ("huge_pages", "off".to_owned()),
            // Words for us, in one language, on standard error.
            ("logging_collector", "off".to_owned()),
            ("log_destination", quoted("stderr")),
            ("lc_messages", quoted("C")),
        ]
        .map(|(name, value)| (name, value)),
    );
    settings.extend(controls.iter().map(|(name, value)| (*name, value.clone())));
    let mut text =
        "# Of a scratch server of reconcile: nothing of the backup's own configuration holds here.\n"
            .to_owned();
    for (name, value) in settings {
        text.push_str(&format!("{name} = {value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_nothing_that_would_make_it_act() {
        let data = tempfile::tempdir().expect("a directory");
        let at = |name: &str| data.path().join(name);
        for name in OBEYED.iter().chain(&["postgresql.conf", "PG_VERSION"]) {
            fs::write(at(name), "archive_command = 'rm -rf /'\n").expect("written");
        }
        fs::create_dir_all(at("pg_replslot/standby1")).expect("made");
        fs::write(at("pg_replslot/standby1/state"), "").expect("written");
        tame(data.path()).expect("tamed");
        let mut left: Vec<_> =
            fs::read_dir(data.path()).expect("there").map(|entry| entry.expect("one").file_name()).collect();
        left.sort();
        assert_eq!(left, ["PG_VERSION", "pg_replslot", "postgresql.conf"]);
        assert_eq!(fs::read_dir(at("pg_replslot")).expect("there").count(), 0);
        tame(data.path()).expect("tame already");
    }

    #[test]
    fn its_configuration_is_closed() {
        let text = configuration(Path::new("/tmp/a'b"), &["timescaledb".to_owned()], &BTreeMap::new());
        for line in [
            "listen_addresses = ''",
            "archive_mode = off",
            "max_logical_replication_workers = 0",
            "shared_preload_libraries = 'timescaledb'",
            "unix_socket_directories = '/tmp/a''b'",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
    }
}
