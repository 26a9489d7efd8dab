//! Proofs: a good backup is proven, a worthless one is not and says why, and the scratch server does nothing of what the
//! backed-up one did.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use reconcile::datastores::postgresql::settings::Method;
use reconcile::datastores::prove::SqlCheck;
use reconcile::jobs::restore::Wanted;
use reconcile::jobs::verify::{Evidence, verify};
use reconcile::jobs::{self, JobError, Keep, Stage};
use reconcile::vocab::Tier;

use super::host::Host;
use super::restore::{BUCKET, host, with_bucket};
use crate::support::postgres::Postgres;

/// The backup directory of a test is root's, whom no server runs as; so it is verified where everybody may go.
pub async fn proof(host: &Host) -> Result<Evidence, JobError> {
    let scratch = tempfile::Builder::new().prefix("scratch").tempdir_in("/tmp").expect("a folder");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(scratch.path(), mode).expect("given");
    let found = verify(&host.context, &[], &Wanted::Newest, Some(scratch.path().to_owned())).await;
    assert_eq!(fs::read_dir(scratch.path()).expect("there").count(), 0, "nothing is left over");
    found
}

/// Who may read the files of a cluster may not read its tables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asked_a_restored_cluster_is_asked_by_a_role_that_may() {
    let Some(server) = Postgres::start("") else { return };
    server.sql("create table people as select n from generate_series(1, 500) n");
    server.sql("create role reader login replication; create role admin login superuser");
    let found = async |method, user: &str| {
        let mut host = host(&server, method);
        host.context.postgresql.user = Some(user.to_owned());
        let made = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
        let evidence = proof(&host).await.expect("looked at");
        assert_eq!(evidence.reasons, [""; 0], "{user}: {evidence:#?}");
        assert_eq!(evidence.counts["postgres"]["public.people"], 500, "{user}");
        made.manifest.source["role"].clone()
    };
    assert_eq!(found(Method::Plain, "reader").await, "postgres");
    assert_eq!(found(Method::Plain, "admin").await, "postgres");
    assert_eq!(found(Method::Dump, "admin").await, "postgres");
    // One that nobody can log in as is of no use here either.
    server.sql("alter role postgres nologin");
    assert_eq!(found(Method::Plain, "reader").await, "admin");
    assert_eq!(found(Method::Dump, "admin").await, "admin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_backup_is_proven_and_the_next_is_measured_by_it() {
    let Some(server) = Postgres::start("") else { return };
    server.sql("create table people as select n from generate_series(1, 500) n; create table notes (t text)");
    server.sql("insert into notes values ('one')");
    for method in [Method::Plain, Method::Dump] {
        let mut host = host(&server, method);
        let client = with_bucket(&mut host, true).await;
        host.context.job.verify.checks = vec![SqlCheck {
            database: Some("postgres".to_owned()),
            sql: "select count(*) > 400 from people".to_owned(),
        }];
        jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
        let evidence = proof(&host).await.expect("looked at");
        assert_eq!(evidence.reasons, Vec::<String>::new(), "{evidence:#?}");
        assert_eq!(evidence.counts["postgres"]["public.people"], 500);
        assert_eq!(evidence.counts["postgres"]["public.notes"], 1);
        assert!(evidence.checks.len() == 1 && evidence.checks[0].wrong.is_none());
        assert!(host.files().contains(&format!("{}.verified.json", evidence.name)), "{:?}", host.files());

        // The next one has lost what mattered, and something small besides.
        host.pass(TimeDelta::days(1));
        server.sql(
            "begin; create table kept as select * from people; delete from people; drop table notes; commit",
        );
        jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
        let evidence = proof(&host).await.expect("looked at");
        server.sql("insert into people select * from kept; drop table kept");
        server.sql("create table notes (t text); insert into notes values ('one')");
        assert!(
            evidence
                .reasons
                .iter()
                .any(|reason| reason.contains("postgres: public.people is empty, and held 500")),
            "{evidence:#?}"
        );
        assert!(evidence.reasons.iter().any(|reason| reason.contains("does not hold: it answered `f`")));
        assert!(evidence.notes.iter().any(|note| note.contains("public.notes is gone")), "{evidence:#?}");

        // Nothing older goes for a backup that is worth nothing.
        let listing = jobs::list(&host.context, &[]).await.expect("a list").backups;
        let told: Vec<_> = listing.iter().map(|row| (row.proven, row.restored)).collect();
        assert_eq!(told, [(Some(false), Some(false)), (Some(true), Some(true))]);
        assert_eq!(listing[1].here.expect("here").keep, Keep::NewestProven);

        // From the bucket alone the evidence is kept there.
        for file in host.files().iter().filter(|file| file.ends_with(".tar.gz") || file.ends_with(".gz")) {
            fs::remove_file(host.path(file)).expect("removed");
        }
        let evidence = proof(&host).await.expect("looked at");
        let key = format!("{}.verified.json", evidence.name);
        assert!(client.head_object().bucket(BUCKET).key(&key).send().await.is_ok(), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_goes_with_its_backup_and_the_measure_stays() {
    let Some(server) = Postgres::start("") else { return };
    server.sql("create table people as select n from generate_series(1, 500) n");
    let host = host(&server, Method::Dump);
    let mut names = Vec::new();
    for rows in [500, 600, 0] {
        server
            .sql(&format!("truncate people; insert into people select n from generate_series(1, {rows}) n"));
        names.push(jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest.name);
        let evidence = proof(&host).await.expect("looked at");
        assert_eq!(evidence.is_proof(), rows > 0, "{evidence:#?}");
        host.pass(TimeDelta::days(1));
    }
    host.pass(TimeDelta::days(30));
    server.sql("insert into people select n from generate_series(1, 200) n");
    let last = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest.name;
    // When one was last proven, and that one was condemned since.
    let told = [1, 2].map(|which| format!("{}.verified.json", names[which]));
    let left = [told.as_slice(), &[last.clone(), format!("{last}.manifest.json")]].concat();
    assert_eq!(host.files(), left);
    let evidence = proof(&host).await.expect("looked at");
    assert_eq!(evidence.reasons, ["it holds 200 where a proven backup held 600"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worthless_backup_is_no_proof_and_says_why() {
    let Some(server) = Postgres::start("") else { return };
    // Empty: a server that nobody wrote to.
    for method in [Method::Plain, Method::Dump] {
        let host = host(&server, method);
        jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
        let evidence = proof(&host).await.expect("looked at");
        assert!(evidence.reasons.iter().any(|reason| reason.contains("it holds nothing")), "{evidence:#?}");
    }
    server.sql("create table people as select n from generate_series(1, 500) n");
    let host = host(&server, Method::Dump);
    let name = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest.name;
    let good = fs::read(host.path(&name)).expect("there");
    let connection = server.connection();
    let schema = Command::new("sh")
        .args([
            "-c",
            &format!(
                "{}/pg_dumpall --schema-only -h {} -p {} -U postgres | gzip",
                server.bin().display(),
                connection.host.expect("a socket"),
                connection.port.expect("a port")
            ),
        ])
        .output()
        .expect("it runs")
        .stdout;
    let cut = Command::new("sh")
        .args(["-c", &format!("gzip -dc {} | head -c 2500 | gzip", host.path(&name).display())])
        .output()
        .expect("it runs")
        .stdout;
    let mut changed = good.clone();
    changed[4] ^= 1;
    // As files that another program left, which have no manifest; and with ours, which knows better.
    let manifest = host.path(&format!("{name}.manifest.json"));
    let noted = fs::read(&manifest).expect("there");
    for (bytes, has_manifest, words) in [
        (&changed, true, "its SHA-256 was"),
        (&good[..good.len() - 100].to_vec(), true, "bytes were written and"),
        (&good[..good.len() - 100].to_vec(), false, "cannot be read"),
        (&schema, false, "and not one row"),
        (&cut, false, "it was cut off"),
        (&Vec::new(), false, "cannot be read"),
    ] {
        fs::write(host.path(&name), bytes).expect("written");
        if has_manifest {
            fs::write(&manifest, &noted).expect("written");
        } else if manifest.exists() {
            fs::remove_file(&manifest).expect("removed");
        }
        let evidence = proof(&host).await.expect("looked at");
        assert!(evidence.reasons.iter().any(|reason| reason.contains(words)), "{words}: {evidence:#?}");
    }
}

/// Counts who knocks at a port.
fn door() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let knocks = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&knocks);
    std::thread::spawn(move || {
        for _ in listener.incoming().flatten() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, knocks)
}

fn entries(path: &Path) -> usize {
    fs::read_dir(path).expect("readable").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scratch_server_does_nothing_of_what_the_backed_up_one_did() {
    let (port, knocks) = door();
    let archive = tempfile::Builder::new().prefix("archive").tempdir_in("/tmp").expect("a folder");
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(archive.path(), everybody).expect("given");
    let settings = format!(
        "wal_level = logical\narchive_mode = on\narchive_command = 'cp %p {0}/%f'\nshared_preload_libraries = 'auto_explain'\n\
         primary_conninfo = 'host=127.0.0.1 port={port}'\n",
        archive.path().display()
    );
    let Some(mut server) = Postgres::start(&settings) else { return };
    server.sql("create table people as select n from generate_series(1, 500) n");
    server.sql(&format!(
        "create subscription follower connection 'host=127.0.0.1 port={port} dbname=x' publication p with (connect = false)"
    ));
    server.sql("alter subscription follower enable");
    server.sql("select pg_create_physical_replication_slot('somebody')");
    server.sql("alter system set archive_command = 'cp %p /nonexistent/%f'");
    // By its own settings nobody gets into this one.
    server.sql("create database other");
    server.sql("alter database other set session_preload_libraries = 'no_such_library'");
    // A primary does not look at it; a copy would follow another and never serve.
    fs::write(server.data().join("standby.signal"), "").expect("written");
    fs::write(server.data().join("recovery.signal"), "").expect("written");
    let context = host(&server, Method::Plain);
    let report = jobs::backup(&context.context, Tier::Daily).await.expect("a backup");
    server.kill();
    let (archived, knocked) = (entries(archive.path()), knocks.load(Ordering::SeqCst));
    assert!(knocked > 0, "the living one knocked");
    let evidence = proof(&context).await.expect("looked at");
    assert_eq!(evidence.reasons, Vec::<String>::new(), "{evidence:#?}");
    assert_eq!(evidence.counts["postgres"]["public.people"], 500);
    assert!(evidence.counts.contains_key("other"));
    assert_eq!(knocks.load(Ordering::SeqCst), knocked, "nobody was followed");
    assert_eq!(entries(archive.path()), archived, "nothing was archived");
    assert!(report.manifest.proven());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tablespaces_are_restored_elsewhere_and_the_living_ones_untouched() {
    let Some(server) = Postgres::start("") else { return };
    let fast = server.folder("fast");
    server.sql(&format!("create tablespace fast location '{}'", fast.display()));
    server.sql("create table people tablespace fast as select n from generate_series(1, 500) n");
    let host = host(&server, Method::Plain);
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    let evidence = proof(&host).await.expect("looked at");
    assert_eq!(evidence.reasons, Vec::<String>::new(), "{evidence:#?}");
    assert_eq!(evidence.counts["postgres"]["public.people"], 500);
    server.sql("insert into people values (501)");
    assert_eq!(server.sql("select count(*) from people"), "501");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_major_version_is_a_clear_refusal() {
    let Some(server) = Postgres::start("") else { return };
    let host = host(&server, Method::Plain);
    let name = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest.name;
    let script = format!(
        "set -e; cd {}; mkdir x; tar -xzf {name} -C x; echo 9 > x/PG_VERSION; tar -czf {name} -C x .; rm -r x {name}.manifest.json",
        host.context.directory().display()
    );
    let made = Command::new("sh").args(["-c", &script]).output().expect("it runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // What lacks here condemns no backup.
    let error = proof(&host).await.expect_err("not installed");
    let help = error.help.as_deref().unwrap_or_default();
    assert!(error.message.contains("of PostgreSQL 9") && help.contains("apt install"), "{error:?}");
    assert!(!host.files().iter().any(|file| file.ends_with(".verified.json")), "{:?}", host.files());
}

/// As databases of reports have them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_tables_with_long_names_are_counted() {
    let Some(server) = Postgres::start("") else { return };
    let long = "n".repeat(58);
    server.sql(&format!(
        "create schema \"{long}\"; do $$ begin for i in 1..2600 loop \
         execute format('create table %I.%I as select 1', '{long}', '{long}' || i); end loop; end $$"
    ));
    let host = host(&server, Method::Dump);
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    let evidence = proof(&host).await.expect("looked at");
    assert_eq!(evidence.reasons, [""; 0], "{evidence:#?}");
    assert_eq!(evidence.counts["postgres"].len(), 2600);
    assert_eq!(evidence.counts["postgres"][&format!("{long}.{long}2600")], 1);
}

/// As it does where no memory is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scratch_server_that_the_kernel_kills_condemns_nothing() {
    let Some(server) = Postgres::start("") else { return };
    let mut host = host(&server, Method::Plain);
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    let kills = "copy (select 1) to program 'kill -9 $(ps -o ppid= -p $PPID)'";
    host.context.job.verify.checks = vec![SqlCheck { sql: kills.to_owned(), database: None }];
    let error = proof(&host).await.expect_err("it could not be looked at");
    assert!(error.stage == Stage::Prove && error.message.contains("killed by signal 9"), "{error}");
    assert!(!host.files().iter().any(|file| file.ends_with(".verified.json")), "{:?}", host.files());
}
