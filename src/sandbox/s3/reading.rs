//! Objects as they are read: whole or in ranges, with their headers and tags.

use std::sync::Arc;

use super::objects::{DELETE_MARKER, VERSION, described, etag_matches, no_such_key, precondition};
use super::{BucketRequest, access_denied, http_date};
use crate::sandbox::http::{Answer, Refusal};
use crate::sandbox::records::{Content, Version};
use crate::sandbox::store::Piece;
use crate::sandbox::xml::Xml;

type Outcome = Result<Answer, Refusal>;

pub(super) fn get(request: BucketRequest<'_>) -> Outcome {
    let (version, content) = request.wanted()?;
    request.use_key(content.encrypted_with.clone(), &["kms:Decrypt"])?;
    let range = match request.call.header("range") {
        Some(text) => range(text, content.size)?,
        None => None,
    };
    let (from, len) = range.unwrap_or((0, content.size));
    let mut answer = request.headers_of(&version, &content, range.is_none())?;
    if range.is_some() {
        answer.status = 206;
        let last = from + len - 1;
        answer = answer.with("content-range", format!("bytes {from}-{last}/{}", content.size));
    }
    answer = answer.with("content-length", len.to_string());
    answer.body = request.store.read(pieces(&content, from, len))?;
    Ok(answer)
}

pub(super) fn head(request: BucketRequest<'_>) -> Outcome {
    let (version, content) = request.wanted()?;
    // Only the checksum lies encrypted.
    if request.call.header("x-amz-checksum-mode").is_some() {
        request.use_key(content.encrypted_with.clone(), &["kms:Decrypt"])?;
    }
    Ok(request.headers_of(&version, &content, true)?.with("content-length", content.size.to_string()))
}

pub(super) fn get_tagging(request: BucketRequest<'_>) -> Outcome {
    let (version, content) = request.wanted()?;
    let document = Xml::s3("Tagging", |tagging| {
        tagging.element("TagSet", |set| {
            for (key, value) in &content.about.tags {
                set.element("Tag", |tag| {
                    tag.text("Key", key).text("Value", value);
                });
            }
        });
    });
    Ok(request.named(Answer::xml(document), &version.id))
}

impl BucketRequest<'_> {
    /// The version that the request asks for, if it holds anything and the request's conditions let it.
    pub(super) fn wanted(&self) -> Result<(Arc<Version>, Content), Refusal> {
        match self.found() {
            // That something is missing is told to who may look into the bucket.
            Err(refusal) if refusal.status == 404 && !self.may_list()? => Err(access_denied()),
            found => found,
        }
    }

    fn found(&self) -> Result<(Arc<Version>, Content), Refusal> {
        let versions = self.store.versions(self.name, self.key)?;
        let asked = self.call.param("versionId");
        let version = match asked {
            None => versions.into_iter().next().ok_or_else(|| no_such_key(self.key))?,
            Some(id) => versions.into_iter().find(|version| version.id == id).ok_or_else(|| {
                Refusal::new(404, "NoSuchVersion", "The specified version does not exist.")
                    .detail("Key", self.key)
                    .detail("VersionId", id)
            })?,
        };
        let Some(content) = version.content.clone() else {
            let refusal = match asked {
                None => no_such_key(self.key),
                Some(_) => Refusal::new(
                    405,
                    "MethodNotAllowed",
                    "The specified method is not allowed against this resource.",
                )
                .header("allow", "DELETE"),
            };
            return Err(refusal.header(DELETE_MARKER, "true").header(VERSION, version.id.clone()));
        };
        if let Some(etag) = self.call.header("if-match")
            && !etag_matches(etag, &content.etag)
        {
            return Err(precondition("If-Match"));
        }
        if let Some(etag) = self.call.header("if-none-match")
            && etag_matches(etag, &content.etag)
        {
            return Err(Refusal::new(304, "NotModified", "Not Modified"));
        }
        Ok((version, content))
    }

    fn headers_of(&self, version: &Version, content: &Content, whole: bool) -> Result<Answer, Refusal> {
        let asked = self.call.header("x-amz-checksum-mode").is_some_and(|mode| mode == "ENABLED");
        let mut answer = described(Answer::empty(200), content, asked && whole)
            .with("last-modified", http_date(version.modified))
            .with("accept-ranges", "bytes");
        for (name, value) in &content.about.headers {
            answer = answer.with(name, value);
        }
        if !content.about.headers.contains_key("content-type") {
            answer = answer.with("content-type", "binary/octet-stream");
        }
        for (name, value) in &content.about.metadata {
            answer = answer.with(&format!("x-amz-meta-{name}"), value);
        }
        if !content.about.tags.is_empty() {
            answer = answer.with("x-amz-tagging-count", content.about.tags.len().to_string());
        }
        self.with_lock(self.named(answer, &version.id), version)
    }
}

/// `bytes=A-B`, `bytes=A-`, `bytes=-N` as (first byte, length). Several ranges, or a text that is none, mean the
/// whole object (RFC 9110, 14.2).
fn range(text: &str, size: u64) -> Result<Option<(u64, u64)>, Refusal> {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|spec| spec.split_once('-')) else {
        return Ok(None);
    };
    let unsatisfiable = || {
        Refusal::new(416, "InvalidRange", "The requested range is not satisfiable")
            .detail("ActualObjectSize", size.to_string())
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => {
            if first >= size {
                Err(unsatisfiable())
            } else {
                Ok(Some((first, last.min(size - 1) - first + 1)))
            }
        }
        (Ok(first), Err(_)) if last.is_empty() => {
            if first >= size {
                Err(unsatisfiable())
            } else {
                Ok(Some((first, size - first)))
            }
        }
        (Err(_), Ok(count)) if first.is_empty() => {
            if count == 0 || size == 0 {
                Err(unsatisfiable())
            } else {
                Ok(Some((size - count.min(size), count.min(size))))
            }
        }
        _ => Ok(None),
    }
}

/// The stretches of blobs that hold `len` bytes from `from` on.
fn pieces(content: &Content, from: u64, len: u64) -> Vec<Piece> {
    let end = from + len;
    let mut start = 0;
    let mut pieces = Vec::new();
    for blob in &content.blobs {
        let stop = start + blob.size;
        let (first, last) = (from.max(start), end.min(stop));
        if first < last {
            pieces.push(Piece { blob: blob.clone(), from: first - start, len: last - first });
        }
        start = stop;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::checksum::{Algorithm, ChecksumKind, ObjectChecksum};
    use crate::sandbox::records::{About, Blob};

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let read = |text| range(text, 10).map_err(|refusal| refusal.status);
        assert_eq!(read("bytes=0-0"), Ok(Some((0, 1))));
        assert_eq!(read("bytes=2-99"), Ok(Some((2, 8))));
        assert_eq!(read("bytes=7-"), Ok(Some((7, 3))));
        assert_eq!(read("bytes=-3"), Ok(Some((7, 3))));
        assert_eq!(read("bytes=-30"), Ok(Some((0, 10))));
        assert_eq!(read("bytes=10-"), Err(416));
        assert_eq!(read("bytes=-0"), Err(416));
        assert_eq!(read("bytes=5-2"), Ok(None));
        assert_eq!(read("lines=1-2"), Ok(None));
    }

    #[test]
    fn a_range_may_cross_parts() {
        let blob = |id: &str, size| Blob { id: id.to_owned(), size };
        let checksum = ObjectChecksum {
            algorithm: Algorithm::Crc32,
            kind: ChecksumKind::FullObject,
            value: String::new(),
        };
        let blobs = vec![blob("a", 4), blob("b", 4), blob("c", 4)];
        let content = Content {
            blobs,
            size: 12,
            etag: String::new(),
            checksum,
            about: About::default(),
            encrypted_with: None,
        };
        let cut: Vec<(String, u64, u64)> =
            pieces(&content, 3, 6).into_iter().map(|piece| (piece.blob.id, piece.from, piece.len)).collect();
        assert_eq!(cut, [("a".to_owned(), 3, 1), ("b".to_owned(), 0, 4), ("c".to_owned(), 0, 1)]);
        assert!(pieces(&content, 0, 0).is_empty());
    }
}
