//! The verbs that read settings, as a person or a script runs them.

use std::process::{Command, Output};

use super::folder::Folder;

fn reconcile(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reconcile"))
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("RECONCILE_ENV")
        .env_remove("RECONCILE_VAULT_PASSWORD")
        .env_remove("ANSIBLE_VAULT_PASSWORD_FILE")
        .env("NO_COLOR", "1")
        .output()
        .expect("the program runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

const WARNED: &str = "deploy_env: prod\npostgres_backup_days: 3\n";

#[test]
fn validate_answers_with_its_exit_code() {
    let good = Folder::new(&[("public.yml", "deploy_env: prod\n")]);
    let warned = Folder::new(&[("public.yml", WARNED)]);
    let bad = Folder::new(&[("public.yml", "deploy_env: prod\nnadir_hour: 99\n")]);
    assert_eq!(code(&reconcile(&good, &["validate"])), 0);
    assert_eq!(code(&reconcile(&good, &["validate", "--strict"])), 0);
    assert_eq!(code(&reconcile(&warned, &["validate"])), 0);
    assert_eq!(code(&reconcile(&warned, &["validate", "--strict"])), 1);
    assert_eq!(code(&reconcile(&bad, &["validate"])), 1);
    assert_eq!(code(&reconcile(&bad, &["validate", "public.yml"])), 1);
    assert_eq!(code(&reconcile(&bad, &["validate", "nowhere"])), 1);
    assert_eq!(code(&reconcile(&good, &["validate", "--output", "markdown"])), 64);
    assert_eq!(code(&reconcile(&good, &["validate", "--nonsense"])), 64);
}

#[test]
fn problems_are_text_on_standard_error_and_json_on_standard_output() {
    let bad = Folder::new(&[("public.yml", "deploy_env: prod\nnadir_hour: 99\n")]);
    let text = reconcile(&bad, &["validate"]);
    assert_eq!(stdout(&text), "");
    assert!(
        stderr(&text).contains("public.yml:2:13") && !stderr(&text).contains('\u{1b}'),
        "{}",
        stderr(&text)
    );
    for verb in [&["validate", "--output", "json"][..], &["show", "settings", "--output", "json"]] {
        let json = reconcile(&bad, verb);
        assert_eq!((code(&json), stderr(&json).as_str()), (1, ""), "{verb:?}");
        let document: serde_json::Value = serde_json::from_str(&stdout(&json)).expect("one document");
        assert_eq!(document["format"], "reconcile.problems/1");
        assert_eq!(document["problems"][0]["file"], "public.yml", "the file as it would be typed");
    }
    let github = reconcile(&bad, &["validate", "--output", "github"]);
    assert!(
        stdout(&github).starts_with("::error file=public.yml,line=2,col=13,title=bad-hour::"),
        "{}",
        stdout(&github)
    );
}

#[test]
fn colours_are_shown_where_they_are_asked_for() {
    let bad = Folder::new(&[("public.yml", "deploy_env: prod\nnadir_hour: 99\n")]);
    assert!(stderr(&reconcile(&bad, &["validate", "--color", "always"])).contains('\u{1b}'));
}

const SHOWN: &[(&str, &str)] = &[
    (
        "public.yml",
        "deploy_env: prod\nbackup_postgres: dump\npostgres_s3: true\npostgres_backup_hourly: yes\nbackup_couch: true\n",
    ),
    ("inventory.ini", "[pg_backup]\ndb1\ndb2\n[all:vars]\nnadir_hour=16\n"),
];

#[test]
fn show_settings_reads_well() {
    let shown = reconcile(&Folder::new(SHOWN), &["show", "settings"]);
    assert_eq!(code(&shown), 0);
    insta::assert_snapshot!(stdout(&shown));
}

#[test]
fn show_settings_keeps_its_contract() {
    let shown = reconcile(&Folder::new(SHOWN), &["show", "settings", "--output", "json"]);
    let document: serde_json::Value = serde_json::from_str(&stdout(&shown)).expect("one document");
    assert_eq!(document["format"], "reconcile.settings/1");
    assert_eq!(document["environment"], "prod");
    assert_eq!(
        document["settings"]["postgres_s3"],
        serde_json::json!({"value": true, "from": "public.yml:3:14"})
    );
    assert_eq!(
        document["settings"]["nadir_hour"],
        serde_json::json!({"value": 16, "from": "inventory.ini:5:1"})
    );
    assert_eq!(
        document["settings"]["postgresql_backup_days"],
        serde_json::json!({"value": 2, "from": "default"})
    );
    assert_eq!(
        document["datastores"]["postgresql"],
        serde_json::json!({
            "enabled": true, "hosts": ["db1", "db2"], "method": "dump", "user": "postgres",
            "dir": "/opt/data/backups/postgresql", "source_dir": null, "s3": true,
            "bucket": "dimagi-prod-postgres-backups", "days": 2, "weeks": 2, "hours": 1, "hourly": true,
            "tiers": [
                {"tier": "hourly", "schedule": "15 */3 * * 1,2,3,4,5,6", "keep": "1 hour"},
                {"tier": "daily", "schedule": "0 16 * * 1,2,3,4,5,6", "keep": "2 days"},
                {"tier": "weekly", "schedule": "0 16 * * 0", "keep": "2 weeks"},
            ],
            "problems": [],
        })
    );
    assert_eq!(document["datastores"]["couchdb"]["problems"], serde_json::json!(["no-host"]));
}

/// What stands below `backups:` is told value by value, with the defaults of buckets; a secret is not repeated.
#[test]
fn show_settings_tells_of_backups_too() {
    let public = "deploy_env: prod\naws_region: eu-west-2\nbackups:\n  account: '123456789012'\n  buckets:\n    \
                  one.two:\n      keep_versions: {daily: {days: 90}}\n      tls_only: no\n  alerts:\n    \
                  email: ops@example.com\n    prometheus_textfile: /var/AKIAABCDEFGHIJKLMNOP\n";
    let folder = Folder::new(&[("public.yml", public)]);
    let json = reconcile(&folder, &["show", "settings", "--output", "json"]);
    let document: serde_json::Value = serde_json::from_str(&stdout(&json)).expect("one document");
    let of = |path: &str| document["settings"][format!("backups.{path}")].clone();
    assert_eq!(of("account"), serde_json::json!({"value": "123456789012", "from": "public.yml:4:12"}));
    assert_eq!(
        of("buckets.one.two.keep_versions.daily.days"),
        serde_json::json!({"value": 90, "from": "public.yml:7:37"})
    );
    assert_eq!(
        of("buckets.one.two.tls_only"),
        serde_json::json!({"value": false, "from": "public.yml:8:17"})
    );
    assert_eq!(
        of("buckets.one.two.keep_versions.weekly"),
        serde_json::json!({"value": "for ever", "from": "default"})
    );
    assert_eq!(of("alerts.prometheus_textfile")["value"], "(secret)");
    let text = reconcile(&folder, &["show", "settings"]);
    let text = stdout(&text);
    let (_, below) = text.split_once("below backups\n").expect("a section");
    let (below, _) = below.split_once("by default").expect("a section");
    insta::assert_snapshot!(below);
}

#[test]
fn the_vaults_password_comes_from_a_file_or_the_environment() {
    let folder = Folder::new(&[("public.yml", "deploy_env: prod\n"), ("vault.yml", super::vault::SEALED)]);
    std::fs::write(folder.path().join("right"), "canary-password\n").expect("written");
    std::fs::write(folder.path().join("wrong"), "wrong-canary\n").expect("written");
    assert_eq!(code(&reconcile(&folder, &["validate"])), 0, "locked is no mistake");
    assert_eq!(code(&reconcile(&folder, &["validate", "--vault-password-file", "right"])), 0);
    let wrong = reconcile(&folder, &["validate", "--vault-password-file", "wrong"]);
    assert_eq!(code(&wrong), 1);
    assert!(stderr(&wrong).contains("password is wrong") && !stderr(&wrong).contains("canary"));
}
