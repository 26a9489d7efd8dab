//! What goes wrong with the stand-in for Elasticsearch, and which version it plays.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// How it behaves; everything may be left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// The version that it plays; 6.8.23 if nothing is said.
    pub version: Option<String>,
    /// Who may ask; without it everybody.
    pub login: Option<KnobLogin>,
    /// What becomes of snapshots that are begun.
    pub outcome: Outcome,
    /// How often a snapshot, or an index that is restored, is seen before it is done.
    pub polls: u32,
    /// Whether the nodes cannot write to repositories.
    pub unwritable: bool,
    /// Indices whose files in the repository are damaged: restored, they stay red.
    pub damaged: BTreeSet<String>,
    pub troubles: Vec<Trouble>,
}

/// User and password that are asked for.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnobLogin {
    pub username: String,
    pub password: String,
}

impl fmt::Debug for KnobLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnobLogin")
    }
}

impl KnobLogin {
    pub(super) fn is_in(&self, header: &str) -> bool {
        let wanted = STANDARD.encode(format!("{}:{}", self.username, self.password));
        header.strip_prefix("Basic ") == Some(wanted.as_str())
    }
}

/// What becomes of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    #[default]
    Success,
    /// The last index fails.
    Partial,
    Failed,
    /// It never ends.
    Stuck,
}

/// A call that goes wrong.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// Such as `create`; any where nothing is said.
    #[serde(default)]
    pub operation: Option<String>,
    pub kind: TroubleKind,
    /// How many calls pass before.
    #[serde(default)]
    pub after: u32,
    /// How many are hit.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

impl Trouble {
    pub fn new(operation: &str, kind: TroubleKind, times: u32) -> Self {
        Trouble { operation: Some(operation.to_owned()), kind, after: 0, times }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// The connection ends; nothing was done.
    Cut,
    /// The connection ends; it was done.
    CutAfter,
    /// 503: another snapshot runs.
    Busy,
    /// 429.
    Rejected,
    /// 403.
    Denied,
    /// 503: there is no master.
    Unready,
}

impl Knobs {
    pub(super) fn version(&self) -> &str {
        self.version.as_deref().unwrap_or("6.8.23")
    }

    /// Whether several snapshots may run at once: from version 7.12 on.
    pub(super) fn is_concurrent(&self) -> bool {
        let mut numbers = self.version().split('.').map(|number| number.parse::<u32>().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (7, 12)
    }

    pub(super) fn major(&self) -> u32 {
        self.version().split('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// What hits this call.
    pub(super) fn strike(&mut self, operation: &str) -> Option<TroubleKind> {
        let meant = |trouble: &&mut Trouble| {
            trouble.times > 0 && trouble.operation.as_deref().is_none_or(|own| own == operation)
        };
        let trouble = self.troubles.iter_mut().find(meant)?;
        if trouble.after > 0 {
            trouble.after -= 1;
            return None;
        }
        trouble.times -= 1;
        Some(trouble.kind)
    }
}
