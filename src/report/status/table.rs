//! The table of a status: a row for each tier of a datastore on a host.

use chrono::{DateTime, TimeDelta, Utc};

use super::Host;
use crate::freshness::{Place, PlaceFreshness, State, TierFreshness};
use crate::jobs::CheckReport;
use crate::report::text::{ALARM, DIM, bytes, minute, styled};

const HEADS: [&str; 8] =
    ["datastore", "host", "tier", "here (UTC)", "bucket (UTC)", "age / goal", "size", "proven"];
/// Columns that go where there is no room, the first one first.
const DROPPED: [usize; 3] = [6, 7, 3];
/// For how long an instant is told without its year.
const SAME_YEAR: TimeDelta = TimeDelta::days(300);

struct Line {
    cells: [Cell; 8],
    /// Nobody needs to act.
    good: bool,
}

/// What stands in a column.
enum Cell {
    Words(String),
    Instant(DateTime<Utc>),
    /// How long ago.
    Age(TimeDelta),
}

impl Cell {
    fn text(&self, is_long: bool) -> String {
        match self {
            Cell::Words(words) => words.clone(),
            Cell::Instant(at) if is_long => minute(*at),
            Cell::Instant(at) => at.format("%m-%d %H:%M").to_string(),
            Cell::Age(age) if is_long => format!("{} ago", span(*age)),
            Cell::Age(age) => span(*age),
        }
    }
}

impl From<&str> for Cell {
    fn from(words: &str) -> Self {
        Cell::Words(words.to_owned())
    }
}

/// Those that are left when so many have gone.
fn columns_without(dropped: usize) -> impl Iterator<Item = usize> {
    (0..HEADS.len()).filter(move |column| !DROPPED[..dropped].contains(column))
}

/// Within the width: sizes go first, then the years of instants that are all of late, then when it was proven, then what is on the
/// host: below the table everything is told that is not as it should be.
pub(super) fn table(hosts: &[Host], now: DateTime<Utc>, width: usize) -> String {
    let lines: Vec<Line> = hosts.iter().flat_map(|host| lines(host, now)).collect();
    let is_lately = |cell: &Cell| match cell {
        Cell::Words(_) | Cell::Age(_) => true,
        Cell::Instant(at) => (now - *at).abs() < SAME_YEAR,
    };
    let lately = lines.iter().flat_map(|line| &line.cells).all(is_lately);
    let widest = |column: usize, is_long: bool| {
        let cells = lines.iter().map(|line| line.cells[column].text(is_long).chars().count());
        cells.chain([HEADS[column].len()]).max().unwrap_or_default()
    };
    // Two columns between, and the mark at the end.
    let fits = |(dropped, is_long): &(usize, bool)| {
        let columns = columns_without(*dropped);
        columns.map(|column| widest(column, *is_long) + 2).sum::<usize>() < width
    };
    let layouts =
        (0..=DROPPED.len()).flat_map(|dropped| [(dropped, true), (dropped, dropped == 0 || !lately)]);
    let (dropped, is_long) = layouts.into_iter().find(fits).unwrap_or((DROPPED.len(), !lately));
    let widths: Vec<(usize, usize)> =
        columns_without(dropped).map(|column| (column, widest(column, is_long))).collect();
    let row = |text: &dyn Fn(usize) -> String| {
        let cells = widths.iter().map(|(column, width)| format!("{:<width$}", text(*column)));
        cells.collect::<Vec<_>>().join("  ")
    };
    let mut text = format!("{DIM}{}{DIM:#}\n", row(&|column| HEADS[column].to_owned()).trim_end());
    for line in &lines {
        let cells = row(&|column| line.cells[column].text(is_long));
        text.push_str(&match line.good {
            true => format!("{}\n", cells.trim_end()),
            false => format!("{}\n", styled(ALARM, format_args!("{cells}  !"))),
        });
    }
    text
}

fn lines(host: &Host, now: DateTime<Utc>) -> Vec<Line> {
    let (name, datastore) = (host.host.to_string(), host.datastore.to_string());
    let report = match &host.report {
        Ok(report) if !report.freshness.tiers.is_empty() => report,
        _ => {
            let words = [datastore.as_str(), name.as_str(), "-", "not seen", "-", "-", "-", "not seen"];
            return vec![Line { cells: words.map(Cell::from), good: false }];
        }
    };
    let is_condemned = |tier: &TierFreshness| {
        report.proofs.condemned.as_ref().is_some_and(|condemned| condemned.tier == tier.tier)
    };
    let has_failed = |tier: &TierFreshness| report.failure().is_some_and(|failure| failure.tier == tier.tier);
    let line = |tier: &TierFreshness| {
        let at = |place: Place| tier.places.iter().find(|at| at.place == place);
        let newest = tier.places.iter().max_by_key(|at| at.place).and_then(|at| at.newest.as_ref());
        Line {
            cells: [
                Cell::from(datastore.as_str()),
                Cell::from(name.as_str()),
                Cell::Words(tier.tier.to_string()),
                at(Place::Here).map_or_else(|| Cell::from("-"), cell),
                at(Place::Remote).map_or_else(|| Cell::from("-"), cell),
                Cell::Words(age_and_goal(newest.map(|newest| now - newest.ended), tier)),
                Cell::Words(newest.map_or_else(|| "-".to_owned(), |newest| bytes(newest.bytes))),
                proven(report, is_condemned(tier), now),
            ],
            good: tier.places.iter().all(|at| at.state.is_good()) && !is_condemned(tier) && !has_failed(tier),
        }
    };
    report.freshness.tiers.iter().map(line).collect()
}

/// How long ago a backup of the datastore was restored and found good.
fn proven(report: &CheckReport, is_condemned: bool, now: DateTime<Utc>) -> Cell {
    match report.verified() {
        _ if report.freshness.unseen().contains_key(&Place::Here) => Cell::from("not seen"),
        _ if is_condemned => Cell::from("FAILED"),
        Some(at) => Cell::Age(now - at),
        None => Cell::from("never"),
    }
}

fn cell(at: &PlaceFreshness) -> Cell {
    match (&at.state, &at.newest) {
        (State::Unseen { .. }, _) => Cell::from("not seen"),
        (State::Hidden { .. }, _) => Cell::from("HIDDEN"),
        (State::Awaited, _) => Cell::from("not due yet"),
        (State::Running { .. }, None) => Cell::from("under way"),
        (State::Missing { .. }, None) => Cell::from("MISSING"),
        (_, Some(newest)) => Cell::Instant(newest.ended),
        (_, None) => Cell::from("-"),
    }
}

/// How old the newest is, and how old it may become: until the next run's would be missed. A unit that both have stands once.
/// Until the first run was due no age is promised.
fn age_and_goal(age: Option<TimeDelta>, tier: &TierFreshness) -> String {
    let goal = tier.limit.zip(tier.due).map_or_else(|| "-".to_owned(), |(limit, due)| span(limit - due));
    let age = age.map_or_else(|| "-".to_owned(), span);
    match (age.split_once(' '), goal.split_once(' ')) {
        (Some((age, unit)), Some((goal, same))) if unit == same => format!("{age} / {goal} {unit}"),
        _ => format!("{age} / {goal}"),
    }
}

/// The largest unit that leaves two or more: `26 h`, `3 days`.
fn span(span: TimeDelta) -> String {
    match span.num_seconds().max(0) {
        seconds @ 0..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
