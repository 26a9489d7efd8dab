//! The comparison of what should be with what is.
//!
//! Premise: only a thing that was seen, and is ours, nobody's, or surely absent, is ever changed. Everything else that
//! settings ask for is held, with a code and a reason. Both sides have one normal form, so the comparison itself is
//! a walk over fields.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Change, FieldChange, Held, Plan, Reason, fingerprint};
use crate::resources::bucket::field::VERSIONING_LOCK;
use crate::resources::bucket::{VersioningLock, lock_member};
use crate::resources::crontab::OLD;
use crate::resources::{self, Bucket, Field, Resource};
use crate::state::{Desired, HeldCode, Observed, Owner, Presence, Selection, Sighting, Wanted};
use crate::vocab::{HostName, Id, Kind, Risk, Value};

/// What to change so that reality becomes as desired. `desired` is already narrowed to the selection.
pub fn between(desired: &Desired, selection: &Selection, observed: &Observed) -> Plan {
    let mut comparison = Comparison {
        desired,
        observed,
        changes: Vec::new(),
        held: Vec::new(),
        unchanged: BTreeSet::new(),
        held_hosts: BTreeSet::new(),
    };
    for held in &desired.held {
        comparison.hold(&held.id, held.code, held.why.clone());
    }
    comparison.hold_hosts();
    for (id, wanted) in &desired.resources {
        if !comparison.on_held_host(id) {
            comparison.compare(id, wanted);
        }
    }
    comparison.hold_stray_key();
    comparison.hold_what_waits();
    comparison.remove_undeclared(desired, selection);

    let Comparison { mut changes, mut held, unchanged, .. } = comparison;
    // What goes, goes first, and secrets before what uses them: however far a host can be cleared, they are off it. What
    // is still in use until something stands in its place goes last.
    changes.sort_by_key(|change| {
        let stage = match (change.action, change.needs.is_empty()) {
            (Action::Remove, true) => 0,
            (Action::Remove, false) => 2,
            _ => 1,
        };
        (stage, change.id.clone())
    });
    held.sort_by(|a, b| (&a.id, a.code, &a.why).cmp(&(&b.id, b.code, &b.why)));
    held.dedup();
    let mut plan = Plan {
        environment: desired.environment.clone(),
        environment_written: desired.environment_written,
        caller: observed.caller.clone(),
        declared_account: desired.account.clone(),
        selection: selection.clone(),
        changes,
        held,
        unchanged: unchanged.len(),
        fingerprint: String::new(),
        failures: observed.failures.clone(),
        hosts: observed.hosts.clone(),
    };
    plan.fingerprint = fingerprint::of(&plan, desired.vault_digest.as_deref());
    plan
}

pub(super) struct Comparison<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    changes: Vec<Change>,
    held: Vec<Held>,
    unchanged: BTreeSet<Id>,
    /// Hosts of which nothing is planned.
    pub(super) held_hosts: BTreeSet<HostName>,
}

impl Comparison<'_> {
    pub(super) fn hold(&mut self, id: &Id, code: HeldCode, why: impl Into<String>) {
        self.held.push(Held { id: id.clone(), code, why: why.into() });
    }

    fn compare(&mut self, id: &Id, wanted: &Wanted) {
        if let Some(why) = self.cannot_ask(id) {
            return self.hold(id, HeldCode::NotReady, why);
        }
        let absent = Sighting::Unknown("it was not looked at".to_owned());
        let (action, present) = match self.observed.sightings.get(id).unwrap_or(&absent) {
            Sighting::Ours(resource) => (Action::Update, Some(resource)),
            Sighting::Unmarked(resource) => (Action::Adopt, Some(resource)),
            Sighting::Absent => (Action::Create, None),
            Sighting::Foreign(owner) => return self.hold(id, HeldCode::Foreign, foreign(id, owner)),
            Sighting::Unknown(why) => return self.hold(id, HeldCode::Unknown, why.clone()),
        };
        if let Some(why) = self.no_identities(id) {
            return self.hold(id, HeldCode::Unsupported, why);
        }
        let mut resource = wanted.resource.fitted(present);
        if let Resource::Program(program) = &mut resource {
            match self.program_for(id, program) {
                Ok(fitted) => *program = fitted,
                Err(why) => return self.hold(id, HeldCode::NotReady, why),
            }
            if let Some(Resource::Program(there)) = present
                && there.is_newer_than(program)
            {
                // A newer one reads what an older one wrote, and somebody may need it.
                self.unchanged.insert(id.clone());
                return;
            }
        }
        if let Some(why) = resource.unborn().filter(|_| present.is_none()) {
            return self.hold(id, HeldCode::NotReady, why);
        }
        if let Resource::Bucket(bucket) = &mut resource {
            if present.is_none() && bucket.region.is_none() {
                bucket.region = self.observed.caller.region.clone();
            }
            if present.is_none() && bucket.region.is_none() && self.observed.caller.endpoint.is_none() {
                return self.hold(
                    id,
                    HeldCode::NotReady,
                    "nothing says in which region to make it: set aws_region in public.yml, or AWS_REGION",
                );
            }
        }
        if let Resource::Bucket(bucket) = &mut resource {
            self.spare_who_exists(id, bucket);
        }
        let mut comparison = fields(present, &resource);
        self.may_lift_it(&mut comparison);
        for field in comparison.unsupported {
            self.hold(
                id,
                HeldCode::Unsupported,
                format!("this store does not know `{field}`; the rest is managed"),
            );
        }
        if let Some(change) = comparison.changes.iter().find(|change| is_place(id.kind(), &change.field))
            && present.is_some()
        {
            let (from, to) = (change.from.as_text().unwrap_or("?"), change.to.as_text().unwrap_or("?"));
            let why = format!(
                "it is in {from}, and settings say {to}: a bucket never moves; correct its region in settings, or name \
                 another bucket. Until then jobs look for it in the wrong place"
            );
            return self.hold(id, HeldCode::NotReady, why);
        }
        self.hold_by_hand(id, present, &resource);
        // Also where the entry is there already: it promises backups that are not made.
        if let Some(why) = self.not_ready(id, wanted) {
            return self.hold(id, HeldCode::NotReady, why);
        }
        self.hold_doubtful(id);
        let powers = self.newly_able(id, present, &resource, &mut comparison.changes);
        let takeover = self.takes_over(id, action, present, &resource, &mut comparison.changes);
        if comparison.changes.is_empty() {
            self.unchanged.insert(id.clone());
            return;
        }
        let mut reasons = match action {
            Action::Create => vec![Reason::Missing],
            _ if !takeover.is_empty() => takeover,
            Action::Adopt => vec![Reason::Unmarked],
            Action::Update | Action::Remove => vec![Reason::Differs],
        };
        reasons.extend(wanted.declared.clone().map(Reason::Declared));
        reasons.extend(powers.into_iter().map(Reason::Destroys));
        let risk = risks(comparison.changes.iter().map(|change| change.risk));
        self.changes.push(Change {
            id: id.clone(),
            action,
            fields: comparison.changes,
            risk,
            reasons,
            datastores: wanted.datastores.clone(),
            losses: Default::default(),
            needs: wanted.needs.clone(),
            desired: Some(resource),
            observed: present.cloned(),
        });
    }

    /// Narrows a versioning lock to the break-glass roles that exist; without one it stays as it is. A name without
    /// a role behind it must not be spared: whoever may create roles would be the one who breaks the glass.
    fn spare_who_exists(&mut self, id: &Id, bucket: &mut Bucket) {
        let Some(VersioningLock::Denies { break_glass, .. }) = &bucket.versioning_lock else { return };
        if let Some(why) = self.nobody_to_spare(break_glass) {
            bucket.versioning_lock = None;
            let code = match self.observed.caller.endpoint {
                Some(_) => HeldCode::Unsupported,
                None => HeldCode::NoBreakGlass,
            };
            return self.hold(id, code, why);
        }
        let unseen = Presence::Unknown("it was not looked up".to_owned());
        let seen = |role: &String| self.observed.break_glass.get(role).unwrap_or(&unseen);
        let mut existing = BTreeSet::new();
        let mut held = BTreeMap::new();
        for role in break_glass {
            match seen(role) {
                Presence::Exists => {
                    existing.insert(role.clone());
                }
                Presence::Absent(why) => {
                    held.entry(HeldCode::NoBreakGlass)
                        .or_insert_with(Vec::new)
                        .push(format!("{role}: {why}"));
                }
                Presence::Unknown(why) => {
                    held.entry(HeldCode::Unknown).or_insert_with(Vec::new).push(format!("{role}: {why}"));
                }
            }
        }
        let complete = VersioningLock::complete(existing.clone());
        // With some unknown it cannot be said who is to be spared; with none known there is nobody to lift it.
        let unknown = held.contains_key(&HeldCode::Unknown);
        bucket.versioning_lock = (!unknown && !existing.is_empty()).then_some(complete);
        for (code, roles) in held {
            let so = match (code, existing.is_empty()) {
                (HeldCode::Unknown, _) => "the versioning lock is left as it is",
                (_, true) => "nobody is left who could lift the versioning lock, so it is not written",
                (_, false) => "the versioning lock does not spare it",
            };
            let setting = Id::cloud(Kind::Setting, "backups.break_glass");
            let id = if existing.is_empty() && code == HeldCode::NoBreakGlass { id } else { &setting };
            self.hold(id, code, format!("{}; {so}", roles.join("; ")));
        }
    }

    /// Why no role can be looked up at all.
    fn nobody_to_spare(&self, break_glass: &BTreeSet<String>) -> Option<&'static str> {
        if self.observed.caller.endpoint.is_some() {
            return Some("its versioning lock is not written: this store has no IAM that says who is spared");
        }
        break_glass.is_empty().then_some(
            "its versioning lock is not written, for nobody could lift it: name the role that may in backups.break_glass, \
             or set versioning_lock: false. Until then whoever may change the bucket can destroy every backup in it",
        )
    }

    /// Who may break the glass can take a lock back; for everyone else it is final.
    fn may_lift_it(&self, comparison: &mut FieldComparison) {
        let lock = comparison.changes.iter_mut().find(|change| change.field == VERSIONING_LOCK);
        let Some(change) = lock.filter(|change| change.risk == Risk::Irreversible) else { return };
        let Some(Value::List(roles)) = change.to.get(lock_member::BREAK_GLASS) else { return };
        if roles.iter().filter_map(Value::as_text).any(|role| self.observed.caller.is_role(role)) {
            change.risk = Risk::Routine;
        }
    }

    /// Holds changes whose needs are neither in place nor about to be; holding one may hold another.
    fn hold_what_waits(&mut self) {
        loop {
            let coming: BTreeSet<Id> = self.changes.iter().map(|change| change.id.clone()).collect();
            let in_place = |need: &Id| {
                coming.contains(need)
                    || self.unchanged.contains(need)
                    || matches!(self.observed.sightings.get(need), Some(Sighting::Ours(_)))
            };
            let waiting = self.changes.iter().find_map(|change| {
                let need = change.needs.iter().find(|need| !in_place(need))?;
                Some((change.id.clone(), need.clone()))
            });
            let Some((id, need)) = waiting else { return };
            self.changes.retain(|change| change.id != id);
            self.hold(&id, HeldCode::NotReady, format!("it needs {need}, which is held"));
        }
    }

    /// What must be done before something goes that an earlier name of the environment left on a host: its entries are taken
    /// over, where there are such now, and the job files that they call go after them.
    fn in_use_until(&self, id: &Id) -> Until {
        let (Some(host), Some((name, earlier))) = (id.host(), id.earlier()) else {
            return Until::Done(BTreeSet::new());
        };
        let present = Id::on_host(Kind::Crontab, host.clone(), name);
        let is_declared = self.desired.declared.contains(&present);
        if id.kind() == Kind::Crontab {
            return if is_declared { Until::Ours } else { Until::Done(BTreeSet::new()) };
        }
        let calling = Id::of_earlier(Kind::Crontab, host.clone(), name, &earlier);
        match self.observed.sightings.get(&calling) {
            Some(Sighting::Unknown(why)) => {
                Until::Held(HeldCode::Unknown, format!("whether cron still calls it is not known: {why}"))
            }
            Some(Sighting::Ours(Resource::Crontab(entries)))
                if is_declared && !entries.entries.is_empty() =>
            {
                match self.changes.iter().any(|change| change.id == present) {
                    true => Until::Done(BTreeSet::from([present])),
                    false => Until::Held(
                        HeldCode::NotReady,
                        format!("entries under the name {earlier} still call it, until {present} stands"),
                    ),
                }
            }
            _ => Until::Done(BTreeSet::new()),
        }
    }

    fn remove_undeclared(&mut self, desired: &Desired, selection: &Selection) {
        for (id, sighting) in &self.observed.sightings {
            let Sighting::Ours(resource) = sighting else { continue };
            if desired.declared.contains(id) || !resources::removable(id.kind()) || !selection.covers(id) {
                continue;
            }
            if self.on_held_host(id) {
                continue;
            }
            let needs = match self.in_use_until(id) {
                Until::Ours => continue,
                Until::Held(code, why) => {
                    self.hold(id, code, why);
                    continue;
                }
                Until::Done(needs) => needs,
            };
            let risk = resources::risk_of_removal(id.kind());
            let fields = resource
                .fields()
                .into_iter()
                .filter_map(|field| Some((field.name, field.value?)))
                // Nothing goes for which nothing of ours stands any more.
                .filter(|(name, value)| !is_empty(value) && name != OLD)
                .map(|(field, from)| FieldChange {
                    field,
                    from,
                    to: Value::Null,
                    risk,
                    may_break: Vec::new(),
                })
                .collect();
            self.changes.push(Change {
                id: id.clone(),
                action: Action::Remove,
                fields,
                risk: BTreeSet::from([risk]),
                reasons: vec![Reason::Undeclared],
                datastores: BTreeSet::new(),
                losses: Default::default(),
                needs,
                desired: None,
                observed: Some(resource.clone()),
            });
        }
    }
}

/// Until when something stays that an earlier name of the environment left.
enum Until {
    /// Ours takes it over.
    Ours,
    Held(HeldCode, String),
    /// It goes, after these.
    Done(BTreeSet<Id>),
}

/// What differs, and what the store does not know.
struct FieldComparison {
    changes: Vec<FieldChange>,
    unsupported: Vec<String>,
}

fn fields(present: Option<&Resource>, wanted: &Resource) -> FieldComparison {
    let kind = wanted.kind();
    let have: Vec<Field> = present.map(Resource::fields).unwrap_or_default();
    let want = wanted.fields();
    let mut comparison = FieldComparison { changes: Vec::new(), unsupported: Vec::new() };
    let mut judge = |field: &str, from: Value, to: Value| {
        if from == to {
            return;
        }
        let judgement = match present {
            Some(present) => resources::judge(present, wanted, field, &from, &to),
            None => resources::risk_of_birth(kind, field, &to),
        };
        let (risk, may_break) = (judgement.risk, judgement.may_break);
        comparison.changes.push(FieldChange { field: field.to_owned(), from, to, risk, may_break });
    };
    for Field { name, value } in &want {
        let Some(to) = value else { continue };
        match (present, have.iter().find(|field| field.name == *name)) {
            // An absent thing has no fields at all; an empty list or map is nothing to create.
            (None, _) if is_empty(to) => {}
            (None, _) | (Some(_), None) => judge(name, Value::Null, to.clone()),
            (Some(_), Some(Field { value: Some(from), .. })) => judge(name, from.clone(), to.clone()),
            // A store that does not say where its buckets are has but one place for them.
            (Some(_), Some(Field { value: None, .. })) if is_place(kind, name) => {}
            (Some(_), Some(Field { value: None, .. })) => comparison.unsupported.push(name.clone()),
        }
    }
    // What is there and is not wanted at all: an entry more, a member more.
    for Field { name, value } in have {
        if let Some(from) = value
            && !want.iter().any(|field| field.name == name)
        {
            let judgement = resources::risk(kind, &name, &from, &Value::Null);
            let (risk, may_break) = (judgement.risk, judgement.may_break);
            comparison.changes.push(FieldChange { field: name, from, to: Value::Null, risk, may_break });
        }
    }
    comparison
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Map(members) => members.is_empty(),
        _ => false,
    }
}

/// Where a thing is cannot change.
fn is_place(kind: Kind, field: &str) -> bool {
    kind == Kind::Bucket && field == resources::bucket::field::REGION
}

fn risks(fields: impl Iterator<Item = Risk>) -> BTreeSet<Risk> {
    let mut risks: BTreeSet<Risk> = fields.filter(|risk| risk.needs_consent()).collect();
    if risks.is_empty() {
        risks.insert(Risk::Routine);
    }
    risks
}

fn foreign(id: &Id, owner: &Owner) -> String {
    match (owner, id.kind()) {
        (Owner::Environment(environment), Kind::Bucket) => format!(
            "it belongs to environment {environment}, which marked it first: this environment uses it and manages \
             nothing of it"
        ),
        (Owner::Environment(environment), _) => format!("it belongs to environment {environment}"),
        (Owner::Account, _) => {
            "a bucket of this name belongs to another account; names are shared by everyone: choose another".to_owned()
        }
        (Owner::Unmarked, _) => {
            "a file that this program did not write stands in its place: move it away, or keep it and switch this off"
                .to_owned()
        }
    }
}
