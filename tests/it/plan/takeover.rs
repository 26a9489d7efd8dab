//! Consent for old entries, on a world that is a map: asked for where what they made lives shorter or is made no more, and
//! nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use reconcile::plan::Consent;
use reconcile::resources::{Crontab, Resource};
use reconcile::state::{Desired, HostFacts, HostSighting, Sighting, Wanted};
use reconcile::vocab::{Id, Kind};
use reconcile::world::{MemoryWorld, apply};

use super::laws::{crontab_of, environment, host_id, job_file, lost_with_old, old_lines, plan, wait};

fn desired(resources: impl IntoIterator<Item = (Id, Resource)>) -> Desired {
    let wanted = |(id, resource)| {
        let wanted = Wanted {
            resource,
            datastores: BTreeSet::new(),
            declared: None,
            needs: BTreeSet::new(),
            programs: BTreeSet::new(),
        };
        (id, wanted)
    };
    let resources: BTreeMap<Id, Wanted> = resources.into_iter().map(wanted).collect();
    Desired {
        environment: environment(),
        environment_written: true,
        account: None,
        endpoint: None,
        declared: resources.keys().cloned().collect(),
        resources,
        held: Vec::new(),
        hosts: BTreeSet::from(["db1".parse().expect("valid")]),
        retired: Default::default(),
        offers: Default::default(),
        stakes: BTreeMap::new(),
        break_glass: BTreeSet::new(),
        vault_digest: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn consent_is_asked_for_where_something_is_lost_and_only_there(
        file in job_file(),
        crontab in crontab_of(false),
        old in old_lines(),
        is_ours in any::<bool>(),
        has_file in any::<bool>(),
    ) {
        let id = |kind| host_id(kind, "db1", "postgresql");
        let (file, wanted) = (Resource::HostFile(file), Resource::Crontab(crontab.clone()));
        let present = match is_ours {
            true => Crontab { old, ..crontab.clone() },
            false => Crontab::only_old(old).expect("root is a user"),
        };
        let lost = lost_with_old(&present, &crontab, Some(&file));
        let sighting = match is_ours {
            true => Sighting::Ours(Resource::Crontab(present)),
            false => Sighting::Unmarked(Resource::Crontab(present)),
        };
        let mut things = BTreeMap::from([(id(Kind::Crontab), sighting)]);
        if has_file {
            things.insert(id(Kind::HostFile), Sighting::Ours(file.clone()));
        }
        let desired = desired([(id(Kind::HostFile), file), (id(Kind::Crontab), wanted)]);
        let mut world = MemoryWorld::new(things);
        let facts = HostFacts::played(chrono_tz::UTC);
        world.hosts.insert("db1".parse().expect("valid"), HostSighting::Reached(facts));

        let first = plan(&desired, &world);
        let needed: Vec<String> = first.needed_consents().iter().map(ToString::to_string).collect();
        match &lost {
            Some(lost) => prop_assert_eq!(needed, ["destructive:crontab/db1/postgresql"], "{}", lost),
            None => prop_assert!(needed.is_empty(), "{:?}", needed),
        }
        match first.grant(&Consent::default()) {
            Err(_) => prop_assert!(lost.is_some()),
            Ok(granted) => {
                let report = wait(apply(&world, granted, 4, &|_, _| {}));
                prop_assert!(report.all_done());
                prop_assert!(plan(&desired, &world).is_empty());
            }
        }
    }
}
