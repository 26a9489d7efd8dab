//! What is known of a snapshot that was whole, `NAME.snapshot.json` in the job's directory: the repository may lose it, and
//! then somebody must know that it was there.

use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use crate::clients::elasticsearch::{Snapshot, State};
use crate::jobs::context::Context;
use crate::jobs::{directory, verify};
use crate::vocab::{Datastore, Environment, HostName, Tier};

/// The format that this program writes.
const FORMAT: &str = "reconcile.snapshot/1";
const ENDING: &str = ".snapshot.json";
/// The most that it may hold: some ten thousand indices.
const LIMIT: u64 = 4 << 20;

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
            format: FORMAT.to_owned(),
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

fn file(name: &str) -> String {
    format!("{name}{ENDING}")
}

pub fn write(place: &Path, manifest: &SnapshotManifest) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(manifest).map_err(io::Error::other)?;
    text.push(b'\n');
    directory::write(place, &file(&manifest.name), &text)
}

/// Removes what is known of a snapshot, evidence included.
pub fn remove(place: &Path, name: &str) -> io::Result<()> {
    directory::remove(&place.join(file(name)))?;
    directory::remove(&place.join(verify::file(name)))
}

/// What is known of this job's snapshots; a file that is broken, too large or of somebody else is none.
pub fn all(place: &Path, context: &Context) -> io::Result<Vec<SnapshotManifest>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_suffix(ENDING)) else { continue };
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_file() || metadata.len() > LIMIT {
            continue;
        }
        let read = fs::read(entry.path()).ok().and_then(|text| serde_json::from_slice::<SnapshotManifest>(&text).ok());
        let ours = |one: &SnapshotManifest| {
            one.format == FORMAT && one.name == name && one.environment == context.job.environment
        };
        found.extend(read.filter(ours));
    }
    found.sort_by(|a, b| (a.ended, &a.name).cmp(&(b.ended, &b.name)));
    Ok(found)
}
