//! Settings of buckets: what a fresh bucket has, and that what is written is what is read.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketVersioningStatus, ExpirationStatus,
    LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration, ObjectLockEnabled, ObjectOwnership,
    OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging,
    TransitionDefaultMinimumObjectSize, VersioningConfiguration,
};

use super::{Cloud, assert_code, bucket, cases, fresh, refused};

cases!("settings":
    versioning_goes_from_never_to_enabled_to_suspended,
    versioning_of_a_locked_bucket_stays,
    object_lock_is_told,
    a_fresh_bucket_has_no_lifecycle_policy_or_tags,
    a_fresh_bucket_is_encrypted,
    a_fresh_bucket_is_closed_to_the_public,
    a_fresh_bucket_has_one_owner,
    lifecycle_rules_come_back,
    lifecycle_keeps_newer_versions,
    lifecycle_keeps_the_minimum_size_of_transitions,
    two_rules_of_one_name_are_refused,
    rules_that_keep_nothing_are_refused,
    encryption_comes_back,
    encryption_removed_is_the_default,
    public_access_block_comes_back,
    ownership_comes_back,
    a_policy_comes_back_as_it_was_sent,
    a_policy_that_is_no_json_is_malformed,
    a_policy_whose_actions_fit_no_resource_is_malformed,
    a_policy_of_another_bucket_is_malformed,
    a_public_policy_is_blocked,
    tags_come_back,
    amazons_own_tags_are_refused,
);

fn versioning(status: BucketVersioningStatus) -> VersioningConfiguration {
    VersioningConfiguration::builder().status(status).build()
}

async fn versioning_goes_from_never_to_enabled_to_suspended(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let status =
        || async { cloud.s3.get_bucket_versioning().bucket(&name).send().await.expect("an answer").status };
    assert_eq!(status().await, None);
    for wanted in [BucketVersioningStatus::Enabled, BucketVersioningStatus::Suspended] {
        let put = cloud
            .s3
            .put_bucket_versioning()
            .bucket(&name)
            .versioning_configuration(versioning(wanted.clone()));
        put.send().await.expect("taken");
        assert_eq!(status().await, Some(wanted));
    }
}

async fn locked(cloud: &Cloud) -> String {
    let name = fresh("locked");
    cloud.s3.create_bucket().bucket(&name).object_lock_enabled_for_bucket(true).send().await.expect("made");
    name
}

async fn versioning_of_a_locked_bucket_stays(cloud: Cloud) {
    let name = locked(&cloud).await;
    let status = cloud.s3.get_bucket_versioning().bucket(&name).send().await.expect("an answer").status;
    assert_eq!(status, Some(BucketVersioningStatus::Enabled), "object lock brings versioning with it");
    let suspended = versioning(BucketVersioningStatus::Suspended);
    let put = cloud.s3.put_bucket_versioning().bucket(&name).versioning_configuration(suspended);
    assert_code(&refused(put.send().await), 409, "InvalidBucketState");
}

async fn object_lock_is_told(cloud: Cloud) {
    let name = locked(&cloud).await;
    let lock = cloud.s3.get_object_lock_configuration().bucket(&name).send().await.expect("an answer");
    let lock = lock.object_lock_configuration().expect("a configuration");
    assert_eq!(lock.object_lock_enabled(), Some(&ObjectLockEnabled::Enabled));
    let name = bucket(&cloud.s3).await;
    let get = cloud.s3.get_object_lock_configuration().bucket(&name).send().await;
    assert_code(&refused(get), 404, "ObjectLockConfigurationNotFoundError");
}

async fn a_fresh_bucket_has_no_lifecycle_policy_or_tags(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let lifecycle = cloud.s3.get_bucket_lifecycle_configuration().bucket(&name).send().await;
    assert_code(&refused(lifecycle), 404, "NoSuchLifecycleConfiguration");
    assert_code(&refused(cloud.s3.get_bucket_policy().bucket(&name).send().await), 404, "NoSuchBucketPolicy");
    assert_code(&refused(cloud.s3.get_bucket_tagging().bucket(&name).send().await), 404, "NoSuchTagSet");
}

async fn algorithm(cloud: &Cloud, name: &str) -> (ServerSideEncryption, Option<bool>) {
    let answer = cloud.s3.get_bucket_encryption().bucket(name).send().await.expect("encryption");
    let rule = answer.server_side_encryption_configuration().expect("a configuration").rules()[0].clone();
    let default = rule.apply_server_side_encryption_by_default().expect("a default");
    (default.sse_algorithm().clone(), rule.bucket_key_enabled())
}

async fn a_fresh_bucket_is_encrypted(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    assert_eq!(algorithm(&cloud, &name).await, (ServerSideEncryption::Aes256, Some(false)));
}

async fn a_fresh_bucket_is_closed_to_the_public(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let answer = cloud.s3.get_public_access_block().bucket(&name).send().await.expect("a block");
    assert_eq!(answer.public_access_block_configuration(), Some(&block(true)));
}

async fn a_fresh_bucket_has_one_owner(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let answer = cloud.s3.get_bucket_ownership_controls().bucket(&name).send().await.expect("controls");
    let rules = answer.ownership_controls().expect("controls").rules();
    assert_eq!(rules[0].object_ownership(), &ObjectOwnership::BucketOwnerEnforced);
}

fn rule(id: &str, prefix: &str, days: i32, newer: Option<i32>) -> LifecycleRule {
    LifecycleRule::builder()
        .id(id)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
        .noncurrent_version_expiration(
            NoncurrentVersionExpiration::builder()
                .noncurrent_days(days)
                .set_newer_noncurrent_versions(newer)
                .build(),
        )
        .build()
        .expect("a rule")
}

fn lifecycle(rules: Vec<LifecycleRule>) -> BucketLifecycleConfiguration {
    BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build().expect("rules")
}

async fn rules_of(cloud: &Cloud, name: &str) -> Vec<LifecycleRule> {
    cloud.s3.get_bucket_lifecycle_configuration().bucket(name).send().await.expect("rules").rules().to_vec()
}

async fn lifecycle_rules_come_back(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let abort = LifecycleRule::builder()
        .id("uploads")
        .status(ExpirationStatus::Disabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .abort_incomplete_multipart_upload(
            AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build(),
        )
        .build()
        .expect("a rule");
    let rules = vec![rule("daily", "postgres_daily_", 90, None), abort];
    let put = cloud.s3.put_bucket_lifecycle_configuration().bucket(&name);
    put.lifecycle_configuration(lifecycle(rules.clone())).send().await.expect("taken");
    assert_eq!(rules_of(&cloud, &name).await, rules);
    cloud.s3.delete_bucket_lifecycle().bucket(&name).send().await.expect("removed");
    let get = cloud.s3.get_bucket_lifecycle_configuration().bucket(&name).send().await;
    assert_code(&refused(get), 404, "NoSuchLifecycleConfiguration");
}

async fn lifecycle_keeps_newer_versions(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let rules = vec![rule("daily", "postgres_daily_", 90, Some(5))];
    let put = cloud.s3.put_bucket_lifecycle_configuration().bucket(&name);
    put.lifecycle_configuration(lifecycle(rules.clone())).send().await.expect("taken");
    assert_eq!(rules_of(&cloud, &name).await, rules);
}

async fn lifecycle_keeps_the_minimum_size_of_transitions(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    for size in [
        TransitionDefaultMinimumObjectSize::VariesByStorageClass,
        TransitionDefaultMinimumObjectSize::AllStorageClasses128K,
    ] {
        let put = cloud.s3.put_bucket_lifecycle_configuration().bucket(&name);
        put.transition_default_minimum_object_size(size.clone())
            .lifecycle_configuration(lifecycle(vec![rule("daily", "", 90, None)]))
            .send()
            .await
            .expect("taken");
        let get = cloud.s3.get_bucket_lifecycle_configuration().bucket(&name).send().await.expect("rules");
        assert_eq!(get.transition_default_minimum_object_size(), Some(&size));
    }
}

async fn two_rules_of_one_name_are_refused(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let rules = vec![rule("same", "a", 1, None), rule("same", "b", 1, None)];
    let put = cloud.s3.put_bucket_lifecycle_configuration().bucket(&name);
    let error = refused(put.lifecycle_configuration(lifecycle(rules)).send().await);
    assert_code(&error, 400, "InvalidArgument");
}

async fn rules_that_keep_nothing_are_refused(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    for (days, newer) in [(0, None), (1, Some(0)), (1, Some(101))] {
        let put = cloud.s3.put_bucket_lifecycle_configuration().bucket(&name);
        let error =
            refused(put.lifecycle_configuration(lifecycle(vec![rule("r", "", days, newer)])).send().await);
        assert_code(&error, 400, "InvalidArgument");
    }
}

fn encryption(algorithm: ServerSideEncryption, key: Option<&str>) -> ServerSideEncryptionConfiguration {
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(algorithm)
        .set_kms_master_key_id(key.map(str::to_owned))
        .build()
        .expect("a default");
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default)
        .bucket_key_enabled(true)
        .build();
    ServerSideEncryptionConfiguration::builder().rules(rule).build().expect("a configuration")
}

async fn encryption_comes_back(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let key = "arn:aws:kms:us-east-1:123456789012:key/0ad1f1de-0000-4000-8000-000000000000";
    let wanted = encryption(ServerSideEncryption::AwsKms, Some(key));
    let put = cloud.s3.put_bucket_encryption().bucket(&name);
    put.server_side_encryption_configuration(wanted.clone()).send().await.expect("taken");
    let get = cloud.s3.get_bucket_encryption().bucket(&name).send().await.expect("encryption");
    assert_eq!(get.server_side_encryption_configuration(), Some(&wanted));
}

async fn encryption_removed_is_the_default(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let put = cloud.s3.put_bucket_encryption().bucket(&name);
    let wanted = encryption(ServerSideEncryption::AwsKms, None);
    put.server_side_encryption_configuration(wanted).send().await.expect("taken");
    cloud.s3.delete_bucket_encryption().bucket(&name).send().await.expect("removed");
    assert_eq!(algorithm(&cloud, &name).await.0, ServerSideEncryption::Aes256);
}

fn block(all: bool) -> PublicAccessBlockConfiguration {
    PublicAccessBlockConfiguration::builder()
        .block_public_acls(all)
        .ignore_public_acls(all)
        .block_public_policy(all)
        .restrict_public_buckets(all)
        .build()
}

async fn public_access_block_comes_back(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let put = cloud.s3.put_public_access_block().bucket(&name);
    put.public_access_block_configuration(block(false)).send().await.expect("taken");
    let get = cloud.s3.get_public_access_block().bucket(&name).send().await.expect("a block");
    assert_eq!(get.public_access_block_configuration(), Some(&block(false)));
    cloud.s3.delete_public_access_block().bucket(&name).send().await.expect("removed");
    let get = cloud.s3.get_public_access_block().bucket(&name).send().await;
    assert_code(&refused(get), 404, "NoSuchPublicAccessBlockConfiguration");
}

async fn ownership_comes_back(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::ObjectWriter).build();
    let wanted = OwnershipControls::builder().rules(rule.expect("a rule")).build().expect("controls");
    let put = cloud.s3.put_bucket_ownership_controls().bucket(&name);
    put.ownership_controls(wanted.clone()).send().await.expect("taken");
    let get = cloud.s3.get_bucket_ownership_controls().bucket(&name).send().await.expect("controls");
    assert_eq!(get.ownership_controls(), Some(&wanted));
}

/// Denies what does not come over TLS.
fn tls_only(bucket: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"tls","Effect":"Deny","Principal":"*","Action":"s3:*",
        "Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"],
        "Condition":{{"Bool":{{"aws:SecureTransport":"false"}}}}}}]}}"#
    )
}

async fn a_policy_comes_back_as_it_was_sent(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let policy = tls_only(&name);
    cloud.s3.put_bucket_policy().bucket(&name).policy(&policy).send().await.expect("taken");
    let get = cloud.s3.get_bucket_policy().bucket(&name).send().await.expect("a policy");
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!(json(get.policy().expect("a policy")), json(&policy));
    cloud.s3.delete_bucket_policy().bucket(&name).send().await.expect("removed");
    assert_code(&refused(cloud.s3.get_bucket_policy().bucket(&name).send().await), 404, "NoSuchBucketPolicy");
}

async fn a_policy_that_is_no_json_is_malformed(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let put = cloud.s3.put_bucket_policy().bucket(&name).policy("Statement: []");
    assert_code(&refused(put.send().await), 400, "MalformedPolicy");
}

fn deny(action: &str, resource: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[
        {{"Effect":"Deny","Principal":"*","Action":"{action}","Resource":"{resource}"}}]}}"#
    )
}

async fn a_policy_whose_actions_fit_no_resource_is_malformed(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    for policy in [
        deny("s3:DeleteObjectVersion", &format!("arn:aws:s3:::{name}")),
        deny("s3:PutLifecycleConfiguration", &format!("arn:aws:s3:::{name}/*")),
    ] {
        let put = cloud.s3.put_bucket_policy().bucket(&name).policy(policy);
        assert_code(&refused(put.send().await), 400, "MalformedPolicy");
    }
}

async fn a_policy_of_another_bucket_is_malformed(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let put = cloud.s3.put_bucket_policy().bucket(&name).policy(deny("s3:*", "arn:aws:s3:::another"));
    assert_code(&refused(put.send().await), 400, "MalformedPolicy");
}

async fn a_public_policy_is_blocked(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let policy = deny("s3:GetObject", &format!("arn:aws:s3:::{name}/*")).replace("Deny", "Allow");
    let put = cloud.s3.put_bucket_policy().bucket(&name).policy(policy);
    assert_code(&refused(put.send().await), 403, "AccessDenied");
}

fn tagging(tags: &[(&str, &str)]) -> Tagging {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build().expect("a tag"));
    Tagging::builder().set_tag_set(Some(tags.collect())).build().expect("a tag set")
}

async fn tags_come_back(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let wanted = tagging(&[("reconcile:environment", "production"), ("cost", "a + b/c")]);
    cloud.s3.put_bucket_tagging().bucket(&name).tagging(wanted.clone()).send().await.expect("taken");
    let get = cloud.s3.get_bucket_tagging().bucket(&name).send().await.expect("tags");
    assert_eq!(get.tag_set(), wanted.tag_set());
    cloud.s3.delete_bucket_tagging().bucket(&name).send().await.expect("removed");
    assert_code(&refused(cloud.s3.get_bucket_tagging().bucket(&name).send().await), 404, "NoSuchTagSet");
}

async fn amazons_own_tags_are_refused(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let put = cloud.s3.put_bucket_tagging().bucket(&name).tagging(tagging(&[("aws:mine", "x")]));
    assert_code(&refused(put.send().await), 400, "InvalidTag");
}
