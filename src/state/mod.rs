//! What should be and what is: `Desired`, `Scope`, `Sighting`, `Observed`, `Caller`. Pure data; the plan compares
//! them, the world fills the observed half.
//!
//! Must never take for absent what could not be seen: only a complete listing makes an absence.

mod desired;
mod lock;
mod observed;

pub use desired::{Desired, HeldBefore, Scope, Selection, Tag, TagError, Wanted};
pub use lock::{Holder, Kernel, LockPlace, LockRecord, Standing, Told};
pub use observed::{
    Caller, Cron, HostFacts, HostSighting, JobFailure, JobKey, Observed, Owner, Presence, Room, Sighting,
};

use serde::Serialize;

/// Why something that settings ask for is not in the plan's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeldCode {
    /// It could not be seen, so nothing may be said or done about it.
    Unknown,
    /// It belongs to another environment or another account.
    Foreign,
    /// This version of the program, or the store, cannot do it.
    Unsupported,
    /// Switched on, and no host will run it.
    NoHost,
    /// The versioning lock needs a principal that may lift it.
    NoBreakGlass,
    /// It needs a secret, and the vault is locked.
    VaultLocked,
    /// The identity has no access key yet.
    NoAccessKey,
    /// What it builds on is not there.
    NotReady,
}

impl HeldCode {
    pub fn name(self) -> &'static str {
        match self {
            HeldCode::Unknown => "unknown",
            HeldCode::Foreign => "foreign",
            HeldCode::Unsupported => "unsupported",
            HeldCode::NoHost => "no-host",
            HeldCode::NoBreakGlass => "no-break-glass",
            HeldCode::VaultLocked => "vault-locked",
            HeldCode::NoAccessKey => "no-access-key",
            HeldCode::NotReady => "not-ready",
        }
    }
}
