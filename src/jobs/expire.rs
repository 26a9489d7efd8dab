//! Removing local backups whose time is over, and the reasons why each goes or stays. `retention::local` decides; this only
//! carries it out, and only the sequence calls it, after the new backup is proven and under the lock.

use std::fmt;
use std::io;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::beside::Beside;
use super::context::Context;
use super::directory::{self, Local};
use super::list::{Here, Keep};
use super::manifest::Manifest;
use super::verify::{self, Evidence, Standing};
use crate::datastores::names::Series;
use crate::retention::local::{self, Backup, Fate};
use crate::vocab::{Label, words};

/// What became of the backups of a job, each with its reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Those that stay, oldest first.
    pub kept: Vec<Stays>,
    /// Those whose time was over.
    pub removed: Vec<Expired>,
}

impl Swept {
    /// The names of those that are gone.
    pub fn gone(&self) -> Vec<&str> {
        self.removed.iter().map(|gone| gone.name.as_str()).collect()
    }

    /// A sentence for each of them.
    pub fn reasons(&self) -> impl Iterator<Item = String> {
        self.removed.iter().map(Expired::to_string).chain(self.kept.iter().map(Stays::to_string))
    }
}

/// A backup that was kept, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stays {
    pub name: String,
    #[serde(flatten)]
    pub why: Here,
}

/// One sentence without a full stop.
impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kept {}: {}", self.name, self.why)
    }
}

/// A backup that was removed, and why.
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
        let over = words::minute(self.since);
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

/// The same for people, with what no job wrote there.
pub fn seen(directory: &Path, series: &Series, context: &Context) -> io::Result<Vec<(Local, Here)>> {
    let ours = fates(directory, series, context)?.into_iter().map(|(local, fate)| (local, fate.into()));
    let not_ours = Here { keep: Keep::NotOurs, when: None };
    let strays = directory::strays(directory, series)?.into_iter().map(|local| (local, not_ours));
    Ok(ours.chain(strays).collect())
}

/// Removes what is due, and answers with what became of each.
pub fn run(directory: &Path, series: &Series, context: &Context) -> io::Result<Swept> {
    let mut swept = Swept::default();
    let now = context.clock.now();
    let mut evidence = verify::all(directory)?;
    for (backup, fate) in fates(directory, series, context)? {
        let Fate::Removed { since } = fate else {
            swept.kept.push(Stays { name: backup.file, why: fate.into() });
            continue;
        };
        let file = directory.join(&backup.file);
        let noted = directory.join(Manifest::file(&backup.file));
        if backup.name.label().is_some() {
            // Without its manifest nobody would know its date: it would stay for ever. After a crash the next run cleans up.
            directory::remove(&file)?;
        }
        // The manifest first: a crash in between leaves a backup without proof, never a proof without backup.
        directory::remove(&noted)?;
        let remote = backup.manifest.and_then(|manifest| manifest.remote).filter(|remote| remote.proven);
        let warns = |one: &Evidence| remote.is_some() && !one.is_proof() && !is_old(one, now);
        if !evidence.iter().any(|one| one.name == backup.file && warns(one)) {
            forget(directory, &mut evidence, &backup.file)?;
        }
        directory::remove(&file)?;
        swept.removed.push(Expired {
            label: backup.name.label().cloned(),
            remote: remote.map(|remote| format!("s3://{}/{}", remote.bucket, remote.key)),
            name: backup.file,
            since,
        });
    }
    // Nobody else ever removes what outlived its backup.
    let (environment, datastore) = (&context.job.environment, &context.job.datastore);
    let widowed = evidence.iter().filter(|one| {
        one.concerns(environment, datastore) && is_old(one, now) && !directory.join(&one.name).exists()
    });
    for name in widowed.map(|one| one.name.clone()).collect::<Vec<_>>() {
        forget(directory, &mut evidence, &name)?;
    }
    if !swept.removed.is_empty() {
        directory::sync(directory)?;
    }
    Ok(swept)
}

/// How long a backup that was condemned is warned of after it left the directory, where its copy may be in the bucket: the job
/// does not know how long the bucket keeps versions, and they are seldom kept for two years.
const WARNED: TimeDelta = TimeDelta::days(731);

fn is_old(evidence: &Evidence, now: DateTime<Utc>) -> bool {
    now.signed_duration_since(evidence.ended) > WARNED
}

/// Removes the evidence of a backup that is gone, unless something would be told otherwise without it.
fn forget(directory: &Path, evidence: &mut Vec<Evidence>, name: &str) -> io::Result<()> {
    match Standing::take(evidence, name) {
        true => directory::remove(&directory.join(Evidence::file(name))),
        false => Ok(()),
    }
}
