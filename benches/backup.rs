//! How long a backup takes, and how much memory, beside the pipe that an administrator would write, and beside what
//! commcare-cloud's scripts do.
//!
//! A real PostgreSQL of more than two gibibytes, and a tree of 20,000 files; the pipe is the source's own program and the
//! quickest compressor of the same format (`pigz`, `zstd -3 -T2`), to a file and no further. Ours is the whole sequence: on
//! the disk, with checksums, an upload to a storage that takes every byte, and the reading back, each time in a process of
//! its own, as under cron. All in the same run, in turns; medians are compared. `RECONCILE_BENCH_SCALE` sets pgbench's scale (150), `RECONCILE_BENCH_ROUNDS` the rounds (3),
//! `RECONCILE_BENCH_ONLY` takes the cases whose name begins so.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    dead_code
)]

#[path = "../tests/it/jobs/host.rs"]
mod host;
#[path = "storage/mod.rs"]
mod storage;
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use host::Host;
use reconcile::clients::aws::{Aws, AwsSettings};
use reconcile::datastores::job_file::{Compression, Source};
use reconcile::datastores::postgresql::job::Connection;
use reconcile::datastores::postgresql::settings::{Method, PostgresqlSource};
use reconcile::datastores::tree::settings::TreeSource;
use reconcile::jobs;
use reconcile::vocab::Tier;
use serde::{Deserialize, Serialize};
use support::postgres::Postgres;

const BUCKET: &str = "backups";
/// Where the tree lies on the host.
const TREE: &str = "/srv/blobdb";
const FILES: usize = 20_000;

/// What the backup may take beside the pipe, how much less than the script, and the memory that it may use.
const WALL: f64 = 1.05;
const SCRIPT: f64 = 2.0;
const MEMORY: u64 = 96 << 20;

/// One kind of backup. The shell commands write `$OUT/backup`, find the tree in `$TREE`, and know the server.
struct Case {
    name: &'static str,
    source: Source,
    compression: Compression,
    pipe: String,
    /// What the scripts do that this program replaces.
    script: Option<String>,
}

fn main() -> ExitCode {
    // `cargo test --benches` only wants to know that this builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let number =
        |name: &str, default: u32| std::env::var(name).map_or(default, |text| text.parse().expect(name));
    let only = std::env::var("RECONCILE_BENCH_ONLY").unwrap_or_default();
    let rounds = number("RECONCILE_BENCH_ROUNDS", 3);
    if let Ok(one) = std::env::var(ONE) {
        serde_json::from_str::<One>(&one).expect("what the measuring process wrote").back_up();
        return ExitCode::SUCCESS;
    }
    let Some(server) = Postgres::start("max_wal_size = 4GB\n") else { return ExitCode::SUCCESS };
    let tree = tempfile::tempdir().expect("a folder");
    let cases: Vec<Case> = cases(server.bin(), &server.connection())
        .into_iter()
        .filter(|case| case.name.starts_with(&only))
        .collect();
    if cases.iter().any(|case| matches!(case.source, Source::Postgresql(_))) {
        fill(&server, number("RECONCILE_BENCH_SCALE", 150));
    }
    if cases.iter().any(|case| matches!(case.source, Source::Tree(_))) {
        println!("tree of {FILES} files, {} MiB", plant(tree.path()) >> 20);
    }
    let mut good = true;
    for case in cases {
        good &= case.measure(&server, tree.path(), rounds);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn cases(bin: &Path, connection: &Connection) -> Vec<Case> {
    let (bin, host) = (bin.display(), connection.host.clone().expect("a host"));
    let of = format!("-h {host} -p {} -U postgres", connection.port.expect("a port"));
    let base = format!("{bin}/pg_basebackup -Ft -X fetch -D - --checkpoint=fast {of}");
    let dump = format!("{bin}/pg_dumpall {of}");
    let tar = "tar -C $TREE -cf - .".to_owned();
    let postgresql = |method| Source::Postgresql(PostgresqlSource { method, read_from: None });
    let tree = || Source::Tree(TreeSource { path: TREE.to_owned(), exclude: Vec::new(), host: None });
    let kinds = [
        (
            ["plain-gzip", "plain-zstd"],
            postgresql(Method::Plain),
            base,
            format!(
                "{bin}/pg_basebackup -Fp -Xs --checkpoint=fast -D $OUT/plain {of} && tar -czf $OUT/backup -C $OUT plain && \
                 rm -r $OUT/plain"
            ),
        ),
        (
            ["dump-gzip", "dump-zstd"],
            postgresql(Method::Dump),
            dump.clone(),
            format!("{dump} | gzip > $OUT/backup"),
        ),
        (["tree-gzip", "tree-zstd"], tree(), tar, "tar -czf $OUT/backup -C $TREE .".to_owned()),
    ];
    let mut cases = Vec::new();
    for ([gzip, zstd], source, program, script) in kinds {
        cases.push(Case {
            name: gzip,
            source: source.clone(),
            compression: Compression::Gzip,
            pipe: format!("{program} | pigz > $OUT/backup"),
            script: Some(script),
        });
        cases.push(Case {
            name: zstd,
            source,
            compression: Compression::Zstd,
            pipe: format!("{program} | zstd -q -3 -T2 > $OUT/backup"),
            script: None,
        });
    }
    cases
}

/// A database of so many times 15 MB.
fn fill(server: &Postgres, scale: u32) {
    let mut pgbench = server.command("pgbench");
    let made =
        pgbench.args(["-q", "-i", "-s", &scale.to_string(), "postgres"]).output().expect("pgbench runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    server.sql("checkpoint");
    println!(
        "database of {}",
        server.sql("select pg_size_pretty(sum(pg_database_size(oid))) from pg_database")
    );
}

/// A tree as a blob database is one: many small files and few large ones, half of it text and half what does not shrink.
/// Its size in bytes.
fn plant(tree: &Path) -> u64 {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut total = 0;
    for number in 0..FILES {
        let folder = tree.join(format!("{:02x}/{:02x}", number % 16, number / 16 % 16));
        fs::create_dir_all(&folder).expect("a folder");
        // From 4 KiB up, doubled ever more rarely: on average some 60 KiB.
        let size = (4096 + random() % 16384) << (random().trailing_zeros().min(9));
        let mut file = fs::File::create(folder.join(format!("{number}.blob"))).expect("a file");
        let mut content = Vec::new();
        while (content.len() as u64) < size {
            match number % 2 {
                0 => content.extend(random().to_le_bytes()),
                _ => writeln!(content, "{{\"case_id\": \"{:x}\", \"owner\": {}}}", random(), random() % 97)
                    .expect("written"),
            }
        }
        file.write_all(&content).expect("written");
        total += content.len() as u64;
    }
    total
}

/// What one run came to.
#[derive(Default)]
struct Runs {
    times: Vec<Duration>,
    bytes: u64,
    peak: u64,
}

impl Runs {
    fn take(&mut self, round: u32, (took, bytes, peak): (Duration, u64, u64)) {
        // The first round warms the caches.
        if round > 0 {
            self.times.push(took);
        }
        (self.bytes, self.peak) = (bytes, self.peak.max(peak));
    }

    fn median(&self) -> f64 {
        let mut times = self.times.clone();
        times.sort();
        times[times.len() / 2].as_secs_f64()
    }
}

impl Case {
    /// Prints what was measured; whether it is as good as it should be.
    fn measure(&self, server: &Postgres, tree: &Path, rounds: u32) -> bool {
        let (mut pipe, mut ours, mut script) = (Runs::default(), Runs::default(), Runs::default());
        for round in 0..=rounds {
            pipe.take(round, shell(&self.pipe, tree));
            ours.take(round, self.backup(&server.connection(), tree));
            if let Some(words) = &self.script {
                script.take(round, shell(words, tree));
            }
        }
        let (name, ratio) = (self.name, ours.median() / pipe.median());
        println!(
            "{name}: pipe {:.2} s, {} MiB; backup with upload {:.2} s, {} MiB; ratio {ratio:.2} (at most {WALL}); peak {} \
             MiB (below {})",
            pipe.median(),
            pipe.bytes >> 20,
            ours.median(),
            ours.bytes >> 20,
            ours.peak >> 20,
            MEMORY >> 20
        );
        let mut good = ratio <= WALL && ours.peak < MEMORY;
        if self.script.is_some() {
            let (times, of_pipe) = (script.median() / ours.median(), script.median() / pipe.median());
            // Where even the best pipe is not twice as fast, every core is busy with the source: then the pipe is the measure.
            let (goal, is_met) = match of_pipe < SCRIPT {
                true => (format!("the pipe is no more than {of_pipe:.1} times as fast"), true),
                false => (format!("at least {SCRIPT}"), times >= SCRIPT),
            };
            println!("{name}: script {:.2} s, {times:.1} times as long ({goal})", script.median());
            good &= is_met;
        }
        println!("{name}: pipe {:.2?}; backup {:.2?}; script {:.2?}", pipe.times, ours.times, script.times);
        good
    }

    /// The whole sequence; the time it takes, the size of the file, the most memory it has.
    fn backup(&self, server: &Connection, tree: &Path) -> (Duration, u64, u64) {
        let one = One {
            source: self.source.clone(),
            compression: self.compression,
            host: server.host.clone().expect("a host"),
            port: server.port.expect("a port"),
            tree: tree.to_owned(),
        };
        let this = std::env::current_exe().expect("a program");
        let one = serde_json::to_string(&one).expect("JSON");
        let done = Command::new(this).arg("--bench").env(ONE, one).output().expect("it runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let (seconds, bytes, peak): (f64, u64, u64) = serde_json::from_slice(&done.stdout).expect("figures");
        (Duration::from_secs_f64(seconds), bytes, peak)
    }
}

/// Where the process that backs up once finds [`One`].
const ONE: &str = "RECONCILE_BENCH_ONE";

/// What a process backs up that does nothing else.
#[derive(Serialize, Deserialize)]
struct One {
    source: Source,
    compression: Compression,
    host: String,
    port: u16,
    tree: PathBuf,
}

impl One {
    /// Prints the time in seconds, the size of the file and the most memory that this process had, in bytes.
    fn back_up(self) {
        let directory = "/opt/data/backups/measured";
        let mut host = Host::of("measured", directory, self.source);
        host.context.postgresql = Connection {
            host: Some(self.host),
            port: Some(self.port),
            user: Some("postgres".to_owned()),
            ..Connection::default()
        };
        host.context.job.compression = self.compression;
        let at = host.inside(TREE);
        fs::create_dir_all(at.parent().expect("a folder")).expect("a folder");
        std::os::unix::fs::symlink(self.tree, &at).expect("a link");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(async {
            let settings = AwsSettings::sandboxed(storage::far(), host.context.clock.clone());
            let client = Aws::load(settings).await.s3_transfer(None);
            host.upload_to(&client, BUCKET, true).await;
        });
        let begun = Instant::now();
        let report = runtime.block_on(jobs::backup(&host.context, Tier::Daily)).expect("a backup");
        let took = begun.elapsed().as_secs_f64();
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
        println!("{}", serde_json::json!([took, report.manifest.bytes, peak << 10]));
    }
}

/// Runs a shell's words; the time they take and the size of what they wrote.
fn shell(words: &str, tree: &Path) -> (Duration, u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let begun = Instant::now();
    let done = Command::new("bash")
        .args(["-c", &format!("set -o pipefail; {words}")])
        .env("OUT", folder.path())
        .env("TREE", tree)
        .status()
        .expect("bash runs");
    let took = begun.elapsed();
    assert!(done.success(), "{words}");
    (took, fs::metadata(folder.path().join("backup")).expect("a file").len(), 0)
}
