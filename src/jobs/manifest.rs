//! The manifest beside each backup, `NAME.manifest.json`, on disk and in the bucket: what it is, whether it is proven, and
//! how to restore it without this program.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::beside::Beside;
use crate::datastores::job_file::Compression;
use crate::vocab::{BucketName, Datastore, Environment, HostName, Label, Tier};

/// What is known of one backup. Times are UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: String,
    /// The version of the program that made it.
    pub version: String,
    /// The file beside which it lies.
    pub name: String,
    pub environment: Environment,
    pub host: HostName,
    pub datastore: Datastore,
    /// `None` of a labelled one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// What the person called it who wanted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// The last day on which it is kept here, by the host's calendar. A labelled one without it stays until a person
    /// removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_until: Option<NaiveDate>,
    pub method: String,
    /// When the dump began; the data may be of any moment from here to `ended`.
    pub began: DateTime<Utc>,
    /// When its last byte was on disk. Ages count from here: the storage's own date of a large object is when its
    /// upload began.
    pub ended: DateTime<Utc>,
    pub bytes: u64,
    pub uncompressed_bytes: u64,
    /// SHA-256 of the file, in hexadecimal digits as `sha256sum` prints it.
    pub sha256: String,
    /// CRC-64/NVME of the file in Base64, as S3 shows it.
    pub crc64nvme: String,
    pub compression: Compression,
    pub server_version: Option<String>,
    /// What a restore needs to know of the source, such as `data_directory`; each datastore has its own names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub source: BTreeMap<String, String>,
    /// The second copy; `None` where none is wanted.
    pub remote: Option<Remote>,
    /// How to restore with ordinary tools, line by line.
    pub restore: Vec<String>,
    pub notes: Vec<String>,
    /// Why the copy is under its dated key, where the settings want the undated one of a bucket that keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
    /// The run that made it: lines of the log have the same name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
}

/// The copy in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    pub bucket: BucketName,
    pub key: String,
    /// `None` where the bucket keeps no versions, or the upload did not succeed.
    pub version_id: Option<String>,
    /// Whether the storage answered with the size and checksum that were sent.
    pub proven: bool,
}

impl Manifest {
    /// Whether every copy that was wanted is there: sealed here, and read back from the bucket where there is one.
    pub fn proven(&self) -> bool {
        self.remote.as_ref().is_none_or(|remote| remote.proven)
    }

    /// Method and compression: what makes sizes comparable.
    pub fn format_of_sizes(&self) -> String {
        format!("{} {}", self.method, self.compression.ending())
    }
}

impl Beside for Manifest {
    const FORMAT: &str = "reconcile.manifest/1";
    const ENDING: &str = ".manifest.json";
    const LIMIT: u64 = 1 << 20;

    fn format(&self) -> &str {
        &self.format
    }

    fn name(&self) -> &str {
        &self.name
    }
}
