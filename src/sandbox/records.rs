//! What the sandbox's cloud remembers: buckets, versions of objects, uploads under way. The same records lie in
//! memory and, as JSON, on disk.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::checksum::ObjectChecksum;
use crate::vocab::Versioning;

/// A general purpose bucket of the sandbox's account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    pub region: String,
    pub created: DateTime<Utc>,
    /// Whether object lock is on, for good.
    pub object_lock: bool,
    pub versioning: Versioning,
    /// Settings as S3 would answer them, each in its own language (XML; JSON for the policy).
    pub documents: BTreeMap<Document, String>,
}

/// A setting of a bucket that is kept as one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    Encryption,
    Lifecycle,
    ObjectLock,
    Replication,
    /// `TransitionDefaultMinimumObjectSize`: a header beside the lifecycle's document.
    TransitionSize,
    Ownership,
    Policy,
    PublicAccessBlock,
    Tagging,
}

/// The id of the one version that a bucket without versioning has of a key.
pub const NULL_VERSION: &str = "null";

/// One version of one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    pub key: String,
    pub id: String,
    /// Rises with every version of the key: the greatest is the current one.
    pub order: u64,
    pub modified: DateTime<Utc>,
    /// `None` for a delete marker.
    pub content: Option<Content>,
    #[serde(default, skip_serializing_if = "ObjectLock::is_none")]
    pub lock: ObjectLock,
}

/// What keeps a version from being deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectLock {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// `None` where nobody ever set or lifted a legal hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    pub mode: RetentionMode,
    pub until: DateTime<Utc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RetentionMode {
    Governance,
    Compliance,
}

impl ObjectLock {
    fn is_none(&self) -> bool {
        *self == ObjectLock::default()
    }
}

impl RetentionMode {
    pub fn name(self) -> &'static str {
        match self {
            RetentionMode::Governance => "GOVERNANCE",
            RetentionMode::Compliance => "COMPLIANCE",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [RetentionMode::Governance, RetentionMode::Compliance].into_iter().find(|mode| mode.name() == name)
    }
}

/// What a version holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The bytes, in order; several pieces after a multipart upload.
    pub blobs: Vec<Blob>,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub checksum: ObjectChecksum,
    pub about: About,
    /// The ARN of the key of KMS that encrypts it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted_with: Option<String>,
}

/// What a writer says about an object besides its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// `content-type` and its siblings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Without `x-amz-meta-`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Bytes that the store keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    pub id: String,
    pub size: u64,
}

/// A multipart upload that is neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    pub id: String,
    pub key: String,
    pub started: DateTime<Utc>,
    pub checksum: super::checksum::UploadChecksum,
    pub about: About,
    #[serde(default, skip_serializing_if = "ObjectLock::is_none")]
    pub lock: ObjectLock,
    /// As in [`Content`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted_with: Option<String>,
}

/// One part of an upload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    pub number: u16,
    pub blob: Blob,
    pub etag: String,
    /// In base64, of the upload's algorithm.
    pub checksum: String,
    pub modified: DateTime<Utc>,
}

/// A text that was never used before and tells nothing: version ids, upload ids, names of blobs.
pub fn fresh_id() -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    // A name of a file must not look like an option.
    URL_SAFE_NO_PAD.encode(chance()).replace('-', ".")
}

/// An id as IAM gives them: a prefix that tells the kind, then 17 capitals and digits
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).
pub fn fresh_unique_id(prefix: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let letters = chance().into_iter().take(17).map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    prefix.chars().chain(letters).collect()
}

/// Bytes that nobody can guess from those before.
fn chance() -> [u8; 24] {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::atomic::{AtomicU64, Ordering};

    // Every RandomState draws from the process's random seed, so no second source of chance is needed.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; 24];
    for chunk in bytes.chunks_exact_mut(8) {
        let value = RandomState::new().hash_one((COUNT.fetch_add(1, Ordering::Relaxed), std::process::id()));
        chunk.copy_from_slice(&value.to_le_bytes());
    }
    bytes
}
