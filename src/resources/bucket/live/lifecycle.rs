//! The bucket's lifecycle configuration: our rules by their IDs, everybody else's untouched beside them.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule,
    LifecycleRuleFilter, NoncurrentVersionExpiration, TransitionDefaultMinimumObjectSize,
};

use super::{CallError, Target, absent_is_none, built};
use crate::resources::bucket::{AbortUploads, Bucket, VersionRule, field};
use crate::vocab::KeepVersions;

const KEEP_ID: &str = "reconcile-keep-";
const ABORT_ID: &str = "reconcile-abort-uploads";

/// Every rule of a bucket, and what stands beside them in the same call.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<LifecycleRule>,
    minimum_size: Option<TransitionDefaultMinimumObjectSize>,
}

pub(super) async fn read(target: &Target<'_>) -> Result<Rules, CallError> {
    let call = target
        .s3
        .get_bucket_lifecycle_configuration()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .send();
    let answer = absent_is_none(target.call("s3:GetLifecycleConfiguration", call).await)?;
    Ok(answer.map_or_else(Rules::default, |answer| Rules {
        rules: answer.rules.unwrap_or_default(),
        minimum_size: answer.transition_default_minimum_object_size,
    }))
}

impl Rules {
    /// Whether any rule chooses objects by their tags.
    pub(super) fn filter_by_tag(&self) -> bool {
        self.rules
            .iter()
            .filter_map(LifecycleRule::filter)
            .any(|filter| filter.tag().is_some() || filter.and().is_some_and(|and| !and.tags().is_empty()))
    }

    /// Our rules for noncurrent versions, by prefix.
    pub(super) fn keep_versions(&self) -> BTreeMap<String, VersionRule> {
        self.rules
            .iter()
            .filter_map(|rule| {
                let prefix = rule.id()?.strip_prefix(KEEP_ID)?;
                let recognised = || {
                    let expiration = rule.noncurrent_version_expiration()?;
                    let keep = KeepVersions {
                        days: u32::try_from(expiration.noncurrent_days()?).ok()?,
                        newest: u32::try_from(expiration.newer_noncurrent_versions().unwrap_or(0)).ok()?,
                    };
                    (*rule == keep_rule(prefix, keep)?).then_some(VersionRule::Keep(keep))
                };
                let rule = recognised().unwrap_or_else(|| VersionRule::Unrecognised(describe(rule)));
                Some((prefix.to_owned(), rule))
            })
            .collect()
    }

    /// Our rule for uploads that were never completed.
    pub(super) fn abort_uploads(&self) -> AbortUploads {
        let Some(rule) = self.rules.iter().find(|rule| rule.id() == Some(ABORT_ID)) else {
            return AbortUploads::Never;
        };
        let recognised = || {
            let days =
                u32::try_from(rule.abort_incomplete_multipart_upload()?.days_after_initiation()?).ok()?;
            (*rule == abort_rule(days)?).then_some(AbortUploads::AfterDays(days))
        };
        recognised().unwrap_or_else(|| AbortUploads::Unrecognised(describe(rule)))
    }
}

/// Replaces our rules of the named fields; the rest of the configuration is sent back as it was read.
pub(super) async fn write(target: &Target<'_>, wanted: &Bucket, fields: &[&str]) -> Result<(), CallError> {
    let mut present = read(target).await?;
    if fields.contains(&field::KEEP_VERSIONS)
        && let Some(keep) = &wanted.keep_versions
    {
        present.rules.retain(|rule| !rule.id().is_some_and(|id| id.starts_with(KEEP_ID)));
        present.rules.extend(keep.iter().filter_map(|(prefix, rule)| match rule {
            VersionRule::Keep(keep) => keep_rule(prefix, *keep),
            VersionRule::Unrecognised(_) => None,
        }));
    }
    if fields.contains(&field::ABORT_UPLOADS)
        && let Some(abort) = &wanted.abort_uploads
    {
        present.rules.retain(|rule| rule.id() != Some(ABORT_ID));
        if let AbortUploads::AfterDays(days) = abort {
            present.rules.extend(abort_rule(*days));
        }
    }
    put(target, present).await
}

async fn put(target: &Target<'_>, rules: Rules) -> Result<(), CallError> {
    const ACTION: &str = "s3:PutLifecycleConfiguration";
    if rules.rules.is_empty() {
        // S3 takes no configuration without rules.
        let call = target
            .s3
            .delete_bucket_lifecycle()
            .bucket(target.name.as_str())
            .set_expected_bucket_owner(target.owner())
            .send();
        return target.call(ACTION, call).await.map(drop);
    }
    let configuration = BucketLifecycleConfiguration::builder().set_rules(Some(rules.rules)).build();
    let call = target
        .s3
        .put_bucket_lifecycle_configuration()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .set_transition_default_minimum_object_size(rules.minimum_size)
        .lifecycle_configuration(built(ACTION, configuration)?)
        .send();
    target.call(ACTION, call).await.map(drop)
}

fn keep_rule(prefix: &str, keep: KeepVersions) -> Option<LifecycleRule> {
    let expiration = NoncurrentVersionExpiration::builder()
        .noncurrent_days(i32::try_from(keep.days).ok()?)
        .set_newer_noncurrent_versions(
            (keep.newest > 0).then(|| i32::try_from(keep.newest)).transpose().ok()?,
        )
        .build();
    LifecycleRule::builder()
        .id(format!("{KEEP_ID}{prefix}"))
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
        .noncurrent_version_expiration(expiration)
        .build()
        .ok()
}

fn abort_rule(days: u32) -> Option<LifecycleRule> {
    let abort =
        AbortIncompleteMultipartUpload::builder().days_after_initiation(i32::try_from(days).ok()?).build();
    LifecycleRule::builder()
        .id(ABORT_ID)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .abort_incomplete_multipart_upload(abort)
        .build()
        .ok()
}

/// What a rule of ours that somebody changed says, in a few words.
fn describe(rule: &LifecycleRule) -> String {
    let mut words = vec![rule.status().as_str().to_lowercase()];
    if let Some(prefix) = rule.filter().and_then(LifecycleRuleFilter::prefix) {
        words.push(format!("prefix {prefix:?}"));
    }
    if let Some(expiration) = rule.noncurrent_version_expiration() {
        words.push(format!("noncurrent after {} days", expiration.noncurrent_days().unwrap_or_default()));
        if let Some(newest) = expiration.newer_noncurrent_versions() {
            words.push(format!("newest {newest} kept"));
        }
    }
    if rule.expiration().is_some() {
        words.push("expires current versions".to_owned());
    }
    if !rule.transitions().is_empty() || !rule.noncurrent_version_transitions().is_empty() {
        words.push("moves to other storage classes".to_owned());
    }
    if let Some(abort) = rule.abort_incomplete_multipart_upload() {
        words
            .push(format!("aborts uploads after {} days", abort.days_after_initiation().unwrap_or_default()));
    }
    words.join(", ")
}
