//! A repository of Elasticsearch on a machine, asked for by the machine's own curl through its shell. The cluster is the
//! stand-in on a port; everything in between is real.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reconcile::clients::aws::{Aws, AwsSettings};
use reconcile::clients::elasticsearch::{Elasticsearch as Client, EsErrorKind, Pace, Way as By};
use reconcile::clients::host::{Host, Question, Shell, Way};
use reconcile::clients::http::{Ask, Method, Unanswered};
use reconcile::plan::{Action, Consent, Plan, between};
use reconcile::resources::{Resource, SnapshotRepository};
use reconcile::sandbox::elasticsearch::{Elasticsearch, KnobLogin, Knobs, Trouble, TroubleKind};
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::state::{Desired, HeldCode, Selection, Sighting, Wanted};
use reconcile::vocab::{Clock, Id, Kind, Login, Risk, Secret};
use reconcile::world::{Hosts, LiveWorld, Reach, WorldRead, apply};

use crate::support::desired::wanted;
use crate::support::{self, skip};

const PASSWORD: &str = "canary \"with\\ quotes";

fn clock() -> Clock {
    Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"))
}

/// A cluster that asks who is there.
fn cluster() -> Elasticsearch {
    let login = KnobLogin { username: "backup".to_owned(), password: PASSWORD.to_owned() };
    Elasticsearch::memory(clock(), Knobs { login: Some(login), ..Knobs::default() })
}

fn login() -> Login {
    Login { username: Secret::new("backup"), password: Secret::new(PASSWORD) }
}

fn machine() -> Host {
    Host::Shell(Box::new(Shell::new(Way::Local, None)))
}

/// Whether curl is here.
fn has_curl() -> bool {
    let found = std::process::Command::new("curl").arg("--version").output();
    let is_there = found.is_ok_and(|found| found.status.success());
    if !is_there {
        skip("curl", "`curl` is not installed");
    }
    is_there
}

/// A place at which nobody listens.
fn nowhere() -> String {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    format!("http://{gone}")
}

fn ask(at: Vec<String>, login: Option<Login>) -> Ask {
    Ask { method: Method::GET, at, path: "/".to_owned(), body: None, login, limit: Duration::from_secs(20) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_are_asked_with_a_look_and_by_themselves() {
    if !has_curl() {
        return;
    }
    let (cluster, host) = (cluster(), machine());
    let served = cluster.serve().expect("a port");
    let question = Question {
        asks: BTreeMap::from([
            ("with".to_owned(), ask(vec![nowhere(), served.url()], Some(login()))),
            ("without".to_owned(), ask(vec![served.url()], None)),
            ("gone".to_owned(), ask(vec![nowhere()], None)),
            ("nonsense".to_owned(), ask(vec!["gopher://x".to_owned()], None)),
        ]),
        facts: true,
        ..Question::default()
    };
    let view = host.look(&question).await.expect("it answers");
    assert!(view.facts.has_curl);
    let status = |key: &str| view.asked[key].as_ref().map(|said| said.status);
    assert_eq!((status("with"), status("without")), (Ok(200), Ok(401)));
    let body = &view.asked["with"].as_ref().expect("answered").body;
    assert!(String::from_utf8_lossy(body).contains("You Know, for Search"));
    assert!(matches!(view.asked["gone"], Err(Unanswered::Nowhere(_))), "{:?}", view.asked["gone"]);
    assert!(matches!(view.asked["nonsense"], Err(Unanswered::Address(_))), "{:?}", view.asked["nonsense"]);
    cluster.turn(|knobs| {
        knobs.troubles = vec![Trouble { operation: None, kind: TroubleKind::Cut, after: 0, times: 1 }];
    });
    let cut = host.ask(&ask(vec![served.url()], Some(login()))).await;
    assert!(matches!(cut, Err(Unanswered::Broken(_))), "{cut:?}");
    // The shell goes on.
    assert_eq!(host.ask(&ask(vec![served.url()], Some(login()))).await.map(|said| said.status), Ok(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_client_works_through_a_shell() {
    if !has_curl() {
        return;
    }
    let (cluster, host) = (cluster(), machine());
    let served = cluster.serve().expect("a port");
    let pace = Pace { first: Duration::from_millis(1), most: Duration::from_millis(4), tries: 3 };
    let at = vec![served.url()];
    let client = Client { way: By::Host(&host), at, login: Some(login()), pace };
    assert_eq!(client.about().await.expect("answered").version, "6.8.23");
    assert_eq!(client.repository("none").await, Ok(None));
    let error = client.snapshots("none").await.expect_err("there is none");
    assert_eq!(error.kind, EsErrorKind::RepositoryMissing);
    let alone = Client { login: None, ..client.clone() };
    assert_eq!(alone.about().await.expect_err("no login").kind, EsErrorKind::Denied);
}

/// A world of this machine and one repository that is wanted there.
async fn world(login: Option<Login>) -> LiveWorld {
    let sandbox = Sandbox::memory(SandboxConfig::default(), clock()).expect("a sandbox");
    let aws = Aws::load(AwsSettings { ..sandbox.aws_settings() }).await;
    let hosts = Hosts::from([("es1".parse().expect("a name"), Reach::Machine(machine()))]);
    let environment = "production".parse().expect("a name");
    LiveWorld::connect(environment, aws, hosts, [], 4, clock()).await.with_elasticsearch(login)
}

fn id() -> Id {
    Id::on_host(Kind::SnapshotRepository, "es1".parse().expect("a name"), "production_es_snapshot")
}

fn desired(at: &str, location: &str) -> Desired {
    let repository = SnapshotRepository {
        at: vec![at.to_owned()],
        kind: "fs".to_owned(),
        bucket: None,
        base_path: None,
        endpoint: None,
        location: Some(location.to_owned()),
        read_only: Some(false),
    };
    let wanted = Wanted {
        datastores: BTreeSet::from(["elasticsearch".parse().expect("a name")]),
        ..wanted(Resource::SnapshotRepository(repository))
    };
    support::desired::desired([(id(), wanted)])
}

async fn plan(world: &LiveWorld, desired: &Desired) -> Plan {
    between(desired, &Selection::all(), &world.observe(&desired.scope()).await)
}

#[tokio::test]
async fn a_repository_is_registered_through_a_shell_and_read_back() {
    if !has_curl() {
        return;
    }
    let cluster = cluster();
    let served = cluster.serve().expect("a port");
    let world = world(Some(login())).await;
    let first = desired(&served.url(), "one");
    let made = plan(&world, &first).await;
    assert_eq!(made.changes.iter().map(|change| change.action).collect::<Vec<_>>(), [Action::Create]);
    let granted = made.grant(&Consent::default()).expect("routine");
    assert!(apply(&world, granted, 1, &|_, _| {}).await.all_done());
    assert!(plan(&world, &first).await.is_empty());

    // What somebody set beside it stays, and another place needs a word.
    cluster
        .state(|records| {
            let own = records.repositories.get_mut("production_es_snapshot").expect("registered");
            own.settings.insert("max_snapshot_bytes_per_sec".to_owned(), "40mb".to_owned());
        })
        .expect("changed");
    let second = desired(&served.url(), "two");
    let moved = plan(&world, &second).await;
    assert!(moved.changes[0].risk.contains(&Risk::Destructive), "{:?}", moved.changes);
    let consent = Consent { allowed: moved.needed_consents(), sandbox: false };
    assert!(apply(&world, moved.grant(&consent).expect("allowed"), 1, &|_, _| {}).await.all_done());
    let settings = cluster
        .state(|records| records.repositories["production_es_snapshot"].settings.clone())
        .expect("a state");
    assert_eq!(
        (settings["location"].as_str(), settings["max_snapshot_bytes_per_sec"].as_str()),
        ("two", "40mb")
    );

    // Nodes that cannot write fail the change, in their own words.
    cluster.turn(|knobs| knobs.unwritable = true);
    let moved = plan(&world, &first).await;
    let consent = Consent { allowed: moved.needed_consents(), sandbox: false };
    let report = apply(&world, moved.grant(&consent).expect("allowed"), 1, &|_, _| {}).await;
    assert!(format!("{:?}", report.outcomes).contains("Access Denied"), "{:?}", report.outcomes);
}

#[tokio::test]
async fn what_cannot_be_asked_is_held() {
    if !has_curl() {
        return;
    }
    let cluster = cluster();
    let served = cluster.serve().expect("a port");
    let world = world(None).await;
    let locked = plan(&world, &desired(&served.url(), "one")).await;
    assert!(locked.changes.is_empty());
    assert_eq!(locked.held[0].code, HeldCode::Unknown);
    assert!(locked.held[0].why.contains("into the vault"), "{:?}", locked.held);
    let gone = desired(&nowhere(), "one");
    let held = plan(&world, &gone).await.held;
    assert!(held[0].why.contains("cannot be reached"), "{held:?}");
    // Without curl nothing can be asked, whatever was seen.
    let mut observed = world.observe(&gone.scope()).await;
    for sighting in observed.hosts.values_mut() {
        if let reconcile::state::HostSighting::Reached(facts) = sighting {
            facts.curl = Some(false);
        }
    }
    observed.sightings.insert(id(), Sighting::Absent);
    let held = between(&gone, &Selection::all(), &observed).held;
    assert_eq!((held.len(), held[0].code), (1, HeldCode::NotReady));
    assert!(held[0].why.contains("curl"), "{held:?}");
}
