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

/// The checks that a `public.yml` of these lines shows, beside an inventory of one host in every group.
fn checks(lines: &str) -> Vec<&'static str> {
    let inventory = "[pg_backup]\nh1\n[couchdb2]\nh1\n[shared_dir_host]\nh1\n[elasticsearch]\nh1\n";
    let public = format!("deploy_env: prod\n{lines}");
    let folder = Folder::new(&[("public.yml", &public), ("inventory.ini", inventory)]);
    let problems = folder.load().map_or_else(|problems| problems, |settings| settings.problems);
    let names = problems.list.iter().map(|problem| problem.check.name);
    names.filter(|name| *name != "no-credentials").collect()
}

/// A member of `backups:` in flow style.
fn below(member: &str) -> Vec<&'static str> {
    checks(&format!("backups:\n  {member}\n"))
}

#[test]
fn variants_of_one_mistake_are_one_check() {
    for window in ["16:00-16:29", "23:45-00:14", "24:00-25:00", "16:60-17:30", "16:00-16:00", "4pm"] {
        let text = format!("databases: [{{identifier: a, window: '{window}'}}]");
        assert_eq!(below(&text), ["bad-window"], "{window}");
    }
    assert!(below("databases: [{identifier: a, window: '23:45-00:15'}]").is_empty());
    for days in ["0", "36", "-1", "'0'"] {
        let text = format!("databases: [{{identifier: a, retention_days: {days}}}]");
        assert_eq!(below(&text), ["bad-retention"], "{days}");
    }
    for name in ["1a", "a--b", "a-", "a_b", "'a b'"] {
        assert_eq!(below(&format!("databases: [{{identifier: {name}}}]")), ["bad-name"], "{name}");
    }
    for schedule in ["'16:30'", "16:30", "'* * * *'", "'61 * * * *'", "'@reboot'", "'* * * * * *'", "hourly"]
    {
        let text = format!("files: [{{name: a, hosts: [h1], source: /a, schedule: {schedule}}}]");
        assert_eq!(below(&text), ["bad-schedule"], "{schedule}");
    }
    for schedule in ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
        let text = format!("files: [{{name: a, hosts: [h1], source: /a, schedule: '{schedule}'}}]");
        assert_eq!(below(&text), ["never-fires"], "{schedule}");
    }
    assert!(below("files: [{name: a, hosts: [h1], source: /a, schedule: '0 0 29 2 *'}]").is_empty());
    for path in ["a", "/", "/a/../b", "'/a b'", "'/a;b'", "'/a%b'", "'$HOME'", "/proc/x"] {
        let text = format!("files: [{{name: a, hosts: [h1], source: {path}, schedule: '@daily'}}]");
        assert_eq!(below(&text), ["bad-path"], "{path}");
        assert_eq!(checks(&format!("postgresql_backup_dir: {path}\n")), ["bad-path"], "{path}");
    }
    for bucket in ["ab", "A-b", "a_b", "a..b", "192.168.1.1", "-ab", "abc-", "xn--a", "a-s3alias", "s3://abc"]
    {
        assert_eq!(below(&format!("buckets: {{'{bucket}': {{}}}}")), ["bad-bucket-name"], "{bucket}");
        assert_eq!(
            checks(&format!("couchdb_snapshot_bucket: '{bucket}'\n")),
            ["bad-bucket-name"],
            "{bucket}"
        );
    }
    for address in ["ops", "ops@", "'a b@c'", "'a@b, c'", "-f@b.org", "'a@b; id'"] {
        assert_eq!(below(&format!("alerts: {{email: {address}}}")), ["bad-address"], "{address}");
        assert_eq!(below(&format!("alerts: {{smtp: {{host: m, from: {address}}}}}")), ["bad-address"]);
    }
    for port in ["0", "65536", "-1"] {
        assert_eq!(
            below(&format!("alerts: {{smtp: {{host: m, port: {port}}}}}")),
            ["out-of-range"],
            "{port}"
        );
    }
    assert_eq!(below("account: '12345'"), ["bad-account"]);
    assert_eq!(below("account: 123456789012"), ["unquoted-number"]);
    assert_eq!(below("buckets: {abc: {object_lock: {mode: legal, days: 1}}}"), ["bad-value"]);
    assert_eq!(below("buckets: {abc: {object_lock: {mode: governance, days: 0}}}"), ["bad-retention"]);
    for (from, check) in [
        ("{networks: [10.0.0.0/8]}", "network-without-vpc"),
        ("{networks: [100.64.0.0/10]}", "network-without-vpc"),
        ("{networks: [10.0.0.0/8, 203.0.113.0/24]}", "mixed-networks"),
        ("{vpc: vpc-0abc, networks: [10.0.0.0/8, 203.0.113.0/24]}", "mixed-networks"),
        ("{vpc: vpc-0abc, networks: [203.0.113.0/24]}", "mixed-networks"),
        ("{networks: [0.0.0.0/0]}", "bad-network"),
        ("{networks: [10.0.0.1/8]}", "bad-network"),
        ("{}", "bad-network"),
        ("{vpc: my-vpc}", "bad-value"),
    ] {
        assert_eq!(below(&format!("identities: [{{user: a, from: {from}}}]")), [check], "{from}");
    }
    assert!(below("identities: [{user: a, from: {vpc: vpc-0abc}}]").is_empty());
    assert!(below("identities: [{user: a, from: {networks: [203.0.113.7, '2001:db8::/32']}}]").is_empty());
    let role = |arn: &str| below(&format!("account: '123456789012'\n  break_glass: ['{arn}']"));
    assert!(role("arn:aws:iam::123456789012:role/Admin").is_empty());
    assert_eq!(role("arn:aws:iam::210987654321:role/Admin"), ["foreign-account"]);
    for arn in ["Admin", "arn:aws:iam::123456789012:root", "arn:aws:sts::123456789012:assumed-role/Admin/me"]
    {
        assert_eq!(role(arn), ["bad-principal"], "{arn}");
    }
}

#[test]
fn every_datastore_is_looked_at() {
    for (switch, s3) in [
        ("backup_postgres: plain", "postgres_s3"),
        ("backup_couch: yes", "couch_s3"),
        ("backup_blobdb: yes", "blobdb_s3"),
    ] {
        let nobody = Folder::new(&[
            ("public.yml", &format!("deploy_env: x\n{switch}\n{s3}: yes\n")),
            ("inventory.ini", "h1\n"),
        ]);
        let told: Vec<&str> =
            nobody.load().expect("warnings").problems.list.iter().map(|one| one.check.name).collect();
        assert_eq!(told, ["no-host", "no-credentials"], "{switch}");
    }
    for member in [
        "postgresql: {hosts: [nobody], method: dump}",
        "couchdb: {hosts: [nobody]}",
        "blobdb: {hosts: [nobody]}",
        "elasticsearch: {hosts: [nobody], bucket: abc}",
        "files: [{name: a, hosts: [nobody], source: /a, schedule: '@daily'}]",
        "dokku: [{service: a, hosts: [nobody], schedule: '@daily', bucket: abc, use_iam: yes}]",
        "databases: [{identifier: a, off_system: {hosts: [nobody], schedule: '@daily'}}]",
    ] {
        assert_eq!(below(member), ["no-host"], "{member}");
        assert!(below(&member.replace("nobody", "h1")).is_empty(), "{member}");
    }
    assert_eq!(checks("backup_es_s3: yes\nes_local_repo: yes\n"), ["two-repositories"]);
    assert_eq!(checks("backup_couch: yes\nbackups:\n  couchdb: {hosts: [h1]}\n"), ["declared-twice"]);
    let hourly =
        "backup_couch: yes\ncouch_backup_hourly: yes\nnadir_hour_frequency: 4\ncouchdb_backup_hours: 3\n";
    assert_eq!(checks(hourly), ["short-retention"]);
    let weekly = "files: [{name: a, hosts: [h1], source: /a, schedule: '@weekly', keep_days: 3}]";
    assert_eq!(below(weekly), ["short-retention"]);
}

/// Other mistakes of an item, and of its neighbours, do not hide any.
#[test]
fn every_mistake_is_told_at_once() {
    let told = below(
        "files:\n    - {name: a, hosts: h1, source: ../x, schedule: '0 18 * *', bucket: A, keep_days: 0}\n    \
         - {nmae: a, hosts: [h1], source: {host: h1, path: 'x'}, schedule: 16:30}\n    \
         - {name: b, hosts: [h1], schedule: '@daily'}\n    - {name: b, hosts: [h1], source: /b, schedule: '@never'}\n  \
         account: '1'",
    );
    assert_eq!(
        told,
        [
            "wrong-type",
            "bad-path",
            "bad-schedule",
            "bad-bucket-name",
            "bad-retention",
            "unknown-key",
            "bad-path",
            "bad-schedule",
            "missing-key",
            "duplicate-name",
            "bad-schedule",
            "bad-account"
        ]
    );
}
