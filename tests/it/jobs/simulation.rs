//! Four hundred days of one host to which everything happens: the real sequence, expiry, checks and letters on a clock
//! that the test sets, over a real SDK. Every day the newest proven backup is there, no more is kept than was promised,
//! and whoever is to be told was told, once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc, Weekday};
use reconcile::clients::aws::{Aws, AwsSettings};
use reconcile::datastores::dump::{Dump, DumpError, Facts, Scratch};
use reconcile::datastores::job_file::{Alerts, Compression, Objectives, Source, Upload};
use reconcile::datastores::names::Content;
use reconcile::datastores::tree::settings::TreeSource;
use reconcile::jobs::restore::Wanted;
use reconcile::jobs::verify::verify;
use reconcile::jobs::{self, Context, Manifest, Store, check, tell};
use reconcile::sandbox::{Fault, FaultKind, Sandbox, SandboxConfig};
use reconcile::vocab::{Clock, Schedule, Tier};

use super::host::Host;
use crate::support;

const BUCKET: &str = "backups";
const DIRECTORY: &str = "/opt/data/backups/files-media";
const DAYS: i64 = 400;
/// Hours at which checks run: a run of the night is missed by the first if it left nothing. The second is there on some
/// days only, which saves time and changes nothing.
const CHECKS: [u32; 2] = [3, 15];
const PROVEN_WITHIN: TimeDelta = TimeDelta::days(9);

/// The same numbers in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// How a dump goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    Refused,
    Breaks,
    Fails,
}

/// A small archive, and how reading it ends.
struct Archive(Vec<u8>, End);

impl Archive {
    fn open(
        bytes: &[u8],
        end: End,
    ) -> impl FnOnce(Scratch) -> Result<Box<dyn Dump>, DumpError> + Send + use<> {
        let bytes = bytes.to_vec();
        move |_| match end {
            End::Refused => Err(DumpError::new("the source does not answer")),
            _ => Ok(Box::new(Archive(bytes, end))),
        }
    }
}

/// Ends with an error.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

impl Dump for Archive {
    fn facts(&self) -> Facts {
        Facts {
            method: "tree".to_owned(),
            content: Content::Archive,
            server_version: None,
            source: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    fn stream(&mut self) -> Result<Box<dyn Read + Send>, DumpError> {
        let bytes = std::mem::take(&mut self.0);
        Ok(match self.1 {
            End::Breaks => Box::new(io::Cursor::new(bytes[..1000].to_vec()).chain(Broken)),
            _ => Box::new(io::Cursor::new(bytes)),
        })
    }

    fn finish(self: Box<Self>, _: &[u8]) -> Result<Vec<String>, DumpError> {
        match self.1 {
            End::Fails => Err(DumpError::new("the source went away")),
            _ => Ok(Vec::new()),
        }
    }

    fn restore(&self, _: &str, _: Compression) -> Vec<String> {
        Vec::new()
    }
}

/// A file system of its own that can be filled; gone when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf) -> Option<Disk> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&at).output();
        match done {
            Ok(output) if output.status.success() => Some(Disk(at)),
            _ => {
                support::skip("mount", "no disk of its own can be mounted here, so none is full");
                None
            }
        }
    }

    fn fill(&self) {
        let mut file = fs::File::create(self.0.join("ballast")).expect("made");
        while io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        let _ = fs::remove_file(self.0.join("ballast"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// How many more days something lasts.
#[derive(Debug, Default)]
struct Weather {
    host_is_down: u64,
    storage_is_down: u64,
    disk_is_full: u64,
    clock_is_off: u64,
}

struct World {
    chance: Chance,
    weather: Weather,
    host: Host,
    /// What time it is, and how far ahead the host's clock is.
    now: Arc<Mutex<DateTime<Utc>>>,
    ahead: Arc<Mutex<TimeDelta>>,
    /// The client of whoever looks after the test.
    judge: aws_sdk_s3::Client,
    good: Store,
    broken: Store,
    clouds: [Sandbox; 2],
    disk: Option<Disk>,
    archive: Vec<u8>,
    elsewhere: tempfile::TempDir,
    /// The newest that was proven.
    last: Option<Manifest>,
    /// By the host's clock: the newest proven of each tier, and what failed since.
    proven: BTreeMap<Tier, DateTime<Utc>>,
    failed: BTreeSet<Tier>,
    verified: DateTime<Utc>,
    verify_failed: bool,
    /// Until when a wrong clock may have left its traces.
    disturbed_until: DateTime<Utc>,
    blind: u32,
    /// Whether somebody was told that something is wrong with the backups, and with their proofs.
    open: bool,
    unproven: bool,
    /// How much happened, so that a quiet history is found out.
    incidents: u32,
    failures: u32,
}

fn schedules() -> BTreeMap<Tier, Schedule> {
    let of = |text: &str| text.parse().expect("a schedule");
    BTreeMap::from([(Tier::Daily, of("0 1 * * *")), (Tier::Weekly, of("0 2 * * 0"))])
}

async fn world(seed: u64) -> World {
    let source = TreeSource { path: "/srv/media".to_owned(), exclude: Vec::new(), host: None };
    let mut host = Host::of("files-media", DIRECTORY, Source::Tree(source));
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().expect("an instant");
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
async fn store(cloud: &Sandbox, clock: &Clock) -> Store {
    let settings = AwsSettings { clock: clock.clone(), ..cloud.aws_settings() };
    Store { client: Aws::load(settings).await.s3_transfer(None), owner: None, owner_unknown: None }
}

impl World {
    /// By the host's clock.
    fn time(&self) -> DateTime<Utc> {
        self.host.context.clock.now()
    }

    fn truth(&self) -> DateTime<Utc> {
        *self.now.lock().expect("clock")
    }

    fn context(&self) -> Context {
        let store = if self.weather.storage_is_down > 0 { &self.broken } else { &self.good };
        Context { store: Some(store.clone()), ..self.host.context.clone() }
    }

    async fn day(&mut self, day: i64) {
        let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().expect("an instant");
        if self.set_weather() {
            // Every job is a process of its own, and none lives through this.
            self.good = store(&self.clouds[0], &self.host.context.clock).await;
            self.broken = store(&self.clouds[1], &self.host.context.clock).await;
        }
        for hour in 0..24 {
            *self.now.lock().expect("clock") = start + TimeDelta::days(day) + TimeDelta::hours(hour);
            self.hour().await;
        }
        self.clean_bucket().await;
    }

    /// Whether the host's clock was set.
    fn set_weather(&mut self) -> bool {
        let Weather { host_is_down, storage_is_down, disk_is_full, clock_is_off } = &mut self.weather;
        let chance = &mut self.chance;
        let mut next = |left: &mut u64, often: u64, long: u64| {
            *left = left.saturating_sub(1);
            if *left == 0 && chance.one_in(often) {
                *left = 1 + chance.below(long);
            }
        };
        next(host_is_down, 30, 4);
        next(storage_is_down, 25, 3);
        next(disk_is_full, 40, 2);
        let was_off = *clock_is_off > 0;
        next(clock_is_off, 60, 3);
        let is_off = *clock_is_off > 0;
        if is_off != was_off {
            let days = match (is_off, self.chance.one_in(2)) {
                (false, _) => 0,
                (true, true) => 1,
                (true, false) => -1,
            };
            *self.ahead.lock().expect("clock") = TimeDelta::days(days);
        }
        if is_off || was_off {
            self.disturbed_until = self.truth() + TimeDelta::days(12);
        }
        if let Some(disk) = &self.disk {
            if self.weather.disk_is_full > 0 { disk.fill() } else { disk.empty() }
        }
        is_off != was_off
    }

    async fn hour(&mut self) {
        let (hour, weekday) = (self.time().hour(), self.time().weekday());
        if self.weather.host_is_down > 0 {
            if CHECKS.contains(&hour) {
                self.look_from_afar().await;
            }
            return;
        }
        match hour {
            15 if !self.open && !self.unproven && !self.chance.one_in(4) => return,
            1 => self.run(Tier::Daily).await,
            2 if weekday == Weekday::Sun => self.run(Tier::Weekly).await,
            5 if weekday == Weekday::Wed => self.verify().await,
            hour if CHECKS.contains(&hour) => self.check().await,
            _ => return,
        }
        self.holds(hour == 1).await;
    }

    async fn run(&mut self, tier: Tier) {
        let end = match self.chance.below(30) {
            0 => End::Refused,
            1 => End::Breaks,
            2 => End::Fails,
            _ => End::Whole,
        };
        let context = self.context();
        let made = jobs::backup_with(&context, tier, Archive::open(&self.archive, end)).await;
        match made {
            Ok(report) => {
                assert_eq!(end, End::Whole);
                self.proven.insert(tier, report.manifest.ended);
                self.failed.remove(&tier);
                self.last = Some(report.manifest);
                self.read_letters();
                self.keeps_no_more();
            }
            Err(error) => {
                assert!(!error.is_refusal(), "{error}");
                self.failures += 1;
                self.failed.insert(tier);
                self.read_letters();
                assert!(self.open, "{}: nobody was told that {error}", self.time());
            }
        }
    }

    async fn check(&mut self) {
        let context = self.context();
        let report = check::look(&context, &[]).await;
        tell::checked(&context, &report).await;
        self.read_letters();
        self.blind = if report.saw_everything() { 0 } else { self.blind + 1 };
        if self.blind >= 2 {
            assert!(self.open, "{}: nobody was told that nothing can be seen", self.time());
        }
        if self.blind > 0 || self.truth() < self.disturbed_until {
            return;
        }
        let wrong = self.wrong();
        assert_eq!(self.open, wrong.is_some(), "{}: {wrong:?}, {report:#?}", self.time());
        let overdue = self.time() - self.verified > PROVEN_WITHIN;
        assert_eq!(self.unproven, overdue || self.verify_failed, "{}: {report:#?}", self.time());
    }

    /// What somebody must know of by now.
    fn wrong(&self) -> Option<String> {
        if let Some(tier) = self.failed.first() {
            return Some(format!("the {tier} backup failed"));
        }
        self.missing(self.time()).map(|tier| format!("the {tier} backup is missing"))
    }

    /// A tier whose last run had an hour and left nothing.
    fn missing(&self, now: DateTime<Utc>) -> Option<Tier> {
        let since = self.host.context.written.expect("written");
        let late = |(tier, schedule): (&Tier, &Schedule)| {
            let due = schedule.last(now - TimeDelta::hours(1), chrono_tz::Tz::UTC, since)?;
            self.proven.get(tier).is_none_or(|made| *made < due).then_some(*tier)
        };
        schedules().iter().find_map(late)
    }

    /// A host that is down tells nothing: whoever watches it does.
    async fn look_from_afar(&mut self) {
        if self.weather.storage_is_down > 0 || self.truth() < self.disturbed_until {
            return;
        }
        let root = self.elsewhere.path().join("nothing");
        let context = Context { root, written: None, ..self.context() };
        let report = check::look_from_afar(&context, "it does not answer".to_owned()).await;
        // Whoever has never seen a backup knows of no promise.
        if self.proven.len() == 2 && self.missing(self.time()).is_some() {
            assert!(!report.is_good(), "{}: {report:#?}", self.time());
        }
    }

    async fn verify(&mut self) {
        let context = self.context();
        let Some(last) = self.last.clone() else { return };
        let path = self.host.path(&last.name);
        let good = fs::read(&path).expect("the newest proven one is there");
        let harm = self.chance.one_in(6) && self.weather.disk_is_full == 0;
        if harm {
            let mut bad = good.clone();
            bad[good.len() / 2] ^= 1;
            fs::write(&path, bad).expect("written");
        }
        let looked = verify(&context, &[], &Wanted::Named(last.name.clone()), None).await;
        if harm {
            fs::write(&path, good).expect("written");
        }
        match looked {
            Ok(evidence) => {
                assert_eq!(evidence.is_proof(), !harm, "{evidence:#?}");
                self.verify_failed = harm;
                if !harm {
                    self.verified = self.time();
                }
            }
            Err(error) => {
                assert!(self.weather.disk_is_full > 0 || self.weather.storage_is_down > 0, "{error}")
            }
        }
        self.read_letters();
    }

    /// Letters come in turn: one that something is wrong, perhaps more of other kinds, one that it is not any more.
    fn read_letters(&mut self) {
        let outbox = self.elsewhere.path().join("outbox");
        let Ok(entries) = fs::read_dir(outbox) else { return };
        let mut letters: Vec<(std::time::SystemTime, PathBuf)> = entries
            .map(|entry| entry.expect("an entry"))
            .map(|entry| (entry.metadata().expect("there").modified().expect("a time"), entry.path()))
            .collect();
        assert!(letters.len() <= 2, "{}: {letters:?}", self.time());
        letters.sort();
        for (_, path) in letters.drain(..) {
            let text = fs::read_to_string(&path).expect("a letter");
            fs::remove_file(path).expect("read");
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let of_proofs = words.contains("wrong with the proofs") || words.contains("are proven again");
            let now = self.time();
            let open = if of_proofs { &mut self.unproven } else { &mut self.open };
            if words.contains("Something is wrong with") {
                assert!(!*open, "{now}: told twice\n{text}");
                *open = true;
                self.incidents += 1;
            } else if words.contains("Something more is wrong with") {
                assert!(*open, "{now}: {text}");
            } else {
                assert!(*open && words.contains("[OK]"), "{now}: over before it began\n{text}");
                *open = false;
            }
        }
    }

    /// What holds at every moment. The bucket is asked once a day.
    async fn holds(&self, in_bucket: bool) {
        let files = self.host.files();
        assert!(
            !files.iter().any(|file| file.ends_with(".partial") || file.ends_with(".scratch")),
            "{files:?}"
        );
        let Some(last) = &self.last else { return };
        assert_eq!(&self.host.manifest(&last.name), last, "{}", self.time());
        assert_eq!(fs::metadata(self.host.path(&last.name)).expect("there").len(), last.bytes);
        if !in_bucket {
            return;
        }
        let remote = last.remote.as_ref().expect("a copy");
        let head = self.judge.head_object().bucket(BUCKET).key(&remote.key);
        let head = head.set_version_id(remote.version_id.clone()).send().await.expect("it is in the bucket");
        assert_eq!(head.content_length(), i64::try_from(last.bytes).ok());
    }

    /// After a success: what is over is gone.
    fn keeps_no_more(&self) {
        let now = self.time();
        let keep = self.host.context.job.keep;
        let manifests: Vec<Manifest> = self
            .host
            .files()
            .iter()
            .filter_map(|file| file.strip_suffix(".manifest.json"))
            .map(|name| self.host.manifest(name))
            .collect();
        let past = manifests.iter().filter(|manifest| manifest.ended <= now);
        let newest = past.filter(|manifest| manifest.proven()).map(|manifest| manifest.ended).max();
        for manifest in &manifests {
            let days = match manifest.tier.expect("a tier") {
                Tier::Weekly => i64::from(keep.weeks) * 7,
                _ => i64::from(keep.days),
            };
            let young = now - manifest.ended < TimeDelta::days(days + 1);
            assert!(
                young || Some(manifest.ended) == newest,
                "{now}: {} of {}",
                manifest.name,
                manifest.ended
            );
        }
        let backups = self.host.files().into_iter().filter(|file| file.ends_with(".gz")).count();
        assert_eq!(backups, manifests.len(), "{:?}", self.host.files());
    }

    /// What a rule of the bucket's life cycle does: noncurrent versions go after some days.
    async fn clean_bucket(&self) {
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

async fn live(seed: u64) {
    let mut world = world(seed).await;
    for day in 0..DAYS {
        world.day(day).await;
    }
    assert!(world.incidents > 20 && world.failures > 20, "{} {}", world.incidents, world.failures);
}

#[tokio::test]
async fn four_hundred_days_of_one_host() {
    live(1).await;
}

#[tokio::test]
async fn four_hundred_days_of_another_host() {
    live(2).await;
}

#[tokio::test]
async fn four_hundred_days_of_a_third_host() {
    live(3).await;
}
