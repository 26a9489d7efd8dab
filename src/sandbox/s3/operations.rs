//! The table of operations: how each is recognised, which parameters it knows, what it does.

use super::{
    BYPASS, BucketRequest, LEGAL_HOLD, LOCK_MODE, LOCK_UNTIL, Request, Target, buckets, listing, multipart,
    object_lock, objects, reading, replication,
};
use crate::sandbox::http::{Answer, Call, Refusal};
use crate::sandbox::receive::Expects;

/// What a request is addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Service,
    Bucket,
    Object,
}

/// How an operation is carried out.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// With the name in the address, if there is one: the bucket need not exist.
    OnService(fn(Request<'_>, Option<&str>) -> Result<Answer, Refusal>),
    OnBucket(fn(BucketRequest<'_>) -> Result<Answer, Refusal>),
}

/// One operation of S3's API.
pub struct Operation {
    /// As the API reference calls it.
    pub name: &'static str,
    method: &'static str,
    on: On,
    /// The query parameter that tells it from others with the same method and address.
    marker: Option<&'static str>,
    /// Further query parameters it knows.
    query: &'static [&'static str],
    /// Headers it knows beside those of every request; a trailing `-` stands for a whole family.
    headers: &'static [&'static str],
    pub expects: Expects,
    /// Whether it changes anything.
    pub changes: bool,
    pub(super) run: Run,
}

/// Headers of every request: the signature's, the SDK's, the owner, and what says how the body is sent.
const EVERYWHERE: &[&str] = &[
    "x-amz-date",
    "x-amz-content-sha256",
    "x-amz-security-token",
    "x-amz-user-agent",
    "x-amz-expected-bucket-owner",
    "x-amz-decoded-content-length",
    "x-amz-trailer",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-checksum-",
];

/// Headers that change what a request means and are not Amazon's.
const MEANINGFUL: &[&str] =
    &["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "range", "origin"];

const WRITING: &[&str] = &[
    "x-amz-meta-",
    "x-amz-tagging",
    "x-amz-storage-class",
    "x-amz-server-side-encryption",
    LOCK_MODE,
    LOCK_UNTIL,
    LEGAL_HOLD,
];
const PUTTING: &[&str] = &[
    "x-amz-meta-",
    "x-amz-tagging",
    "x-amz-storage-class",
    "x-amz-server-side-encryption",
    LOCK_MODE,
    LOCK_UNTIL,
    LEGAL_HOLD,
    "if-none-match",
    "if-match",
];
const READING: &[&str] = &["x-amz-checksum-mode", "range", "if-match", "if-none-match"];
const TRANSITION_SIZE: &[&str] = &["x-amz-transition-default-minimum-object-size"];

const fn read(
    name: &'static str,
    method: &'static str,
    on: On,
    marker: Option<&'static str>,
    run: fn(BucketRequest<'_>) -> Result<Answer, Refusal>,
) -> Operation {
    Operation {
        name,
        method,
        on,
        marker,
        query: &[],
        headers: &[],
        expects: Expects::Nothing,
        changes: false,
        run: Run::OnBucket(run),
    }
}

const fn change(
    name: &'static str,
    method: &'static str,
    on: On,
    marker: Option<&'static str>,
    run: fn(BucketRequest<'_>) -> Result<Answer, Refusal>,
) -> Operation {
    Operation { changes: true, ..read(name, method, on, marker, run) }
}

/// A PUT of one of a bucket's settings.
const fn setting(
    name: &'static str,
    marker: &'static str,
    run: fn(BucketRequest<'_>) -> Result<Answer, Refusal>,
) -> Operation {
    Operation { expects: Expects::Document, ..change(name, "PUT", On::Bucket, Some(marker), run) }
}

#[rustfmt::skip] // a table
static OPERATIONS: &[Operation] = &[
    Operation { query: &["max-buckets", "continuation-token", "prefix", "bucket-region"],
                run: Run::OnService(buckets::list), ..read("ListBuckets", "GET", On::Service, None, buckets::head) },
    Operation { expects: Expects::Document, headers: &["x-amz-bucket-object-lock-enabled", "x-amz-object-ownership"],
                run: Run::OnService(buckets::create), ..change("CreateBucket", "PUT", On::Bucket, None, buckets::head) },
    read("HeadBucket", "HEAD", On::Bucket, None, buckets::head),
    change("DeleteBucket", "DELETE", On::Bucket, None, buckets::delete),

    read("GetBucketLocation", "GET", On::Bucket, Some("location"), buckets::get_location),
    read("GetBucketVersioning", "GET", On::Bucket, Some("versioning"), buckets::get_versioning),
    setting("PutBucketVersioning", "versioning", buckets::put_versioning),
    read("GetBucketLifecycleConfiguration", "GET", On::Bucket, Some("lifecycle"), buckets::get_lifecycle),
    Operation { headers: TRANSITION_SIZE,
                ..setting("PutBucketLifecycleConfiguration", "lifecycle", buckets::put_lifecycle) },
    change("DeleteBucketLifecycle", "DELETE", On::Bucket, Some("lifecycle"), buckets::delete_lifecycle),
    read("GetBucketEncryption", "GET", On::Bucket, Some("encryption"), buckets::get_encryption),
    setting("PutBucketEncryption", "encryption", buckets::put_encryption),
    change("DeleteBucketEncryption", "DELETE", On::Bucket, Some("encryption"), buckets::delete_encryption),
    read("GetPublicAccessBlock", "GET", On::Bucket, Some("publicAccessBlock"), buckets::get_public_access_block),
    setting("PutPublicAccessBlock", "publicAccessBlock", buckets::put_public_access_block),
    change("DeletePublicAccessBlock", "DELETE", On::Bucket, Some("publicAccessBlock"), buckets::delete_public_access_block),
    read("GetBucketPolicy", "GET", On::Bucket, Some("policy"), buckets::get_policy),
    Operation { headers: &["x-amz-confirm-remove-self-bucket-access"],
                ..setting("PutBucketPolicy", "policy", buckets::put_policy) },
    change("DeleteBucketPolicy", "DELETE", On::Bucket, Some("policy"), buckets::delete_policy),
    read("GetBucketTagging", "GET", On::Bucket, Some("tagging"), buckets::get_tagging),
    setting("PutBucketTagging", "tagging", buckets::put_tagging),
    change("DeleteBucketTagging", "DELETE", On::Bucket, Some("tagging"), buckets::delete_tagging),
    read("GetBucketOwnershipControls", "GET", On::Bucket, Some("ownershipControls"), buckets::get_ownership),
    setting("PutBucketOwnershipControls", "ownershipControls", buckets::put_ownership),
    read("GetObjectLockConfiguration", "GET", On::Bucket, Some("object-lock"), object_lock::get_configuration),
    setting("PutObjectLockConfiguration", "object-lock", object_lock::put_configuration),
    read("GetBucketAcl", "GET", On::Bucket, Some("acl"), buckets::get_acl),
    read("GetBucketPolicyStatus", "GET", On::Bucket, Some("policyStatus"), buckets::get_policy_status),
    read("GetBucketReplication", "GET", On::Bucket, Some("replication"), replication::get),
    setting("PutBucketReplication", "replication", replication::put),
    change("DeleteBucketReplication", "DELETE", On::Bucket, Some("replication"), replication::delete),

    Operation { query: &["prefix", "delimiter", "max-keys", "continuation-token", "start-after", "encoding-type", "fetch-owner"],
                ..read("ListObjectsV2", "GET", On::Bucket, Some("list-type"), listing::objects) },
    Operation { query: &["prefix", "delimiter", "max-keys", "key-marker", "version-id-marker", "encoding-type"],
                ..read("ListObjectVersions", "GET", On::Bucket, Some("versions"), listing::versions) },
    Operation { query: &["prefix", "max-uploads", "key-marker", "upload-id-marker", "encoding-type"],
                ..read("ListMultipartUploads", "GET", On::Bucket, Some("uploads"), listing::uploads) },
    Operation { expects: Expects::Document, headers: &[BYPASS],
                ..change("DeleteObjects", "POST", On::Bucket, Some("delete"), objects::delete_many) },

    Operation { expects: Expects::Data, headers: PUTTING, ..change("PutObject", "PUT", On::Object, None, objects::put) },
    Operation { query: &["versionId"], headers: READING, ..read("GetObject", "GET", On::Object, None, reading::get) },
    Operation { query: &["versionId"], headers: READING, ..read("HeadObject", "HEAD", On::Object, None, reading::head) },
    Operation { query: &["versionId"], headers: &[BYPASS], ..change("DeleteObject", "DELETE", On::Object, None, objects::delete) },
    Operation { query: &["versionId"], ..read("GetObjectTagging", "GET", On::Object, Some("tagging"), reading::get_tagging) },
    Operation { query: &["versionId"], ..read("GetObjectRetention", "GET", On::Object, Some("retention"), object_lock::get_retention) },
    Operation { query: &["versionId"], headers: &[BYPASS], expects: Expects::Document,
                ..change("PutObjectRetention", "PUT", On::Object, Some("retention"), object_lock::put_retention) },
    Operation { query: &["versionId"], ..read("GetObjectLegalHold", "GET", On::Object, Some("legal-hold"), object_lock::get_hold) },
    Operation { query: &["versionId"], expects: Expects::Document,
                ..change("PutObjectLegalHold", "PUT", On::Object, Some("legal-hold"), object_lock::put_hold) },

    Operation { headers: WRITING, ..change("CreateMultipartUpload", "POST", On::Object, Some("uploads"), multipart::create) },
    Operation { query: &["partNumber"], expects: Expects::Data,
                ..change("UploadPart", "PUT", On::Object, Some("uploadId"), multipart::upload_part) },
    Operation { expects: Expects::Completion, headers: &["if-none-match", "x-amz-mp-object-size"],
                ..change("CompleteMultipartUpload", "POST", On::Object, Some("uploadId"), multipart::complete) },
    change("AbortMultipartUpload", "DELETE", On::Object, Some("uploadId"), multipart::abort),
    Operation { query: &["max-parts", "part-number-marker"],
                ..read("ListParts", "GET", On::Object, Some("uploadId"), multipart::list_parts) },
];

/// Every operation there is.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter()
}

/// The operation of a request, unless the request asks for anything that the sandbox does not know.
pub(super) fn find(call: &Call, target: &Target) -> Result<&'static Operation, Refusal> {
    let on = match (&target.bucket, &target.key) {
        (None, _) => On::Service,
        (Some(_), None) => On::Bucket,
        (Some(_), Some(_)) => On::Object,
    };
    let fits = |operation: &&Operation| operation.method == call.method && operation.on == on;
    let marked = |operation: &&Operation| operation.marker.is_some_and(|marker| call.asks(marker));
    let candidates = || OPERATIONS.iter().filter(fits);
    let operation = candidates()
        .find(marked)
        .or_else(|| candidates().find(|operation| operation.marker.is_none()))
        .ok_or_else(|| Refusal::not_implemented(format!("{} {}", call.method, call.path)))?;

    // `x-id` only repeats the operation's name.
    let known =
        |name: &str| name == "x-id" || operation.marker == Some(name) || operation.query.contains(&name);
    if let Some((name, _)) = call.query.iter().find(|(name, _)| !known(name)) {
        return Err(Refusal::not_implemented(format!("the parameter {name} of {}", operation.name)));
    }
    let listed = |list: &[&str], name: &str| {
        list.iter().any(|known| *known == name || (known.ends_with('-') && name.starts_with(known)))
    };
    let unknown = |name: &str| {
        (name.starts_with("x-amz-") && !listed(EVERYWHERE, name) || MEANINGFUL.contains(&name))
            && !listed(operation.headers, name)
    };
    if let Some((name, _)) = call.headers().find(|(name, _)| unknown(name)) {
        return Err(Refusal::not_implemented(format!("the header {name} of {}", operation.name)));
    }
    Ok(operation)
}
