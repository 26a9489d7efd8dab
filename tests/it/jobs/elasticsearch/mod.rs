//! Snapshots of Elasticsearch: the real client, over sockets or without, against the stand-in for it.

mod checks;
mod play;
mod proofs;
mod restores;
mod snapshots;
mod troubles;
