//! Sending a backup: one PutObject, or parts that are sent while the file grows, completed only once the dump is whole;
//! and trying that out. Must never complete what the dump's side did not call whole.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::client::customize::CustomizableOperation;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::UnboundedReceiver;

use super::explain::explain;
use super::proof::{agrees, version};
use super::{HOST, Target, Uploaded, Word, base64};
use crate::jobs::error::{JobError, Stage};
use crate::jobs::slice::body;
use crate::jobs::stream::Part;
use crate::vocab::words;

/// Parts under way at once.
const IN_FLIGHT: usize = 4;

impl Target {
    pub(super) async fn put(&self, file: &Arc<File>, part: Part) -> Result<Uploaded, JobError> {
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

    pub(super) async fn create(&self) -> Result<String, JobError> {
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
    pub(super) async fn parts(
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
        let request = self
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
            .multipart_upload(parts);
        // S3 answers once everything is put together, which may take minutes.
        match patiently(request.customize(), bytes).send().await {
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
        let size =
            words::bytes(u64::try_from(there.content_length().unwrap_or_default()).unwrap_or_default());
        let of = |what: &str| {
            format!(
                "s3://{}/{} holds {what} already ({size}), and neither dated nor labelled keys are ever overwritten; {}",
                self.bucket, self.key, self.left
            )
        };
        let host = there.metadata().and_then(|metadata| metadata.get(HOST));
        Err(match host.filter(|host| **host != self.host) {
            Some(host) => JobError::new(Stage::Upload, of(&format!("a backup of another host, {host},"))).help(
                "this host's has no copy: run `reconcile apply` so that the bucket keeps versions, and each host has a key \
                 of its own",
            ),
            None => JobError::new(Stage::Upload, of("another backup")).help(
                "nothing is lost: the bucket has a backup of this date; if it must have the new one, copy it under another \
                 name",
            ),
        })
    }

    /// Begins an upload and breaks it off: what the job's own identity must be able to do.
    pub async fn try_out(&self) -> Result<(), JobError> {
        self.store.knows_owner().map_err(|why| self.failed("an upload", &why))?;
        let id = self.create().await?;
        self.break_off(&self.key, &id).await
    }
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
