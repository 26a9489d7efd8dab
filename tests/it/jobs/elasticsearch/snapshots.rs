//! Snapshots: waited for until they are whole, recorded, named, and told of where they are not.

use std::time::Duration;

use chrono::TimeDelta;
use reconcile::clients::elasticsearch::State;
use reconcile::jobs::Stage;
use reconcile::sandbox::elasticsearch::{Knobs, Outcome};

use super::play::{Play, REPOSITORY};

#[tokio::test]
async fn a_snapshot_is_waited_for_recorded_and_older_ones_go_only_then() {
    let play = Play::new();
    for day in 0..6 {
        let report = play.snapshot().await.expect("a snapshot");
        assert_eq!(report.manifest.name, format!("{REPOSITORY}_2026_11_{}", 21 + day));
        assert_eq!(report.manifest.state, State::Success);
        assert_eq!(report.manifest.indices.len(), 3);
        assert_eq!(report.manifest.bytes, Some(6_035_000));
        play.host.pass(TimeDelta::days(1));
    }
    // Three days and no longer: what is older than that when the next one is whole is gone.
    let left: Vec<String> = (23..27).map(|day| format!("{REPOSITORY}_2026_11_{day}")).collect();
    assert_eq!(play.names(), left);
    let manifests: Vec<String> = left.iter().map(|name| format!("{name}.snapshot.json")).collect();
    assert_eq!(play.host.files(), manifests);
    assert_eq!(play.letters(), 0);
}

#[tokio::test]
async fn what_is_not_whole_is_told_and_nothing_older_goes() {
    for (outcome, told) in [
        (Outcome::Partial, "users_2024-05-09 0: IndexShardSnapshotFailedException[no space left]"),
        (Outcome::Failed, "Indices don't have primary shards"),
    ] {
        let play = Play::new();
        play.snapshot().await.expect("a snapshot");
        play.host.pass(TimeDelta::days(9));
        play.cluster.turn(|knobs| knobs.outcome = outcome);
        let error = play.snapshot().await.expect_err("not whole");
        assert_eq!(error.stage, Stage::Snapshot);
        assert!(error.message.contains(told), "{error}");
        assert_eq!(play.there()[0], (format!("{REPOSITORY}_2026_11_21"), "SUCCESS".to_owned()));
        assert_eq!(play.letters(), 1);
        // The next one succeeds under another name, says why, and the old ones' time is over then.
        play.cluster.turn(|knobs| knobs.outcome = Outcome::Success);
        let report = play.snapshot().await.expect("a snapshot");
        assert_eq!(report.manifest.name, format!("{REPOSITORY}_2026_11_30_0"));
        assert!(report.warnings[0].contains("is there already and is"), "{:?}", report.warnings);
        assert_eq!(report.swept.gone(), [format!("{REPOSITORY}_2026_11_21")]);
        assert_eq!(play.letters(), 2, "somebody hears that it is over");
    }
}

#[tokio::test]
async fn a_second_snapshot_of_a_day_has_the_hour_in_its_name() {
    let play = Play::new();
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(play.snapshot().await.expect("a snapshot").manifest.name);
    }
    let day = format!("{REPOSITORY}_2026_11_21");
    assert_eq!(names, [day.clone(), format!("{day}_0"), format!("{day}_0_0")]);
}

#[tokio::test]
async fn a_job_that_is_told_to_end_breaks_off_its_snapshot() {
    let play = Play::of(Knobs { outcome: Outcome::Stuck, ..Knobs::default() });
    let stop = play.host.context.stop.clone();
    let tell = async {
        while play.there().is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stop.say("it was told to end (SIGTERM)");
    };
    let (ended, ()) = tokio::join!(play.snapshot(), tell);
    let error = ended.expect_err("stopped");
    assert!(error.message.contains("SIGTERM") && error.message.contains("was broken off"), "{error}");
    assert_eq!(play.names(), [""; 0]);
    assert_eq!(play.letters(), 1);
}

#[tokio::test]
async fn what_takes_too_long_is_told_and_goes_on() {
    let mut play = Play::of(Knobs { outcome: Outcome::Stuck, ..Knobs::default() });
    play.host.context.elasticsearch.patience = Duration::from_millis(60);
    let error = play.snapshot().await.expect_err("never over");
    assert!(error.message.contains("goes on without this job"), "{error}");
    assert_eq!(play.there(), [(format!("{REPOSITORY}_2026_11_21"), "IN_PROGRESS".to_owned())]);
    // On an older version the next one waits for it, and tells that it is never over.
    play.host.pass(TimeDelta::days(1));
    let error = play.snapshot().await.expect_err("another is at work");
    assert!(error.message.contains("another one is at work all the time"), "{error}");
    // A newer one makes both at a time.
    play.cluster.turn(|knobs| {
        knobs.version = Some("8.11.1".to_owned());
        knobs.outcome = Outcome::Success;
    });
    let report = play.snapshot().await.expect("a snapshot");
    assert_eq!(report.manifest.name, format!("{REPOSITORY}_2026_11_22"));
}

#[tokio::test]
async fn two_at_once_do_not_mix() {
    let play = Play::of(Knobs { polls: 30, ..Knobs::default() });
    let (one, other) = tokio::join!(play.snapshot(), play.snapshot());
    let refused = [one.err(), other.err()].into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].is_refusal(), "{}", refused[0]);
    assert_eq!(play.names().len(), 1);
}

#[tokio::test]
async fn others_snapshots_are_neither_listed_nor_removed() {
    let play = Play::new();
    play.snapshot().await.expect("a snapshot");
    play.cluster
        .state(|records| {
            for kept in records.contents.values_mut() {
                let first = kept.values().next().cloned().expect("one");
                kept.insert("by-hand".to_owned(), first.clone());
                kept.insert("before-restore-production-20251121t000000z".to_owned(), first);
            }
        })
        .expect("changed");
    play.host.pass(TimeDelta::days(400));
    play.snapshot().await.expect("a snapshot");
    assert_eq!(
        play.names(),
        [
            "before-restore-production-20251121t000000z".to_owned(),
            "by-hand".to_owned(),
            format!("{REPOSITORY}_2027_12_26")
        ]
    );
    let listing = play.listing().await;
    let names: Vec<&str> = listing.backups.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["production_es_snapshot_2027_12_26", "before-restore-production-20251121t000000z"]);
}
