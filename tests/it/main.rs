//! Every integration test, one binary: what links once builds once.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::large_futures,
    reason = "a test fails by panicking, and says what it skips"
)]

mod audit;

mod settings;

mod contract;

mod hosts;

mod jobs;

mod plan;

mod policy;

mod project;

mod protection;

mod support;

mod story;

mod vault;
