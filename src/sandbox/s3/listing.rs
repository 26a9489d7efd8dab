//! Lists, page by page: objects, versions, uploads.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{BucketRequest, instant, invalid_argument};
use crate::sandbox::http::{Answer, Call, Refusal};
use crate::sandbox::records::{Upload, Version};
use crate::sandbox::xml::Xml;

/// The largest page of any list.
const LARGEST_PAGE: usize = 1000;

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'/').remove(b'*');

type Outcome = Result<Answer, Refusal>;

/// What every list understands.
struct Query<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    encoded: bool,
}

/// One line of a list: a name, or all names that begin alike up to the delimiter.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Name(String),
    Group(String),
}

impl<'a> Query<'a> {
    fn read(call: &'a Call) -> Result<Self, Refusal> {
        let encoded = match call.param("encoding-type") {
            None => false,
            Some("url") => true,
            Some(other) => {
                return Err(invalid_argument(
                    "Invalid Encoding Method specified in Request",
                    "encoding-type",
                    other,
                ));
            }
        };
        Ok(Query {
            prefix: call.param("prefix").unwrap_or_default(),
            delimiter: call.param("delimiter").filter(|delimiter| !delimiter.is_empty()),
            encoded,
        })
    }

    fn name(&self, text: &str) -> String {
        if self.encoded { utf8_percent_encode(text, PLAIN).to_string() } else { text.to_owned() }
    }

    /// The lines of sorted names, from the first that stands behind `marker`; at it where `inclusive`.
    fn entries(&self, names: Vec<String>, marker: &str, inclusive: bool) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for name in names {
            let behind = name.as_str() > marker || (inclusive && name == marker);
            let Some(rest) = name.strip_prefix(self.prefix).filter(|_| behind) else { continue };
            let cut =
                self.delimiter.and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len()));
            let entry = match cut {
                Some(cut) => Entry::Group(name[..self.prefix.len() + cut].to_owned()),
                None => Entry::Name(name),
            };
            let shown_before = matches!(&entry, Entry::Group(group) if group == marker);
            if !shown_before && entries.last() != Some(&entry) {
                entries.push(entry);
            }
        }
        entries
    }

    fn groups(&self, xml: &mut Xml, groups: &[String]) {
        for group in groups {
            xml.element("CommonPrefixes", |element| {
                element.text("Prefix", self.name(group));
            });
        }
    }

    fn echo(&self, xml: &mut Xml) {
        xml.text("Prefix", self.name(self.prefix));
        xml.text_if("Delimiter", self.delimiter.map(|delimiter| self.name(delimiter)));
        xml.text_if("EncodingType", self.encoded.then_some("url"));
    }
}

/// A page's size: more than 1,000 is 1,000, and nothing is nothing.
fn page_size(call: &Call, name: &str) -> Result<usize, Refusal> {
    match call.param(name) {
        None => Ok(LARGEST_PAGE),
        Some(text) => text
            .parse::<usize>()
            .map(|most| most.min(LARGEST_PAGE))
            .map_err(|_| invalid_argument(format!("Argument {name} must be an integer"), name, text)),
    }
}

pub(super) fn objects(request: BucketRequest<'_>) -> Outcome {
    let call = request.call;
    if call.param("list-type") != Some("2") {
        return Err(Refusal::not_implemented("a list-type that is not 2"));
    }
    let query = Query::read(call)?;
    let most = page_size(call, "max-keys")?;
    let token = call.param("continuation-token");
    let marker = match token {
        Some(token) => URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| {
                invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
            })?,
        None => call.param("start-after").unwrap_or_default().to_owned(),
    };
    let owner = call.param("fetch-owner") == Some("true");

    let mut found: Vec<Arc<Version>> = Vec::new();
    let mut groups = Vec::new();
    let mut last = String::new();
    let mut more = false;
    for entry in query.entries(request.current_keys(query.prefix)?, &marker, false) {
        if found.len() + groups.len() == most {
            more = most > 0;
            break;
        }
        match entry {
            Entry::Name(key) => {
                last.clone_from(&key);
                found.extend(request.store.versions(request.name, &key)?.into_iter().next());
            }
            Entry::Group(group) => {
                last.clone_from(&group);
                groups.push(group);
            }
        }
    }
    Ok(Answer::xml(Xml::s3("ListBucketResult", |result| {
        result.text("Name", request.name);
        query.echo(result);
        result.text("MaxKeys", most).text("KeyCount", found.len() + groups.len()).text("IsTruncated", more);
        result.text_if("ContinuationToken", token);
        result.text_if("StartAfter", call.param("start-after").map(|start| query.name(start)));
        if more {
            result.text("NextContinuationToken", URL_SAFE_NO_PAD.encode(&last));
        }
        for version in &found {
            result.element("Contents", |element| {
                describe(element, &query, version);
                if owner {
                    request.owner(element);
                }
            });
        }
        query.groups(result, &groups);
    })))
}

pub(super) fn versions(request: BucketRequest<'_>) -> Outcome {
    let call = request.call;
    let query = Query::read(call)?;
    let most = page_size(call, "max-keys")?;
    let key_marker = call.param("key-marker").unwrap_or_default();
    let version_marker = call.param("version-id-marker").filter(|marker| !marker.is_empty());
    if version_marker.is_some() && key_marker.is_empty() {
        return Err(invalid_argument(
            "A version-id marker cannot be specified without a key marker.",
            "version-id-marker",
            version_marker.unwrap_or_default(),
        ));
    }
    let mut page: Vec<(Arc<Version>, bool)> = Vec::new();
    let mut groups = Vec::new();
    let mut next = (String::new(), String::new());
    let mut more = false;
    let keys = request.store.keys(request.name)?;
    'page: for entry in query.entries(keys, key_marker, version_marker.is_some()) {
        let versions = match entry {
            Entry::Name(key) => request.store.versions(request.name, &key)?,
            Entry::Group(group) => {
                if page.len() + groups.len() == most {
                    more = most > 0;
                    break;
                }
                next = (group.clone(), String::new());
                groups.push(group);
                continue;
            }
        };
        let seen = match version_marker {
            // A marker that was removed in between: go on behind the key's newest.
            Some(marker) if versions.first().is_some_and(|version| version.key == key_marker) => {
                versions.iter().position(|version| version.id == marker).map_or(0, |at| at + 1)
            }
            _ => 0,
        };
        for (at, version) in versions.into_iter().enumerate().skip(seen) {
            if page.len() + groups.len() == most {
                more = most > 0;
                break 'page;
            }
            next = (version.key.clone(), version.id.clone());
            page.push((version, at == 0));
        }
    }
    Ok(Answer::xml(Xml::s3("ListVersionsResult", |result| {
        result.text("Name", request.name);
        query.echo(result);
        result
            .text("KeyMarker", query.name(key_marker))
            .text("VersionIdMarker", version_marker.unwrap_or_default());
        result.text("MaxKeys", most).text("IsTruncated", more);
        if more {
            result.text("NextKeyMarker", query.name(&next.0)).text("NextVersionIdMarker", &next.1);
        }
        for (version, latest) in &page {
            let name = if version.content.is_some() { "Version" } else { "DeleteMarker" };
            result.element(name, |element| {
                describe(element, &query, version);
                element.text("VersionId", &version.id).text("IsLatest", latest);
                request.owner(element);
            });
        }
        query.groups(result, &groups);
    })))
}

pub(super) fn uploads(request: BucketRequest<'_>) -> Outcome {
    let call = request.call;
    let query = Query::read(call)?;
    let most = page_size(call, "max-uploads")?;
    let key_marker = call.param("key-marker").unwrap_or_default();
    let id_marker = call.param("upload-id-marker").unwrap_or_default();
    let mut uploads: Vec<Arc<Upload>> = request.store.uploads(request.name)?;
    // By key, and those of one key in the order in which they began.
    uploads.sort_by(|a, b| (&a.key, a.started, &a.id).cmp(&(&b.key, b.started, &b.id)));
    uploads.retain(|upload| upload.key.starts_with(query.prefix));
    let seen = uploads.iter().position(|upload| upload.key == key_marker && upload.id == id_marker);
    let mut uploads = match seen {
        Some(at) => uploads.split_off(at + 1),
        None => {
            uploads.retain(|upload| upload.key.as_str() > key_marker);
            uploads
        }
    };
    let more = most > 0 && uploads.len() > most;
    uploads.truncate(most);
    Ok(Answer::xml(Xml::s3("ListMultipartUploadsResult", |result| {
        result.text("Bucket", request.name);
        query.echo(result);
        result.text("KeyMarker", query.name(key_marker)).text("UploadIdMarker", id_marker);
        result.text("MaxUploads", most).text("IsTruncated", more);
        if let Some(last) = uploads.last().filter(|_| more) {
            result.text("NextKeyMarker", query.name(&last.key)).text("NextUploadIdMarker", &last.id);
        }
        for upload in &uploads {
            result.element("Upload", |element| {
                element.text("Key", query.name(&upload.key)).text("UploadId", &upload.id);
                element.text("StorageClass", "STANDARD").text("Initiated", instant(upload.started));
                request.owner(element);
                if upload.checksum.asked {
                    element.text("ChecksumAlgorithm", upload.checksum.algorithm.name());
                    element.text("ChecksumType", upload.checksum.kind.name());
                }
            });
        }
    })))
}

fn describe(element: &mut Xml, query: &Query<'_>, version: &Version) {
    element.text("Key", query.name(&version.key)).text("LastModified", instant(version.modified));
    if let Some(content) = &version.content {
        element
            .text("ETag", format!("\"{}\"", content.etag))
            .text("ChecksumAlgorithm", content.checksum.algorithm.name())
            .text("ChecksumType", content.checksum.kind.name())
            .text("Size", content.size)
            .text("StorageClass", "STANDARD");
    }
}

impl BucketRequest<'_> {
    /// Keys whose newest version is an object.
    fn current_keys(&self, prefix: &str) -> Result<Vec<String>, Refusal> {
        let mut keys = self.store.keys(self.name)?;
        keys.retain(|key| key.starts_with(prefix));
        let mut current = Vec::with_capacity(keys.len());
        for key in keys {
            let versions = self.store.versions(self.name, &key)?;
            if versions.first().is_some_and(|version| version.content.is_some()) {
                current.push(key);
            }
        }
        Ok(current)
    }

    fn owner(&self, element: &mut Xml) {
        element.element("Owner", |owner| {
            owner.text("ID", super::policy::canonical_id(self.account));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(prefix: &str, delimiter: Option<&str>, marker: &str) -> Vec<Entry> {
        let names = ["a", "b/1", "b/2", "c", "d/e/f"].map(str::to_owned).to_vec();
        Query { prefix, delimiter, encoded: false }.entries(names, marker, false)
    }

    #[test]
    fn names_behind_the_delimiter_are_one_line() {
        let name = |text: &str| Entry::Name(text.to_owned());
        let group = |text: &str| Entry::Group(text.to_owned());
        assert_eq!(entries("", Some("/"), ""), [name("a"), group("b/"), name("c"), group("d/")]);
        assert_eq!(entries("b/", Some("/"), ""), [name("b/1"), name("b/2")]);
        assert_eq!(entries("", Some("/"), "b/"), [name("c"), group("d/")], "a group is shown once");
        assert_eq!(entries("", Some("/"), "b/1"), [group("b/"), name("c"), group("d/")]);
        assert_eq!(entries("d", None, ""), [name("d/e/f")]);
    }
}
