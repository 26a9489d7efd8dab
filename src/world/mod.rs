//! Reality: read through one trait, written through another.
//!
//! Two implementations: the live world (AWS and hosts, or the sandbox in their place) and [`MemoryWorld`], a map on which
//! the laws run. Must never decide anything: what to change is the plan's business.

mod apply;
pub mod export;
mod live;
mod memory;

pub use apply::{Progress, Step, apply, apply_until};
pub use live::{Blocked, HostStep, Hosts, LiveWorld, LockLook, LockSpots, Reach, Taken, Watcher};
pub use memory::MemoryWorld;

use crate::plan::{Answer, Change, Question};
use crate::resources::Resource;
use crate::state::{Observed, Scope, Sighting};
use crate::vocab::Id;

/// Reads reality.
#[allow(async_fn_in_trait, reason = "used through generics only, on one thread")]
pub trait WorldRead {
    /// One sighting for everything in scope, and for what carries our mark on the scope's hosts. Never fails whole: what
    /// cannot be seen is `Unknown`.
    async fn observe(&self, scope: &Scope<'_>) -> Observed;

    /// One thing again, just before it is changed. `like` says where it lies and which fields matter.
    async fn sight(&self, id: &Id, like: &Resource) -> Sighting;

    /// What a change would lose. Reads listings only, never a byte of a backup.
    async fn answer(&self, question: &Question) -> Answer;
}

/// Writes reality.
#[allow(async_fn_in_trait, reason = "used through generics only, on one thread")]
pub trait WorldWrite {
    /// Makes one change. Touches only the fields that the change names, keeps what others wrote beside them, and may
    /// be repeated after a crash at any point. The error says, for people, what could not be done and what to do.
    async fn carry_out(&self, change: &Change) -> Result<(), String>;
}
