//! The plan against whole worlds.

mod laws;
mod live_laws;
mod moved;
