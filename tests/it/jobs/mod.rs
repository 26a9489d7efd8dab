//! Jobs: real servers, real files, and a storage that the test can make fail.

// clippy.toml lets test functions panic; what they share is outside of its sight.

mod alerts;
mod cli;
mod couchdb;
mod dump;
mod elasticsearch;
mod histories;
mod host;
mod local;
mod moto;
mod postgresql;
mod restore;
mod store;
mod tree_faults;
mod trees;
mod upload;
mod verify;
