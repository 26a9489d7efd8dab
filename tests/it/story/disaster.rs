//! The drill of docs/disaster.md: everything is gone but the bucket and what was kept elsewhere.

use std::fs;
use std::path::Path;

use super::stage::Stage;
use crate::support::postgres::Postgres;

const SUM: &str = "select md5(string_agg(id::text, ',' order by id)) from patients";
const KEY: &str = "s3://commcare-example-postgres-backups/postgres_daily_db1.tar.gz";

/// The page's own commands: the lines of its code that call this program.
fn commands() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/disaster.md");
    let page = fs::read_to_string(page).expect("the page");
    let lines = page.lines().filter_map(|line| line.strip_prefix("    reconcile "));
    lines.map(|line| line.trim_start_matches("-e ENVIRONMENT ").to_owned()).collect()
}

#[test]
fn everything_comes_back_from_what_was_kept_elsewhere() {
    let Some(server) = Postgres::start("") else { return };
    server.sql("CREATE TABLE patients AS SELECT generate_series(1, 1000) AS id");
    let sum = server.sql(SUM);
    let stage = Stage::new().with_server(&server);
    stage.reconcile("apply --auto-approve").exits(0);
    stage.reconcile("sandbox run db1 --at 2026-11-23T01:00:00Z").exits(0);

    // The hosts and their disks are gone, and so is the server. The environment is in a repository elsewhere.
    fs::remove_dir_all(stage.path("sandbox/hosts")).expect("gone");
    drop(server);
    stage.sandbox("now: 2026-11-23T12:00:00Z\n");

    let told = commands();
    let steps: Vec<&str> = told.iter().map(|line| line.split_whitespace().next().expect("a verb")).collect();
    assert_eq!(steps, ["restore", "validate", "apply", "list", "restore", "verify"], "{told:?}");
    let place = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a folder");
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(place.path(), everybody).expect("given");

    // With nothing but credentials.
    let first = place.path().join("first");
    let line = told[0]
        .replace("s3://BUCKET/postgres_daily_HOST.tar.gz", KEY)
        .replace("DIR", &first.display().to_string());
    stage.reconcile_exactly(&format!("--sandbox sandbox {line}")).exits(0).says(&[
        "unpacked s3://commcare-example-postgres-backups/postgres_daily_db1.tar.gz",
        "its checksum is what was written",
        "postgresql of environment commcare-example on db1, whole at 2026-11-23 01:00 UTC",
        "by hand:",
    ]);
    let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a folder");
    let data = folder.path().join("data");
    fs::rename(&first, &data).expect("moved");
    fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("given");
    let back = Postgres::restored(folder, &data);
    assert_eq!(back.sql(SUM), sum);

    // New machines, the old environment.
    stage.reconcile(&told[1]).exits(0);
    stage.reconcile(&format!("{} --auto-approve", told[2])).exits(0);
    stage.reconcile(&told[3]).exits(0).says(&["2026-11-23 01:00", "newest"]);
    let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a folder");
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("given");
    let data = folder.path().join("data");
    let line = told[4].replace("DIR", &data.display().to_string());
    stage.reconcile(&line).exits(0).says(&[
        "restore postgresql on db1",
        "from    s3://commcare-example-postgres-backups/postgres_daily_db1.tar.gz version",
        "restored postgres_daily_db1.tar.gz",
    ]);
    let copy = Postgres::restored(folder, &data);
    assert_eq!(copy.sql(SUM), sum);
    let line = format!("{} --scratch {}", told[5], place.path().display());
    stage.reconcile(&line).exits(0).says(&["proven postgres_daily_db1.tar.gz", "1 table, 1000 rows"]);
}
