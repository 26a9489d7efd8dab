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
    apply(&stage, &plan).says(&["done    remove host_file/db1/postgresql", "remove crontab/db1/postgresql"]);
    assert!(!stage.on_host(CRONTAB).exists() && !stage.on_host(JOB_FILE).exists());
    assert!(foreign.exists(), "what is somebody else's stays");
    stage.reconcile("plan --limit db1 --detailed-exitcode").exits(0);
}

/// Renames the environment.
fn rename(stage: &Stage) {
    stage.edit("environment/public.yml", "deploy_env: commcare-example\n", "deploy_env: commcare-new\n");
    stage.edit(
        "environment/public.yml",
        "\nbackups:\n",
        "\nbackups:\n  previous_names: [commcare-example]\n",
    );
}

const NEW_CRONTAB: &str = "/etc/cron.d/reconcile-commcare-new-postgresql";
const NEW_JOB_FILE: &str = "/etc/reconcile/commcare-new/postgresql.json";

#[test]
fn a_renamed_environment_takes_over_what_it_left() {
    let stage = Stage::new();
    let first = stage.reconcile("plan").exits(0);
    apply(&stage, &first);
    let old = fs::read_to_string(stage.on_host(CRONTAB)).expect("there");
    // Without a word about it, it is somebody else's.
    stage.edit("environment/public.yml", "deploy_env: commcare-example\n", "deploy_env: commcare-new\n");
    stage.reconcile("plan").exits(0).says(&["it belongs to environment commcare-example"]);
    stage.edit("environment/public.yml", "deploy_env: commcare-new\n", "deploy_env: commcare-example\n");
    rename(&stage);

    let plan = stage.reconcile("plan").exits(0).says(&[
        "> bucket    commcare-example-postgres-backups",
        "commcare-example -> commcare-new",
        "> crontab   db1 postgresql (adopted)",
        "takes over             /etc/cron.d/reconcile-commcare-example-postgresql",
        "- job file  db1 postgresql@commcare-example",
        "DESTRUCTIVE",
    ]);
    let applied = apply(&stage, &plan);
    let at = |what: &str| applied.stdout.find(what).unwrap_or_else(|| panic!("lacks {what}: {applied}"));
    assert!(
        at(" crontab/db1/postgresql\n") < at("remove host_file/db1/postgresql@commcare-example"),
        "{applied}"
    );
    assert!(!stage.on_host(CRONTAB).exists() && !stage.on_host(JOB_FILE).exists());
    let crontab = fs::read_dir(stage.on_host("/etc/cron.d")).expect("a directory");
    assert_eq!(crontab.count(), 1);
    assert!(stage.on_host(NEW_JOB_FILE).exists());
    let kept = fs::read_dir(stage.on_host("/etc/reconcile/commcare-new/adopted")).expect("kept");
    let kept: Vec<String> =
        kept.map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("read")).collect();
    assert!(matches!(kept.as_slice(), [text] if text.ends_with(&old)), "{kept:?}");
    stage.reconcile("plan --detailed-exitcode").exits(0).says(&["Nothing to change"]);
}

/// Their names are in the settings, and so they are the same ones; only whose they are changes.
#[test]
fn identities_of_an_earlier_name_are_adopted_as_they_are() {
    for (example, identity) in [
        ("sportfin", "role/sportfin-prod-database-backups-ec2-s3-access"),
        ("aquamark", "user/aquamark_backup"),
    ] {
        let stage = Stage::of(example);
        stage.sandbox(
            "now: 2026-11-21T12:00:00Z\n\
             caller: arn:aws:sts::123456789012:assumed-role/OrganizationAccountAccessRole/test\n",
        );
        let first = stage.reconcile_plain("plan").exits(0);
        apply(&stage, &first);
        let rename = format!("deploy_env: {example}-new\n");
        stage.edit("environment/public.yml", &format!("deploy_env: {example}\n"), &rename);
        let foreign = stage.reconcile_plain("plan --output json").exits(0).json();
        let held = foreign["held"].as_array().expect("a list");
        assert!(held.iter().any(|held| held["id"] == identity && held["code"] == "foreign"), "{foreign:#}");

        let names = format!("\nbackups:\n  previous_names: [{example}]\n");
        stage.edit("environment/public.yml", "\nbackups:\n", &names);
        let plan = stage.reconcile_plain("plan --output json").exits(0).json();
        let changes = plan["changes"].as_array().expect("a list");
        let change = changes.iter().find(|change| change["id"] == identity);
        let change = change.unwrap_or_else(|| panic!("{identity}: {plan:#}"));
        assert_eq!(change["action"], "adopt", "{change:#}");
        let fields = change["fields"].as_array().expect("fields");
        let owner = serde_json::json!({"from": example, "to": format!("{example}-new")});
        assert_eq!(fields.len(), 1, "{change:#}");
        assert_eq!(fields[0]["field"], "owner");
        assert_eq!((&fields[0]["from"], &fields[0]["to"]), (&owner["from"], &owner["to"]));

        let shown = stage.reconcile_plain("plan").exits(0);
        apply(&stage, &shown);
        let again = stage.reconcile_plain("plan --output json").exits(0).json();
        assert_eq!(again["changes"], serde_json::json!([]), "{again:#}");
    }
}

/// What an operator wrote into the file stays where it is, and does not keep the keys there.
#[test]
fn foreign_lines_in_a_file_of_an_earlier_name_stay() {
    let stage = Stage::new();
    let first = stage.reconcile("plan").exits(0);
    apply(&stage, &first);
    let old = fs::read_to_string(stage.on_host(CRONTAB)).expect("there");
    let foreign = "0 5 * * * root /usr/bin/true\n";
    fs::write(stage.on_host(CRONTAB), format!("{old}{foreign}")).expect("written");
    rename(&stage);
    let plan = stage.reconcile("plan").exits(0);
    apply(&stage, &plan);
    let left = fs::read_to_string(stage.on_host(CRONTAB)).expect("stays");
    assert!(left.ends_with(foreign) && !left.contains("run backup"), "{left}");
    assert!(!stage.on_host(JOB_FILE).exists());
    stage.reconcile("plan --detailed-exitcode").exits(0).says(&["Nothing to change"]);
}

#[test]
fn a_retired_host_is_cleared_of_what_earlier_names_left_too() {
    let stage = Stage::new();
    let first = stage.reconcile("plan").exits(0);
    apply(&stage, &first);
    rename(&stage);
    let inventory = "[postgresql]\ndb1\ndb2\n\n[pg_backup]\ndb2\n\n[backups_retired]\ndb1\n";
    fs::write(stage.path("environment/inventory.ini"), inventory).expect("written");
    let plan = stage.reconcile("plan --limit db1").exits(0).says(&[
        "- job file  db1 postgresql@commcare-example",
        "DESTRUCTIVE",
        "- crontab   db1 postgresql@commcare-example",
        "DESTRUCTIVE",
        "2 to remove",
    ]);
    apply(&stage, &plan);
    assert!(!stage.on_host(CRONTAB).exists() && !stage.on_host(JOB_FILE).exists());
    assert!(!stage.on_host(NEW_CRONTAB).exists());
    stage.reconcile("plan --limit db1 --detailed-exitcode").exits(0);
}

/// While ours cannot stand, the earlier entries go on, and so does the file that they call.
#[test]
fn what_is_still_called_stays() {
    let stage = Stage::new();
    let first = stage.reconcile("plan").exits(0);
    apply(&stage, &first);
    rename(&stage);
    // The job file that holds the keys cannot be written without the vault.
    let plan = stage.reconcile_plain("plan").exits(0).says(&[
        "postgresql@commcare-example",
        "entries under the name commcare-example still call it, until",
    ]);
    assert!(!plan.stdout.contains("takes over"), "{plan}");
}

/// Backups outlive the names that they were made under, and are found under them.
#[test]
fn backups_of_earlier_names_and_buckets_are_listed() {
    let stage = Stage::new();
    let first = stage.reconcile("plan").exits(0);
    apply(&stage, &first);
    let (bucket, key) = ("commcare-example-postgres-backups", "postgres_daily_db1.tar.gz");
    stage.by_hand(|s3| async move {
        let body = aws_sdk_s3::primitives::ByteStream::from_static(b"a backup");
        s3.put_object().bucket(bucket).key(key).body(body).send().await.expect("put");
    });
    let file = "postgres_commcare-example_daily_2026_11_20.tar.gz";
    let path = stage.on_host("/opt/data/backups/postgresql").join(file);
    fs::write(&path, "a backup").expect("written");
    // Of the sandbox's own time.
    let made = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_795_222_800);
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(made)).expect("dated");

    rename(&stage);
    stage.edit("environment/public.yml", "_bucket: commcare-example-", "_bucket: commcare-new-");
    stage.edit(
        "environment/public.yml",
        "  previous_names:",
        "  previous_buckets: [commcare-example-postgres-backups, commcare-gone-backups]\n  previous_names:",
    );
    let plan = stage.reconcile("plan").exits(0);
    apply(&stage, &plan);
    // What cannot be read is told, and hides nothing.
    let listed = stage.reconcile("list postgresql --output json").exits(1).json();
    let host = &listed["hosts"][0];
    let unseen = host["unseen"].to_string();
    assert!(unseen.contains("the previous bucket commcare-gone-backups cannot be listed"), "{unseen}");
    let backups = host["backups"].as_array().expect("a list");
    let of =
        |name: &str| backups.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{host:#}"));
    assert_eq!(of(key)["remote"]["earlier_bucket"], bucket);
    assert_eq!(of(file)["earlier_name"], "commcare-example");
    assert_eq!(of(file)["here"]["keep"], "earlier-name");
    assert_eq!(backups.len(), 2, "{host:#}");
    stage.reconcile("list postgresql").exits(1).says(&["earlier", "2 backups"]);

    // They count until there are newer ones: the name is new, the data is not.
    let checked = stage.reconcile("check postgresql --output json").json();
    let told = checked.to_string();
    assert!(told.contains(file) && told.contains(key), "{checked:#}");
}
