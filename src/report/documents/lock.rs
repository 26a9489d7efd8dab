//! Who holds the lock of applies, and where: `reconcile.locks/1`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::vocab::Environment;

pub const FORMAT: &str = "reconcile.locks/1";

/// The lock of an environment in every place that can hold it
#[derive(Debug, Serialize, JsonSchema)]
pub struct Locks {
    pub format: &'static str,
    #[schemars(with = "String")]
    pub environment: Environment,
    /// In the order of their names, buckets first
    pub places: Vec<Place>,
}

/// One place
#[derive(Debug, Serialize, JsonSchema)]
pub struct Place {
    pub kind: Kind,
    pub name: String,
    pub state: State,
    /// Null where it is free, and where nobody can tell
    pub holder: Option<Holder>,
    /// Whether `lock break` removed it; null where nothing was to be removed, and for `lock show`
    pub removed: Option<bool>,
    /// Why it cannot be told, read or removed
    pub why: Option<String>,
}

/// What holds the lock
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Bucket,
    Host,
}

/// What a place says; after `lock break`, what it said before
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Free,
    Held,
    /// Held by something that is no record of this version
    Unreadable,
    /// It could not be looked at
    Unknown,
}

/// Who holds it
#[derive(Debug, Serialize, JsonSchema)]
pub struct Holder {
    /// Of the machine
    pub user: String,
    /// Of the cloud, without the account: role/NAME, user/NAME, root; null where there is none
    pub identity: Option<String>,
    #[schemars(with = "Option<String>")]
    pub account: Option<crate::vocab::AccountId>,
    /// The machine's own name
    pub machine: String,
    pub process: u32,
    /// RFC 3339, UTC
    pub since: String,
    pub standing: Standing,
}

/// Whether its process can still be at work
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It runs on this machine
    AtWork,
    /// It ran on this machine and does no more: the next apply here takes over
    Gone,
    /// It is of another machine, or of before this one's last restart: nobody here can tell
    Elsewhere,
}
