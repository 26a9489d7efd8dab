//! Reading back: whether the storage has, by its own account, what was sent; and the manifest that says so.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::ChecksumMode;

use super::explain::explain;
use super::{Target, Uploaded, base64};
use crate::jobs::error::{JobError, Stage};
use crate::jobs::manifest::Manifest;
use crate::jobs::remote;
use crate::jobs::stream::Flow;

impl Target {
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

    /// Whether an object of a key that is never written twice is this backup, by the storage's own account.
    pub async fn holds(&self, manifest: &Manifest) -> Option<Uploaded> {
        let is_there = self.once && manifest.remote.as_ref().is_some_and(|remote| remote.key == self.key);
        let there = if is_there { self.head(None).await.ok()? } else { return None };
        let bytes = u64::try_from(there.content_length()?).ok()?;
        let is_same = bytes == manifest.bytes && there.checksum_crc64_nvme() == Some(&manifest.crc64nvme);
        is_same.then(|| Uploaded { version_id: version(there.version_id) })
    }

    pub(super) async fn head(&self, version: Option<String>) -> Result<HeadObjectOutput, String> {
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
}

/// A version's id; `null` is what a bucket that keeps no versions calls its only one.
pub(super) fn version(id: Option<String>) -> Option<String> {
    id.filter(|id| id != "null")
}

/// Whether the storage has what was sent, by its own account.
pub(super) fn agrees(there: &HeadObjectOutput, bytes: u64, crc64nvme: u64) -> Result<(), String> {
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
