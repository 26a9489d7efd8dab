//! What is left once CouchDB runs on restored data: the name of its node in the maps of shards. CouchDB is a stand-in, written
//! from its published API.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use reconcile::datastores::couchdb::job::Address;
use reconcile::datastores::couchdb::settings::CouchdbSource;
use reconcile::datastores::job_file::{Services, Source};
use reconcile::jobs::restore::{self, Wanted};
use reconcile::jobs::{self, JobError};
use reconcile::vocab::{Login, Secret, Tier};
use serde_json::json;

use super::host::Host;
use super::restore::restored;
use crate::support::couch::{Couch, map};

const OLD: &str = "couchdb@10.0.0.1";
const NEW: &str = "couchdb@10.0.0.2";

fn host() -> Host {
    let source = CouchdbSource { data_dir: "/opt/data/couchdb2".to_owned(), remote_copy: None };
    Host::of("couchdb", "/opt/data/backups/couchdb2", Source::Couchdb(source))
}

fn host_at(couch: &Couch) -> Host {
    let mut host = host();
    host.context.couchdb.address =
        Some(Address { url: couch.url(), node_url: Some(format!("http://127.0.0.1:{}", couch.node_port)) });
    host.context.couchdb.patience = Some(Duration::from_millis(600));
    host
}

async fn settle(couch: &Couch) -> Result<String, JobError> {
    restore::after_start(&host_at(couch).context).await.map(|done| done.expect("something to do"))
}

fn writes(couch: &Couch) -> Vec<String> {
    let state = couch.state();
    state.requests.iter().filter(|request| !request.starts_with("GET")).cloned().collect()
}

#[tokio::test]
async fn every_map_names_this_node_and_the_old_one_is_forgotten() {
    for version in ["3.3.3", "2.3.1"] {
        let couch = Couch::start(version, NEW, OLD);
        let right = map("right", &[NEW]);
        couch.state().databases.get_mut("_dbs").expect("maps").insert("right".to_owned(), right.clone());
        let done = settle(&couch).await.expect("settled");
        assert_eq!(done, format!("3 maps of shards name {NEW} in place of {OLD}; 1 named it already"));
        assert!(couch.nodes().iter().all(|(_, node)| node == NEW), "{:?}", couch.nodes());
        let state = couch.state().clone();
        let expected = map("commcarehq/apps+x", &[NEW]);
        let mut found = state.databases["_dbs"]["commcarehq/apps+x"].clone();
        found["_rev"] = expected["_rev"].clone();
        assert_eq!(found, expected, "the history of its shards too");
        assert_eq!(state.databases["_dbs"]["right"], right, "what is right is not written");
        assert_eq!(state.databases["_nodes"].keys().collect::<Vec<_>>(), [NEW]);
        let written = writes(&couch).len();
        // Again there is nothing to do.
        let done = settle(&couch).await.expect("settled");
        assert_eq!(done, format!("all 4 maps of shards name {NEW}: there was nothing to correct"));
        assert_eq!(writes(&couch).len(), written);
    }
}

#[tokio::test]
async fn what_somebody_else_wrote_meanwhile_is_kept() {
    let couch = Couch::start("3.3.3", NEW, OLD);
    couch.state().conflicts = 2;
    settle(&couch).await.expect("settled");
    let state = couch.state().clone();
    let maps = &state.databases["_dbs"];
    assert_eq!(maps.values().filter(|map| map.get("by_somebody_else").is_some()).count(), 1);
    assert!(maps.values().all(|map| map["by_node"].get(NEW).is_some() && map["by_node"].get(OLD).is_none()));
    // Somebody who never stops is told.
    let couch = Couch::start("3.3.3", NEW, OLD);
    couch.state().conflicts = 1000;
    let error = settle(&couch).await.expect_err("never ends");
    assert!(error.message.contains("the map of _users changes while it is corrected"), "{error}");
}

#[tokio::test]
async fn a_cluster_is_refused_before_anything_is_written() {
    type Deed = fn(&mut crate::support::couch::State);
    let cases: [(Deed, &str); 5] = [
        // A database on two nodes.
        (
            |state| {
                let two = map("two", &[OLD, "couchdb@10.0.0.3"]);
                state.databases.get_mut("_dbs").expect("maps").insert("two".to_owned(), two);
            },
            "the database two: its shards lie on 2 nodes",
        ),
        // Databases of one node each.
        (
            |state| {
                let other = map("zebra", &["couchdb@10.0.0.3"]);
                state.databases.get_mut("_dbs").expect("maps").insert("zebra".to_owned(), other);
            },
            "name several other nodes: couchdb@10.0.0.1, couchdb@10.0.0.3",
        ),
        // A third node that is known, and one that is still there.
        (
            |state| {
                let node = json!({"_id": "couchdb@10.0.0.3", "_rev": "1-x"});
                state.databases.get_mut("_nodes").expect("nodes").insert("couchdb@10.0.0.3".to_owned(), node);
            },
            "is one of a cluster, with couchdb@10.0.0.3",
        ),
        (|state| state.connected.push(OLD.to_owned()), "is one of a cluster, with couchdb@10.0.0.1"),
        (
            |state| {
                state
                    .databases
                    .get_mut("_dbs")
                    .expect("maps")
                    .insert("odd".to_owned(), json!({"_id": "odd"}));
            },
            "the database odd: its map of shards is not understood",
        ),
    ];
    for version in ["3.3.3", "2.3.1"] {
        for (deed, told) in &cases {
            let couch = Couch::start(version, NEW, OLD);
            deed(&mut couch.state());
            let error = settle(&couch).await.expect_err(told);
            assert!(error.message.contains(told) || version.starts_with('2'), "{told}: {error}");
            assert!(error.message.contains("nothing was written"), "{error}");
            assert_eq!(writes(&couch), [""; 0], "{told}");
        }
    }
    // A search engine that is connected holds no shards.
    let couch = Couch::start("3.3.3", NEW, OLD);
    couch.state().connected.push("clouseau@127.0.0.1".to_owned());
    settle(&couch).await.expect("settled");
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_without_the_password() {
    let couch = Couch::start("3.3.3", NEW, OLD);
    couch.state().login = Some(("admin", "canary-right"));
    let mut host = host_at(&couch);
    let login = |word: &str| Some(Login { username: Secret::new("admin"), password: Secret::new(word) });
    for (login, told) in [
        (None, "401 unauthorized: You are not a server admin."),
        (login("canary-wrong"), "401 unauthorized: Name or password is incorrect."),
    ] {
        host.context.couchdb.login = login;
        let error = restore::after_start(&host.context).await.expect_err("refused");
        assert!(error.message.contains(told), "{error}");
        assert!(error.help.as_deref().is_some_and(|help| help.contains("COUCH_PASSWORD")), "{error:?}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    host.context.couchdb.login = login("canary-right");
    restore::after_start(&host.context).await.expect("settled");

    let couch = Couch::start("3.3.3", NEW, OLD);
    couch.state().redirects = true;
    let error = settle(&couch).await.expect_err("sent on");
    assert!(error.message.contains("sends on to another address (status 302)"), "{error}");
    assert_eq!(couch.state().requests.len(), 1, "and not followed");

    let couch = Couch::start("3.3.3", NEW, OLD);
    couch.state().databases.remove("_dbs");
    let error = settle(&couch).await.expect_err("no maps");
    assert!(error.message.contains("404 not_found: Database does not exist."), "{error}");

    // It has only just started; it never does.
    let couch = Couch::start("3.3.3", NEW, OLD);
    couch.state().starting = 1;
    settle(&couch).await.expect("settled");
    let host = host_at(&couch);
    drop(couch);
    let error = restore::after_start(&host.context).await.expect_err("gone");
    assert!(error.message.contains("no connection can be made to") && error.help.is_some(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_settles_by_itself_where_it_starts_the_service() {
    let couch = Couch::start("3.3.3", NEW, OLD);
    let mut host = host_at(&couch);
    let root = host.context.root.clone();
    let data = root.join("opt/data/couchdb2");
    for file in ["_dbs.couch", "shards/00000000-ffffffff/hq.1.couch"] {
        let path = data.join(file);
        fs::create_dir_all(path.parent().expect("one")).expect("made");
        fs::write(path, "documents").expect("written");
    }
    jobs::backup(&host.context, Tier::Daily).await.expect("a backup");
    // By hand the command is told that does it.
    let done = restored(&host, &Wanted::Newest, None).await.expect("restored");
    assert_eq!(done.then.as_deref(), Some("reconcile restore couchdb --after-start"));
    assert_eq!(writes(&couch), [""; 0]);

    // As on a host: its paths are the machine's own.
    let source = CouchdbSource { data_dir: data.display().to_string(), remote_copy: None };
    host.context.job.source = Source::Couchdb(source);
    host.context.job.directory = root.join("opt/data/backups/couchdb2").display().to_string();
    host.context.root = "/".into();
    host.context.job.services = Some(Services { stop: "true".to_owned(), start: "true".to_owned() });
    host.pass(chrono::TimeDelta::hours(1));
    let done = restored(&host, &Wanted::Newest, None).await.expect("restored");
    assert_eq!((done.then, done.notes.len()), (None, 1));
    assert!(done.notes[0].contains(&format!("name {NEW} in place of {OLD}")), "{:?}", done.notes);
    // Where that fails the data is back all the same, and it is told what is kept where.
    couch.state().redirects = true;
    host.pass(chrono::TimeDelta::hours(1));
    let error = restored(&host, &Wanted::Newest, None).await.expect_err("sent on");
    assert!(error.message.starts_with("the data is restored, what was there before is kept as "), "{error}");
    assert!(data.join("_dbs.couch").is_file());
}

#[test]
fn the_command_finds_its_login_in_the_job_file() {
    let couch = Couch::start("3.3.3", NEW, OLD);
    couch.state().login = Some(("admin", "canary-right"));
    let folder = tempfile::tempdir().expect("a folder");
    let job = |datastore: &str, source: serde_json::Value| {
        json!({
            "reconcile": {"environment": "production", "id": "x"},
            "version": 2, "environment": "production", "host": "db1", "datastore": datastore,
            "source": source, "directory": folder.path(), "compression": "gzip",
            "keep": {"days": 2, "weeks": 2, "hours": 1}, "upload": null,
            "secrets": {"couch_username": "admin", "couch_password": "canary-right"},
        })
    };
    let run = |datastore: &str, source: serde_json::Value, words: &[&str]| {
        let file = folder.path().join("job.json");
        fs::write(&file, job(datastore, source).to_string()).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_reconcile"))
            .args(["restore", datastore, "--after-start", "--job"])
            .arg(&file)
            .args(words)
            .stdin(Stdio::null())
            .env("NO_COLOR", "1")
            .env_remove("RECONCILE_ENV")
            .output()
            .expect("it runs");
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!text.contains("canary"), "{text}");
        (output.status.code(), text)
    };
    let source = json!({"couchdb": {"data_dir": "/nonexistent", "remote_copy": null}});
    let (code, text) = run("couchdb", source.clone(), &["--url", &couch.url()]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("3 maps of shards name {NEW} in place of {OLD}")), "{text}");
    let (code, text) = run("couchdb", source.clone(), &["--url", &couch.url(), "--output", "json"]);
    assert!(code == Some(0) && text.contains("\"format\": \"reconcile.settled/1\""), "{text}");
    let (code, text) = run("couchdb", source.clone(), &["--url", "http://admin:canary@127.0.0.1"]);
    assert!(code == Some(1) && text.contains("is no address that can be asked"), "{text}");
    assert_eq!(run("couchdb", source, &["--to", "/x"]).0, Some(64));
    let tree = json!({"tree": {"path": "/srv", "exclude": [], "host": null}});
    let (code, text) = run("files-media", tree, &[]);
    assert!(code == Some(64) && text.contains("nothing is left to do"), "{text}");
}
