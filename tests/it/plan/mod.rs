//! The plan against whole worlds.

mod awaiting;
mod golden;
mod identities;
mod in_memory;
mod laws;
mod live;
mod live_laws;
mod moved;
pub mod on_sandbox;
mod retired;
mod takeover;
mod worlds;

use proptest::prelude::ProptestConfig;
use reconcile::vocab::{Id, Kind};

/// So many cases of each property, and no file of those that failed.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// The ARN of a role.
fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

fn host_id(kind: Kind, host: &str, name: &str) -> Id {
    Id::on_host(kind, host.parse().expect("valid"), name)
}
