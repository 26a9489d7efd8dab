//! What an event makes of what is remembered, and what is to be told for it. Pure: the memory, the event and the present
//! instant are handed in.
//!
//! One letter when an incident begins and one when it ends. In between there is another only where something of another
//! kind joins it: that backups are late is one matter, whichever of them and whoever finds out; that somebody hides them
//! is another. What failed and what a check found are one incident, so that nobody gets two letters for one night.
//!
//! An incident ends with what was missing, not with the passing of time: a schedule that was only just changed, a run that
//! is under way, a bucket that cannot be seen leave it open.

use chrono::{DateTime, Utc};

use super::memory::{Done, Failed, Found, Held, Incident, Memory};
use crate::freshness::{Finding, Matter, Place, State};
use crate::jobs::check::CheckReport;
use crate::vocab::Tier;

/// How many checks in a row must be blind before somebody hears of it: the storage may have a bad hour.
const BLIND: u32 = 2;

/// What happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    Failed { tier: Tier, failed: Failed },
    Succeeded { tier: Tier, done: Done },
    Checked(&'a CheckReport),
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Began(Incident),
    /// Something of another kind joined an incident.
    Joined(Incident, Vec<Found>),
    Ended(Incident),
}

/// What becomes of the memory, and what is to be told.
pub fn after(memory: &Memory, event: &Event<'_>, now: DateTime<Utc>) -> (Memory, Option<News>) {
    let mut memory = memory.clone();
    let before = memory.incident.take();
    let mut incident = before.clone().unwrap_or_else(|| Incident::new(now));
    let mut open = false;
    match event {
        Event::Failed { tier, failed } => _ = incident.failed.insert(*tier, failed.clone()),
        Event::Succeeded { tier, done } => {
            memory.last.insert(*tier, done.clone());
            incident.failed.remove(tier);
            incident.found.retain(|found| !is_mended(found, *tier));
        }
        Event::Checked(report) => {
            memory.blind = if report.saw_everything() { 0 } else { memory.blind.saturating_add(1) };
            memory.checked = Some(now);
            memory.freshness = Some(report.freshness.clone());
            open = before.as_ref().is_some_and(|before| is_unsettled(before, report));
            incident.failed.retain(|tier, failed| !is_made_good(*tier, failed, report));
            incident.found = found(report, memory.blind);
            remember_schedules(&mut memory, report, now);
        }
    }
    let mut matters: Vec<Matter> = incident.found.iter().map(|found| found.matter).collect();
    if !incident.failed.is_empty() {
        matters.push(Matter::Late);
    }
    if matters.is_empty() && !open {
        return (memory, before.map(News::Ended));
    }
    let new: Vec<Matter> = matters.into_iter().filter(|matter| incident.told.insert(*matter)).collect();
    memory.incident = Some(incident.clone());
    let news = match before {
        _ if new.is_empty() => None,
        None => Some(News::Began(incident)),
        Some(_) => {
            let joined = incident.found.iter().filter(|found| new.contains(&found.matter)).cloned().collect();
            Some(News::Joined(incident, joined))
        }
    };
    (memory, news)
}

/// A new backup of the tier answers for those that were late or too small; for the goal, any does.
fn is_mended(found: &Found, tier: Tier) -> bool {
    found.matter == Matter::Late && found.tier.is_none_or(|of| of == tier)
}

/// Whether a failed backup needs nobody any more: a newer one is there, or nobody wants its tier.
fn is_made_good(tier: Tier, failed: &Failed, report: &CheckReport) -> bool {
    let Some(of_tier) = report.tier(tier) else { return true };
    of_tier.places.iter().all(|at| {
        at.state == State::Fresh && at.newest.as_ref().is_some_and(|newest| newest.ended > failed.at)
    })
}

/// Whether what was wrong only cannot be told at the moment.
fn is_unsettled(before: &Incident, report: &CheckReport) -> bool {
    let was_late = before.told.contains(&Matter::Late) || before.told.contains(&Matter::Hidden);
    let waits = |state: &State| matches!(state, State::Running { .. } | State::Awaited);
    let concerns = |tier: Tier| {
        before.failed.contains_key(&tier)
            || before.found.iter().any(|found| found.tier == Some(tier) && found.matter == Matter::Late)
    };
    let waiting = report
        .freshness
        .tiers
        .iter()
        .filter(|tier| concerns(tier.tier))
        .any(|tier| tier.places.iter().any(|at| waits(&at.state)));
    was_late && (waiting || !report.saw_everything())
}

/// Everything that a check found, in words.
fn found(report: &CheckReport, blind: u32) -> Vec<Found> {
    let findings = report.freshness.findings();
    let mut found: Vec<Found> = findings
        .iter()
        .map(|finding| Found {
            matter: finding.matter(),
            tier: match finding {
                Finding::Backup { tier, .. } => Some(*tier),
                Finding::Objective(_) => None,
            },
            text: finding.to_string(),
        })
        .collect();
    let lost = |text: &String| Found { matter: Matter::Lost, tier: None, text: text.clone() };
    found.extend(report.lost.iter().map(lost));
    found.extend(report.old_entries.iter().map(|entry| Found {
        matter: Matter::OldEntries,
        tier: None,
        text: format!("an old cron entry is back and makes the same backups: {entry}"),
    }));
    // A directory that is not there is told at once: nothing else will be remembered of it.
    let unseen = report.freshness.unseen().into_iter();
    found.extend(unseen.filter(|(place, _)| *place == Place::Here || blind >= BLIND).map(|(place, why)| {
        Found { matter: Matter::Unseen, tier: None, text: format!("what is {place} cannot be seen: {why}") }
    }));
    found
}

/// Since when each schedule holds. One that changed begins anew, when its job file was written.
fn remember_schedules(memory: &mut Memory, report: &CheckReport, now: DateTime<Utc>) {
    let known = std::mem::take(&mut memory.since);
    for tier in &report.freshness.tiers {
        let since = known
            .get(&tier.tier)
            .filter(|held| held.schedule == tier.schedule)
            .map_or(tier.since.min(now), |held| held.since.min(tier.since));
        memory.since.insert(tier.tier, Held { schedule: tier.schedule.clone(), since });
    }
}

#[cfg(test)]
mod tests;
