//! The laws of the design, on a world that is a map: a thousand cases each.

mod consent;
mod differences;
pub(super) mod judge;
mod unseen;
