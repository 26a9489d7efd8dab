//! Multipart uploads: an object in parts that become one at the end, or nothing
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>).

use std::sync::Arc;

use md5::{Digest, Md5};

use super::documents::{CompletePart, CompleteUpload};
use super::objects::{about, check_key, no_object_yet};
use super::{BucketRequest, http_date, instant, invalid_argument, object_lock};
use crate::sandbox::checksum::{Algorithm, ChecksumKind, UploadChecksum};
use crate::sandbox::http::{Answer, Refusal};
use crate::sandbox::receive::Received;
use crate::sandbox::records::{Content, Part, Upload, fresh_id};
use crate::sandbox::xml::{self, Xml};

/// Every part but the last has at least 5 MiB, and numbers end at 10,000
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
const SMALLEST_PART: u64 = 5 * 1024 * 1024;
const LAST_NUMBER: u16 = 10_000;

const LARGEST_PAGE: usize = 1000;

const ALGORITHM: &str = "x-amz-checksum-algorithm";
const KIND: &str = "x-amz-checksum-type";

/// What an upload in parts needs of its key of KMS: parts are opened again where they are put together
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>, permissions).
const OF_UPLOADS: [&str; 2] = ["kms:GenerateDataKey", "kms:Decrypt"];

type Outcome = Result<Answer, Refusal>;

pub(super) fn create(request: BucketRequest<'_>) -> Outcome {
    check_key(request.key)?;
    let checksum = wanted_checksum(&request)?;
    let upload = Upload {
        id: fresh_id(),
        key: request.key.to_owned(),
        started: request.now,
        checksum,
        about: about(request.call)?,
        lock: object_lock::asked(&request)?,
        encrypted_with: request.use_key(request.default_key()?, &OF_UPLOADS)?,
    };
    let answer = Answer::xml(Xml::s3("InitiateMultipartUploadResult", |result| {
        result.text("Bucket", request.name).text("Key", request.key).text("UploadId", &upload.id);
    }))
    .with("x-amz-server-side-encryption", "AES256")
    .with_some(ALGORITHM, checksum.asked.then(|| checksum.algorithm.name()))
    .with_some(KIND, checksum.asked.then(|| checksum.kind.name()));
    request.store.put_upload(request.name, upload)?;
    Ok(answer)
}

fn wanted_checksum(request: &BucketRequest<'_>) -> Result<UploadChecksum, Refusal> {
    let algorithm = request.call.header(ALGORITHM).map(|name| {
        Algorithm::from_name(name)
            .ok_or_else(|| Refusal::new(400, "InvalidRequest", "Checksum algorithm provided is unsupported."))
    });
    let kind = request.call.header(KIND).map(|name| {
        ChecksumKind::from_name(name).ok_or_else(|| {
            Refusal::new(400, "InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
        })
    });
    match (algorithm.transpose()?, kind.transpose()?) {
        (None, None) => Ok(UploadChecksum {
            algorithm: Algorithm::Crc64nvme,
            kind: ChecksumKind::FullObject,
            asked: false,
        }),
        (None, Some(_)) => Err(Refusal::new(
            400,
            "InvalidRequest",
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
        )),
        (Some(algorithm), kind) => {
            let kind = kind.unwrap_or(algorithm.default_kind());
            if !algorithm.allows(kind) {
                return Err(Refusal::new(
                    400,
                    "InvalidRequest",
                    format!(
                        "The {} checksum type cannot be used with the {} checksum algorithm.",
                        kind.name(),
                        algorithm.name()
                    ),
                ));
            }
            Ok(UploadChecksum { algorithm, kind, asked: true })
        }
    }
}

pub(super) fn upload_part(mut request: BucketRequest<'_>) -> Outcome {
    let upload = request.upload()?;
    request.use_key(upload.encrypted_with.clone(), &OF_UPLOADS)?;
    let text = request.call.param("partNumber").unwrap_or_default();
    let number = text.parse().ok().filter(|number| (1..=LAST_NUMBER).contains(number)).ok_or_else(|| {
        invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", text)
    })?;
    let Received::Data(data) = std::mem::replace(&mut request.received, Received::Nothing) else {
        return Err(Refusal::new(
            411,
            "MissingContentLength",
            "You must provide the Content-Length HTTP header.",
        ));
    };
    request.demand_checksum(&data)?;
    // Without the upload's own algorithm on every part S3 could not say what the whole has.
    let expected = upload.checksum.asked.then_some(upload.checksum.algorithm);
    let actual = data.claimed.then_some(data.algorithm);
    if expected != actual {
        let name = |algorithm: Option<Algorithm>| algorithm.map_or("null", Algorithm::name).to_lowercase();
        return Err(Refusal::new(
            400,
            "InvalidRequest",
            format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                name(expected),
                name(actual)
            ),
        ));
    }
    let answer = Answer::empty(200)
        .with("etag", format!("\"{}\"", data.etag))
        .with("x-amz-server-side-encryption", "AES256")
        .with_some(data.algorithm.header(), data.claimed.then(|| data.checksum.clone()));
    if request.call.loses {
        request.store.remove_blob(&data.blob)?;
        return Ok(answer);
    }
    let replaced = request.parts(&upload)?.into_iter().find(|part| part.number == number);
    let part =
        Part { number, blob: data.blob, etag: data.etag, checksum: data.checksum, modified: request.now };
    request.store.put_part(request.name, &upload.id, part)?;
    if let Some(replaced) = replaced {
        request.store.remove_blob(&replaced.blob)?;
    }
    Ok(answer)
}

pub(super) fn complete(request: BucketRequest<'_>) -> Outcome {
    let upload = request.upload()?;
    request.use_key(upload.encrypted_with.clone(), &OF_UPLOADS)?;
    let order: CompleteUpload = xml::parse(request.received.document())?;
    let parts = request.parts(&upload)?;
    let chosen = choose(&order.parts, &parts, upload.checksum)?;
    let size: u64 = chosen.iter().map(|part| part.blob.size).sum();
    if let Some(claimed) = request.call.header("x-amz-mp-object-size")
        && claimed != size.to_string()
    {
        return Err(Refusal::new(
            400,
            "InvalidRequest",
            "The provided 'x-amz-mp-object-size' header does not match what was computed.",
        ));
    }
    if let Some(kind) = request.call.header(KIND)
        && kind != upload.checksum.kind.name()
    {
        return Err(Refusal::new(
            400,
            "InvalidRequest",
            "The checksum type does not match that of the upload.",
        ));
    }
    let sums: Vec<(&str, u64)> = chosen.iter().map(|part| (part.checksum.as_str(), part.blob.size)).collect();
    let algorithm = upload.checksum.algorithm;
    let checksum = algorithm.combine(upload.checksum.kind, &sums).ok_or_else(|| {
        Refusal::new(500, "InternalError", "the checksums of the parts cannot be put together")
    })?;
    if let Some(claimed) = request.call.header(algorithm.header())
        && claimed != checksum.value
    {
        return Err(Refusal::new(
            400,
            "BadDigest",
            format!("The {} you specified did not match the calculated checksum.", algorithm.name()),
        ));
    }
    no_object_yet(request.call, request.current()?.as_deref())?;

    let content = Content {
        blobs: chosen.iter().map(|part| part.blob.clone()).collect(),
        size,
        etag: etag(&chosen),
        checksum,
        about: upload.about.clone(),
        encrypted_with: upload.encrypted_with.clone(),
    };
    let document = Xml::s3("CompleteMultipartUploadResult", |result| {
        result
            .text("Location", format!("https://{}/{}", request.call.host, request.key))
            .text("Bucket", request.name)
            .text("Key", request.key)
            .text("ETag", format!("\"{}\"", content.etag))
            .text(algorithm.element(), &content.checksum.value)
            .text("ChecksumType", content.checksum.kind.name());
    });
    let id = request.add(content, upload.lock)?;
    request.store.remove_upload(request.name, &upload.id)?;
    for part in parts.iter().filter(|part| chosen.iter().all(|kept| kept.number != part.number)) {
        request.store.remove_blob(&part.blob)?;
    }
    Ok(request.named(Answer::xml(document).with("x-amz-server-side-encryption", "AES256"), &id))
}

/// The parts that the caller lists, if they are in order, known, unchanged and large enough.
fn choose(
    listed: &[CompletePart],
    parts: &[Arc<Part>],
    checksum: UploadChecksum,
) -> Result<Vec<Arc<Part>>, Refusal> {
    if listed.is_empty() {
        return Err(Refusal::new(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema: a part is \
             missing",
        ));
    }
    if !listed.is_sorted_by(|a, b| a.number < b.number) {
        return Err(Refusal::new(
            400,
            "InvalidPartOrder",
            "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
        ));
    }
    let invalid = || {
        Refusal::new(
            400,
            "InvalidPart",
            "One or more of the specified parts could not be found. The part might not have been uploaded, or the \
             specified entity tag might not have matched the part's entity tag.",
        )
    };
    let mut chosen = Vec::with_capacity(listed.len());
    for listed in listed {
        let part = parts.iter().find(|part| part.number == listed.number).ok_or_else(invalid)?;
        if listed.etag.trim_matches('"') != part.etag {
            return Err(invalid());
        }
        match listed.checksum(checksum.algorithm) {
            Some(claimed) if *claimed != part.checksum => return Err(invalid()),
            None if checksum.asked && checksum.kind == ChecksumKind::Composite => {
                return Err(Refusal::new(
                    400,
                    "InvalidRequest",
                    format!(
                        "The upload was created using a {} checksum. The complete request must include the checksum \
                         for each part. It was missing for part {} in the request.",
                        checksum.algorithm.name().to_lowercase(),
                        listed.number
                    ),
                ));
            }
            Some(_) | None => chosen.push(part.clone()),
        }
    }
    // What follows the first listed part in the list may be small only at the end.
    if let Some((_, before_last)) = chosen.split_last()
        && let Some(small) = before_last.iter().find(|part| part.blob.size < SMALLEST_PART)
    {
        return Err(Refusal::new(
            400,
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
        )
        .detail("PartNumber", small.number.to_string())
        .detail("ProposedSize", small.blob.size.to_string())
        .detail("MinSizeAllowed", SMALLEST_PART.to_string()));
    }
    Ok(chosen)
}

impl CompletePart {
    fn checksum(&self, algorithm: Algorithm) -> Option<&String> {
        match algorithm {
            Algorithm::Crc32 => self.crc32.as_ref(),
            Algorithm::Crc32c => self.crc32c.as_ref(),
            Algorithm::Crc64nvme => self.crc64nvme.as_ref(),
            Algorithm::Sha1 => self.sha1.as_ref(),
            Algorithm::Sha256 => self.sha256.as_ref(),
        }
    }
}

/// MD5 of the parts' MD5s, and how many there are.
fn etag(parts: &[Arc<Part>]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(hex::decode(&part.etag).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(md5.finalize()), parts.len())
}

pub(super) fn abort(request: BucketRequest<'_>) -> Outcome {
    let upload = request.upload()?;
    let parts = request.parts(&upload)?;
    request.store.remove_upload(request.name, &upload.id)?;
    for part in parts {
        request.store.remove_blob(&part.blob)?;
    }
    Ok(Answer::empty(204))
}

pub(super) fn list_parts(request: BucketRequest<'_>) -> Outcome {
    let upload = request.upload()?;
    let number = |name: &str, absent: usize| match request.call.param(name) {
        None => Ok(absent),
        Some(text) => text.parse().map_err(|_| invalid_argument("Provided value is no number", name, text)),
    };
    let most = number("max-parts", LARGEST_PAGE)?.min(LARGEST_PAGE);
    let after = number("part-number-marker", 0)?;
    let mut parts: Vec<Arc<Part>> =
        request.parts(&upload)?.into_iter().filter(|part| usize::from(part.number) > after).collect();
    let more = parts.len() > most;
    parts.truncate(most);
    let checksum = upload.checksum;
    let document = Xml::s3("ListPartsResult", |result| {
        result.text("Bucket", request.name).text("Key", request.key).text("UploadId", &upload.id);
        result.text("PartNumberMarker", after).text("MaxParts", most).text("IsTruncated", more);
        if more {
            result.text_if("NextPartNumberMarker", parts.last().map(|part| part.number));
        }
        result.text("StorageClass", "STANDARD");
        if checksum.asked {
            result
                .text("ChecksumAlgorithm", checksum.algorithm.name())
                .text("ChecksumType", checksum.kind.name());
        }
        for part in &parts {
            result.element("Part", |element| {
                element.text("PartNumber", part.number).text("LastModified", instant(part.modified));
                element.text("ETag", format!("\"{}\"", part.etag)).text("Size", part.blob.size);
                if checksum.asked {
                    element.text(checksum.algorithm.element(), &part.checksum);
                }
            });
        }
    });
    Ok(Answer::xml(document).with("date", http_date(request.now)))
}

impl BucketRequest<'_> {
    /// The upload that the request names, if it is of this key.
    fn upload(&self) -> Result<Arc<Upload>, Refusal> {
        let id = self.call.param("uploadId").unwrap_or_default();
        self.store.upload(self.name, id)?.filter(|upload| upload.key == self.key).ok_or_else(|| {
            Refusal::new(
                404,
                "NoSuchUpload",
                "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart \
                 upload might have been aborted or completed.",
            )
            .detail("UploadId", id)
        })
    }

    fn parts(&self, upload: &Upload) -> Result<Vec<Arc<Part>>, Refusal> {
        Ok(self.store.parts(self.name, &upload.id)?)
    }
}
