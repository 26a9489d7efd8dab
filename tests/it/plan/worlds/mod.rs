//! Worlds out of chance: what settings could ask for, beside what could be there.

mod buckets;
mod crontabs;
mod hosts;
mod identities;

use std::collections::BTreeMap;

use proptest::prelude::*;
use reconcile::plan::Plan;
use reconcile::resources::Resource;
use reconcile::resources::identity::Stake;
use reconcile::state::{Desired, Owner, Presence, Sighting};
use reconcile::vocab::{Id, Kind};
use reconcile::world::MemoryWorld;

use self::buckets::present_bucket;
pub(super) use self::buckets::wanted_bucket;
pub(super) use self::crontabs::{crontab_of, old_lines};
pub(super) use self::hosts::{directory, fitted, job_file, wanted_repository};
use self::hosts::{offers, on_host};
use self::identities::identities;
pub(super) use self::identities::{wanted_role, wanted_user};
use super::{in_memory, role};
use crate::support::desired::{desired, wanted};

/// What settings ask for, what is there, and which of the roles that locks may spare exist.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) desired: Desired,
    pub(super) things: BTreeMap<Id, Sighting>,
    pub(super) break_glass: BTreeMap<String, Presence>,
}

impl Case {
    pub(super) fn world(&self) -> MemoryWorld {
        let mut world = in_memory::world(self.things.clone(), &HOSTS);
        world.break_glass = self.break_glass.clone();
        world
    }

    pub(super) fn plan(&self) -> Plan {
        in_memory::plan(&self.desired, &self.world())
    }
}

const HOSTS: [&str; 2] = ["db1", "db2"];

prop_compose! {
    pub(super) fn case()(
        buckets in prop::collection::btree_map("bucket-[a-d]", (
            wanted_bucket(),
            sighting(
                present_bucket(true).prop_map(Resource::Bucket),
                present_bucket(false).prop_map(Resource::Bucket).boxed(),
            ),
        ), 0..4),
        identities in identities(),
        versioned in prop::collection::btree_set("bucket-[a-d]", 0..4),
        hosts in HOSTS.map(|host| on_host(host).boxed()),
        break_glass in break_glass(),
    ) -> Case {
        let mut resources = BTreeMap::new();
        let mut things = BTreeMap::new();
        let buckets = buckets
            .into_iter()
            .map(|(name, (bucket, is))| (Id::cloud(Kind::Bucket, name), Resource::Bucket(bucket), is));
        for (id, resource, is) in buckets.chain(identities) {
            resources.insert(id.clone(), wanted(resource));
            things.insert(id, is);
        }
        for (want, is) in hosts {
            resources.extend(want);
            things.extend(is);
        }
        things.retain(|_, sighting| *sighting != Sighting::Absent);
        let stake = || Stake { versioned: true, ..Stake::default() };
        let desired = Desired {
            hosts: HOSTS.iter().map(|host| host.parse().expect("valid")).collect(),
            offers: offers(),
            stakes: versioned.into_iter().map(|name| (name.parse().expect("valid"), stake())).collect(),
            break_glass: break_glass.keys().cloned().collect(),
            ..desired(resources)
        };
        Case { desired, things, break_glass }
    }
}

/// Whether each of the roles that locks may spare exists.
fn break_glass() -> impl Strategy<Value = BTreeMap<String, Presence>> {
    let presence = || {
        prop_oneof![
            6 => Just(Presence::Exists),
            2 => Just(Presence::Absent("there is no such role".to_owned())),
            1 => Just(Presence::Unknown("the network is down".to_owned())),
        ]
    };
    (presence(), presence(), presence())
        .prop_map(|(a, b, c)| BTreeMap::from([(role("a"), a), (role("b"), b), (role("c"), c)]))
}

fn sighting(
    marked: impl Strategy<Value = Resource>,
    unmarked: BoxedStrategy<Resource>,
) -> impl Strategy<Value = Sighting> {
    prop_oneof![
        4 => marked.prop_map(Sighting::Ours),
        2 => unmarked.prop_map(Sighting::Unmarked),
        3 => Just(Sighting::Absent),
        1 => Just(Sighting::Foreign(Owner::Account)),
        1 => Just(Sighting::Unknown("access denied".to_owned())),
    ]
}

/// Where nothing can be adopted, what is there is ours.
fn host_sighting(marked: impl Strategy<Value = Resource>) -> impl Strategy<Value = Sighting> {
    prop_oneof![
        4 => marked.prop_map(Sighting::Ours),
        3 => Just(Sighting::Absent),
        1 => Just(Sighting::Foreign(Owner::Unmarked)),
        1 => Just(Sighting::Unknown("permission denied".to_owned())),
    ]
}
