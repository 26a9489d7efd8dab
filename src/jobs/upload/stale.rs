//! Breaking off what came to nothing: an upload that failed, and those that killed jobs of this host left half done.

use super::Target;
use super::explain::explain;
use crate::datastores::names::{Name, Slot};
use crate::jobs::error::JobError;

impl Target {
    /// Removes what killed jobs of this host left half uploaded, under whatever key of the datastore: the lock is held, so
    /// none of it is alive.
    pub(super) async fn abort_stale(&self) {
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

    /// Whether only this host uploads under that key: a dated one may be another's where settings promise undated ones.
    fn is_ours(&self, key: &str) -> bool {
        let ours = |name: Name| match name.slot {
            Slot::Dated { .. } => self.dated_is_ours,
            Slot::Undated { .. } | Slot::Labelled { .. } => name.is_of_host(&self.hostname),
        };
        self.series.parse(key).is_some_and(ours)
    }

    pub(super) async fn abort(&self, key: &str, id: &str) {
        if let Err(error) = self.break_off(key, id).await {
            tracing::warn!("{error}");
        }
    }

    pub(super) async fn break_off(&self, key: &str, id: &str) -> Result<(), JobError> {
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
}
