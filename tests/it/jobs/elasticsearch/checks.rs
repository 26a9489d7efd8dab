//! Looking without a snapshot being made: what a check and a preflight see, and what they cannot.

use chrono::TimeDelta;
use reconcile::freshness::Matter;
use reconcile::jobs::{self, tell};
use reconcile::sandbox::elasticsearch::{Outcome, TroubleKind};
use reconcile::vocab::Tier;

use super::play::{Play, REPOSITORY};

#[tokio::test]
async fn a_check_knows_the_newest_whole_one_and_what_is_lost() {
    let play = Play::new();
    play.host.pass(TimeDelta::hours(4));
    play.snapshot().await.expect("a snapshot");
    play.host.pass(TimeDelta::hours(3));
    let report = play.look().await;
    assert!(report.is_good() && report.saw_everything(), "{report:?}");
    let tier = report.tier(Tier::Daily).expect("a tier");
    assert_eq!(tier.places[0].newest.as_ref().expect("one").name, format!("{REPOSITORY}_2026_11_21"));

    // What is not whole is none: the run of the next morning is missing.
    play.host.pass(TimeDelta::hours(21));
    play.cluster.turn(|knobs| knobs.outcome = Outcome::Partial);
    play.snapshot().await.expect_err("not whole");
    play.host.pass(TimeDelta::hours(4));
    let report = play.look().await;
    assert!(!report.is_good(), "{report:?}");
    assert!(report.freshness.findings().iter().any(|finding| finding.matter() == Matter::Late));

    // What was whole and is gone is an alarm of its own, and tells its name.
    play.cluster.turn(|knobs| knobs.outcome = Outcome::Success);
    play.snapshot().await.expect("a snapshot");
    play.cluster
        .state(|records| {
            for kept in records.contents.values_mut() {
                kept.remove(&format!("{REPOSITORY}_2026_11_21"));
            }
        })
        .expect("changed");
    let report = play.look().await;
    assert_eq!(report.lost.len(), 1, "{report:?}");
    assert!(report.lost[0].contains("production_es_snapshot_2026_11_21"), "{:?}", report.lost);
    let before = play.letters();
    tell::checked(&play.host.context, &report).await;
    tell::checked(&play.host.context, &report).await;
    assert_eq!(play.letters(), before + 1, "once an incident");

    // A repository that leads elsewhere holds nothing that was promised.
    play.registered("elsewhere");
    let report = play.look().await;
    assert!(report.lost.iter().any(|lost| lost.contains("leads elsewhere")), "{report:?}");
    assert!(report.saw_everything());

    // Where nobody can look, that is told, and not that something is missing.
    play.trouble("get-repository", TroubleKind::Unready, 99);
    let report = play.look().await;
    assert!(!report.saw_everything() && report.lost.is_empty(), "{report:?}");
    let listing = play.listing().await;
    assert_eq!(listing.unseen, [""; 0]);
    play.trouble("snapshots", TroubleKind::Unready, 99);
    let listing = play.listing().await;
    assert!(listing.unseen[0].contains("cannot be seen"), "{:?}", listing.unseen);
}

#[tokio::test]
async fn a_preflight_tries_the_repository() {
    let play = Play::new();
    let checks = jobs::preflight(&play.host.context, Tier::Daily, true).await;
    let source = checks.iter().find(|check| check.name == "source").expect("one");
    assert!(source.found.as_ref().is_some_and(|found| found.contains("1 node can write")), "{checks:?}");
    play.cluster.turn(|knobs| knobs.unwritable = true);
    let checks = jobs::preflight(&play.host.context, Tier::Daily, true).await;
    assert!(checks.iter().any(|check| check.wrong.is_some()), "{checks:?}");
    assert_eq!(play.names(), [""; 0]);
}
