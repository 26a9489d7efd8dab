//! How PostgreSQL is dumped: `plain` is a base backup as one tar archive, `dump` is SQL of every database.
//!
//! A base backup to standard output carries the WAL that was written meanwhile, fetched at its end (`-X fetch`; `-X
//! stream` cannot go to standard output). On a busy server that WAL would be recycled before it is fetched, so a
//! temporary physical slot holds it, owned by a second session that the job keeps open: it vanishes with the session,
//! however the job ends. Several tablespaces cannot go to standard output either; they go through a folder beside the
//! backup (<https://www.postgresql.org/docs/current/app-pgbasebackup.html>).

mod forsaken;
mod passfile;
mod programs;
mod prove;
mod rebuild;
mod restore;
mod scratch;
mod server;
mod slot;
mod tablespaces;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ChildStdout;
use std::sync::{Arc, Mutex, PoisonError};

pub use forsaken::end_forsaken;
pub use programs::{Version, version};
pub use prove::{count, declared, structure};
pub use rebuild::{Data, Ground};
pub use restore::{PostgresqlRestore, own, server_user, shut_to};
pub use scratch::{Programs, ScratchServer, tame};
use server::Server;
pub use server::{Connection, Logins, Role};
use slot::Slot;
pub use tablespaces::{Tablespace, point};

use super::settings::{Method, PostgresqlSource};
use crate::clients::process::{ProcessError, Program, Running, Talk};
use crate::datastores::dump::{Dump, DumpError, Facts, Scratch, unpacker};
use crate::datastores::job_file::Compression;
use crate::datastores::names::Content;
use crate::datastores::tree::job::walk::{Followed, Walk};
use crate::vocab::Login;

/// pg_dumpall's closing words; without them the script is cut off.
const SCRIPT_END: &[u8] = b"PostgreSQL database cluster dump complete";

/// Asks the server whether it can give the backup that `source` wants, and makes ready to take it. Nothing runs yet.
pub fn open(
    source: &PostgresqlSource,
    connection: &Connection,
    scratch: Scratch,
) -> Result<Box<dyn Dump>, DumpError> {
    let passwords = match needs_passwords(source, connection) {
        true => Some(Folder::new(scratch.0.clone())?),
        false => None,
    };
    let folder = passwords.as_ref().map(|folder| folder.0.as_path());
    let Reached { reads, server, .. } = reach(source, connection, folder)?;
    Ok(Box::new(PostgresqlDump {
        connection: reads,
        server,
        method: source.method,
        scratch: passwords.as_ref().map_or(scratch.0, |folder| folder.0.join("tablespaces")),
        parts: Parts::default(),
        _passwords: passwords,
    }))
}

/// Whether a backup could begin: the server answers, lets this user do it, and its programs are here. What was found.
/// `folder`: where passwords may lie for the time being.
pub fn try_out(
    source: &PostgresqlSource,
    connection: &Connection,
    folder: &Path,
) -> Result<String, DumpError> {
    let passwords = match needs_passwords(source, connection) {
        true => {
            let made = tempfile::Builder::new().prefix(".reconcile-preflight-").tempdir_in(folder);
            Some(made.map_err(|error| {
                DumpError::new(format!("nothing can be written to {}: {error}", folder.display()))
            })?)
        }
        false => None,
    };
    let Reached { asks, reads, server } =
        reach(source, connection, passwords.as_ref().map(tempfile::TempDir::path))?;
    let program = match source.method {
        Method::Plain => "pg_basebackup",
        Method::Dump => "pg_dumpall",
    };
    reads.program(program, Some(server.major()))?;
    if !is_same(&asks, &reads) {
        // Whoever reads logs in by another role, at another door.
        Slot::take(&reads, &server)?;
    }
    Ok(format!("PostgreSQL {} answers, and {program} is here", server.version))
}

/// A server on this host knows the user that runs the job.
fn needs_passwords(source: &PostgresqlSource, connection: &Connection) -> bool {
    let Logins { backup, replication } = &connection.logins;
    source.read_from.is_some() && (backup.is_some() || replication.is_some())
}

fn is_same(asks: &Connection, reads: &Connection) -> bool {
    match (&asks.role, &reads.role) {
        (Some(asks), Some(reads)) => asks.is(reads),
        _ => true,
    }
}

/// A server that was asked, and as whom it is read.
struct Reached {
    asks: Connection,
    reads: Connection,
    server: Server,
}

/// The server to read from, which gives what `source` wants. `folder`: where the passwords lie that it takes.
fn reach(
    source: &PostgresqlSource,
    connection: &Connection,
    folder: Option<&Path>,
) -> Result<Reached, DumpError> {
    let mut asks = connection.clone();
    if let Some(standby) = &source.read_from {
        asks.host = Some(standby.to_string());
    }
    let mut reads = asks.clone();
    if let Some(folder) = folder {
        let Logins { backup, replication } = &connection.logins;
        // As commcare-cloud's scripts have it: files by the one role, SQL by the other.
        let (first, second) =
            (backup.as_ref().or(replication.as_ref()), replication.as_ref().or(backup.as_ref()));
        let both: Vec<&Login> = [backup, replication].into_iter().flatten().collect();
        let passfile = passfile::write(folder, &both)?;
        asks.role = first.map(|login| Role::new(login, &passfile));
        reads.role = match source.method {
            Method::Plain => second.map(|login| Role::new(login, &passfile)),
            Method::Dump => asks.role.clone(),
        };
    }
    let server = asks.ask()?;
    match source.method {
        Method::Plain => server.can_stream(is_same(&asks, &reads))?,
        Method::Dump => server.can_dump()?,
    }
    Ok(Reached { asks, reads, server })
}

struct PostgresqlDump {
    connection: Connection,
    server: Server,
    method: Method,
    /// Where several tablespaces go.
    scratch: PathBuf,
    parts: Parts,
    /// Dropped last: what lies in it is needed until then.
    _passwords: Option<Folder>,
}

/// What a dump holds while it runs. Dropped in this order: the child, the session with the slot, the folder.
#[derive(Default)]
struct Parts {
    child: Option<Running>,
    slot: Option<Slot>,
    folder: Option<Folder>,
    /// What there was to see of an archive.
    walk: Arc<Mutex<Walk>>,
}

impl PostgresqlDump {
    /// A base backup to standard output cannot hold more than one tablespace.
    fn through_folder(&self) -> bool {
        self.method == Method::Plain && self.server.tablespaces > 0
    }

    fn basebackup(&self) -> Result<Program, DumpError> {
        let how = ["-Ft", "-X", "fetch", "--checkpoint=fast", "--label=reconcile"];
        Ok(self
            .connection
            .program("pg_basebackup", Some(self.server.major()))?
            .args(how)
            .args(self.connection.options()))
    }

    fn failed(&self, what: &str, error: &ProcessError) -> DumpError {
        match self.connection.help_with_login(error.stderr()) {
            Some(help) => DumpError::new(format!("{what} failed: {error}")).help(help),
            None => failed(what, error),
        }
    }

    fn start(&mut self) -> Result<Running, DumpError> {
        match self.method {
            // As the scripts of commcare-cloud do it, without `--clean`: fed to the wrong server, it drops nothing.
            Method::Dump => {
                let program = self.connection.program("pg_dumpall", Some(self.server.major()))?;
                begin(program.args(["--database=postgres"]).args(self.connection.options()))
            }
            Method::Plain => {
                self.parts.slot = Some(Slot::take(&self.connection, &self.server)?);
                if !self.through_folder() {
                    return begin(self.basebackup()?.args(["-D", "-"]));
                }
                let folder = Folder::new(self.scratch.clone())?;
                let whole = begin(self.basebackup()?.arg_path("-D", &folder.0))?;
                whole.wait().map_err(|error| self.failed("the base backup", &error))?;
                let tar = begin(Program::new("tar").arg_path("-C", &folder.0).args(["-cf", "-", "."]));
                self.parts.folder = Some(folder);
                tar
            }
        }
    }
}

/// What makes of a standby's copy a server of its own: pg_basebackup copies the files that say whom it follows
/// (<https://www.postgresql.org/docs/current/recovery-config.html>).
fn no_standby(major: u32) -> [String; 2] {
    let files = match major {
        12.. => "DATA/standby.signal DATA/recovery.signal",
        _ => "DATA/recovery.conf",
    };
    [
        format!("rm -f {files}"),
        "a standby was read: with what is removed here the server would follow the primary and take no writes; while that \
         primary lives, also set archive_mode = off in DATA/postgresql.auto.conf, or both write to one archive"
            .to_owned(),
    ]
}

/// What a program says of its failure, with the setting that would have kept it from failing where the server is a standby
/// (<https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-CONFLICT>).
fn failed(what: &str, error: &ProcessError) -> DumpError {
    let told = DumpError::new(format!("{what} failed: {error}"));
    let said = error.stderr();
    if said.contains("conflict with recovery") {
        return told.help(
            "the standby replayed what the primary removed while it was read: set max_standby_streaming_delay (and \
             max_standby_archive_delay) on the standby to longer than a dump takes, or -1, or hot_standby_feedback = on",
        );
    }
    if said.contains("full_page_writes=off") {
        return told
            .help("set full_page_writes = on on the primary: without it a standby gives no base backup");
    }
    if said.contains("standby was promoted") {
        return told.help("it is a primary now: the next run reads from it as from any other");
    }
    told
}

fn begin(program: Program) -> Result<Running, DumpError> {
    program.start(Talk::Listen).map_err(|error| DumpError::new(error.to_string()))
}

impl Dump for PostgresqlDump {
    fn facts(&self) -> Facts {
        let mut notes = Vec::new();
        if self.through_folder() {
            notes.push(format!(
                "{} tablespaces beyond the default: an archive of archives, one for each, made through a folder",
                self.server.tablespaces
            ));
        }
        Facts {
            method: self.method.name().to_owned(),
            content: match self.method {
                Method::Plain => Content::Archive,
                Method::Dump => Content::Script,
            },
            server_version: Some(self.server.version.clone()),
            source: self.server.source(),
            notes,
        }
    }

    fn gathers_in(&self) -> Option<PathBuf> {
        self.through_folder().then(|| self.scratch.clone())
    }

    fn stream(&mut self) -> Result<Box<dyn Read + Send>, DumpError> {
        let mut child = self.start()?;
        let stdout: ChildStdout =
            child.wide_stdout().ok_or_else(|| DumpError::new("the dump's output was already taken"))?;
        self.parts.child = Some(child);
        Ok(match self.method {
            Method::Plain => Box::new(Followed::new(stdout, Arc::clone(&self.parts.walk), "")),
            Method::Dump => Box::new(stdout),
        })
    }

    fn finish(mut self: Box<Self>, last: &[u8]) -> Result<Vec<String>, DumpError> {
        if let Some(child) = self.parts.child.take() {
            child.wait().map_err(|error| self.failed("the dump", &error))?;
        }
        let whole = match self.method {
            // Its last bytes alone would not tell: an archive ends in zeros, and so do pages in its middle.
            Method::Plain => {
                let walk = self.parts.walk.lock().unwrap_or_else(PoisonError::into_inner);
                walk.end().is_ok_and(|members| members > 0)
            }
            Method::Dump => last.windows(SCRIPT_END.len()).any(|window| window == SCRIPT_END),
        };
        match whole {
            true => Ok(Vec::new()),
            false => Err(DumpError::new(
                "the dump is cut off: its program reported success, but the end is missing",
            )
            .help("see the server's log for the time of this run; a backup from it could not be restored")),
        }
    }

    fn restore(&self, name: &str, compression: Compression) -> Vec<String> {
        let unpack = unpacker(compression);
        let major = self.server.major();
        if self.method == Method::Dump {
            return vec![
                format!("on an empty PostgreSQL {major} or newer, as postgres:"),
                format!("{unpack} {name} | psql -X -d postgres"),
            ];
        }
        let mut lines =
            vec![format!("with PostgreSQL {major}, the server stopped and DATA empty, as postgres:")];
        lines.extend(match self.through_folder() {
            false => {
                vec!["mkdir -p -m 700 DATA".to_owned(), format!("{unpack} {name} | tar -x -C DATA")]
            }
            true => vec![
                "mkdir -p -m 700 DATA parts".to_owned(),
                format!("{unpack} {name} | tar -x -C parts"),
                "tar -x -f parts/base.tar -C DATA".to_owned(),
                "DATA/tablespace_map names the directory of each parts/OID.tar: unpack each there".to_owned(),
            ],
        });
        if self.server.standby {
            lines.extend(no_standby(major));
        }
        lines.push("start the server on DATA: it replays the WAL that the archive holds".to_owned());
        lines
    }
}

/// A folder for what a dump keeps while it runs, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(path: PathBuf) -> Result<Self, DumpError> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| {
            DumpError::new(format!(
                "the folder {} for the time of the dump cannot be made: {error}",
                path.display()
            ))
        })?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("the folder {} cannot be removed: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_standby_is_removed_as_the_version_has_it() {
        assert_eq!(no_standby(11)[0], "rm -f DATA/recovery.conf");
        assert_eq!(no_standby(12)[0], "rm -f DATA/standby.signal DATA/recovery.signal");
    }

    #[test]
    fn what_a_standby_lacks_is_told_with_its_setting() {
        for (said, setting) in [
            (
                "pg_dump: error: Dumping the contents of table \"people\" failed: PQgetResult() failed.\n\
                 ERROR:  canceling statement due to conflict with recovery",
                "max_standby_streaming_delay",
            ),
            (
                "pg_basebackup: error: WAL generated with full_page_writes=off was replayed since last restartpoint",
                "full_page_writes = on",
            ),
            ("pg_basebackup: error: the standby was promoted during online backup", "primary now"),
        ] {
            let error = ProcessError::Failed {
                program: "pg_dumpall".to_owned(),
                code: Some(1),
                status: "failed with exit code 1".to_owned(),
                stderr: said.to_owned(),
            };
            let told = failed("the dump", &error);
            assert!(told.help.is_some_and(|help| help.contains(setting)), "{setting}");
        }
    }
}
