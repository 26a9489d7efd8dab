//! How much processor time it takes to read settings, beside the programs that people would use in its place.
//!
//! `reconcile validate` and `show settings` of an environment, less what `reconcile --version` takes to start, against
//! `check-jsonschema` of the same file with our own schema, which sees less: mistakes of shape only; `ansible-inventory
//! --list` of the same inventory; and `borgmatic config validate` of a configuration that borgmatic itself generated.
//! What counts is the processor time of the child, in user and system mode, so that other work on the machine does
//! not; all run in turns, and the medians are compared.
//!
//! The environments: `public.yml.example`, and the largest real one below `$RECONCILE_CASES` where that is set. What is
//! neither in `$RECONCILE_VENV/bin` nor on the path is said and left out (`scripts/install-test-tools --bench` installs
//! them). `RECONCILE_BENCH_ROUNDS` sets the runs (50); with `RECONCILE_BENCH_STRICT=1` a missed goal is exit code 1.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod ratio;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use ratio::{Goals, median, rounds};

/// How many times less than the checker.
const LESS: f64 = 20.0;
/// Milliseconds beyond the start of the process, for the largest real environment.
const MOST: f64 = 10.0;

fn main() -> ExitCode {
    // `cargo test --benches` only wants to know that this builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a folder");
    let example = folder.path().join("example");
    std::fs::create_dir(&example).expect("made");
    std::fs::copy(root.join("public.yml.example"), example.join("public.yml")).expect("copied");
    let mut goals = Goals::default();
    compare("public.yml.example", &example, folder.path(), &mut goals);
    match std::env::var_os("RECONCILE_CASES") {
        Some(cases) => {
            let ours =
                compare("the largest real one", &largest(Path::new(&cases)), folder.path(), &mut goals);
            for (what, beyond) in ours {
                goals.at_most(
                    &format!("ms beyond process start, {what} of the largest real one"),
                    beyond,
                    MOST,
                );
            }
        }
        None => println!("skipped: real environments, for RECONCILE_CASES is not set"),
    }
    goals.exit()
}

/// Measures all programs on one environment; what ours take beyond their start, in milliseconds.
fn compare(name: &str, environment: &Path, scratch: &Path, goals: &mut Goals) -> [(&'static str, f64); 2] {
    let public = environment.join("public.yml");
    let bytes = std::fs::metadata(&public).expect("a file").len();
    println!("{name}, {bytes} bytes:");
    let reconcile = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reconcile"));
        command.arg("-e").arg(environment).args(arguments);
        command
    };
    let mut programs = vec![
        ("reconcile --version", reconcile(&["--version"])),
        ("reconcile validate", reconcile(&["validate"])),
        ("reconcile show settings", reconcile(&["show", "settings"])),
    ];
    programs.extend(others(environment, scratch));
    let mut times = vec![Vec::new(); programs.len()];
    for _ in 0..rounds(50) {
        for ((_, command), times) in programs.iter_mut().zip(&mut times) {
            times.push(cpu(command));
        }
    }
    let times: Vec<f64> = times.into_iter().map(|times| median(times).as_secs_f64() * 1e3).collect();
    let [start, validate, show] = [times[0], times[1], times[2]];
    for ((program, _), time) in programs.iter().zip(&times) {
        println!("  {program:<26} {time:>7.2} ms, {:.1} times `validate`", time / validate);
        if *program == CHECKER {
            goals.at_least(&format!("times less CPU than {CHECKER}, {name}"), time / validate, LESS);
        }
    }
    [("validate", validate - start), ("show settings", show - start)]
}

const CHECKER: &str = "check-jsonschema";

/// What is at hand of the other programs, each with the same environment or the nearest thing to it.
fn others(environment: &Path, scratch: &Path) -> Vec<(&'static str, Command)> {
    let mut others = Vec::new();
    if let Some(mut checker) = found(CHECKER) {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/public.schema.json");
        checker.arg("--schemafile").arg(schema).arg(environment.join("public.yml"));
        others.push((CHECKER, checker));
    }
    let inventory = environment.join("inventory.ini");
    if let Some(mut ansible) = found("ansible-inventory").filter(|_| inventory.exists()) {
        ansible.arg("--list").arg("-i").arg(inventory).env("ANSIBLE_LOCAL_TEMP", scratch);
        others.push(("ansible-inventory --list", ansible));
    }
    let configuration = scratch.join("borgmatic.yaml");
    if let (Some(mut generate), Some(mut validate)) = (found("borgmatic"), found("borgmatic")) {
        if !configuration.exists() {
            generate.args(["config", "generate", "--destination"]).arg(&configuration);
            cpu(&mut generate);
        }
        validate.args(["config", "validate", "--config"]).arg(configuration);
        others.push(("borgmatic config validate", validate));
    }
    others
}

/// A program of `$RECONCILE_VENV` or the path; else that is said.
fn found(program: &str) -> Option<Command> {
    let own = std::env::var_os("RECONCILE_VENV").map(|venv| Path::new(&venv).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = own.into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join(program));
    let file = files.find(|file| file.is_file());
    if file.is_none() {
        println!("  skipped: {program} is not here; scripts/install-test-tools --bench");
    }
    file.map(Command::new)
}

/// The processor time that a child uses. That it finds problems is no matter; that it cannot run is.
fn cpu(command: &mut Command) -> Duration {
    let before = children();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let code = status.expect("a child").code();
    assert!(matches!(code, Some(0 | 1)), "{command:?} ended with {code:?}");
    children() - before
}

/// What all children that ended so far have used.
fn children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the usage");
    let time = |time: TimeVal| {
        Duration::new(time.tv_sec().unsigned_abs(), time.tv_usec().unsigned_abs() as u32 * 1_000)
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// The environment with the most to read.
fn largest(cases: &Path) -> PathBuf {
    let environments = std::fs::read_dir(cases.join("C_settings/envs")).expect("the cases");
    let size = |directory: &PathBuf| -> u64 {
        let file = |name| std::fs::metadata(directory.join(name)).map_or(0, |file| file.len());
        file("public.yml") + file("inventory.ini")
    };
    environments.map(|entry| entry.expect("an entry").path()).max_by_key(size).expect("an environment")
}
