//! Reads the tables of cron on a host, and takes old entries out of them once ours stand.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{
    Doubtful, Found, OldLine, SPOOLS, SYSTEM_TABLE, Seen, Table, is_empty, keepsake, kept_in, lines, listed,
    without,
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
pub fn read(view: &View) -> Result<Reading, String> {
    let mut reading = Reading::default();
    for SeenTable { table, seen, .. } in tables(view)? {
        for Found { seen, .. } in lines(body(&table, &seen.bytes), &table) {
            match seen {
                Seen::Backup(line) => reading.old.push(line),
                Seen::Doubtful(line) => reading.doubtful.push(line),
                Seen::Check(_) => {}
            }
        }
    }
    reading.old.sort();
    reading.doubtful.sort();
    Ok(reading)
}

/// The tables that cron reads and that are not ours. Debian's cron takes names of letters, digits, `-` and `_`; where
/// another takes more, a copy with a suffix is left alone.
fn tables(view: &View) -> Result<Vec<SeenTable<'_>>, String> {
    let is_read = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let system = |path: &str| Table::System(path.to_owned());
    let mut tables = Vec::new();
    let alone = view.at(SYSTEM_TABLE).map_err(|error| error.to_string())?;
    tables.extend(alone.map(|seen| SeenTable { table: system(SYSTEM_TABLE), path: SYSTEM_TABLE, seen }));
    if let Some((path, why)) = view.unread_within(DIRECTORY).find(|(path, _)| is_read(path)) {
        return Err(format!("cannot read {path}: {why}"));
    }
    for (path, seen) in view.within(DIRECTORY).filter(|(path, _)| is_read(path)) {
        if mark(&String::from_utf8_lossy(&seen.bytes)).is_none() {
            tables.push(SeenTable { table: system(path), path, seen });
        }
    }
    for spool in SPOOLS {
        let is_users = |path: &str| view.named_after_users.contains(path);
        if let Some((path, why)) = view.unread_within(spool).find(|(path, _)| is_users(path)) {
            return Err(format!("cannot read {path}: {why}"));
        }
        for (path, seen) in view.within(spool).filter(|(path, _)| is_users(path)) {
            let user = path.rsplit('/').next().unwrap_or_default().parse();
            tables.extend(user.ok().map(|user| SeenTable { table: Table::User(user), path, seen }));
        }
    }
    tables.retain(|table| table.seen.kind == EntryKind::File);
    Ok(tables)
}

/// What of a table's bytes is somebody's.
fn body<'a>(table: &Table, bytes: &'a [u8]) -> &'a [u8] {
    match table {
        Table::System(_) => bytes,
        Table::User(_) => listed(bytes),
    }
}

/// How old entries leave their tables; `None` where one of them is no longer there.
pub fn takings(
    view: &View,
    environment: &Environment,
    id: &Id,
    old: &[OldLine],
) -> Result<Option<Vec<Taking>>, String> {
    let mut missing: BTreeSet<&OldLine> = old.iter().collect();
    let mut takings = Vec::new();
    for SeenTable { table, path, seen } in tables(view)? {
        let text = body(&table, &seen.bytes);
        let found = lines(text, &table);
        let gone: Vec<&Found> = found
            .iter()
            .filter(|found| matches!(&found.seen, Seen::Backup(line) if old.contains(line)))
            .collect();
        if gone.is_empty() {
            continue;
        }
        missing.retain(|line| line.table != table || !gone.iter().any(|found| is(found, line)));
        let taken: Vec<u8> = gone.iter().flat_map(|found| &text[found.range.clone()]).copied().collect();
        let left = without(text, gone.iter().copied());
        let goes = is_empty(&left) && path != SYSTEM_TABLE;
        let name = format!("{}-{:.12}", table.slug(), hex::encode(Sha256::digest(&taken)));
        let kept = if goes { text } else { taken.as_slice() };
        takings.push(Taking {
            path: path.to_owned(),
            sum: hex::encode(Sha256::digest(&seen.bytes)),
            to: format!("{}/{name}", kept_in(environment)),
            kept: keepsake(environment, &table, id.name(), kept),
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
    matches!(&found.seen, Seen::Backup(seen) if seen == line)
}
