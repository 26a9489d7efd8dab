//! What a verification found: `NAME.verified.json` beside the backup, on disk and in the bucket.

use std::cmp::Reverse;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::datastores::prove::{Checked, Counts};
use crate::jobs::beside::Beside;
use crate::vocab::{Datastore, Environment, HostName, Tier};

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

impl Beside for Evidence {
    const FORMAT: &str = "reconcile.evidence/1";
    const ENDING: &str = ".verified.json";
    /// Some hundred thousand tables.
    const LIMIT: u64 = 32 << 20;

    fn format(&self) -> &str {
        &self.format
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// All evidence in a directory, the latest first; what is broken or too large is none.
pub fn all(place: &Path) -> io::Result<Vec<Evidence>> {
    let mut found = Evidence::all(place)?;
    found.sort_by_key(|evidence| Reverse(evidence.ended));
    Ok(found)
}
