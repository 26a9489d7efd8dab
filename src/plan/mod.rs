//! The plan: how reality differs from settings, what each difference risks, and what may be done about it.
//!
//! Place on the data's path: `Desired` and `Observed` -> [`Plan`] -> [`Granted`] -> [`Report`]. Pure, synchronous and
//! deterministic: no clock, no network, no files. Reasons are data; `report` makes the text.

mod access;
mod between;
mod fingerprint;
mod guard;
mod hosts;
mod losses;
mod report;
mod takeover;

use std::collections::{BTreeMap, BTreeSet};

pub use access::Power;
pub use between::between;
pub use guard::{Allow, AllowError, Consent, Granted, Refusal};
pub use losses::{Answer, LocalKeep, Question};
pub use report::{Outcome, Report};

use crate::resources::Resource;
use crate::retention::Losses;
use crate::state::{Caller, HeldCode, HostSighting, JobFailure, Selection};
use crate::vocab::{AccountId, Datastore, Environment, HostName, Id, Place, Risk, Tier, Value};

/// How reality differs from what settings ask for, in the order in which it would be changed.
#[derive(Clone, Debug)]
pub struct Plan {
    pub environment: Environment,
    /// Whether a file states the environment's name.
    pub environment_written: bool,
    pub caller: Caller,
    /// The account that settings declare, where they do.
    pub declared_account: Option<AccountId>,
    pub selection: Selection,
    pub changes: Vec<Change>,
    pub held: Vec<Held>,
    pub unchanged: usize,
    /// `sha256:` and the hexadecimal digest of all of it that decides what apply would do.
    pub fingerprint: String,
    /// Jobs whose last run failed. Told beside the plan; they decide nothing in it.
    pub failures: Vec<JobFailure>,
    /// What was seen of each host. Told beside the plan; it decides nothing more.
    pub hosts: BTreeMap<HostName, HostSighting>,
}

/// One thing that would be created, adopted, updated or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub id: Id,
    pub action: Action,
    pub fields: Vec<FieldChange>,
    /// Every risk that needs consent, or `Routine` alone.
    pub risk: BTreeSet<Risk>,
    pub reasons: Vec<Reason>,
    pub datastores: BTreeSet<Datastore>,
    pub losses: Losses,
    /// What must be in place, or gone, first.
    pub needs: BTreeSet<Id>,
    /// What it should become; `None` where it goes.
    pub desired: Option<Resource>,
    /// What it was when the plan was made.
    pub observed: Option<Resource>,
}

/// What happens to a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Create,
    /// It exists with nobody's mark and becomes ours.
    Adopt,
    Update,
    Remove,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Adopt => "adopt",
            Action::Update => "update",
            Action::Remove => "remove",
        }
    }
}

/// One field that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    pub field: String,
    pub from: Value,
    pub to: Value,
    pub risk: Risk,
    pub may_break: Vec<&'static str>,
}

impl FieldChange {
    /// `from` and `to` as every view shows them: a secret that differs says so, and nothing else.
    pub fn shown(&self) -> (serde_json::Value, serde_json::Value) {
        let mut to = self.to.to_json();
        mark_changed_secrets(&self.from, &self.to, &mut to);
        (self.from.to_json(), to)
    }
}

fn mark_changed_secrets(from: &Value, to: &Value, shown: &mut serde_json::Value) {
    match (from, to) {
        (Value::Secret(old), Value::Secret(new)) if old != new => *shown = "(secret, changed)".into(),
        (Value::Map(from), Value::Map(to)) => {
            for (name, value) in to {
                if let (Some(old), Some(shown)) = (from.get(name), shown.get_mut(name)) {
                    mark_changed_secrets(old, value, shown);
                }
            }
        }
        _ => {}
    }
}

/// Why a change is in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Settings ask for it there.
    Declared(Place),
    /// It does not exist.
    Missing,
    /// It exists and carries nobody's mark.
    Unmarked,
    /// It differs from what settings ask for.
    Differs,
    /// It carries our mark and settings no longer ask for it.
    Undeclared,
    /// With this change an identity of ours can destroy backups.
    Destroys(Power),
    /// Entries of an older tool make the same backups, and go when ours stand.
    TakesOver,
    /// They stood here before, went, and are back.
    Returned,
    /// The backups that old entries make and none of ours does.
    LeavesUndone(BTreeSet<Tier>),
    /// Our job keeps local backups for less long than the old entries did.
    KeepsLess { old: LocalKeep, new: LocalKeep },
}

/// Something that settings ask for and that is not among the changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub id: Id,
    pub code: HeldCode,
    /// For people: what, why, what to do.
    pub why: String,
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub create: usize,
    pub adopt: usize,
    pub update: usize,
    pub remove: usize,
    pub unchanged: usize,
    pub held: usize,
}

impl Plan {
    pub fn summary(&self) -> Summary {
        let count = |action| self.changes.iter().filter(|change| change.action == action).count();
        Summary {
            create: count(Action::Create),
            adopt: count(Action::Adopt),
            update: count(Action::Update),
            remove: count(Action::Remove),
            unchanged: self.unchanged,
            held: self.held.len(),
        }
    }

    /// Nothing to change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The hosts that answered.
    pub fn reached(&self) -> BTreeSet<HostName> {
        let answered = |sighting: &HostSighting| matches!(sighting, HostSighting::Reached(_));
        self.hosts.iter().filter(|(_, sighting)| answered(sighting)).map(|(host, _)| host.clone()).collect()
    }

    /// Whether something in scope could not be seen.
    pub fn saw_everything(&self) -> bool {
        !self.held.iter().any(|held| held.code == HeldCode::Unknown)
    }

    /// Whether reality is as settings want it, as far as this program is responsible for it.
    pub fn is_as_it_should_be(&self) -> bool {
        let wanting = [HeldCode::NoBreakGlass, HeldCode::NoHost, HeldCode::NotReady];
        self.is_empty() && !self.held.iter().any(|held| wanting.contains(&held.code))
    }

    /// The consents that the plan needs before anything is touched, most dangerous last.
    pub fn needed_consents(&self) -> Vec<Allow> {
        let mut needed: Vec<Allow> = self
            .changes
            .iter()
            .flat_map(|change| {
                change
                    .risk
                    .iter()
                    .filter(|risk| risk.needs_consent())
                    .map(|risk| Allow { risk: *risk, id: Some(change.id.clone()) })
            })
            .collect();
        needed.sort_by_key(|allow| allow.risk);
        needed
    }
}
