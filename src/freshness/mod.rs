//! Whether the newest backups are as new as their schedules promise. Pure: the schedules, the zone, the present instant
//! and what was seen are handed in.
//!
//! Place on the data's path: beside it. What `check` on a host and `status` from afar see -> [`judge`] -> [`Freshness`],
//! whose findings alerts and views put into words. Must never look by itself, and never be quiet about a run that was
//! due: what nobody could see is told as unseen, not as good.
//!
//! A run that was due at `f` is missing once `f` and an allowance have passed and no backup of its tier ended after `f`.
//! The allowance is what runs lately took, twice, and never less than an hour; around a change of clocks it is longer by
//! the change, since crons differ in when they run what falls into that night. So nothing is told on a Sunday of a
//! backup that runs from Monday to Saturday, and nothing before the first run after the schedule began to hold.

pub mod metrics;
mod runs;
mod size;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::vocab::{Schedule, Tier};

pub use runs::allowance;

/// Where a copy lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In the backup directory.
    Here,
    /// In the bucket.
    Remote,
}

/// One backup in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub tier: Tier,
    pub place: Place,
    /// The file or the key.
    pub name: String,
    /// When its dump began; equal to `ended` where nothing tells.
    pub began: DateTime<Utc>,
    /// When it was whole: the manifest's end, else the file's or the storage's date.
    pub ended: DateTime<Utc>,
    pub bytes: u64,
    /// How many bytes its manifest says were written, where it does not have as many: then it is no backup, and answers for
    /// no run.
    pub written: Option<u64>,
    /// Method and compression, such as `plain gzip`: sizes of one format can be compared. `None` where nothing tells.
    pub format: Option<String>,
    /// Since when a delete marker stands above it.
    pub hidden: Option<DateTime<Utc>>,
    /// The date is the storage's, whose clock is another.
    pub dated_by_storage: bool,
}

/// What a tier promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    pub schedule: Schedule,
    /// Since when the schedule holds on the host: runs before were nobody's.
    pub since: DateTime<Utc>,
}

/// The job that holds the lock: no other backup is made meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Of the backup that it makes; `None` of one that a person labelled, and of a restore.
    pub tier: Option<Tier>,
    pub began: DateTime<Utc>,
}

/// What a datastore is held to, besides its schedules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goals {
    /// The newest backup is never older.
    pub recovery_point: Option<TimeDelta>,
    /// A backup was restored and checked within.
    pub verified_within: Option<TimeDelta>,
}

/// Everything that the judgement hangs on.
#[derive(Clone, Debug)]
pub struct Facts {
    pub now: DateTime<Utc>,
    /// The host's: its cron fires by it.
    pub zone: Tz,
    pub promises: BTreeMap<Tier, Promise>,
    /// The places in which each tier's backups must be, and why one of them could not be seen.
    pub places: BTreeMap<Place, Option<String>>,
    pub seen: Vec<Seen>,
    pub running: Option<Running>,
    pub goals: Goals,
    /// When a backup was last restored and found good.
    pub verified: Option<DateTime<Utc>>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    pub tiers: Vec<TierFreshness>,
    pub objectives: Vec<Objective>,
}

/// One tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierFreshness {
    pub tier: Tier,
    pub schedule: Schedule,
    /// Since when the schedule holds.
    pub since: DateTime<Utc>,
    /// The last run whose backup must be there by now; `None` before the first.
    pub due: Option<DateTime<Utc>>,
    /// The next run.
    pub next: Option<DateTime<Utc>>,
    /// When the next run's backup will be missed.
    pub limit: Option<DateTime<Utc>>,
    pub places: Vec<PlaceFreshness>,
}

/// One tier in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceFreshness {
    pub place: Place,
    pub newest: Option<Newest>,
    /// Until when a clock that was wrong has a backup lie in the future. It answers for no run, and excuses none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<DateTime<Utc>>,
    pub state: State,
}

/// The newest backup of a tier in a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newest {
    pub name: String,
    pub ended: DateTime<Utc>,
    pub bytes: u64,
}

/// How it stands with a tier in a place, the gravest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum State {
    /// Nobody could look.
    Unseen {
        why: String,
    },
    /// A delete marker stands above the newest: to every ordinary reader it is gone.
    Hidden {
        since: DateTime<Utc>,
    },
    /// Runs that were due left no backup: the first of them, how many, and who holds the lock.
    Missing {
        since: DateTime<Utc>,
        runs: u32,
        running: Option<Running>,
    },
    /// It is less than half of what backups of its format were before.
    Small {
        usual: u64,
    },
    /// It does not have the size that was written.
    Cut {
        written: u64,
    },
    /// A backup lies in the future, so a clock was wrong when it was made, or is now. Nothing else is wrong.
    Ahead {
        taken: DateTime<Utc>,
    },
    /// A run is under way that was due, and has time left.
    Running {
        since: DateTime<Utc>,
    },
    /// No run was due yet.
    Awaited,
    Fresh,
}

/// A goal beside the schedules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    pub goal: Goal,
    /// In seconds.
    pub within: i64,
    /// When it was last met: the newest backup's end, the last proof.
    pub last: Option<DateTime<Utc>>,
    pub met: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    RecoveryPoint,
    VerifiedWithin,
}

/// What is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding<'a> {
    Backup {
        tier: Tier,
        at: &'a PlaceFreshness,
    },
    /// A backup lies in the future, whatever else is wrong.
    Ahead {
        tier: Tier,
        place: Place,
        taken: DateTime<Utc>,
    },
    Objective(&'a Objective),
}

/// Findings that are one matter: each is told once while an incident lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matter {
    /// A backup failed, or did not come.
    Late,
    /// A backup came and is too small to be whole.
    Small,
    /// A backup is hidden in the bucket.
    Hidden,
    /// What was whole is gone, or leads elsewhere.
    Lost,
    /// A copy is under its dated key, since the bucket keeps no versions.
    Unversioned,
    /// A clock is wrong.
    Clock,
    /// No proof in time.
    Unproven,
    /// A backup was restored and is none.
    Condemned,
    /// A verification that was due could not be made.
    Unverified,
    /// Somebody else's entries make the same backups.
    OldEntries,
    /// Nobody can look.
    Unseen,
}

impl Matter {
    /// Whether it is about what was proven, and not about what was made.
    pub fn is_of_proofs(self) -> bool {
        matches!(self, Matter::Unproven | Matter::Condemned | Matter::Unverified)
    }
}

impl Finding<'_> {
    pub fn matter(&self) -> Matter {
        match self {
            Finding::Backup { at, .. } => match at.state {
                State::Unseen { .. } => Matter::Unseen,
                State::Hidden { .. } => Matter::Hidden,
                State::Ahead { .. } => Matter::Clock,
                State::Small { .. } | State::Cut { .. } => Matter::Small,
                State::Missing { .. } | State::Running { .. } | State::Awaited | State::Fresh => Matter::Late,
            },
            Finding::Ahead { .. } => Matter::Clock,
            Finding::Objective(Objective { goal: Goal::RecoveryPoint, .. }) => Matter::Late,
            Finding::Objective(Objective { goal: Goal::VerifiedWithin, .. }) => Matter::Unproven,
        }
    }
}

impl State {
    /// Whether it is as it should be, as far as anybody can say.
    pub fn is_good(&self) -> bool {
        matches!(self, State::Running { .. } | State::Awaited | State::Fresh)
    }
}

impl Freshness {
    /// Everything that is not as it should be. What could not be seen is not among it: see [`Freshness::unseen`].
    pub fn findings(&self) -> Vec<Finding<'_>> {
        let backups = self.places().flat_map(|(tier, at)| {
            let wrong = !at.state.is_good() && !is_unseen(at);
            // Where nothing else is wrong, the state itself tells it.
            let ahead = at.ahead.filter(|_| !matches!(at.state, State::Ahead { .. }));
            let ahead = ahead.map(|taken| Finding::Ahead { tier, place: at.place, taken });
            wrong.then_some(Finding::Backup { tier, at }).into_iter().chain(ahead)
        });
        let objectives = self.objectives.iter().filter(|goal| !goal.met).map(Finding::Objective);
        backups.chain(objectives).collect()
    }

    /// The places that nobody could look into, each once, and why.
    pub fn unseen(&self) -> BTreeMap<Place, &str> {
        self.tiers
            .iter()
            .flat_map(|tier| &tier.places)
            .filter_map(|at| match &at.state {
                State::Unseen { why } => Some((at.place, why.as_str())),
                _ => None,
            })
            .collect()
    }

    /// Where the goal for the newest backup is judged: a copy in the bucket outlives the host; where there is none, the
    /// host's own must do.
    pub fn farthest(&self) -> Option<Place> {
        self.places().map(|(_, at)| at.place).max()
    }

    fn places(&self) -> impl Iterator<Item = (Tier, &PlaceFreshness)> {
        self.tiers.iter().flat_map(|tier| tier.places.iter().map(move |at| (tier.tier, at)))
    }
}

fn is_unseen(at: &PlaceFreshness) -> bool {
    matches!(at.state, State::Unseen { .. })
}

/// How far a clock may be ahead before a backup counts as one from the future.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(15);

/// What was seen and answers for no run.
struct Apart {
    /// Of the future, by the clock that dated it.
    ahead: Vec<Seen>,
    /// Not of the size that was written.
    cut: Vec<Seen>,
}

/// Judges every tier in every place, and the goals. What lies in the future is told, and else judged as if it were not
/// there: it must not answer for the nights until then. So is what does not have the size that was written.
pub fn judge(facts: &Facts) -> Freshness {
    let is_ahead = |at: DateTime<Utc>| at > facts.now + CLOCK_TOLERANCE;
    let (ahead, seen): (Vec<Seen>, Vec<Seen>) =
        facts.seen.iter().cloned().partition(|seen| is_ahead(seen.ended));
    let (cut, seen): (Vec<Seen>, Vec<Seen>) = seen.into_iter().partition(|seen| seen.written.is_some());
    let running = facts.running.filter(|running| !is_ahead(running.began));
    let facts = &Facts { seen, running, ..facts.clone() };
    let apart = &Apart { ahead, cut };
    let tiers =
        facts.promises.iter().map(|(tier, promise)| tier_freshness(facts, apart, *tier, promise)).collect();
    Freshness { tiers, objectives: objectives(facts) }
}

fn tier_freshness(facts: &Facts, apart: &Apart, tier: Tier, promise: &Promise) -> TierFreshness {
    let allowance = allowance(&facts.seen, tier);
    let due = runs::due(promise, facts.zone, facts.now, allowance);
    let next = promise.schedule.next(facts.now.max(promise.since), facts.zone, 1).into_iter().next();
    let places = facts.places.iter().map(|(place, unseen)| {
        let whole = newest(&facts.seen, tier, *place);
        let found = state(facts, tier, promise, whole, due, allowance);
        let cut = newest(&apart.cut, tier, *place)
            .filter(|cut| whole.is_none_or(|whole| whole.ended <= cut.ended))
            // Where a later run left nothing at all, that says more.
            .filter(|cut| match (&found, due) {
                (State::Missing { .. }, Some(due)) => runs::answers(cut, promise, due, facts.zone),
                _ => true,
            });
        let (newest, found) = match cut.and_then(|cut| Some((cut, cut.written?))) {
            Some((cut, written)) => (Some(cut), cut_state(cut, written)),
            None => (whole, found),
        };
        let ahead = apart.ahead.iter().filter(|seen| seen.tier == tier && seen.place == *place);
        let ahead = ahead.map(|seen| seen.ended).max();
        let state = match unseen {
            Some(why) => State::Unseen { why: why.clone() },
            None => match (found, ahead) {
                (state, Some(taken)) if state.is_good() => State::Ahead { taken },
                (state, _) => state,
            },
        };
        let newest =
            newest.map(|seen| Newest { name: seen.name.clone(), ended: seen.ended, bytes: seen.bytes });
        PlaceFreshness { place: *place, newest, ahead, state }
    });
    TierFreshness {
        tier,
        schedule: promise.schedule.clone(),
        since: promise.since,
        due,
        next,
        limit: next.map(|next| runs::missed_at(next, facts.zone, allowance)),
        places: places.collect(),
    }
}

fn cut_state(cut: &Seen, written: u64) -> State {
    match cut.hidden {
        Some(since) => State::Hidden { since },
        None => State::Cut { written },
    }
}

/// The newest, hidden or not.
fn newest(seen: &[Seen], tier: Tier, place: Place) -> Option<&Seen> {
    let of = seen.iter().filter(|seen| seen.tier == tier && seen.place == place);
    // Names break a tie, so that the answer does not hang on the order of a listing.
    of.max_by_key(|seen| (seen.ended, &seen.name))
}

fn state(
    facts: &Facts,
    tier: Tier,
    promise: &Promise,
    newest: Option<&Seen>,
    due: Option<DateTime<Utc>>,
    allowance: TimeDelta,
) -> State {
    if let Some(since) = newest.and_then(|newest| newest.hidden) {
        return State::Hidden { since };
    }
    if let Some(due) = due
        && !newest.is_some_and(|newest| runs::answers(newest, promise, due, facts.zone))
    {
        if let Some(Running { tier: Some(of), began }) = facts.running
            && of == tier
            && facts.now < runs::patience(promise, due, began, facts.zone, allowance)
        {
            return State::Running { since: began };
        }
        let (since, runs) = runs::missed(promise, newest, due, facts.zone);
        return State::Missing { since, runs, running: facts.running };
    }
    match newest {
        Some(newest) => match size::shrunk(newest, &facts.seen) {
            Some(usual) => State::Small { usual },
            None => State::Fresh,
        },
        None => State::Awaited,
    }
}

fn objectives(facts: &Facts) -> Vec<Objective> {
    let Goals { recovery_point, verified_within } = facts.goals;
    // Nothing is owed for the time before the first promise.
    let Some(since) = facts.promises.values().map(|promise| promise.since).min() else { return Vec::new() };
    let objective = |goal, within: TimeDelta, last: Option<DateTime<Utc>>| {
        let met = facts.now.signed_duration_since(last.map_or(since, |last| last.max(since))) <= within;
        Objective { goal, within: within.num_seconds(), last, met }
    };
    let mut objectives = Vec::new();
    // A copy in the bucket outlives the host; where there is none, the host's own must do.
    let farthest = facts.places.keys().max();
    let unseen = farthest.is_some_and(|place| facts.places.get(place).is_some_and(Option::is_some));
    if let (Some(within), Some(place), false) = (recovery_point, farthest, unseen) {
        let of = facts.seen.iter().filter(|seen| seen.place == *place && seen.hidden.is_none());
        objectives.push(objective(Goal::RecoveryPoint, within, of.map(|seen| seen.ended).max()));
    }
    if let Some(within) = verified_within {
        objectives.push(objective(Goal::VerifiedWithin, within, facts.verified));
    }
    objectives
}
