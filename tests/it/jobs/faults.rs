//! A storage that misbehaves at every call in every way: a backup is proven, or somebody is told and nothing is lost; and
//! the next run succeeds.

use std::time::Duration;

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep};
use chrono::{DateTime, TimeDelta, Utc};
use reconcile::clients::aws::{Aws, AwsSettings};
use reconcile::datastores::job_file::{Alerts, Compression, Upload};
use reconcile::datastores::postgresql::settings::Method;
use reconcile::jobs::{self, BackupReport, JobError, Manifest, Stage, Store};
use reconcile::sandbox::{Fault, FaultKind, Sandbox, SandboxConfig};
use reconcile::vocab::{Clock, Tier};

use super::dump::{End, Made};
use super::host::Host;

const BUCKET: &str = "backups";
/// One PutObject, and two parts.
const SMALL: u64 = 100_000;
const LARGE: u64 = 9 << 20;

/// A hundred times as fast: what hangs is given up after a second, not after two minutes.
#[derive(Debug)]
struct Hasty;

impl AsyncSleep for Hasty {
    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(tokio::time::sleep(duration / 100))
    }
}

/// A host whose second place is a sandbox's.
struct Scene {
    host: Host,
    sandbox: Option<Sandbox>,
    outbox: tempfile::TempDir,
}

impl Scene {
    async fn new(versioned: bool) -> Scene {
        let mut host = Host::new(Method::Plain);
        host.context.job.compression = Compression::Zstd;
        let outbox = tempfile::tempdir().expect("a folder");
        host.context.channels.outbox = Some(outbox.path().to_owned());
        host.context.job.alerts = Alerts { email: vec!["ops@example.org".to_owned()], ..Alerts::default() };
        host.context.job.upload = Some(Upload {
            bucket: BUCKET.parse().expect("valid"),
            region: None,
            endpoint: None,
            account: None,
            versioned,
        });
        let config = SandboxConfig::default();
        let sandbox = Sandbox::memory(config, host.context.clock.clone()).expect("a sandbox");
        let mut scene = Scene { host, sandbox: Some(sandbox), outbox };
        scene.connect().await;
        let client = scene.client();
        client.create_bucket().bucket(BUCKET).send().await.expect("made");
        if versioned {
            let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            let put = client.put_bucket_versioning().bucket(BUCKET).versioning_configuration(on);
            put.send().await.expect("put");
        }
        scene
    }

    async fn connect(&mut self) {
        let settings = self.sandbox().aws_settings();
        let settings = AwsSettings { clock: self.host.context.clock.clone(), ..settings };
        let client = Aws::load(settings).await.s3_transfer(None);
        let hasty = client.config().to_builder().sleep_impl(SharedAsyncSleep::new(Hasty)).build();
        let client = aws_sdk_s3::Client::from_conf(hasty);
        self.host.context.store = Some(Store { client, owner: None, owner_unknown: None });
    }

    fn sandbox(&self) -> &Sandbox {
        self.sandbox.as_ref().expect("one")
    }

    fn client(&self) -> aws_sdk_s3::Client {
        self.host.context.store.clone().expect("one").client
    }

    /// The same storage without faults.
    async fn mend(&mut self) {
        self.sandbox = self.sandbox.take().map(Sandbox::reopened);
        self.connect().await;
    }

    async fn backup(&self, tier: Tier, bytes: u64) -> Result<BackupReport, JobError> {
        jobs::backup_with(&self.host.context, tier, Made::open(bytes, End::Whole)).await
    }

    fn letters(&self) -> usize {
        std::fs::read_dir(self.outbox.path()).expect("there").count()
    }

    /// What was proven is there, here and in the bucket.
    async fn has(&self, proven: &Manifest, when: &str) {
        assert_eq!(&self.host.manifest(&proven.name), proven, "{when}");
        let remote = proven.remote.as_ref().expect("a copy");
        let ask = self.client().head_object().bucket(BUCKET).key(&remote.key);
        let ask = ask.set_version_id(remote.version_id.clone()).checksum_mode(true_mode());
        let head = ask.send().await.unwrap_or_else(|error| panic!("{when}: {error}"));
        assert_eq!(head.checksum_crc64_nvme(), Some(proven.crc64nvme.as_str()), "{when}");
    }

    async fn uploads(&self) -> usize {
        let listed = self.client().list_multipart_uploads().bucket(BUCKET).send().await.expect("listed");
        listed.uploads().len()
    }
}

fn true_mode() -> aws_sdk_s3::types::ChecksumMode {
    aws_sdk_s3::types::ChecksumMode::Enabled
}

/// One fault in one history: an earlier backup, the disturbed one, the next day's.
async fn disturbed(bytes: u64, operation: &str, kind: FaultKind, lasts: bool) -> Result<(), Stage> {
    let when = format!("{kind:?} at {operation} of {bytes} bytes, lasting: {lasts}");
    let mut scene = Scene::new(true).await;
    let earlier = scene.backup(Tier::Weekly, SMALL).await.expect("an earlier one").manifest;
    scene.host.pass(TimeDelta::days(1));
    let times = if lasts { u64::MAX } else { 1 };
    scene.sandbox().inject(Fault::new(kind).on(operation).times(times));
    let done = scene.backup(Tier::Daily, bytes).await;
    let told = scene.letters();
    scene.mend().await;
    scene.has(&earlier, &when).await;
    let files = scene.host.files();
    assert!(!files.iter().any(|file| file.contains(".partial")), "{when}: {files:?}");
    let answer = match done {
        Ok(report) => {
            assert!(report.manifest.proven(), "{when}");
            scene.has(&report.manifest, &when).await;
            assert_eq!(told, 0, "{when}");
            Ok(())
        }
        Err(error) => {
            assert!(!error.is_refusal() && error.help.is_some(), "{when}: {error}");
            assert_eq!(told, 1, "{when}: nobody was told that {error}");
            assert!(files.contains(&"last-failure.json".to_owned()), "{when}: {files:?}");
            // The local one is whole and not proven.
            let local = files.iter().find(|file| file.contains("daily") && file.ends_with(".zst"));
            assert!(!scene.host.manifest(local.expect("sealed")).proven(), "{when}");
            Err(error.stage)
        }
    };
    scene.host.pass(TimeDelta::days(1));
    let next = scene.backup(Tier::Daily, SMALL).await.unwrap_or_else(|error| panic!("{when}: {error}"));
    scene.has(&next.manifest, &when).await;
    assert_eq!(scene.uploads().await, 0, "{when}");
    assert!(!scene.host.files().contains(&"last-failure.json".to_owned()), "{when}");
    answer
}

const IN_PARTS: [&str; 6] = [
    "GetBucketVersioning",
    "ListMultipartUploads",
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "HeadObject",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_once_is_tried_again() {
    use FaultKind::{Hang, InternalError, LateError, LostAnswer, Reset, Throttle};
    for kind in [Throttle, InternalError, Reset, LostAnswer, Hang] {
        assert_eq!(disturbed(SMALL, "PutObject", kind, false).await, Ok(()), "{kind:?}");
        for operation in IN_PARTS {
            assert_eq!(disturbed(LARGE, operation, kind, false).await, Ok(()), "{kind:?} {operation}");
        }
    }
    let late = disturbed(LARGE, "CompleteMultipartUpload", LateError, false).await;
    assert_eq!(late, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lasts_is_told_and_over_with_the_fault() {
    use FaultKind::{Denied, InternalError, LateError, LostAnswer, Reset, Throttle};
    for kind in [Throttle, InternalError, Reset, Denied] {
        assert_eq!(disturbed(SMALL, "PutObject", kind, true).await, Err(Stage::Upload), "{kind:?}");
        assert_eq!(disturbed(SMALL, "HeadObject", kind, true).await, Err(Stage::ReadBack), "{kind:?}");
        for operation in ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] {
            let done = disturbed(LARGE, operation, kind, true).await;
            assert_eq!(done, Err(Stage::Upload), "{kind:?} {operation}");
        }
        // Without these a backup is as good.
        for operation in ["ListMultipartUploads", "AbortMultipartUpload"] {
            assert_eq!(disturbed(LARGE, operation, kind, true).await, Ok(()), "{kind:?} {operation}");
        }
    }
    let late = disturbed(LARGE, "CompleteMultipartUpload", LateError, true).await;
    assert_eq!(late, Err(Stage::Upload));
    // The object stands, and the second try finds it.
    assert_eq!(disturbed(LARGE, "CompleteMultipartUpload", LostAnswer, true).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_that_hangs_is_given_up() {
    assert_eq!(disturbed(SMALL, "PutObject", FaultKind::Hang, true).await, Err(Stage::Upload));
    assert_eq!(disturbed(LARGE, "UploadPart", FaultKind::Hang, true).await, Err(Stage::Upload));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_storage_loses_or_changes_is_no_backup() {
    for lasts in [false, true] {
        for kind in [FaultKind::Lost, FaultKind::WrongChecksum] {
            let part = disturbed(LARGE, "UploadPart", kind, lasts).await;
            assert_eq!(part, Err(Stage::Upload), "{kind:?}");
        }
        let wrong = FaultKind::WrongChecksum;
        assert_eq!(disturbed(SMALL, "PutObject", wrong, lasts).await, Err(Stage::Upload));
        assert_eq!(disturbed(LARGE, "CompleteMultipartUpload", wrong, lasts).await, Err(Stage::Upload));
        assert_eq!(disturbed(SMALL, "HeadObject", wrong, lasts).await, Err(Stage::ReadBack));
        assert_eq!(disturbed(LARGE, "HeadObject", wrong, lasts).await, Err(Stage::ReadBack));
    }
    // Answered, and never seen again.
    assert_eq!(disturbed(SMALL, "PutObject", FaultKind::Lost, false).await, Err(Stage::ReadBack));
}

/// A run of the same day whose copy fails must not take the place of the one that was proven.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proven_backup_of_the_same_name_stays_until_another_is_proven() {
    for (operation, stage) in [("PutObject", Stage::Upload), ("HeadObject", Stage::ReadBack)] {
        let mut scene = Scene::new(true).await;
        let first = scene.backup(Tier::Daily, SMALL).await.expect("a backup").manifest;
        scene.sandbox().inject(Fault::new(FaultKind::Denied).on(operation));
        let error = scene.backup(Tier::Daily, SMALL + 1).await.expect_err("denied");
        assert_eq!(error.stage, stage);
        scene.mend().await;
        scene.has(&first, operation).await;
        let left =
            [first.name.clone(), format!("{}.manifest.json", first.name), "last-failure.json".to_owned()];
        let mut left = left.to_vec();
        left.sort();
        assert_eq!(scene.host.files(), left);
        let second = scene.backup(Tier::Daily, SMALL + 2).await.expect("a backup").manifest;
        scene.has(&second, operation).await;
        assert_ne!(first.sha256, second.sha256);
    }
}

/// Every upload that a killed job of this host left is broken off by the next, whatever its key was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_were_killed_on_other_days_are_broken_off() {
    let scene = Scene::new(false).await;
    let client = scene.client();
    let ours = [
        "postgres_production_daily_2026_11_20.tar.gz",
        "postgres_production_hourly_2026_11_20_03.tar.zst",
        "postgres_daily_db1.tar.gz",
        "postgres_production_label_x_db1_2026_11_20_0300.tar.gz",
    ];
    let others = [
        "postgres_daily_db2.tar.gz",
        "postgres_production_label_x_db2_2026_11_20_0300.tar.gz",
        "postgres_staging_daily_2026_11_20.tar.gz",
        "postgres_production_daily_2026_11_20.tar.gz.bak",
    ];
    for key in ours.iter().chain(&others) {
        client.create_multipart_upload().bucket(BUCKET).key(*key).send().await.expect("begun");
    }
    scene.backup(Tier::Daily, SMALL).await.expect("a backup");
    let listed = client.list_multipart_uploads().bucket(BUCKET).send().await.expect("listed");
    let mut left: Vec<&str> = listed.uploads().iter().filter_map(|upload| upload.key()).collect();
    left.sort_unstable();
    let mut expected = others.to_vec();
    expected.sort_unstable();
    assert_eq!(left, expected);
}

/// Either clock a day off: S3 refuses what is signed a quarter of an hour off, and the client goes by its clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_a_day_off_stops_no_backup() {
    for offset in [86_400, -86_400] {
        let mut scene = Scene::new(true).await;
        let config = SandboxConfig { storage_clock_offset: offset, ..SandboxConfig::default() };
        let clock = scene.host.context.clock.clone();
        let sandbox = Sandbox::memory(config, clock.clone()).expect("a sandbox");
        scene.sandbox = Some(sandbox);
        scene.connect().await;
        let client = scene.client();
        client.create_bucket().bucket(BUCKET).send().await.expect("made");
        let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        client.put_bucket_versioning().bucket(BUCKET).versioning_configuration(on).send().await.expect("put");
        for bytes in [SMALL, LARGE] {
            // A process of its own, whose client knows nothing yet.
            scene.connect().await;
            let report = scene.backup(Tier::Daily, bytes).await.expect("a backup");
            assert_eq!(report.manifest.ended, clock.now(), "by the host's own clock");
            scene.has(&report.manifest, "off").await;
            scene.host.pass(TimeDelta::days(1));
        }
        let listing = jobs::list(&scene.host.context, &[]).await.expect("listed");
        assert_eq!((listing.backups.len(), listing.unseen.len()), (2, 0), "{listing:#?}");
        assert!(listing.backups.iter().all(|row| row.here.is_some() && row.remote.is_some()));
    }
}

/// The host's clock is a day ahead for a while: what was made then is no excuse for what is made after, and no reason to
/// remove what was made before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_goes_back_lets_nothing_go() {
    let mut scene = Scene::new(true).await;
    let clock: std::sync::Arc<std::sync::Mutex<DateTime<Utc>>> =
        std::sync::Arc::new(std::sync::Mutex::new("2026-11-21T01:00:00Z".parse().expect("an instant")));
    scene.host.context.clock = Clock::new({
        let clock = clock.clone();
        move || *clock.lock().expect("clock")
    });
    let set = |text: &str| *clock.lock().expect("clock") = text.parse().expect("an instant");
    scene.connect().await;
    let first = scene.backup(Tier::Daily, SMALL).await.expect("a backup").manifest;
    set("2026-12-22T01:00:00Z");
    scene.connect().await;
    let ahead = scene.backup(Tier::Daily, SMALL).await.expect("a backup");
    assert_eq!(ahead.swept.gone(), [first.name], "to that clock it was a month old");
    set("2026-11-22T01:00:00Z");
    for day in 22..30 {
        set(&format!("2026-11-{day}T01:00:00Z"));
        scene.connect().await;
        let made = scene.backup(Tier::Daily, SMALL).await.expect("a backup").manifest;
        scene.has(&made, "after it").await;
        scene.has(&ahead.manifest, "of the future").await;
    }
    let kept: Vec<String> = scene.host.files().into_iter().filter(|file| file.ends_with(".zst")).collect();
    assert_eq!(
        kept,
        [
            "postgres_production_daily_2026_11_27.tar.zst",
            "postgres_production_daily_2026_11_28.tar.zst",
            "postgres_production_daily_2026_11_29.tar.zst",
            "postgres_production_daily_2026_12_22.tar.zst",
        ]
    );
}
