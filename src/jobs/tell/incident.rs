//! What an event makes of what is remembered, and what is to be told for it. Pure: the memory, the event and the present
//! instant are handed in.
//!
//! One letter when an incident begins and one when it ends. In between there is another only where something of another
//! kind joins it: that backups are late is one matter, whichever of them and whoever finds out; that somebody hides them
//! is another. What failed and what a check found are one incident, so that nobody gets two letters for one night.
//!
//! What was proven is an incident of its own: a backup that is there and worthless is another task than one that is
//! missing, and the one's end is not the other's. There too one cause is told once: where a backup was condemned, nobody hears
//! that there is no proof in time.
//!
//! An incident ends with what was wrong, not with the passing of time: a schedule that was only just changed, a run that
//! is under way, a place that cannot be seen leave it open, with what was found there before.

use chrono::{DateTime, Utc};

use super::memory::{Done, Failed, Found, Held, Incident, Memory};
use crate::freshness::{Finding, Matter, Place, State};
use crate::jobs::check::CheckReport;
use crate::jobs::verify::Standing;
use crate::vocab::Tier;

/// How many checks in a row must be blind before somebody hears of it: the storage may have a bad hour.
const BLIND: u32 = 2;

/// What happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    Failed {
        tier: Tier,
        failed: Failed,
    },
    Succeeded {
        tier: Tier,
        done: Done,
    },
    Checked(&'a CheckReport),
    /// A backup was restored and looked at; how it stands with the proofs since.
    Verified(&'a Standing),
    /// One was to be, and could not.
    Unverified(Failed),
}

/// What an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Backups,
    Proofs,
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
pub fn after(memory: &Memory, event: &Event<'_>, now: DateTime<Utc>) -> (Memory, Vec<(About, News)>) {
    let mut memory = memory.clone();
    let before = memory.incident.take();
    let incident = backups(&mut memory, before.clone(), event, now);
    let (incident, of_backups) = told(before, incident);
    let before = memory.proofs.take();
    let proofs = proofs(&mut memory, before.clone(), event, now);
    let (proofs, of_proofs) = told(before, proofs);
    (memory.incident, memory.proofs) = (incident, proofs);
    let news = [(About::Backups, of_backups), (About::Proofs, of_proofs)];
    (memory, news.into_iter().filter_map(|(about, news)| Some((about, news?))).collect())
}

/// Whether an incident lasts, and what is to be told of it.
fn told(before: Option<Incident>, mut incident: Incident) -> (Option<Incident>, Option<News>) {
    let mut matters: Vec<Matter> = incident.found.iter().map(|found| found.matter).collect();
    if !incident.failed.is_empty() {
        matters.push(Matter::Late);
    }
    if matters.is_empty() {
        return (None, before.map(News::Ended));
    }
    let new: Vec<Matter> = matters.into_iter().filter(|matter| incident.told.insert(*matter)).collect();
    if incident.told.contains(&Matter::Condemned) || incident.told.contains(&Matter::Unverified) {
        // That there is no proof in time follows from it.
        incident.told.insert(Matter::Unproven);
    }
    let lasts = Some(incident.clone());
    let news = match before {
        _ if new.is_empty() => None,
        None => Some(News::Began(incident)),
        Some(_) => {
            let joined = incident.found.iter().filter(|found| new.contains(&found.matter)).cloned().collect();
            Some(News::Joined(incident, joined))
        }
    };
    (lasts, news)
}

/// What is wrong with the backups after the event.
fn backups(memory: &mut Memory, before: Option<Incident>, event: &Event<'_>, now: DateTime<Utc>) -> Incident {
    let mut incident = before.unwrap_or_else(|| Incident::new(now));
    match event {
        Event::Failed { tier, failed } => _ = incident.failed.insert(*tier, failed.clone()),
        Event::Succeeded { tier, done } => {
            memory.last.insert(*tier, done.clone());
            incident.failed.remove(tier);
            incident.found.retain(|found| !is_mended(found, *tier));
            incident.found.extend(done.alarm_of(*tier).map(|text| unversioned(*tier, text)));
        }
        Event::Checked(report) => {
            memory.blind = if report.saw_everything() { 0 } else { memory.blind.saturating_add(1) };
            memory.checked = Some(now);
            memory.freshness = Some(report.freshness.clone());
            incident.failed.retain(|tier, failed| !report.is_made_good(*tier, failed.at));
            let found = found(report, memory.blind);
            // What was wrong, and cannot be told at the moment, is wrong still.
            incident
                .found
                .retain(|before| is_unsettled(before, report) && !found.iter().any(is_same(before)));
            incident.found.splice(..0, found);
            remember_schedules(memory, report, now);
        }
        Event::Verified(_) | Event::Unverified(_) => {}
    }
    incident
}

/// The same of what was proven.
fn proofs(memory: &mut Memory, before: Option<Incident>, event: &Event<'_>, now: DateTime<Utc>) -> Incident {
    let mut incident = before.unwrap_or_else(|| Incident::new(now));
    match event {
        Event::Failed { .. } | Event::Succeeded { .. } => {}
        // Where the directory cannot be seen, neither can the evidence.
        Event::Checked(report) if report.freshness.unseen().contains_key(&Place::Here) => {}
        Event::Checked(report) => {
            memory.standing = Some(report.proofs.clone());
            incident.found = of_standing(&report.proofs);
            incident.found.extend(of_findings(report, true));
        }
        Event::Verified(standing) => {
            memory.unmade = None;
            memory.standing = Some((*standing).clone());
            // A goal that was missed is met by a proof alone.
            incident.found.retain(|found| found.matter == Matter::Unproven && standing.condemned.is_some());
            incident.found.extend(of_standing(standing));
        }
        Event::Unverified(failed) => {
            memory.unmade = Some(failed.clone());
            incident.found.retain(|found| found.matter != Matter::Unverified);
            let standing = Standing { unmade: Some(failed.clone()), ..Standing::default() };
            incident.found.extend(of_standing(&standing));
        }
    }
    incident
}

/// What is wrong with the proofs, in words.
fn of_standing(standing: &Standing) -> Vec<Found> {
    let tier = standing.condemned.as_ref().map(|condemned| condemned.tier);
    let found = |(matter, text): (Matter, String)| Found {
        matter,
        tier: tier.filter(|_| matter == Matter::Condemned),
        place: None,
        text,
    };
    standing.wrong().into_iter().map(found).collect()
}

/// A new backup of the tier answers for those that were late, or under another key; for the goal, any does.
fn is_mended(found: &Found, tier: Tier) -> bool {
    matches!(found.matter, Matter::Late | Matter::Unversioned) && found.tier.is_none_or(|of| of == tier)
}

/// Whether nobody can say at the moment if what was found is over: its place cannot be seen, or a run is waited for.
fn is_unsettled(found: &Found, report: &CheckReport) -> bool {
    match (found.matter, found.tier) {
        // Found by other means, or anew.
        (Matter::OldEntries | Matter::Unseen | Matter::Unversioned, _) => false,
        // Nobody asks for the tier, or for copies there, any more: then it is no concern.
        (matter, Some(tier)) => report.tier(tier).is_some_and(|tier| {
            let mut of = tier.places.iter().filter(|at| found.place.is_none_or(|place| place == at.place));
            of.any(|at| match at.state {
                State::Unseen { .. } => true,
                // A delete marker and a clock are seen all the same.
                State::Running { .. } | State::Awaited => matches!(matter, Matter::Late | Matter::Small),
                _ => false,
            })
        }),
        (_, None) => {
            let unseen = report.freshness.unseen();
            found.place.map_or(!unseen.is_empty(), |place| unseen.contains_key(&place))
        }
    }
}

/// Whether two findings are of the same thing, in whichever words.
fn is_same(one: &Found) -> impl Fn(&Found) -> bool {
    move |other| (one.matter, one.tier, one.place) == (other.matter, other.tier, other.place)
}

/// Everything that a check found wrong with the backups, in words.
fn found(report: &CheckReport, blind: u32) -> Vec<Found> {
    let mut found = of_findings(report, false);
    let lost = |text: &String| Found {
        matter: Matter::Lost,
        tier: None,
        place: report.freshness.farthest(),
        text: text.clone(),
    };
    found.extend(report.lost.iter().map(lost));
    found.extend(report.unversioned.iter().map(|(tier, text)| unversioned(*tier, text.clone())));
    found.extend(report.old_entries.iter().map(|entry| Found {
        matter: Matter::OldEntries,
        tier: None,
        place: None,
        text: format!("an old cron entry is back and makes the same backups: {entry}"),
    }));
    // A directory that is not there is told at once: nothing else will be remembered of it.
    let unseen = report.freshness.unseen().into_iter();
    found.extend(unseen.filter(|(place, _)| *place == Place::Here || blind >= BLIND).map(|(place, why)| {
        let text = format!("what is {place} cannot be seen: {why}");
        Found { matter: Matter::Unseen, tier: None, place: Some(place), text }
    }));
    found
}

/// A copy that is not under the key that the settings want.
fn unversioned(tier: Tier, text: String) -> Found {
    Found { matter: Matter::Unversioned, tier: Some(tier), place: Some(Place::Remote), text }
}

/// What the judgement of freshness found, of proofs or of backups.
fn of_findings(report: &CheckReport, proofs: bool) -> Vec<Found> {
    let findings = report.freshness.findings().into_iter();
    let of = findings.filter(|finding| finding.matter().is_of_proofs() == proofs);
    of.map(|finding| {
        let (tier, place) = match finding {
            Finding::Backup { tier, at } => (Some(tier), Some(at.place)),
            Finding::Ahead { tier, place, .. } => (Some(tier), Some(place)),
            Finding::Objective(_) => (None, report.freshness.farthest()),
        };
        Found { matter: finding.matter(), tier, place, text: finding.to_string() }
    })
    .collect()
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
