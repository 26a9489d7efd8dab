//! How a change can hurt: backups stop existing, or the wrong person reaches them.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The risk of one field changing in one direction; ordered from harmless to final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Another apply undoes it.
    Routine,
    /// More access, or a protection off.
    Widening,
    /// Backups live shorter or are removed.
    Destructive,
    /// Nothing undoes it: object lock, the first versioning of a bucket that exists.
    Irreversible,
}

impl Risk {
    pub const ALL: [Risk; 4] = [Risk::Routine, Risk::Widening, Risk::Destructive, Risk::Irreversible];

    pub fn name(self) -> &'static str {
        match self {
            Risk::Routine => "routine",
            Risk::Widening => "widening",
            Risk::Destructive => "destructive",
            Risk::Irreversible => "irreversible",
        }
    }

    /// Routine changes need no word from the operator beyond the confirmation.
    pub fn needs_consent(self) -> bool {
        self > Risk::Routine
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Risk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Risk::ALL.into_iter().find(|risk| risk.name() == text).ok_or_else(|| {
            format!("`{text}` is no risk: one of routine, widening, destructive, irreversible is")
        })
    }
}
