//! The copy in the bucket: the upload follows the file while it grows, and is completed only once the dump is whole.
//!
//! Small backups are one PutObject, larger ones a multipart upload whose parts grow with their number, so that the
//! 10,000 parts that S3 allows reach beyond 5 TiB. Parts are read from the file while they are sent, never held in
//! memory. Every part carries the CRC-64/NVME that was computed before its bytes reached the disk, and the object their
//! combination, so that S3 itself refuses what a disk or a network has changed
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>).
//!
//! Undated keys are written without a condition, the storage keeps the versions; dated and labelled keys with
//! `If-None-Match`, so that no backup is ever overwritten.

mod explain;
mod proof;
mod send;
mod stale;

use std::fs::File;
use std::sync::Arc;

use aws_sdk_s3::types::BucketVersioningStatus;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::sync::mpsc::UnboundedReceiver;

pub use self::explain::explain;
use super::context::{Context, Store};
use super::error::{JobError, Stage};
use super::stop::Stop;
use super::stream::Part;
use crate::datastores::job_file::Upload;
use crate::datastores::names::{Name, Series};
use crate::vocab::BucketName;

/// The size of the first part; what is smaller is one PutObject.
const FIRST_PART: u64 = 8 << 20;

/// The size of a part: doubled every 1,000 parts, from 8 MiB to 4 GiB (S3 allows 5 MiB to 5 GiB,
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
pub fn part_size(number: u32) -> u64 {
    FIRST_PART << (number.saturating_sub(1) / 1000).min(9)
}

/// A checksum as S3 writes it.
pub fn base64(crc64nvme: u64) -> String {
    BASE64_STANDARD.encode(crc64nvme.to_be_bytes())
}

/// The metadata that says of which host an object is.
const HOST: &str = "reconcile-host";

/// Where one backup goes.
#[derive(Clone, Debug)]
pub struct Target {
    store: Store,
    pub bucket: BucketName,
    pub key: String,
    /// Whether an object of that key must not exist yet.
    once: bool,
    /// Whose uploads are this host's.
    series: Series,
    hostname: String,
    /// This host in the inventory, as the metadata of its objects says.
    host: String,
    /// Whether dated keys are this host's alone: settings refuse them to several.
    dated_is_ours: bool,
    /// What somebody who restores, and has only the object, must know.
    metadata: Vec<(&'static str, String)>,
    /// What there is on this host where the upload fails.
    left: &'static str,
    /// What differs from what the settings asked for.
    pub alarm: Option<String>,
}

/// What the dump's side tells the upload's.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// This stretch of the file is there.
    Part(Part),
    /// The dump is whole, and so many bytes with this checksum.
    Whole { bytes: u64, crc64nvme: u64 },
}

/// An object that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    pub version_id: Option<String>,
}

/// Chooses the key. Undated keys need a bucket that keeps versions: where it does not, or that cannot be seen, the
/// dated key is taken, since an undated one would destroy the last backup.
pub async fn target(context: &Context, store: &Store, upload: &Upload, name: &Name) -> Target {
    let series = context.series();
    let dated = series.render(name);
    let (key, once, alarm) = match upload.versioned && name.label().is_none() {
        false => (dated, true, None),
        true => match versioning(store, &upload.bucket).await {
            Ok(true) => (series.render(&name.undated(&context.hostname)), false, None),
            Ok(false) => {
                let why = format!(
                    "the bucket {} keeps no versions: the copy is under its dated key, where nothing overwrites it; run \
                     `reconcile apply` to turn versioning on",
                    upload.bucket
                );
                (dated, true, Some(why))
            }
            Err(why) => {
                let why = format!(
                    "whether the bucket {} keeps versions cannot be seen ({why}): the copy is under its dated key; allow \
                     the job s3:GetBucketVersioning",
                    upload.bucket
                );
                (dated, true, Some(why))
            }
        },
    };
    let of = match name.label() {
        Some(label) => ("reconcile-label", label.to_string()),
        None => ("reconcile-tier", name.tier().map(|tier| tier.to_string()).unwrap_or_default()),
    };
    let metadata = vec![
        of,
        ("reconcile-environment", context.job.environment.to_string()),
        (HOST, context.job.host.to_string()),
        ("reconcile-datastore", context.job.datastore.to_string()),
        ("reconcile-method", context.job.source.method().to_owned()),
    ];
    Target {
        store: store.clone(),
        bucket: upload.bucket.clone(),
        key,
        once,
        series,
        hostname: context.hostname.clone(),
        host: context.job.host.to_string(),
        dated_is_ours: !upload.versioned,
        metadata,
        left: "the backup exists on this host alone",
        alarm,
    }
}

async fn versioning(store: &Store, bucket: &BucketName) -> Result<bool, String> {
    store.knows_owner()?;
    let answer = store
        .client
        .get_bucket_versioning()
        .bucket(bucket.as_str())
        .set_expected_bucket_owner(store.owner())
        .send()
        .await
        .map_err(|error| explain(&error))?;
    Ok(answer.status() == Some(&BucketVersioningStatus::Enabled))
}

impl Store {
    pub(super) fn owner(&self) -> Option<String> {
        self.owner.as_ref().map(ToString::to_string)
    }

    /// Every call names the account that must own the bucket: without it a backup could go to a stranger's.
    pub(super) fn knows_owner(&self) -> Result<(), String> {
        match &self.owner_unknown {
            None => Ok(()),
            Some(why) => Err(format!(
                "the account that must own the bucket cannot be asked for ({why}); set backups.account and apply, or let \
                 this host reach STS"
            )),
        }
    }
}

/// Uploads the file as its parts are told. `None` where the words end without [`Word::Whole`]: the dump failed, and
/// nothing of it is left in the bucket.
pub async fn follow(
    target: &Target,
    file: Arc<File>,
    mut words: UnboundedReceiver<Word>,
    stop: &Stop,
) -> Result<Option<Uploaded>, JobError> {
    target.store.knows_owner().map_err(|why| target.failed("the upload", &why))?;
    target.abort_stale().await;
    let first = match words.recv().await {
        Some(Word::Part(part)) => part,
        _ => return Ok(None),
    };
    if first.length < part_size(1) {
        return match words.recv().await {
            Some(Word::Whole { .. }) => target.put(&file, first).await.map(Some),
            _ => Ok(None),
        };
    }
    let id = target.create().await?;
    let result = tokio::select! {
        result = target.parts(&id, &file, first, &mut words) => result,
        why = stop.told() => Err(target.failed("the upload", why)),
    };
    if !matches!(result, Ok(Some(_))) {
        target.abort(&target.key, &id).await;
    }
    result
}

impl Target {
    /// A backup whose place on this host is a proven one's until it is proven itself.
    pub fn beside_an_earlier_one(self) -> Target {
        Target { left: "the earlier backup of the same name stays on this host", ..self }
    }

    fn failed(&self, what: &str, why: &str) -> JobError {
        let message = format!("{what} to s3://{}/{} failed: {why}; {}", self.bucket, self.key, self.left);
        JobError::new(Stage::Upload, message)
            .help("`reconcile plan` shows what is wrong with the bucket or the identity; the next run uploads again")
    }

    fn condition(&self) -> Option<String> {
        self.once.then(|| "*".to_owned())
    }

    fn metadata(&self) -> std::collections::HashMap<String, String> {
        self.metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_reach_beyond_5_tib_and_none_is_too_large() {
        let total: u64 = (1..=10_000).map(part_size).sum();
        assert!(total > 5 << 40, "{total}");
        assert_eq!(part_size(1), 8 << 20);
        assert!((1..=10_000).all(|number| (5 << 20..=5 << 30).contains(&part_size(number))));
    }
}
