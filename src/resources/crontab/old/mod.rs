//! Entries that commcare-cloud's roles left for backups: found by what they run, in whichever table of cron they stand.
//!
//! Place on the data's path: the text of a table -> [`lines`] -> [`OldLine`]s beside our own entries, and [`without`] ->
//! what stays of the table. Pure. Must never take a line of somebody else: what a line does besides its backup would be
//! lost with it, so a doubtful one stays, and is told. A commented-out line is nobody's.

mod command;
mod shell;

use std::fmt;
use std::ops::Range;

use crate::resources::host_file;
use crate::vocab::{Datastore, Environment, OsUser, Schedule, Tier, Value};

use command::{Purpose, Run};

/// The table of all users that cron reads besides the files in `/etc/cron.d` (crontab(5)). Roles of 2015 wrote into it.
pub const SYSTEM_TABLE: &str = "/etc/crontab";

/// Where Debian's and where Red Hat's cron keep users' own tables. Only crontab(1) writes them.
pub const SPOOLS: [&str; 2] = ["/var/spool/cron/crontabs", "/var/spool/cron"];

/// What Ansible's cron module writes above each line of its own
/// (<https://docs.ansible.com/ansible/latest/collections/ansible/builtin/cron_module.html>).
const ANSIBLE: &str = "#Ansible: ";

/// Where lines lie that were taken over.
pub fn kept_in(environment: &Environment) -> String {
    format!("{}/adopted", host_file::directory(environment))
}

/// A table of cron.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// A file whose entries name their user, by its path.
    System(String),
    /// A user's own.
    User(OsUser),
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Table::System(path) => f.write_str(path),
            Table::User(user) => write!(f, "crontab of {user}"),
        }
    }
}

/// How long a script keeps in the backup directory what it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keeps {
    /// N whole days and one more, as `find -mtime +N` counts.
    Days(u32),
    Minutes(u32),
    ForEver,
    /// The line does not tell.
    AsScripted,
}

/// An entry for a backup that this program can make in its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OldLine {
    pub table: Table,
    /// Every byte that goes with it: Ansible's comment above it, the entry, the ends of both lines.
    pub text: String,
    pub schedule: Schedule,
    /// As whom cron runs it.
    pub user: OsUser,
    /// The script and the arguments that it reads. What else the line says is not told to anybody: a password may be in it.
    pub runs: String,
    pub datastore: Datastore,
    pub tier: Tier,
    pub keeps: Keeps,
}

impl From<&OldLine> for Value {
    fn from(line: &OldLine) -> Self {
        let members = [
            ("table", line.table.to_string()),
            ("schedule", line.schedule.to_string()),
            ("user", line.user.to_string()),
            ("command", line.runs.clone()),
        ];
        Value::Map(members.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect())
    }
}

/// A line that names a script of the roles, and of which it cannot be told that it is theirs alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Doubtful {
    pub table: Table,
    /// Counted from 1.
    pub line: usize,
    pub datastore: Datastore,
    pub doubt: Doubt,
}

/// Why a line is not taken over. Continues "it stays, because ..".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Doubt {
    #[error("cron does not read a last line that has no end")]
    Unended,
    #[error("its schedule is none that this program reads")]
    Schedule,
    #[error("what stands in the place of its user is no user's name")]
    User,
    #[error("it gives its command something to read (`%`)")]
    Input,
    #[error("it is not UTF-8")]
    Text,
    #[error("what the shell makes of it cannot be told without running it")]
    Shell,
    #[error("it calls a script of that name in another place than commcare-cloud's")]
    Elsewhere,
    #[error("the PATH that cron gives it does not lead to the script")]
    NotFound,
    #[error("its arguments are none that commcare-cloud gave the script")]
    Arguments,
    #[error("it only names the script")]
    NotRun,
    #[error("it runs more than one backup")]
    Several,
    /// By the program's name.
    #[error("it runs `{0}` too")]
    Other(String),
}

/// What a line turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Backup(OldLine),
    /// A freshness check. It finds our backups as well as its own, and nothing of ours stands in its place: it stays.
    Check(Datastore),
    Doubtful(Doubtful),
}

/// A line that has to do with the roles' scripts, and where it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// In bytes, the ends of its lines included.
    pub range: Range<usize>,
    pub seen: Seen,
}

/// The lines of a table that have to do with the roles' backup scripts, in order.
pub fn lines(text: &[u8], table: &Table) -> Vec<Found> {
    let mut found = Vec::new();
    let mut path: Option<String> = None;
    // The comment of Ansible's in the line before.
    let mut comment: Option<usize> = None;
    let mut start = 0;
    for (number, whole) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let range = comment.take().unwrap_or(start)..start + whole.len();
        let own = std::mem::replace(&mut start, range.end);
        let ended = whole.strip_suffix(b"\n");
        let line = ended.unwrap_or(whole).trim_ascii_start();
        match line.first() {
            None => continue,
            Some(b'#') => {
                comment = (whole.starts_with(ANSIBLE.as_bytes()) && ended.is_some()).then_some(own);
                continue;
            }
            Some(_) => {}
        }
        let lossy = String::from_utf8_lossy(line);
        if let Some((name, value)) = variable(&lossy) {
            if name == "PATH" {
                path = Some(value.to_owned());
            }
            continue;
        }
        let judged = match (ended, std::str::from_utf8(line), std::str::from_utf8(&text[range.clone()])) {
            (Some(_), Ok(line), Ok(whole)) => entry(line, whole, table, path.as_deref()),
            (None, ..) => Err(Doubt::Unended),
            (Some(_), ..) => Err(Doubt::Text),
        };
        let seen = match judged {
            Ok(seen) => seen,
            Err(doubt) => command::named(&lossy).and_then(|name| name.parse().ok()).map(|datastore| {
                Seen::Doubtful(Doubtful { table: table.clone(), line: number + 1, datastore, doubt })
            }),
        };
        found.extend(seen.map(|seen| Found { range, seen }));
    }
    found
}

/// What stays of a text without some of its lines: everything else, byte for byte.
pub fn without<'a>(text: &[u8], lines: impl IntoIterator<Item = &'a Found>) -> Vec<u8> {
    let gone: Vec<&Range<usize>> = lines.into_iter().map(|found| &found.range).collect();
    let stays = |at: &usize| !gone.iter().any(|range| range.contains(at));
    (0..text.len()).filter(stays).map(|at| text[at]).collect()
}

/// Whether nothing is left of a table but blank lines and comments that Ansible wrote above entries that are gone.
pub fn is_empty(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n')
        .all(|line| line.trim_ascii().is_empty() || line.starts_with(ANSIBLE.as_bytes()))
}

/// An entry, by what it runs; `whole` is all that would go with it.
fn entry(line: &str, whole: &str, table: &Table, path: Option<&str>) -> Result<Option<Seen>, Doubt> {
    let blank = [' ', '\t'];
    let mut rest = line.trim_start_matches(blank);
    let fields = if rest.starts_with('@') { 1 } else { 5 };
    let mut next = || {
        let (word, behind) = rest.split_once(blank)?;
        rest = behind.trim_start_matches(blank);
        Some(word)
    };
    let schedule: Option<Vec<&str>> = (0..fields).map(|_| next()).collect();
    let named = match table {
        Table::System(_) => next(),
        Table::User(user) => Some(user.as_str()),
    };
    let schedule: Result<Schedule, Doubt> = match schedule {
        Some(fields) => fields.join(" ").parse().map_err(|_| Doubt::Schedule),
        None => Err(Doubt::Schedule),
    };
    let Some(Run { datastore, purpose, shown }) = command::read(&unescaped(rest)?, path)? else {
        // The script may stand where a field or the user should.
        return if command::named(line).is_some() {
            Err(schedule.err().unwrap_or(Doubt::NotRun))
        } else {
            Ok(None)
        };
    };
    let named = named.ok_or(Doubt::User)?;
    let Ok(datastore) = datastore.parse::<Datastore>() else { return Ok(None) };
    let (tier, keeps) = match purpose {
        Purpose::Check => return Ok(Some(Seen::Check(datastore))),
        Purpose::Backup { tier, keeps } => (tier, keeps),
    };
    Ok(Some(Seen::Backup(OldLine {
        table: table.clone(),
        text: whole.to_owned(),
        schedule: schedule?,
        user: named.parse().map_err(|_| Doubt::User)?,
        runs: shown,
        datastore,
        tier,
        keeps,
    })))
}

/// A command as cron hands it to the shell: to cron(5) a `%` ends it, and what follows is its input, unless escaped.
fn unescaped(command: &str) -> Result<String, Doubt> {
    let mut text = String::new();
    let mut rest = command.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' if rest.next_if_eq(&'%').is_some() => text.push('%'),
            '%' => return Err(Doubt::Input),
            c => text.push(c),
        }
    }
    Ok(text)
}

/// `NAME = value`, both optionally in quotes (crontab(5)).
fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = unquoted(name.trim());
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    is_name.then(|| (name, unquoted(value.trim())))
}

fn unquoted(text: &str) -> &str {
    let between = |quote| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    between('"').or_else(|| between('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests;
