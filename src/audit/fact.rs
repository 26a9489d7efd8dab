//! What was looked at: known, not known and why, or not asked at all.

/// Something that could not be seen, and which permission would show it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unread {
    /// What it is about, such as `bucket/NAME`.
    pub subject: String,
    /// The IAM action that reads it.
    pub permission: &'static str,
    /// Why it was not read, for people.
    pub why: String,
}

impl Unread {
    pub fn new(subject: impl Into<String>, permission: &'static str, why: impl Into<String>) -> Self {
        Unread { subject: subject.into(), permission, why: why.into() }
    }
}

/// One thing about the account or a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fact<T> {
    Known(T),
    Unread(Unread),
    /// Not part of what was looked at: an export holds policies, not the settings of buckets.
    #[default]
    NotAsked,
}

impl<T> Fact<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Fact::Known(value) => Some(value),
            Fact::Unread(_) | Fact::NotAsked => None,
        }
    }

    pub fn unread(&self) -> Option<&Unread> {
        match self {
            Fact::Unread(unread) => Some(unread),
            Fact::Known(_) | Fact::NotAsked => None,
        }
    }
}
