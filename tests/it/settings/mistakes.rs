//! Mistakes as people make them, and what they are told: each text is golden, since it is what a person reads.

use proptest::prelude::*;
use reconcile::report;
use reconcile::settings::{self, Sources};

use super::folder::Folder;

fn public(text: &str) -> String {
    Folder::new(&[("public.yml", text)]).validated()
}

#[test]
fn no_settings_file() {
    insta::assert_snapshot!(Folder::new(&[]).validated());
}

#[test]
fn broken_yaml() {
    insta::assert_snapshot!(public("deploy_env: prod\nbackup_postgres: \"plain\npostgres_s3: true\n"));
}

#[test]
fn a_key_without_its_colon() {
    insta::assert_snapshot!(public("deploy_env: prod\nbackup_postgres plain\npostgres_s3: true\n"));
}

#[test]
fn a_key_twice() {
    insta::assert_snapshot!(public("deploy_env: prod\nnadir_hour: 1\nnadir_hour: 2\n"));
}

#[test]
fn impossible_values() {
    insta::assert_snapshot!(public(
        "deploy_env: prod\nbackup_postgres: plian\npostgresql_backup_days: 0\npostgres_backup_weeks: 8\n\
         nadir_hour: 25\nnadir_hour_frequency: 0\npostgresql_backup_dir: backups; rm -rf /\n\
         postgres_s3: perhaps\npostgres_snapshot_bucket: My_Bucket\naws_endpoint: ftp://x\n\
         check_s3_backups_email: ops@\nblobdb_user: 'a b'\n"
    ));
}

#[test]
fn mistakes_below_backups() {
    insta::assert_snapshot!(public(
        "deploy_env: prod\nbackups:\n  account: 012345678901\n  bukcets: {}\n  buckets:\n    Bad_Name:\n\
        \x20   good-name:\n      verisoning: enabled\n      versioning: suspended\n      \
         keep_versions: {daily: {days: 0, newest: 101}, weekly: {newest: 3}}\n      tls_only: maybe\n      \
         encryption: {kms_key: mine}\n      abort_uploads_after: 7\n      public_access: false\n  \
         identities: {role: x}\n"
    ));
}

#[test]
fn an_account_without_quotes() {
    insta::assert_snapshot!(public("deploy_env: prod\nbackups:\n  account: 123456789012\n"));
}

#[test]
fn templates_without_a_value() {
    insta::assert_snapshot!(public(
        "deploy_env: prod\npostgres_snapshot_bucket: '{{ nowhere }}-backups'\nencrypted_root: '{{ encrypted_root }}'\n\
         backups:\n  buckets:\n    b-one: {region: '{{ 1 + }}', tls_only: '{{ nowhere }}', versoning: enabled}\n"
    ));
}

#[test]
fn switched_on_without_an_inventory() {
    insta::assert_snapshot!(public("deploy_env: prod\nbackup_postgres: plain\n"));
}

#[test]
fn switched_on_without_a_host() {
    let files = [
        ("public.yml", "deploy_env: prod\nbackup_postgres: plain\n"),
        ("inventory.ini", "[postgresql]\ndb1\n"),
    ];
    insta::assert_snapshot!(Folder::new(&files).validated());
}

#[test]
fn an_inventory_that_ansible_would_refuse() {
    let files = [
        ("public.yml", "deploy_env: prod\nbackup_postgres: plain\n"),
        ("inventory.ini", "[postgresql]\ndb1 ansible_host='10.0.0.1\n\n[pg_backup:children]\npostgres\n"),
    ];
    insta::assert_snapshot!(Folder::new(&files).validated());
}

#[test]
fn dated_keys_of_several_hosts() {
    let files = [
        (
            "public.yml",
            "deploy_env: prod\nbackup_postgres: dump\npostgres_s3: true\naws_versioning_enabled: no\n",
        ),
        ("inventory.ini", "[pg_backup]\ndb[1:2]\n"),
    ];
    insta::assert_snapshot!(Folder::new(&files).validated());
}

#[test]
fn another_store_with_an_account() {
    insta::assert_snapshot!(public(
        "deploy_env: prod\naws_endpoint: http://s3.example.org\nbackups: {account: '123456789012'}\n"
    ));
}

#[test]
fn a_name_that_cannot_be_one() {
    insta::assert_snapshot!(public("deploy_env: \"\\e[2Jprod\" # \u{1b}[31m\n"));
}

/// The folder's name stands in for a name that nobody wrote; a temporary folder's name begins with a dot.
#[test]
fn no_name_at_all() {
    let folder = Folder::new(&[("public.yml", "backup_postgres: false\n")]);
    let text =
        folder.validated().replace(&folder.path().file_name().expect("a name").to_string_lossy()[..], "DIR");
    insta::assert_snapshot!(text);
}

#[test]
fn problems_for_programs_hold_the_contract() {
    let folder = Folder::new(&[("public.yml", "deploy_env: prod\npostgresql_backup_days: 0\n")]);
    let problems = settings::load(&Sources::file(folder.path().join("public.yml"))).expect_err("an error");
    let file = folder.path().join("public.yml").display().to_string();
    assert_eq!(
        report::problems::json(&problems),
        serde_json::json!({"format": "reconcile.problems/1", "problems": [{
            "file": file, "line": 2, "column": 25, "key": "postgresql_backup_days", "severity": "error",
            "check": "bad-retention",
            "message": "0 days would delete every backup as soon as it is made",
            "help": "must be 1 or more; the default is 2; to switch these backups off, set backup_postgres: false",
        }]})
    );
    assert_eq!(
        report::problems::github(&problems),
        format!(
            "::error file={file},line=2,col=25,title=bad-retention::0 days would delete every backup as soon as it is made%0A\
             must be 1 or more; the default is 2; to switch these backups off, set backup_postgres: false\n"
        )
    );
}

/// Whatever is wrong, the same files give the same text, and no line of it is obeyed by a terminal.
#[test]
fn output_is_stable_and_harmless() {
    let text = "deploy_env: prod\nx: \"\u{1b}]0;t\u{7}\"\nbackup_postgres: \"\u{1b}[31m\" # \u{9b}2J\nnadir_hour: \u{202e}9\n";
    let folder = Folder::new(&[("public.yml", text)]);
    let first = folder.validated();
    assert_eq!(first, folder.validated());
    assert!(first.chars().all(|c| c == '\n' || !c.is_control()), "{first:?}");
    assert!(!first.contains('\u{202e}'));
}

/// Pieces of settings files, right and wrong, in any order.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "deploy_env: prod\n",
        "backup_postgres: ",
        "plain\n",
        "postgresql_backup_days: ",
        "0\n",
        "'5'\n",
        "~\n",
        "backups:\n",
        "  buckets:\n",
        "    b-one:\n",
        "      keep_versions: {daily: {days: 3}}\n",
        "  account: ",
        "012345678901\n",
        "\"{{ deploy_env }}\"\n",
        "{{ x }}\n",
        "&a ",
        "*a\n",
        "<<: ",
        "!vault ",
        "[",
        "]",
        "{",
        "}",
        "- ",
        "|\n",
        "  ",
        "\t",
        "ä",
        "\u{1b}[2J",
        "# c\n",
        "---\n",
        ":",
        "\n",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever stands in the files, the answer is settings or problems: places that exist, the same every time.
    #[test]
    fn no_file_breaks_the_load(public in soup(), inventory in "[-a-c\\[\\]:=' \n]{0,60}", vault in soup()) {
        let files = [("public.yml", public.as_str()), ("inventory.ini", &inventory), ("vault.yml", &vault)];
        let folder = Folder::new(&files);
        let problems = match folder.load() {
            Ok(settings) => {
                prop_assert!(!settings.problems.has_errors());
                settings.problems
            }
            Err(problems) => {
                prop_assert!(problems.has_errors());
                problems
            }
        };
        let lines = public.lines().count().max(inventory.lines().count()).max(vault.lines().count()) + 1;
        for problem in &problems.list {
            if let Some(place) = &problem.place {
                prop_assert!(place.line as usize <= lines && place.column >= 1, "{problem:?}");
            }
        }
        prop_assert_eq!(folder.validated(), folder.validated());
    }
}
