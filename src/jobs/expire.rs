//! Removing local backups whose time is over. `retention::local` decides; this only carries it out, and only the
//! sequence calls it, after the new backup is proven and under the lock.

use std::fmt;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::context::Context;
use super::directory::{self, Local};
use super::manifest;
use crate::datastores::names::Series;
use crate::retention::local::{self, Backup, Fate};
use crate::vocab::Label;

/// A local backup that was removed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expired {
    pub name: String,
    /// When its time was over.
    pub since: DateTime<Utc>,
    /// What the person called it who kept it until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Its copy in the bucket, which no job removes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
}

/// One sentence without a full stop.
impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = self.since.format("%Y-%m-%d %H:%M UTC");
        match &self.label {
            Some(label) => write!(f, "removed {}: it was labelled {label} and kept until {over}", self.name)?,
            None => write!(f, "removed {}: its time was over {over}", self.name)?,
        }
        match &self.remote {
            Some(copy) if self.label.is_some() => write!(f, "; {copy} stays until a person removes it"),
            _ => Ok(()),
        }
    }
}

/// The backups of a directory, each with its fate, oldest first.
pub fn fates(directory: &Path, series: &Series, context: &Context) -> io::Result<Vec<(Local, Fate)>> {
    let found = directory::backups(directory, series)?;
    let seen: Vec<Backup> = found
        .iter()
        .map(|local| Backup {
            name: local.file.clone(),
            term: local.term(context.zone),
            taken: local.taken(),
            proven: local.proven(),
        })
        .collect();
    let fates = local::decide(&seen, context.job.keep.into(), context.clock.now());
    Ok(found.into_iter().zip(fates).collect())
}

/// Removes what is due, and answers with what is gone.
pub fn run(directory: &Path, series: &Series, context: &Context) -> io::Result<Vec<Expired>> {
    let mut gone = Vec::new();
    for (backup, fate) in fates(directory, series, context)? {
        let Fate::Removed { since } = fate else { continue };
        let (backup_file, noted) = (directory.join(&backup.file), directory.join(manifest::file(&backup.file)));
        match backup.name.label() {
            // The manifest first: a crash in between leaves a backup without proof, never a proof without backup.
            None => directory::remove(&noted).and_then(|()| directory::remove(&backup_file))?,
            // Without its manifest nobody would know its date: it would stay for ever. The next run cleans up after a crash.
            Some(_) => directory::remove(&backup_file).and_then(|()| directory::remove(&noted))?,
        }
        let remote = backup.manifest.and_then(|manifest| manifest.remote).filter(|remote| remote.proven);
        gone.push(Expired {
            label: backup.name.label().cloned(),
            remote: remote.map(|remote| format!("s3://{}/{}", remote.bucket, remote.key)),
            name: backup.file,
            since,
        });
    }
    if !gone.is_empty() {
        directory::sync(directory)?;
    }
    Ok(gone)
}
