//! Datastores: what is backed up. One folder each: `settings.rs` (what an operator may say of it), `desired.rs`
//! (the resources that follow, pure), `job.rs` (how to dump it, the only file that touches the world).
//!
//! Must never know the planner; no kind of resource knows a datastore.

pub mod dump;
pub mod job_file;
pub mod names;
pub mod postgresql;
