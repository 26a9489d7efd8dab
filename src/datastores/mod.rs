//! Datastores: what is backed up. One folder each: `settings.rs` (what an operator may say of it), `desired.rs`
//! (the resources that follow, pure), `job.rs` (how to dump it, the only file that touches the world).
//!
//! Place on the data's path: settings become resources here, and the job that `apply` installed becomes a dump. Must
//! never know the planner; no kind of resource knows a datastore.

pub mod backed;
pub mod blobdb;
pub mod couchdb;
pub mod dump;
pub mod elasticsearch;
pub mod files;
pub mod job;
pub mod job_file;
pub mod names;
pub mod postgresql;
pub mod prove;
pub mod restore;
pub mod tree;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};

use self::backed::Backed;
use self::blobdb::settings::Blobdb;
use self::couchdb::settings::Couchdb;
use self::elasticsearch::settings::Elasticsearch;
use self::files::settings::Files;
use self::postgresql::settings::Postgresql;
use crate::resources::{Resource, host_file};
use crate::vocab::{AccountId, BucketName, Datastore, Environment, Id, RegionName, Schedule, SecretDigest};

/// The list of datastores that hosts' cron backs up.
#[derive(Clone, Copy, Debug)]
pub enum BackedUp<'a> {
    Postgresql(&'a Postgresql),
    Couchdb(&'a Couchdb),
    Blobdb(&'a Blobdb),
    Elasticsearch(&'a Elasticsearch),
    Files(&'a Files),
}

impl<'a> BackedUp<'a> {
    /// What it has in common with the others.
    pub fn backed(self) -> &'a Backed {
        match self {
            BackedUp::Postgresql(own) => &own.backed,
            BackedUp::Couchdb(own) => &own.backed,
            BackedUp::Blobdb(own) => &own.backed,
            BackedUp::Elasticsearch(own) => &own.backed,
            BackedUp::Files(own) => &own.backed,
        }
    }

    /// What its hosts need. Empty while it is off.
    pub fn pieces(self, terms: &JobTerms<'_>) -> Vec<Piece> {
        match self {
            BackedUp::Postgresql(own) => postgresql::desired::pieces(own, terms),
            BackedUp::Couchdb(own) => couchdb::desired::pieces(own, terms),
            BackedUp::Blobdb(own) => blobdb::desired::pieces(own, terms),
            BackedUp::Elasticsearch(own) => elasticsearch::desired::pieces(own, terms),
            BackedUp::Files(own) => files::desired::pieces(own, terms),
        }
    }
}

/// One resource that a datastore asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub id: Id,
    pub resource: Resource,
    /// What must be in place first.
    pub needs: BTreeSet<Id>,
    /// Whether it holds secrets, so that a locked vault holds it back.
    pub secret: bool,
    /// Programs without which the host cannot do the job.
    pub programs: &'static [&'static str],
}

/// What every datastore's job files have in common.
#[derive(Clone, Debug)]
pub struct JobTerms<'a> {
    pub environment: &'a Environment,
    pub compression: job_file::Compression,
    pub endpoint: Option<&'a str>,
    pub account: Option<&'a AccountId>,
    /// Undated keys, old versions kept by the storage.
    pub versioned_keys: bool,
    /// The region of each bucket, where settings know it.
    pub regions: &'a BTreeMap<BucketName, RegionName>,
    /// Earlier names of the environment, and earlier buckets.
    pub previous_names: Vec<Environment>,
    pub previous_buckets: Vec<BucketName>,
    /// How backups are proven: with it, when that is done.
    pub verify: BTreeMap<Datastore, (job_file::Verify, Option<Schedule>)>,
    /// Who is stopped and started around a restore.
    pub services: BTreeMap<Datastore, job_file::Services>,
    /// Digests of the secrets that jobs upload with; empty where they find credentials themselves.
    pub secrets: BTreeMap<String, SecretDigest>,
    /// Digests of what servers are asked with.
    pub logins: BTreeMap<String, SecretDigest>,
    /// Who is told of the backups, and what they are held to.
    pub watching: watch::Watching,
}

/// Where the job file of a datastore lies on a host.
pub fn job_path(environment: &Environment, datastore: &str) -> String {
    format!("{}/{datastore}.json", host_file::directory(environment))
}
