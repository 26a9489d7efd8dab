//! Hosts that are retired: what cannot be seen of them is told, and of others without anything wanted it is not.

use std::collections::BTreeMap;

use reconcile::clients::aws::Aws;
use reconcile::clients::host::{Folder, Host};
use reconcile::derive;
use reconcile::plan::{Plan, between};
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::state::{HeldCode, HostFacts, Selection, Tag};
use reconcile::vocab::{Clock, HostName};
use reconcile::world::{Hosts, LiveWorld, Reach, WorldRead};

use crate::settings::folder::loaded;
use crate::support::wait;

const PUBLIC: &str = "deploy_env: prod\nbackup_postgres: plain\n";

/// The plan of an environment some of whose hosts cannot be reached.
fn plan(inventory: &str, unreachable: &[&str], selection: &Selection) -> Plan {
    let settings = loaded(&[("public.yml", PUBLIC), ("inventory.ini", inventory)]);
    let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
    let sandbox = Sandbox::memory(SandboxConfig::default(), clock).expect("a sandbox");
    let reach = |name: &HostName| match unreachable.contains(&name.as_str()) {
        true => Reach::Not("no route to it".to_owned()),
        false => {
            let folder = Folder::new(sandbox.host_dir(name), Some(sandbox.tripwire()))
                .served_by(sandbox.elasticsearch(name).network());
            Reach::Played(Host::Folder(folder), Box::new(HostFacts::played(chrono_tz::UTC)))
        }
    };
    let hosts: Hosts = settings.inventory.hosts.keys().map(|name| (name.clone(), reach(name))).collect();
    wait(async {
        let aws = Aws::load(sandbox.aws_settings()).await;
        let environment = settings.environment.clone();
        let world = LiveWorld::connect(environment, aws, hosts, [], 8, sandbox.clock()).await;
        let desired = derive::desired(&settings).select(selection);
        between(&desired, selection, &world.observe(&desired.scope()).await)
    })
}

fn held(plan: &Plan) -> BTreeMap<String, (HeldCode, String)> {
    plan.held.iter().map(|held| (held.id.to_string(), (held.code, held.why.clone()))).collect()
}

#[test]
fn a_retired_host_that_cannot_be_seen_is_unknown() {
    let inventory = "[pg_backup]\ndb2\n[backups_retired]\ndb1\n[web]\nweb1\n";
    let all = Selection { tags: [Tag::Hosts].into(), limit: [].into() };
    let told = held(&plan(inventory, &["db1", "web1"], &all));
    let why =
        "unreachable: no route to it; it is retired, and what was left on it stays until it can be seen";
    assert_eq!(told.get("host/db1"), Some(&(HeldCode::Unknown, why.to_owned())), "{told:#?}");
    assert!(!told.contains_key("host/web1"), "{told:#?}");
    // It is not asked for.
    let other = Selection { limit: ["db2".parse().expect("valid")].into(), ..all.clone() };
    assert!(!held(&plan(inventory, &["db1"], &other)).contains_key("host/db1"));
    // It is seen.
    assert!(!held(&plan(inventory, &[], &all)).contains_key("host/db1"));
}

#[test]
fn a_retired_host_backs_nothing_up_whatever_names_it() {
    let all = Selection { tags: [Tag::Hosts].into(), limit: [].into() };
    let planned = plan("[pg_backup]\ndb1\ndb2\n[backups_retired:children]\nold\n[old]\ndb1\n", &[], &all);
    let hosts: Vec<&str> =
        planned.changes.iter().filter_map(|change| change.id.host().map(HostName::as_str)).collect();
    assert!(!hosts.is_empty() && hosts.iter().all(|host| *host == "db2"), "{hosts:?}");
    let direct = "deploy_env: prod\nbackups:\n  postgresql: {hosts: [db1, pg], method: plain}\n";
    let inventory = "[pg]\ndb1\ndb2\n[backups_retired]\ndb1\n";
    let settings = loaded(&[("public.yml", direct), ("inventory.ini", inventory)]);
    assert_eq!(settings.postgresql.backed.hosts, ["db2".parse().expect("valid")]);
    let told: Vec<&str> = settings.problems.list.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        told,
        ["db1 is in the hosts of postgresql and [pg], and in [backups_retired]: it backs nothing up"]
    );
}
