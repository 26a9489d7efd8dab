//! The documents of a bucket's settings: read from XML, held to AWS's rules, kept the way a later GET answers them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::sandbox::http::Refusal;
use crate::sandbox::records::fresh_id;
use crate::sandbox::xml;
use crate::vocab::Versioning;

fn malformed(message: &str) -> Refusal {
    Refusal::new(
        400,
        "MalformedXML",
        format!(
            "The XML you provided was not well-formed or did not validate against our published schema: {message}"
        ),
    )
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidArgument", message)
}

/// The namespace comes with documents of the SDK, and goes back as it came.
type Namespace = Option<String>;

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
struct Tag {
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "Value")]
    value: String,
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

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_BucketLifecycleConfiguration.html>
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lifecycle {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    namespace: Namespace,
    #[serde(rename = "Rule", default)]
    rules: Vec<LifecycleRule>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LifecycleRule {
    #[serde(rename = "ID", skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The form before `Filter`.
    #[serde(rename = "Prefix", skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(rename = "Filter", skip_serializing_if = "Option::is_none")]
    filter: Option<Filter>,
    #[serde(rename = "Status")]
    status: String,
    #[serde(rename = "Expiration", skip_serializing_if = "Option::is_none")]
    expiration: Option<Expiration>,
    #[serde(rename = "Transition", default, skip_serializing_if = "Vec::is_empty")]
    transitions: Vec<Transition>,
    #[serde(rename = "NoncurrentVersionTransition", default, skip_serializing_if = "Vec::is_empty")]
    noncurrent_transitions: Vec<NoncurrentTransition>,
    #[serde(rename = "NoncurrentVersionExpiration", skip_serializing_if = "Option::is_none")]
    noncurrent_expiration: Option<NoncurrentExpiration>,
    #[serde(rename = "AbortIncompleteMultipartUpload", skip_serializing_if = "Option::is_none")]
    abort_uploads: Option<AbortUploads>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(rename = "Prefix", skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(rename = "Tag", skip_serializing_if = "Option::is_none")]
    tag: Option<Tag>,
    #[serde(rename = "ObjectSizeGreaterThan", skip_serializing_if = "Option::is_none")]
    larger_than: Option<u64>,
    #[serde(rename = "ObjectSizeLessThan", skip_serializing_if = "Option::is_none")]
    smaller_than: Option<u64>,
    #[serde(rename = "And", skip_serializing_if = "Option::is_none")]
    and: Option<FilterAnd>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FilterAnd {
    #[serde(rename = "Prefix", skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(rename = "Tag", default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    #[serde(rename = "ObjectSizeGreaterThan", skip_serializing_if = "Option::is_none")]
    larger_than: Option<u64>,
    #[serde(rename = "ObjectSizeLessThan", skip_serializing_if = "Option::is_none")]
    smaller_than: Option<u64>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Expiration {
    #[serde(rename = "Days", skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    #[serde(rename = "Date", skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    #[serde(rename = "ExpiredObjectDeleteMarker", skip_serializing_if = "Option::is_none")]
    delete_marker: Option<bool>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Transition {
    #[serde(rename = "Days", skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    #[serde(rename = "Date", skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    #[serde(rename = "StorageClass")]
    class: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct NoncurrentTransition {
    #[serde(rename = "NoncurrentDays")]
    days: u32,
    #[serde(rename = "NewerNoncurrentVersions", skip_serializing_if = "Option::is_none")]
    newer: Option<u32>,
    #[serde(rename = "StorageClass")]
    class: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct NoncurrentExpiration {
    #[serde(rename = "NoncurrentDays")]
    days: Option<u32>,
    #[serde(rename = "NewerNoncurrentVersions", skip_serializing_if = "Option::is_none")]
    newer: Option<u32>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AbortUploads {
    #[serde(rename = "DaysAfterInitiation")]
    days: u32,
}

impl Lifecycle {
    /// Holds the rules to AWS's, and names those that have no ID, as S3 does.
    pub fn checked(mut self) -> Result<Self, Refusal> {
        if self.rules.is_empty() || self.rules.len() > 1000 {
            return Err(malformed("1 to 1000 rules"));
        }
        let mut ids = BTreeSet::new();
        for rule in &mut self.rules {
            rule.check()?;
            let id = rule.id.get_or_insert_with(fresh_id);
            if id.len() > 255 {
                return Err(invalid("ID length should not exceed allowed limit of 255"));
            }
            if !ids.insert(id.clone()) {
                return Err(invalid(format!(
                    "Rule ID must be unique. Found same ID for more than one rule: {id}"
                )));
            }
        }
        Ok(self)
    }

    pub fn render(&self) -> Result<String, Refusal> {
        xml::render("LifecycleConfiguration", self)
    }
}

/// The storage classes that objects can move to.
const CLASSES: [&str; 6] =
    ["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "GLACIER_IR", "DEEP_ARCHIVE"];

impl LifecycleRule {
    fn check(&self) -> Result<(), Refusal> {
        if !["Enabled", "Disabled"].contains(&self.status.as_str()) {
            return Err(malformed("Status is Enabled or Disabled"));
        }
        let filter = match (&self.prefix, &self.filter) {
            (Some(_), None) => None,
            (None, Some(filter)) => Some(filter.check()?),
            _ => return Err(malformed("a rule has either Filter or Prefix")),
        };
        let by_tag_or_size = filter.is_some_and(|kind| kind != FilterKind::Prefix);
        if self.expiration.is_none()
            && self.transitions.is_empty()
            && self.noncurrent_transitions.is_empty()
            && self.noncurrent_expiration.is_none()
            && self.abort_uploads.is_none()
        {
            return Err(Refusal::new(
                400,
                "InvalidRequest",
                "At least one action needs to be specified in a rule",
            ));
        }
        if let Some(expiration) = &self.expiration {
            expiration.check()?;
            if expiration.delete_marker.is_some() && filter == Some(FilterKind::Tag) {
                return Err(Refusal::new(
                    400,
                    "InvalidRequest",
                    "ExpiredObjectDeleteMarker cannot be specified with tags",
                ));
            }
        }
        if let Some(expiration) = &self.noncurrent_expiration {
            let days = expiration.days.ok_or_else(|| malformed("NoncurrentDays is missing"))?;
            positive("'NoncurrentDays' for NoncurrentVersionExpiration action", days)?;
            newer(expiration.newer, &self.filter)?;
        }
        for transition in &self.noncurrent_transitions {
            class(&transition.class)?;
            newer(transition.newer, &self.filter)?;
        }
        for transition in &self.transitions {
            class(&transition.class)?;
            if transition.days.is_some() == transition.date.is_some() {
                return Err(malformed("a Transition has either Days or Date"));
            }
        }
        if let Some(abort) = &self.abort_uploads {
            positive("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action", abort.days)?;
            if by_tag_or_size {
                return Err(Refusal::new(
                    400,
                    "InvalidRequest",
                    "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes",
                ));
            }
        }
        Ok(())
    }
}

impl Expiration {
    fn check(&self) -> Result<(), Refusal> {
        match (self.days, &self.date, self.delete_marker) {
            (Some(days), None, None) => positive("'Days' for Expiration action", days),
            (None, Some(date), None) => match chrono::DateTime::parse_from_rfc3339(date) {
                Ok(at) if at.to_utc().time() == chrono::NaiveTime::MIN => Ok(()),
                _ => Err(invalid("'Date' must be at midnight GMT")),
            },
            (None, None, Some(_)) => Ok(()),
            _ => Err(malformed("an Expiration has one of Days, Date, ExpiredObjectDeleteMarker")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FilterKind {
    Prefix,
    Tag,
    Size,
}

impl Filter {
    /// An empty filter means every object, as an empty prefix does.
    fn check(&self) -> Result<FilterKind, Refusal> {
        let alone = [
            self.prefix.is_some(),
            self.tag.is_some(),
            self.larger_than.is_some(),
            self.smaller_than.is_some(),
            self.and.is_some(),
        ];
        if alone.into_iter().filter(|present| *present).count() > 1 {
            return Err(malformed("a Filter has one element; several belong under And"));
        }
        if let Some(and) = &self.and {
            let elements = usize::from(and.prefix.is_some())
                + and.tags.len()
                + usize::from(and.larger_than.is_some())
                + usize::from(and.smaller_than.is_some());
            if elements < 2 {
                return Err(malformed("And joins at least two elements"));
            }
            check_tags(and.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())))?;
            return Ok(if and.tags.is_empty() { FilterKind::Size } else { FilterKind::Tag });
        }
        if let Some(tag) = &self.tag {
            check_tags(std::iter::once((tag.key.as_str(), tag.value.as_str())))?;
            return Ok(FilterKind::Tag);
        }
        let by_size = self.larger_than.is_some() || self.smaller_than.is_some();
        Ok(if by_size { FilterKind::Size } else { FilterKind::Prefix })
    }
}

fn positive(what: &str, days: u32) -> Result<(), Refusal> {
    if days == 0 { Err(invalid(format!("{what} must be a positive integer"))) } else { Ok(()) }
}

/// 1 to 100, and only in a rule with the newer kind of filter
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_NoncurrentVersionExpiration.html>).
fn newer(versions: Option<u32>, filter: &Option<Filter>) -> Result<(), Refusal> {
    match versions {
        Some(versions) if !(1..=100).contains(&versions) => {
            Err(invalid("'NewerNoncurrentVersions' must be between 1 and 100"))
        }
        Some(_) if filter.is_none() => {
            Err(Refusal::new(400, "InvalidRequest", "NewerNoncurrentVersions needs a Filter element"))
        }
        _ => Ok(()),
    }
}

fn class(name: &str) -> Result<(), Refusal> {
    if CLASSES.contains(&name) { Ok(()) } else { Err(malformed("no such StorageClass")) }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lifecycle(rules: &str) -> Result<String, &'static str> {
        let document = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        xml::parse::<Lifecycle>(document.as_bytes())
            .and_then(Lifecycle::checked)
            .and_then(|checked| checked.render())
            .map_err(|refusal| refusal.code)
    }

    const RULE: &str = "<ID>a</ID><Filter><Prefix>daily/</Prefix></Filter><Status>Enabled</Status>";

    #[test]
    fn how_many_newer_versions_stay_is_kept() {
        let rule = format!(
            "<Rule>{RULE}<NoncurrentVersionExpiration><NoncurrentDays>90</NoncurrentDays>\
             <NewerNoncurrentVersions>5</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>"
        );
        let kept = lifecycle(&rule).expect("a good rule");
        assert!(kept.contains("<NewerNoncurrentVersions>5</NewerNoncurrentVersions>"), "{kept}");
        assert!(kept.contains("<Filter><Prefix>daily/</Prefix></Filter>"), "{kept}");
        assert_eq!(
            lifecycle(kept.split_once("<Rule>").map_or("", |(_, rest)| {
                rest.split_once("</LifecycleConfiguration>").map_or("", |(rule, _)| rule)
            }))
            .err(),
            Some("MalformedXML"),
            "half a rule is no rule"
        );
    }

    #[test]
    fn rules_that_aws_refuses_are_refused() {
        let expire = |days: u32, newer: u32| {
            format!(
                "<NoncurrentVersionExpiration><NoncurrentDays>{days}</NoncurrentDays>\
                 <NewerNoncurrentVersions>{newer}</NewerNoncurrentVersions></NoncurrentVersionExpiration>"
            )
        };
        let rule = |actions: &str| format!("<Rule>{RULE}{actions}</Rule>");
        let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>\
                     </AbortIncompleteMultipartUpload>";
        let cases = [
            (String::new(), "MalformedXML"),
            (rule(""), "InvalidRequest"),
            (rule(&expire(0, 5)), "InvalidArgument"),
            (rule(&expire(1, 0)), "InvalidArgument"),
            (rule(&expire(1, 101)), "InvalidArgument"),
            (rule(abort).repeat(2), "InvalidArgument"),
            (rule("<Surprise/>"), "MalformedXML"),
            (rule("<Expiration><Days>0</Days></Expiration>"), "InvalidArgument"),
            (rule("<Expiration><Date>2026-01-01T12:00:00Z</Date></Expiration>"), "InvalidArgument"),
            (
                format!(
                    "<Rule><ID>t</ID><Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>\
                     <Status>Enabled</Status>{abort}</Rule>"
                ),
                "InvalidRequest",
            ),
            (format!("<Rule><ID>n</ID><Status>Enabled</Status>{abort}</Rule>"), "MalformedXML"),
        ];
        for (rules, code) in cases {
            assert_eq!(lifecycle(&rules).err(), Some(code), "{rules}");
        }
    }

    #[test]
    fn every_form_of_filter_comes_back_as_it_went_in() {
        let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation>\
                     </AbortIncompleteMultipartUpload>";
        let expire = "<NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays>\
                      </NoncurrentVersionExpiration>";
        let forms = [
            ("<Prefix/>", abort),
            ("<Prefix>old/</Prefix>", abort),
            ("<Filter/>", abort),
            ("<Filter><Prefix/></Filter>", abort),
            ("<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>", expire),
            (
                "<Filter><And><Prefix>p</Prefix><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter>",
                expire,
            ),
        ];
        for (filter, action) in forms {
            let rule = format!("<Rule><ID>x</ID>{filter}<Status>Enabled</Status>{action}</Rule>");
            let kept = lifecycle(&rule).expect(filter);
            assert!(kept.contains(filter), "{filter} became {kept}");
        }
    }
}
