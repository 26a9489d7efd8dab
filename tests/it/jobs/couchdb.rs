//! Backups of CouchDB's data directory, and their copies on another host. No CouchDB is installed here: the directory is
//! laid out as its documentation has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::TimeDelta;
use reconcile::datastores::couchdb::settings::CouchdbSource;
use reconcile::datastores::job_file::Source;
use reconcile::datastores::tree::job::Elsewhere;
use reconcile::jobs::restore::{self, Wanted};
use reconcile::jobs::{self, Stage};
use reconcile::vocab::Tier;

use super::host::Host;
use super::restore::with_bucket;
use super::tree_faults::interrupted;
use super::trees::members;
use crate::support::{self, sshd};

const DATA: &str = "/opt/data/couchdb2";
const BACKUPS: &str = "/opt/data/backups/couchdb2";

fn host(remote_copy: Option<&str>) -> Host {
    let remote_copy = remote_copy.map(|host| host.parse().expect("name"));
    let host = Host::of(
        "couchdb",
        BACKUPS,
        Source::Couchdb(CouchdbSource { data_dir: DATA.to_owned(), remote_copy }),
    );
    for file in [
        "_dbs.couch",
        "_nodes.couch",
        ".delete/removed.couch",
        ".shards/00000000-7fffffff/commcarehq.1_design/mrview/0a.view",
        "shards/00000000-7fffffff/commcarehq.1.couch",
        "shards/80000000-ffffffff/commcarehq.1.couch",
    ] {
        let path = host.inside(DATA).join(file);
        fs::create_dir_all(path.parent().expect("one")).expect("made");
        fs::write(path, vec![b'c'; 3 << 20]).expect("written");
    }
    host
}

/// Whether rsync is here.
fn has_rsync() -> bool {
    let found = Command::new("rsync").arg("--version").output().is_ok_and(|found| found.status.success());
    if !found {
        support::skip("rsync", "`rsync` is not installed");
    }
    found
}

/// A host whose backups have a second place, a directory in place of a machine.
struct Copied {
    host: Host,
    there: PathBuf,
    _folder: tempfile::TempDir,
}

impl Copied {
    /// `None` where there is no rsync.
    fn new() -> Option<Copied> {
        if !has_rsync() {
            return None;
        }
        let folder = tempfile::tempdir().expect("folder");
        let mut host = host(Some("couch2"));
        host.context.elsewhere = Elsewhere::Folders(folder.path().to_owned());
        let there = folder.path().join("couch2").join(BACKUPS.trim_start_matches('/'));
        fs::create_dir_all(&there).expect("made");
        Some(Copied { host, there, _folder: folder })
    }
}

#[tokio::test]
async fn indexes_are_read_before_databases_and_the_map_of_shards_last() {
    let host = host(None);
    let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    assert_eq!(report.manifest.name, "couchdb_daily_2026_11_21.tar.gz");
    let members = members(&host, &report);
    let at = |name: &str| {
        members.iter().position(|member| member == name).unwrap_or_else(|| panic!("{name}: {members:?}"))
    };
    assert_eq!(at("./"), 0);
    assert!(at("./.shards/00000000-7fffffff/commcarehq.1_design/mrview/0a.view") < at("./_nodes.couch"));
    assert!(at("./_nodes.couch") < at("./shards/80000000-ffffffff/commcarehq.1.couch"));
    assert_eq!(at("./_dbs.couch"), members.len() - 1);
    assert!(!members.iter().any(|member| member.contains(".delete")), "{members:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_database_is_no_news_and_a_file_that_goes_is_told() {
    let host = host(None);
    let data = host.inside(DATA);
    fs::write(data.join("_dbs.couch.compact"), "x").expect("written");
    let report = interrupted(&host, move |_| {
        fs::remove_file(data.join("_dbs.couch.compact")).expect("removed");
        let view = data.join(".shards/00000000-7fffffff/commcarehq.1_design/mrview/0a.view");
        let mut file = fs::File::options().append(true).open(view).expect("opened");
        std::io::Write::write_all(&mut file, b"more").expect("written");
    })
    .await
    .expect("a backup");
    assert_eq!(report.warnings, ["1 file vanished before it was read: ./_dbs.couch.compact"]);
}

/// A volume that is not mounted, with what somebody left below it.
#[tokio::test]
async fn a_directory_that_is_not_couchdbs_is_no_backup_and_costs_none() {
    let host = host(None);
    let first = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest.name;
    fs::remove_file(host.inside(DATA).join("_dbs.couch")).expect("removed");
    host.pass(TimeDelta::days(30));
    let error = jobs::backup(&host.context, Tier::Daily).await.expect_err("not CouchDB's");
    assert_eq!(error.stage, Stage::Dump);
    assert!(error.message.contains("there is no _dbs.couch in it"), "{error}");
    let checks = jobs::preflight(&host.context, Tier::Daily, false).await;
    assert!(checks.iter().any(|check| check.wrong.as_ref().is_some_and(|why| why.contains("_dbs.couch"))));
    let left = [with_manifests(&[&first]), vec!["last-failure.json".to_owned()]].concat();
    assert_eq!(host.files(), left, "its time is over, and nothing proven came after it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_map_of_shards_that_goes_meanwhile_is_fatal() {
    let host = host(None);
    let data = host.inside(DATA);
    let error = interrupted(&host, move |_| fs::remove_file(data.join("_dbs.couch")).expect("removed"))
        .await
        .expect_err("worth nothing");
    assert!(error.message.contains("_dbs.couch vanished before it was read"), "{error}");
    assert_eq!(host.files(), ["last-failure.json"]);
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("utf-8"))
        .filter(|name| !name.starts_with(".reconcile-"))
        .collect();
    names.sort();
    names
}

fn with_manifests(names: &[&str]) -> Vec<String> {
    names.iter().flat_map(|name| [(*name).to_owned(), format!("{name}.manifest.json")]).collect()
}

#[tokio::test]
async fn the_second_host_has_what_the_policy_keeps_and_what_is_not_ours() {
    let Some(Copied { host, there, _folder }) = Copied::new() else { return };
    fs::write(there.join("notes.txt"), "foreign").expect("written");
    fs::write(there.join("postgres_daily_2020_01_01.tar.gz"), "foreign").expect("written");
    for _ in 0..8 {
        jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
        host.pass(TimeDelta::days(1));
    }
    let kept = with_manifests(&[
        "couchdb_daily_2026_11_26.tar.gz",
        "couchdb_daily_2026_11_27.tar.gz",
        "couchdb_daily_2026_11_28.tar.gz",
    ]);
    assert_eq!(names(&host.context.directory()), kept);
    let foreign = ["notes.txt".to_owned(), "postgres_daily_2020_01_01.tar.gz".to_owned()];
    assert_eq!(names(&there), [kept.as_slice(), &foreign].concat());
    for name in &kept {
        assert_eq!(
            fs::read(there.join(name)).expect("there"),
            fs::read(host.path(name)).expect("here"),
            "{name}"
        );
    }

    // The files' times are the machine's, and the nights of this test are not: as if each had been written in its own.
    let midnight = |day: u32| {
        format!("2026-11-{day}T00:00:00Z").parse::<chrono::DateTime<chrono::Utc>>().expect("an instant")
    };
    for day in 26..29 {
        let name = there.join(format!("couchdb_daily_2026_11_{day}.tar.gz"));
        let file = fs::File::options().write(true).open(name).expect("opened");
        file.set_modified(midnight(day).into()).expect("given");
    }

    // The disk here is lost: what is there stays until it is over.
    fs::remove_dir_all(host.context.directory()).expect("removed");
    fs::create_dir(host.context.directory()).expect("made");
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    let left: Vec<String> = names(&there).into_iter().filter(|name| name.ends_with(".gz")).collect();
    assert_eq!(
        left,
        [
            "couchdb_daily_2026_11_27.tar.gz",
            "couchdb_daily_2026_11_28.tar.gz",
            "couchdb_daily_2026_11_29.tar.gz",
            "postgres_daily_2020_01_01.tar.gz",
        ]
    );
}

/// A key's copy that somebody fetched, and one that somebody put aside: neither is a job's, here or there.
#[tokio::test]
async fn what_no_job_wrote_stays_where_it_is() {
    let Some(Copied { host, there, _folder }) = Copied::new() else { return };
    let first = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest.name;
    let (fetched, aside) = ("couchdb_daily_db1.tar.gz", "couchdb_daily_2026_11_21_keep.tar.gz");
    let partial = format!("{fetched}.partial");
    for place in [host.context.directory(), there.clone()] {
        for name in [fetched, aside, &partial] {
            fs::copy(host.path(&first), place.join(name)).expect("copied");
            let file = fs::File::options().write(true).open(place.join(name)).expect("opened");
            file.set_modified(std::time::UNIX_EPOCH).expect("given");
        }
    }
    fs::write(host.path("couchdb_daily_web.tar.gz"), "only here").expect("written");
    for _ in 0..8 {
        host.pass(TimeDelta::days(1));
        let report = jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
        let kept = report.swept.kept.iter().map(|kept| kept.name.as_str());
        assert!(
            kept.clone().count() > 0 && kept.clone().all(|name| name != fetched && name != aside),
            "{report:?}"
        );
    }
    let (here, there) = (names(&host.context.directory()), names(&there));
    for name in [fetched, aside, &partial] {
        assert!(
            here.contains(&name.to_owned()) && there.contains(&name.to_owned()),
            "{name}: {here:?}, {there:?}"
        );
    }
    assert!(!here.contains(&first) && !there.contains(&first), "those of jobs went");
    assert!(!there.contains(&"couchdb_daily_web.tar.gz".to_owned()), "{there:?}");

    // It is shown, and comes back by its name.
    let listing = jobs::list(&host.context, &[]).await.expect("a list");
    for name in [fetched, aside] {
        let row = listing.backups.iter().find(|row| row.name == name).expect("listed");
        assert_eq!(row.here.expect("here").keep, jobs::Keep::NotOurs);
        let named = Wanted::Named(name.to_owned());
        let ready = restore::prepare(&host.context, &[], &named, None).await.expect("ready");
        assert_eq!(ready.chosen.name, name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_host_has_it_although_the_bucket_does_not() {
    let Some(Copied { mut host, there, _folder }) = Copied::new() else { return };
    with_bucket(&mut host, true).await;
    let upload = host.context.job.upload.as_mut().expect("one");
    upload.bucket = "nowhere".parse().expect("a name");
    let error = jobs::backup(&host.context, Tier::Daily).await.expect_err("no bucket");
    assert_eq!(error.stage, Stage::Upload);
    assert_eq!(names(&there), with_manifests(&["couchdb_daily_2026_11_21.tar.gz"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_couchdb_that_runs_is_stopped_first() {
    let host = host(None);
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    // Whoever it is that has a file of it open.
    let open = fs::File::open(host.inside(DATA).join("_dbs.couch")).expect("opened");
    let mut holder = Command::new("sleep").arg("600").stdin(open).spawn().expect("it runs");
    let ready = restore::prepare(&host.context, &[], &Wanted::Newest, None).await.expect("ready");
    let who = ready.in_use.clone();
    let stop = ready.services.stop.clone();
    let refused = ready.carry_out(&host.context).await;
    holder.kill().expect("killed");
    holder.wait().expect("it ends");
    assert!(who.is_some_and(|who| who.contains(&format!("process {} (sleep)", holder.id()))));
    let refused = refused.expect_err("it runs");
    assert!(refused.help.is_some_and(|help| help.contains(&stop.expect("a command"))));
    let ready = restore::prepare(&host.context, &[], &Wanted::Newest, None).await.expect("ready");
    assert_eq!(ready.in_use, None);
    let done = ready.carry_out(&host.context).await.expect("restored");
    assert_eq!(done.start.as_deref(), Some("sudo systemctl start couchdb"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_host_that_is_down_is_loud_and_nothing_goes() {
    if !has_rsync() {
        return;
    }
    let Some(machine) = sshd::Machine::start(&sshd::Like::named("couch2")) else { return };
    let folder = tempfile::tempdir().expect("folder");
    let known = folder.path().join("known_hosts");
    fs::write(&known, machine.known_host(machine.port)).expect("written");
    // A blank in its path is part of it.
    let config: PathBuf = folder.path().join("con fig");
    let text = format!(
        "Host couch2\n  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
        machine.port,
        machine.client_key().display(),
        known.display()
    );
    fs::write(&config, text).expect("written");
    let mut host = host(Some("couch2"));
    host.context.elsewhere = Elsewhere::Ssh { config: Some(config) };

    let checks = jobs::preflight(&host.context, Tier::Daily, false).await;
    let wrong = checks.iter().find_map(|check| check.wrong.clone()).expect("no directory there");
    assert!(wrong.contains("couch2"), "{wrong}");
    fs::create_dir_all(machine.at(BACKUPS)).expect("made");
    let checks = jobs::preflight(&host.context, Tier::Daily, false).await;
    assert!(checks.iter().all(|check| check.wrong.is_none()), "{checks:?}");
    let first = jobs::backup(&host.context, Tier::Daily).await.expect("a backup").manifest.name;
    assert_eq!(names(&machine.at(BACKUPS)), with_manifests(&[&first]));

    drop(machine);
    host.pass(TimeDelta::days(30));
    let error = jobs::backup(&host.context, Tier::Daily).await.expect_err("down");
    assert_eq!(error.stage, Stage::Copy);
    assert!(
        error.message.starts_with("the new backup is good, but its copy cannot go to couch2:"),
        "{error}"
    );
    let here: Vec<String> = host.files();
    let good = with_manifests(&[&first, "couchdb_daily_2026_12_21.tar.gz"]);
    assert_eq!(here, [good.as_slice(), &["last-failure.json".to_owned()]].concat());
}
