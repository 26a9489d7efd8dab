//! How much processor time it takes to validate settings, beside the checker that an editor or a pipeline would use.
//!
//! `reconcile validate` of an environment against `check-jsonschema` of the same file with our own schema, which sees
//! less: mistakes of shape only. What counts is the processor time of the child, in user and system mode, so that
//! other work on the machine does not; the two run in turns, and the medians are compared.
//!
//! The files: `public.yml.example`, and the largest real one below `$RECONCILE_CASES` where that is set. Where there
//! is no check-jsonschema in `$RECONCILE_VENV/bin` or on the path, that is said and nothing compared
//! (`scripts/install-test-tools --bench` installs it). `RECONCILE_BENCH_ROUNDS` sets the runs (50); with
//! `RECONCILE_BENCH_STRICT=1` a missed goal is exit code 1.

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

fn main() -> ExitCode {
    // `cargo test --benches` only wants to know that this builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = tempfile::tempdir().expect("a folder");
    std::fs::copy(root.join("public.yml.example"), example.path().join("public.yml")).expect("copied");
    let mut environments = vec![("public.yml.example", example.path().to_owned())];
    match std::env::var_os("RECONCILE_CASES") {
        Some(cases) => environments.push(("the largest real one", largest(Path::new(&cases)))),
        None => println!("skipped: real environments, for RECONCILE_CASES is not set"),
    }
    let checker = checker();
    if checker.is_none() {
        println!(
            "skipped: the comparison, for there is no check-jsonschema; scripts/install-test-tools --bench"
        );
    }
    let mut goals = Goals::default();
    for (name, environment) in environments {
        let file = environment.join("public.yml");
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds(50) {
            let mut validate = Command::new(env!("CARGO_BIN_EXE_reconcile"));
            ours.push(cpu(validate.arg("validate").arg(&environment)));
            if let Some(checker) = &checker {
                let schema = root.join("schemas/public.schema.json");
                theirs.push(cpu(Command::new(checker).arg("--schemafile").arg(schema).arg(&file)));
            }
        }
        let ours = median(ours).as_secs_f64() * 1e3;
        let bytes = std::fs::metadata(&file).expect("a file").len();
        println!("{name}, {bytes} bytes: reconcile validate {ours:.2} ms");
        if !theirs.is_empty() {
            let theirs = median(theirs).as_secs_f64() * 1e3;
            println!("{name}, {bytes} bytes: check-jsonschema {theirs:.2} ms");
            goals.at_least(&format!("times less CPU, {name}"), theirs / ours, LESS);
        }
    }
    goals.exit()
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

fn checker() -> Option<PathBuf> {
    let own = std::env::var_os("RECONCILE_VENV").map(|venv| Path::new(&venv).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    own.into_iter()
        .chain(std::env::split_paths(&path))
        .map(|directory| directory.join("check-jsonschema"))
        .find(|file| file.is_file())
}

/// The environment with the largest `public.yml`.
fn largest(cases: &Path) -> PathBuf {
    let environments = std::fs::read_dir(cases.join("C_settings/envs")).expect("the cases");
    let size =
        |directory: &PathBuf| std::fs::metadata(directory.join("public.yml")).map_or(0, |file| file.len());
    environments.map(|entry| entry.expect("an entry").path()).max_by_key(size).expect("an environment")
}
