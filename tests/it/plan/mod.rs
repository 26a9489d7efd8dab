//! The plan against whole worlds.

mod laws;
mod live;
mod live_laws;
