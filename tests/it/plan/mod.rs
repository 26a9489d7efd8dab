//! The plan against whole worlds.

mod awaiting;
mod golden;
mod identities;
mod laws;
mod live;
mod live_laws;
mod moved;
