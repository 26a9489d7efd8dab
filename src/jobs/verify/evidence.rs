//! What a verification found: `NAME.verified.json` beside the backup, on disk and in the bucket.

use std::cmp::Reverse;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::datastores::prove::{Checked, Counts};
use crate::jobs::beside::Beside;
use crate::jobs::context::Context;
use crate::vocab::{Datastore, Environment, HostName, Label, Tier};

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

/// Which backup is looked at, and since when.
pub struct Looked<'a> {
    pub name: &'a str,
    pub tier: Option<Tier>,
    pub label: Option<&'a Label>,
    /// When it was whole.
    pub taken: Option<DateTime<Utc>>,
    pub began: DateTime<Utc>,
}

impl Evidence {
    /// Of a look that ends now and has found nothing yet, neither good nor bad.
    pub fn of(context: &Context, looked: &Looked) -> Evidence {
        Evidence {
            format: Evidence::FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: looked.name.to_owned(),
            environment: context.job.environment.clone(),
            host: context.job.host.clone(),
            datastore: context.job.datastore.clone(),
            tier: looked.tier,
            label: looked.label.cloned(),
            sha256: String::new(),
            taken: looked.taken,
            began: looked.began,
            ended: context.clock.now(),
            reasons: Vec::new(),
            losses: Vec::new(),
            accepted: None,
            notes: Vec::new(),
            counts: Counts::new(),
            checks: Vec::new(),
        }
    }

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
