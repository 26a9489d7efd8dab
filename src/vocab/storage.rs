//! What settings and buckets both say of storage: versioning, encryption, how long old versions live.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Value;

/// Whether a bucket keeps old versions. S3 never goes back from `Enabled` to `Never`
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Versioning {
    Never,
    Enabled,
    Suspended,
}

impl Versioning {
    pub fn name(self) -> &'static str {
        match self {
            Versioning::Never => "never",
            Versioning::Enabled => "enabled",
            Versioning::Suspended => "suspended",
        }
    }
}

impl From<Versioning> for Value {
    fn from(versioning: Versioning) -> Self {
        versioning.name().into()
    }
}

/// How long noncurrent versions under one prefix live. Both conditions must hold before the storage removes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeepVersions {
    /// Days since the version became noncurrent; 1 or more.
    pub days: u32,
    /// How many of the newest noncurrent versions stay whatever their age; 0 to 100.
    pub newest: u32,
}

impl From<KeepVersions> for Value {
    fn from(keep: KeepVersions) -> Self {
        let mut map = std::collections::BTreeMap::from([("days".to_owned(), Value::from(keep.days))]);
        if keep.newest > 0 {
            map.insert("newest".to_owned(), Value::from(keep.newest));
        }
        Value::Map(map)
    }
}

/// Who may lift object lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LockMode {
    /// Those who may bypass governance.
    Governance,
    /// Nobody, not even the account's root.
    Compliance,
}

impl LockMode {
    pub fn name(self) -> &'static str {
        match self {
            LockMode::Governance => "governance",
            LockMode::Compliance => "compliance",
        }
    }
}

/// For how long object lock holds each new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectLock {
    pub mode: LockMode,
    /// 1 to 36,500.
    pub days: u32,
}

/// The default encryption of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encryption {
    /// None at all: only S3-compatible stores still have this.
    None,
    /// Keys that S3 keeps (SSE-S3).
    Aes256,
    /// A KMS key: the account's own `aws/s3`, or the one named.
    Kms(Option<String>),
    /// Two layers of KMS encryption (`aws:kms:dsse`).
    KmsDouble(Option<String>),
    /// Something that this program has no word for; never desired.
    Unrecognised(String),
}

impl From<Encryption> for Value {
    fn from(encryption: Encryption) -> Self {
        match encryption {
            Encryption::None => "none".into(),
            Encryption::Aes256 => "AES256".into(),
            Encryption::Kms(None) => "aws:kms".into(),
            Encryption::Kms(Some(key)) => format!("aws:kms {key}").into(),
            Encryption::KmsDouble(None) => "aws:kms:dsse".into(),
            Encryption::KmsDouble(Some(key)) => format!("aws:kms:dsse {key}").into(),
            Encryption::Unrecognised(what) => format!("unrecognised: {what}").into(),
        }
    }
}
