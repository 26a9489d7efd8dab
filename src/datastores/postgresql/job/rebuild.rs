//! A data directory out of a backup: unpacked where it is an archive, loaded into a fresh cluster where it is a script.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::SCRIPT_END;
use super::programs::{self, Version};
use super::scratch::{Programs, ScratchServer};
use super::server::{CHECKSUMS, COLLATE, CTYPE, ENCODING, ROLE};
use super::tablespaces::{self, Tablespace};
use crate::clients::process::{ProcessError, Program, RunAs, Talk};
use crate::datastores::dump::{DumpError, LAST_BYTES};
use crate::datastores::job::archive::{self, Attributes};
use crate::datastores::job::because_of;
use crate::datastores::names::Content;
use crate::datastores::restore::Parcel;

/// How long a fresh cluster may take to be made and to come up.
const START_LIMIT: Duration = Duration::from_secs(300);
/// How long one statement of a script may take: building an index reads a whole table, and takes no input meanwhile.
const STATEMENT_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// How much of a script is looked at before a server is chosen for it.
const HEAD: usize = 64 << 10;
const CHUNK: usize = 256 << 10;

/// A data directory that no server runs on yet.
#[derive(Debug)]
pub struct Data {
    pub directory: PathBuf,
    pub programs: Programs,
    pub version: Version,
    /// The role that certainly may everything.
    pub role: String,
    pub tablespaces: Vec<Tablespace>,
}

/// Where a data directory is built.
pub struct Ground<'a> {
    /// Empty, and the user's.
    pub staging: &'a Path,
    /// As whom the server's programs run.
    pub user: Option<RunAs>,
    /// Where the content of a tablespace is to be unpacked: its original directory is another server's, or this one's own.
    pub place: &'a dyn Fn(&Tablespace) -> PathBuf,
}

impl Ground<'_> {
    /// Builds what the backup holds.
    pub fn build(&self, parcel: &Parcel, bytes: &mut (dyn Read + Send)) -> Result<Data, DumpError> {
        match parcel.content {
            Content::Archive => self.unpack(parcel, bytes),
            Content::Script => self.load(parcel, bytes),
        }
    }

    fn unpack(&self, parcel: &Parcel, bytes: &mut (dyn Read + Send)) -> Result<Data, DumpError> {
        let Ground { staging, user, .. } = *self;
        let (raw, data) = (staging.join("unpacked"), staging.join("data"));
        // Only for making directories: which version it is, the archive tells.
        let maker = Programs { bin: PathBuf::new(), user };
        maker.directory(&raw).map_err(unmade)?;
        archive::unpack(bytes, &raw, user, Attributes::Modes)?;
        let holds = |name: &'static str| move |path: &Path| path.join(name).is_file();
        let mut tablespaces = Vec::new();
        let cluster = archive::find(&raw, holds("global/pg_control")).map_err(unmade)?;
        match cluster {
            Some(found) => {
                fs::rename(found, &data).map_err(unmade)?;
                tablespaces::refuse_unpacked(&data)?;
            }
            None => {
                let parts = archive::find(&raw, holds("base.tar")).map_err(unmade)?.ok_or_else(|| {
                    DumpError::new(
                        "the archive holds no PostgreSQL cluster: there is no global/pg_control in it",
                    )
                    .help("see what it holds: tar -tzf FILE | head")
                })?;
                maker.directory(&data).map_err(unmade)?;
                unpack_part(&parts.join("base.tar"), &data, user)?;
                tablespaces = tablespaces::read(&data)?;
                for tablespace in &mut tablespaces {
                    let into = (self.place)(tablespace);
                    // What a killed restore left.
                    match fs::remove_dir_all(&into) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unmade(error)),
                        _ => {}
                    }
                    maker.directory(&into).map_err(unmade)?;
                    unpack_part(&parts.join(format!("{}.tar", tablespace.oid)), &into, user)?;
                    tablespace.unpacked = Some(into);
                }
            }
        }
        let _ = fs::remove_dir_all(&raw);
        // A server starts on no other.
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).map_err(unmade)?;
        let version = fs::read_to_string(data.join("PG_VERSION")).map_err(unmade)?;
        let version: Version = version.trim().parse()?;
        let programs = programs::same(version, user)?;
        Ok(Data { directory: data, programs, version, role: role(&parcel.source), tablespaces })
    }

    fn load(&self, parcel: &Parcel, bytes: &mut (dyn Read + Send)) -> Result<Data, DumpError> {
        let Ground { staging, user, .. } = *self;
        let mut head = Vec::new();
        bytes.take(HEAD as u64).read_to_end(&mut head).map_err(unread)?;
        let told = Head::of(&String::from_utf8_lossy(&head));
        let manifest: Option<Version> = parcel.server_version.as_deref().and_then(|text| text.parse().ok());
        let programs = programs::at_least(told.version.max(manifest), user)?;
        let version = programs::version(&programs, "psql")?;
        if told.restricted && !version.knows_restrict() {
            return Err(DumpError::new(format!(
                "psql {version} is too old for this script: it does not know the command \\restrict, and would take the \
                 dump's data for commands"
            ))
            .help("install the newest release of the same major version; nothing was begun")
            .lack());
        }
        let data = staging.join("data");
        programs.directory(&data).map_err(unmade)?;
        let role = role(&parcel.source);
        initialise(&programs, &data, &role, &parcel.source)?;
        let scratch = ScratchServer::start(&programs, &data, &role, &[], START_LIMIT)?;
        match feed(&scratch, &mut io::Cursor::new(head).chain(bytes), &role) {
            Ok(()) => scratch.stop()?,
            Err(error) => return Err(scratch.broke(error)),
        }
        Ok(Data { directory: data, programs, version, role, tablespaces: Vec::new() })
    }
}

/// The bootstrap role, as the manifest tells it.
fn role(source: &BTreeMap<String, String>) -> String {
    source.get(ROLE).cloned().unwrap_or_else(|| "postgres".to_owned())
}

fn unmade(error: io::Error) -> DumpError {
    DumpError::new(format!("the directory to restore into cannot be used: {error}"))
}

fn unpack_part(part: &Path, into: &Path, user: Option<RunAs>) -> Result<(), DumpError> {
    let mut file = fs::File::open(part)
        .map_err(|error| DumpError::new(format!("the archive lacks the part {}: {error}", part.display())))?;
    archive::unpack(&mut file, into, user, Attributes::Modes)
}

/// What the beginning of a script says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    version: Option<Version>,
    /// It is for psql of August 2025 or later: others do not know `\restrict`.
    restricted: bool,
}

impl Head {
    fn of(text: &str) -> Head {
        let version = |words: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(words))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Head {
            version: version("-- Dumped by pg_dump version ")
                .max(version("-- Dumped from database version ")),
            restricted: text.lines().any(|line| line.starts_with("\\restrict ")),
        }
    }
}

fn unread(error: io::Error) -> DumpError {
    DumpError::new(format!("the backup cannot be read: {error}"))
}

/// Makes an empty cluster like the one that was dumped.
fn initialise(
    programs: &Programs,
    data: &Path,
    role: &str,
    source: &BTreeMap<String, String>,
) -> Result<(), DumpError> {
    let mut options = vec!["--no-sync".to_owned(), "--auth-local=peer".to_owned()];
    options.push("--auth-host=scram-sha-256".to_owned());
    options.push(format!("--username={role}"));
    let mut like = |name: &str, option: &str, otherwise: Option<&str>| {
        let value = source.get(name).map(String::as_str).or(otherwise);
        options.extend(value.map(|value| format!("{option}={value}")));
    };
    like(ENCODING, "--encoding", Some("UTF8"));
    like(COLLATE, "--lc-collate", Some("C.UTF-8"));
    like(CTYPE, "--lc-ctype", Some("C.UTF-8"));
    if source.get(CHECKSUMS).is_some_and(|value| value == "on") {
        options.push("--data-checksums".to_owned());
    }
    let made = programs.program("initdb").arg_path("-D", data).args(options).output(START_LIMIT);
    made.map(|_| ()).map_err(|error| {
        DumpError::new(format!("a cluster for the script cannot be made: {error}")).lack().help(
            "where a locale is missing, the machine must have those of the one that was dumped: `locale -a`",
        )
    })
}

/// Feeds a script to the server, and stops at the first error but one: the bootstrap role exists in every cluster, and
/// every script of pg_dumpall makes it (<https://www.postgresql.org/docs/current/app-pg-dumpall.html>).
fn feed(scratch: &ScratchServer, bytes: &mut dyn Read, role: &str) -> Result<(), DumpError> {
    let psql = scratch.client("psql").args(["-X", "-q", "-o", "/dev/null", "-d", "postgres"]);
    feed_to(psql, bytes, role, STATEMENT_LIMIT)
}

/// The same to a psql that is killed where it takes nothing for so long.
fn feed_to(psql: Program, bytes: &mut dyn Read, role: &str, patience: Duration) -> Result<(), DumpError> {
    let wrong = Arc::new(Mutex::new(None));
    let mut tolerance = Tolerance::of(role);
    let tell = Arc::clone(&wrong);
    let hear = move |line: &str| {
        if let Some(error) = tolerance.judge(line) {
            tell.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.to_owned());
        }
    };
    let wrong = move || wrong.lock().unwrap_or_else(PoisonError::into_inner).take();
    let refused = |why: String| {
        DumpError::new(format!("the script does not load: {why}"))
            .help("the living data is untouched; what the server said is above, and the script is not changed by trying again")
    };
    let failed = |error: ProcessError| {
        let refused = because_of(refused(error.to_string()), &error);
        match error {
            ProcessError::TimedOut { .. } => refused.help(
                "see what its server waits for: a disk that does not answer, or a statement that takes longer; the living \
                 data is untouched",
            ),
            _ => refused,
        }
    };
    let mut psql =
        psql.listen(hear).start(Talk::Both).map_err(|error| DumpError::new(error.to_string()).lack())?;
    let mut input =
        psql.patient_stdin(patience).map_err(|error| DumpError::new(format!("psql: {error}")).lack())?;
    let (mut buffer, mut last) = (vec![0; CHUNK], Vec::new());
    loop {
        let read = bytes.read(&mut buffer).map_err(unread)?;
        if read == 0 {
            break;
        }
        last.extend_from_slice(&buffer[..read]);
        last.drain(..last.len().saturating_sub(LAST_BYTES));
        if let Err(error) = io::Write::write_all(&mut input, &buffer[..read]) {
            if error.kind() == io::ErrorKind::TimedOut {
                return Err(failed(psql.time_out(patience)));
            }
            let error = psql.pipe_error(error);
            return Err(failed(psql.wait_within(patience).err().unwrap_or(error)));
        }
        if let Some(why) = wrong() {
            return Err(refused(why));
        }
    }
    drop(input);
    psql.wait_within(patience).map_err(failed)?;
    if let Some(why) = wrong() {
        return Err(refused(why));
    }
    match last.windows(SCRIPT_END.len()).any(|window| window == SCRIPT_END) {
        true => Ok(()),
        false => Err(refused("its end is missing: it was cut off".to_owned())),
    }
}

/// Tells errors from what psql and the server say besides.
struct Tolerance {
    expected: String,
    spent: bool,
}

impl Tolerance {
    fn of(role: &str) -> Self {
        Tolerance { expected: format!("ERROR:  role \"{role}\" already exists"), spent: false }
    }

    /// The line, where it is an error that is not tolerated.
    fn judge<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        // `psql:<stdin>:14: ERROR:  ..`
        let words = line
            .split_once("psql:<stdin>:")
            .map_or(line, |(_, rest)| rest.split_once(": ").map_or(rest, |(_, words)| words));
        if words == self.expected && !self.spent {
            self.spent = true;
            return None;
        }
        let is_error = ["ERROR:", "FATAL:", "PANIC:", "error:", "psql: error:"];
        let is_error = is_error.iter().any(|beginning| words.starts_with(beginning));
        (is_error || words.starts_with("invalid command ")).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_error_is_tolerated() {
        let mut tolerance = Tolerance::of("postgres");
        let expected = "psql:<stdin>:14: ERROR:  role \"postgres\" already exists";
        assert_eq!(tolerance.judge("psql:<stdin>:3: NOTICE:  nothing"), None);
        assert_eq!(tolerance.judge(expected), None);
        assert_eq!(tolerance.judge(expected), Some(expected));
        for line in [
            "psql:<stdin>:15: ERROR:  role \"app\" already exists",
            "ERROR:  relation \"a\" does not exist",
            "psql:<stdin>:99: invalid command \\N",
            "psql: error: connection to server on socket failed",
            "psql:<stdin>:7: error: could not connect",
            "FATAL:  terminating connection due to administrator command",
        ] {
            assert_eq!(tolerance.judge(line), Some(line));
        }
        assert_eq!(tolerance.judge("DETAIL:  ERROR: in a detail"), None);
    }

    #[test]
    fn a_psql_that_hangs_is_given_up_and_told() {
        let script = vec![b'\n'; 1 << 20];
        for hangs in ["sleep 1000 & wait", "cat >/dev/null; sleep 1000 & wait"] {
            let psql = Program::new("sh").args(["-c", hangs]);
            let told = feed_to(psql, &mut &script[..], "postgres", Duration::from_millis(300));
            let told = told.expect_err("it hangs");
            assert!(told.message.contains("does not load: `sh` gave no answer within"), "{told}");
            assert!(told.help.is_some_and(|help| help.contains("what its server waits for")), "{hangs}");
        }
    }

    #[test]
    fn a_script_says_what_it_needs() {
        let text = "--\n-- PostgreSQL database cluster dump\n--\n\\restrict abc\n-- Dumped from database version 14.9\n\
                    -- Dumped by pg_dump version 15.14 (Debian 15.14-0+deb12u1)\n";
        let told = Head::of(text);
        assert_eq!(told, Head { version: "15.14".parse().ok(), restricted: true });
        assert_eq!(Head::of("select 1;"), Head::default());
    }
}
