//! Every call of S3 that destroys, as the table of destroyers knows them: tried one after the other with somebody's rights.

use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::delete_objects::{DeleteObjectsError, DeleteObjectsOutput};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    BucketCannedAcl, BucketLifecycleConfiguration, BucketVersioningStatus, DefaultRetention, Delete,
    Destination, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, ObjectCannedAcl, ObjectIdentifier, ObjectLockConfiguration,
    ObjectLockEnabled, ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention,
    ObjectLockRetentionMode, ObjectLockRule, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, ReplicationConfiguration, ReplicationRule, ReplicationRuleStatus,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, Tag, Tagging, VersioningConfiguration,
};
use reconcile::clients::aws::Aws;
use reconcile::clients::aws_error::{AwsError, AwsErrorKind, aws_error};
use reconcile::policy::destroyers;
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::vocab::Clock;

/// One call that destroys, and how it was refused, if it was.
#[derive(Debug)]
pub struct Tried {
    pub deed: &'static str,
    /// What must be allowed for it, each of them a row of the table.
    pub actions: &'static [&'static str],
    pub refused: Option<AwsError>,
}

impl Tried {
    pub fn kind(&self) -> Option<&AwsErrorKind> {
        self.refused.as_ref().map(|error| &error.kind)
    }
}

/// Calls that the sandbox does not know, and so refuses to everybody. What would be asked of policies for them is asked of
/// the engine.
pub const UNKNOWN_TO_THE_SANDBOX: [&str; 8] = [
    "hand a backup to others",
    "hand a version to others",
    "hand the bucket to others",
    "tag",
    "tag a version",
    "untag",
    "untag a version",
    "upload under a key of theirs",
];

/// Tries every call on a bucket whose object `k` has this version. The bucket's policy comes last, so that whoever gets
/// through does so by their own rights.
pub async fn destroy(s3: &Client, bucket: &str, version: &str) -> Vec<Tried> {
    macro_rules! tried {
        ($($deed:literal $actions:tt: $call:ident $(.$set:ident($($with:expr)?))*;)*) => {
            vec![$(Tried {
                deed: $deed,
                actions: &$actions,
                refused: Box::pin(s3.$call().bucket(bucket)$(.$set($($with)?))*.send()).await.refusal(),
            }),*]
        };
    }
    let future = DateTime::from_secs(4_102_444_800);
    let empty = || ByteStream::from_static(b"rubbish");
    let suspended = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    let retention = || {
        let mode = ObjectLockRetentionMode::Governance;
        ObjectLockRetention::builder().mode(mode).retain_until_date(future).build()
    };
    let hold = ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::Off).build();
    let open = PublicAccessBlockConfiguration::builder().block_public_policy(false).build();
    let everybody = serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "s3:*",
        "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")]}]});
    tried! {
        "tag" ["s3:PutObjectTagging"]: put_object_tagging.key("k").tagging(tags());
        "tag a version" ["s3:PutObjectVersionTagging"]: put_object_tagging.key("k").version_id(version).tagging(tags());
        "untag" ["s3:DeleteObjectTagging"]: delete_object_tagging.key("k");
        "untag a version" ["s3:DeleteObjectVersionTagging"]: delete_object_tagging.key("k").version_id(version);
        "upload with tags" ["s3:PutObject", "s3:PutObjectTagging"]: put_object.key("tagged").tagging("expire=now").body(empty());
        "upload with a lock" ["s3:PutObject", "s3:PutObjectRetention"]: put_object.key("locked").body(empty())
            .object_lock_mode(ObjectLockMode::Governance).object_lock_retain_until_date(future);
        "upload with a legal hold" ["s3:PutObject", "s3:PutObjectLegalHold"]: put_object.key("held").body(empty())
            .object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On);
        "upload under a key of theirs" ["s3:PutObject"]: put_object.key("theirs").body(empty())
            .sse_customer_algorithm("AES256").sse_customer_key("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
            .sse_customer_key_md5("hRasmdxgYDKV3nvbahU1MA==");
        "shorten a lock" ["s3:PutObjectRetention"]: put_object_retention.key("k").retention(retention());
        "shorten a lock past governance" ["s3:PutObjectRetention", "s3:BypassGovernanceRetention"]:
            put_object_retention.key("k").version_id(version).retention(retention()).bypass_governance_retention(true);
        "lift a legal hold" ["s3:PutObjectLegalHold"]: put_object_legal_hold.key("k").legal_hold(hold);
        "hand a backup to others" ["s3:PutObjectAcl"]: put_object_acl.key("k").acl(ObjectCannedAcl::PublicRead);
        "hand a version to others" ["s3:PutObjectVersionAcl"]:
            put_object_acl.key("k").version_id(version).acl(ObjectCannedAcl::PublicRead);
        "delete" ["s3:DeleteObject"]: delete_object.key("k");
        "delete many" ["s3:DeleteObject"]: delete_objects.delete(many(None));
        "delete a version" ["s3:DeleteObjectVersion"]: delete_object.key("k").version_id(version);
        "delete many versions" ["s3:DeleteObjectVersion"]: delete_objects.delete(many(Some(version)));
        "delete past governance" ["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"]:
            delete_object.key("k").version_id(version).bypass_governance_retention(true);
        "copy everything elsewhere" ["s3:PutReplicationConfiguration"]:
            put_bucket_replication.replication_configuration(replication());
        "stop the copies" ["s3:PutReplicationConfiguration"]: delete_bucket_replication;
        "let versions expire" ["s3:PutLifecycleConfiguration"]:
            put_bucket_lifecycle_configuration.lifecycle_configuration(expiring());
        "remove lifecycle rules" ["s3:PutLifecycleConfiguration"]: delete_bucket_lifecycle;
        "suspend versioning" ["s3:PutBucketVersioning"]: put_bucket_versioning.versioning_configuration(suspended);
        "shorten the lock of what comes" ["s3:PutBucketObjectLockConfiguration"]:
            put_object_lock_configuration.object_lock_configuration(lock_of_a_day());
        "change encryption" ["s3:PutEncryptionConfiguration"]:
            put_bucket_encryption.server_side_encryption_configuration(encryption());
        "remove encryption" ["s3:PutEncryptionConfiguration"]: delete_bucket_encryption;
        "bring access control lists to life" ["s3:PutBucketOwnershipControls"]:
            put_bucket_ownership_controls.ownership_controls(ownership());
        "hand the bucket to others" ["s3:PutBucketAcl"]: put_bucket_acl.acl(BucketCannedAcl::PublicReadWrite);
        "open a way to the public" ["s3:PutBucketPublicAccessBlock"]:
            put_public_access_block.public_access_block_configuration(open);
        "open to the public" ["s3:PutBucketPublicAccessBlock"]: delete_public_access_block;
        "delete the bucket" ["s3:DeleteBucket"]: delete_bucket;
        "replace the policy" ["s3:PutBucketPolicy"]: put_bucket_policy.policy(everybody.to_string());
        "remove the policy" ["s3:DeleteBucketPolicy"]: delete_bucket_policy;
    }
}

/// How a call was refused, as a whole or in its one key.
trait Refusal {
    fn refusal(self) -> Option<AwsError>;
}

macro_rules! refusals {
    ($($operation:ident $output:ident $error:ident),* $(,)?) => {
        $(impl Refusal for Result<
            aws_sdk_s3::operation::$operation::$output,
            SdkError<aws_sdk_s3::operation::$operation::$error>,
        > {
            fn refusal(self) -> Option<AwsError> {
                self.err().map(|error| aws_error(&error))
            }
        })*
    };
}

refusals!(
    put_object PutObjectOutput PutObjectError,
    put_object_tagging PutObjectTaggingOutput PutObjectTaggingError,
    delete_object_tagging DeleteObjectTaggingOutput DeleteObjectTaggingError,
    put_object_retention PutObjectRetentionOutput PutObjectRetentionError,
    put_object_legal_hold PutObjectLegalHoldOutput PutObjectLegalHoldError,
    put_object_acl PutObjectAclOutput PutObjectAclError,
    delete_object DeleteObjectOutput DeleteObjectError,
    put_object_lock_configuration PutObjectLockConfigurationOutput PutObjectLockConfigurationError,
    put_bucket_replication PutBucketReplicationOutput PutBucketReplicationError,
    delete_bucket_replication DeleteBucketReplicationOutput DeleteBucketReplicationError,
    put_bucket_lifecycle_configuration PutBucketLifecycleConfigurationOutput PutBucketLifecycleConfigurationError,
    delete_bucket_lifecycle DeleteBucketLifecycleOutput DeleteBucketLifecycleError,
    put_bucket_versioning PutBucketVersioningOutput PutBucketVersioningError,
    put_bucket_encryption PutBucketEncryptionOutput PutBucketEncryptionError,
    delete_bucket_encryption DeleteBucketEncryptionOutput DeleteBucketEncryptionError,
    put_bucket_ownership_controls PutBucketOwnershipControlsOutput PutBucketOwnershipControlsError,
    put_bucket_acl PutBucketAclOutput PutBucketAclError,
    put_public_access_block PutPublicAccessBlockOutput PutPublicAccessBlockError,
    delete_public_access_block DeletePublicAccessBlockOutput DeletePublicAccessBlockError,
    delete_bucket DeleteBucketOutput DeleteBucketError,
    put_bucket_policy PutBucketPolicyOutput PutBucketPolicyError,
    delete_bucket_policy DeleteBucketPolicyOutput DeleteBucketPolicyError,
);

/// The call succeeds although its keys were refused.
impl Refusal for Result<DeleteObjectsOutput, SdkError<DeleteObjectsError>> {
    fn refusal(self) -> Option<AwsError> {
        let answer = match self {
            Ok(answer) => answer,
            Err(error) => return Some(aws_error(&error)),
        };
        let error = answer.errors.unwrap_or_default().into_iter().next()?;
        let denied = error.code() == Some("AccessDenied");
        Some(AwsError {
            kind: if denied { AwsErrorKind::Denied } else { AwsErrorKind::Other },
            message: error.message.unwrap_or_default(),
            code: error.code,
            request_id: None,
            status: None,
        })
    }
}

fn tags() -> Tagging {
    let tag = Tag::builder().key("expire").value("now").build().expect("a tag");
    Tagging::builder().tag_set(tag).build().expect("tags")
}

fn many(version: Option<&str>) -> Delete {
    let key = ObjectIdentifier::builder().key("k").set_version_id(version.map(str::to_owned));
    Delete::builder().objects(key.build().expect("a key")).build().expect("keys")
}

fn lock_of_a_day() -> ObjectLockConfiguration {
    let day = DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).days(1).build();
    ObjectLockConfiguration::builder()
        .object_lock_enabled(ObjectLockEnabled::Enabled)
        .rule(ObjectLockRule::builder().default_retention(day).build())
        .build()
}

fn replication() -> ReplicationConfiguration {
    let elsewhere = Destination::builder().bucket("arn:aws:s3:::elsewhere").build().expect("a bucket");
    let rule = ReplicationRule::builder().status(ReplicationRuleStatus::Enabled);
    ReplicationConfiguration::builder()
        .role("arn:aws:iam::123456789012:role/OrganizationAccountAccessRole")
        .rules(rule.destination(elsewhere).build().expect("a rule"))
        .build()
        .expect("a configuration")
}

fn expiring() -> BucketLifecycleConfiguration {
    let rule = LifecycleRule::builder()
        .id("tidy")
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .status(ExpirationStatus::Enabled)
        .expiration(LifecycleExpiration::builder().days(1).build())
        .noncurrent_version_expiration(NoncurrentVersionExpiration::builder().noncurrent_days(1).build());
    let rules = BucketLifecycleConfiguration::builder().rules(rule.build().expect("a rule"));
    rules.build().expect("rules")
}

fn encryption() -> ServerSideEncryptionConfiguration {
    let default = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256);
    let default = default.build().expect("a default");
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build();
    ServerSideEncryptionConfiguration::builder().rules(rule).build().expect("a configuration")
}

fn ownership() -> OwnershipControls {
    let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::ObjectWriter).build();
    OwnershipControls::builder().rules(rule.expect("a rule")).build().expect("controls")
}

/// Every row that a bucket's policy can deny is behind one of the calls, but for what S3 alone does when it replicates.
#[tokio::test]
async fn every_row_has_its_call() {
    let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
    let sandbox = Sandbox::memory(SandboxConfig::default(), clock).expect("a sandbox");
    let s3 = Aws::load(sandbox.aws_settings()).await.s3(None);
    // What is asked is which calls there are, and not one of them is answered where there is no bucket.
    let tried = destroy(&s3, "nowhere", "v").await;
    let behind: BTreeSet<&str> = tried.iter().flat_map(|tried| tried.actions).copied().collect();
    let of_replication = [
        "s3:ReplicateObject",
        "s3:ReplicateDelete",
        "s3:ReplicateTags",
        "s3:ObjectOwnerOverrideToBucketOwner",
    ];
    let rows: BTreeSet<&str> = destroyers::of_bucket_policies().map(|row| row.action).collect();
    let rest: BTreeSet<&str> = rows.difference(&behind).copied().collect();
    assert_eq!(rest, of_replication.into());
    assert!(behind.is_subset(&rows), "{behind:?}");
    assert!(tried.iter().all(|tried| tried.refused.is_some()));
}
