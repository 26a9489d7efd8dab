//! What goes wrong, and what the program says then: exit codes, words, and nothing half done.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use aws_sdk_s3::types::{CreateBucketConfiguration, Tag, Tagging};

use super::stage::Stage;

#[test]
fn without_its_password_a_vault_holds_only_what_needs_it() {
    let stage = Stage::new();
    fs::write(stage.path("environment/vault-password.txt"), "wrong\n").expect("written");
    stage.reconcile("plan").exits(1).complains(&["environment/vault.yml"]);

    let locked = stage.reconcile_without_vault("plan --detailed-exitcode --output json").exits(2).json();
    let held: Vec<&str> = locked["held"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|held| held["code"].as_str().expect("a code"))
        .collect();
    assert_eq!(held, ["vault-locked", "not-ready"], "{locked:#}");
    assert_eq!(locked["summary"]["create"], 4, "{locked:#}");
}

#[test]
fn what_was_applied_is_not_removed_because_the_vault_is_locked() {
    let stage = Stage::new();
    stage.reconcile("apply --auto-approve").exits(0);
    let locked = stage.reconcile_without_vault("plan --output json").exits(0).json();
    assert_eq!(locked["changes"], serde_json::json!([]), "{locked:#}");
}

#[test]
fn a_bucket_of_somebody_else_is_told_and_left_alone() {
    let stage = Stage::new();
    stage.sandbox(
        "now: 2026-11-21T12:00:00Z\nforeign_buckets: {commcare-example-postgres-backups: \"999999999999\"}\n",
    );
    stage
        .reconcile("plan")
        .exits(0)
        .says(&[
            "held",
            "! bucket    commcare-example-postgres-backups  foreign",
            "belongs to another account",
        ])
        .says_not("+ bucket");
}

#[test]
fn another_account_is_refused_before_any_bucket_is_looked_at() {
    let stage = Stage::new();
    stage.sandbox("now: 2026-11-21T12:00:00Z\naccount: \"999999999999\"\n");
    for verb in ["plan", "apply --auto-approve"] {
        stage.reconcile(verb).exits(3).complains(&[
            "belong to account 123456789012",
            "account 999999999999",
            "nothing was touched",
        ]);
    }
    assert!(!stage.on_host("/etc/cron.d").exists());
}

#[test]
fn a_denied_call_is_unknown_and_the_rest_goes_on() {
    let stage = Stage::new();
    stage.reconcile("apply --auto-approve").exits(0);
    stage.sandbox("now: 2026-11-21T12:00:00Z\nfaults: [{kind: denied, operation: GetBucketPolicy}]\n");
    stage.edit("environment/public.yml", "nadir_hour: 1", "nadir_hour: 2");
    stage.reconcile("plan").exits(1).says(&[
        "~ crontab   db1 postgresql",
        "0 1 * * 1-6 -> 0 2 * * 1-6",
        "held",
        "! bucket    commcare-example-postgres-backups  unknown",
        "s3:GetBucketPolicy: access denied",
    ]);
    stage
        .reconcile("apply --auto-approve")
        .exits(1)
        .says(&["done    update crontab/db1/postgresql", "2 done."]);
}

#[test]
fn a_region_that_differs_is_told_and_never_changed() {
    let stage = Stage::new();
    stage.reconcile("apply --auto-approve").exits(0);
    stage.edit("environment/public.yml", "aws_region: eu-west-2", "aws_region: eu-west-1");
    stage.reconcile("plan --detailed-exitcode").exits(2).says(&[
        "! bucket    commcare-example-postgres-backups  not-ready",
        "it is in eu-west-2, and settings say",
    ]);
}

#[test]
fn an_existing_bucket_is_adopted_with_consent() {
    let stage = Stage::new();
    // Somebody made it by hand, with a tag and a lifecycle rule of their own.
    let by_hand = stage.by_hand(|s3| async move {
        let name = "commcare-example-postgres-backups";
        let place = CreateBucketConfiguration::builder().location_constraint("eu-west-2".into()).build();
        s3.create_bucket().bucket(name).create_bucket_configuration(place).send().await.expect("made");
        let tag = Tag::builder().key("team").value("data").build().expect("a tag");
        let tags = Tagging::builder().tag_set(tag).build().expect("tags");
        s3.put_bucket_tagging().bucket(name).tagging(tags).send().await.expect("tagged");
        s3
    });
    stage.reconcile("plan --tags buckets").exits(0).says(&[
        "> bucket    commcare-example-postgres-backups (adopted)",
        "IRREVERSIBLE",
        "none -> commcare-example",
        "never -> enabled",
        "1 to adopt.",
        "--allow irreversible:bucket/commcare-example-postgres-backups",
    ]);
    stage.reconcile("apply --auto-approve --tags buckets").exits(3);
    // The first versioning may be allowed without a name; what shortens lives may not.
    stage.reconcile("apply --auto-approve --tags buckets --allow irreversible").exits(3);
    let destructive = "--allow destructive:bucket/commcare-example-postgres-backups";
    stage
        .reconcile(&format!("apply --auto-approve --tags buckets --allow irreversible {destructive}"))
        .exits(0);
    stage.reconcile("plan --tags buckets --detailed-exitcode").exits(0);
    let tags = stage.wait(by_hand.get_bucket_tagging().bucket("commcare-example-postgres-backups").send());
    let tags: Vec<String> = tags.expect("tags").tag_set.into_iter().map(|tag| tag.key).collect();
    assert_eq!(tags, ["team", "reconcile:environment"]);
}

#[test]
fn a_file_that_this_program_did_not_write_keeps_every_byte() {
    let stage = Stage::new();
    let entry = stage.on_host("/etc/cron.d/reconcile-commcare-example-postgresql");
    fs::create_dir_all(entry.parent().expect("a parent")).expect("made");
    fs::write(&entry, "0 3 * * * root /usr/local/sbin/mine\n").expect("written");
    stage.reconcile("apply --auto-approve").exits(0).says(&["! crontab   db1 postgresql  foreign"]);
    assert_eq!(fs::read_to_string(entry).expect("read"), "0 3 * * * root /usr/local/sbin/mine\n");
}

#[test]
fn what_is_no_longer_declared_goes_with_consent_secrets_first() {
    let stage = Stage::new();
    stage.reconcile("apply --auto-approve").exits(0);
    stage.edit("environment/public.yml", "backup_postgres: plain", "backup_postgres: false");
    let plan = stage.reconcile("plan --output json").exits(0).json();
    let ids: Vec<&str> = plan["changes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|change| {
            let id = change["id"].as_str().expect("an id");
            // Nobody writes to the bucket any more: what lies there is kept for ever.
            let (action, risk) =
                if id.starts_with("bucket/") { ("update", "routine") } else { ("remove", "destructive") };
            assert_eq!(change["action"], action, "{change:#}");
            assert_eq!(change["risk"], serde_json::json!([risk]), "{change:#}");
            id
        })
        .collect();
    let bucket = "bucket/commcare-example-postgres-backups";
    assert_eq!(ids, ["host_file/db1/postgresql", "crontab/db1/postgresql", bucket], "{plan:#}");
    stage.reconcile("apply --auto-approve").exits(3);
    stage
        .reconcile(
            "apply --auto-approve --allow destructive:crontab/db1/postgresql \
             --allow destructive:host_file/db1/postgresql",
        )
        .exits(0)
        .says(&["done    remove host_file", "done    remove crontab"]);
    assert!(!stage.on_host("/etc/cron.d/reconcile-commcare-example-postgresql").exists());
    assert!(stage.on_host("/opt/data/backups/postgresql").is_dir());
}

#[test]
fn a_reviewed_plan_is_applied_only_while_it_is_still_true() {
    let stage = Stage::new();
    stage.reconcile("plan --out plan.json").exits(0);
    let reviewed: serde_json::Value =
        serde_json::from_slice(&fs::read(stage.path("plan.json")).expect("written")).expect("JSON");
    assert_eq!(reviewed["format"], "reconcile.plan/1");

    stage.edit("environment/public.yml", "nadir_hour: 1", "nadir_hour: 3");
    stage
        .reconcile("apply plan.json --auto-approve")
        .exits(3)
        .complains(&["moved since the plan was reviewed"]);
    stage.edit("environment/public.yml", "nadir_hour: 3", "nadir_hour: 1");
    let report = stage.reconcile("apply plan.json --auto-approve --output json").exits(0).json();
    assert_eq!(report["format"], "reconcile.report/1");
    assert!(report["changes"].as_array().expect("a list").iter().all(|change| change["outcome"] == "done"));

    fs::write(stage.path("plan.json"), "{}").expect("written");
    stage
        .reconcile("apply plan.json --auto-approve")
        .exits(1)
        .complains(&["cannot be used as a reviewed plan"]);
    stage.reconcile("apply nowhere.json --auto-approve").exits(1).complains(&["there is no such file"]);
}

#[test]
fn nobody_to_ask_is_a_refusal_and_so_is_a_consent_for_nothing() {
    let stage = Stage::new();
    stage.reconcile("apply").exits(3).complains(&["there is no terminal to ask on", "--auto-approve"]);
    stage
        .reconcile("apply --auto-approve --allow destructive:bucket/other-bucket")
        .exits(3)
        .complains(&["the plan has nothing that --allow destructive:bucket/other-bucket would be for"]);
    for line in
        ["apply --allow destructive", "apply --allow fatal:bucket/x", "plan --tags couch", "plan --limit db9"]
    {
        stage.reconcile(line).exits(64);
    }
    stage.reconcile("plan --output sarif").exits(64);
    assert!(!stage.on_host("/etc").exists());
}

#[test]
fn a_failure_of_one_thing_stops_only_what_needs_it() {
    let stage = Stage::new();
    stage.sandbox("now: 2026-11-21T12:00:00Z\nfaults: [{kind: denied, operation: CreateBucket}]\n");
    let report = stage.reconcile("apply --auto-approve --output json").exits(1).json();
    let outcome = |id: &str| {
        let changes = report["changes"].as_array().expect("a list");
        changes.iter().find(|change| change["id"] == id).expect("a change")["outcome"].clone()
    };
    assert_eq!(outcome("bucket/commcare-example-postgres-backups"), "failed");
    assert_eq!(outcome("host_file/db1/postgresql"), "done");
    // An entry whose job could not upload every night is no backup.
    assert_eq!(outcome("crontab/db1/postgresql"), "failed");
    let text = report.to_string();
    assert!(text.contains("so the entry was not written: bucket:"), "{report:#}");
    assert_eq!(fs::read_dir(stage.on_host("/etc/cron.d")).expect("there").count(), 0);

    // A job file that cannot be written: its cron entry would call nothing.
    let stage = Stage::new();
    fs::create_dir_all(stage.on_host("/etc/reconcile")).expect("made");
    fs::write(stage.on_host("/etc/reconcile/commcare-example"), "in the way").expect("written");
    let said = stage.reconcile("apply --auto-approve").exits(1);
    said.says(&["! directory db1 job-files  unknown", "is not a directory"]);
    assert_eq!(fs::read_dir(stage.on_host("/etc/cron.d")).expect("there").count(), 0);
}

#[test]
fn a_host_without_its_server_fails_loudly_and_keeps_what_it_had() {
    const WITHOUT: &str =
        "now: 2026-11-21T12:00:00Z\npostgresql: {host: /nowhere/at/all, port: 5432, user: postgres}\n";
    // No entry is written for a job that cannot reach its server.
    let stage = Stage::new();
    stage.sandbox(WITHOUT);
    let said = stage.reconcile("apply --auto-approve").exits(1);
    said.says(&["failed", "crontab/db1/postgresql", "its job would fail there as postgres"]);
    assert_eq!(fs::read_dir(stage.on_host("/etc/cron.d")).expect("there").count(), 0);

    // One that was there when the entry was written, and is there no more.
    let stage = Stage::new();
    stage.sandbox("now: 2026-11-21T12:00:00Z\n");
    stage.reconcile("apply --auto-approve").exits(0);
    stage.sandbox(WITHOUT);
    stage.reconcile("sandbox run db1 --at 2026-11-23T01:00:00Z").exits(1).complains(&["/nowhere/at/all"]);
    assert!(stage.on_host("/opt/data/backups/postgresql/last-failure.json").exists());
    stage.reconcile("list postgresql").says(&["failed"]);
    // The plan is about configuration, and yet nobody should have to look elsewhere.
    stage.reconcile("plan").exits(0).says(&["last backup of postgresql on db1 failed"]);
}

#[test]
fn bad_settings_stop_everything_with_their_place() {
    let stage = Stage::new();
    stage.edit("environment/public.yml", "postgresql_backup_days: 7", "postgresql_backup_days: 0");
    for verb in ["validate environment", "plan", "apply --auto-approve", "show desired", "list postgresql"] {
        stage.reconcile(verb).exits(1).complains(&["environment/public.yml:9:25"]);
    }
    fs::remove_file(stage.path("environment/public.yml")).expect("removed");
    stage.reconcile("plan").exits(1).complains(&["public.yml"]);
}

#[test]
fn an_environment_without_an_inventory_says_that_nothing_runs() {
    let stage = Stage::new();
    fs::remove_file(stage.path("environment/inventory.ini")).expect("removed");
    stage
        .reconcile("plan --detailed-exitcode")
        .exits(2)
        .says(&["! datastore postgresql  no-host", "no host is in [pg_backup]"]);
}

#[test]
fn job_files_are_for_their_user_alone() {
    let stage = Stage::new();
    stage.reconcile("apply --auto-approve").exits(0);
    let file = stage.on_host("/etc/reconcile/commcare-example/postgresql.json");
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(file).expect("read");
    assert!(text.contains("AKIAEXAMPLEEXAMPLE00"), "the job needs its keys");
}

impl Stage {
    fn reconcile_without_vault(&self, line: &str) -> super::stage::Answer {
        fs::rename(self.path("environment/vault-password.txt"), self.path("kept")).expect("moved");
        let answer = self.reconcile_plain(line);
        fs::rename(self.path("kept"), self.path("environment/vault-password.txt")).expect("moved back");
        answer
    }
}
