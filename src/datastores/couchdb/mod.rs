//! CouchDB: its data directory as one archive, as `couchdb` on the hosts of `[couchdb2]`.

pub mod desired;
pub mod job;
pub mod settings;
