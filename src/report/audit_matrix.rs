//! Who can destroy what, as a table: a row each who can, a column each kind of power. Buckets that the same people can
//! destroy in the same way share one.

use std::collections::{BTreeMap, BTreeSet};

use super::text::{ALARM, BOLD, DIM, MAGENTA, WIDTH, YELLOW, one_line, styled, wrapped};
use crate::audit::{Ability, Expected};
use crate::policy::Verdict;
use crate::policy::destroyers::Power;

/// The columns: each power, and its heading on two lines.
const COLUMNS: [(Power, [&str; 2]); 10] = [
    (Power::DeleteVersions, ["delete", "them"]),
    (Power::LifecycleRules, ["life-", "cycle"]),
    (Power::Versioning, ["vers-", "ioning"]),
    (Power::BucketPolicy, ["change", "policy"]),
    (Power::ObjectLock, ["object", "lock"]),
    (Power::Access, ["let in", "others"]),
    (Power::Encryption, ["other", "keys"]),
    (Power::Replication, ["repli-", "cate"]),
    (Power::Databases, ["data-", "base"]),
    (Power::RecoveryPoints, ["backup", "vault"]),
];

/// Columns of a cell, and of the names before them.
const CELL: usize = 7;
const NAME: usize = 24;

/// Paths of one row that are shown without `-v`.
const PATHS: usize = 2;

/// One who can.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    /// Unexpected ones first.
    expected: Option<Expected>,
    who: String,
    cells: BTreeMap<Power, Verdict>,
    /// The ways, the surest first, each with the actions that it leads to.
    ways: Vec<(String, Vec<&'static str>)>,
}

/// The tables of all that can be destroyed.
pub fn matrix(abilities: &[Ability], verbose: bool) -> String {
    let mut by_subject: BTreeMap<&str, BTreeMap<&str, Vec<&Ability>>> = BTreeMap::new();
    for ability in abilities {
        by_subject.entry(&ability.subject).or_default().entry(&ability.principal).or_default().push(ability);
    }
    let mut tables: BTreeMap<Vec<Row>, Vec<&str>> = BTreeMap::new();
    for (subject, principals) in by_subject {
        let name = subject.split_once('/').map_or(subject, |(_, name)| name);
        let mut rows: Vec<Row> =
            principals.values().filter_map(|abilities| row(abilities, name, verbose)).collect();
        rows.sort();
        tables.entry(rows).or_default().push(subject);
    }
    let mut tables: Vec<(Vec<&str>, Vec<Row>)> =
        tables.into_iter().map(|(rows, subjects)| (subjects, rows)).collect();
    tables.sort_by(|a, b| a.0.cmp(&b.0));
    tables.iter().map(|(subjects, rows)| table(subjects, rows, verbose)).collect::<Vec<_>>().join("\n")
}

fn row(abilities: &[&Ability], subject: &str, verbose: bool) -> Option<Row> {
    let first = abilities.first()?;
    let mut cells: BTreeMap<Power, Verdict> = BTreeMap::new();
    let mut ways: Vec<(Verdict, String, Vec<&'static str>)> = Vec::new();
    for ability in abilities {
        let cell = cells.entry(ability.power()).or_insert(ability.decision);
        *cell = (*cell).max(ability.decision);
        let path = match ability.via.is_empty() || verbose {
            true => ability.path.join("; "),
            false => ability.via.join(" -> "),
        };
        // A bucket's own name in a path would keep like tables apart.
        let path = path.replace(&format!("bucket/{subject}: policy"), "the bucket's policy");
        match ways.iter_mut().find(|(_, known, _)| *known == path) {
            Some((_, _, actions)) => actions.push(ability.row.action),
            None => ways.push((ability.decision, path, vec![ability.row.action])),
        }
    }
    ways.sort_by(|a, b| b.0.cmp(&a.0).then(b.2.len().cmp(&a.2.len())));
    // An expectation that holds for some of it only is none.
    let expected = abilities.iter().all(|ability| ability.expected == first.expected);
    Some(Row {
        expected: first.expected.filter(|_| expected),
        who: first.who.to_string(),
        cells,
        ways: ways.into_iter().map(|(_, path, actions)| (path, actions)).collect(),
    })
}

fn table(subjects: &[&str], rows: &[Row], verbose: bool) -> String {
    let wrong = rows.iter().filter(|row| row.expected.is_none()).count();
    let who = match wrong {
        0 => "nobody who should not can destroy backups".to_owned(),
        1 => "1 who should not can destroy backups".to_owned(),
        wrong => format!("{wrong} who should not can destroy backups"),
    };
    let style = if wrong == 0 { BOLD } else { ALARM };
    let mut text = String::new();
    for (index, subject) in subjects.iter().enumerate() {
        let (kind, name) = subject.split_once('/').unwrap_or(("", subject));
        let end = if index + 1 == subjects.len() { ":" } else { "" };
        text.push_str(&format!("{kind} {}{end}\n", styled(BOLD, one_line(name))));
    }
    // On the same line, where there is room.
    let last = subjects.last().map_or(0, |subject| subject.chars().count());
    if last + 2 + who.len() <= WIDTH {
        text.pop();
        text.push(' ');
    }
    text.push_str(&format!("{}\n\n", styled(style, who)));
    let used: BTreeSet<Power> = rows.iter().flat_map(|row| row.cells.keys().copied()).collect();
    let columns: Vec<&(Power, [&str; 2])> =
        COLUMNS.iter().filter(|(power, _)| used.contains(power)).collect();
    for line in 0..2 {
        let cells: Vec<String> = columns.iter().map(|(_, words)| format!("{:CELL$}", words[line])).collect();
        text.push_str(format!("{:NAME$}{}", "", cells.concat()).trim_end());
        text.push('\n');
    }
    for row in rows {
        if row.expected == Some(Expected::AccountRoot) {
            text.push_str(&format!("{:NAME$}always\n", "account root"));
            continue;
        }
        text.push_str(&line(row, &columns));
        if row.expected.is_none() {
            text.push_str(&ways(row, verbose));
        }
    }
    text
}

fn line(row: &Row, columns: &[&(Power, [&str; 2])]) -> String {
    let who = one_line(&row.who);
    // A name is never cut: where it is too long it has the line to itself.
    let mut text = match who.chars().count() < NAME {
        true => format!("{who:NAME$}"),
        false => format!("{who}\n{:NAME$}", ""),
    };
    for (power, _) in columns {
        let is_wrong = row.expected.is_none();
        let (word, style) = match row.cells.get(power) {
            None => ("-", DIM),
            Some(Verdict::Allowed) if is_wrong => ("YES", ALARM),
            Some(Verdict::Allowed) => ("yes", BOLD),
            Some(Verdict::Conditional) if is_wrong => ("IF", YELLOW),
            Some(Verdict::Conditional) => ("if", YELLOW),
            Some(Verdict::Unknown | Verdict::Denied) => ("?", MAGENTA),
        };
        text.push_str(&format!(
            "{}{:space$}",
            styled(style, word),
            "",
            space = CELL.saturating_sub(word.len())
        ));
    }
    match row.expected {
        Some(Expected::BreakGlass) if NAME + columns.len() * CELL + 11 <= WIDTH => {
            format!("{}break-glass\n", text)
        }
        Some(Expected::BreakGlass) => format!("{}\n    break-glass\n", text.trim_end()),
        _ => format!("{}\n", text.trim_end()),
    }
}

fn ways(row: &Row, verbose: bool) -> String {
    let shown = if verbose { row.ways.len() } else { PATHS };
    let mut text = String::new();
    for (way, actions) in row.ways.iter().take(shown) {
        let way = match verbose {
            true => format!("{}: {way}", actions.join(", ")),
            false => way.clone(),
        };
        text.push_str(&format!("{}\n", wrapped("    ", 6, &one_line(&way))));
    }
    if row.ways.len() > shown {
        text.push_str(&format!("    ... {} more with -v\n", row.ways.len() - shown));
    }
    text
}
