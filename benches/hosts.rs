//! How long it takes to see fifty machines over ssh, beside doing nothing on them at all.
//!
//! Fifty real sshd's, each in namespaces of its own, behind proxies that make every byte 100 ms later in each
//! direction. `reconcile plan` of an environment that backs up PostgreSQL on all of them, against `ssh HOST true` on
//! all at once in the same run, and against `ansible-playbook --check` of the same directories, job file and cron entry.
//! Needs root, sshd and, for the last, `$RECONCILE_VENV` with ansible-core; what lacks is said and left out.
//! `RECONCILE_BENCH_HOSTS` sets how many machines (50), `RECONCILE_BENCH_ROUNDS` the rounds (5).

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod ratio;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/support/sshd.rs"]
mod sshd;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use ratio::{Goals, median, rounds};
use sshd::{Like, Machine, Proxy};

/// What the machines' module says where it cannot go on.
fn skip(_tool: &str, why: &str) {
    println!("skipped: {why}");
}

const DELAY: Duration = Duration::from_millis(100);
/// Of the time that `ssh HOST true` takes on all at once.
const MOST: f64 = 1.3;

fn main() -> ExitCode {
    // `cargo test --benches` only wants to know that this builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let count =
        std::env::var("RECONCILE_BENCH_HOSTS").ok().and_then(|count| count.parse().ok()).unwrap_or(50);
    let folder = tempfile::tempdir().expect("a folder");
    let mut machines: Vec<(String, Machine, Proxy)> = Vec::new();
    for index in 0..count {
        let name = format!("db{index}");
        let Some(machine) = Machine::start(&Like { verbose: true, ..Like::named(&name) }) else {
            return ExitCode::SUCCESS;
        };
        let way = Proxy::to(machine.port, DELAY, None);
        machines.push((name, machine, way));
    }
    environment(folder.path(), &machines);
    // What can be installed is, as on every fleet after its first day; without a server to back up cron entries stay out.
    let applied = Command::new(env!("CARGO_BIN_EXE_reconcile"))
        .arg("-e")
        .arg(folder.path())
        .args(["apply", "--auto-approve"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert_eq!(applied.expect("it runs").code(), Some(1), "all but the cron entries");
    let mut goals = Goals::default();
    let (mut ours, mut bare, mut ansible) = (Vec::new(), Vec::new(), Vec::new());
    let playbook = playbook(folder.path());
    let mut asked = 0.0;
    for round in 0..rounds(5) {
        bare.push(all_at_once(folder.path(), &machines));
        let before = commands(&machines);
        ours.push(plan(folder.path(), count));
        asked = (commands(&machines) - before) as f64 / count as f64;
        // It is slow, and needs no precision.
        if let (0, Some(playbook)) = (round, &playbook) {
            ansible.push(check(playbook, folder.path()));
        }
    }
    let (ours, bare) = (median(ours), median(bare));
    println!(
        "{count} machines, {} ms each way: plan {ours:.2?}, ssh HOST true on all at once {bare:.2?}",
        DELAY.as_millis()
    );
    if let Some(ansible) = ansible.first() {
        println!(
            "ansible-playbook --check of the same {ansible:.2?}: {:.1} times as long",
            ansible.as_secs_f64() / ours.as_secs_f64()
        );
    }
    goals.at_most(
        "time to observe, ssh HOST true on all at once",
        ours.as_secs_f64() / bare.as_secs_f64(),
        MOST,
    );
    goals.at_most("commands run on a machine", asked, 1.0);
    goals.exit()
}

/// How many commands the machines were asked to run so far.
fn commands(machines: &[(String, Machine, Proxy)]) -> usize {
    machines.iter().map(|(_, machine, _)| machine.log().matches("Starting session: command").count()).sum()
}

fn environment(folder: &Path, machines: &[(String, Machine, Proxy)]) {
    let (mut inventory, mut known) = ("[pg_backup]\n".to_owned(), String::new());
    for (name, machine, way) in machines {
        inventory.push_str(&machine.inventory_line(name, "root", way.port));
        known.push_str(&machine.known_host(way.port));
    }
    let public = "deploy_env: bench\nbackup_postgres: plain\npostgres_s3: false\n";
    for (name, text) in [("public.yml", public), ("inventory.ini", &inventory), ("known_hosts", &known)] {
        fs::write(folder.join(name), text).expect("written");
    }
}

/// The baseline: as many processes as there are machines.
fn all_at_once(folder: &Path, machines: &[(String, Machine, Proxy)]) -> Duration {
    let begun = Instant::now();
    let running: Vec<_> = machines
        .iter()
        .map(|(_, machine, way)| {
            Command::new("ssh")
                .args([
                    "-T",
                    "-o",
                    "BatchMode=yes",
                    "-o",
                    "StrictHostKeyChecking=yes",
                    "-o",
                    "LogLevel=ERROR",
                    "-o",
                ])
                .arg(format!("UserKnownHostsFile={}", folder.join("known_hosts").display()))
                .arg("-i")
                .arg(machine.client_key())
                .args(["-p", &way.port.to_string(), "root@127.0.0.1", "true"])
                .stdin(Stdio::null())
                .spawn()
                .expect("ssh runs")
        })
        .collect();
    for mut child in running {
        assert!(child.wait().expect("it ends").success());
    }
    begun.elapsed()
}

fn plan(folder: &Path, count: usize) -> Duration {
    let begun = Instant::now();
    let planned = Command::new(env!("CARGO_BIN_EXE_reconcile"))
        .arg("-e")
        .arg(folder)
        .args(["plan", "--output", "json"])
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let took = begun.elapsed();
    let plan: serde_json::Value = serde_json::from_slice(&planned.stdout).expect("a plan");
    let entries = plan["changes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|change| change["kind"] == "crontab")
        .count();
    assert_eq!(entries, count, "{}", plan["held"][0]);
    took
}

/// The same directories, job file and cron entry as tasks.
fn playbook(folder: &Path) -> Option<PathBuf> {
    let program = PathBuf::from(std::env::var_os("RECONCILE_VENV")?).join("bin/ansible-playbook");
    if !program.is_file() {
        println!("skipped: ansible-playbook is not in RECONCILE_VENV");
        return None;
    }
    let mut tasks = "- hosts: pg_backup\n  gather_facts: false\n  tasks:\n".to_owned();
    for path in ["/etc/reconcile/bench", "/opt/data/backups/postgresql"] {
        let _ = writeln!(tasks, "    - file: {{path: {path}, state: directory, mode: '0755'}}");
    }
    tasks.push_str("    - copy: {content: '{}', dest: /etc/reconcile/bench/postgresql.json, mode: '0600'}\n");
    tasks.push_str("    - cron: {name: backup, cron_file: backup_postgres, user: postgres, hour: '0', minute: '0', job: 'true'}\n");
    fs::write(folder.join("playbook.yml"), tasks).expect("written");
    Some(program)
}

fn check(program: &Path, folder: &Path) -> Duration {
    let begun = Instant::now();
    let ssh = format!(
        "-o UserKnownHostsFile={} -o StrictHostKeyChecking=yes",
        folder.join("known_hosts").display()
    );
    let ended = Command::new(program)
        .args(["--check", "--forks", "50", "-i"])
        .arg(folder.join("inventory.ini"))
        .arg("--ssh-common-args")
        .arg(&ssh)
        .args(["-e", "ansible_python_interpreter=/usr/bin/python3"])
        .arg(folder.join("playbook.yml"))
        .env("ANSIBLE_HOME", folder.join("ansible"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("it runs");
    if !ended.success() {
        println!("ansible-playbook ended with {ended}");
    }
    begun.elapsed()
}
