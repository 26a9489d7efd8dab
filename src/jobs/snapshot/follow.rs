//! Beginning a snapshot, and waiting until it is over.
//!
//! Nobody knows whether a call that was not answered took effect, so what is there is looked at before anything is begun
//! again; and where one is under way already, its end is waited for.

use std::time::Duration;

use super::cluster::{Cluster, told};
use crate::clients::elasticsearch::{EsError, EsErrorKind, Snapshot, State};
use crate::jobs::context::Context;
use crate::jobs::error::{JobError, Stage};

/// How long deleting may take once the job is told to end.
const BREAK_OFF: Duration = Duration::from_secs(60);

/// A snapshot of that name, which was free, once it is over, however it ended.
pub async fn make(cluster: &Cluster<'_>, context: &Context, name: &str) -> Result<Snapshot, JobError> {
    let work = async {
        begin(cluster, name).await?;
        wait(cluster, name).await
    };
    tokio::select! {
        ended = tokio::time::timeout(cluster.patience, Box::pin(work)) => match ended {
            Ok(ended) => ended,
            Err(_) => Err(too_long(cluster, name).await),
        },
        why = context.stop.told() => Err(broken_off(cluster, name, why).await),
    }
}

/// Begins it, or finds it begun.
async fn begin(cluster: &Cluster<'_>, name: &str) -> Result<(), JobError> {
    let (client, repository) = (&cluster.client, cluster.repository());
    let mut attempts = 0;
    loop {
        let error = match client.create(repository, name).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let doubtful = match error.kind {
            // On an older version only one may run at a time; ours may be the one, if a proxy asked twice.
            EsErrorKind::Busy => false,
            EsErrorKind::Unheard | EsErrorKind::Unready => true,
            // The name was free: whoever took it was this very job.
            EsErrorKind::SnapshotName if attempts > 0 => true,
            _ => return Err(refused(&error)),
        };
        let there = client.snapshot(repository, name).await;
        if let Ok(Some(_)) = there {
            return Ok(());
        }
        if doubtful && attempts >= client.pace.tries {
            return Err(refused(&error));
        }
        tokio::time::sleep(client.pace.pause(attempts)).await;
        attempts = attempts.saturating_add(1);
    }
}

fn refused(error: &EsError) -> JobError {
    let mut told = told(Stage::Snapshot, error);
    told.message = format!("no snapshot was begun: {}", told.message);
    told
}

/// Looks again and again until it is over.
async fn wait(cluster: &Cluster<'_>, name: &str) -> Result<Snapshot, JobError> {
    let (client, repository) = (&cluster.client, cluster.repository());
    let mut looks = 0;
    loop {
        match client.snapshot(repository, name).await {
            Ok(Some(one)) if one.state == State::InProgress => {}
            Ok(Some(one)) => return Ok(one),
            Ok(None) => {
                let why = format!(
                    "somebody deleted the snapshot {name} while it was made; earlier snapshots are untouched"
                );
                return Err(
                    JobError::new(Stage::Snapshot, why).help("find out who else manages this repository")
                );
            }
            // A master that is elected anew takes its time, and the snapshot goes on.
            Err(error) if error.kind.passes() => tracing::info!("{name}: {error}"),
            Err(error) => return Err(told(Stage::Snapshot, &error)),
        }
        tokio::time::sleep(client.pace.pause(looks)).await;
        looks = looks.saturating_add(1);
    }
}

/// It is left to itself: breaking it off would throw away the work of hours.
async fn too_long(cluster: &Cluster<'_>, name: &str) -> JobError {
    let hours = cluster.patience.as_secs() / 3600;
    let look =
        tokio::time::timeout(BREAK_OFF, Box::pin(cluster.client.snapshot(cluster.repository(), name))).await;
    let message = match look {
        Ok(Ok(None)) => {
            format!("no snapshot could be begun within {hours} hours: another one is at work all the time")
        }
        _ => format!("the snapshot {name} was not over within {hours} hours, and goes on without this job"),
    };
    JobError::new(Stage::Snapshot, format!("{message}; earlier snapshots are untouched"))
        .help("see GET _snapshot/_status, and how fast the nodes may write (max_snapshot_bytes_per_sec)")
}

/// Told to end, the job breaks off what it began: half a snapshot is of no use to anybody.
async fn broken_off(cluster: &Cluster<'_>, name: &str, why: &str) -> JobError {
    let delete = Box::pin(cluster.client.delete(cluster.repository(), name));
    let so = match tokio::time::timeout(BREAK_OFF, delete).await {
        Ok(Ok(())) => "its snapshot was broken off".to_owned(),
        Ok(Err(error)) => format!("its snapshot {name} may go on: {error}"),
        Err(_) => format!("its snapshot {name} is being broken off"),
    };
    JobError::new(
        Stage::Snapshot,
        format!("the job was stopped: {why}; {so}, and earlier snapshots are untouched"),
    )
    .help("the next run begins anew")
}

/// Some reasons of many: the same one on a thousand shards is one.
pub fn first_ones(reasons: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut text = reasons.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if reasons.len() > SHOWN {
        text.push_str(&format!("; {} more", reasons.len() - SHOWN));
    }
    text
}
