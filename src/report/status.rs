//! How fresh backups are: a table of an environment, the answer of a check, metrics, JSON.

mod table;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::documents;
use super::text::{ALARM, BOLD, GREEN, YELLOW, counted, minute, one_line, styled, wrapped};
use crate::freshness::metrics::{Metrics, Subject};
use crate::freshness::{Matter, Place};
use crate::jobs::CheckReport;
use crate::vocab::{Datastore, Environment, HostName};
use table::table;

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
    /// Every datastore on a host of the environment, also those that nobody looked at.
    pub all: Vec<(HostName, Datastore)>,
}

impl Status {
    /// How many others say that all is well at the very URL at which this one does.
    pub fn sharing(&self, host: &Host) -> usize {
        let Ok(report) = &host.report else { return 0 };
        let this = (&host.host, &host.datastore);
        let others = self.all.iter().map(|(host, datastore)| (host, datastore)).filter(|one| *one != this);
        others.filter(|one| report.watch.ping && report.watch.apart.are_one(this, *one)).count()
    }
}

/// After how long a test of the alerts no longer says much.
const TEST_HOLDS: TimeDelta = TimeDelta::days(180);

/// The table, what is wrong, what to do. `width`: columns that the table may take.
pub fn status(status: &Status, width: usize) -> String {
    let mut text =
        format!("{BOLD}environment {} \u{b7} {} UTC{BOLD:#}\n\n", status.environment, minute(status.at));
    text.push_str(&table(&status.hosts, status.at, width));
    text.push_str(&wrong(&status.hosts));
    let watchers: Vec<String> = status.hosts.iter().flat_map(|host| watching(host, status)).collect();
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
        for lost in &report.lost {
            say(ALARM, lost);
            matters.push(Matter::Lost);
        }
        for wrong in report.unversioned.values() {
            say(ALARM, wrong);
            matters.push(Matter::Unversioned);
        }
        for entry in &report.old_entries {
            say(ALARM, &format!("an old cron entry is back and makes the same backups: {entry}"));
            matters.push(Matter::OldEntries);
        }
        if let Some(failure) = report.failure() {
            say(ALARM, &failure.to_string());
            if let Some(help) = &failure.help {
                text.push_str(&format!("{}\n", wrapped("  = help: ", 10, &one_line(help))));
            }
        }
        for matter in matters {
            // The failure that was told says better what to do.
            let is_told = matter == Matter::Late && report.failure().is_some();
            if !is_told && helped.insert(matter) {
                text.push_str(&format!("{}\n", wrapped("  = help: ", 10, matter.help())));
            }
        }
    }
    text
}

/// What is to be said of who is told.
fn watching(host: &Host, status: &Status) -> Vec<String> {
    let Status { watcher, at: now, .. } = *status;
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
    } else if let others @ 1.. = status.sharing(host)
        && watcher == Watcher::Person
    {
        lines.push(format!(
            "{about}: {} the URL of pings.success, so the service there hears that all is well although this one is gone; \
             write {{host}} and {{datastore}} into the URL in the vault, and give each a check of its own there, or run \
             `reconcile status --prometheus FILE` elsewhere by cron",
            match others {
                1 => "one other shares".to_owned(),
                others => format!("{others} others share"),
            }
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
    let as_they_are = |count: usize| match count {
        1 => "as it should be",
        _ => "as they should be",
    };
    if good == hosts.len() {
        let all = format!("{} {}", counted(good, "datastore"), as_they_are(good));
        return format!("{}.", styled(GREEN, all));
    }
    // What is counted stands at the first.
    let mut parts: Vec<String> = Vec::new();
    if good > 0 {
        parts.push(format!("{} {}", counted(good, "datastore"), as_they_are(good)));
    }
    if bad > 0 {
        let text = match parts.is_empty() {
            true => format!("{} not {}", counted(bad, "datastore"), as_they_are(bad)),
            false => format!("{bad} not"),
        };
        parts.push(styled(ALARM, text));
    }
    if unseen > 0 {
        let count = if parts.is_empty() { counted(unseen, "datastore") } else { unseen.to_string() };
        parts.push(styled(YELLOW, format!("{count} not seen in full")));
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
