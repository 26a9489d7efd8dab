//! What the bucket holds of a datastore's backups: the newest versions of each key, and the delete markers above them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Whose, format_of};
use crate::datastores::names::{Name, Slot};
use crate::freshness::{Place, Seen};
use crate::jobs::context::Context;
use crate::jobs::directory::Local;
use crate::jobs::upload::explain;

/// One version of a key.
struct Version {
    key: String,
    id: Option<String>,
    name: Name,
    bytes: u64,
    modified: DateTime<Utc>,
}

/// The backups of this host in the bucket; the error says why they cannot be seen.
pub async fn seen(context: &Context, local: &[Local], whose: Whose) -> Result<Vec<Seen>, String> {
    let (Some(store), Some(upload)) = (&context.store, &context.job.upload) else {
        return Err("there is no client for the bucket".to_owned());
    };
    store.knows_owner()?;
    let series = context.series();
    let ours = |name: &Name| match &name.slot {
        Slot::Undated { host } => match whose {
            Whose::ThisHost => *host == context.hostname,
            Whose::Named => first_label(host) == first_label(&context.hostname),
        },
        Slot::Dated { .. } => true,
    };
    let (mut versions, mut markers) = (Vec::new(), BTreeMap::new());
    let (mut key_marker, mut version_marker) = (None, None);
    loop {
        let page = store
            .client
            .list_object_versions()
            .bucket(upload.bucket.as_str())
            .prefix(series.prefix())
            .set_expected_bucket_owner(store.owner())
            .set_key_marker(key_marker)
            .set_version_id_marker(version_marker)
            .send()
            .await
            .map_err(|error| format!("s3://{}: {}", upload.bucket, explain(&error)))?;
        for version in page.versions() {
            let Some(key) = version.key() else { continue };
            let Some(name) = series.parse(key).filter(ours) else { continue };
            versions.push(Version {
                key: key.to_owned(),
                id: version.version_id().filter(|id| *id != "null").map(str::to_owned),
                name,
                bytes: u64::try_from(version.size().unwrap_or_default()).unwrap_or_default(),
                modified: instant(version.last_modified()),
            });
        }
        for marker in page.delete_markers().iter().filter(|marker| marker.is_latest() == Some(true)) {
            let key = marker.key().unwrap_or_default();
            markers.insert(key.to_owned(), instant(marker.last_modified()));
        }
        (key_marker, version_marker) = (page.next_key_marker, page.next_version_id_marker);
        if !page.is_truncated.unwrap_or_default() || key_marker.is_none() {
            break;
        }
    }
    Ok(versions.into_iter().map(|version| as_seen(version, local, &markers)).collect())
}

/// The manifest on the host says when a backup was whole; the storage's date of a large object may be its beginning.
fn as_seen(version: Version, local: &[Local], markers: &BTreeMap<String, DateTime<Utc>>) -> Seen {
    let Version { key, id, name, bytes, modified } = version;
    let manifest = local.iter().filter_map(|one| one.manifest.as_ref()).find(|manifest| {
        manifest.remote.as_ref().is_some_and(|remote| remote.key == key && remote.version_id == id)
            && manifest.bytes == bytes
    });
    Seen {
        tier: name.tier,
        place: Place::Remote,
        began: manifest.map_or(modified, |manifest| manifest.began),
        ended: manifest.map_or(modified, |manifest| manifest.ended),
        bytes,
        format: manifest.map(format_of),
        hidden: markers.get(&key).copied(),
        dated_by_storage: manifest.is_none(),
        name: key,
    }
}

fn instant(at: Option<&aws_sdk_s3::primitives::DateTime>) -> DateTime<Utc> {
    at.and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos())).unwrap_or(DateTime::UNIX_EPOCH)
}

fn first_label(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}
