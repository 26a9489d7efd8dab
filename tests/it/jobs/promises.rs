//! Short histories of nights, by the hundred, through what decides alone: what stays, what is missing, what is told.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;
use reconcile::freshness::{Facts, Goals, Place, Promise, Seen, judge};
use reconcile::jobs::tell::incident::{About, Event, News, after};
use reconcile::jobs::tell::memory::{Done, Failed, Memory};
use reconcile::jobs::{CheckReport, Stage, tell};
use reconcile::retention::local::{Backup, Policy, Term, decide};
use reconcile::vocab::Tier;

const POLICY: Policy = Policy { days: 2, weeks: 1, hours: 1 };

/// What becomes of a night's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Night {
    Proven,
    /// Whole here, and its copy failed.
    Unproven,
    Failed,
    /// The host is down until the next noon: no run, and no check in the morning.
    Down,
    /// Cron did not run it.
    Missed,
}

fn nights() -> impl Strategy<Value = Vec<Night>> {
    let night = prop_oneof![
        6 => Just(Night::Proven),
        1 => Just(Night::Unproven),
        1 => Just(Night::Failed),
        1 => Just(Night::Down),
        1 => Just(Night::Missed),
    ];
    prop::collection::vec(night, 1..40)
}

#[derive(Default)]
struct History {
    /// Until they are removed.
    backups: Vec<Backup>,
    memory: Memory,
    open: bool,
    failed: bool,
    last: Option<DateTime<Utc>>,
}

fn start() -> DateTime<Utc> {
    "2026-11-01T00:00:00Z".parse().expect("an instant")
}

impl History {
    fn happens(&mut self, event: &Event<'_>, now: DateTime<Utc>) {
        let (memory, news) = after(&self.memory, event, now);
        self.memory = memory;
        for (about, news) in news {
            assert_eq!(about, About::Backups, "nothing is verified here");
            match news {
                News::Began(_) => assert!(!std::mem::replace(&mut self.open, true), "told twice"),
                News::Joined(_, joined) => panic!("that backups are late is one matter: {joined:?}"),
                News::Ended(_) => assert!(std::mem::replace(&mut self.open, false), "over before it began"),
            }
        }
    }

    fn night(&mut self, night: Night, now: DateTime<Utc>) {
        if matches!(night, Night::Proven | Night::Unproven) {
            let proven = night == Night::Proven;
            let name = now.to_rfc3339();
            self.backups.push(Backup { name, term: Term::Tier(Tier::Daily), taken: now, proven });
        }
        match night {
            Night::Proven => {
                let fates = decide(&self.backups, POLICY, now);
                let mut fates = fates.iter();
                self.backups.retain(|_| fates.next().is_some_and(|fate| fate.is_kept()));
                // Nothing but what the policy keeps, and the new one.
                assert!(self.backups.iter().all(|one| now - one.taken < TimeDelta::days(3)));
                assert!(self.backups.iter().any(|one| one.proven && one.taken == now));
                (self.failed, self.last) = (false, Some(now));
                let done = Done {
                    name: now.to_rfc3339(),
                    began: now,
                    ended: now,
                    bytes: 1000,
                    format: "plain gz".to_owned(),
                    alarm: None,
                };
                self.happens(&Event::Succeeded { tier: Tier::Daily, done }, now);
            }
            Night::Unproven | Night::Failed => {
                self.failed = true;
                let stage = if night == Night::Failed { Stage::Dump } else { Stage::Upload };
                let failed = Failed { at: now, stage, message: "because of the test".to_owned(), help: None };
                self.happens(&Event::Failed { tier: Tier::Daily, failed }, now);
                assert!(self.open, "a failure is told at once");
            }
            Night::Down | Night::Missed => {}
        }
    }

    fn check(&mut self, now: DateTime<Utc>) {
        let seen = |place: Place| {
            self.backups.iter().filter(move |one| place == Place::Here || one.proven).map(move |one| Seen {
                tier: Tier::Daily,
                place,
                name: one.name.clone(),
                began: one.taken,
                ended: one.taken,
                bytes: 1000,
                written: None,
                format: Some("plain gz".to_owned()),
                hidden: None,
                dated_by_storage: false,
            })
        };
        let schedule = "0 1 * * *".parse().expect("a schedule");
        let facts = Facts {
            now,
            zone: Tz::UTC,
            promises: BTreeMap::from([(Tier::Daily, Promise { schedule, since: start() })]),
            places: BTreeMap::from([(Place::Here, None), (Place::Remote, None)]),
            seen: seen(Place::Here).chain(seen(Place::Remote)).collect(),
            running: None,
            goals: Goals::default(),
            verified: None,
        };
        let report = CheckReport {
            environment: "production".parse().expect("a name"),
            host: "db1".parse().expect("a name"),
            datastore: "postgresql".parse().expect("a name"),
            at: now,
            zone: "UTC".to_owned(),
            directory: "/b".to_owned(),
            bucket: None,
            freshness: judge(&facts),
            old_entries: Vec::new(),
            unversioned: Default::default(),
            lost: Vec::new(),
            proofs: Default::default(),
            last_failure: None,
            watch: tell::Watch::default(),
        };
        self.happens(&Event::Checked(&report), now);
        let night = now.date_naive().and_hms_opt(1, 0, 0).expect("one o'clock").and_utc();
        let late = self.failed || self.last.is_none_or(|last| last < night);
        assert_eq!(self.open, late, "{now}: whoever is to be told is told, and nobody else: {report:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn nights_are_told_once_and_the_newest_proven_backup_stays(nights in nights()) {
        let mut history = History::default();
        for (day, night) in nights.iter().enumerate() {
            let midnight = start() + TimeDelta::days(i64::try_from(day).expect("few"));
            history.night(*night, midnight + TimeDelta::hours(1));
            if *night != Night::Down {
                history.check(midnight + TimeDelta::hours(3));
            }
            history.check(midnight + TimeDelta::hours(15));
            let proven = history.backups.iter().filter(|one| one.proven).map(|one| one.taken).max();
            prop_assert_eq!(proven, history.last);
        }
    }
}
