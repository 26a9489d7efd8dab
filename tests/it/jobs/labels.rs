//! Backups that a person labels: beside those of the schedules, and never in their way.

use std::collections::BTreeMap;
use std::fs;

use chrono::TimeDelta;
use reconcile::datastores::job_file::Source;
use reconcile::datastores::tree::settings::TreeSource;
use reconcile::jobs::restore::{self, Wanted};
use reconcile::jobs::verify::verify;
use reconcile::jobs::{self, Keep, Manifest, Stage, check};
use reconcile::vocab::{Occasion, Tier};

use super::dump::{End, Made};
use super::host::Host;
use super::restore::{BUCKET, with_bucket};

const SMALL: u64 = 100_000;
const NAME: &str = "blobdb_label_before-2.1_db1_2026_11_21_0000.tar.gz";

fn label(text: &str, keep_until: Option<&str>) -> Occasion {
    Occasion::Label {
        label: text.parse().expect("a label"),
        keep_until: keep_until.map(|day| day.parse().expect("a day")),
    }
}

/// A host whose tree says which day it is.
fn host() -> Host {
    let source = TreeSource { path: "/srv/blobs".to_owned(), exclude: Vec::new(), host: None };
    let mut host = Host::of("blobdb", "/opt/data/backups/blobdb", Source::Tree(source));
    fs::create_dir_all(host.inside("/srv/blobs")).expect("made");
    host.context.job.schedules = BTreeMap::from([(Tier::Daily, "0 0 * * *".parse().expect("a schedule"))]);
    host.context.written = Some(host.context.clock.now() - TimeDelta::hours(1));
    host
}

async fn backup(host: &Host, occasion: impl Into<Occasion>) -> Manifest {
    let now = host.context.clock.now().to_rfc3339();
    fs::write(host.inside("/srv/blobs/now"), now).expect("written");
    jobs::backup(&host.context, occasion).await.expect("a backup").manifest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_labelled_backup_has_its_own_name_and_key_and_no_schedule_touches_it() {
    let mut host = host();
    let client = with_bucket(&mut host, true).await;
    let manifest = backup(&host, label("before-2.1", Some("2026-12-20"))).await;
    let remote = manifest.remote.clone().expect("a copy");
    assert_eq!((manifest.name.as_str(), remote.key.as_str(), remote.proven), (NAME, NAME, true));
    let noted = fs::read_to_string(host.path(&format!("{NAME}.manifest.json"))).expect("there");
    assert!(noted.contains("\"label\": \"before-2.1\"") && noted.contains("\"keep_until\": \"2026-12-20\""));
    assert!(noted.contains("reconcile.manifest/1") && !noted.contains("\"tier\""), "{noted}");
    let head = client.head_object().bucket(BUCKET).key(NAME).send().await.expect("there");
    assert_eq!(head.metadata().expect("some")["reconcile-label"], "before-2.1");

    // A month of nights, whose backups stay and go as if it were not there.
    let alone = self::host();
    for _ in 0..32 {
        backup(&host, Tier::Daily).await;
        backup(&alone, Tier::Daily).await;
        let scheduled =
            |host: &Host| host.files().into_iter().filter(|file| !file.contains("label")).collect::<Vec<_>>();
        assert_eq!(scheduled(&host), scheduled(&alone));
        assert!(host.files().contains(&NAME.to_owned()) == (host.context.clock.now() < over()));
        host.pass(TimeDelta::days(1));
        alone.pass(TimeDelta::days(1));
    }
    // The copy in the bucket is nobody's to remove.
    let listing = jobs::list(&host.context, &[]).await.expect("listed");
    let row = listing.backups.iter().find(|row| row.name == NAME).expect("in the bucket");
    assert!(row.here.is_none() && row.remote.is_some() && row.tier.is_none(), "{row:?}");
    assert_eq!(row.label.as_ref().map(|label| label.as_str()), Some("before-2.1"));
}

fn over() -> chrono::DateTime<chrono::Utc> {
    "2026-12-21T00:00:00Z".parse().expect("an instant")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_its_date_the_next_run_removes_it_and_says_why_unless_it_is_the_last_proven_one() {
    let mut host = host();
    with_bucket(&mut host, true).await;
    backup(&host, label("before-2.1", Some("2026-11-22"))).await;
    backup(&host, label("for-ever", None)).await;
    let keeps = |listing: &jobs::Listing| {
        let here = |name: &str| {
            let row = listing.backups.iter().find(|row| row.name.contains(name)).expect("listed");
            row.here.map(|here| (here.keep, here.when.map(|when| when.to_rfc3339())))
        };
        (here("before-2.1"), here("for-ever"))
    };
    let listing = jobs::list(&host.context, &[]).await.expect("listed");
    assert_eq!(
        keeps(&listing),
        (Some((Keep::Labelled, Some("2026-11-23T00:00:00+00:00".to_owned()))), Some((Keep::Labelled, None)))
    );

    // Its date is over, and no other backup is proven: it stays.
    host.pass(TimeDelta::days(9));
    fs::remove_file(host.path("blobdb_label_for-ever_db1_2026_11_21_0000.tar.gz")).expect("removed");
    let listing = jobs::list(&host.context, &[]).await.expect("listed");
    assert_eq!(keeps(&listing).0, Some((Keep::NewestProven, None)));
    // A labelled run removes nothing.
    host.pass(TimeDelta::days(1));
    let report = jobs::backup(&host.context, label("another", None)).await.expect("a backup");
    assert_eq!(report.swept.removed, []);
    let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    assert_eq!(report.swept.gone(), [NAME]);
    assert_eq!(
        report.swept.removed[0].to_string(),
        format!(
            "removed {NAME}: it was labelled before-2.1 and kept until 2026-11-23 00:00 UTC; s3://{BUCKET}/{NAME} stays \
             until a person removes it"
        )
    );
    assert!(!host.files().iter().any(|file| file.contains("before-2.1")), "{:?}", host.files());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_schedule_is_kept_by_it_and_no_failure_cleared() {
    let host = host();
    host.pass(TimeDelta::days(3));
    let look = || check::look(&host.context, &[]);
    assert!(!look().await.is_good(), "three nights are missing");
    let failed = Made::open(SMALL, End::Failed);
    jobs::backup_with(&host.context, Tier::Daily, failed).await.expect_err("fails");
    backup(&host, label("by-hand", None)).await;
    let report = look().await;
    assert!(!report.is_good() && report.last_failure.is_some(), "it answers for no night");
    backup(&host, Tier::Daily).await;
    assert!(look().await.is_good());
    // One that fails leaves no note of its own: the person was there.
    host.pass(TimeDelta::minutes(1));
    let error =
        jobs::backup_with(&host.context, label("by-hand", None), Made::open(SMALL, End::Failed)).await;
    assert_eq!(error.expect_err("fails").stage, Stage::Dump);
    let report = look().await;
    assert!(report.is_good() && report.last_failure.is_none());
    // However small it is.
    for _ in 0..3 {
        host.pass(TimeDelta::days(1));
        backup(&host, Tier::Daily).await;
    }
    host.pass(TimeDelta::minutes(1));
    jobs::backup_with(&host.context, label("tiny", None), Made::open(1, End::Whole)).await.expect("a backup");
    assert!(look().await.is_good());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_labelled_is_ever_overwritten() {
    let mut host = host();
    with_bucket(&mut host, true).await;
    let first = backup(&host, label("before-2.1", None)).await;
    host.pass(TimeDelta::seconds(30));
    let error = jobs::backup(&host.context, label("before-2.1", None)).await.expect_err("it is there");
    assert_eq!(error.stage, Stage::Prepare);
    assert!(error.message.contains(&format!("{NAME} is there already")), "{error}");
    // Gone from the disk it is still in the bucket, and stays as it is.
    fs::remove_file(host.path(NAME)).expect("removed");
    fs::write(host.inside("/srv/blobs/now"), "another").expect("written");
    let error = jobs::backup(&host.context, label("before-2.1", None)).await.expect_err("it is there");
    assert_eq!(error.stage, Stage::Upload);
    assert!(error.message.contains("holds another backup already"), "{error}");
    host.pass(TimeDelta::minutes(1));
    let second = backup(&host, label("before-2.1", None)).await;
    assert_ne!(first.name, second.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_restored_as_the_newest_or_by_name_and_proven_by_name_alone() {
    let host = host();
    let nightly = backup(&host, Tier::Daily).await;
    host.pass(TimeDelta::hours(10));
    let labelled = backup(&host, label("before-2.1", None)).await;
    let chosen = |wanted: Wanted| {
        let host = &host;
        async move { restore::prepare(&host.context, &[], &wanted, None).await.expect("ready").chosen.name }
    };
    assert_eq!(chosen(Wanted::Newest).await, labelled.name);
    assert_eq!(chosen(Wanted::Named(labelled.name.clone())).await, labelled.name);
    assert_eq!(chosen(Wanted::Before(labelled.ended + TimeDelta::seconds(1))).await, labelled.name);
    assert_eq!(chosen(Wanted::Before(labelled.ended)).await, nightly.name);

    let newest = verify(&host.context, &[], &Wanted::Newest, None).await.expect("looked at");
    assert_eq!((newest.name.as_str(), newest.is_proof()), (nightly.name.as_str(), true));
    fs::remove_file(host.path(&format!("{}.verified.json", nightly.name))).expect("removed");
    let named = verify(&host.context, &[], &Wanted::Named(labelled.name.clone()), None).await;
    let named = named.expect("looked at");
    assert!(named.is_proof() && named.label.is_some() && named.tier.is_none(), "{named:?}");
    let report = check::look(&host.context, &[]).await;
    assert_eq!(report.verified(), None, "it proves none of the schedules'");
}
