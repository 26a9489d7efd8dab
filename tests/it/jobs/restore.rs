//! Restores: what was backed up is there again, what was there is kept, and what is not to be trusted changes nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::TimeDelta;
use reconcile::clients::aws::Aws;
use reconcile::datastores::job_file::Source;
use reconcile::datastores::postgresql::settings::Method;
use reconcile::datastores::tree::settings::TreeSource;
use reconcile::jobs::restore::{self, Restored, Wanted};
use reconcile::jobs::verify::verify;
use reconcile::jobs::{self, JobError, Stage, Store};
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::vocab::Tier;

use super::host::Host;
use crate::support::postgres::{Postgres, as_postgres, give};

const ROWS: &str = "create table ledger as select n, md5(n::text) as digest from generate_series(1, 2000) n";
const SUM: &str = "select md5(string_agg(n || digest, ',' order by n)) from ledger";
pub const BUCKET: &str = "backups";

pub async fn restored(host: &Host, wanted: &Wanted, to: Option<PathBuf>) -> Result<Restored, JobError> {
    let ready = restore::prepare(&host.context, &[], wanted, to).await?;
    ready.carry_out(&host.context).await
}

pub fn host(server: &Postgres, method: Method) -> Host {
    let mut host = Host::new(method);
    host.context.postgresql = server.connection();
    host
}

/// A bucket that keeps versions, in a sandbox's memory, as the host's second place.
pub async fn with_bucket(host: &mut Host, versioned: bool) -> aws_sdk_s3::Client {
    let sandbox = Sandbox::memory(SandboxConfig::default(), host.context.clock.clone()).expect("a sandbox");
    let client = Aws::load(sandbox.aws_settings()).await.s3_transfer(None);
    host.upload_to(&client, BUCKET, versioned).await;
    client
}

/// Backs up, damages, restores, and compares, in the place of the living data.
async fn there_and_back(method: Method) {
    let Some(mut server) = Postgres::start("") else { return };
    server.sql(ROWS);
    server.sql("create role clerk login password 'canary-of-a-role'");
    server.sql("create database \"Odd Name\" encoding 'UTF8'");
    let sum = server.sql(SUM);
    let host = host(&server, method);
    let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    let data = server.data();
    assert_eq!(report.manifest.source["data_directory"], data.display().to_string());
    server.sql("drop table ledger; drop role clerk");

    // While it runs nothing is touched.
    let ready = restore::prepare(&host.context, &[], &Wanted::Newest, None).await.expect("ready");
    assert!(ready.in_use.as_deref().is_some_and(|who| who.contains("a PostgreSQL server runs")));
    assert_eq!(ready.services.stop.as_deref(), Some(&*format!("pg_ctl -D {} -m fast stop", data.display())));
    let refused = ready.carry_out(&host.context).await.expect_err("it runs");
    assert!(
        refused.stage == Stage::Exchange
            && refused.help.as_deref().is_some_and(|help| help.contains("stop it"))
    );

    server.kill();
    let before = fs::metadata(&data).expect("there");
    let done = restored(&host, &Wanted::Newest, None).await.expect("restored");
    assert!(done.compared && done.name == report.manifest.name, "{done:?}");
    assert_eq!(done.into, data.display().to_string());
    let kept = format!("{}.before-restore-20261121T000000Z", data.display());
    assert_eq!(done.kept, std::slice::from_ref(&kept));
    let after = fs::metadata(&data).expect("there");
    assert_eq!((before.uid(), before.mode()), (after.uid(), after.mode()));

    let server = server.start_again();
    assert_eq!(server.sql(SUM), sum);
    assert_eq!(server.sql("select rolcanlogin from pg_roles where rolname = 'clerk'"), "t");
    assert_eq!(server.sql("select count(*) from pg_database where datname = 'Odd Name'"), "1");
    // What an administrator set stays set.
    assert_eq!(server.sql("show shared_buffers"), "16MB");
    assert!(Path::new(&kept).join("PG_VERSION").is_file());
    let around = fs::read_dir(data.parent().expect("a parent")).expect("readable");
    let left: Vec<String> =
        around.map(|entry| entry.expect("one").file_name().to_string_lossy().into_owned()).collect();
    assert!(!left.iter().any(|name| name.starts_with(".reconcile")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_backup_takes_the_place_of_damaged_data() {
    there_and_back(Method::Plain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_takes_the_place_of_damaged_data() {
    there_and_back(Method::Dump).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_backup_before_an_incident_is_taken_and_none_after_it() {
    let Some(server) = Postgres::start("") else { return };
    server.sql(ROWS);
    let host = host(&server, Method::Plain);
    let first = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest;
    host.pass(TimeDelta::days(1));
    let incident = first.ended + TimeDelta::hours(20);
    server.sql("delete from ledger");
    let second = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest;
    let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("folder");
    give(folder.path());
    let to = folder.path().join("data");
    let done = restored(&host, &Wanted::Before(incident), Some(to.clone())).await.expect("restored");
    assert_eq!((done.name.as_str(), done.kept.len()), (first.name.as_str(), 0));
    // What is told to look at it with.
    let start = done.start.expect("a command");
    assert!(start.contains("archive_mode=off") && start.contains("listen_addresses=''"), "{start}");
    let (socket, data) = (folder.path().display(), to.display());
    let mut looked = as_postgres(Path::new("/bin/sh"));
    looked.env("PATH", server.bin()).arg("-c").arg(format!(
        "{start} -o '-k {socket}' >/dev/null && psql -h {socket} -p 5433 -U postgres -Atc 'select count(*) from ledger'; \
         pg_ctl -D {data} -m fast -w stop >/dev/null"
    ));
    let looked = looked.output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&looked.stdout), "2000\n", "{looked:?}");
    let copy = Postgres::restored(folder, &to);
    assert_eq!(copy.sql("select count(*) from ledger"), "2000");
    assert_eq!(server.sql("select count(*) from ledger"), "0", "the living one goes on");

    // To the moment: what ended with the incident may hold it.
    let none = restored(&host, &Wanted::Before(first.ended), Some("/nonexistent/x".into())).await;
    assert!(none.expect_err("none").message.contains("no backup that was whole before"));
    let named =
        restore::prepare(&host.context, &[], &Wanted::Named(second.name.clone()), None).await.expect("ready");
    assert_eq!(named.chosen.name, second.name);
    // Nothing is mixed with what is there.
    let full = restored(&host, &Wanted::Newest, Some("/etc".into())).await.expect_err("not empty");
    assert!(full.message.contains("/etc is not empty"), "{full}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_what_was_written_changes_nothing() {
    let Some(mut server) = Postgres::start("") else { return };
    server.sql(ROWS);
    let host = host(&server, Method::Plain);
    let name = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest.name;
    let sum = server.sql(SUM);
    server.kill();
    let path = host.path(&name);
    let good = fs::read(&path).expect("there");
    let mut changed = good.clone();
    // In what gzip says of the file itself, which unpacking never looks at.
    changed[4] ^= 1;
    for (bad, words) in [
        (changed, "SHA-256"),
        (good[..good.len() / 2].to_vec(), "bytes were written"),
        (Vec::new(), "bytes were written and 0 are there"),
    ] {
        fs::write(&path, bad).expect("written");
        let error = restored(&host, &Wanted::Named(name.clone()), None).await.expect_err(words);
        assert!(error.message.contains(words) && error.message.contains("untouched"), "{error}");
    }
    let around = fs::read_dir(server.data().parent().expect("a parent")).expect("readable");
    assert!(
        !around
            .map(|entry| entry.expect("one").file_name())
            .any(|name| name.to_string_lossy().contains("restore"))
    );
    let server = server.start_again();
    assert_eq!(server.sql(SUM), sum);
}

/// As `create_postgres_dump.sh` of commcare-cloud packs: the directory by its whole path, without its first slash; SQL as
/// it comes out of pg_dumpall.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archives_of_the_older_scripts_are_restored() {
    let Some(mut server) = Postgres::start("") else { return };
    server.sql(ROWS);
    let sum = server.sql(SUM);
    for (method, name) in [
        (Method::Plain, "postgres_production_daily_2026_11_20.tar.gz"),
        (Method::Dump, "postgres_production_daily_2026_11_20.gz"),
    ] {
        let host = host(&server, method);
        let connection = server.connection();
        let directory = host.path("postgres_production_daily_2026_11_20");
        let reach = format!(
            "-h {} -p {} -U postgres",
            connection.host.expect("a socket"),
            connection.port.expect("a port")
        );
        let bin = server.bin().display();
        let script = match method {
            Method::Plain => format!(
                "{bin}/pg_basebackup -Fp -Xs -D {directory} {reach} && tar -czf {directory}.tar.gz {directory} && rm -rf {directory}",
                directory = directory.display()
            ),
            Method::Dump => format!("{bin}/pg_dumpall {reach} | gzip > {}.gz", directory.display()),
        };
        let made = Command::new("sh").args(["-c", &script]).output().expect("it runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("folder");
        let to = folder.path().join("data");
        let done = restored(&host, &Wanted::Newest, Some(to.clone())).await.expect("restored");
        assert!(done.name == name && !done.compared, "{done:?}");
        if method == Method::Dump {
            // A cluster that was made for the script lets in nobody but its own user.
            let access = fs::read_to_string(to.join("pg_hba.conf")).expect("there");
            assert!(
                access.lines().any(|line| line.starts_with("local") && line.ends_with("peer")),
                "{access}"
            );
            fs::write(to.join("pg_hba.conf"), "local all all trust\n").expect("written");
        }
        let copy = Postgres::restored(folder, &to);
        assert_eq!(copy.sql(SUM), sum, "{method:?}");
    }
    server.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_version_of_an_undated_key_comes_back_from_the_bucket_alone() {
    let Some(server) = Postgres::start("") else { return };
    server.sql(ROWS);
    let mut host = host(&server, Method::Plain);
    let client = with_bucket(&mut host, true).await;
    let first = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest;
    let sum = server.sql(SUM);
    host.pass(TimeDelta::days(1));
    server.sql("update ledger set digest = 'changed'");
    let second = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest;
    let keys = client.list_objects_v2().bucket(BUCKET).send().await.expect("listed");
    let keys: Vec<&str> = keys.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["postgres_daily_db1.tar.gz", "postgres_daily_db1.tar.gz.manifest.json"]);
    // The disk is gone.
    for file in host.files() {
        fs::remove_file(host.path(&file)).expect("removed");
    }
    let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("folder");
    let to = folder.path().join("data");
    let before = Wanted::Before(first.ended + TimeDelta::seconds(1));
    let done = restored(&host, &before, Some(to.clone())).await.expect("restored");
    assert!(done.compared && done.ended == Some(first.ended), "{done:?}");
    let copy = Postgres::restored(folder, &to);
    assert_eq!(copy.sql(SUM), sum);

    // Each version by its name, and the key itself although somebody deleted it.
    client.delete_object().bucket(BUCKET).key(keys[0]).send().await.expect("hidden");
    let version = second.remote.expect("a copy").version_id.expect("a version");
    let named = Wanted::Named(format!("{}?versionId={version}", keys[0]));
    let ready = restore::prepare(&host.context, &[], &named, None).await.expect("ready");
    assert_eq!(ready.chosen.ended, Some(second.ended));
    let listed = jobs::list(&host.context, &[]).await.expect("listed");
    assert_eq!(listed.hidden.iter().map(|hidden| hidden.key.as_str()).collect::<Vec<_>>(), [keys[0]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_fetched_with_nothing_but_credentials() {
    let Some(server) = Postgres::start("") else { return };
    server.sql(ROWS);
    for (method, file) in
        [(Method::Plain, "PG_VERSION"), (Method::Dump, "postgres_production_daily_2026_11_21")]
    {
        let mut host = host(&server, method);
        let client = with_bucket(&mut host, false).await;
        let manifest = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest;
        let store = Store { client: client.clone(), owner: None, owner_unknown: None };
        let url = format!("s3://{BUCKET}/{}", manifest.name).parse().expect("an address");
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("a/b");
        let fetched = restore::fetch(store.clone(), &url, &to, &host.context.clock).await.expect("fetched");
        assert_eq!(fetched.manifest, Some(manifest.clone()));
        assert!(fetched.compared && to.join(file).is_file(), "{fetched:?}");
        let again = restore::fetch(store.clone(), &url, &to, &host.context.clock).await.expect_err("full");
        assert!(again.message.contains("is not empty"));

        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/nonexistent/x", &link).expect("linked");
        let error =
            restore::fetch(store.clone(), &url, &link, &host.context.clock).await.expect_err("refused");
        assert!(error.stage == Stage::Choose && error.message.contains("leads nowhere"), "{error}");

        // Without a manifest the storage's own checksum is compared.
        let beside = format!("{}.manifest.json", manifest.name);
        client.delete_object().bucket(BUCKET).key(beside).send().await.expect("removed");
        let to = folder.path().join("c");
        let bare = restore::fetch(store, &url, &to, &host.context.clock).await.expect("fetched");
        assert!(bare.compared, "{bare:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_comes_back_as_it_was_and_what_was_there_is_kept() {
    let mut host = Host::of("blobdb", "/opt/data/backups/blobdb", tree("/opt/data/blobdb"));
    host.context.job.keep.days = 30;
    let root = host.context.root.clone();
    let blobs = root.join("opt/data/blobdb");
    fs::create_dir_all(blobs.join("deep/er")).expect("made");
    fs::write(blobs.join("deep/er/one"), "1").expect("written");
    fs::hard_link(blobs.join("deep/er/one"), blobs.join("same")).expect("linked");
    std::os::unix::fs::symlink("deep/er/one", blobs.join("link")).expect("linked");
    let sparse = fs::File::create(blobs.join("sparse")).expect("made");
    sparse.set_len(64 << 20).expect("long");
    let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    let evidence = verify(&host.context, &[], &Wanted::Newest, None).await.expect("looked at");
    assert_eq!((evidence.reasons.len(), evidence.counts["bytes"]["deep"]), (0, 1), "{evidence:#?}");

    fs::remove_dir_all(blobs.join("deep")).expect("lost");
    fs::write(blobs.join("new"), "of today").expect("written");
    let done = restored(&host, &Wanted::Newest, None).await.expect("restored");
    assert!(done.compared && done.name == report.manifest.name);
    assert_eq!(fs::read_to_string(blobs.join("deep/er/one")).expect("back"), "1");
    let inode = |name: &str| fs::symlink_metadata(blobs.join(name)).expect("there");
    assert_eq!(inode("same").ino(), inode("deep/er/one").ino());
    assert!(
        inode("link").is_symlink() && inode("sparse").len() == 64 << 20 && inode("sparse").blocks() < 1000
    );
    assert!(!blobs.join("new").exists());
    assert_eq!(fs::read_to_string(Path::new(&done.kept[0]).join("new")).expect("kept"), "of today");

    // As the roles' script packed it, under names with the hour: `tar -Pzcf .. /opt/data/blobdb`.
    host.pass(TimeDelta::days(1));
    let archive = host.path("blobdb_daily_2026_11_22_03.tar.gz");
    let script = format!(
        "tar -Pzcf {} --transform 's,^{},/opt/data/blobdb,' {}",
        archive.display(),
        blobs.display(),
        blobs.display()
    );
    let made = Command::new("sh").args(["-c", &script]).output().expect("it runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::remove_dir_all(&blobs).expect("lost");
    let named = Wanted::Named("blobdb_daily_2026_11_22_03.tar.gz".to_owned());
    let done = restored(&host, &named, None).await.expect("restored");
    assert!(!done.compared && done.kept.is_empty(), "{done:?}");
    assert_eq!(fs::read_to_string(blobs.join("deep/er/one")).expect("back"), "1");
}

/// As a shell completes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slash_at_the_end_names_the_same_directory() {
    let host = Host::of("blobdb", "/opt/data/backups/blobdb", tree("/opt/data/blobdb"));
    let blobs = host.context.root.join("opt/data/blobdb");
    fs::create_dir(&blobs).expect("made");
    fs::write(blobs.join("which"), "old").expect("written");
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    fs::write(blobs.join("which"), "damaged").expect("written");
    let done = restored(&host, &Wanted::Newest, Some(blobs.join(""))).await.expect("restored");
    assert_eq!(fs::read_dir(&blobs).expect("there").count(), 1, "nothing lies in it");
    assert_eq!(fs::read_to_string(blobs.join("which")).expect("back"), "old");
    assert_eq!(Path::new(&done.kept[0]).parent(), blobs.parent());
}

/// Data on a volume of its own, to which the path of the settings is a link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_behind_a_link_is_replaced_where_it_lies() {
    let host = Host::of("blobdb", "/opt/data/backups/blobdb", tree("/opt/data/blobdb"));
    let link = host.context.root.join("opt/data/blobdb");
    // Another file system, where there is one.
    let elsewhere =
        Some(Path::new("/dev/shm")).filter(|volume| volume.is_dir()).unwrap_or(&host.context.root);
    let volume = tempfile::tempdir_in(elsewhere).expect("a volume");
    let data = fs::canonicalize(volume.path()).expect("there").join("blobs");
    fs::create_dir(&data).expect("made");
    fs::write(data.join("which"), "old").expect("written");
    std::os::unix::fs::symlink(&data, &link).expect("linked");
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    fs::write(data.join("which"), "damaged").expect("written");

    let done = restored(&host, &Wanted::Newest, None).await.expect("restored");
    assert_eq!(fs::read_link(&link).expect("still a link"), data);
    assert_eq!(fs::read_to_string(link.join("which")).expect("back"), "old");
    assert_eq!(Path::new(&done.kept[0]).parent(), Some(data.parent().expect("one")));
    assert_eq!(fs::read_to_string(Path::new(&done.kept[0]).join("which")).expect("kept"), "damaged");

    drop(volume);
    let error = restored(&host, &Wanted::Newest, None).await.expect_err("the volume is away");
    assert!(error.stage == Stage::Choose && error.message.contains("leads nowhere"), "{error}");
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
}

pub fn tree(path: &str) -> Source {
    Source::Tree(TreeSource { path: path.to_owned(), exclude: Vec::new(), host: None })
}
