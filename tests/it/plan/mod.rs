//! The plan against whole worlds.

mod laws;
