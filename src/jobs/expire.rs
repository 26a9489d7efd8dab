//! Removing local backups whose time is over. `retention::local` decides; this only carries it out, and only the
//! sequence calls it, after the new backup is proven and under the lock.

use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::beside::Beside;
use super::directory::{self, Local};
use super::manifest::Manifest;
use super::verify::{self, Evidence};
use crate::datastores::names::Series;
use crate::retention::local::{self, Backup, Fate, Policy};

/// The backups of a directory, each with its fate, oldest first.
pub fn fates(
    directory: &Path,
    series: &Series,
    policy: Policy,
    now: DateTime<Utc>,
) -> io::Result<Vec<(Local, Fate)>> {
    let found = directory::backups(directory, series)?;
    let seen: Vec<Backup> = found
        .iter()
        .map(|local| Backup {
            name: local.file.clone(),
            tier: local.name.tier,
            taken: local.taken(),
            proven: local.proven(),
        })
        .collect();
    let fates = local::decide(&seen, policy, now);
    Ok(found.into_iter().zip(fates).collect())
}

/// Removes what is due, and answers with the names of what is gone.
pub fn run(directory: &Path, series: &Series, policy: Policy, now: DateTime<Utc>) -> io::Result<Vec<String>> {
    let mut gone = Vec::new();
    // What the last proven backup held is what the next is measured by, however long it is gone.
    let measure = verify::all(directory)?.into_iter().find(Evidence::is_proof).map(|evidence| evidence.name);
    for (backup, fate) in fates(directory, series, policy, now)? {
        if fate.is_kept() {
            continue;
        }
        // The manifest first: a crash in between leaves a backup without proof, never a proof without backup.
        directory::remove(&directory.join(Manifest::file(&backup.file)))?;
        if measure.as_ref() != Some(&backup.file) {
            directory::remove(&directory.join(Evidence::file(&backup.file)))?;
        }
        directory::remove(&directory.join(&backup.file))?;
        gone.push(backup.file);
    }
    if !gone.is_empty() {
        directory::sync(directory)?;
    }
    Ok(gone)
}
