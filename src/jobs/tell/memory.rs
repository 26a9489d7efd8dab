//! What is remembered from one job to the next, beside the backups: `.reconcile-ENV-DATASTORE.incident.json`.
//!
//! Written whole, before a letter leaves: a job that is killed in between leaves a letter that is sent by the next one. A
//! file that cannot be read is none: then an incident is told once more, which is better than never.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::freshness::{Freshness, Matter, Place};
use crate::jobs::context::Context;
use crate::jobs::directory;
use crate::jobs::error::Stage;
use crate::jobs::manifest::Manifest;
use crate::jobs::verify::Standing;
use crate::vocab::{Schedule, Tier, words};

/// The format that this program writes.
const FORMAT: &str = "reconcile.incident/1";

/// The most that the file may hold; a larger one is none.
const LIMIT: u64 = 1 << 20;

/// The file's length is a multiple of this: so much more can be remembered while the disk is full.
const ROOM: usize = 16 << 10;

/// How many letters wait to be sent at most: the first and the newest matter.
pub const WAITING: usize = 8;

/// Everything that is remembered of one datastore in one environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    pub format: String,
    /// Since when each tier's schedule is known.
    pub since: BTreeMap<Tier, Held>,
    /// The last backup of each tier.
    pub last: BTreeMap<Tier, Done>,
    /// What is wrong with the backups, and whether somebody was told.
    pub incident: Option<Incident>,
    /// The same of what was proven.
    pub proofs: Option<Incident>,
    /// The last verification by cron that could not be made.
    pub unmade: Option<Failed>,
    /// Letters that nobody took yet, the oldest first.
    pub waiting: Vec<Waiting>,
    /// Why the last letter was not taken.
    pub untold: Option<String>,
    /// How many checks in a row could not see everything.
    pub blind: u32,
    /// When cron last ran a check, and what it found.
    pub checked: Option<DateTime<Utc>>,
    pub freshness: Option<Freshness>,
    /// How it stood with the proofs when a job last looked.
    pub standing: Option<Standing>,
    /// The last test of the alerts.
    pub test: Option<Test>,
    /// The last test that a person said had arrived.
    pub confirmed: Option<Confirmed>,
}

/// A schedule, and since when it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub schedule: Schedule,
    pub since: DateTime<Utc>,
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub name: String,
    pub began: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    pub bytes: u64,
    /// Method and compression.
    pub format: String,
    /// Why its copy is not under the key that the settings want.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
}

impl Done {
    /// The alarm, one sentence without a full stop.
    pub fn alarm_of(&self, tier: Tier) -> Option<String> {
        self.alarm.as_ref().map(|why| format!("the last {tier} backup: {why}"))
    }
}

impl From<&Manifest> for Done {
    fn from(manifest: &Manifest) -> Self {
        Done {
            name: manifest.name.clone(),
            began: manifest.began,
            ended: manifest.ended,
            bytes: manifest.bytes,
            format: manifest.format_of_sizes(),
            alarm: manifest.alarm.clone(),
        }
    }
}

/// Something that is wrong, from its first sign to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub began: DateTime<Utc>,
    /// What was told of it, so that nothing is told twice.
    pub told: BTreeSet<Matter>,
    /// Backups that failed and were not made since.
    pub failed: BTreeMap<Tier, Failed>,
    /// What the last check found.
    pub found: Vec<Found>,
}

/// A backup that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    pub at: DateTime<Utc>,
    pub stage: Stage,
    pub message: String,
    pub help: Option<String>,
}

/// One finding of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub matter: Matter,
    pub tier: Option<Tier>,
    /// Where it was seen, where it is of one place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    pub text: String,
}

/// A letter that is still to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub at: DateTime<Utc>,
    /// Who has not got it yet.
    pub to: Vec<String>,
    pub subject: String,
    pub body: String,
}

/// A test that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    pub at: DateTime<Utc>,
    pub code: String,
    /// By which ways it left.
    pub channels: Vec<String>,
}

/// A test that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// When it was sent.
    pub sent: DateTime<Utc>,
    pub at: DateTime<Utc>,
    /// The login name of who said so.
    pub by: String,
    pub channels: Vec<String>,
}

impl Incident {
    pub fn new(began: DateTime<Utc>) -> Self {
        Incident { began, told: BTreeSet::new(), failed: BTreeMap::new(), found: Vec::new() }
    }

    /// What is wrong, in words, one a line.
    pub fn reasons(&self) -> Vec<String> {
        let failed = self.failed.iter().map(|(tier, failed)| {
            let at = words::minute(failed.at);
            format!("the {tier} backup of {at} failed at {}: {}", failed.stage, failed.message)
        });
        failed.chain(self.found.iter().map(|found| found.text.clone())).collect()
    }
}

impl Memory {
    /// Everything that is wrong and lasts.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incident.iter().chain(&self.proofs)
    }

    fn file(context: &Context) -> String {
        format!(".reconcile-{}-{}.incident.json", context.job.environment, context.job.datastore)
    }

    /// What is remembered; nothing where there is no file that can be read.
    pub fn read(context: &Context) -> Memory {
        read(&context.directory().join(Memory::file(context))).unwrap_or_default()
    }

    /// Remembers, whole or not at all. On a full disk it is written over what was remembered before, whose room it has:
    /// whoever was told that the disk is full would be told so by every check.
    pub fn write(&self, context: &Context) -> io::Result<()> {
        let memory = Memory { format: FORMAT.to_owned(), ..self.clone() };
        let mut text = serde_json::to_vec_pretty(&memory).map_err(io::Error::other)?;
        text.resize(text.len().next_multiple_of(ROOM), b' ');
        let (place, file) = (context.directory(), Memory::file(context));
        match directory::write(&place, &file, &text) {
            Err(full) if full.kind() == io::ErrorKind::StorageFull => write_over(&place.join(file), &text),
            written => written,
        }
    }
}

/// Writes to a file that is there, in its own blocks. A crash meanwhile leaves one that cannot be read.
fn write_over(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = fs::File::options().write(true).open(path)?;
    file.write_all(text)?;
    file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))?;
    file.sync_all()
}

fn read(path: &Path) -> Option<Memory> {
    let metadata = fs::symlink_metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > LIMIT {
        return None;
    }
    let memory: Memory = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (memory.format == FORMAT).then_some(memory)
}
