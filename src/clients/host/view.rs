//! What is asked of a host, and what was seen. Pure data: the decisions upon it are made above.

use std::collections::{BTreeMap, BTreeSet};

use super::asks::{Asked, Raw};
use super::{Access, EntryKind, HostError, error};
use crate::clients::http::Ask;

/// Everything that is to be known of a host; answered by one round trip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Things by their paths: what each is, and a plain file's bytes.
    pub paths: BTreeSet<String>,
    /// Directories: what lies in each, directly.
    pub directories: BTreeMap<String, Contents>,
    /// Directories whose plain files' sizes and times are asked for; what they hold is not.
    pub sizes: BTreeSet<String>,
    /// Directories of files that are named after users: which of them are.
    pub named_after_users: BTreeSet<String>,
    /// Which users there are of these.
    pub users: BTreeSet<String>,
    /// Programs of PostgreSQL, by name.
    pub postgresql: BTreeSet<String>,
    /// A program by its path: its checksum and version.
    pub program: Option<String>,
    /// Directories, there or yet to be made: how much room they have.
    pub space: BTreeSet<String>,
    /// Questions to services there, by words without blanks.
    pub asks: BTreeMap<String, Ask>,
    /// Whether the machine itself is asked about.
    pub facts: bool,
}

/// What is read of the files in a directory; names that begin with a dot are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    All,
    /// Only files whose names end so.
    Ending(&'static str),
}

impl Contents {
    pub(super) fn ending(self) -> &'static str {
        match self {
            Contents::All => "",
            Contents::Ending(ending) => ending,
        }
    }
}

/// What was seen of one host, at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// What lies where, by path. What is not here is not there.
    pub(super) things: BTreeMap<String, Seen>,
    /// What is there and could not be looked at, and why.
    pub(super) unread: BTreeMap<String, String>,
    /// Plain files of [`Question::sizes`] by path: bytes, and seconds since 1970.
    pub sizes: BTreeMap<String, (u64, i64)>,
    /// Files of [`Question::named_after_users`] whose user there is, by path.
    pub named_after_users: BTreeSet<String>,
    /// What services answered to [`Question::asks`].
    pub asked: Asked,
    /// The same as it came.
    pub(super) raw: Raw,
    pub facts: Facts,
}

/// A thing on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub kind: EntryKind,
    pub access: Access,
    /// A plain file's; empty for everything else.
    pub bytes: Vec<u8>,
}

/// What a machine says of itself; a folder of the sandbox says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its clock, in seconds since 1970.
    pub clock: Option<i64>,
    pub hostname: Option<String>,
    /// As `uname -m` has it.
    pub architecture: Option<String>,
    /// What no two machines have in common while they run.
    pub identity: Option<String>,
    /// Where `/etc/localtime` leads, and what `/etc/timezone` says.
    pub localtime: Option<String>,
    pub timezone: Option<String>,
    /// Whether there is a `curl`.
    pub has_curl: bool,
    /// Whether there is an `/etc/cron.d`.
    pub has_cron_d: bool,
    /// The daemons that run, by name, with their programs.
    pub crons: Vec<(String, String)>,
    pub users: BTreeSet<String>,
    /// Versions of PostgreSQL's programs, as they tell them, by name.
    pub postgresql: BTreeMap<String, Vec<String>>,
    pub program: Option<Installed>,
    /// By the directory asked for.
    pub space: BTreeMap<String, Space>,
}

/// A program that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// What it prints for `--version`; empty where it does not start.
    pub banner: String,
}

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub free: u64,
    pub total: u64,
}

impl View {
    /// What lies at a path, if anything does.
    pub fn at(&self, path: &str) -> Result<Option<&Seen>, HostError> {
        match self.unread.get(path) {
            Some(why) => Err(error("cannot read", path, why)),
            None => Ok(self.things.get(path)),
        }
    }

    /// What was seen in a directory, directly: paths and things, in order.
    pub fn within<'a>(&'a self, directory: &str) -> impl Iterator<Item = (&'a str, &'a Seen)> {
        inside(&self.things, directory)
    }

    /// What is in a directory and could not be looked at: paths, and why.
    pub fn unread_within<'a>(&'a self, directory: &str) -> impl Iterator<Item = (&'a str, &'a String)> {
        inside(&self.unread, directory)
    }
}

fn inside<'a, T>(things: &'a BTreeMap<String, T>, directory: &str) -> impl Iterator<Item = (&'a str, &'a T)> {
    let prefix = format!("{directory}/");
    let from = things.range(prefix.clone()..).map(|(path, thing)| (path.as_str(), thing));
    from.map_while(move |(path, thing)| Some((path, path.strip_prefix(&prefix)?, thing)))
        .filter(|(_, name, _)| !name.contains('/'))
        .map(|(path, _, thing)| (path, thing))
}
