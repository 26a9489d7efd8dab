//! Hosts as text: how many were seen, what each is, and what about one of them should worry somebody.

use std::collections::BTreeMap;

use super::text::{ALARM, BOLD, bytes, counted, one_line, styled, wrapped};
use crate::plan::{Outcome, Plan, Report};
use crate::state::{Cron, HostFacts, HostSighting};
use crate::vocab::HostName;

/// Beyond this a clock makes schedules, ages and signatures wrong.
const CLOCK_SECONDS: i64 = 60;

/// `3 hosts, 1 unreachable`.
pub(super) fn count(plan: &Plan) -> Option<String> {
    let unreachable = plan.hosts.values().filter(|host| matches!(host, HostSighting::Unreachable(_))).count();
    let hosts = counted(plan.hosts.len(), "host");
    match (plan.hosts.len(), unreachable) {
        (0, _) => None,
        (_, 0) => Some(hosts),
        _ => Some(format!("{hosts}, {}", styled(ALARM, format!("{unreachable} unreachable")))),
    }
}

/// Clocks that are wrong.
pub(super) fn warnings(plan: &Plan) -> String {
    let mut text = String::new();
    for (host, sighting) in &plan.hosts {
        let HostSighting::Reached(HostFacts { clock_ahead: Some(ahead), .. }) = sighting else { continue };
        if ahead.abs() > CLOCK_SECONDS {
            let sum = format!("the clock of {host} is {}", off(*ahead));
            text.push_str(&format!("{}\n", styled(ALARM, sum)));
            let so = "its backups are made, dated and removed at other times than the plan says: see its time service";
            text.push_str(&wrapped("    ", 4, so));
            text.push_str("\n\n");
        }
    }
    text
}

/// Everything that is known of each host.
pub(super) fn table(hosts: &BTreeMap<HostName, HostSighting>) -> String {
    if hosts.is_empty() {
        return String::new();
    }
    let width = hosts.keys().map(|host| host.as_str().chars().count()).max().unwrap_or_default();
    let mut text = format!("{}\n", styled(BOLD, "hosts"));
    for (host, sighting) in hosts {
        let words = match sighting {
            HostSighting::Unreachable(why) => format!("unreachable: {}", one_line(why)),
            HostSighting::Reached(facts) => one_line(&words(facts).join(" · ")),
        };
        text.push_str(&wrapped(&format!("  {:<width$}  ", host.as_str()), width + 4, &words));
        text.push('\n');
    }
    text.push('\n');
    text
}

/// What became of the changes in each place, where there is more than one: a line each, what went wrong standing out.
pub(super) fn outcomes(report: &Report) -> String {
    let mut places: BTreeMap<Option<&HostName>, [usize; 3]> = BTreeMap::new();
    for (id, outcome) in &report.outcomes {
        let counts = places.entry(id.host()).or_default();
        let [done, failed, skipped] = counts;
        match outcome {
            Outcome::Done => *done += 1,
            Outcome::Failed(_) => *failed += 1,
            Outcome::Skipped(_) => *skipped += 1,
        }
    }
    if places.len() < 2 {
        return String::new();
    }
    let name = |place: &Option<&HostName>| place.map_or_else(|| "cloud".to_owned(), ToString::to_string);
    let width = places.keys().map(|place| name(place).chars().count()).max().unwrap_or_default().max(5);
    let mut text = format!(
        "\n{}\n",
        styled(BOLD, format!("{:<width$}  {:>6}  {:>6}  {:>7}", "place", "done", "failed", "skipped"))
    );
    let cell = |count: usize, width: usize| match count {
        0 => format!("{:>width$}", "-"),
        count => format!("{count:>width$}"),
    };
    for (place, [done, failed, skipped]) in &places {
        let failed_cell = match failed {
            0 => cell(0, 6),
            failed => styled(ALARM, cell(*failed, 6)),
        };
        text.push_str(&format!(
            "{:<width$}  {}  {failed_cell}  {}\n",
            name(place),
            cell(*done, 6),
            cell(*skipped, 7)
        ));
    }
    text.push('\n');
    text
}

fn words(facts: &HostFacts) -> Vec<String> {
    let HostFacts {
        zone,
        cron,
        hostname,
        architecture,
        clock_ahead,
        identity: _,
        users: _,
        curl: _,
        postgresql,
        space,
    } = facts;
    let mut words = Vec::new();
    words.extend(hostname.iter().map(|name| format!("hostname {name}")));
    words.extend(architecture.clone());
    words.push(zone.to_string());
    words.push(match cron {
        Cron::Played => "played by the sandbox".to_owned(),
        Cron::Runs(name) => format!("{name} runs"),
        Cron::Missing(_) => "no cron".to_owned(),
    });
    words.extend(clock_ahead.filter(|ahead| ahead.abs() > 1).map(|ahead| format!("clock {}", off(ahead))));
    if let Some(programs) = postgresql {
        for (program, versions) in programs {
            let mut versions: Vec<&str> = versions.iter().map(|version| number(version)).collect();
            versions.dedup();
            words.push(format!("{program} {}", versions.join(", ")));
        }
    }
    let rooms = space.iter().map(|(directory, room)| {
        format!("{} of {} free in {directory}", bytes(room.free), bytes(room.total))
    });
    words.extend(rooms);
    words
}

/// `3 s ahead`, `2 h behind`.
fn off(ahead: i64) -> String {
    let amount = match ahead.unsigned_abs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    };
    format!("{amount} {}", if ahead > 0 { "ahead" } else { "behind" })
}

/// `15.18` of `psql (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn number(version: &str) -> &str {
    let words = version.split_whitespace().filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    words.into_iter().next().unwrap_or("of unknown version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_and_versions_are_short() {
        assert_eq!(off(3), "3 s ahead");
        assert_eq!(off(-7500), "2 h behind");
        assert_eq!(number("psql (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), "15.18");
        assert_eq!(number(""), "of unknown version");
    }
}
