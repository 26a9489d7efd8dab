//! Consent for old entries, on a world that is a map: asked for where what they made lives shorter or is made no more, and
//! nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use reconcile::plan::Consent;
use reconcile::resources::{Crontab, Resource};
use reconcile::state::{Desired, Sighting};
use reconcile::vocab::Kind;

use super::in_memory::{carry_out, plan, world};
use super::laws::judge::lost_with_old;
use super::worlds::{crontab_of, job_file, old_lines};
use super::{cases, host_id};
use crate::support::desired::{desired, wanted};

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn consent_is_asked_for_where_something_is_lost_and_only_there(
        file in job_file(),
        crontab in crontab_of(false),
        old in old_lines(),
        is_ours in any::<bool>(),
        has_file in any::<bool>(),
    ) {
        let id = |kind| host_id(kind, "db1", "postgresql");
        let file = Resource::HostFile(file);
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
        let desired = Desired {
            hosts: BTreeSet::from(["db1".parse().expect("valid")]),
            ..desired([
                (id(Kind::HostFile), wanted(file)),
                (id(Kind::Crontab), wanted(Resource::Crontab(crontab))),
            ])
        };
        let world = world(things, &["db1"]);

        let first = plan(&desired, &world);
        let needed: Vec<String> = first.needed_consents().iter().map(ToString::to_string).collect();
        match &lost {
            Some(lost) => prop_assert_eq!(needed, ["destructive:crontab/db1/postgresql"], "{}", lost),
            None => prop_assert!(needed.is_empty(), "{:?}", needed),
        }
        match first.grant(&Consent::default()) {
            Err(_) => prop_assert!(lost.is_some()),
            Ok(granted) => {
                let report = carry_out(&world, granted);
                prop_assert!(report.all_done());
                prop_assert!(plan(&desired, &world).is_empty());
            }
        }
    }
}
