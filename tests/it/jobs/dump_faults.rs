//! Dumps that fail at their start, in their middle and at their end, whoever makes them; and two runs at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::site::Site;

/// What tar does in place of its work; `REAL` is tar itself.
const DEEDS: [(&str, &str); 7] = [
    ("at its start", "echo broken >&2; exit 2"),
    ("without a word", "exit 0"),
    ("in its middle", "REAL \"$@\" | head -c 5000; exit 2"),
    ("in its middle, with success", "REAL \"$@\" | head -c 5000"),
    ("at its end", "REAL \"$@\"; exit 2"),
    ("killed at its end", "REAL \"$@\"; kill -9 $$"),
    ("with more than an archive", "echo Welcome; REAL \"$@\""),
];

/// A folder with a tar that does this.
fn tar(deed: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let found = Command::new("sh").args(["-c", "command -v tar"]).output().expect("sh runs").stdout;
    let real = String::from_utf8(found).expect("utf-8").trim().to_owned();
    // Which tar it is, it is asked first.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) exec {real} \"$@\" ;; esac\n{}\n",
        deed.replace("REAL", &real)
    );
    fs::write(folder.path().join("tar"), script).expect("written");
    fs::set_permissions(folder.path().join("tar"), PermissionsExt::from_mode(0o755)).expect("given");
    folder
}

fn with(site: &Site, programs: &TempDir, words: &str) -> Command {
    let mut command = site.command(words);
    let path = std::env::var("PATH").expect("a path");
    command.env("PATH", format!("{}:{path}", programs.path().display()));
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn sites() -> [(&'static str, Site); 2] {
    let couch = json!({"couchdb": {"data_dir": "/opt/data/couchdb2", "remote_copy": null}});
    let couch = Site::of("couchdb", couch, "/opt/data/couchdb2", 30_000);
    fs::write(couch.inside("/opt/data/couchdb2/_dbs.couch"), "map").expect("written");
    [("blobdb", Site::new(30_000)), ("couchdb", couch)]
}

#[test]
fn a_tree_whose_tar_fails_is_no_backup_and_told_once() {
    for (datastore, mut site) in sites() {
        let mut proven = site.next_run("at first");
        for (number, (when, deed)) in DEEDS.into_iter().enumerate() {
            let (programs, versions) = (tar(deed), site.versions());
            for _ in 0..2 {
                site.tomorrow();
                let failed =
                    with(&site, &programs, &format!("run backup {datastore}")).output().expect("it runs");
                assert_eq!(failed.status.code(), Some(1), "{when}: {}", said(&failed));
                assert!(said(&failed).starts_with("error: "), "{when}: {}", said(&failed));
                site.has(&proven, when);
                assert_eq!(site.versions(), versions, "{when}: nothing of it is in the bucket");
                let files = site.files();
                assert!(files.contains(&"last-failure.json".to_owned()), "{when}");
                let new = format!("{datastore}_daily_{}", site.now.format("%Y_%m_%d"));
                assert!(!files.iter().any(|file| file.starts_with(&new)), "{when}: {files:?}");
                // One letter for both, and one that it is over for the incident before.
                assert_eq!(site.letters(), 2 * number + 1, "{when}");
            }
            site.tomorrow();
            proven = site.next_run(when);
        }
    }
}

#[test]
fn of_two_runs_at_once_the_second_is_refused_and_the_first_is_whole() {
    let mut site = Site::new(30_000);
    let proven = site.next_run("at first");
    site.tomorrow();
    let folder = tempfile::tempdir().expect("a folder");
    let go_on = folder.path().join("go on");
    let slow = tar(&format!("while [ ! -e '{}' ]; do sleep 0.05; done; REAL \"$@\"", go_on.display()));
    let mut first = with(&site, &slow, "run backup blobdb");
    let first = first.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let until = Instant::now() + Duration::from_secs(60);
    while !site.files().iter().any(|file| file.ends_with(".partial")) {
        assert!(Instant::now() < until, "it begins");
        std::thread::sleep(Duration::from_millis(10));
    }
    for words in ["run backup blobdb", "run backup blobdb --tier weekly", "run backup blobdb --label mine"] {
        let second = site.run(words);
        assert_eq!(second.status.code(), Some(3), "{}", said(&second));
        assert!(said(&second).contains(&format!("process {} on db1", first.id())), "{}", said(&second));
    }
    fs::write(go_on, "").expect("written");
    let ended = first.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
    site.has(&proven, "before both");
    site.nothing_is_half("after both");
    assert_eq!(site.letters(), 0, "nobody is told of a refusal: the first tells how it went");
}
