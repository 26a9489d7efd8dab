//! Reality that moves between the plan and its apply.

use std::collections::BTreeMap;

use reconcile::plan::Outcome;
use reconcile::resources::{Bucket, Resource};
use reconcile::state::{Owner, Sighting};
use reconcile::vocab::{Id, Kind, Versioning};

use super::in_memory::{carry_out, granted, plan, world};
use crate::support::desired::{desired, environment, wanted};

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
    let enabled = |id: &Id| (id.clone(), wanted(bucket(Versioning::Enabled)));
    let desired = desired(ids.iter().map(enabled));
    let suspended = || Sighting::Ours(bucket(Versioning::Suspended));
    let before: BTreeMap<Id, Sighting> =
        [0, 2, 3, 4].map(|index: usize| (ids[index].clone(), suspended())).into();
    let granted = granted(plan(&desired, &world(before.clone(), &[])));

    let mut after = before;
    after.remove(&ids[0]);
    after.insert(ids[1].clone(), suspended());
    after.insert(ids[2].clone(), Sighting::Foreign(Owner::Account));
    after.insert(ids[3].clone(), Sighting::Ours(bucket(Versioning::Never)));
    let moved = world(after.clone(), &[]);
    let report = carry_out(&moved, granted);

    for (name, id) in ["gone", "made", "taken", "touched"].iter().zip(&ids) {
        assert!(matches!(&report.outcomes[id], Outcome::Failed(why) if why.contains("plan again")), "{name}");
        assert_eq!(moved.things().get(id), after.get(id), "{name}");
    }
    assert_eq!(report.outcomes[&ids[4]], Outcome::Done);
}
