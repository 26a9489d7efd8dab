//! Everything a job takes from outside: so that a job on a host, in the sandbox and in a test is the same job.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::Stop;
use super::job_file::AlertSecrets;
use super::log::Log;
use super::room::Room;
use super::snapshot::ElasticsearchReach;
use crate::datastores::couchdb::job as couchdb;
use crate::datastores::job::{Around, below};
use crate::datastores::job_file::JobFile;
use crate::datastores::names::Series;
use crate::datastores::postgresql::job::Connection;
use crate::datastores::tree::job::Elsewhere;
use crate::vocab::{AccountId, Clock, Occasion};

/// What surrounds a job.
#[derive(Clone, Debug)]
pub struct Context {
    pub job: JobFile,
    pub clock: Clock,
    /// The host's time zone: dates in names are its calendar's.
    pub zone: Tz,
    /// The machine's own name, as `hostname` prints it: part of undated keys.
    pub hostname: String,
    /// `/`, or the folder that is the host in the sandbox: every path of the job file lies below it.
    pub root: PathBuf,
    /// Where the second copy goes; `None` exactly where the job file names no bucket.
    pub store: Option<Store>,
    pub postgresql: Connection,
    pub couchdb: couchdb::Server,
    /// How the clusters of Elasticsearch are reached.
    pub elasticsearch: ElasticsearchReach,
    /// How other hosts are reached.
    pub elsewhere: Elsewhere,
    /// Whether somebody says that the job is to end.
    pub stop: Stop,
    /// How long a dump may give no byte.
    pub patience: Duration,
    /// How many threads compress.
    pub threads: NonZeroUsize,
    /// Where what happens is written down. The sandbox leaves its machine alone.
    pub log: Log,
    /// The name of this run, unlike any other's.
    pub run: String,
    /// How much room there is on the volumes that are written to.
    pub room: Room,
    /// Through what people are told.
    pub channels: Channels,
    /// When the job file was written: what it promises holds from then on.
    pub written: Option<DateTime<Utc>>,
}

/// Through what people are told, besides the addresses of the job file.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    pub secrets: AlertSecrets,
    /// Where letters and pings go in place of the world.
    pub outbox: Option<PathBuf>,
    /// A program in place of the host's `sendmail`.
    pub sendmail: Option<PathBuf>,
}

/// A client for the bucket of the job file.
#[derive(Clone, Debug)]
pub struct Store {
    pub client: aws_sdk_s3::Client,
    /// The account that must own the bucket, sent with every call. `None` only where the store knows no accounts.
    pub owner: Option<AccountId>,
    /// Why nobody could say which account that is; then nothing is sent, for the bucket could be anybody's.
    pub owner_unknown: Option<String>,
}

impl Context {
    /// The backup directory where it really lies.
    pub fn directory(&self) -> PathBuf {
        below(&self.root, &self.job.directory)
    }

    pub(super) fn series(&self) -> Series {
        Series::new(&self.job.datastore, &self.job.environment)
    }

    /// The same, and those of the environment's earlier names.
    pub(super) fn all_series(&self) -> Vec<Series> {
        let earlier = self.job.previous.names.iter().map(|name| Series::new(&self.job.datastore, name));
        std::iter::once(self.series()).chain(earlier).collect()
    }

    /// What a dump takes from outside.
    pub(super) fn around(&self) -> Around {
        Around {
            root: self.root.clone(),
            directory: self.job.directory.clone(),
            postgresql: self.postgresql.clone(),
            elsewhere: self.elsewhere.clone(),
            couchdb: self.couchdb.clone(),
        }
    }

    /// The words for errors and logs: `backup postgresql daily of production`.
    pub(super) fn title(&self, occasion: &Occasion) -> String {
        format!("backup {} {occasion} of {}", self.job.datastore, self.job.environment)
    }
}
