//! Nights that are watched: what cron's checks, `check` and `status` say, and which letters leave.

use std::fs;

use super::stage::Stage;
use crate::support::postgres::Postgres;
use crate::support::smtp::subject;

/// The example, with somebody who is told; applied at noon of Saturday.
fn watched(server: Option<&Postgres>) -> Stage {
    let stage = match server {
        Some(server) => Stage::new().with_server(server),
        None => Stage::new(),
    };
    stage.edit(
        "environment/public.yml",
        "\nbackups:\n",
        "\ncheck_s3_backups_email: ops@example.org\nbackups:\n  objectives: {recovery_point: 26h}\n",
    );
    stage.reconcile("apply --auto-approve").exits(0);
    stage.reconcile("plan --detailed-exitcode").exits(0);
    stage
}

/// What left, in order: the subjects of letters, and what pings said.
fn outbox(stage: &Stage) -> Vec<String> {
    let folder = stage.path("sandbox/outbox");
    let mut names: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path()).collect();
    names.sort();
    names
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("a letter");
            subject(&text).unwrap_or_else(|| text.trim_end().to_owned())
        })
        .collect()
}

#[test]
fn a_night_without_a_backup_is_told_once() {
    let stage = watched(None);
    stage.reconcile("sandbox run db1 --at 2026-11-21T15:00:00Z").exits(0).says(&[
        "db1: check postgresql",
        "not due yet",
        "1 datastore as it should be.",
    ]);
    assert_eq!(outbox(&stage), [""; 0]);
    let status = stage.on_host("/opt/data/backups/postgresql/s3_backup_status.txt");
    let read = || fs::read_to_string(&status).expect("a status file");
    assert_eq!(
        read(),
        "[OK] No daily postgres backup was due yet\n[OK] No weekly postgres backup was due yet\n"
    );

    // On Sunday the weekly one fails: there is no server. Somebody hears of it at once, and once.
    stage.reconcile("sandbox run db1 --at 2026-11-22T01:00:00Z").exits(1);
    let failed = "[ALERT] postgresql backups on db1 (commcare-example): the weekly backup failed at dump";
    assert_eq!(outbox(&stage), [failed]);
    // It is not as it should be from that minute, and not only once its hour is over.
    stage.edit("sandbox/sandbox.yml", "2026-11-21T12:00", "2026-11-22T01:01");
    let said = ["the last weekly backup failed at dump", "1 datastore not as it should be."];
    stage.reconcile("check").exits(2).says(&said);
    stage.reconcile("status").exits(2).says(&said);
    stage.edit("sandbox/sandbox.yml", "2026-11-22T01:01", "2026-11-21T12:00");
    for hour in ["03", "07", "11", "15", "19", "23"] {
        stage.reconcile(&format!("sandbox run db1 --at 2026-11-22T{hour}:00:00Z")).exits(1);
    }
    assert_eq!(outbox(&stage), [failed]);
    assert!(read().contains("[ALERT] No weekly postgres backup\n"), "{}", read());

    // Seen from the control machine: what is wrong, since when, and what to do.
    stage.edit("sandbox/sandbox.yml", "2026-11-21T12:00", "2026-11-22T12:00");
    stage.reconcile("check").exits(2).says(&["postgresql on db1: no weekly backup in the bucket"]);
    stage.reconcile("check postgresql --output json").exits(2);
    let status = stage.reconcile("status").exits(2);
    insta::assert_snapshot!("status_of_a_night_without_a_backup", tidy(&status.stdout));
    let json = stage.reconcile("status --output json").exits(2).json();
    assert_eq!(json["complete"], true, "{json:#}");
    assert_eq!(json["good"], false);
    assert_eq!(json["backups"][0]["tiers"][1]["places"][1]["state"], "missing");
    stage.reconcile("status --prometheus metrics.prom").exits(2).says_not("pings.success");
    let metrics = fs::read_to_string(stage.path("metrics.prom")).expect("metrics");
    assert!(metrics.contains("tier=\"weekly\",place=\"remote\"} 0\n"), "{metrics}");
}

/// The sandbox's own folder is another in every run.
fn tidy(text: &str) -> String {
    let (_, rest) = text.split_once('\n').expect("a banner");
    rest.to_owned()
}

#[test]
fn nights_that_go_well_are_quiet_and_what_is_done_to_them_is_told() {
    let Some(server) = Postgres::start("") else { return };
    let stage = watched(Some(&server));
    for night in 22..=25 {
        stage.reconcile(&format!("sandbox run db1 --at 2026-11-{night}T01:00:00Z")).exits(0);
        for hour in ["03", "07", "11", "15", "19", "23"] {
            let at = format!("2026-11-{night}T{hour}:00:00Z");
            stage
                .reconcile(&format!("sandbox run db1 --at {at}"))
                .exits(0)
                .says(&["1 datastore as it should be."]);
        }
    }
    assert_eq!(outbox(&stage), [""; 0]);
    stage.edit("sandbox/sandbox.yml", "2026-11-21T12:00", "2026-11-25T12:00");
    let status = stage.reconcile("status").exits(0).stdout;
    let sizes = |text: &str| {
        let is_size = |word: &str| ["B", "KiB", "MiB"].contains(&word);
        let words: Vec<&str> = text.split(' ').collect();
        let is_number = |at: usize| words.get(at + 1).is_some_and(|next| is_size(next.trim()));
        words
            .iter()
            .enumerate()
            .map(|(at, word)| if is_number(at) { "N" } else { *word })
            .collect::<Vec<_>>()
            .join(" ")
    };
    insta::assert_snapshot!("status_of_good_nights", sizes(&tidy(&status)));

    // Somebody hides the newest backup.
    let bucket = "commcare-example-postgres-backups";
    stage.by_hand(|s3| async move {
        s3.delete_object().bucket(bucket).key("postgres_daily_db1.tar.gz").send().await.expect("hidden");
    });
    stage
        .reconcile("check")
        .exits(2)
        .says(&["HIDDEN", "the newest daily backup in the bucket is hidden by a delete"]);
    stage.reconcile("sandbox run db1 --at 2026-11-25T15:00:00Z").exits(1);
    let hidden = "[ALERT] postgresql backups on db1 (commcare-example): a backup is hidden in the bucket";
    assert_eq!(outbox(&stage), [hidden]);
    // The next night's lies above the marker.
    stage.reconcile("sandbox run db1 --at 2026-11-26T01:00:00Z").exits(0);
    stage.reconcile("sandbox run db1 --at 2026-11-26T03:00:00Z").exits(0);
    let well = "[OK] postgresql backups on db1 (commcare-example): as they should be again";
    assert_eq!(outbox(&stage), [hidden, well]);

    // An old entry comes back.
    fs::write(
        stage.on_host("/etc/cron.d/backup_postgres"),
        "0 0 * * 1,2,3,4,5,6 postgres /usr/local/sbin/create_postgres_dump.sh daily 7\n",
    )
    .expect("written");
    stage
        .reconcile("sandbox run db1 --at 2026-11-26T07:00:00Z")
        .exits(1)
        .says(&["an old cron entry is back and makes the same backups"]);
    assert_eq!(outbox(&stage).len(), 3);
}

#[test]
fn a_test_of_the_alerts_is_recorded_once_a_person_has_the_code() {
    let stage = watched(None);
    stage.reconcile("status").exits(0).says(&["no alert was ever seen to arrive"]);
    stage.reconcile("alerts test").exits(0).says(&[
        "postgresql on db1",
        "mail to ops@example.org left",
        "Nothing leaves a sandbox: its letters and pings are files in",
        "--code CODE",
    ]);
    let subject = outbox(&stage).remove(0);
    let code = subject.rsplit(' ').next().expect("a code").to_owned();
    stage.reconcile("alerts test --code 222222").exits(1).says(&["this is not the code"]);
    stage.reconcile("alerts test --code nonsense").exits(64);
    stage
        .reconcile(&format!("alerts test --code {code}"))
        .exits(0)
        .says(&["postgresql on db1: the alert arrived"]);
    stage.reconcile("status").exits(0).says_not("no alert was ever seen to arrive");
    let json = stage.reconcile("status --output json").exits(0).json();
    assert_eq!(json["backups"][0]["alerts"]["confirmed"], "2026-11-21T12:00:00Z");
}

#[test]
fn secrets_of_alerts_reach_the_host_and_nothing_else() {
    let stage = Stage::new();
    stage.edit(
        "environment/public.yml",
        "\nbackups:\n",
        "\nbackups:\n  alerts:\n    email: ops@example.org\n    smtp: {host: mail.example.org}\n",
    );
    let vault = stage.path("environment/vault.yml");
    fs::write(
        &vault,
        "AMAZON_S3_ACCESS_KEY: AKIACANARY00000000\nAMAZON_S3_SECRET_KEY: CANARY-1\n\
         smtp: {username: backups, password: CANARY-2}\n\
         pings: {success: 'https://ping.invalid/CANARY-3', failure: 'https://ping.invalid/CANARY-4'}\n",
    )
    .expect("written");
    // The stage looks for canaries in every output.
    stage.reconcile("plan").exits(0);
    stage.reconcile("apply --auto-approve").exits(0);
    let file = fs::read_to_string(stage.on_host("/etc/reconcile/commcare-example/postgresql.json"))
        .expect("a job file");
    for secret in ["CANARY-1", "CANARY-2", "CANARY-3", "CANARY-4"] {
        assert!(file.contains(secret), "{secret}");
    }
    stage.reconcile("sandbox run db1 --at 2026-11-21T15:00:00Z").exits(0);
    assert_eq!(outbox(&stage), ["ping of success from db1 postgresql"]);
    stage.reconcile("sandbox run db1 --at 2026-11-22T01:00:00Z").exits(1);
    assert_eq!(outbox(&stage)[2], "ping of failure from db1 postgresql");
    stage.edit("sandbox/sandbox.yml", "2026-11-21T12:00", "2026-11-22T01:30");
    stage.reconcile("status").says_not("says nothing when it is gone");
    for letter in fs::read_dir(stage.path("sandbox/outbox")).expect("an outbox") {
        let text = fs::read_to_string(letter.expect("an entry").path()).expect("a letter");
        assert!(!text.contains("CANARY"), "{text}");
    }
}

#[test]
fn logins_reach_the_jobs_that_need_them_and_nothing_else() {
    let stage = Stage::new();
    stage.edit(
        "environment/public.yml",
        "\nbackups:\n",
        "\nbackup_couch: true\nbackup_blobdb: true\nbackups:\n",
    );
    let inventory = "[commcare]\ndb1 pg_backup_from=db2\ndb2\n[pg_backup]\ndb1\ndb2\n[couchdb2]\ndb1\n[shared_dir_host]\ndb1\n";
    fs::write(stage.path("environment/inventory.ini"), inventory).expect("written");
    fs::create_dir_all(stage.on_host("/opt/data/couchdb2")).expect("made");
    fs::create_dir_all(stage.on_host("/opt/data/blobdb")).expect("made");
    for (file, text) in [("couchdb2/_dbs.couch", "map"), ("blobdb/one", "blob")] {
        fs::write(stage.on_host("/opt/data").join(file), text).expect("written");
    }
    fs::write(
        stage.path("environment/vault.yml"),
        "AMAZON_S3_ACCESS_KEY: AKIACANARY00000000\nAMAZON_S3_SECRET_KEY: CANARY-1\nsecrets:\n  POSTGRES_USERS:\n\
         \x20   backup: {username: CANARY-user, password: CANARY-2}\n\
         \x20   replication: {username: follower, password: CANARY-3}\nCOUCH_USERNAME: admin\nCOUCH_PASSWORD: CANARY-4\n",
    )
    .expect("written");
    // The stage looks for canaries in every output.
    stage.reconcile("plan").exits(0).says(&["backup password (secret)", "replication password (secret)"]);
    stage.reconcile("apply --auto-approve").exits(0);
    let file = |host: &str, name: &str| {
        let path = format!("sandbox/hosts/{host}/etc/reconcile/commcare-example/{name}.json");
        let text = fs::read_to_string(stage.path(&path)).expect("a job file");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        json["secrets"]
            .as_object()
            .map(|secrets| secrets.keys().cloned().collect::<Vec<_>>())
            .unwrap_or_default()
    };
    let of = |host: &str, name: &str, word: &str| {
        file(host, name).into_iter().filter(|name| name.contains(word)).collect::<Vec<_>>()
    };
    assert_eq!(
        file("db1", "postgresql"),
        [
            "access_key",
            "backup_password",
            "backup_username",
            "replication_password",
            "replication_username",
            "secret_key"
        ]
    );
    assert_eq!(of("db2", "postgresql", "username"), [""; 0], "its own server knows the job's user");
    assert_eq!(file("db1", "couchdb"), ["couch_password", "couch_username"]);
    assert_eq!(file("db1", "blobdb"), [""; 0]);
    stage.reconcile("plan --detailed-exitcode").exits(0);
    // Another password is a change, and no view says which.
    stage.edit("environment/vault.yml", "CANARY-3", "CANARY-5");
    stage.reconcile("plan --detailed-exitcode").exits(2).says(&["(secret, changed)"]);
}
