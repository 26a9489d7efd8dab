//! The host, the clouds and the clocks, and what is known of all that happened there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use chrono::{DateTime, Datelike, TimeDelta, Utc, Weekday};
use reconcile::clients::aws::{Aws, AwsSettings};
use reconcile::datastores::job_file::{Alerts, Objectives, Source, Upload};
use reconcile::datastores::tree::settings::TreeSource;
use reconcile::jobs::{Context, Manifest, Store};
use reconcile::sandbox::{Fault, FaultKind, Sandbox, SandboxConfig};
use reconcile::vocab::{Clock, Schedule, Tier};

use super::weather::{Chance, Disk, Weather};
use crate::jobs::host::Host;

pub(super) const BUCKET: &str = "backups";
const DIRECTORY: &str = "/opt/data/backups/files-media";
pub(super) const PROVEN_WITHIN: TimeDelta = TimeDelta::days(9);

pub(super) struct World {
    pub(super) chance: Chance,
    pub(super) weather: Weather,
    pub(super) host: Host,
    /// What time it is, and how far ahead the host's clock is.
    pub(super) now: Arc<Mutex<DateTime<Utc>>>,
    pub(super) ahead: Arc<Mutex<TimeDelta>>,
    /// The client of whoever looks after the test.
    pub(super) judge: aws_sdk_s3::Client,
    pub(super) good: Store,
    pub(super) broken: Store,
    pub(super) clouds: [Sandbox; 2],
    pub(super) disk: Option<Disk>,
    pub(super) archive: Vec<u8>,
    pub(super) elsewhere: tempfile::TempDir,
    /// The newest that was proven.
    pub(super) last: Option<Manifest>,
    /// By the host's clock: the newest proven of each tier, and what failed since.
    pub(super) proven: BTreeMap<Tier, DateTime<Utc>>,
    pub(super) failed: BTreeSet<Tier>,
    pub(super) verified: DateTime<Utc>,
    pub(super) verify_failed: bool,
    /// Until when a wrong clock may have left its traces.
    pub(super) disturbed_until: DateTime<Utc>,
    pub(super) blind: u32,
    /// Whether somebody was told that something is wrong with the backups, and with their proofs.
    pub(super) open: bool,
    pub(super) unproven: bool,
    /// How much happened, so that a quiet history is found out.
    pub(super) incidents: u32,
    pub(super) failures: u32,
}

/// When the first day begins.
pub(super) fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().expect("an instant")
}

pub(super) fn schedules() -> BTreeMap<Tier, Schedule> {
    let of = |text: &str| text.parse().expect("a schedule");
    BTreeMap::from([(Tier::Daily, of("0 1 * * *")), (Tier::Weekly, of("0 2 * * 0"))])
}

pub(super) async fn world(seed: u64) -> World {
    let source = TreeSource { path: "/srv/media".to_owned(), exclude: Vec::new(), host: None };
    let mut host = Host::of("files-media", DIRECTORY, Source::Tree(source));
    let start = start();
    let (now, ahead) = (Arc::new(Mutex::new(start)), Arc::new(Mutex::new(TimeDelta::zero())));
    let clock = Clock::new({
        let now = now.clone();
        move || *now.lock().expect("clock")
    });
    let hosts_own = Clock::new({
        let (now, ahead) = (now.clone(), ahead.clone());
        move || *now.lock().expect("clock") + *ahead.lock().expect("clock")
    });
    let cloud = |faults: Vec<Fault>| {
        let config = SandboxConfig { faults, ..SandboxConfig::default() };
        Sandbox::memory(config, clock.clone()).expect("a sandbox")
    };
    let clouds = [cloud(Vec::new()), cloud(vec![Fault::new(FaultKind::Reset).times(u64::MAX)])];
    let judge = Aws::load(clouds[0].aws_settings()).await.s3(None);
    judge.create_bucket().bucket(BUCKET).send().await.expect("made");
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let put = judge.put_bucket_versioning().bucket(BUCKET).versioning_configuration(enabled);
    put.send().await.expect("put");

    let elsewhere = tempfile::tempdir().expect("folder");
    let tree = elsewhere.path().join("tree");
    fs::create_dir(&tree).expect("made");
    fs::write(tree.join("file"), vec![7; 3000]).expect("written");
    let tar = Command::new("tar").arg("-c").arg("-C").arg(&tree).arg(".").output().expect("tar runs");

    host.context.clock = hosts_own.clone();
    host.context.written = Some(start);
    host.context.channels.outbox = Some(elsewhere.path().join("outbox"));
    let job = &mut host.context.job;
    job.schedules = schedules();
    job.keep.days = 7;
    job.alerts = Alerts { email: vec!["ops@example.org".to_owned()], ..Alerts::default() };
    job.objectives =
        Objectives { verified_within: Some(PROVEN_WITHIN.num_seconds()), ..Objectives::default() };
    job.upload = Some(Upload {
        bucket: BUCKET.parse().expect("valid"),
        region: None,
        endpoint: None,
        account: None,
        versioned: true,
    });
    World {
        chance: Chance(seed),
        weather: Weather::default(),
        disk: Disk::mount(host.context.directory()),
        host,
        now,
        ahead,
        judge,
        good: store(&clouds[0], &hosts_own).await,
        broken: store(&clouds[1], &hosts_own).await,
        clouds,
        archive: tar.stdout,
        elsewhere,
        last: None,
        proven: BTreeMap::new(),
        failed: BTreeSet::new(),
        verified: start,
        verify_failed: false,
        disturbed_until: start,
        blind: 0,
        open: false,
        unproven: false,
        incidents: 0,
        failures: 0,
    }
}

/// A client that a job makes: it signs by the host's clock.
pub(super) async fn store(cloud: &Sandbox, clock: &Clock) -> Store {
    let settings = AwsSettings { clock: clock.clone(), ..cloud.aws_settings() };
    Store { client: Aws::load(settings).await.s3_transfer(None), owner: None, owner_unknown: None }
}

impl World {
    /// By the host's clock.
    pub(super) fn time(&self) -> DateTime<Utc> {
        self.host.context.clock.now()
    }

    pub(super) fn truth(&self) -> DateTime<Utc> {
        *self.now.lock().expect("clock")
    }

    pub(super) fn context(&self) -> Context {
        let store = if self.weather.storage_is_down > 0 { &self.broken } else { &self.good };
        Context { store: Some(store.clone()), ..self.host.context.clone() }
    }

    /// What a rule of the bucket's life cycle does: noncurrent versions go after some days.
    pub(super) async fn clean_bucket(&self) {
        if self.truth().weekday() != Weekday::Mon {
            return;
        }
        let client = &self.judge;
        let listed = client.list_object_versions().bucket(BUCKET).send().await.expect("listed");
        for version in listed.versions() {
            let modified = version.last_modified().expect("a date").secs();
            let old = modified < (self.truth() - TimeDelta::days(5)).timestamp();
            if old && version.is_latest() == Some(false) {
                let delete = client.delete_object().bucket(BUCKET).set_key(version.key().map(str::to_owned));
                delete.set_version_id(version.version_id().map(str::to_owned)).send().await.expect("gone");
            }
        }
    }
}
