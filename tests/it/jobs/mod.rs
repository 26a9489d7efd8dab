//! Jobs: real servers, real files, and a storage that the test can make fail.

// clippy.toml lets test functions panic; what they share is outside of its sight.

mod alerts;
mod cli;
mod couchdb;
mod doubts;
mod dump;
mod dump_faults;
mod elasticsearch;
mod faults;
mod histories;
mod host;
mod kills;
mod labels;
mod local;
mod moto;
mod postgresql;
mod promises;
mod proofs;
mod restore;
mod room;
mod services;
mod settling;
mod simulation;
mod site;
mod standby;
mod store;
mod tree_faults;
mod trees;
mod turns;
mod unwhole;
mod upload;
mod verify;
