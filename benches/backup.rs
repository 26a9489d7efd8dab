//! How long a backup takes, and how much memory, beside the pipe that an administrator would write.
//!
//! A real PostgreSQL of about a gibibyte; the pipe is `pg_basebackup | pigz` (or `| zstd -T2`), ours is the whole
//! sequence with checksums and an upload to the sandbox, which checks and stores it in the same process. Both in the same run, in turns; the median
//! of each is compared. `RECONCILE_BENCH_SCALE` sets pgbench's scale (70), `RECONCILE_BENCH_ROUNDS` the rounds (3).

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
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use host::Host;
use reconcile::clients::aws::Aws;
use reconcile::datastores::job_file::{Compression, Upload};
use reconcile::datastores::postgresql::settings::Method;
use reconcile::jobs::{self, Store};
use reconcile::sandbox::Sandbox;
use reconcile::vocab::Tier;
use support::postgres::Postgres;

const BUCKET: &str = "backups";

/// What the backup may take beside the pipe, and the memory that it may use.
const WALL: f64 = 1.05;
const MEMORY: u64 = 96 << 20;

fn main() -> ExitCode {
    // `cargo test --benches` only wants to know that this builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let number =
        |name: &str, default: u32| std::env::var(name).map_or(default, |text| text.parse().expect(name));
    let rounds = number("RECONCILE_BENCH_ROUNDS", 3);
    let Some(server) = Postgres::start("max_wal_size = 4GB\n") else { return ExitCode::SUCCESS };
    let scale = number("RECONCILE_BENCH_SCALE", 70).to_string();
    let made = server
        .command("pgbench")
        .args(["-q", "-i", "-s", &scale, "postgres"])
        .output()
        .expect("pgbench runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    server.sql("checkpoint");
    println!(
        "database of {}",
        server.sql("select pg_size_pretty(sum(pg_database_size(oid))) from pg_database")
    );

    let mut good = true;
    for (compression, pipe) in [(Compression::Gzip, "pigz"), (Compression::Zstd, "zstd -q -T2")] {
        let (mut theirs, mut ours, mut memory, mut sizes) = (Vec::new(), Vec::new(), 0, (0, 0));
        // The first round warms the caches.
        for round in 0..=rounds {
            let (pipe_took, pipe_size) = baseline(&server, pipe);
            let (took, peak, size) = backup(&server, compression);
            if round > 0 {
                theirs.push(pipe_took);
                ours.push(took);
            }
            memory = memory.max(peak);
            sizes = (pipe_size, size);
        }
        println!("{pipe}: {theirs:.2?}; backup: {ours:.2?}");
        let (theirs, ours) = (median(theirs), median(ours));
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        println!(
            "{pipe}: {:.2} s, {} MiB; backup with upload: {:.2} s, {} MiB; ratio {ratio:.2} (at most {WALL}); \
             peak {} MiB (below {})",
            theirs.as_secs_f64(),
            sizes.0 >> 20,
            ours.as_secs_f64(),
            sizes.1 >> 20,
            memory >> 20,
            MEMORY >> 20
        );
        good &= ratio <= WALL && memory < MEMORY;
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The pipe of an administrator, to disk and no further.
fn baseline(server: &Postgres, compressor: &str) -> (Duration, u64) {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("backup");
    let connection = server.connection();
    let script = format!(
        "set -o pipefail; {}/pg_basebackup -Ft -X fetch -D - --checkpoint=fast -h {} -p {} -U postgres | {compressor} > {}",
        server.bin().display(),
        connection.host.expect("host"),
        connection.port.expect("port"),
        file.display()
    );
    let begun = Instant::now();
    let done = Command::new("bash").args(["-c", &script]).status().expect("bash runs");
    let took = begun.elapsed();
    assert!(done.success(), "{script}");
    (took, std::fs::metadata(&file).expect("file").len())
}

/// The whole sequence; the time it takes, the most memory it has, the size of the file.
fn backup(server: &Postgres, compression: Compression) -> (Duration, u64, u64) {
    let mut host = Host::new(Method::Plain);
    host.context.postgresql = server.connection();
    host.context.job.compression = compression;
    host.context.job.upload = Some(Upload {
        bucket: BUCKET.parse().expect("bucket"),
        region: None,
        endpoint: None,
        account: None,
        versioned: true,
    });
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let folder = tempfile::tempdir().expect("folder");
    let sandbox = Sandbox::open(folder.path(), host.context.clock.clone()).expect("a sandbox");
    host.context.store = Some(runtime.block_on(storage(&sandbox)));
    // Begins the high-water mark of this process anew (proc_pid_clear_refs(5)).
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux");
    let begun = Instant::now();
    let report = runtime.block_on(jobs::backup(&host.context, Tier::Daily)).expect("a backup");
    let took = begun.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    (took, peak << 10, report.manifest.bytes)
}

/// The sandbox's bucket, on disk: every byte is received, checked and written once more.
async fn storage(sandbox: &Sandbox) -> Store {
    let aws = Aws::load(sandbox.aws_settings()).await;
    let client = aws.s3_transfer(None);
    client.create_bucket().bucket(BUCKET).send().await.expect("a bucket");
    let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    client
        .put_bucket_versioning()
        .bucket(BUCKET)
        .versioning_configuration(versioning)
        .send()
        .await
        .expect("versions");
    Store { client, owner: Some("123456789012".parse().expect("account")), owner_unknown: None }
}
