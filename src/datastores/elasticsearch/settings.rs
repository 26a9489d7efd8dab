//! What an operator may say of Elasticsearch's snapshots, after parsing and checking; no field means "maybe wrong".

use serde::{Deserialize, Serialize};

use crate::datastores::backed::Backed;
use crate::vocab::BucketName;

/// How the job asks for snapshots; part of the job file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElasticsearchSource {
    /// Where it may listen, such as `http://127.0.0.1:9200`; the first that takes a connection is asked.
    pub at: Vec<String>,
    /// The repository's name.
    pub repository: String,
    /// Where the repository keeps its snapshots; `None`: wherever it was registered.
    pub store: Option<SnapshotStore>,
}

/// Where snapshots lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum SnapshotStore {
    S3 {
        bucket: BucketName,
        /// An S3-compatible store in place of AWS's.
        endpoint: Option<String>,
    },
    /// A directory that every node sees.
    Fs {
        /// Below the first entry of `path.repo`, or absolute below any.
        location: String,
    },
}

impl ElasticsearchSource {
    /// Where the snapshots are, for people.
    pub fn place(&self) -> String {
        match &self.store {
            Some(SnapshotStore::S3 { bucket, .. }) => format!("s3://{bucket}"),
            Some(SnapshotStore::Fs { location }) => format!("the directory {location} below path.repo"),
            None => "where it was registered".to_owned(),
        }
    }
}

/// Elasticsearch's snapshots as the settings want them. `backed.bucket` is the repository's.
#[derive(Clone, Debug)]
pub struct Elasticsearch {
    pub source: ElasticsearchSource,
    pub backed: Backed,
}
