//! Laws 1, 2, 5 and 6: a plan is exactly what differs, the same for the same inputs, and applying it leaves nothing to do,
//! wherever it was stopped before.

use std::collections::BTreeSet;

use proptest::prelude::*;
use reconcile::plan::{Held, Plan};
use reconcile::state::Sighting;
use reconcile::vocab::{Kind, Value};

use crate::plan::cases;
use crate::plan::in_memory::{carry_out, granted, plan};
use crate::plan::worlds::{Case, case, fitted};

fn bytes(plan: &Plan) -> String {
    reconcile::report::plan::plan_json(plan).to_string()
}

proptest! {
    #![proptest_config(cases(1000))]

    /// Law 1: after a full apply the next plan is empty.
    #[test]
    fn after_apply_nothing_is_left_to_do(case in case()) {
        let world = case.world();
        let report = carry_out(&world, granted(plan(&case.desired, &world)));
        prop_assert!(report.all_done(), "{:?}", report.outcomes);
        let next = plan(&case.desired, &world);
        prop_assert!(next.is_empty(), "{}", bytes(&next));
    }

    /// Law 2: the same inputs give the same bytes, whatever their order.
    #[test]
    fn the_same_inputs_give_the_same_bytes(case in case()) {
        let mut shuffled = case.desired.clone();
        let backwards = case.desired.resources.iter().rev();
        shuffled.resources = backwards.map(|(id, wanted)| (id.clone(), wanted.clone())).collect();
        let things = case.things.iter().rev().map(|(id, thing)| (id.clone(), thing.clone())).collect();
        let other = Case { desired: shuffled, things, ..case.clone() };
        prop_assert_eq!(bytes(&case.plan()), bytes(&other.plan()));
    }

    /// Law 5: stopped after any step, planning and applying again reaches the same world.
    #[test]
    fn a_stopped_apply_is_finished_by_the_next(case in case(), step in 0usize..12) {
        let undisturbed = case.world();
        carry_out(&undisturbed, granted(plan(&case.desired, &undisturbed)));

        let stopped = case.world();
        stopped.stop_after(Some(step));
        carry_out(&stopped, granted(plan(&case.desired, &stopped)));
        stopped.stop_after(None);
        carry_out(&stopped, granted(plan(&case.desired, &stopped)));
        prop_assert_eq!(undisturbed.things(), stopped.things());
    }

    /// Law 6: field changes exist exactly where desired and observed differ.
    #[test]
    fn fields_change_where_they_differ_and_nowhere_else(case in case()) {
        let plan = case.plan();
        for (id, wanted) in &case.desired.resources {
            let Some(present) = case.things.get(id).and_then(Sighting::resource) else { continue };
            let differs = fitted(&wanted.resource).over(Some(present)) != *present;
            let change = plan.changes.iter().find(|change| change.id == *id);
            let narrowed = |held: &Held| held.id == *id || held.id.kind() == Kind::Setting;
            if plan.held.iter().any(narrowed) {
                continue;
            }
            prop_assert_eq!(differs, change.is_some(), "{}", id);
            let Some(change) = change else { continue };
            let have = present.fields();
            for field in &change.fields {
                prop_assert_ne!(&field.from, &field.to);
                let was = have.iter().find(|have| have.name == field.field).and_then(|have| have.value.clone());
                prop_assert_eq!(was.unwrap_or(Value::Null), field.from.clone());
            }
            let changed: BTreeSet<&str> = change.fields.iter().map(|field| field.field.as_str()).collect();
            for field in wanted.resource.fitted(Some(present)).fields() {
                let Some(to) = field.value else { continue };
                let was = have.iter().find(|have| have.name == field.name).and_then(|have| have.value.clone());
                prop_assert_eq!(was != Some(to), changed.contains(field.name.as_str()), "{} {}", id, field.name);
            }
        }
    }
}
