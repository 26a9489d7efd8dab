//! What became of a granted plan.

use std::collections::BTreeMap;

use super::Plan;
use crate::vocab::Id;

/// The outcome of one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// What went wrong, for people.
    Failed(String),
    /// Not tried, because of what.
    Skipped(String),
}

/// A plan with the outcome of each of its changes.
#[derive(Clone, Debug)]
pub struct Report {
    pub plan: Plan,
    pub outcomes: BTreeMap<Id, Outcome>,
}

impl Report {
    /// The report of a plan that was refused whole: nothing was tried, because of what.
    pub fn refused(plan: Plan, why: &str) -> Self {
        let skipped = |id: &Id| (id.clone(), Outcome::Skipped(why.to_owned()));
        let outcomes = plan.changes.iter().map(|change| skipped(&change.id)).collect();
        Report { plan, outcomes }
    }

    pub fn count(&self, wanted: fn(&Outcome) -> bool) -> usize {
        self.outcomes.values().filter(|outcome| wanted(outcome)).count()
    }

    /// Whether every change was made.
    pub fn all_done(&self) -> bool {
        self.outcomes.values().all(|outcome| *outcome == Outcome::Done)
    }
}
