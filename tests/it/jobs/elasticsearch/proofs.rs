//! Proofs: a snapshot is restored beside what is there, and what that showed.

use chrono::TimeDelta;
use reconcile::jobs::restore::Wanted;
use reconcile::jobs::{self, Stage, verify};
use reconcile::sandbox::elasticsearch::TroubleKind;

use super::play::{FORMS, Play, REPOSITORY};

#[tokio::test]
async fn a_snapshot_is_proven_by_restoring_each_index_for_a_while() {
    let play = Play::new();
    play.snapshot().await.expect("a snapshot");
    play.set_documents(FORMS, 7);
    // What a run that was killed left, and what is somebody else's.
    play.set_documents("reconcile-verify-production@old", 1);
    play.set_documents("reconcile-verify-production2@theirs", 1);
    let evidence = play.verify(&Wanted::Newest).await.expect("looked");
    assert!(evidence.is_proof(), "{evidence:?}");
    assert_eq!(evidence.counts["elasticsearch"][FORMS], 4800);
    assert_eq!(
        play.indices(),
        ["cases_2024-05-09", FORMS, "reconcile-verify-production2@theirs", "users_2024-05-09"]
    );
    assert_eq!(play.documents(FORMS), Some(7));
    assert_eq!(play.look().await.verified(), Some(evidence.ended));
    assert_eq!(verify::all(&play.host.context.directory()).expect("read"), [evidence]);

    // One whose files are damaged, and one that lost its documents, are none.
    play.host.pass(TimeDelta::days(1));
    play.snapshot().await.expect("a snapshot");
    let evidence = play.verify(&Wanted::Newest).await.expect("looked");
    assert!(
        evidence.reasons.iter().any(|reason| reason.contains("where a proven backup held")),
        "{evidence:?}"
    );
    // Nothing goes for one that was condemned.
    let row = |listing: &jobs::Listing, day: u32| {
        let name = format!("{REPOSITORY}_2026_11_{day}");
        let row = listing.backups.iter().find(|row| row.name == name).expect("listed");
        (row.proven, row.restored, row.here.map(|here| here.keep))
    };
    play.host.pass(TimeDelta::days(9));
    let listing = play.listing().await;
    assert_eq!(row(&listing, 21), (Some(true), Some(true), Some(jobs::Keep::NewestProven)));
    assert_eq!(row(&listing, 22), (Some(false), Some(false), Some(jobs::Keep::Due)));
    play.cluster.turn(|knobs| knobs.damaged = [FORMS.to_owned()].into());
    let first = Wanted::Named(format!("{REPOSITORY}_2026_11_21"));
    let evidence = play.verify(&first).await.expect("looked");
    assert!(evidence.reasons[0].starts_with("forms_2024-05-09 does not recover"), "{evidence:?}");
    assert!(!play.indices().iter().any(|index| index.starts_with("reconcile-verify-production@")));
}

#[tokio::test]
async fn nothing_in_it_is_no_backup_and_trouble_is_no_verdict() {
    let play = Play::new();
    play.cluster.state(|records| records.indices.clear()).expect("changed");
    play.snapshot().await.expect("a snapshot");
    let evidence = play.verify(&Wanted::Newest).await.expect("looked");
    assert!(evidence.reasons[0].contains("it holds nothing"), "{evidence:?}");
    play.set_documents(FORMS, 7);
    play.host.pass(TimeDelta::days(1));
    play.snapshot().await.expect("a snapshot");
    play.trouble("restore", TroubleKind::Denied, 1);
    let error = play.verify(&Wanted::Newest).await.expect_err("trouble");
    assert_eq!(error.stage, Stage::Prove);
    // An answer that was cut tells nothing: what is there does.
    play.trouble("restore", TroubleKind::CutAfter, 1);
    let evidence = play.verify(&Wanted::Newest).await.expect("looked");
    assert!(evidence.is_proof(), "{evidence:?}");
}
