//! What nobody gets without naming it: another host's backup, one that a verification condemned, one whose clock was wrong;
//! and what only stood in the way of a verification.

use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use reconcile::clients::aws::Aws;
use reconcile::datastores::job_file::Source;
use reconcile::datastores::tree::settings::TreeSource;
use reconcile::jobs::restore::{self, Chosen, Origin, Wanted};
use reconcile::jobs::verify::verify;
use reconcile::jobs::{self, JobError};
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::vocab::{Clock, Tier};

use super::host::Host;
use super::site::Site;

const BUCKET: &str = "backups";
const TREE: &str = "/opt/data/blobdb";

/// A host of a tree of so many bytes.
fn host(bytes: usize) -> Host {
    let source = TreeSource { path: TREE.to_owned(), exclude: Vec::new(), host: None };
    let host = Host::of("blobdb", "/opt/data/backups/blobdb", Source::Tree(source));
    fs::create_dir_all(host.inside(TREE)).expect("made");
    holds(&host, bytes);
    host
}

fn holds(host: &Host, bytes: usize) {
    fs::write(host.inside(TREE).join("blob"), vec![b'x'; bytes]).expect("written");
}

/// A client of a storage whose clock is another.
async fn storage(clock: Clock) -> aws_sdk_s3::Client {
    let sandbox = Sandbox::memory(SandboxConfig::default(), clock).expect("a sandbox");
    Aws::load(sandbox.aws_settings()).await.s3_transfer(None)
}

async fn backup(host: &Host) -> String {
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest.name
}

/// What would be restored into an empty directory.
async fn chosen(host: &Host, wanted: Wanted) -> Result<Chosen, JobError> {
    let to = Some(PathBuf::from("/nonexistent/x"));
    restore::prepare(&host.context, &[], &wanted, to).await.map(|ready| ready.chosen)
}

fn forget(host: &Host) {
    for file in host.files() {
        fs::remove_file(host.path(&file)).expect("removed");
    }
}

#[tokio::test]
async fn another_hosts_backup_is_taken_by_its_name_alone() {
    for versioned in [true, false] {
        let (mut one, mut other) = (host(10), host(20));
        let client = storage(one.context.clock.clone()).await;
        one.upload_to(&client, BUCKET, versioned).await;
        other.context.clock = one.context.clock.clone();
        other.context.job.host = "db2.example.org".parse().expect("a name");
        other.context.hostname = "db2".to_owned();
        (other.context.job.upload, other.context.store) =
            (one.context.job.upload.clone(), one.context.store.clone());
        backup(&one).await;
        one.pass(TimeDelta::days(1));
        backup(&other).await;
        forget(&one);
        let (own, foreign) = match versioned {
            true => ("blobdb_daily_db1.tar.gz", "blobdb_daily_db2.tar.gz"),
            false => ("blobdb_daily_2026_11_21.tar.gz", "blobdb_daily_2026_11_22.tar.gz"),
        };
        let newest = chosen(&one, Wanted::Newest).await.expect("chosen");
        assert_eq!(newest.name, own);
        assert_eq!(
            newest.passed,
            [format!(
                "{foreign}: it is of another host, db2.example.org; who wants it all the same names it"
            )]
        );
        assert_eq!(chosen(&one, Wanted::NewestScheduled).await.expect("chosen").name, own);
        let named = chosen(&one, Wanted::Named(foreign.to_owned())).await.expect("chosen");
        assert_eq!(named.doubts, ["it is of another host, db2.example.org"]);
        // Nor does it make this host's look fresh.
        one.context.job.schedules = [(Tier::Daily, "0 0 * * *".parse().expect("a schedule"))].into();
        let report = jobs::check::look(&one.context, &[]).await;
        let remote = report.tier(Tier::Daily).expect("daily").places.iter().find_map(|at| {
            (at.place == reconcile::freshness::Place::Remote).then_some(at.newest.as_ref()).flatten()
        });
        assert_eq!(remote.map(|newest| newest.name.as_str()), Some(own));
    }
}

#[tokio::test]
async fn another_hosts_copy_here_is_taken_by_its_name_alone() {
    let (mut one, mut other) = (host(10), host(20));
    other.context.clock = one.context.clock.clone();
    other.context.job.host = "db2.example.org".parse().expect("a name");
    let own = backup(&one).await;
    one.pass(TimeDelta::days(1));
    let foreign = backup(&other).await;
    // As a second copy comes here.
    for file in [foreign.clone(), format!("{foreign}.manifest.json")] {
        fs::copy(other.path(&file), one.path(&file)).expect("copied");
    }
    let newest = chosen(&one, Wanted::Newest).await.expect("chosen");
    assert_eq!(newest.name, own);
    let words = "it is of another host, db2.example.org";
    assert_eq!(newest.passed, [format!("{foreign}: {words}; who wants it all the same names it")]);
    assert_eq!(chosen(&one, Wanted::NewestScheduled).await.expect("chosen").name, own);
    let named = chosen(&one, Wanted::Named(foreign.clone())).await.expect("chosen");
    assert_eq!((named.name, named.doubts), (foreign, vec![words.to_owned()]));
    // Nor does it make this host's look fresh.
    one.context.job.schedules = [(Tier::Daily, "0 0 * * *".parse().expect("a schedule"))].into();
    let report = jobs::check::look(&one.context, &[]).await;
    let here = report.tier(Tier::Daily).expect("daily").places.iter().find_map(|at| {
        (at.place == reconcile::freshness::Place::Here).then_some(at.newest.as_ref()).flatten()
    });
    assert_eq!(here.map(|newest| newest.name.as_str()), Some(own.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condemned_backup_is_taken_by_its_name_alone() {
    let host = host(1_000_000);
    let good = backup(&host).await;
    verify(&host.context, &[], &Wanted::Newest, None).await.expect("looked at");
    host.pass(TimeDelta::days(1));
    holds(&host, 10);
    let bad = backup(&host).await;
    let evidence = verify(&host.context, &[], &Wanted::Newest, None).await.expect("looked at");
    assert!(!evidence.is_proof() && evidence.name == bad, "{evidence:#?}");
    let newest = chosen(&host, Wanted::Newest).await.expect("chosen");
    assert_eq!(newest.name, good);
    let words = "it was restored 2026-11-22 00:00 UTC and is not what it should be: ";
    assert!(newest.passed[0].starts_with(&format!("{bad}: {words}")), "{:?}", newest.passed);
    let after = host.context.clock.now() + TimeDelta::hours(1);
    assert_eq!(chosen(&host, Wanted::Before(after)).await.expect("chosen").name, good);
    let named = chosen(&host, Wanted::Named(bad.clone())).await.expect("chosen");
    assert!(named.doubts[0].starts_with(words), "{:?}", named.doubts);
    // A verification looks at it anew.
    assert_eq!(chosen(&host, Wanted::NewestScheduled).await.expect("chosen").name, bad);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condemned_backup_does_not_come_back_from_the_bucket() {
    let mut host = host(1_000_000);
    let client = storage(host.context.clock.clone()).await;
    host.upload_to(&client, BUCKET, true).await;
    let night = async |bytes: usize| {
        host.pass(TimeDelta::days(1));
        holds(&host, bytes);
        (backup(&host).await, host.context.clock.now())
    };
    let (_, good) = night(1_000_000).await;
    verify(&host.context, &[], &Wanted::Newest, None).await.expect("looked at");
    let (bad, at) = night(10).await;
    let evidence = verify(&host.context, &[], &Wanted::Newest, None).await.expect("looked at");
    assert!(!evidence.is_proof() && evidence.name == bad, "{evidence:#?}");
    night(1_000_000).await;
    let evidence = verify(&host.context, &[], &Wanted::Newest, None).await.expect("looked at");
    assert!(evidence.is_proof(), "{evidence:#?}");
    for _ in 0..4 {
        night(1_000_000).await;
    }
    let noted = format!("{bad}.verified.json");
    assert!(!host.files().contains(&bad) && host.files().contains(&noted), "{:?}", host.files());

    // Its version in the bucket has another name than it had here.
    let before = Wanted::Before(at + TimeDelta::hours(1));
    let whole = chosen(&host, before).await.expect("chosen");
    assert_eq!(whole.ended, Some(good), "{:?}", whole.passed);
    let words =
        "blobdb_daily_db1.tar.gz: it was restored 2026-11-23 00:00 UTC and is not what it should be: ";
    assert!(whole.passed.iter().any(|passed| passed.starts_with(words)), "{:?}", whole.passed);

    // What is known of it goes at last.
    host.pass(TimeDelta::days(740));
    backup(&host).await;
    assert!(!host.files().contains(&noted), "{:?}", host.files());
}

/// A disk or a person: what the job wrote is in the bucket still.
#[tokio::test]
async fn a_file_that_was_changed_here_is_restored_from_its_copy() {
    let mut host = host(1_000_000);
    let client = storage(host.context.clock.clone()).await;
    host.upload_to(&client, BUCKET, true).await;
    let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    let (name, copy) = (report.manifest.name, report.manifest.remote.expect("a copy"));
    let is_there = |chosen: &Chosen| matches!(chosen.origin, Origin::There(_)) && chosen.doubts.is_empty();
    let version = format!("{}?versionId={}", copy.key, copy.version_id.expect("a version"));
    let found = chosen(&host, Wanted::Named(version.clone())).await.expect("chosen");
    assert!(is_there(&found), "the version that was named: {found:?}");
    assert!(!is_there(&chosen(&host, Wanted::Newest).await.expect("chosen")));

    let whole = fs::read(host.path(&name)).expect("read");
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle..middle + 8].copy_from_slice(b"whatever");
    let look = async |bytes: &[u8]| {
        fs::write(host.path(&name), bytes).expect("written");
        let evidence = verify(&host.context, &[], &Wanted::Newest, None).await.expect("looked at");
        assert!(!evidence.is_proof() && evidence.sha256 != report.manifest.sha256, "{evidence:#?}");
        let found = chosen(&host, Wanted::Newest).await.expect("chosen");
        assert!(is_there(&found), "{found:?}");
        found.passed
    };
    let passed = look(&changed).await;
    assert!(passed[0].starts_with(&format!("{name} on this disk: it was restored ")), "{passed:?}");
    assert!(passed[0].ends_with("; its copy in the bucket is taken"), "{passed:?}");
    // Who names the file means it.
    let named = chosen(&host, Wanted::Named(name.clone())).await.expect("chosen");
    assert!(matches!(named.origin, Origin::Here(_)) && named.doubts.len() == 1, "{named:?}");
    assert!(named.doubts[0].ends_with(&format!("; its copy in the bucket is {version}")), "{named:?}");
    assert!(
        look(&whole[..middle]).await[0].contains("bytes were written and"),
        "one that was cut is another"
    );
    // What was found in the file says nothing of the copy that is left.
    fs::remove_file(host.path(&name)).expect("removed");
    assert!(is_there(&chosen(&host, Wanted::Newest).await.expect("chosen")));
}

#[tokio::test]
async fn a_file_that_somebody_put_there_is_taken_by_its_name_alone() {
    let host = host(10);
    let good = backup(&host).await;
    // As a key's copy is called; it is the youngest file of all.
    let copied = "blobdb_daily_db1.tar.gz";
    fs::copy(host.path(&good), host.path(copied)).expect("copied");
    let newest = chosen(&host, Wanted::Newest).await.expect("chosen");
    assert_eq!(newest.name, good);
    assert_eq!(
        newest.passed,
        [format!(
            "{copied}: no job wrote this file: somebody put it there; who wants it all the same names it"
        )]
    );
    let named = chosen(&host, Wanted::Named(copied.to_owned())).await.expect("chosen");
    assert_eq!(named.doubts, ["no job wrote this file: somebody put it there"]);
}

#[tokio::test]
async fn what_is_still_to_come_is_not_the_newest() {
    let host = host(10);
    let good = backup(&host).await;
    host.pass(TimeDelta::days(2));
    let ahead = backup(&host).await;
    host.pass(TimeDelta::days(-1));
    for wanted in [Wanted::Newest, Wanted::NewestScheduled] {
        let newest = chosen(&host, wanted).await.expect("chosen");
        assert_eq!(newest.name, good);
        assert!(
            newest.passed[0].contains("which is still to come: a clock was wrong"),
            "{:?}",
            newest.passed
        );
    }
    assert_eq!(chosen(&host, Wanted::Named(ahead.clone())).await.expect("chosen").name, ahead);
}

#[tokio::test]
async fn before_an_incident_holds_by_the_later_of_both_clocks() {
    // The host's clock is half a day behind.
    let mut host = host(10);
    let right: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().expect("an instant");
    let client = storage(Clock::fixed(right)).await;
    host.upload_to(&client, BUCKET, true).await;
    let name = backup(&host).await;
    let incident = right - TimeDelta::hours(6);
    let error = chosen(&host, Wanted::Before(incident)).await.expect_err("it may be of after that");
    assert!(error.message.contains("the storage took it at 2026-11-21 12:00:00 UTC"), "{error}");
    let chosen = chosen(&host, Wanted::Before(right + TimeDelta::seconds(1))).await.expect("chosen");
    assert_eq!((chosen.name, chosen.passed), (name, Vec::new()));
}

#[tokio::test]
async fn what_could_not_be_seen_may_be_newer() {
    let mut host = host(10);
    let client = storage(host.context.clock.clone()).await;
    host.upload_to(&client, BUCKET, true).await;
    backup(&host).await;
    assert_eq!(chosen(&host, Wanted::Newest).await.expect("chosen").doubts, [""; 0]);
    let upload = host.context.job.upload.as_mut().expect("one");
    upload.bucket = "nowhere".parse().expect("a name");
    let chosen = chosen(&host, Wanted::Newest).await.expect("chosen");
    assert!(chosen.doubts[0].contains("the bucket nowhere cannot be listed"), "{:?}", chosen.doubts);
    assert!(chosen.doubts[0].ends_with("there may be a newer one"), "{:?}", chosen.doubts);
}

#[test]
fn a_network_that_breaks_condemns_no_backup() {
    let site = Site::new(3_000_000);
    let made = site.next_run("at first");
    let file = site.backups().join(&made.name);
    fs::remove_file(&file).expect("removed");
    site.like("faults: [{kind: reset, operation: GetObject, nth: 2, times: 100}]\n");
    let verified = site.run("verify blobdb");
    assert_ne!(verified.status.code(), Some(0));
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(said.contains("cannot be read to its end"), "{said}");
    assert!(!site.files().iter().any(|file| file.ends_with(".verified.json")), "{:?}", site.files());
    site.like("");
    assert_eq!(site.run("verify blobdb").status.code(), Some(0));
}
