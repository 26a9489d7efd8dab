//! What a verification found: `NAME.verified.json` beside the backup, on disk and in the bucket.

use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::datastores::prove::{Checked, Counts};
use crate::jobs::directory;
use crate::vocab::{Datastore, Environment, HostName, Label, Tier};

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
    /// `None` of a labelled one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Of the bytes that were restored.
    pub sha256: String,
    /// When the backup was whole.
    pub taken: Option<DateTime<Utc>>,
    pub began: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    /// Why it is not what it should be; none: it is proven.
    pub reasons: Vec<String>,
    /// What only a person can judge, and what could not be looked at.
    pub notes: Vec<String>,
    pub counts: Counts,
    pub checks: Vec<Checked>,
}

impl Evidence {
    pub fn is_proof(&self) -> bool {
        self.reasons.is_empty()
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
