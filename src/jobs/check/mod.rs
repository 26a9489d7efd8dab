//! Looking after a datastore's backups: what is in the directory and in the bucket -> [`crate::freshness`] -> a report.
//!
//! Reads only, takes no lock, and makes no judgement of its own. Who is told, and when, is [`super::tell`]'s; what `check`
//! leaves behind for old eyes, [`status_file`]'s.

mod bucket;
pub(super) mod old;
pub mod status_file;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::directory::{self, Local};
use super::failure::{self, LastFailure};
use super::list::Earlier;
use super::manifest::Manifest;
use super::tell::Watch;
use super::tell::memory::{Done, Memory};
use super::verify::{Standing, standing};
use super::{lock, snapshot};
use crate::freshness::{self, Facts, Freshness, Goals, Place, Promise, Seen, State};
use crate::retention::local::Policy;
use crate::vocab::{BucketName, Datastore, Environment, HostName, Tier};

/// Whose keys are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Those with this machine's own name, exactly.
    ThisHost,
    /// From elsewhere a machine's own name is not known: the inventory's, with or without its domain.
    Named,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    pub environment: Environment,
    pub host: HostName,
    pub datastore: Datastore,
    pub at: DateTime<Utc>,
    /// The host's time zone: its schedules are in it.
    pub zone: String,
    pub directory: String,
    pub bucket: Option<BucketName>,
    pub freshness: Freshness,
    /// Entries of older tools that make the same backups again, in words.
    pub old_entries: Vec<String>,
    /// What was made and is not there any more, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// Of the tiers whose last backup is in the bucket under its dated key, since that keeps no versions: why, in words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unversioned: BTreeMap<Tier, String>,
    /// How it stands with the proofs.
    pub proofs: Standing,
    pub last_failure: Option<LastFailure>,
    /// What is known of who is told.
    pub watch: Watch,
}

impl CheckReport {
    /// Whether everything that could be seen is as it should be.
    pub fn is_good(&self) -> bool {
        self.freshness.findings().is_empty()
            && self.old_entries.is_empty()
            && self.lost.is_empty()
            && self.unversioned.is_empty()
            && self.proofs.is_good()
            && self.failure().is_none()
    }

    /// The last failure, while no later success of its tier has answered it.
    pub fn failure(&self) -> Option<&LastFailure> {
        // A job file that tells no schedule says nothing of what is wanted.
        let is_over = |failure: &&LastFailure| {
            !self.freshness.tiers.is_empty() && self.is_made_good(failure.tier, failure.at)
        };
        self.last_failure.as_ref().filter(|failure| !is_over(failure))
    }

    /// Whether a backup that failed needs nobody any more: a newer one is there, or nobody wants its tier.
    pub fn is_made_good(&self, tier: Tier, failed: DateTime<Utc>) -> bool {
        let Some(of_tier) = self.tier(tier) else { return true };
        of_tier.places.iter().all(|at| {
            at.state == State::Fresh && at.newest.as_ref().is_some_and(|newest| newest.ended > failed)
        })
    }

    /// When a backup was last restored and found good.
    pub fn verified(&self) -> Option<DateTime<Utc>> {
        self.proofs.proven.as_ref().map(|proven| proven.at)
    }

    /// Whether everything could be seen.
    pub fn saw_everything(&self) -> bool {
        self.freshness.unseen().is_empty()
    }

    /// The state of a tier, wherever its copies are.
    pub fn tier(&self, tier: Tier) -> Option<&freshness::TierFreshness> {
        self.freshness.tiers.iter().find(|one| one.tier == tier)
    }
}

/// Looks at everything, on the host itself: what was made under earlier names and lies in `earlier` buckets counts too. What
/// cannot be seen is a part of the answer.
pub async fn look(context: &Context, earlier: &[Earlier]) -> CheckReport {
    if snapshot::is_of(context) {
        return Box::pin(snapshot::look(context)).await;
    }
    let local = directory::find(context).map_err(|error| error.line()).and_then(|place| {
        backups(context, &place).map_err(|error| {
            let place = place.display();
            format!("{place} cannot be read: {error}; run it as the user that makes the backups")
        })
    });
    Box::pin(judged(context, earlier, local, Whose::ThisHost)).await
}

/// Looks at the bucket alone, from elsewhere; `why` the host itself cannot be asked.
pub async fn look_from_afar(context: &Context, why: String) -> CheckReport {
    Box::pin(judged(context, &[], Err(why), Whose::Named)).await
}

/// The backups in the directory, each once: names of one environment may read as another's.
fn backups(context: &Context, place: &Path) -> io::Result<Vec<Local>> {
    let mut found: BTreeMap<String, Local> = BTreeMap::new();
    for series in context.all_series() {
        for backup in directory::backups(place, &series)? {
            found.entry(backup.file.clone()).or_insert(backup);
        }
    }
    Ok(found.into_values().collect())
}

async fn judged(
    context: &Context,
    earlier: &[Earlier],
    local: Result<Vec<Local>, String>,
    whose: Whose,
) -> CheckReport {
    let memory = Memory::read(context);
    let now = context.clock.now();
    let mut places = BTreeMap::from([(Place::Here, local.as_ref().err().cloned())]);
    let local = local.unwrap_or_default();
    let mut seen: Vec<Seen> = local.iter().filter(|one| is_own(context, one)).filter_map(seen_here).collect();
    seen.extend(expired(&local, &memory, context, now));
    if context.job.upload.is_some() {
        let remote = Box::pin(bucket::seen(context, earlier, &local, whose)).await;
        let why = remote.as_ref().err().cloned();
        places.insert(Place::Remote, why);
        seen.extend(remote.into_iter().flatten());
    }
    let looked = Looked {
        places,
        seen,
        lost: Vec::new(),
        unversioned: unversioned(context, &memory, &local, now),
        bucket: context.job.upload.as_ref().map(|upload| upload.bucket.clone()),
    };
    looked.judged(context, &memory)
}

/// What somebody looked at, of whatever form the backups are.
pub(super) struct Looked {
    /// Where they must be, and why a place could not be seen.
    pub places: BTreeMap<Place, Option<String>>,
    pub seen: Vec<Seen>,
    /// What was made and is not there any more, in words.
    pub lost: Vec<String>,
    /// See [`CheckReport::unversioned`].
    pub unversioned: BTreeMap<Tier, String>,
    pub bucket: Option<BucketName>,
}

impl Looked {
    /// What it comes to, with everything that is remembered.
    pub fn judged(self, context: &Context, memory: &Memory) -> CheckReport {
        let Looked { places, seen, lost, unversioned, bucket } = self;
        let now = context.clock.now();
        let proofs = standing::of(context, memory.unmade.as_ref());
        let facts = Facts {
            now,
            zone: context.zone,
            promises: promises(context, memory, &seen, now),
            places,
            seen,
            running: lock::running(context),
            goals: goals(context),
            verified: proofs.proven.as_ref().map(|proven| proven.at),
        };
        CheckReport {
            environment: context.job.environment.clone(),
            host: context.job.host.clone(),
            datastore: context.job.datastore.clone(),
            at: now,
            zone: context.zone.name().to_owned(),
            directory: context.job.directory.clone(),
            bucket,
            freshness: freshness::judge(&facts),
            old_entries: old::entries(context),
            lost,
            unversioned,
            proofs,
            last_failure: failure::last(context),
            watch: Watch::of(context, memory),
        }
    }
}

/// Since when each schedule holds: as it is remembered, or since the job file was written, whichever is longer ago. A
/// job file that is only written again must not excuse a run that is missing.
fn promises(
    context: &Context,
    memory: &Memory,
    seen: &[Seen],
    now: DateTime<Utc>,
) -> BTreeMap<Tier, Promise> {
    // From afar nobody knows when it was written; the oldest backup shows that there were promises by then.
    let oldest = || seen.iter().map(|seen| seen.ended).min();
    let written = context.written.or_else(oldest).unwrap_or(now);
    let promise = |(tier, schedule): (&Tier, &crate::vocab::Schedule)| {
        let remembered = memory.since.get(tier).filter(|held| held.schedule == *schedule);
        let since = remembered.map_or(written, |held| held.since.min(written));
        (*tier, Promise { schedule: schedule.clone(), since })
    };
    context.job.schedules.iter().map(promise).collect()
}

fn goals(context: &Context) -> Goals {
    let objectives = context.job.objectives;
    Goals {
        recovery_point: objectives.recovery_point.and_then(TimeDelta::try_seconds),
        verified_within: objectives.verified_within.and_then(TimeDelta::try_seconds),
    }
}

/// What another host sent here for a second copy answers for no run of this one.
fn is_own(context: &Context, local: &Local) -> bool {
    local.manifest.as_ref().is_none_or(|manifest| manifest.host == context.job.host)
}

/// `None` of a labelled one: it answers for no schedule.
fn seen_here(local: &Local) -> Option<Seen> {
    // Whoever cut a file changed its time too.
    let manifest = local.manifest.as_ref().or(local.cut.as_ref());
    let ended = manifest.map_or(local.modified, |manifest| manifest.ended);
    Some(Seen {
        tier: local.name.tier()?,
        place: Place::Here,
        name: local.file.clone(),
        began: manifest.map_or(ended, |manifest| manifest.began),
        ended,
        bytes: local.bytes,
        written: local.cut.as_ref().map(|manifest| manifest.bytes),
        format: manifest.map(Manifest::format_of_sizes),
        hidden: None,
        dated_by_storage: false,
    })
}

/// The tiers whose last backup raised the alarm: as it is remembered, or, where a newer one is here of which nobody was
/// told, as its manifest says.
fn unversioned(
    context: &Context,
    memory: &Memory,
    local: &[Local],
    now: DateTime<Utc>,
) -> BTreeMap<Tier, String> {
    // Where settings want dated keys by now, nothing is amiss.
    if context.job.upload.as_ref().is_none_or(|upload| !upload.versioned) {
        return BTreeMap::new();
    }
    let last = |tier: Tier| {
        let here = local.iter().filter_map(|one| one.manifest.as_ref());
        let here = here.filter(|manifest| manifest.tier == Some(tier) && manifest.ended <= now);
        let here = here.max_by_key(|manifest| manifest.ended).map(Done::from);
        match (memory.last.get(&tier).cloned(), here) {
            (Some(told), Some(here)) if here.ended > told.ended => Some(here),
            (told, here) => told.or(here),
        }
    };
    context.job.schedules.keys().filter_map(|tier| Some((*tier, last(*tier)?.alarm_of(*tier)?))).collect()
}

/// Backups whose time was over before their successor came: hourly ones, as a rule. They were made, and a newer proven
/// one let them go; what the directory does not hold any more is no miss.
fn expired(local: &[Local], memory: &Memory, context: &Context, now: DateTime<Utc>) -> Vec<Seen> {
    let policy = Policy::from(context.job.keep);
    let of_tiers = local.iter().filter(|one| one.name.tier().is_some());
    let newest_proven = of_tiers.filter(|one| one.proven()).map(Local::taken).max();
    let is_gone = |done: &&Done| !local.iter().any(|one| one.file == done.name);
    let let_go = |tier: Tier, done: &Done| {
        policy.due(tier, done.ended).is_some_and(|due| due <= now)
            && newest_proven.is_some_and(|newest| newest > done.ended)
    };
    memory
        .last
        .iter()
        .filter(|(_, done)| is_gone(done))
        .filter(|(tier, done)| let_go(**tier, done))
        .map(|(tier, done)| Seen {
            tier: *tier,
            place: Place::Here,
            name: done.name.clone(),
            began: done.began,
            ended: done.ended,
            bytes: done.bytes,
            written: None,
            format: Some(done.format.clone()),
            hidden: None,
            dated_by_storage: false,
        })
        .collect()
}
