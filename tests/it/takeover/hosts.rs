//! Sandbox hosts with tables of cron on them, and the live world over them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use reconcile::clients::aws::Aws;
use reconcile::clients::host::{Folder, Host};
use reconcile::derive;
use reconcile::plan::{Answer, Consent, Plan, Question, between};
use reconcile::resources::program::Offers;
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::settings::Settings;
use reconcile::state::{Desired, HostFacts, Selection, Tag};
use reconcile::vocab::{Clock, HostName};
use reconcile::world::{Hosts, LiveWorld, Reach, WorldRead, apply};

use super::jobs::Tables;
use crate::plan::on_sandbox::program;

/// A part of a table: a foreign line, or an old entry with what belongs to it.
#[derive(Clone, Debug)]
pub struct Piece {
    pub text: String,
    /// Whose backup it is.
    pub old: Option<String>,
}

/// A table on a host, in parts.
#[derive(Clone, Debug)]
pub struct Table {
    pub path: String,
    pub pieces: Vec<Piece>,
}

impl Table {
    /// All of it without the old entries of these datastores.
    pub fn without(&self, datastores: &[String]) -> String {
        let stays = |piece: &&Piece| !piece.old.as_ref().is_some_and(|old| datastores.contains(old));
        self.pieces.iter().filter(stays).map(|piece| piece.text.as_str()).collect()
    }
}

/// Tables by host.
pub type Fixture = BTreeMap<HostName, Vec<Table>>;

/// An environment and what was left on its hosts.
pub struct Case {
    pub settings: Settings,
    pub desired: Desired,
    pub fixture: Fixture,
    /// Only what lies on this host, where one is named.
    pub limit: Option<HostName>,
}

impl Case {
    pub fn new(settings: Settings, fixture: Fixture) -> Self {
        let offers = Offers { played: Some(program().sha256), ..Offers::default() };
        let desired = Desired { offers, ..derive::desired(&settings) };
        Case { settings, desired, fixture, limit: None }
    }

    /// A sandbox with the tables on its hosts.
    pub fn stage(&self) -> Sandbox {
        let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
        let sandbox = Sandbox::memory(SandboxConfig::default(), clock).expect("a sandbox");
        for (host, tables) in &self.fixture {
            for table in tables {
                put(&sandbox, host, &table.path, &table.without(&[]));
            }
        }
        sandbox
    }

    async fn world(&self, sandbox: &Sandbox) -> LiveWorld {
        let host = |name: &HostName| {
            let folder = Folder::new(sandbox.host_dir(name), Some(sandbox.tripwire()))
                .served_by(sandbox.elasticsearch(name).network());
            let facts = Box::new(HostFacts::played(chrono_tz::UTC));
            (name.clone(), Reach::Played(Host::Folder(folder), facts))
        };
        let hosts: Hosts = self.settings.inventory.hosts.keys().map(host).collect();
        let aws = Aws::load(sandbox.aws_settings()).await;
        let environment = self.settings.environment.clone();
        let world = LiveWorld::connect(environment, aws, hosts, [], 8, sandbox.clock()).await;
        world.with_programs([program()])
    }

    /// What is to be done on the hosts; buckets have other tests.
    pub async fn plan(&self, sandbox: &Sandbox) -> Plan {
        let limit = self.limit.iter().cloned().collect();
        let selection = Selection { tags: [Tag::Hosts].into(), limit };
        let desired = self.desired.select(&selection);
        let world = self.world(sandbox).await;
        between(&desired, &selection, &world.observe(&desired.scope()).await)
    }

    pub async fn answer(&self, sandbox: &Sandbox, question: &Question) -> Answer {
        self.world(sandbox).await.answer(question).await
    }

    /// Applies it with every consent; whether all of it was done.
    pub async fn apply(&self, sandbox: &Sandbox) -> bool {
        let plan = self.plan(sandbox).await;
        let consent = Consent { allowed: plan.needed_consents(), sandbox: true };
        let granted = plan.grant(&consent).expect("everything is allowed");
        let report = apply(&self.world(sandbox).await, granted, 1, &|_, _| {}).await;
        if !report.all_done() && !sandbox.crashed() {
            eprintln!("{:#?}", report.outcomes);
        }
        report.all_done()
    }

    /// The tables of each host.
    pub fn tables(&self, sandbox: &Sandbox) -> BTreeMap<HostName, Tables> {
        let of = |host: &HostName| (host.clone(), tables(&sandbox.host_dir(host)));
        self.settings.inventory.hosts.keys().map(of).collect()
    }

    /// What is kept of taken tables on a host, by name.
    pub fn kept(&self, sandbox: &Sandbox, host: &HostName) -> Tables {
        let root = sandbox.host_dir(host);
        let mut kept = Tables::new();
        let directory = format!("/etc/reconcile/{}/adopted", self.settings.environment);
        collect(&root, &directory, &mut kept);
        kept
    }
}

/// Puts a file on a host.
pub fn put(sandbox: &Sandbox, host: &HostName, path: &str, text: &str) {
    let file = sandbox.host_dir(host).join(path.trim_start_matches('/'));
    fs::create_dir_all(file.parent().expect("a directory")).expect("made");
    fs::write(file, text).expect("written");
}

fn tables(root: &Path) -> Tables {
    let mut tables = Tables::new();
    for directory in ["/etc/cron.d", "/var/spool/cron/crontabs"] {
        collect(root, directory, &mut tables);
    }
    if let Ok(bytes) = fs::read(root.join("etc/crontab")) {
        tables.insert("/etc/crontab".to_owned(), bytes);
    }
    tables
}

fn collect(root: &Path, directory: &str, tables: &mut Tables) {
    let entries = fs::read_dir(root.join(directory.trim_start_matches('/')));
    for entry in entries.into_iter().flatten() {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        tables.insert(format!("{directory}/{name}"), fs::read(entry.path()).expect("read"));
    }
}
