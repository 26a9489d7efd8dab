//! `kill -9` of the real program at every moment: what was there stays, nothing half-done has a final name, and the next
//! run succeeds and cleans up.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use chrono::TimeDelta;
use reconcile::jobs::Manifest;

use super::site::{Keys, Site, TREE};
use crate::support::kill::Killer;

/// Small enough for one PutObject, and large enough for parts.
const SMALL: usize = 20_000;
const LARGE: usize = 9 << 20;

#[test]
fn a_backup_killed_at_any_change_on_its_disk_is_made_good_by_the_next() {
    let Some(killer) = Killer::build() else { return };
    let mut site = Site::new(SMALL);
    let mut proven = site.next_run("at first");
    let mut nth = 0;
    loop {
        nth += 1;
        site.tomorrow();
        let when = format!("killed before change {nth}");
        let mut command = site.command("run backup blobdb --tier daily");
        killer.arm(&mut command, &site.backups(), nth);
        let died = command.output().expect("it runs");
        if died.status.signal().is_none() {
            assert_eq!(died.status.code(), Some(0), "{}", String::from_utf8_lossy(&died.stderr));
            break;
        }
        site.nothing_is_half(&when);
        site.has(&proven, &when);
        // The same day once more: what stands already of that day does no harm.
        proven = site.next_run(&when);
    }
    assert!(nth > 25, "only {nth} changes were tried");
}

#[test]
fn a_second_run_of_a_day_killed_at_any_change_leaves_the_first_or_itself() {
    let Some(killer) = Killer::build() else { return };
    let mut site = Site::new(SMALL);
    let mut nth = 0;
    loop {
        nth += 1;
        site.tomorrow();
        let when = format!("killed before change {nth}");
        let proven = site.next_run(&when);
        fs::write(site.inside(TREE).join("meanwhile"), &when).expect("written");
        let mut command = site.command("run backup blobdb --tier daily");
        killer.arm(&mut command, &site.backups(), nth);
        let died = command.output().expect("it runs").status;
        site.nothing_is_half(&when);
        if died.signal().is_none() {
            assert_eq!(died.code(), Some(0), "{when}");
            break;
        }
        // It may have been killed when it was done but for its end.
        let there = newest(&site).filter(|done| done.ended >= proven.ended);
        site.has(&there.unwrap_or_else(|| proven.clone()), &when);
        // The next one begins, and fails: by then it is one of the two, with its proof.
        site.like("faults: [{kind: denied, operation: PutObject}]\n");
        assert_eq!(site.run("run backup blobdb --tier daily").status.code(), Some(1), "{when}");
        site.like("");
        let left = site.manifest(&proven.name).filter(Manifest::proven);
        assert!(
            left.is_some_and(|left| left == proven || left.run != proven.run),
            "{when}: {:?}",
            site.files()
        );
        site.nothing_is_half(&when);
    }
    assert!(nth > 25, "only {nth} changes were tried");
}

#[test]
fn a_labelled_backup_and_its_removal_killed_at_any_change_leave_nothing_for_ever() {
    let Some(killer) = Killer::build() else { return };
    let mut site = Site::new(SMALL);
    let mut nth = 0;
    loop {
        nth += 1;
        let labelled = format!("run backup blobdb --label x{nth} --keep-until {}", site.now.date_naive());
        assert_eq!(site.run(&labelled).status.code(), Some(0));
        site.tomorrow();
        let mut command = site.command("run backup blobdb --tier daily");
        killer.arm(&mut command, &site.backups(), nth);
        let died = command.output().expect("it runs").status;
        site.nothing_is_half(&format!("killed before change {nth}"));
        site.next_run(&format!("killed before change {nth}"));
        assert!(!site.files().iter().any(|file| file.contains("label")), "{nth}: {:?}", site.files());
        if died.signal().is_none() {
            break;
        }
    }
    assert!(nth > 25, "only {nth} changes were tried");
}

#[test]
fn a_backup_that_dies_around_any_write_to_the_bucket_is_made_good_by_the_next() {
    for (keys, bytes, least) in [
        (Keys::Undated, SMALL, 2),
        (Keys::Undated, LARGE, 5),
        (Keys::Dated, SMALL, 2),
        (Keys::Dated, LARGE, 5),
    ] {
        let mut site = Site::under(keys, bytes);
        let mut proven = site.next_run("at first");
        for kind in ["crash-before", "crash-after"] {
            let mut writes = 0;
            loop {
                site.tomorrow();
                site.like(&format!("faults: [{{kind: {kind}, nth: {}}}]\n", writes + 1));
                let died = site.run("run backup blobdb --tier daily");
                site.like("");
                if died.status.code() == Some(0) {
                    break;
                }
                writes += 1;
                let when = format!("{kind} {writes}");
                assert_eq!(died.status.code(), Some(70), "{}", String::from_utf8_lossy(&died.stderr));
                site.nothing_is_half(&when);
                site.has(&proven, &when);
                // Whoever writes to the tree goes on.
                fs::write(site.inside(TREE).join("meanwhile"), &when).expect("written");
                proven = site.next_run(&when);
            }
            assert!(writes >= least, "only {writes} writes were tried");
        }
    }
}

#[test]
fn a_backup_killed_at_any_time_is_made_good_by_the_next() {
    let mut site = Site::new(LARGE);
    let began = Instant::now();
    let mut proven = site.next_run("at first");
    let whole = began.elapsed();
    let (mut state, mut killed) = (7u64, 0);
    for number in 0.. {
        if killed == 40 {
            break;
        }
        assert!(number < 200, "only {killed} of them were killed");
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let share = u32::try_from(state >> 54).expect("ten bits");
        if number % 4 == 0 {
            site.tomorrow();
        }
        let command = site
            .command("run backup blobdb --tier daily")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = command.expect("it starts");
        std::thread::sleep(whole * share / 1024);
        let _ = child.kill();
        let ended = child.wait().expect("it ends");
        let when = format!("killed at {share}/1024 of {whole:?}");
        site.nothing_is_half(&when);
        match ended.signal() {
            Some(_) => killed += 1,
            None => assert_eq!(ended.code(), Some(0), "{when}"),
        }
        // One that was killed when it was done but for its end stands, and older ones may have gone for it.
        let done = newest(&site).filter(|done| done.ended >= proven.ended);
        proven = done.unwrap_or(proven);
        site.has(&proven, &when);
        if number % 6 == 5 {
            proven = site.next_run(&when);
        }
    }
    site.next_run("at last");
}

/// The newest that was proven here.
fn newest(site: &Site) -> Option<Manifest> {
    let manifests =
        site.files().into_iter().filter_map(|file| site.manifest(file.strip_suffix(".manifest.json")?));
    manifests.filter(Manifest::proven).max_by_key(|manifest| manifest.ended)
}

#[test]
fn a_run_that_was_killed_is_told_by_the_next_check() {
    let mut site = Site::new(LARGE);
    site.next_run("at first");
    assert_eq!(site.run("run check blobdb").status.code(), Some(0));
    site.tomorrow();
    site.like("faults: [{kind: crash-before, operation: CompleteMultipartUpload}]\n");
    assert_eq!(site.run("run backup blobdb --tier daily").status.code(), Some(70));
    assert_eq!(site.letters(), 0, "the dead tell nothing");
    site.now += TimeDelta::hours(2);
    site.like("");
    assert_eq!(site.run("run check blobdb").status.code(), Some(2));
    assert_eq!(site.letters(), 1);
    site.next_run("after it");
    assert_eq!(site.letters(), 2);
}

/// What a tree is: old, new, or neither.
fn which(tree: &Path) -> String {
    let mut found: Vec<String> = fs::read_dir(tree)
        .map(|entries| {
            entries.map(|entry| entry.expect("one").file_name().into_string().expect("utf-8")).collect()
        })
        .unwrap_or_default();
    found.sort();
    found.join(" ")
}

#[test]
fn a_restore_killed_at_any_change_leaves_the_old_data_or_the_new_and_the_next_one_works() {
    let Some(killer) = Killer::build() else { return };
    let mut site = Site::new(SMALL);
    let name = site.next_run("at first").name;
    let (tree, around) = (site.inside(TREE), site.inside("/opt/data"));
    let mut nth = 0;
    loop {
        nth += 1;
        let when = format!("killed before change {nth}");
        // Somebody damages it.
        fs::remove_dir_all(&tree).expect("removed");
        fs::create_dir(&tree).expect("made");
        fs::write(tree.join("damaged"), "x").expect("written");
        fs::write(tree.join("of today"), "x").expect("written");
        let mut command = site.command(&format!("restore blobdb --confirm {name}"));
        killer.arm(&mut command, &around, nth);
        let died = command.output().expect("it runs");
        let found = which(&tree);
        assert!(found == "blob" || found == "damaged of today", "{when}: {found:?}");
        if died.status.signal().is_none() {
            assert_eq!(died.status.code(), Some(0), "{}", String::from_utf8_lossy(&died.stderr));
            break;
        }
        site.now += TimeDelta::minutes(1);
        site.like("");
        let again = site.run(&format!("restore blobdb --confirm {name}"));
        assert_eq!(again.status.code(), Some(0), "{when}: {}", String::from_utf8_lossy(&again.stderr));
        assert_eq!(which(&tree), "blob", "{when}");
        // What was there before is kept, whichever of the two put it away, and nothing else is left.
        let mut kept = Vec::new();
        for entry in fs::read_dir(&around).expect("there").map(|entry| entry.expect("one")) {
            let name = entry.file_name().into_string().expect("utf-8");
            if name.starts_with("blobdb.before-restore-") {
                kept.push(which(&entry.path()));
                fs::remove_dir_all(entry.path()).expect("removed");
            } else {
                assert!(["backups", "blobdb"].contains(&name.as_str()), "{when}: {name}");
            }
        }
        assert!(kept.contains(&"damaged of today".to_owned()), "{when}: {kept:?}");
    }
    assert!(nth > 8, "only {nth} changes were tried");
}

#[test]
fn a_verification_killed_at_any_change_is_made_good_by_the_next() {
    let Some(killer) = Killer::build() else { return };
    let site = Site::new(SMALL);
    let proven = site.next_run("at first");
    let mut nth = 0;
    loop {
        nth += 1;
        let when = format!("killed before change {nth}");
        let mut command = site.command("verify blobdb");
        killer.arm(&mut command, &site.backups(), nth);
        let died = command.output().expect("it runs");
        site.has(&proven, &when);
        if died.status.signal().is_none() {
            assert_eq!(died.status.code(), Some(0), "{}", String::from_utf8_lossy(&died.stderr));
            break;
        }
        let again = site.run("verify blobdb");
        assert_eq!(again.status.code(), Some(0), "{when}: {}", String::from_utf8_lossy(&again.stderr));
        let left: Vec<String> =
            site.files().into_iter().filter(|file| file.starts_with(".reconcile-verify")).collect();
        assert_eq!(left, [""; 0], "{when}");
    }
    assert!(nth > 5, "only {nth} changes were tried");
}
