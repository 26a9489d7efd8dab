//! What a backup is made for: a schedule, or a person.

use std::fmt;

use chrono::NaiveDate;

use super::{Label, Tier};

/// What a backup is made for. Cron knows tiers alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occasion {
    Tier(Tier),
    /// A person wants it, such as before an upgrade. It stays through that day, by the host's calendar; without one until
    /// a person removes it.
    Label {
        label: Label,
        keep_until: Option<NaiveDate>,
    },
}

impl Occasion {
    pub fn tier(&self) -> Option<Tier> {
        match self {
            Occasion::Tier(tier) => Some(*tier),
            Occasion::Label { .. } => None,
        }
    }

    pub fn label(&self) -> Option<&Label> {
        match self {
            Occasion::Tier(_) => None,
            Occasion::Label { label, .. } => Some(label),
        }
    }

    /// The last day on which a labelled one is kept.
    pub fn keep_until(&self) -> Option<NaiveDate> {
        match self {
            Occasion::Tier(_) => None,
            Occasion::Label { keep_until, .. } => *keep_until,
        }
    }
}

impl From<Tier> for Occasion {
    fn from(tier: Tier) -> Self {
        Occasion::Tier(tier)
    }
}

/// The words of errors and logs: `daily`, `--label before-upgrade`.
impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Occasion::Tier(tier) => tier.fmt(f),
            Occasion::Label { label, .. } => write!(f, "--label {label}"),
        }
    }
}
