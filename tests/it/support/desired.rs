//! What settings would lead to, for tests that begin behind them.

use std::collections::{BTreeMap, BTreeSet};

use reconcile::resources::Resource;
use reconcile::state::{Desired, Wanted};
use reconcile::vocab::{Environment, Id};

pub fn environment() -> Environment {
    "production".parse().expect("valid")
}

/// Wanted by no datastore, and in need of nothing.
pub fn wanted(resource: Resource) -> Wanted {
    Wanted {
        resource,
        datastores: BTreeSet::new(),
        declared: None,
        needs: BTreeSet::new(),
        programs: BTreeSet::new(),
    }
}

/// The same after other things.
pub fn needing(resource: Resource, needs: &[&Id]) -> Wanted {
    Wanted { needs: needs.iter().map(|id| (*id).clone()).collect(), ..wanted(resource) }
}

/// These things and nothing else, of an environment without hosts.
pub fn desired(resources: impl IntoIterator<Item = (Id, Wanted)>) -> Desired {
    let resources: BTreeMap<Id, Wanted> = resources.into_iter().collect();
    Desired {
        environment: environment(),
        environment_written: true,
        account: None,
        endpoint: None,
        declared: resources.keys().cloned().collect(),
        resources,
        held: Vec::new(),
        hosts: BTreeSet::new(),
        retired: BTreeSet::new(),
        break_glass: BTreeSet::new(),
        stakes: BTreeMap::new(),
        offers: Default::default(),
        vault_digest: None,
    }
}
