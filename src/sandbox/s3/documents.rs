//! The documents of a bucket's settings: read from XML, held to AWS's rules, kept the way a later GET answers them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::sandbox::http::Refusal;
use crate::sandbox::xml;
use crate::vocab::Versioning;

pub(super) fn malformed(message: &str) -> Refusal {
    Refusal::new(
        400,
        "MalformedXML",
        format!(
            "The XML you provided was not well-formed or did not validate against our published schema: {message}"
        ),
    )
}

pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidArgument", message)
}

/// The namespace comes with documents of the SDK, and goes back as it came.
pub(super) type Namespace = Option<String>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBucketConfiguration {
    #[serde(rename = "@xmlns")]
    _namespace: Namespace,
    #[serde(rename = "LocationConstraint")]
    pub location: Option<String>,
    #[serde(rename = "Tags")]
    pub tags: Option<TagSet>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersioningConfiguration {
    #[serde(rename = "@xmlns")]
    _namespace: Namespace,
    #[serde(rename = "Status")]
    status: Option<String>,
}

impl VersioningConfiguration {
    pub fn status(&self) -> Result<Versioning, Refusal> {
        match self.status.as_deref() {
            Some("Enabled") => Ok(Versioning::Enabled),
            Some("Suspended") => Ok(Versioning::Suspended),
            _ => Err(Refusal::new(
                400,
                "IllegalVersioningConfigurationException",
                "The Versioning element must be specified",
            )),
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PublicAccessBlockConfiguration.html>
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublicAccessBlock {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    namespace: Namespace,
    #[serde(rename = "BlockPublicAcls", default)]
    block_acls: bool,
    #[serde(rename = "IgnorePublicAcls", default)]
    ignore_acls: bool,
    #[serde(rename = "BlockPublicPolicy", default)]
    block_policy: bool,
    #[serde(rename = "RestrictPublicBuckets", default)]
    restrict_buckets: bool,
}

impl PublicAccessBlock {
    /// What a fresh bucket has since April 2023.
    pub fn all() -> Self {
        PublicAccessBlock {
            namespace: None,
            block_acls: true,
            ignore_acls: true,
            block_policy: true,
            restrict_buckets: true,
        }
    }

    pub fn blocks_public_policy(&self) -> bool {
        self.block_policy
    }

    pub fn render(&self) -> Result<String, Refusal> {
        xml::render("PublicAccessBlockConfiguration", self)
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_OwnershipControls.html>
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnershipControls {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    namespace: Namespace,
    #[serde(rename = "Rule", default)]
    rules: Vec<OwnershipRule>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct OwnershipRule {
    #[serde(rename = "ObjectOwnership")]
    ownership: String,
}

impl OwnershipControls {
    pub fn of(ownership: &str) -> Result<Self, Refusal> {
        let rules = vec![OwnershipRule { ownership: ownership.to_owned() }];
        OwnershipControls { namespace: None, rules }.checked()
    }

    pub fn checked(self) -> Result<Self, Refusal> {
        const KNOWN: [&str; 3] = ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"];
        match self.rules.as_slice() {
            [only] if KNOWN.contains(&only.ownership.as_str()) => Ok(self),
            _ => Err(malformed("one Rule with a known ObjectOwnership")),
        }
    }

    pub fn render(&self) -> Result<String, Refusal> {
        xml::render("OwnershipControls", self)
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionConfiguration.html>
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Encryption {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    namespace: Namespace,
    #[serde(rename = "Rule", default)]
    rules: Vec<EncryptionRule>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EncryptionRule {
    #[serde(rename = "ApplyServerSideEncryptionByDefault", skip_serializing_if = "Option::is_none")]
    default: Option<EncryptionDefault>,
    #[serde(rename = "BucketKeyEnabled", default)]
    bucket_key: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EncryptionDefault {
    #[serde(rename = "SSEAlgorithm")]
    algorithm: String,
    #[serde(rename = "KMSMasterKeyID", skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Encryption {
    /// What every bucket has since January 2023.
    pub fn fresh() -> Self {
        let default = EncryptionDefault { algorithm: "AES256".to_owned(), key: None };
        Encryption {
            namespace: None,
            rules: vec![EncryptionRule { default: Some(default), bucket_key: false }],
        }
    }

    /// The customer's key that new objects are encrypted with, if any.
    pub fn key(self) -> Option<String> {
        self.rules.into_iter().find_map(|rule| rule.default?.key)
    }

    pub fn checked(self) -> Result<Self, Refusal> {
        let [rule] = self.rules.as_slice() else { return Err(malformed("one Rule")) };
        let Some(default) = &rule.default else {
            return Err(malformed("ApplyServerSideEncryptionByDefault is missing"));
        };
        match (default.algorithm.as_str(), &default.key) {
            ("AES256", Some(_)) => {
                Err(invalid("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms"))
            }
            ("aws:kms:dsse", _) if rule.bucket_key => {
                Err(invalid("Bucket keys are not supported with dual-layer encryption"))
            }
            ("AES256" | "aws:kms" | "aws:kms:dsse", _) => Ok(self),
            _ => Err(malformed("no such SSEAlgorithm")),
        }
    }

    pub fn render(&self) -> Result<String, Refusal> {
        xml::render("ServerSideEncryptionConfiguration", self)
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tagging {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    namespace: Namespace,
    #[serde(rename = "TagSet")]
    set: TagSet,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TagSet {
    #[serde(rename = "Tag", default)]
    tags: Vec<Tag>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tag {
    #[serde(rename = "Key")]
    pub key: String,
    #[serde(rename = "Value")]
    pub value: String,
}

impl Tagging {
    pub fn of(set: TagSet) -> Self {
        Tagging { namespace: None, set }
    }

    /// At most `most` tags, each key once, none of Amazon's own, nothing too long
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/tagging.html>).
    pub fn checked(self, most: usize) -> Result<Self, Refusal> {
        let tags = &self.set.tags;
        if tags.len() > most {
            return Err(Refusal::new(
                400,
                "BadRequest",
                format!("Bucket tag count cannot be greater than {most}"),
            ));
        }
        check_tags(tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())))?;
        Ok(self)
    }

    pub fn render(&self) -> Result<String, Refusal> {
        xml::render("Tagging", self)
    }
}

/// The rules that hold for tags of buckets and objects alike.
pub(super) fn check_tags<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), Refusal> {
    let bad = |message: &str| Err(Refusal::new(400, "InvalidTag", message));
    let allowed =
        |text: &str| text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c));
    let mut seen = BTreeSet::new();
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 || !allowed(key) {
            return bad("The TagKey you have provided is invalid");
        }
        if value.chars().count() > 256 || !allowed(value) {
            return bad("The TagValue you have provided is invalid");
        }
        if key.to_lowercase().starts_with("aws:") {
            return bad("System tags cannot be added/updated by requester");
        }
        if !seen.insert(key) {
            return bad("Cannot provide multiple Tags with the same key");
        }
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delete {
    #[serde(rename = "@xmlns")]
    _namespace: Namespace,
    #[serde(rename = "Object", default)]
    pub objects: Vec<DeleteItem>,
    #[serde(rename = "Quiet", default)]
    pub quiet: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteItem {
    #[serde(rename = "Key")]
    pub key: String,
    #[serde(rename = "VersionId")]
    pub version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompleteUpload {
    #[serde(rename = "@xmlns")]
    _namespace: Namespace,
    #[serde(rename = "Part", default)]
    pub parts: Vec<CompletePart>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CompletePart {
    #[serde(rename = "PartNumber")]
    pub number: u16,
    #[serde(rename = "ETag")]
    pub etag: String,
    #[serde(rename = "ChecksumCRC32")]
    pub crc32: Option<String>,
    #[serde(rename = "ChecksumCRC32C")]
    pub crc32c: Option<String>,
    #[serde(rename = "ChecksumCRC64NVME")]
    pub crc64nvme: Option<String>,
    #[serde(rename = "ChecksumSHA1")]
    pub sha1: Option<String>,
    #[serde(rename = "ChecksumSHA256")]
    pub sha256: Option<String>,
}
