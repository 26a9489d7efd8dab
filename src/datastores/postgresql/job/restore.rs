//! How PostgreSQL takes a backup back: a data directory is built beside the living one, whichever kind of backup it is.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, Uid, User};

use super::Connection;
use super::rebuild::{Data, Ground};
use super::server::DATA_DIRECTORY;
use super::tablespaces;
use crate::clients::machine;
use crate::clients::process::RunAs;
use crate::datastores::dump::DumpError;
use crate::datastores::names::Content;
use crate::datastores::restore::{Built, Parcel, Restore, Services};

/// How long writing everything to the disk may take.
const SYNC_LIMIT: Duration = Duration::from_secs(3600);
/// What makes a server follow another, or wait for WAL from an archive.
const SIGNALS: [&str; 3] = ["standby.signal", "recovery.signal", "recovery.conf"];
/// What an administrator wrote for this server, where it lies beside the data.
const CONFIGURATION: [&str; 4] = ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf"];

/// How a server starts beside the living one.
const BESIDE: &str = "-p 5433 -c listen_addresses='' -c archive_mode=off -c max_logical_replication_workers=0 \
                      -c shared_preload_libraries=''";

/// PostgreSQL on this host, as it is to be again.
#[derive(Clone, Debug)]
pub struct PostgresqlRestore {
    parcel: Parcel,
    home: Option<PathBuf>,
}

impl PostgresqlRestore {
    /// Where the data lives says the server, where it runs, and else the backup.
    pub fn new(parcel: Parcel, connection: &Connection) -> Self {
        let told = || connection.ask().ok().and_then(|server| server.source().remove(DATA_DIRECTORY));
        let home = parcel.source.get(DATA_DIRECTORY).cloned().or_else(told).map(PathBuf::from);
        PostgresqlRestore { parcel, home }
    }
}

impl Restore for PostgresqlRestore {
    fn home(&self) -> Option<PathBuf> {
        self.home.clone()
    }

    fn in_use(&self, home: &Path) -> Option<String> {
        let text = fs::read_to_string(home.join("postmaster.pid")).ok()?;
        let pid: i32 = text.lines().next()?.trim().parse().ok()?;
        // Another user's process cannot be signalled, and is there all the same.
        let runs = matches!(kill(Pid::from_raw(pid), None), Ok(()) | Err(Errno::EPERM));
        runs.then(|| format!("a PostgreSQL server runs on {} (process {pid})", home.display()))
    }

    fn services(&self, home: &Path) -> Services {
        let cluster = debian(home);
        let home = home.display();
        let (stop, start) = match cluster {
            Some((major, name)) => {
                let systemctl = |what| format!("sudo systemctl {what} postgresql@{major}-{name}");
                (systemctl("stop"), systemctl("start"))
            }
            None => (format!("pg_ctl -D {home} -m fast stop"), format!("pg_ctl -D {home} -w start")),
        };
        Services { stop: Some(stop), start: Some(start) }
    }

    /// On a port of its own, and with nothing that reaches out: its configuration may send WAL to the living one's archive, a
    /// subscription would take what the living one waits for, and a library may run jobs.
    fn beside(&self, home: &Path) -> Option<String> {
        let (data, own) = (home.display(), BESIDE);
        if home.join(CONFIGURATION[0]).is_file() {
            return Some(format!("pg_ctl -D {data} -o \"{own}\" -w start"));
        }
        // Debian keeps the configuration elsewhere, and in it that the living one's process is noted.
        let (major, name) = debian(self.home.as_deref()?)?;
        let lent = format!("config_file=/etc/postgresql/{major}/{name}/postgresql.conf");
        Some(format!(
            "/usr/lib/postgresql/{major}/bin/pg_ctl -D {data} -o \"{own} -c {lent} -c data_directory={data} \
             -c external_pid_file=''\" -w start"
        ))
    }

    fn build(
        &mut self,
        bytes: &mut (dyn Read + Send),
        staging: &Path,
        home: &Path,
    ) -> Result<(Vec<Built>, Vec<String>), DumpError> {
        let user = server_user(home)?;
        own(staging, user)?;
        let in_place = self.home.as_deref() == Some(home);
        let end = |tablespace: &tablespaces::Tablespace| match in_place {
            true => tablespace.location.clone(),
            false => beside(home, &format!("tablespace-{}", tablespace.oid)),
        };
        let place = |tablespace: &tablespaces::Tablespace| {
            let end = end(tablespace);
            beside(&machine::behind_links(&end).unwrap_or(end), "reconcile-restored")
        };
        let data = Ground { staging, user, place: &place }.build(&self.parcel, bytes)?;
        self.finish(data, home, in_place, end)
    }
}

impl PostgresqlRestore {
    /// Makes of a data directory one that a server of this host starts on by itself.
    fn finish(
        &self,
        data: Data,
        home: &Path,
        in_place: bool,
        end: impl Fn(&tablespaces::Tablespace) -> PathBuf,
    ) -> Result<(Vec<Built>, Vec<String>), DumpError> {
        let mut notes = Vec::new();
        let unfinished =
            |error: io::Error| DumpError::new(format!("the restored data cannot be finished: {error}"));
        for name in SIGNALS {
            let path = data.directory.join(name);
            if path.exists() {
                fs::remove_file(&path).map_err(unfinished)?;
                notes.push(format!(
                    "{name} was taken out: the backup is of a standby, which would have followed its primary instead of \
                     serving what was restored"
                ));
            }
        }
        if in_place && self.parcel.content == Content::Script {
            for name in CONFIGURATION {
                let own = home.join(name);
                if own.is_file() {
                    fs::copy(&own, data.directory.join(name)).map_err(unfinished)?;
                    data.programs.give(&data.directory.join(name)).map_err(unfinished)?;
                }
            }
        }
        let unpacked = |tablespace: &tablespaces::Tablespace| tablespace.unpacked.clone().unwrap_or_default();
        tablespaces::point(&data.directory, &data.tablespaces, unpacked).map_err(unfinished)?;
        let sync = data.programs.program("initdb").args(["--sync-only"]).arg_path("-D", &data.directory);
        sync.output(SYNC_LIMIT)
            .map_err(|error| DumpError::new(format!("the disk does not take what was restored: {error}")))?;
        tablespaces::point(&data.directory, &data.tablespaces, &end).map_err(unfinished)?;
        let tablespaces = data.tablespaces.iter();
        let mut built: Vec<Built> =
            tablespaces.map(|one| Built { built: unpacked(one), home: end(one) }).collect();
        built.push(Built { built: data.directory.clone(), home: home.to_owned() });
        Ok((built, notes))
    }
}

/// Major version and name of the cluster whose data a directory is in Debian's layout (pg_ctlcluster(1)).
fn debian(home: &Path) -> Option<(&str, &str)> {
    let mut parts = home.strip_prefix("/var/lib/postgresql").ok()?.iter().map(|part| part.to_str());
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Some(major)), Some(Some(name)), None) => Some((major, name)),
        _ => None,
    }
}

/// A path beside another: `/srv/data` and `old` are `/srv/data.old`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Gives a directory to whoever the server's programs run as.
pub fn own(path: &Path, user: Option<RunAs>) -> Result<(), DumpError> {
    let Some(RunAs { uid, gid }) = user else { return Ok(()) };
    if let Some(shut) = path.parent().and_then(|around| shut_to(around, RunAs { uid, gid })) {
        let who = User::from_uid(uid.into()).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
        return Err(DumpError::new(format!(
            "{who}, as whom the server runs, may not enter {}",
            shut.display()
        ))
        .help("name a directory that it can reach: --scratch DIR, or --to DIR"));
    }
    std::os::unix::fs::chown(path, Some(uid), Some(gid))
        .map_err(|error| DumpError::new(format!("{} cannot be given to its user: {error}", path.display())))
}

/// The directory on the way to `path` that the user may not enter; those that cannot be looked at tell by themselves.
pub fn shut_to(path: &Path, user: RunAs) -> Option<&Path> {
    path.ancestors().find(|directory| {
        fs::metadata(directory).is_ok_and(|metadata| {
            let bit = match (metadata.uid() == user.uid, metadata.gid() == user.gid) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            metadata.mode() & bit == 0
        })
    })
}

/// Whom a server's programs run as, where this runs as root, as which no server runs: whoever owns the data, or the
/// directory around it, else `postgres`.
pub fn server_user(near: &Path) -> Result<Option<RunAs>, DumpError> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let owner = near.ancestors().take(2).find_map(|path| {
        let metadata = fs::metadata(path).ok()?;
        (metadata.uid() != 0).then(|| RunAs { uid: metadata.uid(), gid: metadata.gid() })
    });
    let named = || {
        let user = User::from_name("postgres").ok().flatten()?;
        Some(RunAs { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
    };
    owner.or_else(named).map(Some).ok_or_else(|| {
        DumpError::new("this runs as root, as which PostgreSQL refuses to run, and there is no user postgres")
            .help("run it as the user that PostgreSQL's data belongs to")
    })
}
