//! What is not whole is not as it should be: a backup that was cut, and one that failed, from the first minute.

use std::fs;

use chrono::TimeDelta;
use reconcile::freshness::State;
use reconcile::jobs::{self, Manifest, check};
use reconcile::report::status;
use reconcile::vocab::Tier;

use super::alerts::{OPS, SMALL, backup, checked, host, subjects};
use super::dump::{End, Made};
use crate::support::smtp::{Mood, Smtp};

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_file_that_lost_its_end_is_told_and_answers_for_no_run() {
    let server = Smtp::start(Mood::Takes);
    let mut host = host(&server, &[OPS]);
    fs::create_dir_all(host.context.root.join("var/metrics")).expect("a folder");
    host.context.job.alerts.prometheus_textfile = Some("/var/metrics".to_owned());
    host.pass(TimeDelta::hours(1));
    backup(&host, End::Whole).await;
    assert!(checked(&host).await.0.is_good());
    let files = host.files();
    let note = files.iter().find(|file| file.ends_with(".manifest.json")).expect("a manifest");
    let manifest: Manifest =
        serde_json::from_slice(&fs::read(host.path(note)).expect("there")).expect("a manifest");

    // A byte less is enough.
    let less = manifest.bytes - 1;
    let file = fs::File::options().write(true).open(host.path(&manifest.name)).expect("there");
    file.set_len(less).expect("cut");
    let (report, _) = checked(&host).await;
    let at = &report.freshness.tiers[0].places[0];
    assert_eq!(at.state, State::Cut { written: manifest.bytes });
    let newest = at.newest.as_ref().map(|newest| (newest.ended, newest.bytes));
    assert_eq!(newest, Some((manifest.ended, less)));
    assert!(!report.is_good());
    let letters = server.letters();
    assert_eq!(
        subjects(&letters),
        ["[ALERT] postgresql backups on db1.example.org (production): the newest backup is too small"]
    );
    let text = status::check(&report, 100);
    assert!(text.contains("1 datastore not as it should be"), "{text}");
    for text in [&letters[0].text, &text, &check::status_file::text(&report)] {
        let text = one_line(text);
        assert!(
            text.contains("the newest daily backup on the host has ") && text.contains(" were written"),
            "{text}"
        );
    }
    let metrics = host.context.root.join("var/metrics/reconcile-production-postgresql.prom");
    let metrics = fs::read_to_string(metrics).expect("metrics");
    assert!(metrics.contains("tier=\"daily\",place=\"here\"} 0\n"), "{metrics}");
    assert!(!metrics.contains("reconcile_backup_timestamp_seconds"), "nothing here is whole: {metrics}");

    // The next night makes it good.
    host.pass(TimeDelta::hours(24));
    backup(&host, End::Whole).await;
    assert!(checked(&host).await.0.is_good());
    assert_eq!(server.letters().len(), 1, "its end");
}

#[tokio::test]
async fn a_failure_counts_at_once_until_a_success_of_its_tier() {
    let server = Smtp::start(Mood::Takes);
    let mut host = host(&server, &[OPS]);
    host.context.job.schedules.insert(Tier::Weekly, "0 1 * * 0".parse().expect("a schedule"));
    host.pass(TimeDelta::hours(1));
    backup(&host, End::Whole).await;
    assert!(checked(&host).await.0.is_good());
    host.pass(TimeDelta::hours(24));
    backup(&host, End::Failed).await;
    assert_eq!(server.letters().len(), 1);
    host.pass(TimeDelta::minutes(2));
    let (report, _) = checked(&host).await;
    assert_eq!(report.freshness.findings(), [], "its hour is not over");
    assert!(!report.is_good() && report.failure().is_some());
    let text = status::check(&report, 100);
    assert!(text.contains("1 datastore not as it should be"), "{text}");
    assert!(check::status_file::text(&report).contains("[ALERT] the last daily backup failed at dump"));

    // One of another tier answers for nothing.
    let weekly = jobs::backup_with(&host.context, Tier::Weekly, Made::open(SMALL, End::Whole)).await;
    weekly.expect("a backup");
    assert!(checked(&host).await.0.failure().is_some());
    assert_eq!(server.letters(), [], "somebody heard of it");
    backup(&host, End::Whole).await;
    let (report, _) = checked(&host).await;
    assert!(report.is_good() && report.last_failure.is_none());
    assert_eq!(server.letters().len(), 1, "its end");
}
