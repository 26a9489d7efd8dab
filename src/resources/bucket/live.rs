//! Reads and writes a bucket through S3's own calls. ARNs are made here and nowhere above.
//!
//! Tags, lifecycle rules and policy statements are merged: ours by key, ID and Sid, those of others stay as they are.
//! Every call names the expected owner where there is one.

mod facts;
mod lifecycle;
mod lock;
mod object_lock;
mod policy;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging, VersioningConfiguration,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{Bucket, MARK, PublicAccess, field};
use crate::clients::aws_error::{AwsErrorKind, CallError, aws_error};
use crate::resources::Found;
use crate::vocab::{AccountId, BucketName, Encryption, Environment, RegionName, Versioning};

/// A bucket to talk about: the client of its region, and who must own it.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    pub s3: &'a Client,
    pub name: &'a BucketName,
    /// The expected owner, sent with every call; `None` for stores that know no accounts.
    pub account: Option<&'a AccountId>,
    /// `aws`, `aws-cn`, `aws-us-gov`: part of every ARN.
    pub partition: &'a str,
    /// Bounds the requests under way at once.
    pub gate: &'a tokio::sync::Semaphore,
}

impl Target<'_> {
    fn owner(&self) -> Option<String> {
        self.account.map(AccountId::to_string)
    }

    /// One call within the bound on requests.
    async fn call<T, E>(
        &self,
        action: &'static str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, CallError>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        // The gate is never closed; without a permit the call would still be right.
        let _permit = self.gate.acquire().await.ok();
        call.await.map_err(|error| CallError { action, error: aws_error(&error) })
    }
}

/// What a setting's read says when there is none: `Ok(None)`.
fn absent_is_none<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.error.is_not_found() && !error.error.is("NoSuchBucket") => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the store does not implement is `None` in the normal form.
fn unknown_is_none<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.error.kind == AwsErrorKind::NotImplemented => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the mark and every field that `like` manages, at the same time.
pub async fn read(
    target: &Target<'_>,
    region: Option<RegionName>,
    like: &Bucket,
) -> Result<Found<Bucket>, CallError> {
    let lifecycle = async {
        // Tagging destroys where a rule chooses by tags, so the lock must know of the rules.
        let needed =
            like.keep_versions.is_some() || like.abort_uploads.is_some() || like.versioning_lock.is_some();
        match needed {
            true => unknown_is_none(lifecycle::read(target).await),
            false => Ok(None),
        }
    };
    let in_policy = like.tls_only.is_some() || like.versioning_lock.is_some();
    let (tags, versioning, lifecycle, encryption, public_access, object_lock, policy) = futures_util::try_join!(
        // Futures of the SDK are 5 to 10 KB each, and many buckets are read at once: only those that run take room.
        Box::pin(when(true, tags(target))),
        Box::pin(when(like.versioning.is_some(), versioning(target))),
        Box::pin(lifecycle),
        Box::pin(when(like.encryption.is_some(), encryption(target))),
        Box::pin(when(like.public_access.is_some(), public_access(target))),
        Box::pin(when(like.object_lock.is_some(), object_lock::read(target))),
        Box::pin(when(in_policy, policy::read(target))),
    )?;
    let mark = tags.as_deref().map(mark).transpose()?.flatten();
    let tls_only = policy.as_ref().filter(|_| like.tls_only.is_some()).map(|policy| policy.tls_only(target));
    let versioning_lock = policy.as_ref().filter(|_| like.versioning_lock.is_some()).map(|policy| {
        let filtered = lifecycle.as_ref().is_some_and(lifecycle::Rules::filter_by_tag);
        policy.lock(&lock_terms(target, like, filtered))
    });
    let (keep_versions, abort_uploads) = match lifecycle {
        Some(rules) => (
            like.keep_versions.is_some().then(|| rules.keep_versions()),
            like.abort_uploads.is_some().then(|| rules.abort_uploads()),
        ),
        None => (None, None),
    };
    let thing = Bucket {
        owner: tags.is_some().then(|| mark.clone()),
        region,
        versioning,
        keep_versions,
        abort_uploads,
        encryption,
        public_access,
        tls_only,
        object_lock,
        versioning_lock,
    };
    Ok(Found { mark, thing })
}

/// What the lock's statements say of this bucket, as settings want its encryption.
fn lock_terms(target: &Target<'_>, wanted: &Bucket, filtered_by_tag: bool) -> lock::Terms {
    let account = target.account.map_or("*", AccountId::as_str);
    let keys = match &wanted.encryption {
        // An alias is not what requests name; the keys of the account are then the narrowest that is sure.
        Some(Encryption::Kms(Some(key)) | Encryption::KmsDouble(Some(key))) if key.contains(":key/") => {
            key.clone()
        }
        _ => format!("arn:{}:kms:*:{account}:*", target.partition),
    };
    lock::Terms { bucket: format!("arn:{}:s3:::{}", target.partition, target.name), keys, filtered_by_tag }
}

async fn when<T>(
    wanted: bool,
    read: impl Future<Output = Result<T, CallError>>,
) -> Result<Option<T>, CallError> {
    match wanted {
        true => unknown_is_none(read.await),
        false => Ok(None),
    }
}

async fn tags(target: &Target<'_>) -> Result<Vec<Tag>, CallError> {
    let call = target
        .s3
        .get_bucket_tagging()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .send();
    let answer = absent_is_none(target.call("s3:GetBucketTagging", call).await)?;
    Ok(answer.map(|answer| answer.tag_set).unwrap_or_default())
}

/// The environment that the tags say. A mark that names none is somebody's all the same, and must not be taken for none.
fn mark(tags: &[Tag]) -> Result<Option<Environment>, CallError> {
    let Some(tag) = tags.iter().find(|tag| tag.key() == MARK) else { return Ok(None) };
    tag.value().parse().map(Some).map_err(|why| {
        let message = format!("its tag {MARK} says `{}`: {why}; correct or remove the tag", tag.value());
        unusable("s3:GetBucketTagging", message)
    })
}

async fn versioning(target: &Target<'_>) -> Result<Versioning, CallError> {
    let call = target
        .s3
        .get_bucket_versioning()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .send();
    let answer = target.call("s3:GetBucketVersioning", call).await?;
    Ok(match answer.status {
        Some(BucketVersioningStatus::Enabled) => Versioning::Enabled,
        Some(_) => Versioning::Suspended,
        None => Versioning::Never,
    })
}

async fn encryption_rule(target: &Target<'_>) -> Result<Option<ServerSideEncryptionRule>, CallError> {
    let call = target
        .s3
        .get_bucket_encryption()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .send();
    let answer = absent_is_none(target.call("s3:GetEncryptionConfiguration", call).await)?;
    Ok(answer
        .and_then(|answer| answer.server_side_encryption_configuration)
        .and_then(|configuration| configuration.rules.into_iter().next()))
}

async fn encryption(target: &Target<'_>) -> Result<Encryption, CallError> {
    let rule = encryption_rule(target).await?;
    let Some(default) = rule.and_then(|rule| rule.apply_server_side_encryption_by_default) else {
        return Ok(Encryption::None);
    };
    let key = default.kms_master_key_id;
    Ok(match default.sse_algorithm {
        ServerSideEncryption::Aes256 => Encryption::Aes256,
        ServerSideEncryption::AwsKms => Encryption::Kms(key),
        ServerSideEncryption::AwsKmsDsse => Encryption::KmsDouble(key),
        other => Encryption::Unrecognised(other.as_str().to_owned()),
    })
}

async fn public_access(target: &Target<'_>) -> Result<PublicAccess, CallError> {
    let call = target
        .s3
        .get_public_access_block()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .send();
    let answer = absent_is_none(target.call("s3:GetBucketPublicAccessBlock", call).await)?;
    let block = answer.and_then(|answer| answer.public_access_block_configuration);
    Ok(block.map_or(PublicAccess::OPEN, |block| PublicAccess {
        block_acls: block.block_public_acls.unwrap_or(false),
        ignore_acls: block.ignore_public_acls.unwrap_or(false),
        block_policy: block.block_public_policy.unwrap_or(false),
        restrict_buckets: block.restrict_public_buckets.unwrap_or(false),
    }))
}

/// Makes the bucket, empty and with AWS's defaults. Repeating it after a crash is no error.
pub async fn create(target: &Target<'_>, region: Option<&RegionName>) -> Result<(), CallError> {
    // S3 takes no location constraint for its oldest region.
    let place = region.filter(|region| region.as_str() != "us-east-1").map(|region| {
        CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(region.as_str()))
            .build()
    });
    let call =
        target.s3.create_bucket().bucket(target.name.as_str()).set_create_bucket_configuration(place).send();
    match target.call("s3:CreateBucket", call).await {
        Err(error) if !error.error.is("BucketAlreadyOwnedByYou") => Err(error),
        _ => Ok(()),
    }
}

/// Writes the named fields. Versioning and the public access block come before the mark: should the program stop in
/// between, the bucket is protected first and adopted by the next run.
///
/// What the store does not implement shows only when it is asked; a bucket `just_made` goes without, and the next plan
/// holds that field. Of one that was read before, such an answer is an error.
pub async fn write(
    target: &Target<'_>,
    wanted: &Bucket,
    fields: &[&str],
    just_made: bool,
    earlier: Option<&Environment>,
) -> Result<(), CallError> {
    let written = |result: Result<(), CallError>| match result {
        Err(error) if just_made && error.error.kind == AwsErrorKind::NotImplemented => {
            tracing::warn!("{}: {error}", target.name);
            Ok(())
        }
        result => result,
    };
    let changes = |name| fields.contains(&name);
    if changes(field::VERSIONING) && wanted.versioning == Some(Versioning::Enabled) {
        written(enable_versioning(target).await)?;
    }
    if changes(field::PUBLIC_ACCESS)
        && let Some(access) = wanted.public_access
    {
        written(put_public_access(target, access).await)?;
    }
    if changes(field::OWNER)
        && let Some(Some(owner)) = &wanted.owner
    {
        written(put_mark(target, owner, earlier).await)?;
    }
    if changes(field::ENCRYPTION)
        && let Some(encryption) = &wanted.encryption
    {
        written(put_encryption(target, encryption).await)?;
    }
    if changes(field::KEEP_VERSIONS) || changes(field::ABORT_UPLOADS) {
        written(lifecycle::write(target, wanted, fields).await)?;
    }
    if changes(field::OBJECT_LOCK)
        && let Some(lock) = &wanted.object_lock
    {
        written(object_lock::write(target, lock).await)?;
    }
    // Last of all: once the lock stands, only break-glass changes the rest.
    if changes(field::TLS_ONLY) || changes(field::VERSIONING_LOCK) {
        let filtered = changes(field::VERSIONING_LOCK) && lifecycle::read(target).await?.filter_by_tag();
        let terms = lock_terms(target, wanted, filtered);
        written(policy::write(target, wanted, fields, &terms).await)?;
    }
    Ok(())
}

async fn enable_versioning(target: &Target<'_>) -> Result<(), CallError> {
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let call = target
        .s3
        .put_bucket_versioning()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .versioning_configuration(enabled)
        .send();
    target.call("s3:PutBucketVersioning", call).await.map(drop)
}

async fn put_public_access(target: &Target<'_>, access: PublicAccess) -> Result<(), CallError> {
    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(access.block_acls)
        .ignore_public_acls(access.ignore_acls)
        .block_public_policy(access.block_policy)
        .restrict_public_buckets(access.restrict_buckets)
        .build();
    let call = target
        .s3
        .put_public_access_block()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .public_access_block_configuration(block)
        .send();
    target.call("s3:PutBucketPublicAccessBlock", call).await.map(drop)
}

async fn put_mark(
    target: &Target<'_>,
    owner: &Environment,
    earlier: Option<&Environment>,
) -> Result<(), CallError> {
    let mut tags = tags(target).await?;
    // Another environment may have been quicker since this was planned: the first to mark it owns it.
    if let Some(other) = mark(&tags)?.filter(|other| other != owner && Some(other) != earlier) {
        let message = format!("environment {other} has marked it meanwhile: it is theirs; plan again");
        return Err(unusable("s3:PutBucketTagging", message));
    }
    tags.retain(|tag| tag.key() != MARK);
    let tagging = Tag::builder()
        .key(MARK)
        .value(owner.as_str())
        .build()
        .and_then(|mark| Tagging::builder().set_tag_set(Some(tags)).tag_set(mark).build());
    let tagging = built("s3:PutBucketTagging", tagging)?;
    let call = target
        .s3
        .put_bucket_tagging()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .tagging(tagging)
        .send();
    target.call("s3:PutBucketTagging", call).await.map(drop)
}

async fn put_encryption(target: &Target<'_>, encryption: &Encryption) -> Result<(), CallError> {
    const ACTION: &str = "s3:PutEncryptionConfiguration";
    let (algorithm, key) = match encryption {
        Encryption::Aes256 => (ServerSideEncryption::Aes256, None),
        Encryption::Kms(key) => (ServerSideEncryption::AwsKms, key.clone()),
        Encryption::KmsDouble(key) => (ServerSideEncryption::AwsKmsDsse, key.clone()),
        // Never desired: settings cannot say these.
        Encryption::None | Encryption::Unrecognised(_) => return Ok(()),
    };
    let default =
        ServerSideEncryptionByDefault::builder().sse_algorithm(algorithm).set_kms_master_key_id(key).build();
    let mut rule =
        ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(built(ACTION, default)?);
    // The bucket key saves calls to KMS; whoever chose it keeps the choice, and so does who blocked a kind of
    // encryption beside it.
    if let Some(present) = encryption_rule(target).await? {
        rule = rule
            .set_bucket_key_enabled(present.bucket_key_enabled)
            .set_blocked_encryption_types(present.blocked_encryption_types);
    }
    let configuration = ServerSideEncryptionConfiguration::builder().rules(rule.build()).build();
    let call = target
        .s3
        .put_bucket_encryption()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .server_side_encryption_configuration(built(ACTION, configuration)?)
        .send();
    target.call(ACTION, call).await.map(drop)
}

/// A request that the SDK would not build is told like one that the service refused.
fn built<T>(action: &'static str, result: Result<T, aws_sdk_s3::error::BuildError>) -> Result<T, CallError> {
    result.map_err(|error| unusable(action, error.to_string()))
}

/// An answer, or a request, that cannot be used although nobody refused it.
fn unusable(action: &'static str, message: String) -> CallError {
    CallError::unusable(action, message)
}
