//! `s3://BUCKET/KEY?versionId=V`: a backup with nothing but credentials, because everything else may be gone. It is
//! unpacked into a directory; starting a service on it is a person's.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;
use tokio::runtime::Handle;

use super::fetch::{self, Known, Object, Origin};
use super::{Broken, ELSEWHERE, Staging, changed, exchange, ground, space};
use crate::datastores::job::archive;
use crate::datastores::job_file::Compression;
use crate::datastores::names::Content;
use crate::datastores::restore::Built;
use crate::jobs::context::Store;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::manifest::Manifest;
use crate::jobs::remote;
use crate::jobs::room::Room;
use crate::vocab::{BucketName, Clock};

/// One object, as people write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    pub bucket: BucketName,
    pub key: String,
    pub version_id: Option<String>,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` is not s3://BUCKET/KEY or s3://BUCKET/KEY?versionId=V");
        let rest = text.strip_prefix("s3://").ok_or_else(form)?;
        let (bucket, key) = rest.split_once('/').ok_or_else(form)?;
        let (key, version_id) = match key.split_once("?versionId=") {
            Some((key, version)) => (key, Some(version.to_owned())),
            None => (key, None),
        };
        if key.is_empty() || version_id.as_deref() == Some("") {
            return Err(form());
        }
        let bucket = bucket.parse().map_err(|error| format!("`{text}`: {error}"))?;
        Ok(Url { bucket, key: key.to_owned(), version_id: version_id.filter(|id| id != "null") })
    }
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fetched {
    pub from: String,
    pub into: String,
    pub bytes: u64,
    /// Whether a checksum was known to compare with.
    pub compared: bool,
    /// The manifest, where one lies beside the object.
    pub manifest: Option<Manifest>,
}

/// How the bytes are packed, by the key's ending.
fn packing(key: &str) -> Option<(Compression, Option<String>)> {
    let compression = [Compression::Gzip, Compression::Zstd]
        .into_iter()
        .find(|compression| key.ends_with(&format!(".{}", compression.ending())))?;
    let name = key.rsplit('/').next().unwrap_or(key);
    let stem = name.strip_suffix(compression.ending())?.strip_suffix('.')?;
    // What is no archive is one file.
    Some((compression, (!stem.ends_with(".tar")).then(|| stem.to_owned())))
}

/// Fetches an object and unpacks it into `to`, which is empty or not there yet.
pub async fn fetch(store: Store, url: &Url, to: &Path, clock: &Clock) -> Result<Fetched, JobError> {
    let Some((compression, file)) = packing(&url.key) else {
        return Err(JobError::new(
            Stage::Choose,
            format!("{} ends like no backup: .tar.gz, .gz, .tar.zst or .zst", url.key),
        )
        .help("fetch it as it is: aws s3 cp"));
    };
    let absolute = std::path::absolute(to).unwrap_or_else(|_| to.to_owned());
    let home = ground(&absolute.components().collect::<PathBuf>(), false)?.behind_links;
    let mut object = Object {
        store: store.clone(),
        bucket: url.bucket.clone(),
        key: url.key.clone(),
        version_id: url.version_id.clone(),
    };
    let shown = format!("s3://{}/{}", url.bucket, url.key);
    let head = object.head().await.map_err(|why| {
        JobError::new(Stage::Choose, format!("{shown} cannot be read: {why}")).help(
            "a key that was deleted still has its versions where the bucket keeps them: `aws s3api list-object-versions`, \
             then add ?versionId=V",
        )
    })?;
    object.version_id =
        object.version_id.or_else(|| head.version_id().map(str::to_owned)).filter(|id| id != "null");
    let manifest =
        remote::manifest_of_version(&store, &url.bucket, &url.key, object.version_id.as_deref()).await;
    let manifest = manifest.unwrap_or_else(|why| {
        tracing::info!("no manifest of {shown}: {why}");
        None
    });
    let known = manifest.as_ref().map_or_else(|| Known::of_head(&head), Known::of_manifest);
    if let Some(around) = home.parent() {
        fs::create_dir_all(around).map_err(|error| {
            JobError::new(Stage::Restore, format!("{} cannot be made: {error}", around.display()))
        })?;
    }
    let staging = Staging::beside(&home)?;
    let room = Room::default();
    let content = if file.is_some() { Content::Script } else { Content::Archive };
    space::check(&room, &staging.0, manifest.as_ref(), content, ELSEWHERE)?;
    let guard = space::Guard::of(&room, &staging.0);
    let (handle, into, now) = (Handle::current(), staging.0.join("unpacked"), clock.now());
    let (place, watching) = (shown.clone(), guard.clone());
    let unpacking = guard.over(Stage::Restore, ELSEWHERE, move || {
        let work = |bytes: &mut (dyn Read + Send)| unpack(&mut watching.watch(bytes), &into, file.as_deref());
        let opened = fetch::open(&Origin::There(object), &handle).map_err(Broken::from);
        let read = opened.and_then(|bytes| fetch::unpacked(bytes, compression, work));
        let ((), seen) = read.map_err(|broken| broken.told(&place))?;
        let compared = known.agrees(&seen).map_err(|why| changed(&place, &why))?;
        exchange::exchange(&[Built { built: into, home }], now).map_err(|failed| failed.error)?;
        Ok::<_, JobError>((seen, compared))
    });
    let (seen, compared) = unpacking.await??;
    drop(staging);
    Ok(Fetched { from: shown, into: to.display().to_string(), bytes: seen.bytes, compared, manifest })
}

fn unpack(bytes: &mut (dyn Read + Send), into: &PathBuf, file: Option<&str>) -> Result<(), Broken> {
    fs::create_dir(into)?;
    match file {
        None => archive::unpack(bytes, into, None, archive::Attributes::All).map_err(Broken::from),
        Some(name) => {
            let mut out = fs::File::create_new(into.join(name))?;
            io::copy(bytes, &mut out)?;
            out.sync_all().map_err(Broken::from)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let url = |text: &str| text.parse::<Url>();
        let plain = url("s3://backups/a/b.tar.gz").expect("good");
        assert_eq!((plain.key.as_str(), plain.version_id), ("a/b.tar.gz", None));
        let version = url("s3://backups/b.gz?versionId=x.y_z").expect("good");
        assert_eq!((version.key.as_str(), version.version_id.as_deref()), ("b.gz", Some("x.y_z")));
        for bad in ["backups/a", "s3://backups", "s3://backups/", "s3://B/a", "s3://backups/a?versionId="] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_ending_says_how_it_is_packed() {
        assert_eq!(packing("postgres_daily_db1.tar.gz"), Some((Compression::Gzip, None)));
        assert_eq!(
            packing("old/postgres_production_daily_2026_11_21.gz"),
            Some((Compression::Gzip, Some("postgres_production_daily_2026_11_21".to_owned())))
        );
        assert_eq!(packing("x.tar.zst"), Some((Compression::Zstd, None)));
        assert_eq!(packing("notes.txt"), None);
    }
}
