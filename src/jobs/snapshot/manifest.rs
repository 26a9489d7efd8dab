//! What is known of a snapshot that was whole, `NAME.snapshot.json` in the job's directory: the repository may lose it, and
//! then somebody must know that it was there.

use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use crate::clients::elasticsearch::{Snapshot, State};
use crate::jobs::beside::Beside;
use crate::jobs::context::Context;
use crate::vocab::{Datastore, Environment, HostName, Tier};

/// What makes the sizes of snapshots comparable.
pub const FORMAT_OF_SIZES: &str = "snapshot";

/// What is known of one snapshot. Times are UTC, by the cluster's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotManifest {
    pub format: String,
    /// The version of the program that asked for it.
    pub version: String,
    pub name: String,
    pub environment: Environment,
    pub host: HostName,
    pub datastore: Datastore,
    pub tier: Tier,
    pub repository: String,
    /// Where the repository keeps it, for people.
    pub place: String,
    /// Before version 5 there is none.
    pub uuid: Option<String>,
    pub state: State,
    pub began: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    pub shards: u64,
    pub indices: Vec<String>,
    /// Of all its files, those included that it shares with others.
    pub bytes: Option<u64>,
    pub server_version: String,
    /// The nodes that could write when it began.
    pub nodes: Vec<String>,
    /// How to restore with ordinary tools, line by line.
    pub restore: Vec<String>,
}

impl SnapshotManifest {
    pub(super) fn of(
        context: &Context,
        cluster: &Cluster<'_>,
        tier: Tier,
        one: &Snapshot,
        bytes: Option<u64>,
        server_version: String,
        nodes: Vec<String>,
    ) -> Self {
        let repository = cluster.repository();
        let at = cluster.source.at.last().cloned().unwrap_or_default();
        let restore = vec![
            "curl -XPOST EACH_INDEX/_close for what is to be replaced, then:".to_owned(),
            format!(
                "curl -XPOST -H 'Content-Type: application/json' '{at}/_snapshot/{repository}/{}/_restore' -d \
                 '{{\"indices\": \"*,-.*\"}}'",
                one.name
            ),
        ];
        SnapshotManifest {
            format: Self::FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: one.name.clone(),
            environment: context.job.environment.clone(),
            host: context.job.host.clone(),
            datastore: context.job.datastore.clone(),
            tier,
            repository: repository.to_owned(),
            place: cluster.source.place(),
            uuid: one.uuid.clone(),
            state: one.state,
            began: one.started,
            ended: one.ended.unwrap_or(one.started),
            shards: one.shards,
            indices: one.indices.clone(),
            bytes,
            server_version,
            nodes,
            restore,
        }
    }
}

impl Beside for SnapshotManifest {
    const FORMAT: &str = "reconcile.snapshot/1";
    const ENDING: &str = ".snapshot.json";
    /// Some ten thousand indices.
    const LIMIT: u64 = 4 << 20;

    fn format(&self) -> &str {
        &self.format
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// What is known of this job's snapshots, the oldest first; what is of another environment is none.
pub fn all(place: &Path, context: &Context) -> io::Result<Vec<SnapshotManifest>> {
    let mut found = SnapshotManifest::all(place)?;
    found.retain(|one| one.environment == context.job.environment);
    found.sort_by(|a, b| (a.ended, &a.name).cmp(&(b.ended, &b.name)));
    Ok(found)
}
