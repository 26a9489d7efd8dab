//! Hosts that back nothing up any more are cleared of what was left on them.

use std::fs;

use super::stage::{Answer, Stage};

const CRONTAB: &str = "/etc/cron.d/reconcile-commcare-example-postgresql";
const JOB_FILE: &str = "/etc/reconcile/commcare-example/postgresql.json";

/// Applies what the last plan said, with the consent that it asks for.
fn apply(stage: &Stage, plan: &Answer) -> Answer {
    let line = plan.line_to_apply().expect("something to apply").to_owned();
    stage.reconcile_exactly(&format!("{line} --auto-approve")).exits(0)
}

#[test]
fn a_retired_host_is_cleared_with_consent() {
    let stage = Stage::new();
    let first = stage.reconcile("plan").exits(0);
    apply(&stage, &first);
    assert!(stage.on_host(CRONTAB).exists() && stage.on_host(JOB_FILE).exists());
    let foreign = stage.on_host("/etc/cron.d/foreign");
    fs::write(&foreign, "0 0 * * * root /usr/bin/true\n").expect("written");

    // It stays in the group that makes backups: the other one decides, and `validate` says so.
    let inventory = "[postgresql]\ndb1\ndb2\n\n[pg_backup]\ndb1\ndb2\n\n[backups_retired]\ndb1\n";
    fs::write(stage.path("environment/inventory.ini"), inventory).expect("written");
    stage.reconcile("validate").exits(0).complains(&["db1 is in [pg_backup], and in [backups_retired]"]);
    stage.edit("environment/inventory.ini", "[pg_backup]\ndb1\n", "[pg_backup]\n");
    let plan = stage.reconcile("plan --limit db1").exits(0).says(&[
        "- job file  db1 postgresql",
        "DESTRUCTIVE",
        "- crontab   db1 postgresql",
        "DESTRUCTIVE",
        "2 to remove",
    ]);
    stage.reconcile("apply --limit db1 --auto-approve").exits(3);
    assert!(stage.on_host(CRONTAB).exists() && stage.on_host(JOB_FILE).exists());
    apply(&stage, &plan).says(&["done     remove host_file/db1/postgresql", "remove crontab/db1/postgresql"]);
    assert!(!stage.on_host(CRONTAB).exists() && !stage.on_host(JOB_FILE).exists());
    assert!(foreign.exists(), "what is somebody else's stays");
    stage.reconcile("plan --limit db1 --detailed-exitcode").exits(0);
}
