//! How CouchDB is dumped: its data directory as one archive, while it runs.
//!
//! Its files only grow, so each of them is whole however long the copy takes. The order matters: secondary indexes come
//! before the databases that they are made from, since CouchDB brings an index that is behind up to date and cannot mend
//! one that is ahead (<https://docs.couchdb.org/en/stable/maintenance/backups.html>); and the map of shards comes last,
//! so that it knows every shard that was copied.

mod address;
mod after_start;
mod restore;
mod shard_map;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

pub use after_start::{Address, Settled};
pub use restore::CouchdbRestore;

use super::settings::CouchdbSource;
use crate::clients::process::Program;
use crate::datastores::dump::{Dump, DumpError};
use crate::datastores::job::Around;
use crate::datastores::tree::job::{
    Archive, Flavour, TreeRestore, Way, here_is_gnu_tar, look_at, own_backups, tar, unreachable,
};
use crate::vocab::Login;

/// How long a CouchDB that was only just started may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long another host may take to answer.
const QUESTION: Duration = Duration::from_secs(60);

/// Which node holds which shard.
const SHARD_MAP: &str = "_dbs.couch";
/// What CouchDB is about to remove.
const REMOVED: &str = ".delete";

/// Looks whether the data directory is there, and makes ready to read it.
pub fn open(source: &CouchdbSource, around: &Around) -> Result<Box<dyn Dump>, DumpError> {
    let directory = around.inside(&source.data_dir);
    let names = names(&directory, &source.data_dir)?;
    let inner = own_backups(&source.data_dir, &directory, &around.inside(&around.directory))?;
    let listed = ["--no-recursion", "./", "--recursion", "--null", "--verbatim-files-from", "--files-from=-"];
    let program = tar(&directory, &[], inner.as_deref()).args(listed);
    let mut archive =
        Archive::of(program, source.data_dir.clone(), Flavour::AppendOnly { marker: SHARD_MAP });
    archive.names = Some(names);
    archive.restore_notes = vec![
        "the user of CouchDB must own DIR and what is in it; then start CouchDB".to_owned(),
        "on a node of another name, then put that name into each document of the database _dbs: `reconcile restore couchdb \
         --after-start` does"
            .to_owned(),
    ];
    Ok(Box::new(archive))
}

/// Whether a backup could begin: the data directory is there, tar is that of GNU, and the host of the second copy takes it.
pub fn try_out(source: &CouchdbSource, around: &Around) -> Result<String, DumpError> {
    names(&around.inside(&source.data_dir), &source.data_dir)?;
    here_is_gnu_tar()?;
    let Some(host) = &source.remote_copy else { return Ok(format!("{} is there, and tar", source.data_dir)) };
    let way = around.elsewhere.way(host);
    let place = way.rsync_place(host, &around.directory);
    let mut rsync = Program::new("rsync").args(["--list-only", "--dirs", "--timeout=60"]);
    if let Way::Ssh(ssh) = &way {
        rsync = rsync.args(["--rsh", &ssh.remote_shell()]);
    }
    rsync.args([OsStr::new("--"), place.as_os_str()]).output(QUESTION).map_err(|error| match &way {
        Way::Ssh(_) => unreachable(host, error.stderr()),
        Way::Folder(_) => {
            DumpError::new(format!("the second copy cannot go to {}: {error}", place.display()))
        }
    })?;
    Ok(format!("{} is there, tar, and {host} for the second copy", source.data_dir))
}

/// The CouchDB that uses the data directory.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// Where it answers; `None`: as its configuration says.
    pub address: Option<Address>,
    pub login: Option<Login>,
    /// How long one that was only just started may take to answer; `None`: two minutes.
    pub patience: Option<Duration>,
}

/// Once CouchDB runs on restored data: names this node in its maps of shards.
pub async fn after_start(around: &Around) -> Result<Settled, DumpError> {
    let Server { address, login, patience } = &around.couchdb;
    let address = address.clone().unwrap_or_else(|| address::of(&around.root));
    after_start::settle(&address, login.as_ref(), patience.unwrap_or(PATIENCE)).await
}

/// How the data directory takes a backup back.
pub fn restore(source: &CouchdbSource, around: &Around) -> TreeRestore {
    TreeRestore {
        path: source.data_dir.clone(),
        home: Some(around.inside(&source.data_dir)),
        marker: Some(SHARD_MAP),
    }
}

/// What lies in the data directory, in the order in which it is read. A directory without the map of shards is none of
/// CouchDB's: the place where a volume should be mounted, say, or another by mistake.
fn names(directory: &Path, shown: &str) -> Result<Vec<OsString>, DumpError> {
    look_at(directory, shown)?;
    let unreadable = |error: std::io::Error| DumpError::new(format!("{shown} cannot be read: {error}"));
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        names.push(entry.map_err(unreadable)?.file_name());
    }
    if !names.iter().any(|name| name == SHARD_MAP) {
        return Err(DumpError::new(format!(
            "{shown} is no data directory of CouchDB: there is no {SHARD_MAP} in it, without which nothing can be restored"
        ))
        .help("see that its volume is mounted, or mend couch_data_dir in the settings"));
    }
    Ok(ordered(names))
}

/// Indexes, then databases, then the map of shards.
fn ordered(mut names: Vec<OsString>) -> Vec<OsString> {
    let rank = |name: &OsStr| match name.as_bytes() {
        [b'.', ..] => 0,
        other if other.starts_with(SHARD_MAP.as_bytes()) => 2,
        _ => 1,
    };
    names.retain(|name| name != REMOVED);
    names.sort_by(|a, b| (rank(a), a).cmp(&(rank(b), b)));
    let below = |name: OsString| {
        let mut path = OsString::from("./");
        path.push(name);
        path
    };
    names.into_iter().map(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_the_map_of_shards_is_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        for file in ["README", "_dbs.couch.compact", "_users.couch"] {
            fs::write(folder.path().join(file), "x").expect("written");
            let error = names(folder.path(), "/opt/data/couchdb2").expect_err("not CouchDB's");
            assert!(error.message.contains("/opt/data/couchdb2 is no data directory of CouchDB"), "{error}");
        }
        fs::write(folder.path().join(SHARD_MAP), "x").expect("written");
        assert_eq!(names(folder.path(), "d").map(|names| names.len()), Ok(4));
    }

    #[test]
    fn indexes_come_first_and_the_map_of_shards_last() {
        let names = ["shards", "_dbs.couch", ".shards", "_nodes.couch", ".delete", ".old_design"];
        let order = ordered(names.map(OsString::from).to_vec());
        assert_eq!(order, ["./.old_design", "./.shards", "./_nodes.couch", "./shards", "./_dbs.couch"]);
    }
}
