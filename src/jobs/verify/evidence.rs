//! What a verification found: `NAME.verified.json` beside the backup, on disk and in the bucket.

use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::datastores::prove::{Checked, Counts};
use crate::jobs::directory;
use crate::vocab::{Datastore, Environment, HostName, Tier};

/// The format that this program writes.
pub const FORMAT: &str = "reconcile.evidence/1";
const ENDING: &str = ".verified.json";
/// The most that it may hold: some hundred thousand tables.
const LIMIT: u64 = 32 << 20;

/// What was found in one backup. Times are UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub format: String,
    /// The version of the program that looked.
    pub version: String,
    /// The backup.
    pub name: String,
    pub environment: Environment,
    pub host: HostName,
    pub datastore: Datastore,
    pub tier: Tier,
    /// Of the bytes that were restored.
    pub sha256: String,
    /// When the backup was whole.
    pub taken: Option<DateTime<Utc>>,
    pub began: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    /// Why it is not what it should be; none: it is proven.
    pub reasons: Vec<String>,
    /// Those of the reasons that only say that earlier backups held more: an operator may know why, and accept them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<String>,
    /// The losses that were accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    /// What only a person can judge, and what could not be looked at.
    pub notes: Vec<String>,
    pub counts: Counts,
    pub checks: Vec<Checked>,
}

/// Losses that somebody answers for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The login name of who did.
    pub by: String,
    pub at: DateTime<Utc>,
    pub reasons: Vec<String>,
}

impl Evidence {
    pub fn is_proof(&self) -> bool {
        self.reasons.is_empty()
    }

    /// Whether all that is wrong with it is a loss that somebody may accept.
    pub fn is_acceptable(&self) -> bool {
        !self.losses.is_empty() && self.reasons.iter().all(|reason| self.losses.contains(reason))
    }

    /// Whether another is of the same bytes of the same backup.
    pub fn is_same(&self, other: &Evidence) -> bool {
        self.name == other.name && self.taken == other.taken && self.sha256 == other.sha256
    }

    pub fn concerns(&self, environment: &Environment, datastore: &Datastore) -> bool {
        self.environment == *environment && self.datastore == *datastore
    }
}

/// The evidence's file or key for a backup's.
pub fn file(name: &str) -> String {
    format!("{name}{ENDING}")
}

/// As it is written: for people too.
pub fn render(evidence: &Evidence) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(evidence).map_err(io::Error::other)?;
    text.push(b'\n');
    Ok(text)
}

/// Reads what [`render`] wrote.
pub fn parse(text: &[u8]) -> Option<Evidence> {
    let evidence: Evidence = serde_json::from_slice(text).ok()?;
    (evidence.format == FORMAT).then_some(evidence)
}

pub fn write(place: &Path, evidence: &Evidence) -> io::Result<()> {
    directory::write(place, &file(&evidence.name), &render(evidence)?)
}

/// What was last found in the backup of that name.
pub fn read(place: &Path, name: &str) -> Option<Evidence> {
    let path = place.join(file(name));
    let metadata = fs::symlink_metadata(&path).ok()?;
    if !metadata.is_file() || metadata.len() > LIMIT {
        return None;
    }
    parse(&fs::read(&path).ok()?).filter(|evidence| evidence.name == name)
}

/// All evidence in a directory, the latest first; what is broken or too large is none.
pub fn all(place: &Path) -> io::Result<Vec<Evidence>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.ends_with(ENDING));
        let Ok(metadata) = entry.metadata() else { continue };
        if is_ours && metadata.is_file() && metadata.len() <= LIMIT {
            found.extend(fs::read(entry.path()).ok().and_then(|text| parse(&text)));
        }
    }
    found.sort_by_key(|evidence| std::cmp::Reverse(evidence.ended));
    Ok(found)
}
