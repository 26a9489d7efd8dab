//! Law 10: without consent no backup lives shorter and nobody becomes able to destroy; and every consent is needed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use reconcile::plan::{Action, Allow, Consent, Refusal};
use reconcile::resources::{Bucket, Resource};
use reconcile::state::Sighting;
use reconcile::vocab::{Id, Kind, Versioning};

use super::judge::{lost_with_old, shorter};
use crate::plan::in_memory::{carry_out, plan};
use crate::plan::worlds::{Case, case};
use crate::plan::{cases, host_id};
use crate::support::desired::{desired, environment, wanted};

proptest! {
    #![proptest_config(cases(1000))]

    /// Law 10: no plan without consent makes any backup live shorter.
    #[test]
    fn without_consent_nothing_lives_shorter(case in case()) {
        let world = case.world();
        let Ok(granted) = plan(&case.desired, &world).grant(&Consent::default()) else { return Ok(()) };
        carry_out(&world, granted);
        let after = world.things();
        for (id, before) in &case.things {
            let is_ours = matches!(before, Sighting::Ours(_)) || id.kind() == Kind::Crontab;
            let Some(before) = before.resource().filter(|_| is_ours) else { continue };
            let Some(now) = after.get(id).and_then(Sighting::resource) else {
                return Err(TestCaseError::fail(format!("{id} is gone")));
            };
            prop_assert_eq!(shorter(before, now), None, "{}", id);
            if let (Resource::Crontab(before), Resource::Crontab(now)) = (before, now) {
                let job_file = host_id(Kind::HostFile, id.host().expect("a host").as_str(), id.name());
                let job_file = after.get(&job_file).and_then(Sighting::resource);
                prop_assert_eq!(lost_with_old(before, now, job_file), None, "{}", id);
            }
        }
    }

    /// A consent for everything but one thing is refused, and names what is missing.
    #[test]
    fn every_consent_is_needed(case in case(), index in any::<prop::sample::Index>()) {
        let plan = case.plan();
        let needed = plan.needed_consents();
        prop_assume!(!needed.is_empty());
        let missing: Allow = needed[index.index(needed.len())].clone();
        let allowed = needed.into_iter().filter(|allow| *allow != missing).collect();
        let refused = plan.grant(&Consent { allowed, sandbox: false });
        prop_assert_eq!(refused.err(), Some(Refusal::NoConsent(vec![missing])));
    }
}

/// An adopted bucket shows whose it becomes; a new one has no consent to ask for.
#[test]
fn adoption_says_whose_it_becomes_and_creation_asks_for_nothing() {
    let id = Id::cloud(Kind::Bucket, "bucket-a");
    let present = Bucket { region: Some("eu-west-2".parse().expect("valid")), ..Bucket::newborn() };
    let bucket =
        Bucket { owner: Some(Some(environment())), versioning: Some(Versioning::Enabled), ..present.clone() };
    let mut case = Case {
        desired: desired([(id.clone(), wanted(Resource::Bucket(bucket)))]),
        things: BTreeMap::new(),
        break_glass: BTreeMap::new(),
    };
    let created = case.plan();
    assert_eq!(created.changes[0].action, Action::Create);
    assert_eq!(created.needed_consents(), []);

    case.things.insert(id, Sighting::Unmarked(Resource::Bucket(present)));
    let adopted = case.plan();
    assert_eq!(adopted.changes[0].action, Action::Adopt);
    assert_eq!(adopted.changes[0].fields[0].shown(), (serde_json::Value::Null, "production".into()));
    assert_eq!(adopted.needed_consents()[0].to_string(), "irreversible:bucket/bucket-a");
    // The first versioning may be allowed without naming the bucket.
    let consent = Consent { allowed: vec!["irreversible".parse().expect("a consent")], sandbox: false };
    assert!(adopted.grant(&consent).is_ok());
}
