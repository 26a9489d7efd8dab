//! Laws 3 and 4: what is foreign or unknown is left alone, and seeing less never does more.

use proptest::prelude::*;
use reconcile::resources::Resource;
use reconcile::resources::bucket::VersioningLock;
use reconcile::state::{Presence, Sighting};
use reconcile::vocab::Id;

use crate::plan::worlds::case;
use crate::plan::{cases, role};

proptest! {
    #![proptest_config(cases(1000))]

    /// Law 3: no change ever names a foreign or unknown thing.
    #[test]
    fn what_is_foreign_or_unknown_is_left_alone(case in case()) {
        for change in case.plan().changes {
            let sighting = case.things.get(&change.id);
            prop_assert!(!matches!(sighting, Some(Sighting::Foreign(_) | Sighting::Unknown(_))), "{}", change.id);
        }
    }

    /// Law 4: turning any sighting into unknown adds no change.
    #[test]
    fn seeing_less_never_does_more(case in case(), index in any::<prop::sample::Index>()) {
        let before = case.plan();
        let all: Vec<&Id> = case.desired.resources.keys().chain(case.things.keys()).collect();
        prop_assume!(!all.is_empty());
        let mut less = case.clone();
        let unseen = Sighting::Unknown("the network is down".to_owned());
        less.things.insert(all[index.index(all.len())].clone(), unseen);
        for change in less.plan().changes {
            prop_assert!(before.changes.contains(&change), "{} is new", change.id);
        }
    }

    /// The same of the roles that a lock spares: what else changes of the bucket changes as before.
    #[test]
    fn seeing_less_of_break_glass_never_does_more(case in case(), which in "[a-c]") {
        let before = case.plan();
        let mut less = case.clone();
        less.break_glass.insert(role(&which), Presence::Unknown("the network is down".to_owned()));
        for change in less.plan().changes {
            let was = before.changes.iter().find(|was| was.id == change.id);
            let fields = was.map(|was| was.fields.as_slice()).unwrap_or_default();
            for field in &change.fields {
                prop_assert!(fields.contains(field), "{} {} is new", change.id, field.field);
            }
        }
    }

    /// A lock spares nobody whose existence was not seen, and never stands without anyone to lift it.
    #[test]
    fn only_who_exists_is_spared(case in case()) {
        for change in case.plan().changes {
            let Some(Resource::Bucket(bucket)) = &change.desired else { continue };
            let Some(VersioningLock::Denies { break_glass, .. }) = &bucket.versioning_lock else { continue };
            prop_assert!(!break_glass.is_empty(), "{}", change.id);
            for role in break_glass {
                prop_assert_eq!(case.break_glass.get(role), Some(&Presence::Exists), "{}", role);
            }
        }
    }
}
