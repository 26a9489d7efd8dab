//! Clients of the world: AWS, hosts, processes. Thin: build, limit the time, name the error.
//!
//! Must never decide anything.

pub mod aws;
pub mod aws_error;
pub mod host;
pub mod process;
