//! Restores: which snapshot is taken, what is there is kept, and it comes back where a restore fails.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use reconcile::datastores::job_file::Services;
use reconcile::jobs::Stage;
use reconcile::jobs::restore::Wanted;
use reconcile::sandbox::elasticsearch::{Outcome, Trouble, TroubleKind};

use super::play::{Deed, FORMS, Play, REPOSITORY};

#[tokio::test]
async fn a_restore_keeps_what_is_there_in_a_snapshot_of_its_own() {
    let play = Play::new();
    play.snapshot().await.expect("a snapshot");
    play.set_documents(FORMS, 7);
    play.set_documents("newer", 3);
    play.cluster.state(|records| records.indices.remove("cases_2024-05-09")).expect("changed");
    let ready = play.prepare(&Wanted::Newest, None).await.expect("ready");
    assert_eq!(ready.replaced, [FORMS.to_owned(), "users_2024-05-09".to_owned()]);
    assert!(ready.notes.iter().any(|note| note.contains("newer")), "{:?}", ready.notes);
    let kept = ready.kept.clone().expect("something is there");
    let restored = Box::pin(ready.carry_out(&play.host.context)).await.expect("restored");
    assert_eq!(restored.documents, 6035);
    assert_eq!(restored.kept, Some(kept.clone()));
    assert_eq!((play.documents(FORMS), play.documents("newer")), (Some(4800), Some(3)));
    // What was there comes back by the name of that snapshot.
    play.host.pass(TimeDelta::minutes(1));
    play.restore(&Wanted::Named(kept), None).await.expect("restored");
    assert_eq!(play.documents(FORMS), Some(7));
}

#[tokio::test]
async fn what_is_there_is_kept_once_nobody_writes_to_it() {
    let mut play = Play::new();
    play.snapshot().await.expect("a snapshot");
    play.set_documents(FORMS, 7);
    // As on a host, where declared services are its own.
    let context = &mut play.host.context;
    context.job.directory = context.directory().display().to_string();
    context.root = "/".into();
    context.job.services = Some(Services { stop: "false".to_owned(), start: "true".to_owned() });
    let error = play.restore(&Wanted::Newest, None).await.expect_err("it does not stop");
    assert!(error.message.contains("`false`"), "{error}");
    assert_eq!(play.names().len(), 1, "nothing was kept before it stopped");
    play.host.context.job.services = Some(Services { stop: "true".to_owned(), start: "true".to_owned() });
    play.restore(&Wanted::Newest, None).await.expect("restored");
    assert_eq!((play.names().len(), play.documents(FORMS)), (2, Some(4800)));
}

#[tokio::test]
async fn a_restore_under_other_names_touches_nothing() {
    let play = Play::new();
    play.snapshot().await.expect("a snapshot");
    play.set_documents(FORMS, 7);
    let done = play.restore(&Wanted::Newest, Some("old-")).await.expect("restored");
    assert_eq!(done.indices[1], format!("old-{FORMS}"));
    assert_eq!((play.documents(FORMS), play.documents(&format!("old-{FORMS}"))), (Some(7), Some(4800)));
    assert_eq!(play.names().len(), 1, "there was nothing to keep");
    let refused = play.restore(&Wanted::Newest, Some("old-")).await.expect_err("there");
    assert!(refused.message.contains("already"), "{refused}");
    for bad in ["Old-", "_old", "a*", "", "../x"] {
        assert_eq!(play.restore(&Wanted::Newest, Some(bad)).await.expect_err(bad).stage, Stage::Choose);
    }
}

#[tokio::test]
async fn the_snapshot_is_chosen_by_name_or_by_what_was_whole_before() {
    let play = Play::new();
    for _ in 0..3 {
        play.snapshot().await.expect("a snapshot");
        play.host.pass(TimeDelta::days(1));
    }
    play.cluster.turn(|knobs| knobs.outcome = Outcome::Partial);
    play.snapshot().await.expect_err("not whole");
    let at = |text: &str| Wanted::Before(text.parse::<DateTime<Utc>>().expect("an instant"));
    let chosen = async |wanted| play.prepare(&wanted, None).await.map(|ready| ready.name);
    assert_eq!(chosen(Wanted::Newest).await.expect("one"), format!("{REPOSITORY}_2026_11_23"));
    assert_eq!(chosen(at("2026-11-22T00:00:01Z")).await.expect("one"), format!("{REPOSITORY}_2026_11_22"));
    // Whole at that very moment is not before it.
    assert_eq!(chosen(at("2026-11-22T00:00:00Z")).await.expect("one"), format!("{REPOSITORY}_2026_11_21"));
    let none = chosen(at("2026-11-21T00:00:00Z")).await.expect_err("none");
    assert!(none.message.contains("no snapshot that was whole before"), "{none}");
    let named = chosen(Wanted::Named(format!("{REPOSITORY}_2026_11_24"))).await.expect_err("not whole");
    assert!(named.message.contains("is PARTIAL"), "{named}");
}

#[tokio::test]
async fn a_condemned_snapshot_is_taken_by_its_name_alone() {
    let play = Play::new();
    let good = play.snapshot().await.expect("a snapshot").manifest.name;
    play.verify(&Wanted::Newest).await.expect("looked at");
    play.host.pass(TimeDelta::days(1));
    play.set_documents(FORMS, 1);
    let bad = play.snapshot().await.expect("a snapshot").manifest.name;
    let evidence = play.verify(&Wanted::Newest).await.expect("looked at");
    assert!(!evidence.is_proof() && evidence.name == bad, "{evidence:#?}");
    let prepared = async |wanted: Wanted| {
        let ready = play.prepare(&wanted, None).await.expect("ready");
        (ready.name, ready.notes.join("; "))
    };
    let (name, notes) = prepared(Wanted::Newest).await;
    assert_eq!(name, good);
    assert!(notes.contains(&format!("passed over: {bad} was restored")), "{notes}");
    let (name, notes) = prepared(Wanted::Named(bad.clone())).await;
    assert_eq!(name, bad);
    assert!(notes.contains("is not what it should be"), "{notes}");
}

/// As on a host, where declared services are its own; these note what is done with them. Answers with where.
fn declared(play: &mut Play) -> PathBuf {
    let told = play.host.inside("/told");
    let context = &mut play.host.context;
    context.job.directory = context.directory().display().to_string();
    context.root = "/".into();
    let say = |what: &str| format!("echo {what} >> {}", told.display());
    context.job.services = Some(Services { stop: say("stop"), start: say("start") });
    told
}

/// The first index is closed, and the second one is not, however often it is tried.
fn second_close(kind: TroubleKind) -> Vec<Trouble> {
    vec![Trouble { after: 1, ..Trouble::new("close", kind, 9) }]
}

/// Where all is as it was whoever was stopped goes on with it; what may be of two times is nobody's.
#[tokio::test]
async fn a_restore_that_fails_says_how_what_was_there_comes_back() {
    let setups: [(&str, Deed, bool, &str); 6] = [
        (
            "cannot keep",
            |play| play.cluster.turn(|knobs| knobs.outcome = Outcome::Partial),
            true,
            "nothing was touched",
        ),
        ("refused", |play| play.trouble("restore", TroubleKind::Denied, 1), true, "open again and as it was"),
        (
            "cannot close",
            |play| play.cluster.turn(|knobs| knobs.troubles = second_close(TroubleKind::Denied)),
            true,
            "open again and as it was",
        ),
        (
            "closed unheard",
            |play| play.cluster.turn(|knobs| knobs.troubles = second_close(TroubleKind::CutAfter)),
            true,
            "open again and as it was",
        ),
        (
            "damaged",
            |play| play.cluster.turn(|knobs| knobs.damaged = [FORMS.to_owned()].into()),
            false,
            "does not recover",
        ),
        ("unheard", |play| play.trouble("restore", TroubleKind::CutAfter, 1), false, "broke off"),
    ];
    for (what, setup, as_it_was, said) in setups {
        let mut play = Play::new();
        play.snapshot().await.expect("a snapshot");
        play.set_documents(FORMS, 7);
        let told = declared(&mut play);
        setup(&play);
        let error = play.restore(&Wanted::Newest, None).await.expect_err(what);
        assert!(error.message.contains(said), "{what}: {error}");
        let told = std::fs::read_to_string(told).expect("told");
        if as_it_was {
            assert_eq!(play.documents(FORMS), Some(7), "{what}");
            let open = play
                .cluster
                .state(|records| records.indices.values().all(|index| index.open))
                .expect("a state");
            assert!(open, "{what}");
            assert_eq!(told, "stop\nstart\n", "{what}");
        } else {
            assert!(error.message.contains("services stay stopped"), "{what}: {error}");
            let help = error.help.expect("help");
            assert!(
                help.contains("reconcile restore elasticsearch before-restore-production-"),
                "{what}: {help}"
            );
            assert!(help.contains("echo start"), "{what}: {help}");
            assert_eq!(told, "stop\n", "{what}");
        }
    }
}

#[tokio::test]
async fn nobody_is_started_on_what_stays_closed() {
    let mut play = Play::new();
    play.snapshot().await.expect("a snapshot");
    let told = declared(&mut play);
    play.cluster.turn(|knobs| {
        knobs.troubles = vec![
            Trouble::new("restore", TroubleKind::Denied, 1),
            Trouble::new("open", TroubleKind::Denied, 1),
        ];
    });
    let error = play.restore(&Wanted::Newest, None).await.expect_err("refused");
    assert!(error.message.contains("still closed, and as they were: cases_2024-05-09;"), "{error}");
    assert!(error.message.contains("services stay stopped"), "{error}");
    assert_eq!(std::fs::read_to_string(&told).expect("told"), "stop\n");
    // The one that succeeds starts them.
    play.host.pass(TimeDelta::minutes(1));
    play.restore(&Wanted::Newest, None).await.expect("restored");
    assert_eq!(std::fs::read_to_string(&told).expect("told"), "stop\nstop\nstart\n");
}
