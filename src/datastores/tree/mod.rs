//! Directory trees: what the blob database, the trees of an operator's choice and CouchDB's data directory have in
//! common. Made by GNU tar of the system.

pub mod job;
pub mod settings;
