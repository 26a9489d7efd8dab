//! Settings: environments as they are in reality, mistakes as people make them, vaults, inventories.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests, which may fail"
)]

mod environments;
