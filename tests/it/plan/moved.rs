//! Reality that moves between the plan and its apply.

use std::collections::{BTreeMap, BTreeSet};

use reconcile::plan::{Consent, Outcome, between};
use reconcile::resources::{Bucket, Resource};
use reconcile::state::{Desired, Owner, Selection, Sighting, Wanted};
use reconcile::vocab::{Id, Kind, Versioning};
use reconcile::world::{MemoryWorld, WorldRead, apply};

use super::laws::{environment, wait_io};

/// Each thing is read again just before it is changed: what moved is left alone, the rest goes on.
#[test]
fn what_moved_since_the_plan_is_left_alone() {
    let bucket = |versioning| {
        Resource::Bucket(Bucket {
            owner: Some(Some(environment())),
            region: Some("eu-west-2".parse().expect("valid")),
            versioning: Some(versioning),
            ..Bucket::newborn()
        })
    };
    let ids: Vec<Id> =
        ["gone", "made", "taken", "touched", "same"].map(|name| Id::cloud(Kind::Bucket, name)).to_vec();
    let wanted = |id: &Id| {
        let resource = bucket(Versioning::Enabled);
        (
            id.clone(),
            Wanted {
                resource,
                datastores: BTreeSet::new(),
                declared: None,
                needs: BTreeSet::new(),
                programs: BTreeSet::new(),
            },
        )
    };
    let desired = Desired {
        environment: environment(),
        environment_written: true,
        account: None,
        endpoint: None,
        declared: ids.iter().cloned().collect(),
        resources: ids.iter().map(wanted).collect(),
        held: Vec::new(),
        hosts: BTreeSet::new(),
        retired: Default::default(),
        offers: Default::default(),
        stakes: BTreeMap::new(),
        break_glass: BTreeSet::new(),
        vault_digest: None,
    };
    let suspended = || Sighting::Ours(bucket(Versioning::Suspended));
    let before: BTreeMap<Id, Sighting> =
        [0, 2, 3, 4].map(|index: usize| (ids[index].clone(), suspended())).into();
    let world = MemoryWorld::new(before.clone());
    let observed = wait_io(world.observe(&desired.scope()));
    let plan = between(&desired, &Selection::all(), &observed);
    let consent = Consent { allowed: plan.needed_consents(), sandbox: false };
    let granted = plan.grant(&consent).expect("granted");

    let mut after = before;
    after.remove(&ids[0]);
    after.insert(ids[1].clone(), suspended());
    after.insert(ids[2].clone(), Sighting::Foreign(Owner::Account));
    after.insert(ids[3].clone(), Sighting::Ours(bucket(Versioning::Never)));
    let moved = MemoryWorld::new(after.clone());
    let report = wait_io(apply(&moved, granted, 4, &|_, _| {}));

    for (name, id) in ["gone", "made", "taken", "touched"].iter().zip(&ids) {
        assert!(matches!(&report.outcomes[id], Outcome::Failed(why) if why.contains("plan again")), "{name}");
        assert_eq!(moved.things().get(id), after.get(id), "{name}");
    }
    assert_eq!(report.outcomes[&ids[4]], Outcome::Done);
}
