//! How long it takes to look at many buckets, in how many requests, and how much memory.
//!
//! The cloud is the sandbox in memory, every answer 20 ms late; what is measured is observing as
//! `plan` does it, with the real SDK clients. The baseline is the bare timer: as many
//! sleeps of 20 ms as there were requests, as many under way at once, on the same kind of runtime, in turns.
//!
//! Memory is measured in children of this program, one for each number of buckets: the most that the process ever
//! held, less the store's share. That share is what a further bucket adds to a process which has only filled the
//! store, times the buckets; so the program itself, SDK and runtime are counted as ours. Growth is that of the two
//! normal forms and whatever observing keeps. Reading so large a settings file takes more, which is shown too.
//!
//! `RECONCILE_BENCH_ROUNDS` sets the rounds (3); with `RECONCILE_BENCH_STRICT=1` a missed goal is exit code 1.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod ratio;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use ratio::{Goals, median, rounds};
use reconcile::clients::aws::Aws;
use reconcile::derive;
use reconcile::resources::bucket::{field, live};
use reconcile::resources::{Bucket, Resource};
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::settings::{self, Settings, Sources};
use reconcile::state::{Desired, Observed, Sighting, Wanted};
use reconcile::vocab::{AccountId, BucketName, Clock, Id, Kind};
use reconcile::world::{Hosts, LiveWorld, WorldRead};
use tokio::sync::Semaphore;

/// What the bare timer takes, observing may take this many times.
const WALL: f64 = 1.15;
const REQUESTS_PER_BUCKET: f64 = 8.0;
/// MiB, the store's share subtracted.
const PEAK: f64 = 64.0;
/// Bytes that each further bucket may add.
const GROWTH: f64 = 4096.0;

const BUCKETS: u32 = 1_000;
const MANY_BUCKETS: u32 = 10_000;
const LATENCY: u64 = 20;
const PARALLEL: usize = 32;
const REGION: &str = "eu-west-2";
const ACCOUNT: &str = "123456789012";
/// Every sandbox begins with this role.
const BREAK_GLASS: &str = "arn:aws:iam::123456789012:role/OrganizationAccountAccessRole";
/// What is written of each bucket beside its name; every other field is managed by default.
const RETENTION: &str = "{hourly: {days: 3}, daily: {days: 90, newest: 5}, weekly: {days: 400}}";
/// Short enough for `MANY_BUCKETS` in one file: a file holds at most 100,000 keys and values.
const SHORT_RETENTION: &str = "{daily: {days: 90}}";
const MIB: f64 = 1024.0 * 1024.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, buckets] = arguments.as_slice()
        && let Some(way) = Way::ALL.into_iter().find(|way| way.name() == mode)
    {
        measure_memory(way, buckets.parse().expect("a number of buckets"));
        return ExitCode::SUCCESS;
    }
    // `cargo test --benches` only wants to know that this builds.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let mut goals = Goals::default();
    wall(&mut goals);
    memory(&mut goals);
    goals.exit()
}

/// Observing beside the bare timer, in turns.
fn wall(goals: &mut Goals) {
    let sandbox = filled(BUCKETS, LATENCY, RETENTION);
    let (_settings, desired) = load(BUCKETS, RETENTION);
    let (mut ours, mut bare, mut requests) = (Vec::new(), Vec::new(), 0);
    // The first round warms the caches.
    for round in 0..=rounds(3) {
        sandbox.forget_requests();
        let begun = Instant::now();
        let observed = wait(observe(&sandbox, &desired));
        let took = begun.elapsed();
        assert_all_seen(&desired, &observed);
        requests = sandbox.requests().values().sum();
        let timer = bare_timer(requests);
        if round > 0 {
            ours.push(took);
            bare.push(timer);
        }
    }
    println!("{BUCKETS} buckets, {LATENCY} ms, {PARALLEL} in flight; requests: {:?}", sandbox.requests());
    println!("observing: {ours:.2?}; bare timer: {bare:.2?}");
    let ratio = median(ours).as_secs_f64() / median(bare).as_secs_f64();
    goals.at_most("wall time of observing, bare timers", ratio, WALL);
    goals.at_most("requests a bucket", requests as f64 / f64::from(BUCKETS), REQUESTS_PER_BUCKET);
}

/// As many sleeps as there were requests, and nothing else.
fn bare_timer(requests: u64) -> Duration {
    let begun = Instant::now();
    wait(async {
        let sleeps = (0..requests).map(|_| tokio::time::sleep(Duration::from_millis(LATENCY)));
        futures_util::stream::iter(sleeps).buffer_unordered(PARALLEL).for_each(|()| async {}).await;
    });
    begun.elapsed()
}

/// Peak and growth, from children that report theirs.
fn memory(goals: &mut Goals) {
    let more = f64::from(MANY_BUCKETS - BUCKETS);
    for way in [Way::Observe, Way::Plan] {
        let (few, many) = (Memory::of_child(way, BUCKETS), Memory::of_child(way, MANY_BUCKETS));
        let store = (many.filled - few.filled) / more;
        let own = |memory: &Memory, buckets: u32| (memory.peak - store * f64::from(buckets)) / MIB;
        let growth = (many.peak - few.peak) / more - store;
        let what = match way {
            Way::Observe => "observing",
            Way::Plan => "settings, then observing",
        };
        println!(
            "{what}: peak {:.1} MiB at {BUCKETS}, {:.1} MiB at {MANY_BUCKETS}; growth {growth:.0} bytes a bucket \
             (the store, subtracted: {store:.0})",
            own(&few, BUCKETS),
            own(&many, MANY_BUCKETS),
        );
        goals.at_most(&format!("{what}, peak MiB at {BUCKETS} buckets"), own(&few, BUCKETS), PEAK);
        if way == Way::Observe {
            goals.at_most(
                &format!("{what}, peak MiB at {MANY_BUCKETS} buckets"),
                own(&many, MANY_BUCKETS),
                PEAK,
            );
            goals.at_most(&format!("{what}, growth in bytes a bucket"), growth, GROWTH);
        }
    }
}

/// What a child does after the store is full.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Looks at the buckets; what should be is at hand.
    Observe,
    /// Reads the settings of all of them from a file first.
    Plan,
}

impl Way {
    const ALL: [Way; 2] = [Way::Observe, Way::Plan];

    fn name(self) -> &'static str {
        match self {
            Way::Observe => "memory-of-observing",
            Way::Plan => "memory-of-planning",
        }
    }
}

/// Resident bytes of one process.
struct Memory {
    /// The store is full; nothing else has begun.
    filled: f64,
    /// The most from then on.
    peak: f64,
}

impl Memory {
    fn of_child(way: Way, buckets: u32) -> Memory {
        let program = std::env::current_exe().expect("this program");
        let child = Command::new(program).args([way.name(), &buckets.to_string()]).output().expect("a child");
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        let text = String::from_utf8(child.stdout).expect("text");
        let (filled, peak) = text.trim().split_once(' ').expect("two figures");
        Memory { filled: filled.parse().expect("a figure"), peak: peak.parse().expect("a figure") }
    }
}

/// The child: fills a store, goes its way, prints its memory. Answers come after a millisecond, so that as many
/// requests are under way as there would be.
fn measure_memory(way: Way, buckets: u32) {
    let sandbox = filled(buckets, 1, SHORT_RETENTION);
    let filled = resident("VmRSS");
    forget_peak();
    let (settings, desired) = match way {
        Way::Observe => {
            let (settings, desired) = load(1, SHORT_RETENTION);
            (settings, many_of(desired, buckets))
        }
        Way::Plan => load(buckets, SHORT_RETENTION),
    };
    let observed = wait(observe(&sandbox, &desired));
    let peak = resident("VmHWM");
    assert_all_seen(&desired, &observed);
    println!("{filled} {peak}");
    // `plan` holds its settings to the end.
    drop(settings);
}

/// Its one bucket under so many names.
fn many_of(desired: Desired, buckets: u32) -> Desired {
    let (_, like) = desired.resources.first_key_value().expect("a bucket");
    let ids = (0..buckets).map(|number| Id::cloud(Kind::Bucket, bucket_name(number)));
    let resources: BTreeMap<Id, Wanted> = ids.map(|id| (id, like.clone())).collect();
    Desired { declared: resources.keys().cloned().collect(), resources, ..desired }
}

/// Begins the high-water mark of this process anew (proc_pid_clear_refs(5)).
fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
}

/// A line of `/proc/self/status`, in bytes (proc_pid_status(5)).
fn resident(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).expect("the line");
    value.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// A sandbox that holds so many buckets as settings want them. Nothing but the store grows with their number, so that
/// what is measured afterwards finds no memory that others gave back.
fn filled(buckets: u32, latency: u64, retention: &str) -> Sandbox {
    let config = SandboxConfig { latency, region: REGION.parse().ok(), ..SandboxConfig::default() };
    let sandbox = Sandbox::memory(config, clock()).expect("a sandbox");
    let (_, desired) = load(1, retention);
    let (_, like) = buckets_of(&desired).next().expect("a bucket");
    wait(async {
        let aws = Aws::load(sandbox.aws_settings()).await;
        let (s3, gate) = (aws.s3(None), Semaphore::new(PARALLEL));
        let account = ACCOUNT.parse::<AccountId>().expect("an account");
        let (s3, gate, account) = (&s3, &gate, &account);
        let fill = |number: u32| async move {
            let name = bucket_name(number).parse::<BucketName>().expect("a name");
            let target = live::Target { s3, name: &name, account: Some(account), partition: "aws", gate };
            // The others are what every new bucket has.
            let fields = [
                field::OWNER,
                field::VERSIONING,
                field::KEEP_VERSIONS,
                field::ABORT_UPLOADS,
                field::TLS_ONLY,
                field::VERSIONING_LOCK,
            ];
            live::create(&target, like.region.as_ref()).await.expect("made");
            live::write(&target, like, &fields, true, None).await.expect("written");
        };
        let filling = futures_util::stream::iter(0..buckets).map(fill).buffer_unordered(PARALLEL);
        filling.for_each(|()| async {}).await;
    });
    sandbox
}

/// As `plan` does it: connects, asks who is calling, looks at everything in scope.
async fn observe(sandbox: &Sandbox, desired: &Desired) -> Observed {
    let aws = Aws::load(sandbox.aws_settings()).await;
    let environment = desired.environment.clone();
    let world = LiveWorld::connect(environment, aws, Hosts::new(), [], PARALLEL, clock()).await;
    world.observe(&desired.scope()).await
}

fn buckets_of(desired: &Desired) -> impl Iterator<Item = (&Id, &Bucket)> {
    desired.resources.iter().filter_map(|(id, wanted)| match &wanted.resource {
        Resource::Bucket(bucket) => Some((id, bucket)),
        _ => None,
    })
}

/// A measure of something that failed would be worth nothing.
fn assert_all_seen(desired: &Desired, observed: &Observed) {
    let sightings: BTreeMap<&Id, &Sighting> = observed.sightings.iter().collect();
    for (id, bucket) in buckets_of(desired) {
        assert_eq!(sightings[id], &Sighting::Ours(Resource::Bucket(bucket.clone())), "{id}");
    }
}

fn bucket_name(number: u32) -> String {
    format!("example-org-bench-{number:05}-backups")
}

/// The settings of an environment with so many buckets, every field of theirs managed, and what follows from them.
fn load(buckets: u32, retention: &str) -> (Settings, Desired) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = format!(
        "deploy_env: bench\naws_region: {REGION}\nbackups:\n  break_glass: [{BREAK_GLASS}]\n  buckets:\n"
    );
    for number in 0..buckets {
        writeln!(text, "    {}: {{keep_versions: {retention}}}", bucket_name(number)).expect("a text");
    }
    std::fs::write(folder.path().join("public.yml"), text).expect("written");
    let settings = match settings::load(&Sources::directory(folder.path())) {
        Ok(settings) => settings,
        Err(problems) => panic!("{:?}", problems.list.first()),
    };
    let desired = derive::desired(&settings);
    (settings, desired)
}

/// Nothing here depends on what time it is.
fn clock() -> Clock {
    Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"))
}

/// The runtime of the command line.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}
