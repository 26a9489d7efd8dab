//! Backups of a real PostgreSQL: what is made restores, and what fails is loud and leaves the rest alone.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reconcile::datastores::job_file::Compression;
use reconcile::datastores::postgresql::job::Connection;
use reconcile::datastores::postgresql::settings::Method;
use reconcile::jobs::{self, Stage};
use reconcile::vocab::Tier;
use tempfile::TempDir;

use super::host::Host;
use crate::support::postgres::Postgres;

const ROWS: &str = "create table ledger as select n, md5(n::text) as digest from generate_series(1, 20000) n";
const SUM: &str = "select md5(string_agg(n || digest, ',' order by n)) from ledger";

fn shell(script: &str) {
    let done = Command::new("bash").args(["-euo", "pipefail", "-c", script]).output().expect("bash runs");
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Unpacks a base backup the way its manifest says and starts a server on it.
fn restore(archive: &Path, unpack: &str) -> Postgres {
    let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("folder");
    let data = folder.path().join("data");
    shell(&format!(
        "mkdir -m 700 {data}; {unpack} {archive} | tar -x -C {data}",
        data = data.display(),
        archive = archive.display()
    ));
    Postgres::restored(folder, &data)
}

#[tokio::test]
async fn a_base_backup_restores() {
    let Some(server) = Postgres::start("") else { return };
    server.sql(ROWS);
    for (compression, name, unpack) in [
        (Compression::Gzip, "postgres_production_daily_2026_11_21.tar.gz", "gzip -dc"),
        (Compression::Zstd, "postgres_production_daily_2026_11_21.tar.zst", "zstd -dc"),
    ] {
        let mut host = Host::new(Method::Plain);
        host.context.postgresql = server.connection();
        host.context.job.compression = compression;
        let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
        assert_eq!(report.manifest.name, name);
        assert_eq!(report.path, format!("/opt/data/backups/postgresql/{name}"));
        assert_eq!(host.files(), [name.to_owned(), format!("{name}.manifest.json")]);

        let manifest = host.manifest(name);
        assert_eq!(manifest, report.manifest);
        assert!(manifest.proven() && manifest.restore.iter().any(|line| line.contains(unpack)));
        let listed = Command::new("sha256sum").arg(host.path(name)).output().expect("sha256sum runs");
        assert!(String::from_utf8_lossy(&listed.stdout).starts_with(&manifest.sha256));
        assert_eq!(std::fs::metadata(host.path(name)).expect("file").len(), manifest.bytes);

        let restored = restore(&host.path(name), unpack);
        assert_eq!(restored.sql(SUM), server.sql(SUM));
    }
    assert_eq!(server.sql("select count(*) from pg_replication_slots"), "0");
}

#[tokio::test]
async fn a_dump_restores() {
    let Some(server) = Postgres::start("") else { return };
    server.sql(ROWS);
    server.sql("create role clerk password 'canary-of-a-role'");
    let mut host = Host::new(Method::Dump);
    host.context.postgresql = server.connection();
    let report = jobs::backup(&host.context, Tier::Weekly).await.expect("a backup");
    let name = "postgres_production_weekly_2026_11_21.gz";
    assert_eq!(report.manifest.name, name);

    let Some(fresh) = Postgres::start("") else { return };
    let into = fresh.connection();
    shell(&format!(
        "gzip -dc {} | psql -X -q -d postgres -h {} -p {} -U postgres >/dev/null",
        host.path(name).display(),
        into.host.expect("host"),
        into.port.expect("port")
    ));
    assert_eq!(fresh.sql(SUM), server.sql(SUM));
    assert_eq!(fresh.sql("select count(*) from pg_roles where rolname = 'clerk'"), "1");
}

/// A folder of programs in which `name` is this script and everything else is the server's own; `REAL` in the script
/// is the program that it stands for.
fn wrapper(server: &Postgres, name: &str, script: &str) -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join(name);
    let real = server.bin().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{}\n", script.replace("REAL", real.to_str().expect("utf-8"))))
        .expect("script");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("mode");
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_backup_of_a_busy_server_keeps_the_wal_that_it_needs() {
    // The server keeps two mebibytes of WAL, and the test makes many times that.
    let settings = "wal_keep_size = 0\nmax_wal_size = 2MB\nmin_wal_size = 2MB\n";
    let Some(server) = Postgres::start_with(&["--wal-segsize=1"], settings) else { return };
    server.sql(ROWS);
    let slow = wrapper(&server, "pg_basebackup", "exec REAL --max-rate=8M \"$@\"");
    let mut host = Host::new(Method::Plain);
    host.context.postgresql = Connection { programs: Some(slow.path().to_owned()), ..server.connection() };
    let context = host.context.clone();
    let backup = tokio::spawn(async move { jobs::backup(&context, Tier::Daily).await });
    let mut made = 0;
    while !backup.is_finished() && made < 20 {
        let busy = "update ledger set n = n + 0 where n % 10 = 0; select pg_switch_wal(); checkpoint";
        busy.split(';').for_each(|sql| drop(server.sql(sql)));
        made += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(made > 5, "the server was busy while it was backed up");
    let report = backup.await.expect("the job").expect("a backup");
    let restored = restore(&host.path(&report.manifest.name), "gzip -dc");
    assert_eq!(restored.sql("select count(*) from ledger"), "20000");
    assert_eq!(server.sql("select count(*) from pg_replication_slots"), "0");
}

#[tokio::test]
async fn several_tablespaces_go_through_a_folder_and_restore() {
    let Some(server) = Postgres::start("") else { return };
    let elsewhere = server.folder("elsewhere");
    server.sql(&format!("create tablespace elsewhere location '{}'", elsewhere.display()));
    server.sql(&ROWS.replacen(" as ", " tablespace elsewhere as ", 1));
    let mut host = Host::new(Method::Plain);
    host.context.postgresql = server.connection();
    let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    assert!(report.warnings[0].contains("tablespaces"), "{:?}", report.warnings);
    assert_eq!(report.warnings, report.manifest.notes);
    assert_eq!(host.files().len(), 2, "the folder is gone: {:?}", host.files());

    let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("folder");
    shell(&format!(
        "cd {}; mkdir -m 700 data parts space; gzip -dc {} | tar -x -C parts; tar -x -f parts/base.tar -C data; \
         oid=$(cut -d' ' -f1 data/tablespace_map); tar -x -f parts/$oid.tar -C space; \
         echo \"$oid $PWD/space\" > data/tablespace_map",
        folder.path().display(),
        host.path(&report.manifest.name).display()
    ));
    let data = folder.path().join("data");
    let restored = Postgres::restored(folder, &data);
    assert_eq!(restored.sql(SUM), server.sql(SUM));
}

/// Nothing comes out of it until all of it is in the folder, which takes longer than a dump may give nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_tablespaces_take_the_time_that_they_take() {
    let Some(server) = Postgres::start("") else { return };
    let elsewhere = server.folder("elsewhere");
    server.sql(&format!("create tablespace elsewhere location '{}'", elsewhere.display()));
    let slow = wrapper(
        &server,
        "pg_basebackup",
        "for folder in \"$@\"; do :; done; REAL \"$@\" || exit 1; for n in $(seq 20); do echo more >> \"$folder/slow\"; \
         sleep 0.4; done; rm \"$folder/slow\"",
    );
    let mut host = Host::new(Method::Plain);
    host.context.patience = Duration::from_secs(4);
    host.context.postgresql = Connection { programs: Some(slow.path().to_owned()), ..server.connection() };
    let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    assert!(report.manifest.bytes > 1_000_000 && host.context.stop.why().is_none());
}

#[tokio::test]
async fn a_dump_that_fails_after_its_output_is_no_backup() {
    let Some(server) = Postgres::start("") else { return };
    let mut host = Host::new(Method::Dump);
    host.context.postgresql = server.connection();
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    let before = host.files();
    for (script, message) in [
        ("REAL \"$@\"; echo 'a table is broken' >&2; exit 1", "failed with exit code 1: a table is broken"),
        ("REAL \"$@\" | head -c 500", "the end is missing"),
        ("REAL \"$@\"; kill -9 $$", "was killed by signal 9"),
    ] {
        let bad = wrapper(&server, "pg_dumpall", script);
        host.context.postgresql = Connection { programs: Some(bad.path().to_owned()), ..server.connection() };
        let error = jobs::backup(&host.context, Tier::Weekly).await.expect_err("fails");
        assert_eq!((error.stage, error.is_refusal()), (Stage::Dump, false));
        assert!(error.message.contains(message), "{error}");
        let mut expected = before.clone();
        expected.insert(0, "last-failure.json".to_owned());
        assert_eq!(host.files(), expected);
    }
}

#[tokio::test]
async fn a_base_backup_that_fails_anywhere_is_no_backup() {
    let Some(server) = Postgres::start("") else { return };
    let mut host = Host::new(Method::Plain);
    host.context.postgresql = server.connection();
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    let before = host.files();
    for (script, message) in [
        ("echo 'no such role' >&2; exit 1", "pg_basebackup` failed with exit code 1: no such role"),
        ("exit 0", "the end is missing"),
        ("REAL \"$@\" | head -c 100000; exit 1", "failed with exit code 1"),
        ("REAL \"$@\" | head -c 100000", "the end is missing"),
        ("REAL \"$@\"; exit 1", "failed with exit code 1"),
        ("REAL \"$@\"; kill -9 $$", "was killed by signal 9"),
    ] {
        let bad = wrapper(&server, "pg_basebackup", script);
        host.context.postgresql = Connection { programs: Some(bad.path().to_owned()), ..server.connection() };
        let error = jobs::backup(&host.context, Tier::Weekly).await.expect_err(script);
        assert_eq!(error.stage, Stage::Dump, "{error}");
        assert!(error.message.contains(message), "{script}: {error}");
        let mut expected = before.clone();
        expected.insert(0, "last-failure.json".to_owned());
        assert_eq!(host.files(), expected);
    }
    assert_eq!(server.sql("select count(*) from pg_replication_slots"), "0");
    host.context.postgresql = server.connection();
    jobs::backup(&host.context, Tier::Weekly).await.expect("the next one succeeds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_half_way_is_a_failure() {
    let Some(mut server) = Postgres::start("") else { return };
    let slow = wrapper(&server, "pg_basebackup", "exec REAL --max-rate=1M \"$@\"");
    let mut host = Host::new(Method::Plain);
    host.context.postgresql = Connection { programs: Some(slow.path().to_owned()), ..server.connection() };
    let context = host.context.clone();
    let backup = tokio::spawn(async move { jobs::backup(&context, Tier::Daily).await });
    let partial = host.path("postgres_production_daily_2026_11_21.tar.gz.partial");
    while std::fs::metadata(&partial).map_or(0, |file| file.len()) == 0 {
        assert!(!backup.is_finished(), "it ended too early: {:?}", backup.await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.kill();
    let error = backup.await.expect("the job").expect_err("fails");
    assert!(error.message.contains("pg_basebackup"), "{error}");
    assert_eq!(host.files(), ["last-failure.json"]);
}

#[tokio::test]
async fn no_server_and_too_few_senders_are_told_with_what_to_do() {
    let Some(mut server) = Postgres::start("max_wal_senders = 1\n") else { return };
    let mut host = Host::new(Method::Plain);
    host.context.postgresql = server.connection();
    let error = jobs::backup(&host.context, Tier::Daily).await.expect_err("one sender");
    assert!(error.help.expect("help").contains("max_wal_senders = 2"));

    server.sql("create role clerk login");
    host.context.postgresql.user = Some("clerk".to_owned());
    let error = jobs::backup(&host.context, Tier::Daily).await.expect_err("no privilege");
    assert!(error.message.contains("`clerk` may not make base backups"), "{error}");

    host.context.postgresql.user = Some("nobody-here".to_owned());
    let error = jobs::backup(&host.context, Tier::Daily).await.expect_err("no such role");
    assert!(error.help.expect("help").contains("run the job as the user"));

    server.kill();
    let error = jobs::backup(&host.context, Tier::Daily).await.expect_err("no server");
    assert!(error.message.contains("does not answer"), "{error}");
    assert_eq!(host.files(), ["last-failure.json"]);
}
