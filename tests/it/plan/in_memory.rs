//! Planning and applying on a world that is a map.

use std::collections::BTreeMap;

use reconcile::plan::{Consent, Granted, Plan, Report, between};
use reconcile::state::{Desired, HostFacts, HostSighting, Selection, Sighting};
use reconcile::vocab::Id;
use reconcile::world::{MemoryWorld, WorldRead, apply};

/// These things, and hosts that can be reached.
pub(super) fn world(things: BTreeMap<Id, Sighting>, hosts: &[&str]) -> MemoryWorld {
    let mut world = MemoryWorld::new(things);
    let reached = HostSighting::Reached(HostFacts::played(chrono_tz::UTC));
    world.hosts.extend(hosts.iter().map(|host| (host.parse().expect("valid"), reached.clone())));
    world
}

pub(super) fn plan(desired: &Desired, world: &MemoryWorld) -> Plan {
    between(desired, &Selection::all(), &wait(world.observe(&desired.scope())))
}

/// With every consent that it needs.
pub(super) fn granted(plan: Plan) -> Granted {
    let consent = Consent { allowed: plan.needed_consents(), sandbox: false };
    plan.grant(&consent).expect("everything is allowed")
}

pub(super) fn carry_out(world: &MemoryWorld, granted: Granted) -> Report {
    wait(apply(world, granted, 4, &|_, _| {}))
}

/// Such a world waits for nothing, and a thousand cases share one runtime.
fn wait<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
