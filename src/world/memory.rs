//! A world that is a map of ids to sightings: what the laws run on, a thousand cases a second.
//!
//! Stricter than reality: a change that does not fit what is there is an error, and so is one of a thing that is foreign
//! or unknown.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::{WorldRead, WorldWrite};
use crate::plan::{Action, Answer, Change, Question};
use crate::resources::Resource;
use crate::retention::Losses;
use crate::state::{Caller, HostSighting, Observed, Presence, Scope, Sighting};
use crate::vocab::{HostName, Id};

/// Reality as a map.
#[derive(Debug, Default)]
pub struct MemoryWorld {
    pub caller: Caller,
    pub hosts: BTreeMap<HostName, HostSighting>,
    pub break_glass: BTreeMap<String, Presence>,
    things: RefCell<BTreeMap<Id, Sighting>>,
    /// How many changes may still be made before every further one fails, as after a crash.
    writes_left: Cell<Option<usize>>,
}

impl MemoryWorld {
    pub fn new(things: BTreeMap<Id, Sighting>) -> Self {
        MemoryWorld { things: RefCell::new(things), ..MemoryWorld::default() }
    }

    /// What is there.
    pub fn things(&self) -> BTreeMap<Id, Sighting> {
        self.things.borrow().clone()
    }

    /// Lets `count` more changes through; `None` lets all.
    pub fn stop_after(&self, count: Option<usize>) {
        self.writes_left.set(count);
    }

    fn look(&self, id: &Id) -> Sighting {
        self.things.borrow().get(id).cloned().unwrap_or(Sighting::Absent)
    }
}

impl WorldRead for MemoryWorld {
    async fn observe(&self, scope: &Scope<'_>) -> Observed {
        let mut sightings: BTreeMap<Id, Sighting> =
            scope.wanted.keys().map(|id| ((*id).clone(), self.look(id))).collect();
        for (id, sighting) in self.things.borrow().iter() {
            if id.host().is_some_and(|host| scope.hosts.contains(host)) {
                sightings.insert(id.clone(), sighting.clone());
            }
        }
        Observed {
            caller: self.caller.clone(),
            sightings,
            hosts: self.hosts.clone(),
            break_glass: self.break_glass.clone(),
            ..Observed::default()
        }
    }

    async fn sight(&self, id: &Id, _like: &Resource) -> Sighting {
        self.look(id)
    }

    async fn answer(&self, _question: &Question) -> Answer {
        // Nothing but normal forms lives here, so there are no backups to lose.
        Answer::Lost(Losses::default())
    }
}

impl WorldWrite for MemoryWorld {
    async fn carry_out(&self, change: &Change) -> Result<(), String> {
        match self.writes_left.get() {
            Some(0) => return Err("the process was stopped".to_owned()),
            Some(left) => self.writes_left.set(Some(left - 1)),
            None => {}
        }
        let present = self.look(&change.id);
        let fits = matches!(
            (change.action, &present),
            (Action::Create, Sighting::Absent)
                | (Action::Adopt, Sighting::Unmarked(_))
                | (Action::Update | Action::Remove, Sighting::Ours(_))
        );
        if !fits {
            return Err(format!(
                "{} of {} does not fit what is there: {present:?}",
                change.action.name(),
                change.id
            ));
        }
        let mut things = self.things.borrow_mut();
        match &change.desired {
            Some(desired) => {
                things.insert(change.id.clone(), Sighting::Ours(desired.over(present.resource())));
            }
            None => match present.resource().and_then(Resource::remains) {
                Some(remains) => {
                    things.insert(change.id.clone(), Sighting::Unmarked(remains));
                }
                None => {
                    things.remove(&change.id);
                }
            },
        }
        Ok(())
    }
}
