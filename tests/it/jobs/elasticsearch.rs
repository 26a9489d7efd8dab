//! Snapshots of Elasticsearch: the real client, over sockets or without, against the stand-in for it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reconcile::clients::elasticsearch::{Pace, State};
use reconcile::datastores::elasticsearch::settings::{ElasticsearchSource, SnapshotStore};
use reconcile::datastores::job_file::{KeepLocal, Services, Source};
use reconcile::freshness::Matter;
use reconcile::jobs::restore::Wanted;
use reconcile::jobs::snapshot::{self, ElasticsearchReach, SnapshotReport};
use reconcile::jobs::{self, JobError, Stage, check, tell, verify};
use reconcile::sandbox::elasticsearch::{
    Elasticsearch, Index, KnobLogin, Knobs, Outcome, Trouble, TroubleKind,
};
use reconcile::vocab::Login;
use reconcile::vocab::{Secret, Tier};

use super::host::Host;

const DIRECTORY: &str = "/opt/data/backups/elasticsearch";
const REPOSITORY: &str = "production_es_snapshot";

/// Something that goes wrong.
type Deed = fn(&Play);

/// A host whose Elasticsearch is the stand-in, with its repository registered as settings want it.
struct Play {
    host: Host,
    cluster: Elasticsearch,
}

impl Play {
    fn new() -> Play {
        Play::of(Knobs { polls: 1, ..Knobs::default() })
    }

    fn of(knobs: Knobs) -> Play {
        let store = SnapshotStore::S3 { bucket: "snapshots".parse().expect("a name"), endpoint: None };
        let source = ElasticsearchSource {
            at: vec!["http://127.0.0.1:9200".to_owned()],
            repository: REPOSITORY.to_owned(),
            store: Some(store),
        };
        let mut host = Host::of("elasticsearch", DIRECTORY, Source::Elasticsearch(source));
        let cluster = Elasticsearch::memory(host.context.clock.clone(), knobs);
        host.context.job.keep = KeepLocal { days: 3, weeks: 1, hours: 1 };
        host.context.job.schedules =
            BTreeMap::from([(Tier::Daily, "0 4 * * *".parse().expect("a schedule"))]);
        host.context.written = Some(host.context.clock.now());
        host.context.job.alerts.email = vec!["ops@example.org".to_owned()];
        host.context.channels.outbox = Some(host.inside("/outbox"));
        host.context.elasticsearch = ElasticsearchReach {
            network: Some(cluster.network()),
            login: None,
            pace: Pace { first: Duration::from_millis(1), most: Duration::from_millis(4), tries: 4 },
            patience: Duration::from_secs(20),
        };
        let play = Play { host, cluster };
        play.registered("snapshots");
        play
    }

    fn registered(&self, bucket: &str) {
        let settings = BTreeMap::from([
            ("bucket".to_owned(), bucket.to_owned()),
            ("server_side_encryption".to_owned(), "true".to_owned()),
        ]);
        self.cluster
            .state(|records| {
                let repository =
                    reconcile::sandbox::elasticsearch::Registered { kind: "s3".to_owned(), settings };
                records.repositories.insert(REPOSITORY.to_owned(), repository);
            })
            .expect("registered");
    }

    async fn snapshot(&self) -> Result<SnapshotReport, JobError> {
        Box::pin(snapshot::snapshot(&self.host.context, Tier::Daily)).await
    }

    /// The snapshots that are there, with their states.
    fn there(&self) -> Vec<(String, String)> {
        self.cluster
            .state(|records| {
                let all = records.contents.values().flatten();
                all.map(|(name, kept)| (name.clone(), kept.state.clone())).collect()
            })
            .expect("a state")
    }

    fn names(&self) -> Vec<String> {
        self.there().into_iter().map(|(name, _)| name).collect()
    }

    fn letters(&self) -> usize {
        std::fs::read_dir(self.host.inside("/outbox")).map_or(0, Iterator::count)
    }

    async fn look(&self) -> check::CheckReport {
        Box::pin(check::look(&self.host.context, &[])).await
    }

    fn documents(&self, index: &str) -> Option<u64> {
        self.cluster
            .state(|records| records.indices.get(index).map(|index| index.documents))
            .expect("a state")
    }

    fn set_documents(&self, index: &str, documents: u64) {
        self.cluster
            .state(|records| records.indices.insert(index.to_owned(), Index::of(documents)))
            .expect("set");
    }

    fn indices(&self) -> Vec<String> {
        self.cluster.state(|records| records.indices.keys().cloned().collect()).expect("a state")
    }
}

const FORMS: &str = "forms_2024-05-09";

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
        play.cluster.turn(|knobs| knobs.troubles = vec![Trouble::new(operation, kind, times)]);
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
            |play| {
                play.cluster
                    .turn(|knobs| knobs.troubles = vec![Trouble::new("create", TroubleKind::Denied, 1)])
            },
            "no snapshot was begun",
            Stage::Snapshot,
        ),
        (
            "may not look",
            |play| {
                play.cluster
                    .turn(|knobs| knobs.troubles = vec![Trouble::new("snapshot", TroubleKind::Denied, 1)])
            },
            "403",
            Stage::Snapshot,
        ),
        (
            "never ready",
            |play| {
                play.cluster
                    .turn(|knobs| knobs.troubles = vec![Trouble::new("about", TroubleKind::Unready, 99)])
            },
            "no master",
            Stage::Prepare,
        ),
        (
            "not deletable",
            |play| {
                play.cluster
                    .turn(|knobs| knobs.troubles = vec![Trouble::new("delete", TroubleKind::Denied, 9)])
            },
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
        let listing = jobs::list(&play.host.context, &[]).await.expect("a list");
        assert!(listing.last_failure.is_some_and(|failure| failure.stage == stage), "{what}");
    }
}

fn login() -> KnobLogin {
    KnobLogin { username: "backup".to_owned(), password: "canary".to_owned() }
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
    let ready =
        Box::pin(snapshot::prepare(&play.host.context, &Wanted::Newest, Some("copy-"))).await.expect("ready");
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
    let listing = jobs::list(&play.host.context, &[]).await.expect("a list");
    let names: Vec<&str> = listing.backups.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["production_es_snapshot_2027_12_26", "before-restore-production-20251121t000000z"]);
}

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
    play.cluster
        .turn(|knobs| knobs.troubles = vec![Trouble::new("get-repository", TroubleKind::Unready, 99)]);
    let report = play.look().await;
    assert!(!report.saw_everything() && report.lost.is_empty(), "{report:?}");
    let listing = jobs::list(&play.host.context, &[]).await.expect("a list");
    assert_eq!(listing.unseen, [""; 0]);
    play.cluster.turn(|knobs| knobs.troubles = vec![Trouble::new("snapshots", TroubleKind::Unready, 99)]);
    let listing = jobs::list(&play.host.context, &[]).await.expect("a list");
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

async fn restored(
    play: &Play,
    wanted: &Wanted,
    prefix: Option<&str>,
) -> Result<snapshot::RestoredSnapshot, JobError> {
    let ready = Box::pin(snapshot::prepare(&play.host.context, wanted, prefix)).await?;
    Box::pin(ready.carry_out(&play.host.context)).await
}

#[tokio::test]
async fn a_restore_keeps_what_is_there_in_a_snapshot_of_its_own() {
    let play = Play::new();
    play.snapshot().await.expect("a snapshot");
    play.set_documents(FORMS, 7);
    play.set_documents("newer", 3);
    play.cluster.state(|records| records.indices.remove("cases_2024-05-09")).expect("changed");
    let ready = Box::pin(snapshot::prepare(&play.host.context, &Wanted::Newest, None)).await.expect("ready");
    assert_eq!(ready.replaced, [FORMS.to_owned(), "users_2024-05-09".to_owned()]);
    assert!(ready.notes.iter().any(|note| note.contains("newer")), "{:?}", ready.notes);
    let kept = ready.kept.clone().expect("something is there");
    let restored = Box::pin(ready.carry_out(&play.host.context)).await.expect("restored");
    assert_eq!(restored.documents, 6035);
    assert_eq!(restored.kept, Some(kept.clone()));
    assert_eq!((play.documents(FORMS), play.documents("newer")), (Some(4800), Some(3)));
    // What was there comes back by the name of that snapshot.
    play.host.pass(TimeDelta::minutes(1));
    self::restored(&play, &Wanted::Named(kept), None).await.expect("restored");
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
    let error = restored(&play, &Wanted::Newest, None).await.expect_err("it does not stop");
    assert!(error.message.contains("`false`"), "{error}");
    assert_eq!(play.names().len(), 1, "nothing was kept before it stopped");
    play.host.context.job.services = Some(Services { stop: "true".to_owned(), start: "true".to_owned() });
    restored(&play, &Wanted::Newest, None).await.expect("restored");
    assert_eq!((play.names().len(), play.documents(FORMS)), (2, Some(4800)));
}

#[tokio::test]
async fn a_condemned_snapshot_is_taken_by_its_name_alone() {
    let play = Play::new();
    let good = play.snapshot().await.expect("a snapshot").manifest.name;
    verify::verify(&play.host.context, &[], &Wanted::Newest, None).await.expect("looked at");
    play.host.pass(TimeDelta::days(1));
    play.set_documents(FORMS, 1);
    let bad = play.snapshot().await.expect("a snapshot").manifest.name;
    let evidence = verify::verify(&play.host.context, &[], &Wanted::Newest, None).await.expect("looked at");
    assert!(!evidence.is_proof() && evidence.name == bad, "{evidence:#?}");
    let prepared = async |wanted: Wanted| {
        let ready = Box::pin(snapshot::prepare(&play.host.context, &wanted, None)).await.expect("ready");
        (ready.name, ready.notes.join("; "))
    };
    let (name, notes) = prepared(Wanted::Newest).await;
    assert_eq!(name, good);
    assert!(notes.contains(&format!("passed over: {bad} was restored")), "{notes}");
    let (name, notes) = prepared(Wanted::Named(bad.clone())).await;
    assert_eq!(name, bad);
    assert!(notes.contains("is not what it should be"), "{notes}");
}

#[tokio::test]
async fn a_restore_under_other_names_touches_nothing() {
    let play = Play::new();
    play.snapshot().await.expect("a snapshot");
    play.set_documents(FORMS, 7);
    let done = restored(&play, &Wanted::Newest, Some("old-")).await.expect("restored");
    assert_eq!(done.indices[1], format!("old-{FORMS}"));
    assert_eq!((play.documents(FORMS), play.documents(&format!("old-{FORMS}"))), (Some(7), Some(4800)));
    assert_eq!(play.names().len(), 1, "there was nothing to keep");
    let refused = restored(&play, &Wanted::Newest, Some("old-")).await.expect_err("there");
    assert!(refused.message.contains("already"), "{refused}");
    for bad in ["Old-", "_old", "a*", "", "../x"] {
        assert_eq!(restored(&play, &Wanted::Newest, Some(bad)).await.expect_err(bad).stage, Stage::Choose);
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
    let chosen = async |wanted| {
        Box::pin(snapshot::prepare(&play.host.context, &wanted, None)).await.map(|ready| ready.name)
    };
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
async fn a_restore_that_fails_says_how_what_was_there_comes_back() {
    let setups: [(&str, Deed, bool, &str); 5] = [
        (
            "cannot keep",
            |play| play.cluster.turn(|knobs| knobs.outcome = Outcome::Partial),
            true,
            "nothing was touched",
        ),
        (
            "refused",
            |play| {
                play.cluster
                    .turn(|knobs| knobs.troubles = vec![Trouble::new("restore", TroubleKind::Denied, 1)])
            },
            true,
            "open again and as it was",
        ),
        (
            "cannot close",
            |play| {
                play.cluster.turn(|knobs| {
                    knobs.troubles =
                        vec![Trouble { after: 1, ..Trouble::new("close", TroubleKind::Denied, 1) }]
                })
            },
            true,
            "open again and as it was",
        ),
        (
            "damaged",
            |play| play.cluster.turn(|knobs| knobs.damaged = [FORMS.to_owned()].into()),
            false,
            "does not recover",
        ),
        (
            "unheard",
            |play| {
                play.cluster
                    .turn(|knobs| knobs.troubles = vec![Trouble::new("restore", TroubleKind::CutAfter, 1)])
            },
            false,
            "broke off",
        ),
    ];
    for (what, setup, as_it_was, told) in setups {
        let play = Play::new();
        play.snapshot().await.expect("a snapshot");
        play.set_documents(FORMS, 7);
        setup(&play);
        let error = restored(&play, &Wanted::Newest, None).await.expect_err(what);
        assert!(error.message.contains(told), "{what}: {error}");
        if as_it_was {
            assert_eq!(play.documents(FORMS), Some(7), "{what}");
            let open = play
                .cluster
                .state(|records| records.indices.values().all(|index| index.open))
                .expect("a state");
            assert!(open, "{what}");
        } else {
            let help = error.help.expect("help");
            assert!(
                help.contains("reconcile restore elasticsearch before-restore-production-"),
                "{what}: {help}"
            );
        }
    }
}

#[tokio::test]
async fn a_snapshot_is_proven_by_restoring_each_index_for_a_while() {
    let play = Play::new();
    play.snapshot().await.expect("a snapshot");
    play.set_documents(FORMS, 7);
    // What a run that was killed left, and what is somebody else's.
    play.set_documents("reconcile-verify-production@old", 1);
    play.set_documents("reconcile-verify-production2@theirs", 1);
    let evidence = verify::verify(&play.host.context, &[], &Wanted::Newest, None).await.expect("looked");
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
    let evidence = verify::verify(&play.host.context, &[], &Wanted::Newest, None).await.expect("looked");
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
    let listing = jobs::list(&play.host.context, &[]).await.expect("a list");
    assert_eq!(row(&listing, 21), (Some(true), Some(true), Some(jobs::Keep::NewestProven)));
    assert_eq!(row(&listing, 22), (Some(false), Some(false), Some(jobs::Keep::Due)));
    play.cluster.turn(|knobs| knobs.damaged = [FORMS.to_owned()].into());
    let first = Wanted::Named(format!("{REPOSITORY}_2026_11_21"));
    let evidence = verify::verify(&play.host.context, &[], &first, None).await.expect("looked");
    assert!(evidence.reasons[0].starts_with("forms_2024-05-09 does not recover"), "{evidence:?}");
    assert!(!play.indices().iter().any(|index| index.starts_with("reconcile-verify-production@")));
}

#[tokio::test]
async fn nothing_in_it_is_no_backup_and_trouble_is_no_verdict() {
    let play = Play::new();
    play.cluster.state(|records| records.indices.clear()).expect("changed");
    play.snapshot().await.expect("a snapshot");
    let evidence = verify::verify(&play.host.context, &[], &Wanted::Newest, None).await.expect("looked");
    assert!(evidence.reasons[0].contains("it holds nothing"), "{evidence:?}");
    play.set_documents(FORMS, 7);
    play.host.pass(TimeDelta::days(1));
    play.snapshot().await.expect("a snapshot");
    play.cluster.turn(|knobs| knobs.troubles = vec![Trouble::new("restore", TroubleKind::Denied, 1)]);
    let error = verify::verify(&play.host.context, &[], &Wanted::Newest, None).await.expect_err("trouble");
    assert_eq!(error.stage, Stage::Prove);
    // An answer that was cut tells nothing: what is there does.
    play.cluster.turn(|knobs| knobs.troubles = vec![Trouble::new("restore", TroubleKind::CutAfter, 1)]);
    let evidence = verify::verify(&play.host.context, &[], &Wanted::Newest, None).await.expect("looked");
    assert!(evidence.is_proof(), "{evidence:?}");
}
