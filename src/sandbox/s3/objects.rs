//! Objects and their versions: how they are written and deleted. How they are read is [`reading`](super::reading)'s.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::documents::{Delete, check_tags};
use super::operations::On;
use super::permissions::{bypasses, context};
use super::{BucketRequest, invalid_argument, object_lock};
use crate::sandbox::checksum::{ChecksumKind, ObjectChecksum};
use crate::sandbox::http::{Answer, Call, Refusal};
use crate::sandbox::receive::{Data, Received};
use crate::sandbox::records::{About, Content, NULL_VERSION, ObjectLock, Version, fresh_id};
use crate::sandbox::xml::{self, Xml};
use crate::vocab::Versioning;

/// A key may have 1,024 bytes (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>).
const LONGEST_KEY: usize = 1024;

/// Names and values of metadata together (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>).
const LARGEST_METADATA: usize = 2 * 1024;

/// Headers that a writer gives and a reader gets back.
const KEPT_HEADERS: [&str; 6] = [
    "content-type",
    "content-encoding",
    "content-language",
    "content-disposition",
    "cache-control",
    "expires",
];

pub(super) const VERSION: &str = "x-amz-version-id";
pub(super) const DELETE_MARKER: &str = "x-amz-delete-marker";

type Outcome = Result<Answer, Refusal>;

pub(super) fn put(mut request: BucketRequest<'_>) -> Outcome {
    check_key(request.key)?;
    let Received::Data(data) = std::mem::replace(&mut request.received, Received::Nothing) else {
        return Err(Refusal::new(
            411,
            "MissingContentLength",
            "You must provide the Content-Length HTTP header.",
        ));
    };
    request.demand_checksum(&data)?;
    let about = about(request.call)?;
    let lock = object_lock::asked(&request)?;
    let current = request.current()?;
    no_object_yet(request.call, current.as_deref())?;
    this_object_still(&request, current.as_deref())?;
    let encrypted_with = request.use_key(request.default_key()?, &["kms:GenerateDataKey"])?;
    let checksum =
        ObjectChecksum { algorithm: data.algorithm, kind: ChecksumKind::FullObject, value: data.checksum };
    let content = Content {
        size: data.blob.size,
        blobs: vec![data.blob],
        etag: data.etag,
        checksum,
        about,
        encrypted_with,
    };
    let answer = described(Answer::empty(200), &content, true);
    if request.call.loses {
        content.blobs.iter().try_for_each(|blob| request.store.remove_blob(blob))?;
        return Ok(request.named(answer, &fresh_id()));
    }
    let id = request.add(content, lock)?;
    Ok(request.named(answer, &id))
}

pub(super) fn delete(request: BucketRequest<'_>) -> Outcome {
    let deleted = request.delete_key(request.key, request.call.param("versionId"))?;
    let answer = Answer::empty(204).with_some(DELETE_MARKER, deleted.marker.then_some("true"));
    Ok(answer.with_some(VERSION, deleted.version))
}

/// At most 1,000 keys, each with an outcome of its own
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>).
pub(super) fn delete_many(request: BucketRequest<'_>) -> Outcome {
    let headers = ["content-md5", "x-amz-sdk-checksum-algorithm"];
    let summed = request.call.headers().any(|(name, _)| {
        headers.contains(&name) || name.starts_with("x-amz-checksum-") || name == "x-amz-trailer"
    });
    if !summed {
        return Err(Refusal::new(
            400,
            "InvalidRequest",
            "Missing required header for this request: Content-MD5",
        ));
    }
    let order: Delete = xml::parse(request.received.document())?;
    if order.objects.is_empty() || order.objects.len() > 1000 {
        return Err(Refusal::new(400, "MalformedXML", "DeleteObjects takes 1 to 1000 keys"));
    }
    let mut outcomes = Vec::new();
    for item in &order.objects {
        let version = item.version.as_deref();
        let outcome =
            request.check_delete(&item.key, version).and_then(|()| request.delete_key(&item.key, version));
        outcomes.push((item, outcome));
    }
    Ok(Answer::xml(Xml::s3("DeleteResult", |result| {
        for (item, outcome) in &outcomes {
            match outcome {
                Ok(_) if order.quiet => {}
                Ok(deleted) => {
                    result.element("Deleted", |element| {
                        element.text("Key", &item.key).text_if("VersionId", item.version.as_ref());
                        if deleted.marker {
                            element.text("DeleteMarker", true);
                            element.text_if("DeleteMarkerVersionId", deleted.version.as_ref());
                        }
                    });
                }
                Err(refusal) => {
                    result.element("Error", |error| {
                        error.text("Key", &item.key).text_if("VersionId", item.version.as_ref());
                        error.text("Code", refusal.code).text("Message", &refusal.message);
                    });
                }
            }
        }
    })))
}

/// What a deletion did.
struct Deleted {
    /// The version removed, or the delete marker made.
    version: Option<String>,
    /// Whether that is a delete marker.
    marker: bool,
}

impl BucketRequest<'_> {
    /// The newest version of the key, delete markers included.
    pub(super) fn current(&self) -> Result<Option<Arc<Version>>, Refusal> {
        Ok(self.store.versions(self.name, self.key)?.into_iter().next())
    }

    /// Makes a new version of the key the way the bucket's versioning wants it, and answers with its id.
    pub(super) fn add(&self, content: Content, asked: ObjectLock) -> Result<String, Refusal> {
        self.add_to(self.key, Some(content), self.lock_of_new(asked)?)
    }

    fn add_to(&self, key: &str, content: Option<Content>, lock: ObjectLock) -> Result<String, Refusal> {
        let versions = self.store.versions(self.name, key)?;
        let order = versions.first().map_or(1, |newest| newest.order + 1);
        let id = match self.bucket.versioning {
            Versioning::Enabled => fresh_id(),
            Versioning::Never | Versioning::Suspended => NULL_VERSION.to_owned(),
        };
        let version =
            Version { key: key.to_owned(), id: id.clone(), order, modified: self.now, content, lock };
        // The new one first: a process that ends in between leaves one version too many, never one too few.
        self.store.put_version(self.name, version)?;
        for replaced in versions.iter().filter(|version| version.id == id) {
            self.forget(replaced)?;
        }
        Ok(id)
    }

    /// Refuses to delete one of many keys that the caller may not delete.
    fn check_delete(&self, key: &str, version: Option<&str>) -> Result<(), Refusal> {
        if self.guard.is_free(self.policy.as_ref()) {
            return Ok(());
        }
        let mut context = context(self.guard, "DeleteObjects", self.call);
        let action = match version {
            Some(id) => {
                context = context.with("s3:VersionId", id);
                "s3:DeleteObjectVersion"
            }
            None => "s3:DeleteObject",
        };
        self.ask(action, On::Object, key, &context)?;
        if bypasses(self.call) {
            self.ask("s3:BypassGovernanceRetention", On::Object, key, &context)?;
        }
        Ok(())
    }

    /// Removes one version for good.
    fn forget(&self, version: &Version) -> Result<(), Refusal> {
        self.store.remove_version(self.name, version)?;
        for blob in version.content.iter().flat_map(|content| &content.blobs) {
            self.store.remove_blob(blob)?;
        }
        Ok(())
    }

    /// With a version's id: removes that version. Without: hides the object, or removes it where there is no
    /// versioning (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html>).
    fn delete_key(&self, key: &str, version: Option<&str>) -> Result<Deleted, Refusal> {
        check_key(key)?;
        match (version, self.bucket.versioning) {
            (Some(id), _) => {
                let versions = self.store.versions(self.name, key)?;
                let found = versions.iter().find(|version| version.id == id);
                if let Some(found) = found {
                    self.check_lock(found)?;
                    self.forget(found)?;
                }
                let marker = found.is_some_and(|version| version.content.is_none());
                Ok(Deleted { version: Some(id.to_owned()), marker })
            }
            (None, Versioning::Never) => {
                for version in self.store.versions(self.name, key)? {
                    self.forget(&version)?;
                }
                Ok(Deleted { version: None, marker: false })
            }
            (None, Versioning::Enabled | Versioning::Suspended) => {
                Ok(Deleted { version: Some(self.add_to(key, None, ObjectLock::default())?), marker: true })
            }
        }
    }

    /// A bucket that never had versioning does not speak of versions.
    pub(super) fn named(&self, answer: Answer, id: &str) -> Answer {
        match self.bucket.versioning {
            Versioning::Never => answer,
            Versioning::Enabled | Versioning::Suspended => answer.with(VERSION, id),
        }
    }

    /// A bucket with object lock takes nothing unverified
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>, Content-MD5).
    pub(super) fn demand_checksum(&self, data: &Data) -> Result<(), Refusal> {
        if self.bucket.object_lock && !data.claimed && self.call.header("content-md5").is_none() {
            return Err(Refusal::new(
                400,
                "InvalidRequest",
                "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock \
                 parameters",
            ));
        }
        Ok(())
    }
}

/// What every answer about an object says of its bytes.
pub(super) fn described(answer: Answer, content: &Content, checksum: bool) -> Answer {
    let answer =
        answer.with("etag", format!("\"{}\"", content.etag)).with("x-amz-server-side-encryption", "AES256");
    if !checksum {
        return answer;
    }
    answer
        .with(content.checksum.algorithm.header(), &content.checksum.value)
        .with("x-amz-checksum-type", content.checksum.kind.name())
}

pub(super) fn check_key(key: &str) -> Result<(), Refusal> {
    match key.len() {
        0 => Err(invalid_argument("The key is empty", "Key", key)),
        1..=LONGEST_KEY => Ok(()),
        _ => Err(Refusal::new(400, "KeyTooLongError", "Your key is too long")),
    }
}

pub(super) fn no_such_key(key: &str) -> Refusal {
    Refusal::new(404, "NoSuchKey", "The specified key does not exist.").detail("Key", key)
}

pub(super) fn precondition(name: &str) -> Refusal {
    Refusal::new(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        .detail("Condition", name)
}

pub(super) fn etag_matches(asked: &str, etag: &str) -> bool {
    asked == "*" || asked.trim_matches('"') == etag
}

/// `If-None-Match: *` on a write: only where no current object is. A delete marker is none
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
pub(super) fn no_object_yet(call: &Call, current: Option<&Version>) -> Result<(), Refusal> {
    match call.header("if-none-match") {
        None => Ok(()),
        Some("*") if current.is_some_and(|version| version.content.is_some()) => {
            Err(precondition("If-None-Match"))
        }
        Some("*") => Ok(()),
        Some(_) => Err(Refusal::not_implemented("If-None-Match with anything but *")),
    }
}

/// `If-Match` on a write: only where the current object is the one that the writer read. Without one, or behind a delete
/// marker, there is nothing to match
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
fn this_object_still(request: &BucketRequest<'_>, current: Option<&Version>) -> Result<(), Refusal> {
    let Some(asked) = request.call.header("if-match") else { return Ok(()) };
    match current.and_then(|version| version.content.as_ref()) {
        None => Err(no_such_key(request.key)),
        Some(content) if etag_matches(asked, &content.etag) => Ok(()),
        Some(_) => Err(precondition("If-Match")),
    }
}

/// What the writer's headers say of the object.
pub(super) fn about(call: &Call) -> Result<About, Refusal> {
    if let Some(class) = call.header("x-amz-storage-class")
        && class != "STANDARD"
    {
        return Err(Refusal::not_implemented(format!("the storage class {class}")));
    }
    if let Some(encryption) = call.header("x-amz-server-side-encryption")
        && encryption != "AES256"
    {
        return Err(Refusal::not_implemented(format!("the encryption {encryption} of one object")));
    }
    let mut about = About::default();
    for (name, value) in call.headers() {
        if let Some(name) = name.strip_prefix("x-amz-meta-") {
            about.metadata.insert(name.to_owned(), value.to_owned());
        } else if KEPT_HEADERS.contains(&name) {
            // How the body was sent is no property of the object.
            let kept = value.split(',').map(str::trim).filter(|coding| *coding != "aws-chunked");
            let kept = kept.collect::<Vec<_>>().join(",");
            if !kept.is_empty() {
                about.headers.insert(
                    name.to_owned(),
                    if name == "content-encoding" { kept } else { value.to_owned() },
                );
            }
        }
    }
    let size: usize = about.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > LARGEST_METADATA {
        return Err(Refusal::new(
            400,
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
        ));
    }
    if let Some(tagging) = call.header("x-amz-tagging") {
        let tags = tag_pairs(tagging);
        if tags.len() > 10 {
            return Err(Refusal::new(400, "BadRequest", "Object tags cannot be greater than 10"));
        }
        check_tags(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))?;
        about.tags = tags.into_iter().collect();
    }
    Ok(about)
}

/// `x-amz-tagging`: tags as the query of a URL.
pub(super) fn tag_pairs(tagging: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    tagging
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}
