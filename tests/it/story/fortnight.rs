//! A fortnight of the example: PostgreSQL for real, CouchDB and the blob database as trees; every night a backup, proofs on
//! Sundays, checks in between, and nobody hears of anything.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::stage::Stage;
use crate::support::postgres::Postgres;

const SUM: &str = "select md5(string_agg(id::text, ',' order by id)) from patients";

/// The example, with everything that one machine of CommCare HQ holds.
fn stage(server: &Postgres) -> Stage {
    let stage = Stage::new().with_server(server);
    stage.edit(
        "environment/public.yml",
        "\nbackups:\n",
        "\nbackup_couch: true\nbackup_blobdb: true\ncheck_s3_backups_email: ops@example.org\nbackups:\n\
         \x20 objectives: {recovery_point: 26h, verified_within: 8d}\n  verify:\n\
         \x20   postgresql: {schedule: \"30 4 * * 0\", scratch: /srv/scratch, database: postgres,\n\
         \x20     checks: [\"select count(*) > 900 from patients\"]}\n\
         \x20   couchdb: {schedule: \"30 4 * * 0\"}\n    blobdb: {schedule: \"30 4 * * 0\"}\n",
    );
    let inventory = fs::read_to_string(stage.path("environment/inventory.ini")).expect("there");
    let groups = "\n[couchdb2:children]\ncommcare\n\n[shared_dir_host:children]\ncommcare\n";
    fs::write(stage.path("environment/inventory.ini"), inventory + groups).expect("written");
    for (path, text) in [
        ("/opt/data/couchdb2/_dbs.couch", "map"),
        ("/opt/data/couchdb2/shards/00000000-ffffffff/hq.1.couch", "documents"),
        ("/opt/data/blobdb/form/1", "blob"),
    ] {
        let path = stage.on_host(path);
        fs::create_dir_all(path.parent().expect("one")).expect("made");
        fs::write(path, text).expect("written");
    }
    // Who runs a scratch server passes through.
    fs::create_dir_all(stage.on_host("/srv/scratch")).expect("made");
    for path in [stage.path(""), stage.path("sandbox"), stage.path("sandbox/hosts"), stage.on_host("/")] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("given");
    }
    stage
}

/// The lines of a host's log by their runs.
fn runs(log: &str) -> BTreeMap<String, Vec<String>> {
    let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in log.lines() {
        let (_, rest) = line.split_once("reconcile: run ").unwrap_or_else(|| panic!("no run: {line}"));
        let (run, what) = rest.split_once(": ").unwrap_or_else(|| panic!("no run: {line}"));
        runs.entry(run.to_owned()).or_default().push(what.to_owned());
    }
    runs
}

#[test]
fn a_fortnight_is_quiet_proven_and_comes_back() {
    let Some(server) = Postgres::start("") else { return };
    server.sql("create table patients as select generate_series(1, 1000) as id");
    let stage = stage(&server);
    stage.reconcile("validate environment").exits(0);
    stage.reconcile("apply --auto-approve").exits(0);
    stage.reconcile("plan --detailed-exitcode").exits(0);

    let nights =
        (22..=30).map(|day| format!("2026-11-{day}")).chain((1..=5).map(|day| format!("2026-12-0{day}")));
    for (number, night) in nights.enumerate() {
        let is_sunday = number % 7 == 0;
        server.sql(&format!("insert into patients values ({})", 2000 + number));
        fs::write(stage.on_host(&format!("/opt/data/blobdb/form/night-{number}")), "blob").expect("written");
        stage.reconcile(&format!("sandbox run db1 --at {night}T01:00:00Z")).exits(0);
        stage
            .reconcile(&format!("sandbox run db1 --at {night}T03:00:00Z"))
            .exits(0)
            .says(&["1 datastore as it should be."]);
        if is_sunday {
            stage.reconcile(&format!("sandbox run db1 --at {night}T04:30:00Z")).exits(0).says(&["proven"]);
        }
        stage.reconcile(&format!("sandbox run db1 --at {night}T15:00:00Z")).exits(0).says_not("not.");
    }
    let outbox = stage.path("sandbox/outbox");
    assert_eq!(fs::read_dir(outbox).map_or(0, Iterator::count), 0, "nobody hears of what goes well");

    // Seen from elsewhere.
    stage.sandbox(
        &fs::read_to_string(stage.path("sandbox/sandbox.yml"))
            .expect("there")
            .replace("2026-11-21T12:00:00Z", "2026-12-05T16:00:00Z"),
    );
    stage.reconcile("check").exits(0).says(&["3 datastores as they should be."]);
    let status = stage.reconcile("status").exits(0).says(&["proven", "6 days\n"]).says_not("never");
    assert!(!status.stdout.contains(" !\n"), "{status}");
    let json = stage.reconcile("status --output json").exits(0).json();
    assert_eq!((&json["good"], &json["complete"]), (&true.into(), &true.into()), "{json:#}");
    for backups in json["backups"].as_array().expect("three") {
        assert_eq!(backups["proofs"]["proven"]["at"], "2026-11-29T04:30:00Z", "{backups:#}");
    }
    stage.reconcile("list postgresql").exits(0).says(&["2026-12-05 01:00", "newest"]);
    stage.reconcile("list couchdb").exits(0).says(&["2026-12-05 01:00", "daily"]);

    // What happened stands in the log, each run under a name of its own, which its manifest has too.
    let log = fs::read_to_string(stage.on_host("/var/log/reconcile.log")).expect("a log");
    let runs = runs(&log);
    let whole = |lines: &&Vec<String>| {
        lines[0].ends_with("began") && lines.last().is_some_and(|line| line.contains(": done: "))
    };
    assert_eq!(runs.values().filter(whole).count(), 14 * 3, "{log}");
    assert_eq!(runs.values().flatten().filter(|line| line.ends_with("is proven")).count(), 2 * 3, "{log}");
    let newest = "/opt/data/backups/couchdb2/couchdb_daily_2026_12_05.tar.gz.manifest.json";
    let manifest = fs::read_to_string(stage.on_host(newest)).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let lines = &runs[manifest["run"].as_str().expect("a run")];
    assert!(lines.iter().any(|line| line.contains("done: couchdb_daily_2026_12_05.tar.gz")), "{lines:?}");

    // Proven by hand, and back again.
    let scratch = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a folder");
    fs::set_permissions(scratch.path(), PermissionsExt::from_mode(0o755)).expect("given");
    for datastore in ["postgresql", "couchdb", "blobdb"] {
        let line = format!("verify {datastore} --scratch {}", scratch.path().display());
        stage.reconcile(&line).exits(0).says(&["proven"]);
    }
    stage.reconcile("status").exits(0).says(&["0 min\n"]);
    let to = scratch.path().join("blobs");
    stage.reconcile(&format!("restore blobdb --to {}", to.display())).exits(0);
    assert_eq!(fs::read_dir(to.join("form")).expect("back").count(), 15);
    let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a folder");
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("given");
    let data = folder.path().join("data");
    stage.reconcile(&format!("restore postgresql --to {}", data.display())).exits(0);
    let back = Postgres::restored(folder, &data);
    assert_eq!(back.sql(SUM), server.sql(SUM));
}

#[test]
fn a_proof_that_fails_by_cron_is_told_and_seen_and_accepted() {
    let Some(server) = Postgres::start("") else { return };
    let stage = stage(&server);
    server.sql("create table patients as select generate_series(1, 1000) as id");
    stage.reconcile("apply --auto-approve").exits(0);
    stage.reconcile("sandbox run db1 --at 2026-11-22T01:00:00Z").exits(0);
    stage.reconcile("sandbox run db1 --at 2026-11-22T04:30:00Z").exits(0);
    fs::remove_dir_all(stage.on_host("/opt/data/blobdb/form")).expect("removed");
    fs::write(stage.on_host("/opt/data/blobdb/other"), "x").expect("written");
    for night in 23..=29 {
        stage.reconcile(&format!("sandbox run db1 --at 2026-11-{night}T01:00:00Z")).exits(0);
    }
    stage.reconcile("sandbox run db1 --at 2026-11-29T04:30:00Z").exits(1).says(&["NOT PROVEN blobdb_"]);
    stage.reconcile("sandbox run db1 --at 2026-11-29T07:00:00Z").exits(1);
    let letters = || {
        let mut names: Vec<_> = fs::read_dir(stage.path("sandbox/outbox"))
            .into_iter()
            .flatten()
            .map(|entry| entry.expect("an entry").path())
            .collect();
        names.sort();
        let subject = |path: &std::path::PathBuf| {
            crate::support::smtp::subject(&fs::read_to_string(path).expect("a letter")).expect("a subject")
        };
        names.iter().map(subject).collect::<Vec<_>>()
    };
    let what = "blobdb backups on db1 (commcare-example)";
    assert_eq!(letters(), [format!("[ALERT] {what}: the weekly backup is NOT PROVEN")]);
    stage.edit("sandbox/sandbox.yml", "2026-11-21T12:00", "2026-11-29T12:00");
    let name = "blobdb_weekly_2026_11_29.tar.gz";
    stage.reconcile("status").exits(2).says(&["FAILED", "!", "and is not what it should be", "--accept"]);
    stage.reconcile("verify blobdb --accept").exits(3).complains(&["there is no terminal to ask on"]);
    stage
        .reconcile(&format!("verify blobdb --accept --confirm {name} --output json"))
        .exits(0)
        .says(&["\"accepted\"", "form is gone"]);
    assert_eq!(letters()[1..], [format!("[OK] {what}: proven again")]);
    stage.reconcile("status").exits(0);
}
