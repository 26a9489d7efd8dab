//! A bucket's settings one by one, for who wants each by itself: one that may not be read leaves the others known. Also
//! what no plan manages: access control lists, ownership, replication.

use aws_sdk_s3::types::{Grant, LifecycleRule, ObjectOwnership, ReplicationRule, ReplicationRuleStatus};

use super::{CallError, Target, absent_is_none};
use crate::resources::bucket::{BucketObjectLock, PublicAccess};
use crate::vocab::{Encryption, Environment, Versioning};

impl Target<'_> {
    /// The environment whose mark the bucket carries.
    pub async fn mark(&self) -> Result<Option<Environment>, CallError> {
        super::mark(&super::tags(self).await?)
    }

    pub async fn versioning(&self) -> Result<Versioning, CallError> {
        super::versioning(self).await
    }

    pub async fn encryption(&self) -> Result<Encryption, CallError> {
        super::encryption(self).await
    }

    pub async fn public_access(&self) -> Result<PublicAccess, CallError> {
        super::public_access(self).await
    }

    pub async fn object_lock(&self) -> Result<BucketObjectLock, CallError> {
        super::object_lock::read(self).await
    }

    /// The policy's text; `None` is a bucket without one.
    pub async fn policy(&self) -> Result<Option<String>, CallError> {
        let call = self
            .s3
            .get_bucket_policy()
            .bucket(self.name.as_str())
            .set_expected_bucket_owner(self.owner())
            .send();
        let answer = absent_is_none(self.call("s3:GetBucketPolicy", call).await)?;
        Ok(answer.and_then(|answer| answer.policy))
    }

    /// Every lifecycle rule, whoever wrote it.
    pub async fn lifecycle(&self) -> Result<Vec<LifecycleRule>, CallError> {
        let call = self
            .s3
            .get_bucket_lifecycle_configuration()
            .bucket(self.name.as_str())
            .set_expected_bucket_owner(self.owner())
            .send();
        let answer = absent_is_none(self.call("s3:GetLifecycleConfiguration", call).await)?;
        Ok(answer.and_then(|answer| answer.rules).unwrap_or_default())
    }

    /// Whether access control lists are switched off. A bucket without ownership controls still has them
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>).
    pub async fn acls_off(&self) -> Result<bool, CallError> {
        let call = self
            .s3
            .get_bucket_ownership_controls()
            .bucket(self.name.as_str())
            .set_expected_bucket_owner(self.owner())
            .send();
        let answer = absent_is_none(self.call("s3:GetBucketOwnershipControls", call).await)?;
        let controls = answer.and_then(|answer| answer.ownership_controls);
        let rules = controls.map(|controls| controls.rules).unwrap_or_default();
        Ok(rules.iter().any(|rule| rule.object_ownership == ObjectOwnership::BucketOwnerEnforced))
    }

    /// The bucket's access control list: its owner's canonical number, and every grant.
    pub async fn acl(&self) -> Result<(Option<String>, Vec<Grant>), CallError> {
        let call = self
            .s3
            .get_bucket_acl()
            .bucket(self.name.as_str())
            .set_expected_bucket_owner(self.owner())
            .send();
        let answer = self.call("s3:GetBucketAcl", call).await?;
        let owner = answer.owner.and_then(|owner| owner.id);
        Ok((owner, answer.grants.unwrap_or_default()))
    }

    /// The rules of replication that are on.
    pub async fn replication(&self) -> Result<Vec<ReplicationRule>, CallError> {
        let call = self
            .s3
            .get_bucket_replication()
            .bucket(self.name.as_str())
            .set_expected_bucket_owner(self.owner())
            .send();
        let answer = absent_is_none(self.call("s3:GetReplicationConfiguration", call).await)?;
        let rules = answer.and_then(|answer| answer.replication_configuration).map(|all| all.rules);
        let is_on = |rule: &ReplicationRule| rule.status == ReplicationRuleStatus::Enabled;
        Ok(rules.unwrap_or_default().into_iter().filter(is_on).collect())
    }

    /// Whether object lock holds the oldest version of the first thousand; `None` where there is none. Two requests.
    pub async fn oldest_is_held(&self) -> Result<Option<bool>, CallError> {
        let call = self
            .s3
            .list_object_versions()
            .bucket(self.name.as_str())
            .set_expected_bucket_owner(self.owner())
            .send();
        let page = self.call("s3:ListBucketVersions", call).await?;
        let time = |version: &aws_sdk_s3::types::ObjectVersion| {
            version.last_modified().map_or(i64::MAX, |time| time.secs())
        };
        let Some(oldest) = page.versions().iter().min_by_key(|version| time(version)) else {
            return Ok(None);
        };
        let call = self
            .s3
            .get_object_retention()
            .bucket(self.name.as_str())
            .set_expected_bucket_owner(self.owner())
            .key(oldest.key().unwrap_or_default())
            .set_version_id(oldest.version_id().map(str::to_owned))
            .send();
        let answer = absent_is_none(self.call("s3:GetObjectRetention", call).await)?;
        Ok(Some(answer.is_some_and(|answer| answer.retention.is_some())))
    }
}
