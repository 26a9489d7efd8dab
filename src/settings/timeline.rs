//! When the backups of an environment run, on which host, and which of them meet. Pure: the present is handed in.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::summary::DatastoreSummary;
use crate::vocab::{HostName, Schedule, Tier};

/// Meetings are looked for in so many days: every weekday, and each of the rhythms that the flat keys know.
pub const DAYS: i64 = 7;
/// Runs of one schedule within those days; more than one a minute there are none.
const MOST: usize = 7 * 24 * 60;

/// One run of one backup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    pub at: DateTime<Utc>,
    pub host: HostName,
    pub datastore: String,
    pub tier: Tier,
}

/// Two backups that begin on one host in one minute, and compete for its disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// The first time that they meet.
    pub at: DateTime<Utc>,
    pub host: HostName,
    pub runs: [(String, Tier); 2],
    /// How often they meet in the days that were looked at.
    pub times: usize,
}

/// What runs when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The next runs, the first one first.
    pub runs: Vec<Run>,
    pub meetings: Vec<Meeting>,
}

impl Timeline {
    /// The next `count` runs of what is switched on, in the hosts' time zone, and what meets in the days to come.
    pub fn of(datastores: &[DatastoreSummary], from: DateTime<Utc>, zone: Tz, count: usize) -> Self {
        let until = from + TimeDelta::days(DAYS);
        let mut runs: Vec<Run> = Vec::new();
        for datastore in datastores.iter().filter(|one| one.enabled) {
            for tier in &datastore.tiers {
                let Ok(schedule) = tier.schedule.parse::<Schedule>() else { continue };
                // A yearly run is shown too, though it lies beyond the days that are looked at.
                let times = schedule.next(from, zone, MOST.max(count)).into_iter().enumerate();
                let times: Vec<DateTime<Utc>> =
                    times.take_while(|(nth, at)| *nth < count || *at <= until).map(|(_, at)| at).collect();
                for host in &datastore.hosts {
                    runs.extend(times.iter().map(|at| Run {
                        at: *at,
                        host: host.clone(),
                        datastore: datastore.name.clone(),
                        tier: tier.tier,
                    }));
                }
            }
        }
        runs.sort();
        let meetings = meetings(&runs, until);
        runs.truncate(count);
        Timeline { runs, meetings }
    }
}

fn meetings(runs: &[Run], until: DateTime<Utc>) -> Vec<Meeting> {
    type Pair = (HostName, [(String, Tier); 2]);
    let of = |run: &Run| (run.datastore.clone(), run.tier);
    let mut found: BTreeMap<Pair, (DateTime<Utc>, usize)> = BTreeMap::new();
    for (n, one) in runs.iter().enumerate().take_while(|(_, one)| one.at <= until) {
        let others = runs.get(n + 1..).unwrap_or_default().iter().take_while(|other| other.at == one.at);
        for other in others.filter(|other| other.host == one.host) {
            let pair = (one.host.clone(), [of(one), of(other)]);
            found.entry(pair).or_insert((one.at, 0)).1 += 1;
        }
    }
    let mut meetings: Vec<Meeting> =
        found.into_iter().map(|((host, runs), (at, times))| Meeting { at, host, runs, times }).collect();
    meetings.sort_by(|a, b| (a.at, &a.host).cmp(&(b.at, &b.host)));
    meetings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::summary::TierSummary;

    fn datastore(name: &'static str, tiers: &[(Tier, &str)]) -> DatastoreSummary {
        DatastoreSummary {
            name: name.to_owned(),
            enabled: true,
            switch: None,
            hosts_from: "[db]".to_owned(),
            hosts: vec!["db1".parse().expect("a host")],
            method: None,
            user: "root".to_owned(),
            dir: None,
            source_dir: None,
            s3: false,
            bucket: None,
            days: 2,
            weeks: None,
            hours: None,
            hourly: false,
            tiers: tiers
                .iter()
                .map(|(tier, schedule)| TierSummary {
                    tier: *tier,
                    schedule: (*schedule).to_owned(),
                    keep: String::new(),
                })
                .collect(),
        }
    }

    fn saturday() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn the_next_runs_of_all_stand_in_order() {
        let one = datastore("a", &[(Tier::Daily, "0 0 * * 1-6"), (Tier::Weekly, "0 0 * * 0")]);
        let other = datastore("b", &[(Tier::Daily, "30 13 * * *")]);
        let timeline = Timeline::of(&[one, other], saturday(), Tz::Europe__London, 4);
        let words: Vec<String> = timeline
            .runs
            .iter()
            .map(|run| format!("{} {} {}", run.at.format("%a %H:%M"), run.datastore, run.tier))
            .collect();
        assert_eq!(
            words,
            ["Sat 13:30 b daily", "Sun 00:00 a weekly", "Sun 13:30 b daily", "Mon 00:00 a daily"]
        );
        assert!(timeline.meetings.is_empty());
    }

    #[test]
    fn what_begins_in_one_minute_on_one_host_is_told_once() {
        let one = datastore("a", &[(Tier::Daily, "0 0 * * 1-6"), (Tier::Weekly, "0 0 * * 0")]);
        let other = datastore("b", &[(Tier::Daily, "0 0 * * *")]);
        let mut elsewhere = datastore("c", &[(Tier::Daily, "0 0 * * *")]);
        elsewhere.hosts = vec!["db2".parse().expect("a host")];
        let timeline = Timeline::of(&[one, other, elsewhere], saturday(), Tz::UTC, 1);
        let words: Vec<String> = timeline
            .meetings
            .iter()
            .map(|meeting| format!("{} {:?} {}", meeting.at.format("%a"), meeting.runs, meeting.times))
            .collect();
        assert_eq!(
            words,
            [r#"Sun [("a", Weekly), ("b", Daily)] 1"#, r#"Mon [("a", Daily), ("b", Daily)] 6"#]
        );
    }

    #[test]
    fn what_runs_once_a_year_is_shown_too() {
        let timeline = Timeline::of(&[datastore("a", &[(Tier::Daily, "@yearly")])], saturday(), Tz::UTC, 2);
        assert_eq!(timeline.runs.len(), 2);
    }
}
