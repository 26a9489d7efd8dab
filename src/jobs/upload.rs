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

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::client::customize::CustomizableOperation;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload,
    CompletedPart,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::UnboundedReceiver;

use super::context::{Context, Store};
use super::directory::size;
use super::error::{JobError, Stage};
use super::manifest::Manifest;
use super::remote;
use super::slice::body;
use super::stop::Stop;
use super::stream::{Flow, Part};
use crate::datastores::job_file::Upload;
use crate::datastores::names::{Name, Series, Slot};
use crate::vocab::BucketName;

/// Parts under way at once.
const IN_FLIGHT: usize = 4;
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
        ("reconcile-host", context.job.host.to_string()),
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

    async fn put(&self, file: &Arc<File>, part: Part) -> Result<Uploaded, JobError> {
        let request = self
            .store
            .client
            .put_object()
            .bucket(self.bucket.as_str())
            .key(&self.key)
            .set_expected_bucket_owner(self.store.owner())
            .set_if_none_match(self.condition())
            .set_metadata(Some(self.metadata()))
            .content_length(length(part))
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .checksum_crc64_nvme(base64(part.crc64nvme))
            .body(body(file.clone(), part.offset, part.length));
        match patiently(request.customize(), part.length).send().await {
            Ok(answer) => {
                self.took("the upload", answer.checksum_crc64_nvme(), part.crc64nvme)?;
                Ok(Uploaded { version_id: version(answer.version_id) })
            }
            Err(error) => self.standing(&error, part.length, part.crc64nvme, "the upload").await,
        }
    }

    async fn create(&self) -> Result<String, JobError> {
        let answer = self
            .store
            .client
            .create_multipart_upload()
            .bucket(self.bucket.as_str())
            .key(&self.key)
            .set_expected_bucket_owner(self.store.owner())
            .set_metadata(Some(self.metadata()))
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .checksum_type(ChecksumType::FullObject)
            .send()
            .await
            .map_err(|error| self.failed("beginning the upload", &explain(&error)))?;
        answer.upload_id.ok_or_else(|| self.failed("beginning the upload", "the store gave it no id"))
    }

    /// Sends parts, several at once, until the dump is whole, and completes.
    async fn parts(
        &self,
        id: &str,
        file: &Arc<File>,
        first: Part,
        words: &mut UnboundedReceiver<Word>,
    ) -> Result<Option<Uploaded>, JobError> {
        let mut under_way = FuturesUnordered::from_iter([Box::pin(self.part(id, file, first))]);
        let mut sent = Vec::new();
        let mut whole = None;
        while whole.is_none() || !under_way.is_empty() {
            tokio::select! {
                Some(part) = under_way.next() => sent.push(part?),
                word = words.recv(), if whole.is_none() && under_way.len() < IN_FLIGHT => match word {
                    Some(Word::Part(part)) => under_way.push(Box::pin(self.part(id, file, part))),
                    Some(Word::Whole { bytes, crc64nvme }) => whole = Some((bytes, crc64nvme)),
                    None => return Ok(None),
                },
            }
        }
        // Without an end the loop above has returned.
        let Some((bytes, crc64nvme)) = whole else { return Ok(None) };
        sent.sort_by_key(CompletedPart::part_number);
        self.complete(id, sent, bytes, crc64nvme).await.map(Some)
    }

    async fn part(&self, id: &str, file: &Arc<File>, part: Part) -> Result<CompletedPart, JobError> {
        let number = i32::try_from(part.number).unwrap_or(i32::MAX);
        let request = self
            .store
            .client
            .upload_part()
            .bucket(self.bucket.as_str())
            .key(&self.key)
            .upload_id(id)
            .part_number(number)
            .set_expected_bucket_owner(self.store.owner())
            .content_length(length(part))
            .checksum_algorithm(ChecksumAlgorithm::Crc64Nvme)
            .checksum_crc64_nvme(base64(part.crc64nvme))
            .body(body(file.clone(), part.offset, part.length));
        let answer = patiently(request.customize(), part.length)
            .send()
            .await
            .map_err(|error| self.failed(&format!("part {number} of the upload"), &explain(&error)))?;
        self.took(&format!("part {number} of the upload"), answer.checksum_crc64_nvme(), part.crc64nvme)?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(answer.e_tag)
            .checksum_crc64_nvme(base64(part.crc64nvme))
            .build())
    }

    async fn complete(
        &self,
        id: &str,
        parts: Vec<CompletedPart>,
        bytes: u64,
        crc64nvme: u64,
    ) -> Result<Uploaded, JobError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let answer = self
            .store
            .client
            .complete_multipart_upload()
            .bucket(self.bucket.as_str())
            .key(&self.key)
            .upload_id(id)
            .set_expected_bucket_owner(self.store.owner())
            .set_if_none_match(self.condition())
            .checksum_type(ChecksumType::FullObject)
            .checksum_crc64_nvme(base64(crc64nvme))
            .mpu_object_size(i64::try_from(bytes).unwrap_or(i64::MAX))
            .multipart_upload(parts)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.took("completing the upload", answer.checksum_crc64_nvme(), crc64nvme)?;
                Ok(Uploaded { version_id: version(answer.version_id) })
            }
            Err(error) => self.standing(&error, bytes, crc64nvme, "completing the upload").await,
        }
    }

    /// Whether the storage, where it says what it took, took what was sent.
    fn took(&self, what: &str, told: Option<&str>, crc64nvme: u64) -> Result<(), JobError> {
        match told.filter(|told| *told != base64(crc64nvme)) {
            None => Ok(()),
            Some(told) => {
                let sent = base64(crc64nvme);
                Err(self.failed(what, &format!("the checksum sent is {sent} and the storage took {told}")))
            }
        }
    }

    /// After a write that was refused because the object stands or the upload is gone, or of which nothing was heard: it may
    /// have succeeded while its answer was lost. The same bytes there are as good as written now.
    async fn standing<E: ProvideErrorMetadata + std::error::Error + 'static>(
        &self,
        error: &SdkError<E>,
        bytes: u64,
        crc64nvme: u64,
        what: &str,
    ) -> Result<Uploaded, JobError> {
        let taken = error.code() == Some("PreconditionFailed");
        let silent = error.raw_response().is_none();
        if !taken && !silent && error.code() != Some("NoSuchUpload") {
            return Err(self.failed(what, &explain(error)));
        }
        let there = match self.head(None).await {
            Ok(there) => there,
            Err(_) if silent => return Err(self.failed(what, &explain(error))),
            Err(why) => return Err(self.failed(what, &why)),
        };
        if agrees(&there, bytes, crc64nvme).is_ok() {
            return Ok(Uploaded { version_id: version(there.version_id) });
        }
        if !taken {
            return Err(self.failed(what, &explain(error)));
        }
        let size = size(u64::try_from(there.content_length().unwrap_or_default()).unwrap_or_default());
        let message = format!(
            "s3://{}/{} holds another backup already ({size}), and neither dated nor labelled keys are ever overwritten; {}",
            self.bucket, self.key, self.left
        );
        Err(JobError::new(Stage::Upload, message)
            .help("nothing is lost: the bucket has a backup of this date; if it must have the new one, copy it under another name"))
    }

    /// Asks for the object that was written, and compares what the storage computed with what was sent.
    pub async fn read_back(&self, uploaded: &Uploaded, flow: &Flow) -> Result<(), JobError> {
        let error = |why: String| {
            let message = format!(
                "the copy s3://{}/{} could not be proven: {why}; nothing was removed",
                self.bucket, self.key
            );
            JobError::new(Stage::ReadBack, message)
                .help("the backup on this host is whole; reading back needs s3:GetObject and s3:GetObjectVersion on the bucket")
        };
        let there = self.head(uploaded.version_id.clone()).await.map_err(error)?;
        let found = version(there.version_id.clone());
        if found != uploaded.version_id {
            return Err(error(format!(
                "version {} was written and {} is there",
                uploaded.version_id.as_deref().unwrap_or("null"),
                found.as_deref().unwrap_or("null")
            )));
        }
        agrees(&there, flow.bytes, flow.crc64nvme).map_err(error)
    }

    /// Writes the manifest beside the copy, which is proven.
    pub async fn describe(&self, manifest: &Manifest) -> Result<(), JobError> {
        remote::write(&self.store, &self.bucket, &self.key, manifest).await.map_err(|why| {
            let message = format!(
                "the manifest of s3://{}/{} cannot be written beside it: {why}; the copy is whole, and nothing was removed",
                self.bucket, self.key
            );
            JobError::new(Stage::Record, message)
                .help("the job's identity must be able to write every key that begins like its backups'")
        })
    }

    async fn head(&self, version: Option<String>) -> Result<HeadObjectOutput, String> {
        self.store
            .client
            .head_object()
            .bucket(self.bucket.as_str())
            .key(&self.key)
            .set_version_id(version)
            .set_expected_bucket_owner(self.store.owner())
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(|error| explain(&error))
    }

    /// Removes what killed jobs of this host left half uploaded, under whatever key of the datastore: the lock is held, so
    /// none of it is alive.
    async fn abort_stale(&self) {
        let pages = self
            .store
            .client
            .list_multipart_uploads()
            .bucket(self.bucket.as_str())
            .prefix(self.series.prefix())
            .set_expected_bucket_owner(self.store.owner());
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let page = pages.clone().set_key_marker(key_marker).set_upload_id_marker(id_marker).send().await;
            let page = match page {
                Ok(page) => page,
                // The bucket's own rule removes them after some days.
                Err(error) => {
                    tracing::info!("uploads that were broken off cannot be listed: {}", explain(&error));
                    return;
                }
            };
            for upload in page.uploads() {
                let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
                if self.is_ours(key) {
                    self.abort(key, id).await;
                }
            }
            (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
            if !page.is_truncated.unwrap_or_default() || key_marker.is_none() {
                return;
            }
        }
    }

    /// Whether only this host uploads under that key.
    fn is_ours(&self, key: &str) -> bool {
        let ours = |name: Name| match name.slot {
            Slot::Dated { .. } => self.dated_is_ours,
            Slot::Undated { .. } | Slot::Labelled { .. } => name.is_of_host(&self.hostname),
        };
        key == self.key || self.series.parse(key).is_some_and(ours)
    }

    async fn abort(&self, key: &str, id: &str) {
        if let Err(error) = self.break_off(key, id).await {
            tracing::warn!("{error}");
        }
    }

    async fn break_off(&self, key: &str, id: &str) -> Result<(), JobError> {
        let request = self
            .store
            .client
            .abort_multipart_upload()
            .bucket(self.bucket.as_str())
            .key(key)
            .upload_id(id)
            .set_expected_bucket_owner(self.store.owner());
        let ended = request.send().await;
        ended.map(|_| ()).map_err(|error| self.failed("breaking off an upload", &explain(&error)))
    }

    /// Begins an upload and breaks it off: what the job's own identity must be able to do.
    pub async fn try_out(&self) -> Result<(), JobError> {
        self.store.knows_owner().map_err(|why| self.failed("an upload", &why))?;
        let id = self.create().await?;
        self.break_off(&self.key, &id).await
    }

    fn condition(&self) -> Option<String> {
        self.once.then(|| "*".to_owned())
    }

    fn metadata(&self) -> std::collections::HashMap<String, String> {
        self.metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }
}

/// A version's id; `null` is what a bucket that keeps no versions calls its only one.
fn version(id: Option<String>) -> Option<String> {
    id.filter(|id| id != "null")
}

fn length(part: Part) -> i64 {
    i64::try_from(part.length).unwrap_or(i64::MAX)
}

/// Gives a large body the time it needs even at 128 KiB a second; the client's own limits are for small calls.
fn patiently<T, E, B>(
    operation: CustomizableOperation<T, E, B>,
    bytes: u64,
) -> CustomizableOperation<T, E, B> {
    let limit = Duration::from_secs(60 + bytes / (128 << 10));
    let limits = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(10))
        .operation_attempt_timeout(limit)
        // Counted from the request's first byte, it would cut off a body that takes longer to send.
        .disable_read_timeout()
        .disable_operation_timeout()
        .build();
    operation.config_override(aws_sdk_s3::config::Config::builder().timeout_config(limits))
}

/// Whether the storage has what was sent, by its own account.
fn agrees(there: &HeadObjectOutput, bytes: u64, crc64nvme: u64) -> Result<(), String> {
    let length = there.content_length().unwrap_or_default();
    if u64::try_from(length) != Ok(bytes) {
        return Err(format!("{bytes} bytes were sent and {length} are there"));
    }
    match there.checksum_crc64_nvme() {
        Some(checksum) if checksum == base64(crc64nvme) => Ok(()),
        Some(checksum) => {
            Err(format!("the checksum sent is {} and the storage has {checksum}", base64(crc64nvme)))
        }
        None => Err("the storage keeps no CRC-64/NVME checksum of it".to_owned()),
    }
}

/// What a call says of its failure, in one line: the storage's code and words, or where the network broke.
pub fn explain<E: ProvideErrorMetadata + std::error::Error + 'static>(error: &SdkError<E>) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => match error.raw_response().filter(|response| !response.status().is_success()) {
            // HEAD has no body to say more.
            Some(response) => match response.status().as_u16() {
                403 => "403: access denied, or another account's bucket".to_owned(),
                404 => "404: not found".to_owned(),
                status => format!("status {status}"),
            },
            None => causes(error),
        },
    }
}

/// An error and what lies under it, each once: never the response itself, which may hold more than its words.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(under) = cause {
        let words = under.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = under.source();
    }
    text
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
