//! The room on the volume while a backup grows, or what is restored from one: it is broken off before the disk is full, and
//! leaves nothing.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reconcile::datastores::job_file::Source;
use reconcile::datastores::postgresql::settings::Method;
use reconcile::datastores::tree::settings::TreeSource;
use reconcile::jobs::restore::Wanted;
use reconcile::jobs::room::{Room, Space};
use reconcile::jobs::verify::verify;
use reconcile::jobs::{self, Stage};
use reconcile::vocab::Tier;

use super::dump::{End, Made};
use super::host::Host;
use super::restore::restored;
use crate::support;

const MIB: u64 = 1 << 20;

/// A volume of its own, gone with the test.
struct Volume(PathBuf);

impl Volume {
    /// `None` is a skip that was told.
    fn mount(at: &Path, mib: u64) -> Option<Volume> {
        let size = format!("size={mib}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(at).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Volume(at.to_owned()));
        }
        support::skip("tmpfs", "a small volume can be mounted by root alone");
        None
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Whether so much is free on the volume of the backups, before long: a program that another test starts at this moment has
/// this one's files open until it is itself.
fn is_free(host: &Host, bytes: u64) -> bool {
    (0..200).any(|_| {
        let free = Room::default().of(&host.context.directory()).expect("room").free;
        std::thread::sleep(std::time::Duration::from_millis(if free > bytes { 0 } else { 50 }));
        free > bytes
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_is_never_filled_by_a_backup() {
    let host = Host::new(Method::Plain);
    let Some(_volume) = Volume::mount(&host.context.directory(), 64) else { return };
    jobs::backup_with(&host.context, Tier::Weekly, Made::open(10 * MIB, End::Whole)).await.expect("a backup");
    let before = host.files();
    // Its manifest goes, so that nobody knows beforehand how large the next one is.
    for file in before.iter().filter(|file| file.ends_with(".manifest.json")) {
        fs::remove_file(host.path(file)).expect("removed");
    }
    let before: Vec<String> = before.into_iter().filter(|file| !file.ends_with(".manifest.json")).collect();
    let error = jobs::backup_with(&host.context, Tier::Daily, Made::open(60 * MIB, End::Whole))
        .await
        .expect_err("there is no room");
    assert_eq!(error.stage, Stage::Space, "{error}");
    assert!(error.message.contains("8.0 MiB must stay for whoever else writes there"), "{error}");
    assert!(error.message.contains("earlier backups are untouched"), "{error}");
    assert!(is_free(&host, 48 * MIB), "nothing partial is left");
    assert_eq!(host.files(), [&["last-failure.json".to_owned()], before.as_slice()].concat());
}

#[tokio::test]
async fn the_next_backup_begins_only_where_it_can_end() {
    let mut host = Host::new(Method::Plain);
    jobs::backup_with(&host.context, Tier::Daily, Made::open(10 * MIB, End::Whole)).await.expect("a backup");
    let last = host.manifest("postgres_production_daily_2026_11_21.tar.gz").bytes;
    let (needed, floor) = (last + last / 5, 256 * MIB);
    for (free, is_enough) in [(needed + floor, true), (needed + floor - 1, false)] {
        host.context.room = Room::new(move |_| Some(Space { free, total: 10 << 30 }));
        host.pass(chrono::TimeDelta::days(1));
        let made = jobs::backup_with(&host.context, Tier::Daily, Made::open(10 * MIB, End::Whole)).await;
        assert_eq!(made.is_ok(), is_enough, "{made:?}");
        if let Err(error) = made {
            assert!(error.stage == Stage::Space && error.message.contains("256 MiB must stay"), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_who_fills_the_disk_stops_the_backup() {
    let mut host = Host::new(Method::Plain);
    let looks = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&looks);
    // Room enough at first.
    host.context.room = Room::new(move |_| {
        let free = if counter.fetch_add(1, Ordering::SeqCst) < 4 { 10 << 30 } else { 100 * MIB };
        Some(Space { free, total: 100 << 30 })
    });
    let error = jobs::backup_with(&host.context, Tier::Daily, Made::open(200 * MIB, End::Whole))
        .await
        .expect_err("no room");
    assert!(error.message.contains("100 MiB free, and 1.0 GiB must stay"), "{error}");
    assert_eq!(host.files(), ["last-failure.json"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_all_the_same_is_free_again_afterwards() {
    let mut host = Host::new(Method::Plain);
    let Some(_volume) = Volume::mount(&host.context.directory(), 16) else { return };
    // A volume that nobody says anything about.
    host.context.room = Room::new(|_| None);
    let error = jobs::backup_with(&host.context, Tier::Daily, Made::open(40 * MIB, End::Whole))
        .await
        .expect_err("there is no room");
    assert!(error.stage == Stage::Dump && error.message.contains("No space left on device"), "{error}");
    assert!(is_free(&host, 14 * MIB), "nothing partial is left");
    assert_eq!(host.files(), ["last-failure.json"]);
}

/// A host with the backup of a tree that holds so much.
async fn with_tree(bytes: u64) -> (Host, String) {
    let source = TreeSource { path: "/opt/data/blobdb".to_owned(), exclude: Vec::new(), host: None };
    let host = Host::of("blobdb", "/opt/data/backups/blobdb", Source::Tree(source));
    let blobs = host.inside("/opt/data/blobdb");
    fs::create_dir_all(&blobs).expect("made");
    fs::File::create(blobs.join("zeroes"))
        .expect("made")
        .write_all(&vec![0; bytes as usize])
        .expect("written");
    let name = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest.name;
    (host, name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_is_never_filled_by_looking_into_a_backup_or_by_restoring_it() {
    let (host, name) = with_tree(60 * MIB).await;
    let folder = tempfile::tempdir().expect("a folder");
    let Some(_volume) = Volume::mount(folder.path(), 64) else { return };
    let scratch = || Some(folder.path().to_owned());
    let to = || Some(folder.path().join("to"));
    let both = async || {
        let proven = verify(&host.context, &[], &Wanted::Newest, scratch()).await.expect_err("no room");
        let restored = restored(&host, &Wanted::Newest, to()).await.expect_err("no room");
        assert_eq!((proven.stage, restored.stage), (Stage::Space, Stage::Space), "{proven} {restored}");
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0, "nothing is left");
        [proven, restored].map(|error| {
            assert!(error.message.contains("8.0 MiB must stay for whoever else writes there"), "{error}");
            error.help.expect("a help")
        })
    };
    let mounted = restored(&host, &Wanted::Newest, scratch()).await.expect_err("it cannot be exchanged");
    assert!(mounted.stage == Stage::Choose && mounted.message.ends_with("cannot be replaced"), "{mounted}");
    let helps = both().await;
    assert!(helps[0].contains("--scratch DIR") && helps[1].contains("--to DIR"), "{helps:?}");
    // Nobody knows beforehand how much it is: it is noticed while it grows, and says nothing of the backup.
    fs::remove_file(host.path(&format!("{name}.manifest.json"))).expect("removed");
    both().await;
    assert_eq!(host.files(), [name], "nobody wrote evidence");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_another_run_replaces_meanwhile_is_not_condemned() {
    let (mut host, name) = with_tree(MIB).await;
    let (first, next) = (host.path(&name), host.path("next"));
    fs::copy(&first, &next).expect("copied");
    let beside = host.path(&format!("{name}.manifest.json"));
    // Between the choice and the first byte somebody asks for the room.
    host.context.room = Room::new(move |_| {
        if next.exists() {
            fs::OpenOptions::new()
                .append(true)
                .open(&next)
                .expect("opened")
                .write_all(b"new")
                .expect("written");
            fs::rename(&next, &first).expect("replaced");
            let text =
                fs::read_to_string(&beside).expect("read").replacen("\"sha256\": \"", "\"sha256\": \"0", 1);
            fs::write(&beside, text).expect("written");
        }
        None
    });
    let error = verify(&host.context, &[], &Wanted::Newest, None).await.expect_err("it is another");
    assert!(
        error.stage == Stage::Prove && error.message.contains("was another when it was chosen"),
        "{error}"
    );
    assert!(!host.files().iter().any(|file| file.ends_with(".verified.json")), "{:?}", host.files());
}
