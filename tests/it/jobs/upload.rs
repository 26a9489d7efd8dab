//! The copy in the bucket: whole and proven, or not there at all.

use chrono::TimeDelta;
use reconcile::datastores::job_file::Upload;
use reconcile::datastores::postgresql::settings::Method;
use reconcile::jobs::{self, Manifest, Stage, Store};
use reconcile::vocab::Tier;

use super::dump::{End, Made};
use super::host::Host;
use super::store::{Fault, Storage};

const DATED: &str = "postgres_production_daily_2026_11_21.tar.gz";
const UNDATED: &str = "postgres_daily_db1.tar.gz";
const SMALL: u64 = 1 << 20;
/// Two parts and a bit.
const LARGE: u64 = 17 << 20;

fn host(storage: &Storage, versioned: bool) -> Host {
    let mut host = Host::new(Method::Plain);
    uploads_to(storage, versioned, &mut host);
    host
}

/// Makes a storage the host's second place. `versioned`: under undated keys.
pub fn uploads_to(storage: &Storage, versioned: bool, host: &mut Host) {
    let owner = Some("123456789012".parse().expect("account"));
    host.context.store = Some(Store { client: storage.client(), owner: owner.clone(), owner_unknown: None });
    host.context.job.upload = Some(Upload {
        bucket: "dimagi-production-postgres-backups".parse().expect("bucket"),
        region: None,
        endpoint: None,
        account: owner,
        versioned,
    });
}

#[tokio::test]
async fn small_and_large_backups_arrive_whole_under_their_undated_key() {
    // The last is the manifest's.
    for (bytes, requests) in [(SMALL, 2), (LARGE, 6)] {
        let storage = Storage::new(true);
        let host = host(&storage, true);
        let report = jobs::backup_with(&host.context, Tier::Daily, Made::open(bytes, End::Whole))
            .await
            .expect("a backup");
        let remote = report.manifest.remote.clone().expect("a copy");
        assert_eq!((remote.key.as_str(), remote.proven), (UNDATED, true));
        assert_eq!(report.warnings, Vec::<String>::new());

        let state = storage.state();
        let object = &state.objects[0];
        assert_eq!(object.version, remote.version_id);
        assert!(object.body == std::fs::read(host.path(DATED)).expect("file"));
        assert_eq!(object.metadata["reconcile-environment"], "production");
        assert!(state.uploads.is_empty());
        let manifest: Manifest =
            serde_json::from_slice(&state.manifests[&format!("{UNDATED}.manifest.json")])
                .expect("a manifest");
        assert_eq!(manifest, report.manifest);
        assert_eq!(state.without_owner, 0, "{:?}", state.requests);
        let writes = state.requests.iter().filter(|request| request.starts_with('P')).count();
        assert_eq!(writes, requests, "{:?}", state.requests);
        drop(state);
        assert_eq!(host.manifest(DATED), report.manifest);
    }
}

#[tokio::test]
async fn a_bucket_without_versions_gets_the_dated_key_and_an_alarm() {
    let storage = Storage::new(false);
    let host = host(&storage, true);
    let report =
        jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, End::Whole)).await.expect("a backup");
    assert_eq!(storage.state().objects[0].key, DATED);
    assert!(report.warnings[0].contains("keeps no versions"));
    assert!(host.manifest(DATED).notes[0].contains("keeps no versions"));
}

#[tokio::test]
async fn a_dated_key_is_never_overwritten() {
    let storage = Storage::new(false);
    let host = host(&storage, false);
    for bytes in [SMALL, LARGE] {
        storage.state().objects.clear();
        let made = Made::open(bytes, End::Whole);
        let first = jobs::backup_with(&host.context, Tier::Daily, made).await.expect("a backup");
        let error = jobs::backup_with(&host.context, Tier::Daily, Made::open(bytes + 1, End::Whole))
            .await
            .expect_err("the key is taken");
        assert_eq!(error.stage, Stage::Upload);
        assert!(error.message.contains("holds another backup already"), "{error}");
        assert!(error.message.ends_with("the earlier backup of the same name stays on this host"), "{error}");
        assert_eq!(host.manifest(DATED), first.manifest);
        assert!(storage.state().uploads.is_empty());
        // The same bytes again are as good as there.
        jobs::backup_with(&host.context, Tier::Daily, Made::open(bytes, End::Whole)).await.expect("a backup");
        assert!(host.manifest(DATED).proven());
        assert_eq!(storage.state().objects.len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_no_failure() {
    for (bytes, versioned) in [(LARGE, true), (LARGE, false), (SMALL, false)] {
        let storage = Storage::new(versioned);
        storage.state().fault = Fault::LostAnswer;
        let host = host(&storage, versioned);
        let report = jobs::backup_with(&host.context, Tier::Daily, Made::open(bytes, End::Whole))
            .await
            .expect("a backup");
        assert!(report.manifest.proven(), "{bytes} {versioned}");
        assert_eq!(storage.state().objects.len(), 1);
    }
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_leaves_the_bucket_clean_and_the_local_backup_whole() {
    for (fault, stage) in
        [(Fault::Part(3), Stage::Upload), (Fault::Checksum, Stage::ReadBack), (Fault::Denied, Stage::Upload)]
    {
        let storage = Storage::new(true);
        let host = host(&storage, true);
        jobs::backup_with(&host.context, Tier::Weekly, Made::open(SMALL, End::Whole))
            .await
            .expect("an earlier one");
        host.pass(TimeDelta::days(400));
        storage.state().fault = fault;
        let error = jobs::backup_with(&host.context, Tier::Daily, Made::open(LARGE, End::Whole))
            .await
            .expect_err("fails");
        assert_eq!(error.stage, stage, "{error}");
        assert!(!error.to_string().contains("canary"));
        assert!(storage.state().uploads.is_empty(), "{fault:?}");
        assert_eq!(
            host.files(),
            [
                "last-failure.json",
                "postgres_production_daily_2027_12_26.tar.gz",
                "postgres_production_daily_2027_12_26.tar.gz.manifest.json",
                "postgres_production_weekly_2026_11_21.tar.gz",
                "postgres_production_weekly_2026_11_21.tar.gz.manifest.json",
            ]
        );
        assert!(!host.manifest("postgres_production_daily_2027_12_26.tar.gz").proven());

        // The next one that is proven clears the failure, and what is due goes.
        storage.state().fault = Fault::None;
        host.pass(TimeDelta::days(1));
        let report = jobs::backup_with(&host.context, Tier::Daily, Made::open(LARGE, End::Whole))
            .await
            .expect("succeeds");
        assert_eq!(report.swept.gone(), ["postgres_production_weekly_2026_11_21.tar.gz"]);
        assert!(!host.files().contains(&"last-failure.json".to_owned()));
    }
}

#[tokio::test]
async fn a_dump_that_fails_leaves_nothing_in_the_bucket() {
    for bytes in [SMALL, LARGE] {
        for end in [End::Failed, End::Broken] {
            let storage = Storage::new(true);
            let host = host(&storage, true);
            let error = jobs::backup_with(&host.context, Tier::Daily, Made::open(bytes, end))
                .await
                .expect_err("fails");
            assert_eq!(error.stage, Stage::Dump);
            let state = storage.state();
            assert!(state.objects.is_empty() && state.uploads.is_empty(), "{state:?}");
            assert_eq!(host.files(), ["last-failure.json"]);
        }
    }
}

#[tokio::test]
async fn a_killed_upload_is_broken_off_by_the_next_job() {
    let storage = Storage::new(true);
    let host = host(&storage, true);
    let stale = |key: &str| super::store::Upload { key: key.to_owned(), ..Default::default() };
    storage.state().uploads.insert("ours".to_owned(), stale(UNDATED));
    storage.state().uploads.insert("of another host".to_owned(), stale("postgres_daily_db1.tar.gz.other"));
    jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, End::Whole)).await.expect("a backup");
    assert_eq!(storage.state().uploads.keys().collect::<Vec<_>>(), ["of another host"]);
}

#[tokio::test]
async fn the_list_shows_each_backup_once_wherever_it_lies() {
    let storage = Storage::new(true);
    let host = host(&storage, true);
    for _ in 0..5 {
        jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, End::Whole)).await.expect("a backup");
        host.pass(TimeDelta::days(1));
    }
    let listing = jobs::list(&host.context, &[]).await.expect("a list");
    assert_eq!((listing.unseen.len(), &listing.last_failure), (0, &None));
    let shown: Vec<(bool, bool, Option<bool>)> =
        listing.backups.iter().map(|row| (row.here.is_some(), row.remote.is_some(), row.proven)).collect();
    let both = (true, true, Some(true));
    let remote_only = (false, true, None);
    assert_eq!(shown, [both, both, both, remote_only, remote_only]);
    assert_eq!(
        listing.backups.iter().filter(|row| row.remote.as_ref().is_some_and(|copy| copy.latest)).count(),
        1
    );

    storage.state().fault = Fault::Denied;
    let listing = jobs::list(&host.context, &[]).await.expect("a list");
    assert_eq!(listing.backups.len(), 3);
    assert!(listing.unseen[0].contains("AccessDenied"), "{:?}", listing.unseen);
}
