//! The lock of applies: the second is refused or comes after, whatever becomes of the first.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value as Json, json};

use super::stage::{Answer, Stage};

const NOW: &str = "now: 2026-11-21T12:00:00Z\n";
const BUCKET: &str = "commcare-example-postgres-backups";
const KEY: &str = ".reconcile/commcare-example/apply.lock";
const FILE: &str = "/run/reconcile/commcare-example.lock";
const BREAK: &str = "reconcile lock break -e environment --sandbox sandbox";
const PASSWORD: &str = "--vault-password-file environment/vault-password.txt";

/// An apply that was started and holds the lock everywhere, with a good while to go.
struct Holding {
    stage: Stage,
    child: Child,
}

impl Holding {
    fn begin(latency: u32) -> Holding {
        let stage = Stage::new();
        stage.reconcile("apply --auto-approve").exits(0);
        stage.edit("environment/public.yml", "nadir_hour: 1", "nadir_hour: 2");
        stage.edit("environment/public.yml", "daily: {days: 90", "daily: {days: 91");
        // The child reads how slow its storage is when it starts; nobody else waits.
        stage.sandbox(&format!("{NOW}latency: {latency}\n"));
        let line = format!("{PASSWORD} --sandbox sandbox -e environment apply --auto-approve");
        let mut command = heeding(&stage.command(&line));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        let mut holding = Holding { stage, child };
        holding.wait_until(|stage| stage.on_host(FILE).exists());
        holding.stage.sandbox(NOW);
        holding.wait_until(|stage| states(stage).iter().all(|state| state == "held"));
        holding
    }

    fn wait_until(&mut self, is_so: impl Fn(&Stage) -> bool) {
        while !is_so(&self.stage) {
            assert_eq!(self.child.try_wait().expect("asked"), None, "it ended too early");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).expect("a number")), signal).expect("told");
    }

    /// How it ended.
    fn end(self) -> (Stage, Answer) {
        let output = self.child.wait_with_output().expect("it ends");
        (self.stage, Answer::of("apply --auto-approve", output))
    }
}

/// The same command, deaf to no signal: whoever runs the tests in the background of a shell ignores SIGINT, and hands
/// that on.
fn heeding(command: &Command) -> Command {
    let mut heeding = Command::new("env");
    heeding.arg("--default-signal").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => heeding.env(name, value),
            None => heeding.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        heeding.current_dir(directory);
    }
    heeding
}

fn show(stage: &Stage) -> Json {
    stage.reconcile("lock show --output json").exits(0).json()
}

/// What the bucket and the host say.
fn states(stage: &Stage) -> Vec<String> {
    let shown = show(stage);
    let places = shown["places"].as_array().expect("a list");
    places.iter().map(|place| place["state"].as_str().expect("a state").to_owned()).collect()
}

fn is_free(stage: &Stage) {
    assert_eq!(states(stage), ["free", "free"]);
    assert!(!stage.on_host(FILE).exists());
}

fn is_converged(stage: &Stage) {
    stage.reconcile("plan --detailed-exitcode").exits(0);
    is_free(stage);
}

#[test]
fn the_second_is_refused_and_told_who_holds_the_lock() {
    let holding = Holding::begin(1500);
    let (stage, process) = (&holding.stage, holding.child.id());
    let who = format!("process {process}, since 2026-11-21 12:00:00 UTC");
    stage.reconcile("apply --auto-approve").exits(3).complains(&[
        "refused: the lock of environment commcare-example is held by",
        "as user/sandbox of account 123456789012",
        &who,
        &format!("in bucket/{BUCKET}"),
        "nothing was touched",
        &format!("{BREAK} {PASSWORD}"),
    ]);
    let report = stage.reconcile("apply --auto-approve --output json").exits(3).json();
    assert!(
        report["changes"].as_array().expect("a list").iter().all(|change| change["outcome"] == "skipped")
    );
    stage.reconcile("lock show").exits(0).says(&[
        "held by",
        "its process runs on this machine",
        &format!("bucket/{BUCKET}"),
        "host/db1",
        "Held in 2 places.",
    ]);
    let shown = show(stage);
    for place in shown["places"].as_array().expect("a list") {
        assert_eq!(place["holder"]["process"], process, "{shown:#}");
        assert_eq!(place["holder"]["standing"], "at-work", "{shown:#}");
        assert_eq!(place["holder"]["since"], "2026-11-21T12:00:00Z", "{shown:#}");
        assert_eq!(place["holder"]["identity"], "user/sandbox", "{shown:#}");
    }
    let (stage, first) = holding.end();
    first.exits(0);
    is_converged(&stage);
}

#[test]
fn a_killed_one_is_followed_on_its_machine() {
    let holding = Holding::begin(400);
    holding.signal(Signal::SIGKILL);
    let (stage, killed) = holding.end();
    killed.exits(-1);
    assert_eq!(states(&stage), ["held", "held"]);
    stage.reconcile("lock show").exits(0).says(&["its process is gone", "Held in 2 places."]);
    let places = format!("taken over in bucket/{BUCKET}, host/db1");
    stage.reconcile("apply --auto-approve").exits(0).complains(&[
        "note: the lock was left by",
        "whose process is gone",
        &places,
    ]);
    is_converged(&stage);
}

#[test]
fn a_stopped_one_gives_the_lock_back() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // Long enough that the signal comes before the last step, on a slow machine too.
        let holding = Holding::begin(1000);
        holding.signal(signal);
        let (stage, stopped) = holding.end();
        // Refused while it looked once more, failed once something was begun.
        assert!([1, 3].contains(&stopped.code), "{signal}: {stopped}");
        stopped.complains(&["stopping: what is under way is finished first", "stopped"]);
        is_free(&stage);
        stage.reconcile("apply --auto-approve").exits(0);
        is_converged(&stage);
    }
}

/// Rewrites what the host's file and the bucket's object say.
fn rewrite(stage: &Stage, change: impl Fn(&mut Json), in_bucket: bool) {
    let path = stage.on_host(FILE);
    let mut record: Json = serde_json::from_slice(&fs::read(&path).expect("held")).expect("JSON");
    change(&mut record);
    fs::write(path, record.to_string()).expect("written");
    if in_bucket {
        let body = record.to_string().into_bytes();
        stage.by_hand(|s3| async move {
            let put = s3.put_object().bucket(BUCKET).key(KEY).body(body.into());
            put.send().await.expect("put");
        });
    }
}

#[test]
fn nobody_elsewhere_is_taken_for_dead() {
    let holding = Holding::begin(400);
    holding.signal(Signal::SIGKILL);
    let (stage, _) = holding.end();
    let elsewhere = |record: &mut Json| {
        record["holder"]["machine"] = "laptop".into();
        record["holder"]["kernel"]["boot"] = "another".into();
    };
    // The host's alone: what was taken over in the bucket is given back.
    rewrite(&stage, elsewhere, false);
    let refused = stage.reconcile("apply --auto-approve").exits(3);
    refused.complains(&[
        "on laptop, process",
        "in host/db1: nothing was touched",
        "if it is gone for certain",
    ]);
    assert_eq!(states(&stage), ["free", "held"]);
    stage.reconcile("lock show").exits(0).says(&[
        "cannot be told from here",
        "host/db1",
        "Held in 1 place, 1 free.",
    ]);
    // Both.
    rewrite(&stage, elsewhere, true);
    let both = format!("in bucket/{BUCKET}, host/db1");
    stage.reconcile("apply --auto-approve").exits(3).complains(&["on laptop", &both]);
    assert_eq!(states(&stage), ["held", "held"]);

    stage.reconcile("lock break").exits(3).complains(&["there is no terminal to ask on", "--auto-approve"]);
    assert_eq!(states(&stage), ["held", "held"]);
    let broken = stage.reconcile("lock break --yes --output json").exits(0).json();
    let removed: Vec<&Json> =
        broken["places"].as_array().expect("a list").iter().map(|place| &place["removed"]).collect();
    assert_eq!(removed, [&json!(true), &json!(true)], "{broken:#}");
    is_free(&stage);
    stage.reconcile("lock break --auto-approve").exits(0).says(&["Nobody holds the lock"]);
    stage.reconcile("apply --auto-approve").exits(0);
    is_converged(&stage);
}

#[test]
fn what_cannot_be_read_holds_until_it_is_broken() {
    let stage = Stage::new();
    stage.reconcile("apply --auto-approve").exits(0);
    stage.edit("environment/public.yml", "nadir_hour: 1", "nadir_hour: 2");
    fs::write(stage.on_host(FILE), "\u{1b}[2J not ours\n").expect("written");
    let refused = stage.reconcile("apply --auto-approve").exits(3);
    assert!(!refused.stderr.contains('\u{1b}'), "{refused}");
    refused.complains(&["held by something that cannot be read", "in host/db1", BREAK]);
    assert_eq!(states(&stage), ["free", "unreadable"]);
    stage
        .reconcile("lock break --auto-approve")
        .exits(0)
        .says(&["host/db1  removed", "Removed from 1 place"]);
    stage.reconcile("apply --auto-approve").exits(0);
    is_converged(&stage);
}

#[test]
fn an_apply_with_nothing_to_change_takes_no_lock() {
    let stage = Stage::new();
    stage.reconcile("apply --auto-approve").exits(0);
    stage.edit("environment/public.yml", "nadir_hour: 1", "nadir_hour: 2");
    stage.reconcile("apply --auto-approve").exits(0);
    let before = stage.reconcile("sandbox show --output json").exits(0).stdout;
    assert!(before.contains(KEY));
    // Not even somebody else's keeps it from telling that.
    fs::write(stage.on_host(FILE), "somebody").expect("written");
    stage.reconcile("apply --auto-approve").exits(0);
    fs::remove_file(stage.on_host(FILE)).expect("removed");
    assert_eq!(stage.reconcile("sandbox show --output json").exits(0).stdout, before);
}

#[test]
fn where_the_bucket_cannot_hold_it_that_is_told_and_the_host_does() {
    for (faults, why) in [
        ("{kind: ignore-conditions}", "takes a write twice that it should take only once"),
        ("{kind: denied, operation: PutObject}", "s3:PutObject: access denied"),
        ("{kind: denied, operation: GetObject}", "s3:GetObject: access denied"),
        ("{kind: not-implemented, operation: PutObject}", "not supported by this store"),
    ] {
        let stage = Stage::new();
        // Before there is a bucket; then where the object is new, and where it is there already.
        let first = stage.reconcile("apply --auto-approve").exits(0);
        first.complains(&[&format!("note: bucket/{BUCKET} does not hold the lock"), "does not exist yet"]);
        let note = format!("note: bucket/{BUCKET} does not hold the lock of applies");
        for round in [2, 4] {
            stage.sandbox(&format!("{NOW}faults: [{faults}]\n"));
            hour(&stage, round);
            // The host's file alone refuses it.
            fs::write(stage.on_host(FILE), "somebody").expect("written");
            stage.reconcile("apply --auto-approve").exits(3).complains(&["in host/db1"]);
            fs::remove_file(stage.on_host(FILE)).expect("removed");
            stage.reconcile("apply --auto-approve").exits(0).complains(&[&note, why]);
            stage.sandbox(NOW);
            is_converged(&stage);
            hour(&stage, round + 1);
            let applied = stage.reconcile("apply --auto-approve").exits(0);
            assert!(!applied.stderr.contains("note:"), "{applied}");
        }
    }
}

/// Another hour for the backups, with nothing else changed.
fn hour(stage: &Stage, hour: u32) {
    stage.edit(
        "environment/public.yml",
        &format!("nadir_hour: {}\n", hour - 1),
        &format!("nadir_hour: {hour}\n"),
    );
}

/// The lock of a bucket spares neither deletes nor settings to an administrator; what the lock of applies needs it leaves.
#[test]
fn an_administrator_holds_the_lock_behind_a_versioning_lock() {
    let stage = Stage::of("sportfin");
    let line = stage.reconcile_plain("plan").exits(0);
    stage.reconcile_exactly(&format!("{} --auto-approve", line.line_to_apply().expect("a plan"))).exits(0);
    // The caller of the sandbox is an administrator, and not of break-glass.
    stage.edit("environment/public.yml", "assumed_by: ec2", "assumed_by: lambda.amazonaws.com");
    let line = stage.reconcile_plain("plan").exits(0);
    let applied =
        stage.reconcile_exactly(&format!("{} --auto-approve", line.line_to_apply().expect("a plan")));
    assert!(!applied.stderr.contains("note:"), "{applied}");
    applied.exits(0);
    stage.reconcile_plain("lock show").exits(0).says(&["Nobody holds the lock: free in 1 place."]);
    let put = stage.reconcile_plain("sandbox show --output json").exits(0).json();
    let versions = put["buckets"][0]["versions"].as_array().expect("a list").clone();
    assert_eq!(versions.len(), 2, "taken and given back, and nothing was deleted: {versions:#?}");
}
