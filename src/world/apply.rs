//! A granted plan becomes reality, step by step; the report says what became of each step.
//!
//! Kinds go in the plan's order, things of one kind at the same time within a bound. Each thing is read again just before
//! it is changed: what moved since the plan was made is left alone. One failure stops only what needs it.

use std::collections::BTreeMap;

use futures_util::StreamExt;

use super::{WorldRead, WorldWrite};
use crate::plan::{Action, Change, Granted, Outcome, Report};
use crate::resources::Resource;
use crate::state::Sighting;
use crate::vocab::{Id, Kind};

/// Is told of each step as it comes.
pub type Progress<'a> = &'a dyn Fn(&Change, Step<'_>);

/// How far a change is.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    Begun,
    Ended(&'a Outcome),
}

/// Carries out a granted plan with at most `parallel` changes under way at once.
pub async fn apply<W: WorldRead + WorldWrite>(
    world: &W,
    granted: Granted,
    parallel: usize,
    progress: Progress<'_>,
) -> Report {
    apply_until(world, granted, parallel, progress, &|| false).await
}

/// The same until somebody says stop: what is under way is finished, and nothing more is begun.
pub async fn apply_until<W: WorldRead + WorldWrite>(
    world: &W,
    granted: Granted,
    parallel: usize,
    progress: Progress<'_>,
    stopped: &dyn Fn() -> bool,
) -> Report {
    let plan = granted.into_plan();
    let mut outcomes: BTreeMap<Id, Outcome> = BTreeMap::new();
    for wave in waves(&plan.changes) {
        let (ready, blocked): (Vec<_>, Vec<_>) = wave
            .iter()
            .map(|change| (change, blocker(change, &outcomes)))
            .partition(|(_, why)| why.is_none());
        for (change, why) in blocked {
            let outcome = Outcome::Skipped(why.unwrap_or_default());
            progress(change, Step::Ended(&outcome));
            outcomes.insert(change.id.clone(), outcome);
        }
        let mut steps = futures_util::stream::iter(ready)
            .map(|(change, _)| async move {
                let outcome = match stopped() {
                    true => Outcome::Skipped(STOPPED.to_owned()),
                    false => {
                        progress(change, Step::Begun);
                        step(world, change).await
                    }
                };
                (change, outcome)
            })
            .buffer_unordered(parallel.max(1));
        while let Some((change, outcome)) = steps.next().await {
            progress(change, Step::Ended(&outcome));
            outcomes.insert(change.id.clone(), outcome);
        }
    }
    Report { plan, outcomes }
}

const STOPPED: &str = "somebody stopped it before; apply again";

/// Runs of changes that may happen at the same time: of one kind, and all of them removals or none.
fn waves(changes: &[Change]) -> impl Iterator<Item = &[Change]> {
    let stage = |change: &Change| -> (bool, Kind) { (change.action == Action::Remove, change.id.kind()) };
    changes.chunk_by(move |a, b| stage(a) == stage(b))
}

/// Why a change cannot be tried, if something that it needs went wrong.
fn blocker(change: &Change, outcomes: &BTreeMap<Id, Outcome>) -> Option<String> {
    change.needs.iter().find_map(|need| match outcomes.get(need)? {
        Outcome::Done => None,
        Outcome::Failed(_) => Some(format!("it needs {need}, which failed")),
        Outcome::Skipped(_) => Some(format!("it needs {need}, which was skipped")),
    })
}

async fn step<W: WorldRead + WorldWrite>(world: &W, change: &Change) -> Outcome {
    let Some(like) = change.desired.as_ref().or(change.observed.as_ref()) else {
        return Outcome::Failed("the plan does not say what it should become".to_owned());
    };
    let sighting = world.sight(&change.id, like).await;
    if let Err(why) = still_as_planned(change, &sighting) {
        return Outcome::Failed(why);
    }
    match world.carry_out(change).await {
        Ok(()) => Outcome::Done,
        Err(why) => Outcome::Failed(why),
    }
}

fn still_as_planned(change: &Change, sighting: &Sighting) -> Result<(), String> {
    let moved = "it changed since the plan was made and was left alone: plan again";
    let same = |resource: &Resource| change.observed.as_ref() == Some(resource);
    match (change.action, sighting) {
        (Action::Create, Sighting::Absent) => Ok(()),
        (Action::Adopt, Sighting::Unmarked(resource)) if same(resource) => Ok(()),
        (Action::Update | Action::Remove, Sighting::Ours(resource)) if same(resource) => Ok(()),
        (_, Sighting::Unknown(why)) => Err(format!("it could not be read again: {why}")),
        _ => Err(moved.to_owned()),
    }
}
