//! What people and machines do to the things that this program manages, and what it makes of that.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use aws_sdk_s3::types::{CreateBucketConfiguration, Tag, Tagging};

use super::stage::Stage;

const ENTRY: &str = "/etc/cron.d/reconcile-commcare-example-postgresql";
const BUCKET: &str = "commcare-example-postgres-backups";

#[test]
fn a_machine_with_two_names_in_the_inventory_keeps_what_is_declared_for_one() {
    let stage = Stage::new();
    stage.edit("environment/inventory.ini", "[commcare]", "[control]\ncontrol\n\n[commcare]");
    fs::create_dir_all(stage.path("sandbox/hosts/db1")).expect("made");
    std::os::unix::fs::symlink("db1", stage.path("sandbox/hosts/control")).expect("linked");
    // Its own lock under the other name is no reason to refuse.
    stage.reconcile("apply --auto-approve").exits(0);
    stage.reconcile("plan --detailed-exitcode").exits(0);
    // What db1 no longer wants goes once, not twice.
    stage.edit("environment/public.yml", "backup_postgres: plain", "backup_postgres: false");
    let plan = stage.reconcile("plan --output json").exits(0).json();
    assert_eq!(plan["summary"]["remove"], 2, "{plan:#}");
}

#[test]
fn what_cron_would_not_run_as_it_stands_is_a_difference() {
    let stage = Stage::new();
    stage.reconcile("apply --auto-approve").exits(0);
    let entry = stage.on_host(ENTRY);
    let text = fs::read_to_string(&entry).expect("written");
    // An editor of another system, and one that forgets the last newline: cron reads such lines otherwise or not at all.
    for edited in [text.replace('\n', "\r\n"), text.trim_end().to_owned()] {
        fs::write(&entry, &edited).expect("edited");
        let plan = stage.reconcile("plan --detailed-exitcode --output json").exits(2).json();
        assert_eq!(plan["changes"][0]["id"], "crontab/db1/postgresql", "{plan:#}");
        stage.reconcile("apply --auto-approve --allow destructive:crontab/db1/postgresql").exits(0);
        assert_eq!(fs::read_to_string(&entry).expect("written"), text);
    }
}

#[test]
fn backups_that_older_scripts_made_are_named_among_the_losses() {
    let stage = Stage::new();
    stage.reconcile("apply --auto-approve").exits(0);
    let directory = stage.on_host("/opt/data/backups/postgresql");
    let backup = |name: &str, at: &str| {
        let file = fs::File::create(directory.join(name)).expect("made");
        let at: chrono::DateTime<chrono::Utc> = at.parse().expect("an instant");
        file.set_modified(at.into()).expect("dated");
    };
    backup("postgres_commcare-example_daily_2026_11_15.tar.gz", "2026-11-15T01:00:00Z");
    backup("postgres_commcare-example_daily_2026_11_16.tar.gz", "2026-11-16T01:00:00Z");
    // Neither of these is removed by the job.
    backup("postgres_other_daily_2026_11_15.tar.gz", "2026-11-15T01:00:00Z");
    backup("notes.txt", "2026-11-15T01:00:00Z");
    stage.edit("environment/public.yml", "postgresql_backup_days: 7", "postgresql_backup_days: 2");
    let plan = stage.reconcile("plan --output json").exits(0).json();
    let lost = plan["changes"][0]["loses"].as_array().expect("a list");
    let lost: Vec<&str> = lost.iter().map(|loss| loss["backup"].as_str().expect("a name")).collect();
    // Nothing is proven, so the newest stays.
    let name = "db1:/opt/data/backups/postgresql/postgres_commcare-example_daily_2026_11_15.tar.gz";
    assert_eq!(lost, [name], "{plan:#}");
}

#[test]
fn jobs_do_not_lose_their_keys_without_consent() {
    let stage = Stage::new();
    stage.reconcile("apply --auto-approve").exits(0);
    // A checkout without the vault: nothing says that hosts have roles of their own now.
    fs::remove_file(stage.path("environment/vault.yml")).expect("removed");
    let plan = stage.reconcile_plain("plan --output json").exits(0).json();
    assert_eq!(plan["changes"][0]["id"], "host_file/db1/postgresql", "{plan:#}");
    assert_eq!(plan["changes"][0]["risk"], serde_json::json!(["destructive"]), "{plan:#}");
    stage.reconcile_plain("apply --auto-approve").exits(3);
}

#[test]
fn a_mark_that_names_no_environment_is_somebody_elses_all_the_same() {
    let stage = Stage::new();
    stage.by_hand(|s3| async move {
        let place = CreateBucketConfiguration::builder().location_constraint("eu-west-2".into()).build();
        s3.create_bucket().bucket(BUCKET).create_bucket_configuration(place).send().await.expect("made");
        let tag = Tag::builder().key("reconcile:environment").value("not one").build().expect("a tag");
        let tags = Tagging::builder().tag_set(tag).build().expect("tags");
        s3.put_bucket_tagging().bucket(BUCKET).tagging(tags).send().await.expect("tagged");
    });
    stage
        .reconcile("plan --tags buckets")
        .exits(1)
        .says(&["held", BUCKET, "unknown", "reconcile:environment"])
        .says_not("adopted");
}

#[test]
fn a_refused_apply_answers_in_json_too() {
    let stage = Stage::new();
    stage.reconcile("apply --auto-approve").exits(0);
    stage.edit("environment/public.yml", "postgresql_backup_days: 7", "postgresql_backup_days: 2");
    for line in ["apply --auto-approve --output json", "apply --output json"] {
        let report = stage.reconcile(line).exits(3).json();
        assert_eq!(report["format"], "reconcile.report/1", "{report:#}");
        assert_eq!(report["changes"][0]["outcome"], "skipped", "{report:#}");
        assert!(report["changes"][0]["error"].as_str().expect("why").contains("consent"), "{report:#}");
    }
}

#[test]
fn a_tag_shows_what_it_holds() {
    let stage = Stage::new();
    fs::remove_file(stage.path("environment/vault-password.txt")).expect("removed");
    for tag in ["hosts", "schedules", "postgresql"] {
        let plan = stage.reconcile_plain(&format!("plan --tags {tag} --output json")).exits(0).json();
        let held = plan["held"].to_string();
        assert!(held.contains("vault-locked"), "{tag}: {plan:#}");
    }
}

#[test]
fn no_tag_or_limit_removes_what_is_declared() {
    let stage = Stage::new();
    stage.reconcile("apply --auto-approve").exits(0);
    for part in ["backups", "buckets", "schedules", "hosts", "postgresql", "backups --limit db1"] {
        let plan = stage.reconcile(&format!("plan --detailed-exitcode --output json --tags {part}")).exits(0);
        assert_eq!(plan.json()["changes"], serde_json::json!([]), "{part}: {plan}");
    }
}

#[test]
fn directories_on_the_way_to_job_files_are_open_whatever_the_umask() {
    let stage = Stage::new();
    let status = Command::new("sh")
        .args(["-c", "umask 077; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_reconcile")])
        .args(["--sandbox", "sandbox", "-e", "environment"])
        .args(["--vault-password-file", "environment/vault-password.txt", "apply", "--auto-approve"])
        .current_dir(stage.path(""))
        .output()
        .expect("the program runs")
        .status;
    assert!(status.success());
    // A job that may not pass here cannot read its file, which is its own.
    for (path, mode) in [("/etc/reconcile", 0o755), ("/opt/data/backups", 0o755)] {
        let found = fs::metadata(stage.on_host(path)).expect("made").permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
}

#[test]
fn a_store_that_lacks_something_gets_its_buckets_all_the_same() {
    let stage = Stage::new();
    stage.sandbox(
        "now: 2026-11-21T12:00:00Z\nfaults: [{kind: not-implemented, operation: PutPublicAccessBlock}, \
         {kind: not-implemented, operation: GetPublicAccessBlock}]\n",
    );
    stage.reconcile("apply --auto-approve").exits(0);
    let plan = stage.reconcile("plan --detailed-exitcode --output json").exits(0).json();
    assert_eq!(plan["changes"], serde_json::json!([]), "{plan:#}");
    assert_eq!(plan["held"][0]["code"], "unsupported", "{plan:#}");
}

#[test]
fn a_job_finds_the_region_of_a_bucket_that_settings_do_not_name() {
    let stage = Stage::new();
    stage.by_hand(|s3| async move {
        let place = CreateBucketConfiguration::builder().location_constraint("eu-west-2".into()).build();
        s3.create_bucket().bucket(BUCKET).create_bucket_configuration(place).send().await.expect("made");
    });
    stage.edit("environment/public.yml", "aws_region: eu-west-2", "");
    stage
        .reconcile(&format!("apply --auto-approve --allow irreversible --allow destructive:bucket/{BUCKET}"))
        .exits(0);
    stage.reconcile("list postgresql").exits(0);
}

#[test]
fn no_job_speaks_to_a_bucket_whose_owner_it_cannot_tell() {
    let stage = Stage::new();
    stage.edit("environment/public.yml", "  account: \"123456789012\"\n", "");
    stage.reconcile("apply --auto-approve").exits(0);
    stage.reconcile("list postgresql").exits(0);
    stage.sandbox("now: 2026-11-21T12:00:00Z\nfaults: [{kind: denied, operation: GetCallerIdentity}]\n");
    stage.reconcile("list postgresql").exits(1).says(&["backups.account"]);
}
