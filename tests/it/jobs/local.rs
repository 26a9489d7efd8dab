//! The sequence on the host alone: one job at a time, nothing removed too early, every failure loud.

use chrono::TimeDelta;
use reconcile::datastores::postgresql::settings::Method;
use reconcile::jobs::log::Log;
use reconcile::jobs::{self, LastFailure, Stage};
use reconcile::vocab::Tier;

use super::dump::{End, Made};
use super::host::Host;
use crate::support;

const SMALL: u64 = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_job_is_refused_and_told_who_is_at_work() {
    let host = Host::new(Method::Plain);
    let second = host.context.clone();
    let runtime = tokio::runtime::Handle::current();
    let (tell, told) = std::sync::mpsc::channel();
    let open = move |scratch| {
        let other = runtime.block_on(jobs::backup_with(&second, Tier::Hourly, Made::open(SMALL, End::Whole)));
        tell.send(other.expect_err("the first is at work")).expect("the test listens");
        Made::open(SMALL, End::Whole)(scratch)
    };
    jobs::backup_with(&host.context, Tier::Daily, open).await.expect("the first succeeds");
    let error = told.recv().expect("the second was refused");
    assert!(error.is_refusal());
    let first = format!("`backup postgresql daily of production`, process {} on db1", std::process::id());
    assert!(error.message.contains(&first), "{error}");
    // A refusal leaves no note behind, and the lock goes with its job.
    assert_eq!(host.files().len(), 2);
    jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, End::Whole)).await.expect("free again");
}

#[tokio::test]
async fn a_month_of_nights_leaves_what_the_policy_keeps() {
    let host = Host::new(Method::Plain);
    for night in 0..30 {
        let tier = if night % 7 == 0 { Tier::Weekly } else { Tier::Daily };
        jobs::backup_with(&host.context, tier, Made::open(SMALL, End::Whole)).await.expect("a backup");
        host.pass(TimeDelta::days(1));
    }
    std::fs::write(host.path("postgres_staging_daily_2020_01_01.tar.gz"), "foreign").expect("file");
    std::fs::write(host.path("notes.txt"), "foreign").expect("file");
    jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, End::Whole)).await.expect("a backup");
    let left: Vec<String> =
        host.files().into_iter().filter(|file| !file.ends_with(".manifest.json")).collect();
    assert_eq!(
        left,
        [
            "notes.txt",
            "postgres_production_daily_2026_12_20.tar.gz",
            "postgres_production_daily_2026_12_21.tar.gz",
            "postgres_production_weekly_2026_12_12.tar.gz",
            "postgres_production_weekly_2026_12_19.tar.gz",
            "postgres_staging_daily_2020_01_01.tar.gz",
        ]
    );
    assert_eq!(host.files().len(), left.len() + 4);
}

#[tokio::test]
async fn a_failed_dump_leaves_the_old_ones_and_a_note_until_the_next_success() {
    let mut host = Host::new(Method::Plain);
    jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, End::Whole)).await.expect("a backup");
    let before = host.files();
    host.pass(TimeDelta::days(30));
    for (end, message) in [
        (End::Failed, "the dump failed: because of the test"),
        (End::Broken, "reading the dump failed: broken pipe"),
    ] {
        let error =
            jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, end)).await.expect_err("fails");
        assert_eq!((error.stage, error.message.as_str(), error.is_refusal()), (Stage::Dump, message, false));
        let note = std::fs::read(host.path("last-failure.json")).expect("a note");
        let note: LastFailure = serde_json::from_slice(&note).expect("a note");
        assert_eq!((note.message.as_str(), note.at), (message, host.context.clock.now()));
        let listing = jobs::list(&host.context, &[]).await.expect("a list");
        assert_eq!(listing.last_failure, Some(note));
        let after: Vec<String> =
            host.files().into_iter().filter(|file| file != "last-failure.json").collect();
        assert_eq!(after, before);
    }
    let file = host.path("../log");
    host.context.log = Log::File(file.clone());
    let report =
        jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, End::Whole)).await.expect("a backup");
    assert_eq!(report.swept.gone(), ["postgres_production_daily_2026_11_21.tar.gz"]);
    assert_eq!(host.files().len(), 2);
    // Every one of them stands in the log with its reason.
    let log = std::fs::read_to_string(file).expect("a log");
    for reason in [
        "removed postgres_production_daily_2026_11_21.tar.gz: its time was over 2026-11-24",
        "kept postgres_production_daily_2026_12_21.tar.gz: it is the newest proven one",
    ] {
        assert!(log.contains(reason), "{log}");
    }
}

#[tokio::test]
async fn what_a_killed_job_left_is_cleaned_up() {
    let host = Host::new(Method::Plain);
    let left = "postgres_production_hourly_2026_11_20_23.tar.gz";
    std::fs::write(host.path(&format!("{left}.partial")), "half").expect("file");
    std::fs::create_dir(host.path(&format!("{left}.scratch"))).expect("folder");
    std::fs::write(host.path("other.partial"), "foreign").expect("file");
    jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, End::Whole)).await.expect("a backup");
    let name = "postgres_production_daily_2026_11_21.tar.gz";
    assert_eq!(host.files(), ["other.partial".to_owned(), name.to_owned(), format!("{name}.manifest.json")]);
}

#[tokio::test]
async fn a_manifest_of_another_file_proves_nothing() {
    let host = Host::new(Method::Plain);
    let report =
        jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, End::Whole)).await.expect("a backup");
    std::fs::write(host.path(&report.manifest.name), "cut off").expect("file");
    let listing = jobs::list(&host.context, &[]).await.expect("a list");
    assert_eq!(listing.backups[0].proven, None);
}

#[tokio::test]
async fn a_missing_directory_is_never_made_by_a_job() {
    let host = Host::new(Method::Plain);
    std::fs::remove_dir(host.context.directory()).expect("empty");
    let error = jobs::backup_with(&host.context, Tier::Daily, Made::open(SMALL, End::Whole))
        .await
        .expect_err("fails");
    assert_eq!(error.stage, Stage::Prepare);
    assert!(error.help.expect("help").contains("mounted"));
    assert!(!host.context.directory().exists());
}

/// A file system of two mebibytes, gone when dropped.
pub struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    pub fn mount(at: &std::path::Path) -> Option<Self> {
        let mount = ["-t", "tmpfs", "-o", "size=2m", "tmpfs"];
        let done = std::process::Command::new("mount").args(mount).arg(at).output();
        match done {
            Ok(output) if output.status.success() => Some(SmallDisk(at.to_owned())),
            _ => {
                support::skip("mount", "a small file system cannot be mounted here");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_what_was_there() {
    let host = Host::new(Method::Plain);
    let Some(_disk) = SmallDisk::mount(&host.context.directory()) else { return };
    jobs::backup_with(&host.context, Tier::Weekly, Made::open(1_200_000, End::Whole)).await.expect("fits");
    let before = host.files();
    // The last backup says that the next one will not fit.
    let error = jobs::backup_with(&host.context, Tier::Daily, Made::open(1_200_000, End::Whole))
        .await
        .expect_err("full");
    assert_eq!(error.stage, Stage::Space, "{error}");
    // Without it that shows while it is made.
    std::fs::remove_file(host.path(&format!("{}.manifest.json", before[0]))).expect("manifest");
    let error = jobs::backup_with(&host.context, Tier::Daily, Made::open(1_200_000, End::Whole))
        .await
        .expect_err("full");
    assert!(error.message.contains("must stay for whoever else writes there"), "{error}");
    assert_eq!(host.files(), ["last-failure.json".to_owned(), before[0].clone()]);
}
