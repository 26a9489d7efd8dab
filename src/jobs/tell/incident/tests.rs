//! What is told when: once for each incident, whatever happens in whichever order.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::freshness::{Freshness, Goal, Newest, Objective, Place, PlaceFreshness, TierFreshness};
use crate::jobs::error::Stage;
use crate::jobs::tell::Watch;
use crate::jobs::verify::Condemned;

fn now() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().expect("an instant")
}

fn failed(tier: Tier) -> Event<'static> {
    let failed = Failed { at: now(), stage: Stage::Dump, message: "the dump failed".to_owned(), help: None };
    Event::Failed { tier, failed }
}

fn succeeded(tier: Tier) -> Event<'static> {
    let done =
        Done { name: "x".to_owned(), began: now(), ended: now(), bytes: 1, format: "plain gz".to_owned() };
    Event::Succeeded { tier, done }
}

fn report(states: &[(Tier, State)]) -> CheckReport {
    let tier = |(tier, state): &(Tier, State)| TierFreshness {
        tier: *tier,
        schedule: "0 1 * * *".parse().expect("a schedule"),
        since: now() - TimeDelta::days(9),
        due: None,
        next: None,
        limit: None,
        places: vec![PlaceFreshness {
            place: Place::Here,
            newest: Some(Newest { name: "x".to_owned(), ended: now() + TimeDelta::hours(1), bytes: 1 }),
            ahead: None,
            state: state.clone(),
        }],
    };
    CheckReport {
        environment: "production".parse().expect("a name"),
        host: "db1".parse().expect("a name"),
        datastore: "postgresql".parse().expect("a name"),
        at: now(),
        zone: "UTC".to_owned(),
        directory: "/b".to_owned(),
        bucket: None,
        freshness: Freshness { tiers: states.iter().map(tier).collect(), objectives: Vec::new() },
        lost: Vec::new(),
        old_entries: Vec::new(),
        proofs: Standing::default(),
        last_failure: None,
        watch: Watch::default(),
    }
}

fn missing() -> State {
    State::Missing { since: now(), runs: 1, running: None }
}

/// What is told, event by event: `began`, `joined`, `ended`, or `-`.
fn told(events: &[Event<'_>]) -> Vec<&'static str> {
    let mut memory = Memory::default();
    events
        .iter()
        .map(|event| {
            let (next, news) = after(&memory, event, now());
            memory = next;
            assert!(news.len() < 2, "one thing at a time: {news:?}");
            match news.first() {
                None => "-",
                Some((About::Backups, News::Began(_))) => "began",
                Some((About::Backups, News::Joined(..))) => "joined",
                Some((About::Backups, News::Ended(_))) => "ended",
                Some((About::Proofs, News::Began(_))) => "proofs began",
                Some((About::Proofs, News::Joined(..))) => "proofs joined",
                Some((About::Proofs, News::Ended(_))) => "proofs ended",
            }
        })
        .collect()
}

fn condemned() -> Standing {
    let condemned = Condemned {
        at: now(),
        name: "x".to_owned(),
        tier: Tier::Daily,
        taken: None,
        reasons: vec!["it is empty".to_owned()],
        more: 0,
        acceptable: false,
    };
    Standing { condemned: Some(condemned), ..Standing::default() }
}

/// What a check finds that sees how it stands with the proofs, and whether the goal is met.
fn with_proofs(proofs: &Standing, met: bool) -> CheckReport {
    let mut report = report(&[(Tier::Daily, State::Fresh)]);
    report.proofs = proofs.clone();
    report.freshness.objectives =
        vec![Objective { goal: Goal::VerifiedWithin, within: 604_800, last: None, met }];
    report
}

#[test]
fn a_condemned_backup_is_told_once_and_so_is_its_end() {
    let (bad, good) = (condemned(), Standing::default());
    let (seen, overdue) = (with_proofs(&bad, true), with_proofs(&bad, false));
    let proven = with_proofs(&good, true);
    assert_eq!(
        told(&[
            Event::Verified(&bad),
            Event::Checked(&seen),
            Event::Verified(&bad),
            // In the end nothing was proven in time: that follows.
            Event::Checked(&overdue),
            succeeded(Tier::Daily),
            Event::Verified(&good),
            Event::Checked(&proven),
        ]),
        ["proofs began", "-", "-", "-", "-", "proofs ended", "-"]
    );
    // Whoever verified it told nobody: the next check does.
    assert_eq!(told(&[Event::Checked(&seen), Event::Checked(&seen)]), ["proofs began", "-"]);
    // First there was no proof in time, and then the backup was none.
    let late = with_proofs(&good, false);
    assert_eq!(
        told(&[
            Event::Checked(&late),
            Event::Verified(&bad),
            Event::Verified(&good),
            Event::Checked(&proven)
        ]),
        ["proofs began", "proofs joined", "proofs ended", "-"]
    );
}

#[test]
fn a_condemned_backup_and_a_missing_one_are_two_matters_with_two_ends() {
    let (bad, good) = (condemned(), Standing::default());
    let mut both = with_proofs(&bad, true);
    both.freshness.tiers[0].places[0].state = missing();
    assert_eq!(
        told(&[
            Event::Verified(&bad),
            failed(Tier::Daily),
            Event::Checked(&both),
            Event::Verified(&good),
            succeeded(Tier::Daily),
        ]),
        ["proofs began", "began", "-", "proofs ended", "ended"]
    );
}

#[test]
fn a_verification_that_could_not_be_made_is_told_until_one_is() {
    let failed = Failed { at: now(), stage: Stage::Space, message: "no room".to_owned(), help: None };
    let good = Standing::default();
    let unmade = Standing { unmade: Some(failed.clone()), ..Standing::default() };
    let (seen, overdue) = (with_proofs(&unmade, true), with_proofs(&unmade, false));
    assert_eq!(
        told(&[
            Event::Unverified(failed.clone()),
            Event::Checked(&seen),
            Event::Unverified(failed),
            Event::Checked(&overdue),
            Event::Verified(&good),
        ]),
        ["proofs began", "-", "-", "-", "proofs ended"]
    );
}

#[test]
fn a_directory_that_cannot_be_seen_ends_no_incident_of_proofs() {
    let bad = condemned();
    let mut blind = with_proofs(&Standing::default(), true);
    blind.freshness.tiers[0].places[0].state = State::Unseen { why: "not mounted".to_owned() };
    assert_eq!(told(&[Event::Verified(&bad), Event::Checked(&blind)]), ["proofs began", "began"]);
}

#[test]
fn a_failed_backup_and_what_the_checks_then_find_are_one_incident() {
    let late = report(&[(Tier::Daily, missing())]);
    let fresh = report(&[(Tier::Daily, State::Fresh)]);
    assert_eq!(
        told(&[
            failed(Tier::Daily),
            Event::Checked(&late),
            failed(Tier::Daily),
            Event::Checked(&late),
            succeeded(Tier::Daily),
            Event::Checked(&fresh),
            Event::Checked(&fresh),
        ]),
        ["began", "-", "-", "-", "ended", "-", "-"]
    );
    // A run that never started: only a check finds it, and a backup that it did not see ends it.
    assert_eq!(
        told(&[Event::Checked(&late), Event::Checked(&late), Event::Checked(&fresh)]),
        ["began", "-", "ended"]
    );
}

#[test]
fn another_tier_ends_nothing_and_another_matter_is_told_once() {
    assert_eq!(
        told(&[failed(Tier::Daily), succeeded(Tier::Weekly), failed(Tier::Weekly), succeeded(Tier::Daily)]),
        ["began", "-", "-", "-"]
    );
    let late = report(&[(Tier::Daily, missing())]);
    let hidden = report(&[(Tier::Daily, missing()), (Tier::Weekly, State::Hidden { since: now() })]);
    let fresh = report(&[(Tier::Daily, State::Fresh), (Tier::Weekly, State::Fresh)]);
    assert_eq!(
        told(&[
            Event::Checked(&late),
            Event::Checked(&hidden),
            Event::Checked(&late),
            Event::Checked(&hidden),
            Event::Checked(&fresh),
            Event::Checked(&hidden),
        ]),
        ["began", "joined", "-", "-", "ended", "began"]
    );
}

#[test]
fn waiting_ends_no_incident() {
    let late = report(&[(Tier::Daily, missing())]);
    for waits in [State::Awaited, State::Running { since: now() }, State::Unseen { why: "x".to_owned() }] {
        let waits = report(&[(Tier::Daily, waits)]);
        let fresh = report(&[(Tier::Daily, State::Fresh)]);
        let events = [Event::Checked(&late), Event::Checked(&waits), Event::Checked(&fresh)];
        let told = told(&events);
        assert_eq!((told[0], told[2]), ("began", "ended"));
        assert_ne!(told[1], "ended");
    }
    // A tier that nobody asks for any more is nobody's concern.
    let without = report(&[]);
    assert_eq!(told(&[failed(Tier::Hourly), Event::Checked(&without)]), ["began", "ended"]);
}

/// What a check finds of a datastore that is wanted in both places.
fn in_both(here: State, remote: State) -> CheckReport {
    let mut report = report(&[(Tier::Daily, here)]);
    let at = report.freshness.tiers[0].places[0].clone();
    report.freshness.tiers[0].places.push(PlaceFreshness { place: Place::Remote, state: remote, ..at });
    report
}

#[test]
fn what_was_wrong_where_nobody_can_look_is_wrong_until_somebody_can() {
    let small = || State::Small { usual: 9 };
    let unseen = || State::Unseen { why: "timed out".to_owned() };
    let good = in_both(State::Fresh, State::Fresh);
    let blind = in_both(State::Fresh, unseen());
    let mut lost = good.clone();
    lost.lost = vec!["the snapshot x is gone".to_owned()];
    let mut old = good.clone();
    old.freshness.objectives =
        vec![Objective { goal: Goal::RecoveryPoint, within: 93_600, last: None, met: false }];
    for wrong in [
        in_both(State::Fresh, small()),
        in_both(State::Fresh, State::Hidden { since: now() }),
        in_both(State::Fresh, State::Ahead { taken: now() + TimeDelta::days(9) }),
        in_both(State::Fresh, missing()),
        lost,
        old,
    ] {
        let events = [&wrong, &blind, &wrong, &blind, &good].map(Event::Checked);
        assert_eq!(told(&events), ["began", "-", "-", "-", "ended"], "{wrong:?}");
        // Who is told in the end hears what was wrong.
        let (memory, _) = after(&Memory::default(), &Event::Checked(&wrong), now());
        let (memory, _) = after(&memory, &Event::Checked(&blind), now());
        let reasons = memory.incident.expect("open").reasons();
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        // The second in a row is told, beside what was.
        let events = [&wrong, &blind, &blind, &blind, &good].map(Event::Checked);
        assert_eq!(told(&events), ["began", "-", "joined", "-", "ended"], "{wrong:?}");
    }
    // Nothing was wrong there, or it is seen to be over, or nobody wants copies there any more.
    let here = in_both(small(), State::Fresh);
    assert_eq!(told(&[&here, &blind].map(Event::Checked)), ["began", "ended"]);
    let without = report(&[(Tier::Daily, State::Fresh)]);
    let there = in_both(State::Fresh, small());
    assert_eq!(told(&[&there, &blind, &without].map(Event::Checked)), ["began", "-", "ended"]);
    let mut entries = good.clone();
    entries.old_entries = vec!["0 1 * * * old".to_owned()];
    assert_eq!(told(&[&entries, &blind].map(Event::Checked)), ["began", "ended"]);
}

#[test]
fn a_long_run_ends_no_incident_before_its_own_end() {
    let waits = report(&[(Tier::Daily, State::Running { since: now() })]);
    let fresh = report(&[(Tier::Daily, State::Fresh)]);
    for wrong in [missing(), State::Small { usual: 9 }] {
        let wrong = report(&[(Tier::Daily, wrong)]);
        let events = [&wrong, &waits, &waits, &waits, &wrong, &fresh].map(Event::Checked);
        assert_eq!(told(&events), ["began", "-", "-", "-", "-", "ended"]);
    }
    let hidden = report(&[(Tier::Daily, State::Hidden { since: now() })]);
    assert_eq!(told(&[&hidden, &waits].map(Event::Checked)), ["began", "ended"], "the marker is gone");
}

#[test]
fn a_bad_hour_of_the_storage_is_not_told() {
    let blind = |place| {
        let mut report = report(&[(Tier::Daily, State::Unseen { why: "throttled".to_owned() })]);
        report.freshness.tiers[0].places[0].place = place;
        report
    };
    let (remote, here) = (blind(Place::Remote), blind(Place::Here));
    let fresh = report(&[(Tier::Daily, State::Fresh)]);
    assert_eq!(
        told(&[Event::Checked(&remote), Event::Checked(&fresh), Event::Checked(&remote)]),
        ["-", "-", "-"]
    );
    assert_eq!(
        told(&[Event::Checked(&remote), Event::Checked(&remote), Event::Checked(&fresh)]),
        ["-", "began", "ended"]
    );
    assert_eq!(told(&[Event::Checked(&here)]), ["began"]);
}

#[test]
fn a_schedule_is_remembered_until_it_changes() {
    let before = report(&[(Tier::Daily, State::Fresh)]);
    let (memory, _) = after(&Memory::default(), &Event::Checked(&before), now());
    assert_eq!(memory.since[&Tier::Daily].since, now() - TimeDelta::days(9));
    let mut rewritten = before.clone();
    rewritten.freshness.tiers[0].since = now();
    let (memory, _) = after(&memory, &Event::Checked(&rewritten), now());
    assert_eq!(memory.since[&Tier::Daily].since, now() - TimeDelta::days(9));
    rewritten.freshness.tiers[0].schedule = "0 2 * * *".parse().expect("a schedule");
    let (memory, _) = after(&memory, &Event::Checked(&rewritten), now());
    assert_eq!(memory.since[&Tier::Daily].since, now());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Beginnings and ends alternate, and of each matter an incident is told once, whatever happens.
    #[test]
    fn no_incident_is_told_twice(steps in prop::collection::vec((0usize..8, 0usize..3), 0..40)) {
        let tiers = Tier::ALL;
        let states = [State::Fresh, missing(), State::Small { usual: 9 }, State::Hidden { since: now() }, State::Awaited];
        let reports: Vec<CheckReport> = steps
            .iter()
            .map(|(what, tier)| report(&[(tiers[*tier], states[what.saturating_sub(2) % states.len()].clone()), (Tier::Daily, State::Fresh)]))
            .collect();
        let mut memory = Memory::default();
        let mut open = false;
        let mut matters: BTreeMap<Matter, u32> = BTreeMap::new();
        for ((what, tier), report) in steps.iter().zip(&reports) {
            let event = match what {
                0 => failed(tiers[*tier]),
                1 => succeeded(tiers[*tier]),
                _ => Event::Checked(report),
            };
            let before = memory.incident.clone();
            let (next, news) = after(&memory, &event, now());
            prop_assert!(news.iter().all(|(about, _)| *about == About::Backups));
            match news.first().map(|(_, news)| news) {
                Some(News::Began(incident)) => {
                    prop_assert!(!open);
                    open = true;
                    matters = incident.told.iter().map(|matter| (*matter, 1)).collect();
                }
                Some(News::Joined(incident, _)) => {
                    prop_assert!(open);
                    for matter in incident.told.difference(&before.expect("an incident").told) {
                        *matters.entry(*matter).or_default() += 1;
                    }
                }
                Some(News::Ended(_)) => {
                    prop_assert!(open);
                    open = false;
                }
                None => {}
            }
            prop_assert!(matters.values().all(|times| *times == 1));
            prop_assert_eq!(next.incident.is_some(), open);
            memory = next;
        }
    }
}
