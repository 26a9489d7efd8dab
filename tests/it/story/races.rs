//! Two applies at once, again and again: afterwards reality is what one order of them or the other gives, never a mixture.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value as Json;

use super::stage::{Answer, Stage};

const NOW: &str = "now: 2026-11-21T12:00:00Z\n";
const BUCKET: &str = "commcare-example-postgres-backups";
const FILE: &str = "/run/reconcile/commcare-example.lock";
const PASSWORD: &str = "--vault-password-file environment/vault-password.txt";

/// Numbers that come again with every run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// What two applies differ in: one thing in the cloud, two on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    hour: u64,
    weeks: u64,
    days: u64,
}

impl Wanted {
    /// Never less than what the base keeps: nobody needs consent on top of that.
    fn random(random: &mut Random) -> Wanted {
        Wanted { hour: 2 + random.below(20), weeks: 5 + random.below(20), days: 91 + random.below(300) }
    }

    fn write(&self, stage: &Stage, folder: &str) {
        let target = stage.path(folder);
        fs::create_dir_all(&target).expect("made");
        for file in
            fs::read_dir(stage.path("environment")).expect("a folder").map(|file| file.expect("a file"))
        {
            fs::copy(file.path(), target.join(file.file_name())).expect("copied");
        }
        let public = format!("{folder}/public.yml");
        stage.edit(&public, "nadir_hour: 1", &format!("nadir_hour: {}", self.hour));
        stage.edit(
            &public,
            "postgresql_backup_weeks: 4",
            &format!("postgresql_backup_weeks: {}", self.weeks),
        );
        stage.edit(&public, "daily: {days: 90", &format!("daily: {{days: {}", self.days));
    }

    /// What is there now.
    fn there(stage: &Stage) -> Wanted {
        let cron = fs::read_to_string(stage.on_host("/etc/cron.d/reconcile-commcare-example-postgresql"));
        let cron = cron.expect("an entry");
        let hours: Vec<u64> = cron
            .lines()
            .filter_map(|line| line.strip_prefix("0 ")?.split(' ').next()?.parse().ok())
            .collect();
        assert!(hours.len() == 2 && hours[0] == hours[1], "{cron}");
        let job =
            fs::read(stage.on_host("/etc/reconcile/commcare-example/postgresql.json")).expect("a job file");
        let job: Json = serde_json::from_slice(&job).expect("JSON");
        let bucket = fs::read_to_string(stage.path(&format!("sandbox/s3/buckets/{BUCKET}/bucket.json")));
        let bucket = bucket.expect("a bucket");
        let days: Vec<u64> = bucket
            .split("NoncurrentDays>")
            .filter_map(|rest| rest.split('<').next()?.parse().ok())
            .filter(|days| *days != 400)
            .collect();
        assert_eq!(days.len(), 1, "{bucket}");
        Wanted { hour: hours[0], weeks: job["keep"]["weeks"].as_u64().expect("weeks"), days: days[0] }
    }
}

#[test]
fn two_at_once_are_one_order_or_the_other() {
    const ROUNDS: u64 = 100;
    let base = Stage::new();
    base.reconcile("apply --auto-approve").exits(0);
    let (next, both, one) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let round = next.fetch_add(1, Ordering::SeqCst);
                    if round >= ROUNDS {
                        break;
                    }
                    let done = race(&base, round);
                    if done == 2 { &both } else { &one }.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    let (both, one) = (both.into_inner(), one.into_inner());
    assert_eq!(both + one, ROUNDS);
    assert!(one > ROUNDS / 10, "they hardly ever met: {both} times both were done");
}

/// One race; how many of the two were done.
fn race(base: &Stage, round: u64) -> usize {
    let mut random = Random(round);
    let stage = Stage::new();
    // Every fourth begins with nothing at all: then there is no bucket yet, and the host alone holds the lock.
    if !round.is_multiple_of(4) {
        stage.take("sandbox", base);
    }
    stage.sandbox(&format!("{NOW}latency: {}\n", random.below(4)));
    let wanted = [Wanted::random(&mut random), Wanted::random(&mut random)];
    let delays = [random.below(2) * random.below(120), random.below(2) * random.below(120)];
    let folders = ["a", "b"];
    for (wanted, folder) in wanted.iter().zip(folders) {
        wanted.write(&stage, folder);
    }
    let applied: Vec<Answer> = std::thread::scope(|scope| {
        let started: Vec<_> = folders
            .iter()
            .zip(delays)
            .map(|(folder, delay)| {
                let stage = &stage;
                scope.spawn(move || {
                    std::thread::sleep(Duration::from_millis(delay));
                    let rest = format!("--sandbox sandbox -e {folder} apply --auto-approve");
                    stage.reconcile_exactly(&format!("{PASSWORD} {rest}"))
                })
            })
            .collect();
        started.into_iter().map(|thread| thread.join().expect("it ran")).collect()
    });
    stage.sandbox(NOW);
    let there = Wanted::there(&stage);
    let told = || format!("round {round}: {there:?} of {wanted:?}\n{}\n{}", applied[0], applied[1]);
    let done: Vec<&Wanted> = applied
        .iter()
        .zip(&wanted)
        .filter(|(applied, _)| applied.code == 0)
        .map(|(_, wanted)| wanted)
        .collect();
    assert!(applied.iter().all(|applied| [0, 3].contains(&applied.code)), "{}", told());
    assert!(done.contains(&&there), "{}", told());
    assert!(!stage.on_host(FILE).exists(), "{}", told());
    // All of it, as the program itself sees it.
    let winner = if there == wanted[0] { "a" } else { "b" };
    let plan = format!("{PASSWORD} --sandbox sandbox -e {winner} plan --detailed-exitcode");
    assert_eq!(stage.reconcile_exactly(&plan).code, 0, "{}", told());
    done.len()
}
