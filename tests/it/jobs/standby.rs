//! Backups from a standby on another host: with the roles and passwords of the vault, over a real connection that asks for
//! them.

use std::fs;
use std::path::Path;
use std::process::Command;

use reconcile::datastores::job_file::Source;
use reconcile::datastores::postgresql::job::{Connection, Logins};
use reconcile::datastores::postgresql::settings::{Method, PostgresqlSource};
use reconcile::jobs::{self, Stage};
use reconcile::vocab::{Login, Secret, Tier};

use super::host::Host;
use crate::support::postgres::{Postgres, standby_of};

const ROLES: &str = "set password_encryption = 'scram-sha-256'; \
    create role backup superuser login password 'canary:back\\slash'; \
    create role replication replication login password 'canary-replication'";

/// As commcare-cloud lets them in: the one role to databases, the other to nothing but replication.
const LETS_IN: &str = "local all postgres trust\nlocal replication postgres trust\n\
    host all backup 127.0.0.1/32 scram-sha-256\nhost replication replication 127.0.0.1/32 scram-sha-256\n";

fn login(username: &str, password: &str) -> Option<Login> {
    Some(Login { username: Secret::new(username), password: Secret::new(password) })
}

fn logins() -> Logins {
    Logins {
        backup: login("backup", "canary:back\\slash"),
        replication: login("replication", "canary-replication"),
    }
}

/// A primary with a few rows, and a standby that follows it and listens on an address.
fn both() -> Option<(Postgres, Postgres, u16)> {
    let primary = Postgres::start("wal_level = replica\nmax_wal_senders = 10\n")?;
    primary.sql("create table ledger as select n from generate_series(1, 5000) n");
    primary.sql(ROLES);
    let (standby, port) = standby_of(&primary, LETS_IN)?;
    assert_eq!(standby.sql("select pg_is_in_recovery()"), "t");
    Some((primary, standby, port))
}

fn host(method: Method, port: u16) -> Host {
    let source = PostgresqlSource { method, read_from: Some("127.0.0.1".parse().expect("a host")) };
    let mut host = Host::of("postgresql", super::host::DIRECTORY, Source::Postgresql(source));
    host.context.postgresql = Connection { port: Some(port), logins: logins(), ..Connection::default() };
    host
}

fn entries(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .expect("readable")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| !name.ends_with(".lock") && !name.ends_with(".incident.json"))
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_kinds_are_read_with_the_roles_of_the_vault() {
    let Some((_primary, standby, port)) = both() else { return };
    for method in [Method::Plain, Method::Dump] {
        let host = host(method, port);
        let checks = jobs::preflight(&host.context, Tier::Daily, true).await;
        assert!(checks.iter().all(|check| check.wrong.is_none()), "{checks:?}");
        assert_eq!(entries(&host.context.directory()), [""; 0], "no password stays");
        let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
        let name = report.manifest.name.clone();
        assert_eq!(entries(&host.context.directory()), [name.clone(), format!("{name}.manifest.json")]);
        assert!(report.manifest.bytes > 1000);
        assert!(!format!("{report:?}").contains("canary"));
    }
    assert_eq!(standby.sql("select count(*) from pg_replication_slots"), "0");
}

/// Whoever follows the lines of the manifest has a server that takes writes, and follows nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_manifest_says_makes_a_server_of_its_own() {
    let Some((_primary, _standby, port)) = both() else { return };
    let host = host(Method::Plain, port);
    let manifest = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest;
    let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("folder");
    let data = folder.path().join("data");
    let is_command =
        |line: &&String| ["mkdir ", "gzip ", "rm "].iter().any(|program| line.starts_with(program));
    let commands: Vec<&str> = manifest.restore.iter().filter(is_command).map(String::as_str).collect();
    let script = commands.join("\n").replace("DATA", &data.display().to_string());
    let done = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(host.context.directory())
        .output()
        .expect("bash runs");
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    let restored = Postgres::restored(folder, &data);
    assert_eq!(restored.sql("select pg_is_in_recovery()"), "f", "{:#?}", manifest.restore);
    assert_eq!(restored.sql("insert into ledger values (0); select count(*) from ledger"), "5001");
    assert!(manifest.restore.iter().any(|line| line.contains("archive_mode = off")), "{manifest:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_and_a_closed_door_are_told_with_what_to_change() {
    let Some((_primary, standby, port)) = both() else { return };
    let wrong = login("backup", "canary-wrong");
    for (method, logins, told, help) in [
        (
            Method::Dump,
            Logins { backup: wrong.clone(), ..logins() },
            "password authentication failed",
            "postgres_users.backup",
        ),
        (
            Method::Plain,
            Logins { backup: wrong, ..logins() },
            "password authentication failed",
            "postgres_users.backup",
        ),
        (
            Method::Plain,
            Logins { replication: login("replication", "canary-wrong"), ..logins() },
            "password authentication failed",
            "postgres_users.replication",
        ),
        // A role that is let in for replication alone can answer no question.
        (Method::Plain, Logins { backup: None, ..logins() }, "no pg_hba.conf entry", "pg_hba.conf"),
        (
            Method::Dump,
            Logins { backup: login("replication", "canary-replication"), ..logins() },
            "no pg_hba.conf entry",
            "pg_hba.conf",
        ),
    ] {
        let mut host = host(method, port);
        host.context.postgresql.logins = logins;
        let error = jobs::backup(&host.context, Tier::Daily).await.expect_err(told);
        assert!(error.message.contains(told) && error.stage == Stage::Dump, "{error}");
        assert!(error.help.as_deref().is_some_and(|words| words.contains(help)), "{error:?}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        assert_eq!(entries(&host.context.directory()), ["last-failure.json"]);
        let checks = jobs::preflight(&host.context, Tier::Daily, true).await;
        assert!(checks.iter().any(|check| check.wrong.is_some()), "tried before it is relied on");
    }
    assert_eq!(standby.sql("select count(*) from pg_replication_slots"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_are_seen_by_nobody_and_go_after_a_crash() {
    use std::os::unix::fs::PermissionsExt;
    let Some((_primary, standby, port)) = both() else { return };
    // What a program of PostgreSQL is given, as others see it.
    let folder = tempfile::tempdir().expect("a folder");
    let seen = folder.path().join("seen");
    for name in ["psql", "pg_basebackup"] {
        let script = format!(
            "#!/bin/sh\n{{ echo \"$0 $*\"; ls -l \"$PGPASSFILE\"; env; }} >> {}\nexec {} \"$@\"\n",
            seen.display(),
            standby.bin().join(name).display()
        );
        fs::write(folder.path().join(name), script).expect("written");
        fs::set_permissions(folder.path().join(name), PermissionsExt::from_mode(0o755)).expect("given");
    }
    let mut host = host(Method::Plain, port);
    host.context.postgresql.programs = Some(folder.path().to_owned());
    // A job that was killed left its passwords.
    let left = host.path("postgres_production_daily_2026_11_20.tar.gz.scratch");
    fs::create_dir(&left).expect("made");
    fs::write(left.join("passwords"), "*:*:*:backup:canary").expect("written");
    let name = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest.name;
    assert_eq!(entries(&host.context.directory()), [name.clone(), format!("{name}.manifest.json")]);
    let seen = fs::read_to_string(seen).expect("seen");
    assert!(seen.matches("-rw------- ").count() >= 3, "{seen}");
    assert!(seen.contains("PGPASSFILE=") && !seen.contains("canary"), "{seen}");
    // The base backup is one: a standby's own.
    let listed = Command::new("tar").arg("-tzf").arg(host.path(&name)).output().expect("tar runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("backup_label") && !listed.contains("passwords"), "{listed}");
}
