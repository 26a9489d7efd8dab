//! Backups of a real PostgreSQL: what is made restores, and what fails is loud and leaves the rest alone.

use std::path::Path;
use std::process::Command;

use reconcile::datastores::job_file::Compression;
use reconcile::datastores::postgresql::settings::Method;
use reconcile::jobs;
use reconcile::vocab::Tier;

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
