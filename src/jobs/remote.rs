//! What a bucket holds of a datastore: every version of every backup, the manifest beside each, and what hides them.
//!
//! A manifest's key is its backup's with `.manifest.json` behind it, and each run writes one version of both: so that
//! what a storage's own dates cannot say (a large object's is when its upload began) is known without the host that
//! made the backup. Must never be taken for a proof that the bytes are whole: whoever reads them compares checksums.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use chrono::{DateTime, Utc};
use crc_fast::CrcAlgorithm::Crc64Nvme;
use serde::{Deserialize, Serialize};

use super::beside::Beside;
use super::context::Store;
use super::list::Copy;
use super::manifest::{Manifest, Remote};
use super::upload::{base64, explain};
use crate::datastores::names::{Name, Series};
use crate::vocab::{BucketName, Environment, Tier};

/// How many versions of a manifest's key are read in search of one backup's: runs that broke off in between leave a
/// backup without its manifest, never two manifests of one backup.
const TRIES: usize = 5;

/// One version of one backup.
#[derive(Clone, Debug)]
pub(super) struct Object {
    /// The environment's name when it was made, where that is an earlier one.
    pub earlier_name: Option<Environment>,
    pub copy: Copy,
    pub name: Name,
    pub bytes: u64,
}

/// A key whose newest version is a delete marker: to whoever asks for the key, the backup is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden {
    pub key: String,
    /// `None` of a labelled one.
    pub tier: Option<Tier>,
    pub since: DateTime<Utc>,
}

/// One version of a manifest's key.
#[derive(Clone, Debug)]
struct Note {
    key: String,
    version_id: Option<String>,
    modified: DateTime<Utc>,
}

/// Everything of a datastore in a bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub objects: Vec<Object>,
    pub hidden: Vec<Hidden>,
    notes: Vec<Note>,
}

/// Lists every version of every key of the series, page by page; the second of a pair is the name that the environment
/// had then.
pub(super) async fn list(
    store: &Store,
    bucket: &BucketName,
    all: &[(Option<&Environment>, Series)],
) -> Result<Found, String> {
    // What the names of a datastore begin with does not depend on the environment.
    let prefix = all.first().map(|(_, series)| series.prefix()).unwrap_or_default();
    store.knows_owner()?;
    let mut found = Found::default();
    let (mut key_marker, mut version_marker) = (None, None);
    let parsed =
        |key: &str| all.iter().find_map(|(earlier, series)| Some((earlier.cloned(), series.parse(key)?)));
    let instant = |at: Option<&aws_sdk_s3::primitives::DateTime>| {
        at.and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos()))
            .unwrap_or(DateTime::UNIX_EPOCH)
    };
    loop {
        let page = store
            .client
            .list_object_versions()
            .bucket(bucket.as_str())
            .prefix(prefix)
            .set_expected_bucket_owner(store.owner())
            .set_key_marker(key_marker)
            .set_version_id_marker(version_marker)
            .send()
            .await
            .map_err(|error| explain(&error))?;
        for one in page.versions() {
            let Some(key) = one.key() else { continue };
            let (version_id, modified) = (version(one.version_id()), instant(one.last_modified()));
            if let Some(backup) = Manifest::backup_of(key) {
                if parsed(backup).is_some() {
                    found.notes.push(Note { key: key.to_owned(), version_id, modified });
                }
                continue;
            }
            let Some((earlier_name, name)) = parsed(key) else { continue };
            found.objects.push(Object {
                earlier_name,
                copy: Copy {
                    earlier_bucket: None,
                    key: key.to_owned(),
                    version_id,
                    latest: one.is_latest().unwrap_or_default(),
                    modified,
                },
                name,
                bytes: u64::try_from(one.size().unwrap_or_default()).unwrap_or_default(),
            });
        }
        for marker in page.delete_markers().iter().filter(|marker| marker.is_latest() == Some(true)) {
            let Some(key) = marker.key() else { continue };
            let Some((_, name)) = parsed(key) else { continue };
            found.hidden.push(Hidden {
                key: key.to_owned(),
                tier: name.tier(),
                since: instant(marker.last_modified()),
            });
        }
        (key_marker, version_marker) = (page.next_key_marker, page.next_version_id_marker);
        if !page.is_truncated.unwrap_or_default() || key_marker.is_none() {
            return Ok(found);
        }
    }
}

/// The manifest of one version of a backup; `None` where there is none, as with what other programs uploaded.
pub(super) async fn manifest_of(
    store: &Store,
    bucket: &BucketName,
    found: &Found,
    copy: &Copy,
) -> Result<Option<Manifest>, String> {
    let key = Manifest::file(&copy.key);
    let mut notes: Vec<&Note> = found.notes.iter().filter(|note| note.key == key).collect();
    let written = found.objects.iter().find(|object| object.copy == *copy).map(|object| object.copy.modified);
    // The manifest follows its backup, and the next backup's follows it.
    notes.sort_by_key(|note| (written.is_some_and(|written| note.modified < written), note.modified));
    for note in notes.into_iter().take(TRIES) {
        let Some(manifest) = read(store, bucket, &note.key, note.version_id.clone()).await? else { continue };
        let same = manifest.remote.as_ref().is_some_and(|remote| {
            remote.proven && remote.key == copy.key && remote.version_id == copy.version_id
        });
        if same {
            return Ok(Some(manifest));
        }
    }
    Ok(None)
}

/// The same for a key whose bucket was not listed; without a version, of the newest.
pub(super) async fn manifest_of_version(
    store: &Store,
    bucket: &BucketName,
    key: &str,
    version_id: Option<&str>,
) -> Result<Option<Manifest>, String> {
    store.knows_owner()?;
    let of_key = Manifest::file(key);
    let page = store
        .client
        .list_object_versions()
        .bucket(bucket.as_str())
        .prefix(&of_key)
        .set_expected_bucket_owner(store.owner())
        .send()
        .await
        .map_err(|error| explain(&error))?;
    for one in page.versions().iter().filter(|one| one.key() == Some(&of_key)) {
        let version = version(one.version_id());
        let Some(manifest) = read(store, bucket, &of_key, version).await? else { continue };
        let same = |remote: &Remote| remote.key == key && remote.version_id.as_deref() == version_id;
        if manifest.remote.as_ref().is_some_and(same) {
            return Ok(Some(manifest));
        }
    }
    Ok(None)
}

/// A version's id; `null` is what was written before the bucket kept versions.
fn version(id: Option<&str>) -> Option<String> {
    id.filter(|id| *id != "null").map(str::to_owned)
}

/// Reads a manifest by its own key; one of an unknown format, or larger than any, is none.
async fn read(
    store: &Store,
    bucket: &BucketName,
    key: &str,
    version_id: Option<String>,
) -> Result<Option<Manifest>, String> {
    let answer = store
        .client
        .get_object()
        .bucket(bucket.as_str())
        .key(key)
        .set_version_id(version_id)
        .set_expected_bucket_owner(store.owner())
        .send()
        .await
        .map_err(|error| explain(&error))?;
    if u64::try_from(answer.content_length().unwrap_or_default()).is_ok_and(|bytes| bytes > Manifest::LIMIT) {
        return Ok(None);
    }
    let bytes = answer.body.collect().await.map_err(|error| error.to_string())?.into_bytes();
    Ok(Manifest::parse(&bytes))
}

/// Writes the manifest beside its backup in the bucket: only after the backup was read back.
pub(super) async fn write(
    store: &Store,
    bucket: &BucketName,
    key: &str,
    manifest: &Manifest,
) -> Result<(), String> {
    let bytes = manifest.render().map_err(|error| error.to_string())?;
    put(store, bucket, &Manifest::file(key), bytes).await
}

/// Writes something small beside a backup.
pub(super) async fn put(store: &Store, bucket: &BucketName, key: &str, bytes: Vec<u8>) -> Result<(), String> {
    store.knows_owner()?;
    let request = store
        .client
        .put_object()
        .bucket(bucket.as_str())
        .key(key)
        .content_type("application/json")
        .set_expected_bucket_owner(store.owner())
        .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
        .checksum_crc64_nvme(base64(crc_fast::checksum(Crc64Nvme, &bytes)))
        .body(ByteStream::from(bytes));
    request.send().await.map(|_| ()).map_err(|error| explain(&error))
}
