//! Calls that fail: what passes is waited for, what does not is told, and nothing is begun twice.

use chrono::TimeDelta;
use reconcile::clients::elasticsearch::State;
use reconcile::datastores::job_file::Source;
use reconcile::jobs::Stage;
use reconcile::jobs::restore::Wanted;
use reconcile::sandbox::elasticsearch::{Knobs, Trouble, TroubleKind};
use reconcile::vocab::{Login, Secret};

use super::play::{Deed, FORMS, Play, REPOSITORY, login};

/// A call that fails where it may be repeated, or that was done and not answered, costs no snapshot and makes no second one.
#[tokio::test]
async fn what_passes_is_waited_for_and_nothing_is_begun_twice() {
    use TroubleKind::{Busy, Cut, CutAfter, Rejected, Unready};
    for (operation, kind, times) in [
        ("create", Busy, 3),
        ("create", CutAfter, 1),
        ("create", Cut, 2),
        ("create", Rejected, 2),
        ("create", Unready, 2),
        ("snapshot", Cut, 3),
        ("snapshot", Unready, 6),
        ("snapshots", Cut, 2),
        ("verify", Rejected, 2),
        ("get-repository", CutAfter, 1),
        ("status", Cut, 2),
        ("about", Unready, 1),
    ] {
        let play = Play::new();
        play.trouble(operation, kind, times);
        let report = play.snapshot().await.unwrap_or_else(|error| panic!("{operation} {kind:?}: {error}"));
        assert_eq!(report.manifest.state, State::Success);
        assert_eq!(play.names(), [format!("{REPOSITORY}_2026_11_21")], "{operation} {kind:?}");
    }
}

#[tokio::test]
async fn what_does_not_pass_is_told_with_what_to_do() {
    let cases: [(&str, Deed, &str, Stage); 8] = [
        (
            "no login",
            |play| play.cluster.turn(|knobs| knobs.login = Some(login())),
            "takes no login like this one (401)",
            Stage::Prepare,
        ),
        (
            "another bucket",
            |play| play.registered("elsewhere"),
            "its bucket is elsewhere, and settings say snapshots",
            Stage::Prepare,
        ),
        (
            "no repository",
            |play| _ = play.cluster.state(|records| records.repositories.clear()),
            "there is no repository",
            Stage::Prepare,
        ),
        (
            "not writable",
            |play| play.cluster.turn(|knobs| knobs.unwritable = true),
            "Access Denied",
            Stage::Prepare,
        ),
        (
            "may not",
            |play| play.trouble("create", TroubleKind::Denied, 1),
            "no snapshot was begun",
            Stage::Snapshot,
        ),
        ("may not look", |play| play.trouble("snapshot", TroubleKind::Denied, 1), "403", Stage::Snapshot),
        ("never ready", |play| play.trouble("about", TroubleKind::Unready, 99), "no master", Stage::Prepare),
        (
            "not deletable",
            |play| play.trouble("delete", TroubleKind::Denied, 9),
            "the new snapshot is good",
            Stage::Expire,
        ),
    ];
    for (what, trouble, told, stage) in cases {
        let play = Play::new();
        play.snapshot().await.expect("a snapshot");
        play.host.pass(TimeDelta::days(5));
        trouble(&play);
        let error = play.snapshot().await.expect_err(what);
        assert!(error.message.contains(told), "{what}: {error}");
        assert_eq!(error.stage, stage, "{what}");
        assert!(error.help.is_some(), "{what}: {error}");
        assert!(!error.to_string().contains("canary"), "{error}");
        assert!(play.names().contains(&format!("{REPOSITORY}_2026_11_21")), "{what}");
        assert_eq!(play.letters(), 1, "{what}");
        let listing = play.listing().await;
        assert!(listing.last_failure.is_some_and(|failure| failure.stage == stage), "{what}");
    }
}

#[tokio::test]
async fn the_real_client_talks_over_sockets_with_a_login() {
    let mut play = Play::of(Knobs {
        polls: 2,
        login: Some(login()),
        version: Some("2.4.6".to_owned()),
        ..Knobs::default()
    });
    let served = play.cluster.serve().expect("a port");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    if let Source::Elasticsearch(source) = &mut play.host.context.job.source {
        // Where nothing listens the next place is asked.
        source.at = vec![format!("http://{gone}"), served.url()];
    }
    let reach = &mut play.host.context.elasticsearch;
    reach.network = None;
    reach.login = Some(Login { username: Secret::new("backup"), password: Secret::new("canary") });
    let report = play.snapshot().await.expect("a snapshot");
    assert_eq!(report.manifest.server_version, "2.4.6");
    assert_eq!(report.manifest.uuid, None);
    assert_eq!(report.manifest.bytes, Some(6_035_000));
    // An answer that breaks off while it is made hides nothing and makes nothing twice.
    play.host.pass(TimeDelta::days(1));
    play.cluster.turn(|knobs| {
        knobs.troubles = vec![
            Trouble::new("create", TroubleKind::CutAfter, 1),
            Trouble::new("snapshot", TroubleKind::Cut, 2),
        ];
    });
    play.snapshot().await.expect("a snapshot");
    assert_eq!(play.names().len(), 2);
    // What has a body arrives with it.
    let ready = play.prepare(&Wanted::Newest, Some("copy-")).await.expect("ready");
    let restored = Box::pin(ready.carry_out(&play.host.context)).await.expect("restored");
    assert_eq!((restored.documents, play.documents(&format!("copy-{FORMS}"))), (6035, Some(4800)));
    drop(served);
    play.host.pass(TimeDelta::days(1));
    let error = play.snapshot().await.expect_err("nobody listens");
    assert!(
        error.message.contains("cannot be reached") && error.message.contains(&gone.to_string()),
        "{error}"
    );
    assert!(!format!("{error:?} {:?}", play.host.context).contains("canary"));
}
