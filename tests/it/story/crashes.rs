//! The process dies, before a write takes effect or after it and before its answer, at every write of the story in turn.
//! Running the same commands again reaches the same end.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::stage::Stage;
use crate::support::postgres::Postgres;

/// The exit code of a sandbox that crashed because its faults say so.
const CRASHED: i32 = 70;

const NOW: &str = "now: 2026-11-21T12:00:00Z\n";

#[test]
fn an_apply_that_dies_anywhere_is_finished_by_the_next() {
    let undisturbed = Stage::new();
    apply(&undisturbed);
    let end = world(&undisturbed);
    assert!(end.len() > 3, "{end:?}");
    for kind in ["crash-before", "crash-after"] {
        let mut writes = 0;
        loop {
            let stage = Stage::new();
            stage.sandbox(&format!("{NOW}faults: [{{kind: {kind}, nth: {}}}]\n", writes + 1));
            let answer = stage.reconcile("apply --auto-approve");
            if answer.code == 0 {
                break;
            }
            writes += 1;
            let answer = answer.exits(CRASHED);
            stage.sandbox(NOW);
            apply(&stage);
            assert_eq!(world(&stage), end, "{kind} write {writes}: {answer}");
            stage.reconcile("plan --detailed-exitcode").exits(0);
        }
        // Bucket, versioning, block, mark, encryption, lifecycle, policy; two directories, job file, cron entry.
        assert!(writes >= 11, "only {writes} writes were tried");
    }
}

#[test]
fn a_change_that_dies_anywhere_is_finished_by_the_next() {
    let change = |stage: &Stage| {
        apply(stage);
        stage.edit("environment/public.yml", "nadir_hour: 1", "nadir_hour: 5");
        stage.edit("environment/public.yml", "postgresql_backup_weeks: 4", "postgresql_backup_weeks: 2");
        stage.edit("environment/public.yml", "weekly: {days: 400}", "weekly: {days: 100}");
    };
    let undisturbed = Stage::new();
    change(&undisturbed);
    apply(&undisturbed);
    let end = world(&undisturbed);
    for kind in ["crash-before", "crash-after"] {
        let mut writes = 0;
        loop {
            let stage = Stage::new();
            change(&stage);
            let line = line(&stage);
            stage.sandbox(&format!("{NOW}faults: [{{kind: {kind}, nth: {}}}]\n", writes + 1));
            if stage.reconcile_exactly(&line).code == 0 {
                break;
            }
            writes += 1;
            stage.sandbox(NOW);
            apply(&stage);
            assert_eq!(world(&stage), end, "{kind} write {writes}");
        }
        // The lock in the bucket, its proof, the lock on the host; lifecycle, job file, cron entry; both locks given back.
        assert_eq!(writes, 8);
    }
}

#[test]
fn a_backup_that_dies_anywhere_is_made_by_the_next() {
    let Some(server) = Postgres::start("") else { return };
    for kind in ["crash-before", "crash-after"] {
        let mut crashes = 0;
        loop {
            let stage = Stage::new().with_server(&server);
            let calm = fs::read_to_string(stage.path("sandbox/sandbox.yml")).expect("read");
            apply(&stage);
            stage.sandbox(&format!("{calm}faults: [{{kind: {kind}, nth: {}}}]\n", crashes + 1));
            let answer = stage.reconcile("sandbox run db1 --at 2026-11-23T01:00:00Z");
            if answer.code == 0 {
                break;
            }
            crashes += 1;
            stage.sandbox(&calm.replace("2026-11-21", "2026-11-24"));
            stage.reconcile("sandbox run db1 --at 2026-11-23T01:00:00Z").exits(0);

            let backups = stage.on_host("/opt/data/backups/postgresql");
            let mut names: Vec<String> = fs::read_dir(backups)
                .expect("the directory")
                .map(|file| file.expect("a file").file_name().into_string().expect("text"))
                .filter(|name| !name.starts_with('.'))
                .collect();
            names.sort();
            let name = "postgres_commcare-example_daily_2026_11_23.tar.gz";
            assert_eq!(names, [name.to_owned(), format!("{name}.manifest.json")], "{kind} {crashes}");
            let listed = stage.reconcile("list postgresql --output json").exits(0).json();
            // A version that was uploaded by the job that died proves nothing; it lies beside the one that does.
            let proven = listed["hosts"][0]["backups"].as_array().expect("a list").iter();
            let proven: Vec<_> = proven.filter(|backup| backup["proven"] == true).collect();
            assert_eq!(proven.len(), 1, "{listed:#}");
            assert!(!proven[0]["here"].is_null() && !proven[0]["remote"].is_null(), "{listed:#}");
        }
        assert!(crashes >= 1, "the upload was never interrupted");
    }
}

/// Plans, and applies with the very line that the plan gives.
fn apply(stage: &Stage) {
    stage.reconcile_exactly(&line(stage)).exits(0);
}

fn line(stage: &Stage) -> String {
    let plan = stage.reconcile("plan").exits(0);
    // With nothing to apply no line is given, and an apply must be harmless.
    let line = plan.line_to_apply().unwrap_or("apply -e environment --sandbox sandbox");
    format!("{line} --auto-approve")
}

/// Every file of the hosts and every setting of the buckets.
fn world(stage: &Stage) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    collect(&stage.path("sandbox/hosts"), &mut files);
    collect(&stage.path("sandbox/s3/buckets"), &mut files);
    // Who held the lock of applies, and how often, is no part of what was applied.
    files.retain(|path, _| {
        !path.ends_with(".lock") && !path.contains("apply%2Elock") && !path.contains("apply.lock")
    });
    files
        .into_iter()
        .map(|(path, text)| {
            let root = stage.path("").display().to_string();
            // The namespace stands where a client sent the document and not in the store's own defaults.
            (
                path.replace(&root, ""),
                text.replace(" xmlns=\\\"http://s3.amazonaws.com/doc/2006-03-01/\\\"", ""),
            )
        })
        .collect()
}

fn collect(directory: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => collect(&path, files),
            path => {
                let text = String::from_utf8_lossy(&fs::read(&path).expect("read")).into_owned();
                files.insert(path.display().to_string(), text);
            }
        }
    }
}
