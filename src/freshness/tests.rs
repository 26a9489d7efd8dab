//! Nights that go well, and nights that do not, in zones whose clocks change.

use proptest::prelude::*;

use super::*;

const SCHEDULES: [&str; 11] = [
    "0 16 * * 1,2,3,4,5,6",
    "0 0 * * 0",
    "15 */3 * * 1,2,3,4,5,6",
    "0 2 * * *",
    "30 1 * * *",
    "30 2 * * 1-6",
    "0 * * * *",
    "*/20 * * * *",
    "@daily",
    "@hourly",
    "0 3,7,11,15,19,23 * * *",
];
const ZONES: [Tz; 6] = [
    Tz::UTC,
    Tz::Europe__London,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::Asia__Kolkata,
    Tz::America__Sao_Paulo,
];

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn backup(tier: Tier, place: Place, began: DateTime<Utc>, ended: DateTime<Utc>) -> Seen {
    Seen {
        tier,
        place,
        name: began.to_rfc3339(),
        began,
        ended,
        bytes: 1000,
        written: None,
        format: Some("plain gzip".to_owned()),
        hidden: None,
        dated_by_storage: false,
    }
}

/// One tier, in both places.
fn facts(schedule: &str, zone: Tz, since: DateTime<Utc>, now: DateTime<Utc>, seen: Vec<Seen>) -> Facts {
    let promise = Promise { schedule: schedule.parse().expect("a schedule"), since };
    Facts {
        now,
        zone,
        promises: BTreeMap::from([(Tier::Daily, promise)]),
        places: BTreeMap::from([(Place::Here, None), (Place::Remote, None)]),
        seen,
        running: None,
        goals: Goals::default(),
        verified: None,
    }
}

fn said(facts: &Facts) -> Vec<String> {
    judge(facts).findings().iter().map(ToString::to_string).collect()
}

/// What the runs left that began up to `now` and are done by then.
fn history(runs: &[(DateTime<Utc>, TimeDelta)], now: DateTime<Utc>) -> Vec<Seen> {
    let done = runs.iter().filter(|(began, took)| *began + *took <= now);
    done.flat_map(|(began, took)| {
        [Place::Here, Place::Remote].map(|place| backup(Tier::Daily, place, *began, *began + *took))
    })
    .collect()
}

/// Of what lost a part no run is answered, and no size is learned.
#[test]
fn a_backup_that_was_cut_is_none() {
    let since = instant("2026-11-19T12:00:00Z");
    let night = |day: u32, hour: u32| instant(&format!("2026-11-{day}T{hour:02}:00:00Z"));
    let whole = |day| backup(Tier::Daily, Place::Here, night(day, 1), night(day, 2));
    let cut = |day, bytes| Seen { bytes, written: Some(1000), ..whole(day) };
    let at = |now, seen: Vec<Seen>| Facts {
        places: BTreeMap::from([(Place::Here, None)]),
        goals: Goals { recovery_point: Some(TimeDelta::hours(26)), verified_within: None },
        ..facts("0 1 * * *", Tz::UTC, since, now, seen)
    };
    let state = |facts: &Facts| judge(facts).tiers[0].places[0].state.clone();
    let night_of_the_cut = at(night(21, 5), vec![whole(20), cut(21, 999)]);
    assert_eq!(state(&night_of_the_cut), State::Cut { written: 1000 });
    let said_of_it = said(&night_of_the_cut);
    assert_eq!(said_of_it[0], "the newest daily backup on the host has 999 B, and 1000 B were written");
    assert!(said_of_it[1].contains("older than the goal"), "what is whole meets it: {said_of_it:?}");
    assert_eq!(judge(&night_of_the_cut).findings()[0].matter(), Matter::Small);
    let large = Seen { written: Some(3_510_148), ..cut(21, 3_510_147) };
    assert!(
        said(&at(night(21, 5), vec![whole(20), large]))[0]
            .contains("has 3510147 bytes, and 3510148 bytes were written")
    );
    // Its successor makes it good; where that is missing, so are both.
    assert_eq!(state(&at(night(22, 5), vec![cut(21, 999), whole(22)])), State::Fresh);
    let missing = State::Missing { since: night(21, 1), runs: 2, running: None };
    assert_eq!(state(&at(night(22, 5), vec![whole(20), cut(21, 999)])), missing);
    // What is usual is not learned from it.
    assert_eq!(state(&at(night(23, 5), vec![cut(21, 5000), cut(22, 5000), whole(23)])), State::Fresh);
}

#[test]
fn a_daily_backup_that_skips_sunday_is_not_missed_on_sunday_or_monday_morning() {
    let since = instant("2026-11-01T12:00:00Z");
    let saturday = instant("2026-11-21T16:00:00Z");
    let seen = history(&[(saturday, TimeDelta::minutes(20))], saturday + TimeDelta::hours(1));
    let at = |now: &str| facts("0 16 * * 1-6", Tz::UTC, since, instant(now), seen.clone());
    for quiet in
        ["2026-11-21T17:00:00Z", "2026-11-22T16:00:00Z", "2026-11-22T23:00:00Z", "2026-11-23T16:59:00Z"]
    {
        assert_eq!(said(&at(quiet)), [""; 0], "{quiet}");
    }
    let late = at("2026-11-23T17:00:00Z");
    assert_eq!(
        said(&late),
        ["on the host", "in the bucket"].map(|place| format!(
            "no daily backup {place} since the run of 2026-11-23 16:00 UTC; the newest is of 2026-11-21 16:20 UTC"
        ))
    );
    let daily = &judge(&late).tiers[0];
    assert_eq!(daily.due, Some(instant("2026-11-23T16:00:00Z")));
    assert_eq!(daily.next, Some(instant("2026-11-24T16:00:00Z")));
    assert_eq!(daily.limit, Some(instant("2026-11-24T17:00:00Z")));
}

#[test]
fn every_missed_run_is_counted_and_a_copy_that_lacks_is_told_alone() {
    let since = instant("2026-11-01T12:00:00Z");
    let mut seen =
        history(&[(instant("2026-11-16T01:00:00Z"), TimeDelta::minutes(5))], since + TimeDelta::days(30));
    seen.push(backup(
        Tier::Daily,
        Place::Here,
        instant("2026-11-20T01:00:00Z"),
        instant("2026-11-20T01:05:00Z"),
    ));
    let facts = facts("0 1 * * 1-6", Tz::UTC, since, instant("2026-11-20T03:00:00Z"), seen);
    assert_eq!(
        said(&facts),
        [
            "no daily backup in the bucket since the run of 2026-11-17 01:00 UTC: 4 runs are missing; the newest is of \
          2026-11-16 01:05 UTC"
        ]
    );
}

#[test]
fn a_run_under_way_is_waited_for_until_its_successor_would_be_missed() {
    let since = instant("2026-11-01T12:00:00Z");
    let due = instant("2026-11-20T01:00:00Z");
    let mut facts = facts("0 1 * * 1-6", Tz::UTC, since, due + TimeDelta::hours(5), Vec::new());
    for (tier, who) in [(Some(Tier::Weekly), "the weekly backup"), (None, "a job")] {
        facts.running = Some(Running { tier, began: due });
        let words = format!(", and {who} that began 2026-11-20 01:00 UTC keeps others away; ");
        assert!(said(&facts)[0].contains(&words), "{:?}", said(&facts));
    }
    facts.running = Some(Running { tier: Some(Tier::Daily), began: due + TimeDelta::seconds(1) });
    assert_eq!(said(&facts), [""; 0]);
    assert!(matches!(judge(&facts).tiers[0].places[0].state, State::Running { .. }));
    facts.now = due + TimeDelta::hours(25) + TimeDelta::minutes(1);
    assert!(
        said(&facts)[0].contains("and one that began 2026-11-20 01:00 UTC is not done"),
        "{:?}",
        said(&facts)
    );
}

#[test]
fn slow_backups_are_given_the_time_they_take() {
    let since = instant("2026-11-01T12:00:00Z");
    let runs: Vec<(DateTime<Utc>, TimeDelta)> =
        (2..=19).map(|day| (instant(&format!("2026-11-{day:02}T01:00:00Z")), TimeDelta::hours(4))).collect();
    let at = |hours| {
        let now = instant("2026-11-20T01:00:00Z") + TimeDelta::hours(hours);
        facts("0 1 * * *", Tz::UTC, since, now, history(&runs, now))
    };
    assert_eq!(said(&at(7)), [""; 0]);
    assert_eq!(said(&at(8)).len(), 2);
}

#[test]
fn a_backup_of_half_the_usual_size_is_told_and_another_format_is_not_compared() {
    let since = instant("2026-11-01T12:00:00Z");
    let sized = |day: u32, bytes: u64, format: Option<&str>| {
        let began = instant(&format!("2026-11-{day:02}T01:00:00Z"));
        Seen {
            bytes,
            format: format.map(str::to_owned),
            ..backup(Tier::Daily, Place::Here, began, began + TimeDelta::minutes(5))
        }
    };
    let told = |last: Seen| {
        let gzip = Some("plain gzip");
        let seen = vec![
            sized(15, 900, gzip),
            sized(16, 1000, gzip),
            sized(17, 5, gzip),
            sized(18, 1000, gzip),
            last,
        ];
        let now = instant("2026-11-19T03:00:00Z");
        let facts = Facts {
            places: BTreeMap::from([(Place::Here, None)]),
            ..facts("0 1 * * *", Tz::UTC, since, now, seen)
        };
        said(&facts)
    };
    assert_eq!(told(sized(19, 500, Some("plain gzip"))), [""; 0]);
    assert_eq!(
        told(sized(19, 499, Some("plain gzip"))),
        ["the newest daily backup on the host has 499 B, the last ones of its format had 1000 B"]
    );
    assert_eq!(told(sized(19, 100, Some("plain zstd"))), [""; 0]);
    assert_eq!(told(sized(19, 100, None)), [""; 0]);
    assert_eq!(told(sized(19, 0, None)), ["the newest daily backup on the host has 0 B"]);
}

#[test]
fn a_delete_marker_and_a_clock_that_is_ahead_are_told() {
    let since = instant("2026-11-01T12:00:00Z");
    let now = instant("2026-11-20T03:00:00Z");
    let mut seen = history(&[(instant("2026-11-20T01:00:00Z"), TimeDelta::minutes(5))], now);
    seen[1].hidden = Some(instant("2026-11-20T02:00:00Z"));
    assert_eq!(
        said(&facts("0 1 * * *", Tz::UTC, since, now, seen.clone())),
        ["the newest daily backup in the bucket is hidden by a delete marker since 2026-11-20 02:00 UTC"]
    );
    let tomorrow = instant("2026-11-21T01:00:00Z");
    seen.push(backup(Tier::Daily, Place::Here, tomorrow, tomorrow + TimeDelta::minutes(5)));
    let told = said(&facts("0 1 * * *", Tz::UTC, since, now, seen));
    assert_eq!(told[0], "a daily backup on the host is of 2026-11-21 01:05 UTC, which is still to come");
}

/// A clock that was ahead for one night excuses no night after it, in neither place.
#[test]
fn a_backup_from_the_future_excuses_no_run_that_is_missing() {
    let since = instant("2026-11-01T12:00:00Z");
    let now = instant("2026-11-20T03:00:00Z");
    let good = history(&[(instant("2026-11-18T01:00:00Z"), TimeDelta::minutes(5))], now);
    let next_year = instant("2027-11-19T01:00:00Z");
    for place in [Place::Here, Place::Remote] {
        // It began before the clock was set: what it seems to have taken says nothing of the others.
        let ahead = backup(Tier::Daily, place, instant("2026-11-19T01:00:00Z"), next_year);
        let mut facts = facts("0 1 * * *", Tz::UTC, since, now, [good.clone(), vec![ahead]].concat());
        facts.places.retain(|of, _| *of == place);
        let missing = format!(
            "no daily backup {place} since the run of 2026-11-19 01:00 UTC: 2 runs are missing; the newest is of \
             2026-11-18 01:05 UTC"
        );
        let clock = format!("a daily backup {place} is of 2027-11-19 01:00 UTC, which is still to come");
        assert_eq!(said(&facts), [missing, clock.clone()]);
        let matters: Vec<Matter> = judge(&facts).findings().iter().map(Finding::matter).collect();
        assert_eq!(matters, [Matter::Late, Matter::Clock]);
        // The next good night answers for the backups, and the clock stays told.
        let last_night = instant("2026-11-20T01:00:00Z");
        facts.seen.push(backup(Tier::Daily, place, last_night, last_night + TimeDelta::minutes(5)));
        assert_eq!(said(&facts), [clock]);
    }
}

/// A backup that hangs is told as missing, however long it holds the lock, and whatever the clock was when it began.
#[test]
fn a_backup_that_hangs_is_missing_within_its_limit() {
    let since = instant("2026-11-01T12:00:00Z");
    let due = instant("2026-11-20T01:00:00Z");
    let late = TimeDelta::hours(24);
    for (schedule, began, limit) in [
        ("0 1 * * *", due, late),
        ("0 1 * * 5", due, late),
        ("0 * * * *", due, TimeDelta::hours(2)),
        // The clock was ahead: nobody knows since when it runs.
        ("0 1 * * *", instant("2027-11-20T01:00:00Z"), TimeDelta::hours(1)),
    ] {
        for (after, is_told) in
            [(limit - TimeDelta::minutes(1), false), (limit, true), (limit + late * 9, true)]
        {
            let last = history(&[(due - TimeDelta::days(7), TimeDelta::zero())], due);
            let mut seen = facts(schedule, Tz::UTC, since, due + after, last);
            seen.promises.values_mut().for_each(|promise| promise.since = due - TimeDelta::minutes(1));
            seen.running = Some(Running { tier: Some(Tier::Daily), began });
            assert_eq!(!said(&seen).is_empty(), is_told, "{schedule} {began} {after}: {:?}", said(&seen));
        }
    }
}

#[test]
fn what_nobody_could_see_is_neither_good_nor_a_finding() {
    let since = instant("2026-11-01T12:00:00Z");
    let now = instant("2026-11-20T03:00:00Z");
    let mut facts = facts("0 1 * * *", Tz::UTC, since, now, Vec::new());
    facts.places.insert(Place::Remote, Some("access denied".to_owned()));
    let judged = judge(&facts);
    assert_eq!(judged.unseen(), BTreeMap::from([(Place::Remote, "access denied")]));
    assert_eq!(judged.findings().len(), 1);
    assert!(judged.tiers[0].places.iter().all(|at| !at.state.is_good()));
}

#[test]
fn goals_are_held_to_from_the_first_promise_on() {
    let since = instant("2026-11-19T12:00:00Z");
    let goals =
        Goals { recovery_point: Some(TimeDelta::hours(26)), verified_within: Some(TimeDelta::days(7)) };
    let began = instant("2026-11-20T01:00:00Z");
    let seen = history(&[(began, TimeDelta::minutes(5))], began + TimeDelta::hours(1));
    let at = |now: &str, seen: &[Seen]| Facts {
        goals,
        ..facts("0 1 * * 5", Tz::UTC, since, instant(now), seen.to_vec())
    };
    assert_eq!(said(&at("2026-11-20T14:00:00Z", &[]))[2..], [""; 0]);
    assert_eq!(said(&at("2026-11-21T03:00:00Z", &seen)), [""; 0]);
    assert_eq!(
        said(&at("2026-11-21T03:06:00Z", &seen)),
        ["the newest backup is of 2026-11-20 01:05 UTC, older than the goal of 26 h"]
    );
    let later = at("2026-11-27T00:00:00Z", &seen);
    assert_eq!(said(&later)[1], "no backup was ever restored and checked, and the goal is within 7 days");
    assert_eq!(said(&Facts { verified: Some(instant("2026-11-20T12:00:00Z")), ..later }).len(), 1);
}

/// A schedule, a zone, since when, how long it is looked at, and how long each run takes in minutes.
fn histories() -> impl Strategy<Value = (&'static str, Tz, DateTime<Utc>, i64, Vec<i64>)> {
    let start = instant("2026-01-01T00:00:00Z");
    (
        prop::sample::select(SCHEDULES.to_vec()),
        prop::sample::select(ZONES.to_vec()),
        0i64..400 * 1440,
        1i64..12 * 1440,
        prop::collection::vec(0i64..50, 1..7),
    )
        .prop_map(move |(schedule, zone, after, span, took)| {
            (schedule, zone, start + TimeDelta::seconds(after * 60 + 7), span, took)
        })
}

/// Every run until `now`, each with what it takes: always less than until the next one.
fn runs(
    schedule: &str,
    zone: Tz,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
    took: &[i64],
) -> Vec<(DateTime<Utc>, TimeDelta)> {
    let schedule: Schedule = schedule.parse().expect("a schedule");
    let mut fires = schedule.between(since, now, zone, 2000);
    let runs = fires.len();
    fires.extend(schedule.next(now, zone, 1));
    fires
        .windows(2)
        .take(runs)
        .zip(took.iter().cycle())
        .map(|(pair, took)| {
            (pair[0] + TimeDelta::seconds(2), TimeDelta::minutes(*took).min((pair[1] - pair[0]) / 2))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Where every run is made, nothing is ever told: whatever the schedule, the zone, the night and the moment.
    #[test]
    fn a_history_without_a_miss_is_quiet((schedule, zone, since, span, took) in histories(), late in any::<bool>()) {
        let now = since + TimeDelta::minutes(span);
        let mut made = runs(schedule, zone, since, now, &took);
        if late && ["0 2 * * *", "30 1 * * *", "30 2 * * 1-6", "0 0 * * 0", "@daily"].contains(&schedule) {
            // A cron that runs later what falls into a change of clocks.
            for (at, _) in &mut made {
                *at += runs::missed_at(*at, zone, TimeDelta::zero()) - *at;
            }
        }
        let mut facts = facts(schedule, zone, since, now, history(&made, now));
        if let Some((began, _)) = made.iter().rev().find(|(began, took)| *began <= now && *began + *took > now) {
            facts.running = Some(Running { tier: Some(Tier::Daily), began: *began });
        }
        prop_assert_eq!(said(&facts), [""; 0]);
    }

    /// A run that left nothing is found as soon as its time is over, unless the next one has made good for it by then.
    #[test]
    fn a_missed_run_is_found(
        (schedule, zone, since, span, took) in histories(),
        which in any::<prop::sample::Index>(),
    ) {
        let end = since + TimeDelta::minutes(span);
        let all = runs(schedule, zone, since, end, &took);
        prop_assume!(!all.is_empty());
        let missed = which.index(all.len());
        let run = all[missed].0 - TimeDelta::seconds(2);
        let made: Vec<_> = all.iter().enumerate().filter(|(n, _)| *n != missed).map(|(_, run)| *run).collect();
        let now = runs::missed_at(run, zone, allowance(&history(&made, run), Tier::Daily));
        let facts = facts(schedule, zone, since, now, history(&made, now));
        let made_good = facts.seen.iter().any(|seen| seen.ended >= run);
        let judged = judge(&facts);
        let found = judged.findings();
        prop_assert_eq!(found.len(), if made_good { 0 } else { 2 }, "{:?}", said(&facts));
        for finding in found {
            let Finding::Backup { at, .. } = finding else { panic!("a backup") };
            let told = matches!(at.state, State::Missing { since, .. } if since == run);
            prop_assert!(told, "{:?}", at.state);
        }
    }

    /// Before the first run's time is over there is nothing to tell.
    #[test]
    fn nothing_is_missed_before_the_first_run((schedule, zone, since, ..) in histories(), early in 0i64..100) {
        let schedule_: Schedule = schedule.parse().expect("a schedule");
        let first = schedule_.next(since, zone, 1)[0];
        let limit = runs::missed_at(first, zone, TimeDelta::hours(1));
        let now = since + (limit - since) * i32::try_from(early).expect("small") / 100;
        prop_assert_eq!(said(&facts(schedule, zone, since, now, Vec::new())), [""; 0]);
        prop_assert_eq!(said(&facts(schedule, zone, since, limit, Vec::new())).len(), 2);
    }

    /// More backups never make anything worse, but for one that is hidden, small or from the future.
    #[test]
    fn another_backup_is_never_a_finding((schedule, zone, since, span, took) in histories(), extra in 0i64..100) {
        let now = since + TimeDelta::minutes(span);
        let made = runs(schedule, zone, since, now, &took);
        let seen = history(&made, now);
        let before = said(&facts(schedule, zone, since, now, seen.clone())).len();
        let at = since + (now - since) * i32::try_from(extra).expect("small") / 100;
        let more = [seen, history(&[(at, TimeDelta::zero())], now)].concat();
        prop_assert!(said(&facts(schedule, zone, since, now, more)).len() <= before);
    }
}
