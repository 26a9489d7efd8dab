//! Which permissions each operation needs, on what, and what S3 knows of the request beside them. The API's name is not
//! always the action's
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>,
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>).

use super::documents::Encryption;
use super::operations::{On, Operation};
use super::{BYPASS, BucketRequest, LEGAL_HOLD, LOCK_MODE, LOCK_UNTIL, S3};
use crate::policy::{Context, Named};
use crate::sandbox::guard::Guard;
use crate::sandbox::http::{Call, Refusal};
use crate::sandbox::iam::Account;
use crate::sandbox::records::{Bucket, Document};
use crate::sandbox::xml;

/// An action, and on what it is asked for.
pub(super) type Needed = (&'static str, On);

/// What must be allowed before a request is looked at. What depends on what is found, an operation asks itself:
/// DeleteObjects for each of its keys.
pub(super) fn needed(operation: &str, call: &Call) -> Vec<Needed> {
    let versioned = |plain, versioned| if call.param("versionId").is_some() { versioned } else { plain };
    let (bucket, object) = (On::Bucket, On::Object);
    let mut needed = match operation {
        "ListBuckets" => vec![("s3:ListAllMyBuckets", On::Service)],
        "CreateBucket" => vec![("s3:CreateBucket", bucket)],
        "DeleteBucket" => vec![("s3:DeleteBucket", bucket)],
        "HeadBucket" | "ListObjectsV2" => vec![("s3:ListBucket", bucket)],
        "ListObjectVersions" => vec![("s3:ListBucketVersions", bucket)],
        "ListMultipartUploads" => vec![("s3:ListBucketMultipartUploads", bucket)],
        "GetBucketLocation" => vec![("s3:GetBucketLocation", bucket)],
        "GetBucketVersioning" => vec![("s3:GetBucketVersioning", bucket)],
        "PutBucketVersioning" => vec![("s3:PutBucketVersioning", bucket)],
        "GetBucketLifecycleConfiguration" => vec![("s3:GetLifecycleConfiguration", bucket)],
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => {
            vec![("s3:PutLifecycleConfiguration", bucket)]
        }
        "GetBucketEncryption" => vec![("s3:GetEncryptionConfiguration", bucket)],
        "PutBucketEncryption" | "DeleteBucketEncryption" => vec![("s3:PutEncryptionConfiguration", bucket)],
        "GetPublicAccessBlock" => vec![("s3:GetBucketPublicAccessBlock", bucket)],
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => {
            vec![("s3:PutBucketPublicAccessBlock", bucket)]
        }
        "GetBucketPolicy" => vec![("s3:GetBucketPolicy", bucket)],
        "PutBucketPolicy" => vec![("s3:PutBucketPolicy", bucket)],
        "DeleteBucketPolicy" => vec![("s3:DeleteBucketPolicy", bucket)],
        "GetBucketPolicyStatus" => vec![("s3:GetBucketPolicyStatus", bucket)],
        "GetBucketTagging" => vec![("s3:GetBucketTagging", bucket)],
        "PutBucketTagging" | "DeleteBucketTagging" => vec![("s3:PutBucketTagging", bucket)],
        "GetBucketOwnershipControls" => vec![("s3:GetBucketOwnershipControls", bucket)],
        "PutBucketOwnershipControls" => vec![("s3:PutBucketOwnershipControls", bucket)],
        "GetBucketAcl" => vec![("s3:GetBucketAcl", bucket)],
        "GetBucketReplication" => vec![("s3:GetReplicationConfiguration", bucket)],
        "PutBucketReplication" | "DeleteBucketReplication" => {
            vec![("s3:PutReplicationConfiguration", bucket)]
        }
        "GetObjectLockConfiguration" => vec![("s3:GetBucketObjectLockConfiguration", bucket)],
        "PutObjectLockConfiguration" => vec![("s3:PutBucketObjectLockConfiguration", bucket)],
        "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => {
            vec![("s3:PutObject", object)]
        }
        "AbortMultipartUpload" => vec![("s3:AbortMultipartUpload", object)],
        "ListParts" => vec![("s3:ListMultipartUploadParts", object)],
        "GetObject" | "HeadObject" => vec![(versioned("s3:GetObject", "s3:GetObjectVersion"), object)],
        "GetObjectTagging" => {
            vec![(versioned("s3:GetObjectTagging", "s3:GetObjectVersionTagging"), object)]
        }
        "DeleteObject" => vec![(versioned("s3:DeleteObject", "s3:DeleteObjectVersion"), object)],
        "GetObjectRetention" => vec![("s3:GetObjectRetention", object)],
        "PutObjectRetention" => vec![("s3:PutObjectRetention", object)],
        "GetObjectLegalHold" => vec![("s3:GetObjectLegalHold", object)],
        "PutObjectLegalHold" => vec![("s3:PutObjectLegalHold", object)],
        "DeleteObjects" => Vec::new(),
        // A row of the table that nobody thought about is nobody's.
        _ => vec![("s3:UnknownOperation", bucket)],
    };
    // What a request asks for beside its own work, each a permission of its own.
    let beside = [
        ("x-amz-tagging", "s3:PutObjectTagging", object),
        (LOCK_MODE, "s3:PutObjectRetention", object),
        (LEGAL_HOLD, "s3:PutObjectLegalHold", object),
        ("x-amz-bucket-object-lock-enabled", "s3:PutBucketObjectLockConfiguration", bucket),
        ("x-amz-bucket-object-lock-enabled", "s3:PutBucketVersioning", bucket),
        ("x-amz-object-ownership", "s3:PutBucketOwnershipControls", bucket),
    ];
    needed.extend(
        beside
            .into_iter()
            .filter(|(header, ..)| call.header(header).is_some())
            .map(|(_, action, on)| (action, on)),
    );
    // Whoever compares must be allowed to read
    // (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
    if operation == "PutObject" && call.header("if-match").is_some() {
        needed.push(("s3:GetObject", object));
    }
    if bypasses(call) && operation != "DeleteObjects" {
        needed.push(("s3:BypassGovernanceRetention", object));
    }
    needed
}

/// Whether the request wants governance retention to be passed over.
pub(super) fn bypasses(call: &Call) -> bool {
    call.header(BYPASS).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The ARN of the service, a bucket or an object.
pub(super) fn arn(account: &Account, on: On, bucket: &str, key: &str) -> String {
    let partition = account.partition;
    match on {
        On::Service => "*".to_owned(),
        On::Bucket => format!("arn:{partition}:s3:::{bucket}"),
        On::Object => format!("arn:{partition}:s3:::{bucket}/{key}"),
    }
}

/// The condition keys of a request
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>, condition keys).
pub(super) fn context(guard: &Guard<'_>, operation: &str, call: &Call) -> Context {
    let mut context = guard
        .context()
        .with("s3:authType", "REST-HEADER")
        .with("s3:signatureversion", "AWS4-HMAC-SHA256")
        .with("s3:TlsVersion", "1.3")
        .with("s3:ResourceAccount", guard.iam().account.id.clone());
    let lists = ["ListObjectsV2", "ListObjectVersions"].contains(&operation);
    let parameters = [
        ("prefix", "s3:prefix", lists),
        ("delimiter", "s3:delimiter", lists),
        ("max-keys", "s3:max-keys", lists),
        ("versionId", "s3:VersionId", true),
    ];
    for (parameter, key, _) in parameters.into_iter().filter(|(.., used)| *used) {
        if let Some(value) = call.param(parameter) {
            context = context.with(key, value);
        }
    }
    for header in [
        "x-amz-acl",
        "x-amz-content-sha256",
        "x-amz-storage-class",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-object-ownership",
        "if-match",
        "if-none-match",
    ] {
        if let Some(value) = call.header(header) {
            context = context.with(&format!("s3:{header}"), value);
        }
    }
    for (header, key) in [
        (LOCK_MODE, "s3:object-lock-mode"),
        (LOCK_UNTIL, "s3:object-lock-retain-until-date"),
        (LEGAL_HOLD, "s3:object-lock-legal-hold"),
    ] {
        if let Some(value) = call.header(header) {
            context = context.with(key, value);
        }
    }
    if let Some(tagging) = call.header("x-amz-tagging") {
        let tags = super::objects::tag_pairs(tagging);
        context =
            context.with_all("s3:RequestObjectTagKeys", tags.iter().map(|(key, _)| key.clone()).collect());
        for (key, value) in tags {
            context = context.with(&format!("s3:RequestObjectTag/{key}"), value);
        }
    }
    context
}

/// The policy of a bucket, named as reasons show it.
pub(super) fn policy_of(guard: &Guard<'_>, name: &str, bucket: &Bucket) -> Option<Named> {
    let text = bucket.documents.get(&Document::Policy)?;
    Some(guard.named(format!("bucket/{name}: its policy"), text))
}

impl S3 {
    /// Refuses a request to the service or for a new bucket that the caller may not make.
    pub(super) fn check_service(
        &self,
        guard: &Guard<'_>,
        operation: &Operation,
        call: &Call,
        bucket: &str,
        region: &str,
    ) -> Result<(), Refusal> {
        if guard.is_free(None) {
            return Ok(());
        }
        let context = context(guard, operation.name, call).with("s3:LocationConstraint", region);
        for (action, on) in needed(operation.name, call) {
            guard.check(action, &arn(&guard.iam().account, on, bucket, ""), &context, None)?;
        }
        Ok(())
    }
}

impl BucketRequest<'_> {
    /// Refuses a request that the caller may not make.
    pub(super) fn check(&self, operation: &Operation) -> Result<(), Refusal> {
        if self.guard.is_free(self.policy.as_ref()) {
            return Ok(());
        }
        let context = context(self.guard, operation.name, self.call);
        for (action, on) in needed(operation.name, self.call) {
            self.ask(action, on, self.key, &context)?;
        }
        Ok(())
    }

    /// The key of KMS that new objects are encrypted with, as the bucket names it.
    pub(super) fn default_key(&self) -> Result<Option<String>, Refusal> {
        let Some(text) = self.bucket.documents.get(&Document::Encryption) else { return Ok(None) };
        Ok(xml::parse::<Encryption>(text.as_bytes())?.key())
    }

    /// Refuses to write or read what a key of KMS encrypts, unless the key opens something and the caller may use it so.
    /// Answers with the key's ARN. A key that the sandbox's KMS never knew is taken for one of the account whose policy
    /// leaves all to IAM (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html>,
    /// <https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>).
    pub(super) fn use_key(&self, key: Option<String>, actions: &[&str]) -> Result<Option<String>, Refusal> {
        let Some(named) = key else { return Ok(None) };
        let (account, region) = (&self.guard.iam().account, &self.bucket.region);
        let key = self.kms.used(region, &named)?;
        if key.is_known || !self.guard.is_free(self.policy.as_ref()) {
            let policy = self.guard.named("the key's policy", &key.policy);
            let context = self
                .guard
                .context_of_service()
                .with("kms:ViaService", format!("s3.{region}.amazonaws.com"))
                .with("kms:CallerAccount", account.id.clone())
                .with("kms:EncryptionContext:aws:s3:arn", arn(account, On::Object, self.name, self.key));
            actions
                .iter()
                .try_for_each(|action| self.guard.check(action, &key.arn, &context, Some(&policy)))?;
        }
        match key.unusable {
            Some(refusal) => Err(refusal),
            None => Ok(Some(key.arn)),
        }
    }

    /// Refuses one action on the bucket, or on a key of it.
    pub(super) fn ask(&self, action: &str, on: On, key: &str, context: &Context) -> Result<(), Refusal> {
        let arn = arn(&self.guard.iam().account, on, self.name, key);
        self.guard.check(action, &arn, context, self.policy.as_ref())
    }

    /// Whether the caller could still replace the bucket's policy if it were this one.
    pub(super) fn may_write_policy(&self, text: &str) -> Result<bool, Refusal> {
        let policy = self.guard.named("the new policy", text);
        let arn = arn(&self.guard.iam().account, On::Bucket, self.name, "");
        self.guard.may("s3:PutBucketPolicy", &arn, &context(self.guard, "", self.call), Some(&policy))
    }

    /// Whether the caller may know what is in the bucket: else S3 does not say that a key is missing
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>, permissions).
    pub(super) fn may_list(&self) -> Result<bool, Refusal> {
        let action =
            if self.call.param("versionId").is_some() { "s3:ListBucketVersions" } else { "s3:ListBucket" };
        let arn = arn(&self.guard.iam().account, On::Bucket, self.name, "");
        self.guard.may(action, &arn, &context(self.guard, "", self.call), self.policy.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

    use super::*;

    fn needed_of(operation: &str, uri: &str) -> Vec<&'static str> {
        let call = Call::read(&HttpRequest::get(uri).expect("a URI"));
        needed(operation, &call).into_iter().map(|(action, _)| action).collect()
    }

    #[test]
    fn every_operation_has_its_permission() {
        for operation in super::super::operations::all() {
            let needed = needed_of(operation.name, "https://s3.amazonaws.com/b/k");
            assert!(!needed.contains(&"s3:UnknownOperation"), "{}", operation.name);
            assert_eq!(needed.is_empty(), operation.name == "DeleteObjects", "{}", operation.name);
        }
    }

    #[test]
    fn versions_have_permissions_of_their_own() {
        let version = "https://s3.amazonaws.com/b/k?versionId=v";
        assert_eq!(needed_of("DeleteObject", version), ["s3:DeleteObjectVersion"]);
        assert_eq!(needed_of("HeadObject", version), ["s3:GetObjectVersion"]);
        assert_eq!(needed_of("DeleteObject", "https://s3.amazonaws.com/b/k"), ["s3:DeleteObject"]);
    }
}
