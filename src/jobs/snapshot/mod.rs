//! Snapshots that a store makes itself, such as Elasticsearch's: the job asks, waits, looks at what came of it, and only
//! then lets old ones go.
//!
//!     lock -> repository is the one wanted, and every node can write to it -> begin -> wait for SUCCESS -> record -> expire
//!     -> tell
//!
//! Whatever fails leaves every older snapshot where it is. Must never remove what is not of our own names, nor begin a
//! snapshot twice under one name, nor take for a snapshot what is not whole.

mod check;
mod cluster;
mod follow;
mod list;
mod manifest;
mod restore;
mod verify;

use std::path::Path;

use serde::Serialize;

pub(super) use check::look;
pub use cluster::ElasticsearchReach;
pub(super) use cluster::try_out;
pub(super) use list::listing;
pub use manifest::SnapshotManifest;
pub use restore::{RestoredSnapshot, SnapshotReady, prepare};
pub(super) use verify::verify;

use super::beside::Beside;
use super::context::Context;
use super::error::{JobError, Stage};
use super::expire::{Expired, Stays, Swept};
use super::log::Level;
use super::tell::memory::Done;
use super::verify::{self as proving, Evidence, Standing};
use super::{directory, failure, lock, log, tell};
use crate::clients::elasticsearch::{EsErrorKind, Snapshot, State};
use crate::datastores::job_file::Source;
use crate::retention::local::Fate;
use crate::retention::snapshots;
use crate::vocab::Tier;
use cluster::Cluster;

/// Whether the backups of this job are snapshots.
pub fn is_of(context: &Context) -> bool {
    matches!(context.job.source, Source::Elasticsearch(_))
}

/// What a snapshot came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotReport {
    pub manifest: SnapshotManifest,
    /// Where the snapshots are, for people.
    pub place: String,
    /// What became of ours.
    #[serde(flatten)]
    pub swept: Swept,
    /// What went otherwise than it should, while the snapshot is good.
    pub warnings: Vec<String>,
}

/// Makes one snapshot. Whatever fails is written down in the job's directory; a success clears that note.
pub async fn snapshot(context: &Context, tier: Tier) -> Result<SnapshotReport, JobError> {
    note(context, tier, Level::Info, "began");
    let result = Box::pin(attempt(context, tier)).await;
    match &result {
        Ok(report) => {
            for reason in report.swept.reasons() {
                note(context, tier, Level::Info, &reason);
            }
            let SnapshotManifest { name, began, ended, bytes, .. } = &report.manifest;
            note(
                context,
                tier,
                Level::Info,
                &format!("done: {name}, {} older removed", report.swept.removed.len()),
            );
            for warning in &report.warnings {
                note(context, tier, Level::Warning, warning);
            }
            failure::clear(context, tier);
            let done = Done {
                name: name.clone(),
                began: *began,
                ended: *ended,
                bytes: bytes.unwrap_or_default(),
                format: manifest::FORMAT_OF_SIZES.to_owned(),
                alarm: None,
            };
            Box::pin(tell::made(context, tier, done)).await;
        }
        // The job that holds the lock is about to say how it went; this one has nothing to add.
        Err(error) if error.is_refusal() => note(context, tier, Level::Info, &format!("refused: {error}")),
        Err(error) => {
            failure::record(context, tier, error);
            Box::pin(tell::failed(context, tier, error)).await;
        }
    }
    result
}

fn note(context: &Context, tier: Tier, level: Level, what: &str) {
    log::line(context, Some(tier), level, &format!("{}: {what}", context.title(&tier.into())));
}

async fn attempt(context: &Context, tier: Tier) -> Result<SnapshotReport, JobError> {
    let place = directory::find(context)?;
    directory::check_user(&place)?;
    let _lock = lock::take(context, &place, lock::BACKUP, context.title(&tier.into()), Some(tier))?;
    let cluster = Cluster::of(context)?;
    let nodes = Box::pin(cluster.ready(Stage::Prepare)).await?;
    let about = Box::pin(cluster.about(Stage::Prepare)).await?;

    let before = Box::pin(cluster.snapshots(Stage::Prepare)).await?;
    let mut warnings = Vec::new();
    let name = free_name(&cluster, context, &before, &mut warnings)?;
    let whole = Box::pin(follow::make(&cluster, context, &name)).await?;
    judge(&whole)?;

    let bytes = match Box::pin(cluster.client.size(cluster.repository(), &name)).await {
        Ok(bytes) => bytes,
        // It is whole all the same; only its size is not known.
        Err(why) => {
            tracing::info!("the size of {name}: {why}");
            None
        }
    };
    let manifest = SnapshotManifest::of(context, &cluster, tier, &whole, bytes, about.version, nodes);
    manifest.write(&place).map_err(|error| {
        JobError::new(
            Stage::Record,
            format!(
                "the snapshot {name} is good, and what is known of it cannot be written to {}: {error}",
                place.display()
            ),
        )
        .help("see that the volume has room and is writable")
    })?;
    let swept = Box::pin(expire(&cluster, context, &place, &mut warnings)).await?;
    Ok(SnapshotReport { manifest, place: cluster.source.place(), swept, warnings })
}

/// The first name that is free. What has the name already is told where it is none to rely on.
fn free_name(
    cluster: &Cluster<'_>,
    context: &Context,
    before: &[Snapshot],
    warnings: &mut Vec<String>,
) -> Result<String, JobError> {
    let names = cluster.family().names(context.clock.now(), context.zone);
    for name in &names {
        match before.iter().find(|one| one.name == *name) {
            None => return Ok(name.clone()),
            Some(there) => match there.state {
                State::Success => {}
                state => warnings
                    .push(format!("{name} is there already and is {}; another name was taken", state.word())),
            },
        }
    }
    Err(JobError::new(Stage::Prepare, "every name that a snapshot of now could have is taken")
        .help("run it again in a second"))
}

/// Whether it is a backup.
fn judge(one: &Snapshot) -> Result<(), JobError> {
    if one.state == State::Success && one.failed_shards == 0 {
        return Ok(());
    }
    let reasons = match one.failures.as_slice() {
        [] => String::new(),
        failures => format!(": {}", follow::first_ones(failures)),
    };
    let failed = match one.failed_shards {
        0 => String::new(),
        count => format!(", {count} of {} shards failed", one.shards),
    };
    Err(JobError::new(
        Stage::Snapshot,
        format!(
            "the snapshot {} ended as {}{failed}{reasons}; earlier snapshots are untouched",
            one.name,
            one.state.word()
        ),
    )
    .help("look at the cluster's health and its logs; the next run makes another, and this one goes when its time is over"))
}

/// Lets go what is due: of our names alone, and only after a new one is whole.
async fn expire(
    cluster: &Cluster<'_>,
    context: &Context,
    place: &Path,
    warnings: &mut Vec<String>,
) -> Result<Swept, JobError> {
    let failed = |why: String| {
        JobError::new(
            Stage::Expire,
            format!("the new snapshot is good, but old ones cannot be removed: {why}"),
        )
        .help("see what Elasticsearch says; the next run tries again")
    };
    let all = Box::pin(cluster.snapshots(Stage::Expire)).await?;
    let now = context.clock.now();
    let (mut swept, mut is_busy) = (Swept::default(), false);
    // When one was last proven, and that one was condemned since, is told however long they are gone.
    let proofs = proving::all(place).map_err(|error| failed(error.to_string()))?;
    let told = Standing::of(&proofs, None).names();
    let forget = |name: &str| {
        directory::remove(&place.join(SnapshotManifest::file(name)))?;
        match told.iter().any(|told| told == name) {
            true => Ok(()),
            false => directory::remove(&place.join(Evidence::file(name))),
        }
    };
    for (one, fate) in cluster.fates(&all, &proofs, now) {
        let since = match fate {
            Fate::Removed { since } if !is_busy => since,
            fate => {
                swept.kept.push(Stays { name: one.name, why: fate.into() });
                continue;
            }
        };
        // What is known of it goes first: without it a snapshot is none that could be missed.
        forget(&one.name).map_err(|error: std::io::Error| failed(error.to_string()))?;
        match Box::pin(cluster.client.delete(cluster.repository(), &one.name)).await {
            Ok(()) => {
                swept.removed.push(Expired { name: one.name, since, label: None, remote: None });
            }
            Err(error) if error.kind == EsErrorKind::Busy => {
                warnings.push("older snapshots stay for now: somebody else's snapshot is at work; the next run removes them".to_owned());
                is_busy = true;
                swept.kept.push(Stays { name: one.name, why: fate.into() });
            }
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    // What somebody else removed, and would be gone by now, nobody needs to look for.
    for known in manifest::all(place, context).map_err(|error| failed(error.to_string()))? {
        let is_there = all.iter().any(|one| one.name == known.name);
        if !is_there && snapshots::due(known.began, context.job.keep.days).is_some_and(|due| due <= now) {
            forget(&known.name).map_err(|error: std::io::Error| failed(error.to_string()))?;
        }
    }
    Ok(swept)
}
