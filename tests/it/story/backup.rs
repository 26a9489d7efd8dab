//! From `public.yml` to a backup in a bucket, a second night, a hand that slips, and a change of mind.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::stage::Stage;
use crate::support::postgres::Postgres;

#[test]
fn from_public_yml_to_a_backup_in_a_bucket() {
    let Some(server) = Postgres::start("") else { return };
    server.sql("CREATE TABLE patients AS SELECT generate_series(1, 1000) AS id");
    let stage = Stage::new().with_server(&server);

    // The operator checks what they wrote, and looks at what would happen.
    stage.reconcile("validate environment").exits(0).says(&["no problems in environment"]);
    stage.reconcile("plan --detailed-exitcode").exits(2).says(&[
        "sandbox ",
        "environment commcare-example · account 123456789012",
        "+ bucket    commcare-example-postgres-backups",
        "keep postgres_daily_*",
        "+ crontab   db1 postgresql",
        "0 1 * * 1-6",
        "backup postgresql daily as postgres",
        "next Mon 2026-11-23 01:00 UTC",
        "6 to create.",
        "To apply: reconcile apply",
    ]);

    // It is what they want. Afterwards there is nothing left to do.
    stage.reconcile("apply --auto-approve").exits(0).says(&["done", "6 done."]);
    stage.reconcile("plan --detailed-exitcode").exits(0).says(&["Nothing to change: 6 as they should be."]);

    // Nothing is due at noon. At one in the morning on Monday the daily backup is.
    stage.reconcile("sandbox run db1").exits(0).says(&["nothing is due on db1 at 2026-11-21 12:00 UTC"]);
    stage
        .reconcile("sandbox run db1 --at 2026-11-23T01:00:00Z")
        .exits(0)
        .says(&["db1: backup postgresql daily", "postgres_commcare-example_daily_2026_11_23.tar.gz"]);
    let first = stage.reconcile("list postgresql --output json").exits(0).json();
    let backups = first["hosts"][0]["backups"].as_array().expect("a list").clone();
    assert_eq!(backups.len(), 1, "{first:#}");
    assert_eq!(backups[0]["proven"], true, "{first:#}");

    // The second night: two backups here, two versions of one key in the bucket.
    stage.reconcile("sandbox run db1 --at 2026-11-24T01:00:00Z").exits(0);
    stage.edit("sandbox/sandbox.yml", "2026-11-21", "2026-11-24");
    stage.reconcile("list postgresql").exits(0).says(&[
        "postgresql on db1: /opt/data/backups/postgresql",
        "s3://commcare-example-postgres-backups",
        "2026-11-24 01:00",
        "daily",
        "2026-11-23 01:00",
        "2026-12-01 01:00",
    ]);
    let shown = stage.reconcile("sandbox show --output json").exits(0).json().to_string();
    assert_eq!(shown.matches("\"postgres_daily_db1.tar.gz\"").count(), 2, "{shown}");

    // Somebody edits the cron entry by hand. The plan shows exactly that, and nothing else.
    let entry = "sandbox/hosts/db1/etc/cron.d/reconcile-commcare-example-postgresql";
    stage.edit(entry, "0 1 * * 0", "0 1 1 * *");
    let drift = stage.reconcile("plan --detailed-exitcode --output json").exits(2).json();
    assert_eq!(drift["summary"]["update"], 1, "{drift:#}");
    assert_eq!(drift["changes"][0]["id"], "crontab/db1/postgresql");
    assert_eq!(drift["changes"][0]["fields"].as_array().expect("fields").len(), 1, "{drift:#}");
    assert_eq!(drift["changes"][0]["fields"][0]["field"], "backup postgresql weekly");
    assert_eq!(drift["changes"][0]["risk"], serde_json::json!(["routine"]));
    stage.reconcile("apply --auto-approve").exits(0).says(&["1 done."]);

    // Somebody wants to keep less. That is named, backup by backup, and refused until it is allowed.
    stage.edit("sandbox/sandbox.yml", "2026-11-24", "2026-11-27");
    stage.edit("environment/public.yml", "postgresql_backup_days: 7", "postgresql_backup_days: 2");
    stage.edit("environment/public.yml", "daily: {days: 90, newest: 5}", "daily: {days: 1}");
    let before = stage.reconcile("list postgresql --output json").exits(0).json();
    let plan = stage.reconcile("plan").exits(0).says(&[
        "~ bucket    commcare-example-postgres-backups",
        "DESTRUCTIVE",
        "keep postgres_daily_*",
        "90 days and the newest 5 -> 1 day",
        "loses 1 backup",
        "postgres_daily_db1.tar.gz of 2026-11-23 01:00 UTC, ",
        "~ job file  db1 postgresql",
        "DESTRUCTIVE",
        "days 7 -> days 2",
        "loses 1 backup",
        "postgres_commcare-example_daily_2026_11_23.tar.gz",
        "of 2026-11-23",
        "reconcile apply -e environment --sandbox sandbox --vault-password-file environment/vault-password.txt \
         --allow destructive:bucket/commcare-example-postgres-backups \
         --allow destructive:host_file/db1/postgresql",
    ]);
    stage
        .reconcile("apply --auto-approve")
        .exits(3)
        .complains(&["the plan needs consent for", "nothing was touched"]);
    stage.reconcile("apply --auto-approve --allow destructive:host_file/db1/postgresql").exits(3);
    assert_eq!(stage.reconcile("list postgresql --output json").json(), before);

    // With the very line that the plan gave, it is done.
    let line = plan.line_to_apply().expect("a line");
    stage.reconcile_exactly(&format!("{line} --auto-approve")).exits(0).says(&["2 done."]);
    stage.reconcile("plan --detailed-exitcode").exits(0);

    // And the backup is what it says: with ordinary tools it becomes a server again.
    let archive =
        stage.on_host("/opt/data/backups/postgresql/postgres_commcare-example_daily_2026_11_24.tar.gz");
    let restored = tempfile::tempdir().expect("a directory");
    let data = restored.path().join("data");
    fs::create_dir(&data).expect("made");
    fs::set_permissions(&data, PermissionsExt::from_mode(0o700)).expect("closed to others");
    let tar = std::process::Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(&data).status();
    assert!(tar.expect("tar runs").success());
    let restored = Postgres::restored(restored, &data);
    assert_eq!(restored.sql("SELECT count(*) FROM patients"), "1000");
}

/// The example's plan, as its README shows it. `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn the_plan_of_the_example_is_the_one_that_its_folder_holds() {
    let stage = Stage::new();
    let plan = stage.reconcile("plan").exits(0).stdout;
    let (banner, plan) = plan.split_once('\n').expect("a first line");
    assert!(banner.starts_with("sandbox "), "{banner}");
    let plan = plan.replace("-e environment --sandbox sandbox", "-e examples/commcare --sandbox DIR");
    let plan = plan.replace(" environment/", " examples/commcare/");
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/commcare/plan.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(golden, &plan).expect("written");
    }
    assert_eq!(fs::read_to_string(golden).unwrap_or_default(), plan, "UPDATE_GOLDEN=1 writes it anew");
    for line in plan.lines().filter(|line| !line.starts_with("To apply")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}
