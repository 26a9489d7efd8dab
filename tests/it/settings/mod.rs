//! Settings: environments as they are in reality, mistakes as people make them, vaults, schema, examples.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests, which may fail"
)]

mod commands;
mod environments;
mod everything;
mod examples;
mod folder;
mod mistakes;
mod schema;
mod secrets;
mod vault;
