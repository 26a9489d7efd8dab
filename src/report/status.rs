//! How fresh backups are: a table of an environment, the answer of a check, metrics, JSON.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::documents;
use super::text::{ALARM, BOLD, DIM, GREEN, YELLOW, bytes, counted, minute, one_line, styled, wrapped};
use crate::freshness::metrics::{Metrics, Subject};
use crate::freshness::{Matter, Place, PlaceFreshness, State, TierFreshness};
use crate::jobs::CheckReport;
use crate::vocab::{Datastore, Environment, HostName};

/// A datastore on a host: what it looks like, or why nobody can say.
#[derive(Clone, Debug)]
pub struct Host {
    pub host: HostName,
    pub datastore: Datastore,
    pub report: Result<CheckReport, String>,
}

/// Who looks, besides the hosts themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watcher {
    /// Somebody, now and then.
    Person,
    /// Whoever collects the metrics that are written.
    Metrics,
}

/// An environment as seen from here.
#[derive(Clone, Debug)]
pub struct Status {
    pub environment: Environment,
    pub at: DateTime<Utc>,
    pub watcher: Watcher,
    pub hosts: Vec<Host>,
}

/// After how long a test of the alerts no longer says much.
const TEST_HOLDS: TimeDelta = TimeDelta::days(180);

/// The table, what is wrong, what to do. `width`: columns that the table may take.
pub fn status(status: &Status, width: usize) -> String {
    let mut text =
        format!("{BOLD}environment {} \u{b7} {} UTC{BOLD:#}\n\n", status.environment, minute(status.at));
    text.push_str(&table(&status.hosts, status.at, width));
    text.push_str(&wrong(&status.hosts));
    let watchers: Vec<String> =
        status.hosts.iter().flat_map(|host| watching(host, status.watcher, status.at)).collect();
    if !watchers.is_empty() {
        text.push_str(&format!("\n{}\n", styled(BOLD, "alerts")));
    }
    for line in watchers {
        text.push_str(&format!("{}\n", wrapped(&format!("{} ", styled(YELLOW, "!")), 2, &one_line(&line))));
    }
    text.push_str(&format!("\n{}\n", summary(&status.hosts)));
    text
}

/// The answer of `check` over several datastores or hosts.
pub fn checks(hosts: &[Host], width: usize) -> String {
    let now = hosts.iter().filter_map(|host| host.report.as_ref().ok()).map(|report| report.at).max();
    let mut text = table(hosts, now.unwrap_or_default(), width);
    text.push_str(&wrong(hosts));
    text.push_str(&format!("\n{}\n", summary(hosts)));
    text
}

/// The answer of one check.
pub fn check(report: &CheckReport, width: usize) -> String {
    let host =
        Host { host: report.host.clone(), datastore: report.datastore.clone(), report: Ok(report.clone()) };
    checks(std::slice::from_ref(&host), width)
}

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
fn table(hosts: &[Host], now: DateTime<Utc>, width: usize) -> String {
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
            good: tier.places.iter().all(|at| at.state.is_good()) && !is_condemned(tier),
        }
    };
    report.freshness.tiers.iter().map(line).collect()
}

/// How long ago a backup of the datastore was restored and found good.
fn proven(report: &CheckReport, is_condemned: bool, now: DateTime<Utc>) -> Cell {
    match report.verified {
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
fn age_and_goal(age: Option<TimeDelta>, tier: &TierFreshness) -> String {
    let goal =
        tier.limit.map_or_else(|| "-".to_owned(), |limit| span(limit - tier.due.unwrap_or(tier.since)));
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

/// What is not as it should be, and what could not be seen, below the table.
fn wrong(hosts: &[Host]) -> String {
    let mut text = String::new();
    let mut helped: BTreeSet<Matter> = BTreeSet::new();
    for host in hosts {
        let about = format!("{} on {}: ", host.datastore, host.host);
        let mut say = |style, line: &str| {
            let first = format!("{} ", styled(style, "!"));
            text.push_str(&format!("\n{}\n", wrapped(&first, 2, &one_line(&format!("{about}{line}")))));
        };
        let report = match &host.report {
            Ok(report) => report,
            Err(why) => {
                say(YELLOW, &format!("cannot be looked at: {why}"));
                continue;
            }
        };
        for (place, why) in report.freshness.unseen() {
            say(YELLOW, &format!("what is {place} cannot be seen: {why}"));
        }
        if report.freshness.tiers.is_empty() && report.saw_everything() {
            say(YELLOW, "its job file tells no schedule; `reconcile apply` writes it anew");
        }
        let mut matters = Vec::new();
        for finding in report.freshness.findings() {
            say(ALARM, &finding.to_string());
            matters.push(finding.matter());
        }
        for (matter, wrong) in report.proofs.wrong() {
            say(ALARM, &wrong);
            matters.push(matter);
        }
        for entry in &report.old_entries {
            say(ALARM, &format!("an old cron entry is back and makes the same backups: {entry}"));
            matters.push(Matter::OldEntries);
        }
        if let Some(failure) = &report.last_failure {
            let at = minute(failure.at);
            let what = format!(
                "the last {} backup failed at {}, {at} UTC: {}",
                failure.tier, failure.stage, failure.message
            );
            say(ALARM, &what);
            if let Some(help) = &failure.help {
                text.push_str(&format!("{}\n", wrapped("  = help: ", 10, &one_line(help))));
            }
        }
        for matter in matters {
            // The failure that was told says better what to do.
            let is_told = matter == Matter::Late && report.last_failure.is_some();
            if !is_told && helped.insert(matter) {
                text.push_str(&format!("{}\n", wrapped("  = help: ", 10, matter.help())));
            }
        }
    }
    text
}

/// What is to be said of who is told.
fn watching(host: &Host, watcher: Watcher, now: DateTime<Utc>) -> Vec<String> {
    let Ok(report) = &host.report else { return Vec::new() };
    let about = format!("{} on {}", host.datastore, host.host);
    let watch = &report.watch;
    let mut lines = Vec::new();
    if let Some(why) = &watch.untold {
        let letters = counted(watch.waiting, "letter");
        lines.push(format!("{about}: {letters} could not be delivered: {why}"));
    }
    if !report.saw_everything() && watch.channels.is_empty() {
        // Who is told the host alone knows.
        return lines;
    }
    if watch.channels.is_empty() {
        lines.push(format!(
            "{about}: nobody is told when it fails; set alerts.email below backups:, or pings in the vault"
        ));
    } else if !watch.ping && watcher == Watcher::Person {
        lines.push(format!(
            "{about}: only {} itself watches it, and says nothing when it is gone; set pings.success in the vault to the URL \
             of a service that waits for it, or run `reconcile status --prometheus FILE` elsewhere by cron",
            host.host
        ));
    }
    match &watch.confirmed {
        _ if watch.channels.is_empty() => {}
        None => lines.push(format!("{about}: no alert was ever seen to arrive; run `reconcile alerts test`")),
        Some(confirmed) if now - confirmed.at > TEST_HOLDS => lines.push(format!(
            "{about}: an alert was last seen to arrive {}; run `reconcile alerts test`",
            super::text::day(confirmed.at)
        )),
        Some(_) => {}
    }
    lines
}

fn summary(hosts: &[Host]) -> String {
    let is_good =
        |host: &&Host| host.report.as_ref().is_ok_and(|report| report.is_good() && report.saw_everything());
    let good = hosts.iter().filter(is_good).count();
    let unseen = hosts.iter().filter(|host| !host.report.as_ref().is_ok_and(CheckReport::saw_everything));
    let unseen = unseen.count();
    let bad = hosts.iter().filter(|host| host.report.as_ref().is_ok_and(|report| !report.is_good())).count();
    if good == hosts.len() {
        return format!("{}.", styled(GREEN, format_args!("{good} as they should be")));
    }
    let mut parts = Vec::new();
    if good > 0 {
        parts.push(format!("{good} as they should be"));
    }
    if bad > 0 {
        parts.push(styled(ALARM, format_args!("{bad} not")));
    }
    if unseen > 0 {
        parts.push(styled(YELLOW, format_args!("{unseen} not seen in full")));
    }
    format!("{}.", parts.join(", "))
}

/// `reconcile.check/1`: the report as it is.
pub fn check_json(report: &CheckReport) -> Value {
    let mut document = json!({"format": "reconcile.check/1"});
    if let (Value::Object(document), Ok(Value::Object(report))) =
        (&mut document, serde_json::to_value(report))
    {
        document.extend(report);
    }
    document
}

/// `reconcile.checks/1`: of several datastores or hosts.
pub fn checks_json(hosts: &[Host]) -> Value {
    let reports = hosts.iter().filter_map(|host| host.report.as_ref().ok()).map(check_json);
    let unseen = hosts.iter().filter_map(|host| {
        let why = host.report.as_ref().err()?;
        Some(json!({"host": host.host.to_string(), "datastore": host.datastore.to_string(), "why": why}))
    });
    json!({
        "format": "reconcile.checks/1",
        "checks": reports.collect::<Vec<_>>(),
        "unseen": unseen.collect::<Vec<_>>(),
    })
}

/// `reconcile.status/1`.
pub fn status_json(status: &Status) -> Value {
    documents::json(&documents::status::of(status))
}

/// Metrics of every host, for one who collects them here.
pub fn metrics(status: &Status) -> String {
    let mut metrics = Metrics::default();
    for host in &status.hosts {
        let (environment, name) = (status.environment.to_string(), host.host.to_string());
        let datastore = host.datastore.to_string();
        let subject = Subject { environment: &environment, host: &name, datastore: &datastore };
        metrics.seen(subject, host.report.as_ref().is_ok_and(CheckReport::saw_everything));
        if let Ok(report) = &host.report {
            metrics.freshness(subject, &report.freshness);
            metrics.incident(subject, !report.is_good(), report.watch.waiting);
            if !report.freshness.unseen().contains_key(&Place::Here) {
                let proven = report.proofs.proven.as_ref().map(|proven| proven.at.timestamp());
                metrics.proofs(subject, report.proofs.is_good(), proven);
            }
            if let Some(at) = report.watch.checked {
                metrics.checked(subject, at.timestamp());
            }
        }
    }
    metrics.text()
}

#[cfg(test)]
mod tests;
