//! The server that is backed up: how to reach it, which of its programs fit, and whether it can give a backup.
//!
//! Logs in the way the command line of PostgreSQL does: by peer as the user that runs the job. At a server on another host
//! with the roles that the vault names, else with what `~/.pgpass` has; a password is never asked for and never an argument.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::clients::process::{self, ProcessError, Program};
use crate::datastores::dump::DumpError;
use crate::vocab::{Login, Secret};

/// How long a small query may take.
const QUERY_LIMIT: Duration = Duration::from_secs(60);

/// The roles of a server on another host.
#[derive(Clone, Debug, Default)]
pub struct Logins {
    /// `postgres_users.backup`: asks, and dumps SQL.
    pub backup: Option<Login>,
    /// `postgres_users.replication`: reads the files.
    pub replication: Option<Login>,
}

/// As whom a program logs in: the role, and the file that has its password.
#[derive(Clone, Debug)]
pub struct Role {
    username: Secret,
    passfile: PathBuf,
}

impl Role {
    pub(super) fn new(login: &Login, passfile: &Path) -> Self {
        Role { username: login.username.clone(), passfile: passfile.to_owned() }
    }

    pub(super) fn is(&self, other: &Role) -> bool {
        self.username.digest() == other.username.digest()
    }
}

/// Where the server is, as libpq understands it. Empty: the local socket, its port and the user of the process.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// A host, or the directory of a socket.
    pub host: Option<String>,
    pub port: Option<u16>,
    pub user: Option<String>,
    /// Where the programs are looked for first.
    pub programs: Option<PathBuf>,
    /// What the vault has for a server on another host.
    pub logins: Logins,
    /// As whom programs log in, in place of `user`: the job chooses among the logins.
    pub role: Option<Role>,
}

impl Connection {
    /// The options that every program of PostgreSQL understands; `-w` never asks for a password.
    pub(super) fn options(&self) -> Vec<String> {
        let mut options = vec!["-w".to_owned()];
        if let Some(host) = &self.host {
            options.extend(["-h".to_owned(), host.clone()]);
        }
        if let Some(port) = self.port {
            options.extend(["-p".to_owned(), port.to_string()]);
        }
        if let (Some(user), None) = (&self.user, &self.role) {
            options.extend(["-U".to_owned(), user.clone()]);
        }
        options
    }

    fn shown(&self) -> String {
        let host = self.host.as_deref().unwrap_or("the local socket");
        self.port.map_or_else(|| host.to_owned(), |port| format!("{host} port {port}"))
    }

    /// One program of the server's own version, else a newer one, else what `PATH` has.
    pub(super) fn program(&self, name: &str, major: Option<u32>) -> Result<Program, DumpError> {
        let directories = self
            .programs
            .iter()
            .cloned()
            .chain(installed(major).into_iter().map(|(_, path)| path))
            .collect::<Vec<_>>();
        let path = process::find(name, &directories).ok_or_else(|| {
            let version = major.map(|major| format!(" {major}")).unwrap_or_default();
            DumpError::new(format!(
                "`{name}` is neither in /usr/lib/postgresql/*/bin nor in PATH: without it this host cannot be backed up"
            ))
            .help(format!("install the programs of PostgreSQL{version}, on Debian `apt install postgresql-client`"))
        })?;
        let program = Program::new(path).env("PGAPPNAME", "reconcile").env("PGCONNECT_TIMEOUT", "30");
        Ok(match &self.role {
            Some(role) => program.env("PGUSER", role.username.expose()).env("PGPASSFILE", &role.passfile),
            None => program,
        })
    }

    /// `psql` that prints bare values and stops at the first error.
    pub(super) fn psql(&self, major: Option<u32>) -> Result<Program, DumpError> {
        self.psql_at("postgres", major)
    }

    /// The same at a database, or at whatever else a connection string names.
    pub(super) fn psql_at(&self, database: &str, major: Option<u32>) -> Result<Program, DumpError> {
        let bare = ["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", database];
        Ok(self.program("psql", major)?.args(bare).args(self.options()))
    }

    /// What the server says of itself.
    pub(super) fn ask(&self) -> Result<Server, DumpError> {
        let answer = self
            .psql(None)?
            .args(["-c", SERVER])
            .output(QUERY_LIMIT)
            .map_err(|error| self.unreachable(&error))?;
        serde_json::from_str(answer.trim()).map_err(|error| {
            DumpError::new(format!("PostgreSQL at {} answered what is not understood: {error}", self.shown()))
        })
    }

    /// What to do where the server does not let somebody in; `None` where it is about something else.
    pub(super) fn help_with_login(&self, said: &str) -> Option<String> {
        let is_refused = ["authentication failed", "no password supplied", "does not exist"];
        let is_role =
            said.contains("role \"") || said.contains("authentication") || said.contains("password");
        match &self.role {
            Some(_) if said.contains("no pg_hba.conf entry") => Some(format!(
                "let this host and role in, in pg_hba.conf at {}: the role of postgres_users.backup at the database postgres, that \
                 of postgres_users.replication at `replication`",
                self.shown()
            )),
            Some(_) if is_role && is_refused.iter().any(|words| said.contains(words)) => Some(
                "postgres_users.backup or postgres_users.replication in the vault is not what the server knows: mend it there, \
                 and `reconcile apply`"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    fn unreachable(&self, error: &ProcessError) -> DumpError {
        let with_login = self.help_with_login(error.stderr());
        let help = match error.stderr() {
            _ if let Some(help) = with_login => help,
            text if text.contains("role \"") && text.contains("does not exist") => {
                "run the job as the user that the server knows, usually `sudo -u postgres reconcile run ..`"
                    .to_owned()
            }
            text if text.contains("authentication") || text.contains("no password supplied") => {
                "the job logs in by peer on the local socket; for another host put postgres_users.backup and \
                 postgres_users.replication into the vault, or the password into ~/.pgpass"
                    .to_owned()
            }
            _ => format!("see that the server runs and listens on {}", self.shown()),
        };
        DumpError::new(format!(
            "no backup without the server: PostgreSQL at {} does not answer ({error})",
            self.shown()
        ))
        .help(help)
    }
}

/// The directories where distributions keep the programs of each major version, with that version: the one asked for, then the newest
/// first, since a newer client reads an older server and not the other way round.
pub(super) fn installed(major: Option<u32>) -> Vec<(u32, PathBuf)> {
    let children = |parent: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(parent)
            .map(|read| read.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default()
    };
    let version = |path: &Path, prefix: &str| -> Option<u32> {
        path.file_name()?.to_str()?.strip_prefix(prefix)?.split('.').next()?.parse().ok()
    };
    let debian = children(Path::new("/usr/lib/postgresql")).into_iter().map(|path| (path, ""));
    let red_hat = children(Path::new("/usr")).into_iter().map(|path| (path, "pgsql-"));
    let mut found: Vec<(u32, PathBuf)> = debian
        .chain(red_hat)
        .filter_map(|(path, prefix)| Some((version(&path, prefix)?, path.join("bin"))))
        .filter(|(version, _)| major.is_none_or(|major| *version >= major))
        .collect();
    found.sort_by_key(|(version, _)| (Some(*version) != major, std::cmp::Reverse(*version)));
    found
}

/// One row of JSON with everything that a backup depends on
/// (<https://www.postgresql.org/docs/current/protocol-replication.html>,
/// <https://www.postgresql.org/docs/current/view-pg-replication-slots.html>). 10 is the role that initdb made, and every cluster
/// has: `BOOTSTRAP_SUPERUSERID` of src/include/catalog/pg_authid.dat
/// (<https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_authid.dat>).
const SERVER: &str = "select json_build_object(
  'number', current_setting('server_version_num')::int,
  'version', current_setting('server_version'),
  'user', current_user,
  'role', (select rolname from pg_roles where rolsuper and rolcanlogin order by oid <> 10, oid limit 1),
  'superuser', (select rolsuper from pg_roles where rolname = current_user),
  'replication', (select rolreplication from pg_roles where rolname = current_user),
  'standby', pg_is_in_recovery(),
  'wal_level', current_setting('wal_level'),
  'senders', current_setting('max_wal_senders')::int,
  'senders_used', (select count(*) from pg_stat_activity where backend_type = 'walsender'),
  'slots', current_setting('max_replication_slots')::int,
  'slots_used', (select count(*) from pg_replication_slots),
  'tablespaces', (select count(*) from pg_tablespace where spcname not in ('pg_default', 'pg_global')),
  'data_directory', (select setting from pg_settings where name = 'data_directory'),
  'checksums', current_setting('data_checksums', true),
  'encoding', (select pg_encoding_to_char(encoding) from pg_database where datname = 'template1'),
  'collate', (select datcollate from pg_database where datname = 'template1'),
  'ctype', (select datctype from pg_database where datname = 'template1'))";

/// The server's answer to [`SERVER`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Server {
    number: u32,
    pub(super) version: String,
    user: String,
    /// Whom a restored cluster lets in and do everything: the one that initdb made, where it may log in.
    role: Option<String>,
    superuser: bool,
    replication: bool,
    /// It follows another server.
    pub(super) standby: bool,
    wal_level: String,
    senders: u32,
    senders_used: u32,
    slots: u32,
    slots_used: u32,
    /// Beyond the two that every server has.
    pub(super) tablespaces: u32,
    /// `None` where the role may not see it: only superusers and pg_read_all_settings may.
    data_directory: Option<String>,
    checksums: Option<String>,
    encoding: Option<String>,
    collate: Option<String>,
    ctype: Option<String>,
}

/// What the manifest calls what a restore needs to know.
pub const DATA_DIRECTORY: &str = "data_directory";
/// The role that certainly may everything, in the cluster that is restored as in the one that was asked.
pub const ROLE: &str = "role";
/// How the cluster was made: options of initdb.
pub const CHECKSUMS: &str = "data_checksums";
pub const ENCODING: &str = "encoding";
pub const COLLATE: &str = "lc_collate";
pub const CTYPE: &str = "lc_ctype";

impl Server {
    /// `15` of 15.4.
    pub(super) fn major(&self) -> u32 {
        self.number / 10_000
    }

    /// What a restore needs to know.
    pub(super) fn source(&self) -> BTreeMap<String, String> {
        let known = [
            (DATA_DIRECTORY, self.data_directory.clone()),
            (ROLE, self.role.clone()),
            (CHECKSUMS, self.checksums.clone()),
            (ENCODING, self.encoding.clone()),
            (COLLATE, self.collate.clone()),
            (CTYPE, self.ctype.clone()),
        ];
        let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        known.collect()
    }

    /// What a base backup needs: a role that may, WAL that is complete, two senders and a slot that are free. `as_asked`:
    /// whoever asked is who reads.
    pub(super) fn can_stream(&self, as_asked: bool) -> Result<(), DumpError> {
        if self.major() < 10 {
            return Err(DumpError::new(format!(
                "PostgreSQL {} knows no temporary replication slots: a base backup to standard output would be unsafe",
                self.version
            ))
            .help("upgrade the server, or set backup_postgres: dump"));
        }
        if as_asked && !(self.superuser || self.replication) {
            return Err(DumpError::new(format!(
                "the role `{}` may not make base backups: it is neither superuser nor has it REPLICATION",
                self.user
            ))
            .help(
                "run the job as postgres, or: alter role .. replication; for a server on another host put \
                 postgres_users.replication into the vault",
            ));
        }
        if self.wal_level == "minimal" {
            return Err(DumpError::new(
                "wal_level is minimal: the server writes too little WAL for a base backup",
            )
            .help("set wal_level = replica in postgresql.conf and restart, or set backup_postgres: dump"));
        }
        free("WAL sender", "max_wal_senders", self.senders, self.senders_used, 2)?;
        free("replication slot", "max_replication_slots", self.slots, self.slots_used, 1)
    }

    /// What a dump of every database needs: pg_dumpall reads the passwords of roles, which only a superuser may
    /// (<https://www.postgresql.org/docs/current/app-pg-dumpall.html>).
    pub(super) fn can_dump(&self) -> Result<(), DumpError> {
        match self.superuser {
            true => Ok(()),
            false => Err(DumpError::new(format!(
                "the role `{}` is no superuser: pg_dumpall could not read every database and role",
                self.user
            ))
            .help("run the job as postgres; for a server on another host put a superuser into postgres_users.backup of the vault")),
        }
    }
}

fn free(what: &str, setting: &str, all: u32, used: u32, needed: u32) -> Result<(), DumpError> {
    if all.saturating_sub(used) >= needed {
        return Ok(());
    }
    let plural = if needed == 1 { "" } else { "s" };
    Err(DumpError::new(format!(
        "the backup needs {needed} free {what}{plural}, and {used} of {all} are in use: it would fail half way"
    ))
    .help(format!("set {setting} = {} or more in postgresql.conf and restart the server", used + needed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        Server {
            number: 150_004,
            version: "15.4".to_owned(),
            user: "postgres".to_owned(),
            role: Some("postgres".to_owned()),
            superuser: true,
            replication: true,
            standby: false,
            wal_level: "replica".to_owned(),
            senders: 10,
            senders_used: 0,
            slots: 10,
            slots_used: 0,
            tablespaces: 0,
            data_directory: None,
            checksums: None,
            encoding: None,
            collate: None,
            ctype: None,
        }
    }

    #[test]
    fn a_usual_server_can_give_both_kinds() {
        assert_eq!(server().major(), 15);
        assert_eq!(server().can_stream(true), Ok(()));
        assert_eq!(server().can_dump(), Ok(()));
    }

    #[test]
    fn what_stands_in_the_way_is_told_with_the_setting_to_change() {
        let told = |server: Server| server.can_stream(true).expect_err("refused").help.expect("help");
        assert!(told(Server { senders: 4, senders_used: 3, ..server() }).contains("max_wal_senders = 5"));
        assert!(told(Server { slots: 1, slots_used: 1, ..server() }).contains("max_replication_slots = 2"));
        assert!(told(Server { wal_level: "minimal".to_owned(), ..server() }).contains("wal_level = replica"));
        assert!(told(Server { superuser: false, replication: false, ..server() }).contains("replication"));
        assert!(told(Server { number: 90_600, ..server() }).contains("dump"));
        assert!(Server { superuser: false, ..server() }.can_stream(true).is_ok());
        assert!(Server { superuser: false, ..server() }.can_dump().is_err());
    }
}
