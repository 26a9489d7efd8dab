//! Reads the tables of cron on a host, and takes old entries out of them once ours stand.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{
    Doubtful, Found, OldLine, SPOOLS, SYSTEM_TABLE, Seen, Table, earlier_lines, is_empty, is_spent, keepsake,
    kept_in, lines, listed, without,
};
use crate::clients::host::{self, Contents, EntryKind, InTable, Question, Taking, View};
use crate::resources::crontab::{DIRECTORY, mark};
use crate::vocab::{Environment, Id};

/// What the tables of a host hold of older tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Sorted.
    pub old: Vec<OldLine>,
    pub doubtful: Vec<Doubtful>,
}

/// A table that was seen.
struct SeenTable<'a> {
    table: Table,
    path: &'a str,
    seen: &'a host::Seen,
    /// It is a file of ours, of an earlier name.
    earlier: bool,
}

impl SeenTable<'_> {
    /// What of its bytes is somebody's.
    fn body(&self) -> &[u8] {
        match &self.table {
            Table::System(_) => &self.seen.bytes,
            Table::User(_) => listed(&self.seen.bytes),
        }
    }

    fn lines(&self) -> Vec<Found> {
        match self.earlier {
            true => earlier_lines(self.body(), &self.table),
            false => lines(self.body(), &self.table),
        }
    }
}

/// Every table that cron reads.
pub fn ask(question: &mut Question) {
    question.paths.insert(SYSTEM_TABLE.to_owned());
    for directory in [DIRECTORY].into_iter().chain(SPOOLS) {
        question.directories.insert(directory.to_owned(), Contents::All);
    }
    question.named_after_users.extend(SPOOLS.map(str::to_owned));
}

/// What was seen of older tools. Without one of the tables nobody knows whether there is more.
pub fn read(view: &View, previous: &BTreeSet<Environment>) -> Result<Reading, String> {
    let mut reading = Reading::default();
    for table in tables(view, previous)? {
        for Found { seen, .. } in table.lines() {
            match seen {
                Seen::Entry(line) => reading.old.push(line),
                Seen::Doubtful(line) => reading.doubtful.push(line),
            }
        }
    }
    reading.old.sort();
    reading.doubtful.sort();
    Ok(reading)
}

/// The tables that cron reads and that are not ours under our present name. Debian's cron takes names of letters, digits, `-` and `_`; where
/// another takes more, a copy with a suffix is left alone.
fn tables<'a>(view: &'a View, previous: &BTreeSet<Environment>) -> Result<Vec<SeenTable<'a>>, String> {
    let is_read = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let system = |path: &str| Table::System(path.to_owned());
    let mut tables = Vec::new();
    let alone = view.at(SYSTEM_TABLE).map_err(|error| error.to_string())?;
    let of = |table, path, seen| SeenTable { table, path, seen, earlier: false };
    tables.extend(alone.map(|seen| of(system(SYSTEM_TABLE), SYSTEM_TABLE, seen)));
    if let Some((path, why)) = view.unread_within(DIRECTORY).find(|(path, _)| is_read(path)) {
        return Err(format!("cannot read {path}: {why}"));
    }
    for (path, seen) in view.within(DIRECTORY).filter(|(path, _)| is_read(path)) {
        match mark(&String::from_utf8_lossy(&seen.bytes)) {
            None => tables.push(of(system(path), path, seen)),
            Some(mark) if previous.contains(&mark.environment) => {
                tables.push(SeenTable { earlier: true, ..of(system(path), path, seen) });
            }
            Some(_) => {}
        }
    }
    for spool in SPOOLS {
        let is_users = |path: &str| view.named_after_users.contains(path);
        if let Some((path, why)) = view.unread_within(spool).find(|(path, _)| is_users(path)) {
            return Err(format!("cannot read {path}: {why}"));
        }
        for (path, seen) in view.within(spool).filter(|(path, _)| is_users(path)) {
            let user = path.rsplit('/').next().unwrap_or_default().parse();
            tables.extend(user.ok().map(|user| of(Table::User(user), path, seen)));
        }
    }
    tables.retain(|table| table.seen.kind == EntryKind::File);
    Ok(tables)
}

/// How old entries leave their tables; `None` where one of them is no longer there.
pub fn takings(
    view: &View,
    environment: &Environment,
    previous: &BTreeSet<Environment>,
    id: &Id,
    old: &[OldLine],
) -> Result<Option<Vec<Taking>>, String> {
    let mut missing: BTreeSet<&OldLine> = old.iter().collect();
    let mut takings = Vec::new();
    for one in tables(view, previous)? {
        let (text, found) = (one.body(), one.lines());
        let SeenTable { table, path, seen, earlier } = &one;
        let gone: Vec<&Found> = found
            .iter()
            .filter(|found| matches!(&found.seen, Seen::Entry(line) if old.contains(line)))
            .collect();
        if gone.is_empty() {
            continue;
        }
        missing.retain(|line| line.table != *table || !gone.iter().any(|found| is(found, line)));
        let taken: Vec<u8> = gone.iter().flat_map(|found| &text[found.range.clone()]).copied().collect();
        let left = without(text, gone.iter().copied());
        let is_left = if *earlier { !is_spent(&left) } else { !is_empty(&left) };
        let goes = !is_left && *path != SYSTEM_TABLE;
        let name = format!("{}-{:.12}", table.slug(), hex::encode(Sha256::digest(&taken)));
        let kept = if goes { text } else { taken.as_slice() };
        takings.push(Taking {
            path: (*path).to_owned(),
            sum: hex::encode(Sha256::digest(&seen.bytes)),
            to: format!("{}/{name}", kept_in(environment)),
            kept: keepsake(environment, table, id.name(), kept),
            left: (!goes).then_some(left),
            table: match table {
                Table::System(_) => InTable::File(seen.access.clone()),
                Table::User(user) => InTable::Of(user.to_string()),
            },
        });
    }
    Ok(missing.is_empty().then_some(takings))
}

fn is(found: &Found, line: &OldLine) -> bool {
    matches!(&found.seen, Seen::Entry(seen) if seen == line)
}
