//! Which backups a policy keeps, and why. Pure: the present instant is an argument, and listings are handed in.
//!
//! Place on the data's path: what a plan would lose and what a job removes are both decided here. Must never remove
//! anything itself, and never let go of the newest proven backup.

pub mod calendar;
pub mod local;
pub mod snapshots;
pub mod versions;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// One backup that a change would remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Where it lies: `BUCKET/KEY?versionId=V`, or `HOST:PATH`.
    pub backup: String,
    pub taken: DateTime<Utc>,
    pub bytes: u64,
    /// When it would be gone.
    pub when: DateTime<Utc>,
}

/// Everything that a change would remove, bounded: the first ones by name, the rest as a sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    pub first: Vec<Loss>,
    pub count: u64,
    pub bytes: u64,
    /// When the oldest and the newest of them were taken.
    pub taken: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// When the first of them goes.
    pub from: Option<DateTime<Utc>>,
}

impl Losses {
    /// How many are named one by one.
    pub const NAMED: usize = 100;

    pub fn add(&mut self, loss: Loss) {
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(loss.bytes);
        self.taken = Some(match self.taken {
            Some((oldest, newest)) => (oldest.min(loss.taken), newest.max(loss.taken)),
            None => (loss.taken, loss.taken),
        });
        self.from = Some(self.from.map_or(loss.when, |from| from.min(loss.when)));
        if self.first.len() < Self::NAMED {
            self.first.push(loss);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Both together.
    pub fn and(mut self, other: Losses) -> Losses {
        let Losses { first, count, bytes, taken, from } = other;
        let room = Self::NAMED.saturating_sub(self.first.len());
        self.first.extend(first.into_iter().take(room));
        self.count = self.count.saturating_add(count);
        self.bytes = self.bytes.saturating_add(bytes);
        self.taken = match (self.taken, taken) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        self.from = match (self.from, from) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        self
    }
}
