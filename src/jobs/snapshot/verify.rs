//! Proving a snapshot: each of its indices is restored under another name, without copies, counted, and deleted again.
//!
//! One after the other, so that the cluster needs room for the largest alone. Must never touch an index that is not its own:
//! only what begins with our prefix is deleted, what a crashed run left included.

use std::collections::BTreeMap;

use super::cluster::{Cluster, told};
use super::follow::first_ones;
use super::restore::{Lacking, choose, recovered};
use crate::clients::elasticsearch::{EsError, EsErrorKind, Restoring, Snapshot};
use crate::datastores::elasticsearch::names::{is_hidden, scratch_prefix};
use crate::datastores::prove::Counts;
use crate::jobs::beside::Beside;
use crate::jobs::context::Context;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::restore::Wanted;
use crate::jobs::verify::{Evidence, Looked, measure, note, raise, unwritten, weigh};
use crate::jobs::{directory, lock};
use crate::vocab::Tier;

/// Where counts stand in the evidence.
const PLACE: &str = "elasticsearch";

/// Proves a snapshot, or tells why it is none; either is recorded.
pub async fn verify(context: &Context, wanted: &Wanted) -> Result<Evidence, JobError> {
    let place = directory::find(context)?;
    let title = format!("verify {} of {}", context.job.datastore, context.job.environment);
    let _lock = lock::take(context, &place, lock::VERIFY, title, None)?;
    let began = context.clock.now();
    let cluster = Cluster::of(context)?;
    if let Some(why) = Box::pin(cluster.strange()).await.map_err(|error| told(Stage::Choose, &error))? {
        return Err(JobError::new(Stage::Choose, why).help("`reconcile apply` registers it"));
    }
    let all = Box::pin(cluster.snapshots(Stage::Choose)).await?;
    let chosen = choose(&cluster, &all, wanted)?;
    Box::pin(clean(&cluster)).await?;
    let proved = Box::pin(prove(&cluster, &chosen)).await;
    // Whatever was found, nothing of it stays.
    let cleaned = Box::pin(clean(&cluster)).await;
    let Proved { counts, reasons, notes } = proved?;
    cleaned?;

    let looked =
        Looked { name: &chosen.name, tier: Some(Tier::Daily), label: None, taken: chosen.ended, began };
    let mut evidence = Evidence { reasons, notes, ..Evidence::of(context, &looked) };
    let kept = measure::read(context);
    match evidence.is_proof() {
        true => weigh(context, kept.as_ref(), &mut evidence, counts),
        // What could not be restored explains why less was counted.
        false => evidence.counts = counts,
    }
    raise(context, kept.as_ref(), &place, &mut evidence)?;
    evidence.write(&place).map_err(|error| unwritten(format!("{}: {error}", place.display())))?;
    note(context, &evidence);
    Ok(evidence)
}

struct Proved {
    counts: Counts,
    reasons: Vec<String>,
    notes: Vec<String>,
}

async fn prove(cluster: &Cluster<'_>, chosen: &Snapshot) -> Result<Proved, JobError> {
    let (client, prefix) = (&cluster.client, scratch_prefix(cluster.environment));
    let (hidden, indices): (Vec<String>, Vec<String>) =
        chosen.indices.iter().cloned().partition(|index| is_hidden(index));
    let mut documents = BTreeMap::new();
    let (mut reasons, mut notes) = (Vec::new(), Vec::new());
    if !hidden.is_empty() {
        notes.push(format!("not looked into, for they are Elasticsearch's own: {}", first_ones(&hidden)));
    }
    for index in indices {
        let scratch = format!("{prefix}{index}");
        let only = [index.clone()];
        let restoring = Restoring { indices: &only, prefix: Some(&prefix), scratch: true };
        let begun = Box::pin(client.restore(cluster.repository(), &chosen.name, &restoring)).await;
        let counted = match begun {
            // An answer that did not come is no proof against the snapshot: what is there tells.
            Ok(()) => Box::pin(count(cluster, &scratch)).await,
            Err(error) if !error.kind.did_nothing() => Box::pin(count(cluster, &scratch)).await,
            Err(error) => Err(Lacking::Cluster(error)),
        };
        match counted {
            Ok(count) => _ = documents.insert(index, count),
            Err(Lacking::Index(why)) => reasons.push(why.replace(&prefix, "")),
            Err(Lacking::Cluster(error)) if condemns(&error) => {
                reasons.push(format!("{index} cannot be restored: {error}"));
            }
            Err(Lacking::Cluster(error)) => return Err(told(Stage::Prove, &error)),
        }
        client.delete_index(&scratch).await.map_err(|error| told(Stage::Prove, &error))?;
    }
    let counts = Counts::from([(PLACE.to_owned(), documents)]);
    Ok(Proved { counts, reasons, notes })
}

async fn count(cluster: &Cluster<'_>, scratch: &str) -> Result<u64, Lacking> {
    recovered(cluster, scratch).await?;
    cluster.client.count(scratch).await.map_err(Lacking::Cluster)
}

/// Whether an error is the snapshot's fault, and not that of whoever asks.
fn condemns(error: &EsError) -> bool {
    matches!(
        error.kind,
        EsErrorKind::Restore
            | EsErrorKind::IndexMissing
            | EsErrorKind::SnapshotMissing
            | EsErrorKind::Refused
    )
}

/// Deletes what was restored for a proof, by this run or one that was killed.
async fn clean(cluster: &Cluster<'_>) -> Result<(), JobError> {
    let prefix = scratch_prefix(cluster.environment);
    let failed = |error: EsError| told(Stage::Prove, &error);
    let there = cluster.client.indices().await.map_err(failed)?;
    for index in there.keys().filter(|index| index.starts_with(&prefix)) {
        cluster.client.delete_index(index).await.map_err(failed)?;
    }
    Ok(())
}
