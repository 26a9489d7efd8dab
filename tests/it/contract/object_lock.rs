//! Object lock: what it keeps, from whom, until when; and what else an audit reads of a bucket.

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockLegalHold,
    ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode, ObjectLockRule,
    Permission,
};

use super::{Cloud, assert_code, bucket, cases, fresh, refused, versioned_bucket};

cases!("object_lock":
    a_default_retention_comes_back,
    a_lock_may_come_later_and_wants_versioning,
    new_versions_have_the_default_retention,
    governance_is_passed_by_who_says_so,
    compliance_is_passed_by_nobody,
    a_retention_may_be_longer,
    a_compliance_is_never_shorter,
    a_legal_hold_holds,
    a_lock_of_an_object_wants_a_locked_bucket,
    an_object_without_a_lock_has_none,
    a_lists_owner_may_do_everything,
    a_bucket_without_replication_says_so,
    a_policy_has_a_status,
);

/// Far enough for every clock.
const FAR: i64 = 4_102_444_800; // 2100-01-01

fn until(seconds: i64) -> DateTime {
    DateTime::from_secs(seconds)
}

async fn locked(cloud: &Cloud) -> String {
    let name = fresh("locked");
    cloud.s3.create_bucket().bucket(&name).object_lock_enabled_for_bucket(true).send().await.expect("made");
    name
}

fn configuration(mode: ObjectLockRetentionMode, days: i32) -> ObjectLockConfiguration {
    let default = DefaultRetention::builder().mode(mode).days(days).build();
    ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(default).build())
        .build()
}

/// A version that is retained until far.
async fn retained(cloud: &Cloud, bucket: &str, mode: ObjectLockMode) -> String {
    let put = cloud.s3.put_object().bucket(bucket).key("k").body(ByteStream::from_static(b"x"));
    let put = put.object_lock_mode(mode).object_lock_retain_until_date(until(FAR)).send().await;
    put.expect("put").version_id.expect("a version")
}

async fn a_default_retention_comes_back(cloud: Cloud) {
    let name = locked(&cloud).await;
    let wanted = configuration(ObjectLockRetentionMode::Compliance, 30);
    let put =
        cloud.s3.put_object_lock_configuration().bucket(&name).object_lock_configuration(wanted.clone());
    put.send().await.expect("taken");
    let read = cloud.s3.get_object_lock_configuration().bucket(&name).send().await.expect("an answer");
    assert_eq!(read.object_lock_configuration(), Some(&wanted));
}

async fn a_lock_may_come_later_and_wants_versioning(cloud: Cloud) {
    let put = |name: String| {
        let wanted = configuration(ObjectLockRetentionMode::Governance, 1);
        cloud.s3.put_object_lock_configuration().bucket(name).object_lock_configuration(wanted).send()
    };
    assert_code(&refused(put(bucket(&cloud.s3).await).await), 409, "InvalidBucketState");
    let name = versioned_bucket(&cloud.s3).await;
    put(name.clone()).await.expect("taken");
    let read = cloud.s3.get_object_lock_configuration().bucket(&name).send().await.expect("an answer");
    let read = read.object_lock_configuration().expect("a configuration");
    assert_eq!(read.object_lock_enabled(), Some(&ObjectLockEnabled::Enabled));
}

async fn new_versions_have_the_default_retention(cloud: Cloud) {
    let name = locked(&cloud).await;
    let wanted = configuration(ObjectLockRetentionMode::Governance, 30);
    let put = cloud.s3.put_object_lock_configuration().bucket(&name).object_lock_configuration(wanted);
    put.send().await.expect("taken");
    let put = cloud.s3.put_object().bucket(&name).key("k").body(ByteStream::from_static(b"x"));
    let version = put.send().await.expect("put").version_id.expect("a version");
    let head = cloud.s3.head_object().bucket(&name).key("k").send().await.expect("there");
    assert_eq!(head.object_lock_mode(), Some(&ObjectLockMode::Governance));
    let made = head.last_modified().expect("a time").secs();
    let kept = head.object_lock_retain_until_date().expect("a time").secs() - made;
    assert!((30 * 86_400 - 60..=30 * 86_400 + 60).contains(&kept), "{kept} seconds");
    let retention = cloud.s3.get_object_retention().bucket(&name).key("k").send().await.expect("an answer");
    let retention = retention.retention().expect("a retention");
    assert_eq!(retention.mode(), Some(&ObjectLockRetentionMode::Governance));
    let delete = cloud.s3.delete_object().bucket(&name).key("k").version_id(version);
    assert_code(&refused(delete.send().await), 403, "AccessDenied");
    cloud.s3.delete_object().bucket(&name).key("k").send().await.expect("a delete marker only hides");
}

async fn governance_is_passed_by_who_says_so(cloud: Cloud) {
    let name = locked(&cloud).await;
    let version = retained(&cloud, &name, ObjectLockMode::Governance).await;
    let delete = || cloud.s3.delete_object().bucket(&name).key("k").version_id(&version);
    assert_code(&refused(delete().send().await), 403, "AccessDenied");
    delete().bypass_governance_retention(true).send().await.expect("passed");
}

async fn compliance_is_passed_by_nobody(cloud: Cloud) {
    let name = locked(&cloud).await;
    let version = retained(&cloud, &name, ObjectLockMode::Compliance).await;
    let delete = cloud.s3.delete_object().bucket(&name).key("k").version_id(&version);
    assert_code(&refused(delete.bypass_governance_retention(true).send().await), 403, "AccessDenied");
}

fn retention(mode: ObjectLockRetentionMode, seconds: i64) -> ObjectLockRetention {
    ObjectLockRetention::builder().mode(mode).retain_until_date(until(seconds)).build()
}

async fn a_retention_may_be_longer(cloud: Cloud) {
    let name = locked(&cloud).await;
    retained(&cloud, &name, ObjectLockMode::Compliance).await;
    let longer = retention(ObjectLockRetentionMode::Compliance, FAR + 86_400);
    let put = cloud.s3.put_object_retention().bucket(&name).key("k").retention(longer.clone());
    put.send().await.expect("longer");
    let read = cloud.s3.get_object_retention().bucket(&name).key("k").send().await.expect("an answer");
    let read = read.retention().expect("a retention");
    assert_eq!(read.mode(), longer.mode());
    assert_eq!(read.retain_until_date().map(DateTime::secs), Some(FAR + 86_400));
}

async fn a_compliance_is_never_shorter(cloud: Cloud) {
    let name = locked(&cloud).await;
    retained(&cloud, &name, ObjectLockMode::Compliance).await;
    let shorter = retention(ObjectLockRetentionMode::Compliance, FAR - 86_400);
    let put = cloud.s3.put_object_retention().bucket(&name).key("k").retention(shorter);
    assert_code(&refused(put.bypass_governance_retention(true).send().await), 403, "AccessDenied");
    let softer = retention(ObjectLockRetentionMode::Governance, FAR + 86_400);
    let put = cloud.s3.put_object_retention().bucket(&name).key("k").retention(softer);
    assert_code(&refused(put.bypass_governance_retention(true).send().await), 403, "AccessDenied");
}

async fn a_legal_hold_holds(cloud: Cloud) {
    let name = locked(&cloud).await;
    let put = cloud.s3.put_object().bucket(&name).key("k").body(ByteStream::from_static(b"x"));
    let version = put.send().await.expect("put").version_id.expect("a version");
    let hold = |status: ObjectLockLegalHoldStatus| {
        let hold = ObjectLockLegalHold::builder().status(status).build();
        cloud.s3.put_object_legal_hold().bucket(&name).key("k").legal_hold(hold).send()
    };
    hold(ObjectLockLegalHoldStatus::On).await.expect("held");
    let read = cloud.s3.get_object_legal_hold().bucket(&name).key("k").send().await.expect("an answer");
    assert_eq!(read.legal_hold().and_then(|hold| hold.status()), Some(&ObjectLockLegalHoldStatus::On));
    let delete = || cloud.s3.delete_object().bucket(&name).key("k").version_id(&version);
    let bypassed = delete().bypass_governance_retention(true).send().await;
    assert_code(&refused(bypassed), 403, "AccessDenied");
    hold(ObjectLockLegalHoldStatus::Off).await.expect("lifted");
    delete().send().await.expect("deleted");
}

async fn a_lock_of_an_object_wants_a_locked_bucket(cloud: Cloud) {
    let name = versioned_bucket(&cloud.s3).await;
    let put = cloud.s3.put_object().bucket(&name).key("k").body(ByteStream::from_static(b"x"));
    let put = put.object_lock_mode(ObjectLockMode::Governance).object_lock_retain_until_date(until(FAR));
    assert_code(&refused(put.send().await), 400, "InvalidRequest");
}

async fn an_object_without_a_lock_has_none(cloud: Cloud) {
    let name = locked(&cloud).await;
    let put = cloud.s3.put_object().bucket(&name).key("k").body(ByteStream::from_static(b"x"));
    put.send().await.expect("put");
    let read = cloud.s3.get_object_retention().bucket(&name).key("k").send().await;
    assert_code(&refused(read), 404, "NoSuchObjectLockConfiguration");
}

async fn a_lists_owner_may_do_everything(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let acl = cloud.s3.get_bucket_acl().bucket(&name).send().await.expect("an answer");
    let [grant] = acl.grants() else { panic!("one grant: {acl:?}") };
    assert_eq!(grant.permission(), Some(&Permission::FullControl));
    let grantee = grant.grantee().and_then(|grantee| grantee.id());
    assert_eq!(grantee, acl.owner().and_then(|owner| owner.id()));
}

async fn a_bucket_without_replication_says_so(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let read = cloud.s3.get_bucket_replication().bucket(&name).send().await;
    assert_code(&refused(read), 404, "ReplicationConfigurationNotFoundError");
}

async fn a_policy_has_a_status(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let status = || cloud.s3.get_bucket_policy_status().bucket(&name).send();
    assert_code(&refused(status().await), 404, "NoSuchBucketPolicy");
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Principal":"*","Action":"s3:GetObject",
            "Resource":"arn:aws:s3:::{name}/*"}}]}}"#
    );
    cloud.s3.put_bucket_policy().bucket(&name).policy(policy).send().await.expect("taken");
    let told = status().await.expect("an answer");
    assert_eq!(told.policy_status().and_then(|status| status.is_public()), Some(false));
}
