//! Object lock: whether it is on, and how long it holds each new version.

use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule,
};

use super::{CallError, Target};
use crate::resources::bucket::BucketObjectLock;
use crate::vocab::{LockMode, ObjectLock};

pub(super) async fn read(target: &Target<'_>) -> Result<BucketObjectLock, CallError> {
    let call = target
        .s3
        .get_object_lock_configuration()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .send();
    let answer = target.call("s3:GetBucketObjectLockConfiguration", call).await;
    let answer = super::absent_is_none(answer)?;
    let configuration = answer.and_then(|answer| answer.object_lock_configuration);
    Ok(configuration.map_or(BucketObjectLock::None, |configuration| meaning(&configuration)))
}

fn meaning(configuration: &ObjectLockConfiguration) -> BucketObjectLock {
    if configuration.object_lock_enabled() != Some(&ObjectLockEnabled::Enabled) {
        return BucketObjectLock::None;
    }
    let Some(retention) = configuration.rule().and_then(ObjectLockRule::default_retention) else {
        return BucketObjectLock::WithoutDefault;
    };
    let mode = match retention.mode() {
        Some(ObjectLockRetentionMode::Governance) => Some(LockMode::Governance),
        Some(ObjectLockRetentionMode::Compliance) => Some(LockMode::Compliance),
        _ => None,
    };
    match (mode, retention.days().and_then(|days| u32::try_from(days).ok()), retention.years()) {
        (Some(mode), Some(days), None) => BucketObjectLock::Holds(ObjectLock { mode, days }),
        (mode, _, years) => {
            let mode = mode.map_or("an unknown mode", LockMode::name);
            BucketObjectLock::Unrecognised(match years {
                Some(years) => format!("{mode} for {years} years"),
                None => format!("{mode} without a time"),
            })
        }
    }
}

/// Switches object lock on, or changes what it holds; versioning must be enabled by now.
pub(super) async fn write(target: &Target<'_>, lock: &BucketObjectLock) -> Result<(), CallError> {
    // Never desired: settings cannot say anything else, and nothing switches object lock off.
    let BucketObjectLock::Holds(ObjectLock { mode, days }) = lock else { return Ok(()) };
    let mode = match mode {
        LockMode::Governance => ObjectLockRetentionMode::Governance,
        LockMode::Compliance => ObjectLockRetentionMode::Compliance,
    };
    let days = i32::try_from(*days).unwrap_or(i32::MAX);
    let retention = DefaultRetention::builder().mode(mode).days(days).build();
    let configuration = ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(retention).build())
        .build();
    let call = target
        .s3
        .put_object_lock_configuration()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .object_lock_configuration(configuration)
        .send();
    target.call("s3:PutBucketObjectLockConfiguration", call).await.map(drop)
}
