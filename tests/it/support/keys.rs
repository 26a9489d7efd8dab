//! Keys of KMS, and buckets that are encrypted with them.

use aws_sdk_s3::types::{
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule,
};

/// The name that tests give to a key.
pub const ALIAS: &str = "alias/backups";

/// A new key: its id and its ARN.
pub async fn key(kms: &aws_sdk_kms::Client) -> (String, String) {
    let made = kms.create_key().send().await.expect("a key").key_metadata.expect("a key");
    (made.key_id, made.arn.expect("an ARN"))
}

/// Gives a key the name [`ALIAS`].
pub async fn alias(kms: &aws_sdk_kms::Client, key: &str) {
    kms.create_alias().alias_name(ALIAS).target_key_id(key).send().await.expect("an alias");
}

/// Encrypts what is written to a bucket from now on with the key of this id, ARN or alias.
pub async fn encrypt(s3: &aws_sdk_s3::Client, bucket: &str, key: &str) {
    let default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKms)
        .kms_master_key_id(key)
        .build()
        .expect("a default");
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build();
    let rules = ServerSideEncryptionConfiguration::builder().rules(rule).build().expect("a rule");
    let put = s3.put_bucket_encryption().bucket(bucket).server_side_encryption_configuration(rules);
    put.send().await.expect("encrypted");
}
