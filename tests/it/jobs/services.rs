//! Services that settings declare: stopped and started by a restore, for the moment of the exchange.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reconcile::datastores::job_file::Services;
use reconcile::jobs::restore::Wanted;
use reconcile::jobs::{self, Stage};
use reconcile::vocab::Tier;

use super::host::Host;
use super::restore::{restored, tree};

/// What is played has no services, so this one is the machine itself, with paths of the test's own: below the second.
fn host() -> (Host, PathBuf) {
    let mut host = Host::of("blobdb", "/opt/data/backups/blobdb", tree("/unused"));
    let top = host.context.root.clone();
    host.context.job.directory = top.join("opt/data/backups/blobdb").display().to_string();
    host.context.root = "/".into();
    (host, top)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declared_services_are_away_for_the_exchange_alone() {
    let (mut host, top) = host();
    let (blobs, told) = (top.join("blobs"), top.join("told"));
    host.context.job.source = tree(&blobs.display().to_string());
    fs::create_dir(&blobs).expect("made");
    fs::write(blobs.join("which"), "old\n").expect("written");
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    fs::write(blobs.join("which"), "damaged\n").expect("written");

    let say = |what: &str| format!("(echo {what}; cat {}/which) >> {}", blobs.display(), told.display());
    host.context.job.services =
        Some(Services { stop: "echo it hangs >&2; exit 3".to_owned(), start: say("start") });
    let error = restored(&host, &Wanted::Newest, None).await.expect_err("it does not stop");
    assert!(error.stage == Stage::Exchange && error.message.contains("it hangs"), "{error}");
    assert_eq!(fs::read_to_string(blobs.join("which")).expect("untouched"), "damaged\n");
    assert!(!told.exists(), "what was not stopped is not started");

    host.context.job.services = Some(Services { stop: say("stop"), start: say("start") });
    let done = restored(&host, &Wanted::Newest, None).await.expect("restored");
    assert_eq!(done.start, None, "nothing is left for a person");
    assert_eq!(fs::read_to_string(told).expect("told"), "stop\ndamaged\nstart\nold\n");
    assert_eq!(fs::read_to_string(Path::new(&done.kept[0]).join("which")).expect("kept"), "damaged\n");
}

/// A server that the declared command starts, and that keeps its outputs for as long as it runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_leaves_a_server_running_is_not_waited_for() {
    let (mut host, top) = host();
    let (blobs, process) = (top.join("blobs"), top.join("process"));
    host.context.job.source = tree(&blobs.display().to_string());
    fs::create_dir(&blobs).expect("made");
    fs::write(blobs.join("which"), "old").expect("written");
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");

    let start = format!("sleep 1000 & echo $! > {}", process.display());
    host.context.job.services = Some(Services { stop: "true".to_owned(), start });
    let done = restored(&host, &Wanted::Newest, None);
    let done = tokio::time::timeout(Duration::from_secs(120), done).await;
    // By its number and by nothing else; that it can be ended says that it ran on.
    let pid = fs::read_to_string(&process).expect("started").trim().parse().expect("a number");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it ran still");
    done.expect("it is not waited for").expect("restored");
}
