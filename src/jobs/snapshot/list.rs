//! What there is of snapshots: the repository's own answer, ours alone.

use chrono::{DateTime, Utc};

use super::cluster::{Cluster, restored};
use super::manifest::{self, SnapshotManifest};
use crate::clients::elasticsearch::{Snapshot, State};
use crate::datastores::elasticsearch::names::is_before_restore;
use crate::datastores::elasticsearch::settings::SnapshotStore;
use crate::jobs::context::Context;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::list::{Here, Keep, Listing, Row};
use crate::jobs::{failure, verify};
use crate::vocab::{BucketName, Tier};

/// Every snapshot of ours, newest first; where nobody can look, what is known of them here.
pub async fn listing(context: &Context) -> Result<Listing, JobError> {
    let cluster = Cluster::of(context)?;
    let known = manifest::all(&context.directory(), context).unwrap_or_default();
    let (mut backups, mut unseen) = (Vec::new(), Vec::new());
    match Box::pin(cluster.snapshots(Stage::Prepare)).await {
        Ok(all) => backups = rows(context, &cluster, &all, &known),
        Err(error) => unseen.push(format!("the repository {} cannot be seen: {error}", cluster.repository())),
    }
    backups.sort_by(|a, b| (b.taken, &b.name).cmp(&(a.taken, &a.name)));
    Ok(Listing {
        datastore: context.job.datastore.clone(),
        host: context.job.host.clone(),
        directory: context.job.directory.clone(),
        bucket: bucket(&cluster),
        repository: Some(format!("{}, {}", cluster.repository(), cluster.source.place())),
        backups,
        last_failure: failure::last(context),
        hidden: Vec::new(),
        unseen,
    })
}

pub fn bucket(cluster: &Cluster<'_>) -> Option<BucketName> {
    match &cluster.source.store {
        Some(SnapshotStore::S3 { bucket, .. }) => Some(bucket.clone()),
        _ => None,
    }
}

fn rows(context: &Context, cluster: &Cluster<'_>, all: &[Snapshot], known: &[SnapshotManifest]) -> Vec<Row> {
    let bytes =
        |name: &str| known.iter().find(|one| one.name == name).and_then(|one| one.bytes).unwrap_or_default();
    let proofs = verify::all(&context.directory()).unwrap_or_default();
    let row = |one: &Snapshot, here: Option<Here>| Row {
        name: one.name.clone(),
        tier: Some(Tier::Daily),
        label: None,
        keep_until: None,
        taken: taken(one),
        bytes: bytes(&one.name),
        here,
        remote: None,
        earlier_name: None,
        proven: Some(one.state == State::Success && restored(one, &proofs) != Some(false)),
        restored: restored(one, &proofs),
        state: Some(one.state.word().to_owned()).filter(|_| one.state != State::Success),
    };
    let fates = cluster.fates(all, &proofs, context.clock.now());
    let mut rows: Vec<Row> = fates.iter().map(|(one, fate)| row(one, Some((*fate).into()))).collect();
    let family = cluster.family();
    for one in all {
        if is_before_restore(cluster.environment, &one.name) {
            // Only a person removes it.
            rows.push(row(one, Some(Here { keep: Keep::Until, when: None })));
        } else if family.has(&one.name) && one.state == State::InProgress {
            rows.push(row(one, None));
        }
    }
    rows
}

/// When it was whole; of one that is under way, when it began.
pub fn taken(one: &Snapshot) -> DateTime<Utc> {
    one.ended.unwrap_or(one.started)
}
