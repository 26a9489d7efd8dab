//! A job that is told to end does so at once: nothing partial is left, what there was stays, and somebody is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::stage::Answer;
use super::trees::stage;

const RUN: &str =
    "--sandbox sandbox run backup blobdb --tier daily --job /etc/reconcile/commcare-example/blobdb.json";
const DIRECTORY: &str = "/opt/data/backups/blobdb";

#[test]
fn a_backup_that_is_told_to_end_leaves_nothing_partial() {
    let stage = stage();
    stage.reconcile("apply --auto-approve").exits(0);
    let on_host = |command: &mut Command| {
        command.env("RECONCILE_SANDBOX_HOST", "db1");
    };
    let run = || {
        let mut command = stage.command(RUN);
        on_host(&mut command);
        Answer::of(RUN, command.output().expect("it runs"))
    };
    run().exits(0);
    let files = || {
        let mut files: Vec<String> = fs::read_dir(stage.on_host(DIRECTORY))
            .expect("there")
            .map(|entry| entry.expect("one").file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with('.'))
            .collect();
        files.sort();
        files
    };
    let before = files();

    // A tar that begins, and then waits for a disk that does not answer.
    let programs = stage.path("programs");
    fs::create_dir(&programs).expect("made");
    let slow = "#!/bin/sh\ncase \"$*\" in *--version*) exec /bin/tar \"$@\" ;; esac\nhead -c 3000 /dev/zero\nsleep 1000\n";
    fs::write(programs.join("tar"), slow).expect("written");
    fs::set_permissions(programs.join("tar"), fs::Permissions::from_mode(0o755)).expect("given");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").expect("a path"));
    stage.sandbox("now: 2026-11-22T12:00:00Z\n");
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        // Deaf to no signal, whoever runs the tests.
        let plain = stage.command(RUN);
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(plain.get_program()).args(plain.get_args());
        command.current_dir(stage.path("")).env("PATH", &path).env("NO_COLOR", "1");
        on_host(&mut command);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.expect("started");
        let until = Instant::now() + Duration::from_secs(60);
        while !files().iter().any(|name| name.ends_with(".partial")) {
            assert!(Instant::now() < until, "it begins: {:?}", files());
            std::thread::sleep(Duration::from_millis(20));
        }
        kill(Pid::from_raw(i32::try_from(child.id()).expect("a number")), signal).expect("told");
        let ended = Answer::of(RUN, child.wait_with_output().expect("it ends"));
        ended.exits(1).complains(&[
            &format!("the job was stopped: {signal} came"),
            "nothing partial is left, and earlier backups are untouched",
        ]);
        assert!(files().iter().all(|name| !name.contains("partial")), "{:?}", files());
        assert!(before.iter().all(|name| files().contains(name)), "{:?}", files());
        assert!(files().contains(&"last-failure.json".to_owned()));
    }
    // The next one begins anew.
    run().exits(0);
    assert!(!files().contains(&"last-failure.json".to_owned()));
}
