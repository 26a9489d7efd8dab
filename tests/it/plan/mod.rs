//! The plan against whole worlds.

mod awaiting;
mod golden;
mod identities;
mod laws;
mod live;
pub mod live_laws;
mod moved;
mod retired;
mod takeover;
