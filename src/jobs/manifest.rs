//! The manifest beside each backup, `NAME.manifest.json`: what it is, whether it is proven, and how to restore it
//! without this program.

use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::directory;
use crate::datastores::job_file::Compression;
use crate::vocab::{BucketName, Datastore, Environment, HostName, Tier};

/// The format that this program writes.
pub const FORMAT: &str = "reconcile.manifest/1";

/// The most that a manifest may hold; a larger file is none.
const LIMIT: u64 = 1 << 20;

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
    pub tier: Tier,
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
    /// The second copy; `None` where none is wanted.
    pub remote: Option<Remote>,
    /// How to restore with ordinary tools, line by line.
    pub restore: Vec<String>,
    pub notes: Vec<String>,
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
}

/// The manifest's file for a backup's.
pub fn file(name: &str) -> String {
    format!("{name}.manifest.json")
}

/// Writes the manifest beside its backup.
pub fn write(place: &Path, manifest: &Manifest) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(manifest).map_err(io::Error::other)?;
    text.push(b'\n');
    directory::write(place, &file(&manifest.name), &text)
}

/// Reads the manifest of a backup. One that is absent, broken or of an unknown format proves nothing: `None`.
pub fn read(place: &Path, name: &str) -> Option<Manifest> {
    let path = place.join(file(name));
    let metadata = fs::symlink_metadata(&path).ok()?;
    if !metadata.is_file() || metadata.len() > LIMIT {
        return None;
    }
    let manifest: Manifest = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
    (manifest.format == FORMAT && manifest.name == name).then_some(manifest)
}
