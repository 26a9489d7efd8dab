//! Buckets and their settings.

use std::collections::BTreeMap;

use aws_smithy_types::body::SdkBody;
use serde::de::DeserializeOwned;

use super::documents::{
    CreateBucketConfiguration, Encryption, OwnershipControls, PublicAccessBlock, Tagging,
    VersioningConfiguration,
};
use super::lifecycle::Lifecycle;
use super::{BucketRequest, Request, access_denied, instant, invalid_argument, policy};
use crate::sandbox::http::{Answer, Refusal};
use crate::sandbox::records::{Bucket, Document};
use crate::sandbox::xml::{self, Xml};
use crate::vocab::{BucketName, Versioning};

/// Buckets of one page, unless the caller asks for fewer.
const LARGEST_PAGE: usize = 10_000;

/// A bucket's policy may have 20 KiB
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html>).
const LARGEST_POLICY: usize = 20 * 1024;

/// Says that the caller knows that it locks itself out
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html>).
const CONFIRM: &str = "x-amz-confirm-remove-self-bucket-access";

type Outcome = Result<Answer, Refusal>;

pub(super) fn list(request: Request<'_>, _: Option<&str>) -> Outcome {
    let call = request.call;
    let most = match call.param("max-buckets") {
        None => LARGEST_PAGE,
        Some(text) => {
            text.parse().ok().filter(|most| (1..=LARGEST_PAGE).contains(most)).ok_or_else(|| {
                invalid_argument("Argument max-buckets must be 1 to 10000", "max-buckets", text)
            })?
        }
    };
    let after = call.param("continuation-token").unwrap_or_default();
    let prefix = call.param("prefix").unwrap_or_default();
    let region = call.param("bucket-region");
    // AWS tells a bucket's region only where the request has a parameter.
    let tells_region = ["max-buckets", "continuation-token", "prefix", "bucket-region"]
        .into_iter()
        .any(|parameter| call.param(parameter).is_some());
    let mut page: Vec<(String, String, String)> = Vec::new();
    let mut more = false;
    for name in request.s3.store.buckets()? {
        if name.as_str() <= after || !name.starts_with(prefix) {
            continue;
        }
        let Some(bucket) = request.s3.store.bucket(&name)? else { continue };
        if region.is_some_and(|region| region != bucket.region) {
            continue;
        }
        if page.len() == most {
            more = true;
            break;
        }
        page.push((name, bucket.region.clone(), instant(bucket.created)));
    }
    let account = &request.s3.account;
    Ok(Answer::xml(Xml::s3("ListAllMyBucketsResult", |result| {
        result.element("Owner", |owner| {
            owner.text("ID", policy::canonical_id(account));
        });
        result.element("Buckets", |buckets| {
            for (name, region, created) in &page {
                buckets.element("Bucket", |bucket| {
                    bucket.text("Name", name).text("CreationDate", created);
                    if tells_region {
                        bucket.text("BucketRegion", region);
                    }
                });
            }
        });
        if more && let Some((last, ..)) = page.last() {
            result.text("ContinuationToken", last);
        }
    })))
}

pub(super) fn create(request: Request<'_>, name: Option<&str>) -> Outcome {
    let name = name.unwrap_or_default();
    name.parse::<BucketName>().map_err(|error| {
        Refusal::new(400, "InvalidBucketName", format!("The specified bucket is not valid: {error}"))
            .detail("BucketName", name)
    })?;
    let document = request.received.document();
    let configuration: CreateBucketConfiguration =
        if document.is_empty() { CreateBucketConfiguration::default() } else { xml::parse(document)? };
    let region = location(configuration.location.as_deref(), &request.region)?;
    if request.s3.foreign.contains(name) {
        return Err(Refusal::new(
            409,
            "BucketAlreadyExists",
            "The requested bucket name is not available. The bucket namespace is shared by all users of the \
             system. Please select a different name and try again.",
        )
        .detail("BucketName", name));
    }
    let object_lock = match request.call.header("x-amz-bucket-object-lock-enabled") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            return Err(invalid_argument(
                "expected true or false",
                "x-amz-bucket-object-lock-enabled",
                other,
            ));
        }
    };
    if let Some(existing) = request.s3.store.bucket(name)? {
        // A legacy of the first region: there making a bucket again succeeds and changes nothing
        // (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html, BucketAlreadyOwnedByYou).
        if existing.region == "us-east-1" && region == "us-east-1" && existing.object_lock == object_lock {
            return Ok(created(name));
        }
        return Err(Refusal::new(
            409,
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
        )
        .detail("BucketName", name));
    }
    let mut documents = BTreeMap::from([
        (Document::PublicAccessBlock, PublicAccessBlock::all().render()?),
        (Document::Encryption, Encryption::fresh().render()?),
        (
            Document::Ownership,
            OwnershipControls::of(
                request.call.header("x-amz-object-ownership").unwrap_or("BucketOwnerEnforced"),
            )?
            .render()?,
        ),
    ]);
    if let Some(tags) = configuration.tags {
        documents.insert(Document::Tagging, Tagging::of(tags).checked(50)?.render()?);
    }
    let bucket = Bucket {
        region,
        created: request.now,
        object_lock,
        versioning: if object_lock { Versioning::Enabled } else { Versioning::Never },
        documents,
    };
    request.s3.store.put_bucket(name, bucket)?;
    Ok(created(name))
}

fn created(name: &str) -> Answer {
    Answer::empty(200).with("location", format!("/{name}"))
}

/// The first region makes buckets anywhere; the others only at home, and they want to be told so
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html>).
fn location(constraint: Option<&str>, region: &str) -> Result<String, Refusal> {
    let illegal = |constraint: &str| {
        Refusal::new(
            400,
            "IllegalLocationConstraintException",
            format!(
                "The {constraint} location constraint is incompatible for the region specific endpoint this \
                 request was sent to."
            ),
        )
    };
    match (constraint, region) {
        (None, "us-east-1") => Ok(region.to_owned()),
        (Some("us-east-1"), _) => Err(Refusal::new(
            400,
            "InvalidLocationConstraint",
            "The specified location-constraint is not valid",
        )
        .detail("LocationConstraint", "us-east-1")),
        (Some("EU"), "us-east-1" | "eu-west-1") => Ok("eu-west-1".to_owned()),
        (Some(other), "us-east-1") => Ok(other.to_owned()),
        (Some(same), region) if same == region => Ok(region.to_owned()),
        (None, _) => Err(illegal("unspecified")),
        (Some(other), _) => Err(illegal(other)),
    }
}

pub(super) fn head(request: BucketRequest<'_>) -> Outcome {
    Ok(Answer::empty(200)
        .with("x-amz-bucket-region", &request.bucket.region)
        .with("x-amz-access-point-alias", "false"))
}

pub(super) fn delete(request: BucketRequest<'_>) -> Outcome {
    if !request.store.keys(request.name)?.is_empty() {
        let message =
            "The bucket you tried to delete is not empty. You must delete all versions in the bucket.";
        return Err(Refusal::new(409, "BucketNotEmpty", message).detail("BucketName", request.name));
    }
    for upload in request.store.uploads(request.name)? {
        for part in request.store.parts(request.name, &upload.id)? {
            request.store.remove_blob(&part.blob)?;
        }
    }
    request.store.remove_bucket(request.name)?;
    Ok(Answer::empty(204))
}

pub(super) fn get_location(request: BucketRequest<'_>) -> Outcome {
    let region = request.bucket.region.as_str();
    let constraint = if region == "us-east-1" { "" } else { region };
    let namespace = "http://s3.amazonaws.com/doc/2006-03-01/";
    Ok(Answer::xml(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint xmlns=\"{namespace}\">{constraint}\
         </LocationConstraint>"
    )))
}

pub(super) fn get_versioning(request: BucketRequest<'_>) -> Outcome {
    Ok(Answer::xml(Xml::s3("VersioningConfiguration", |configuration| match request.bucket.versioning {
        Versioning::Never => {}
        Versioning::Enabled => {
            configuration.text("Status", "Enabled");
        }
        Versioning::Suspended => {
            configuration.text("Status", "Suspended");
        }
    })))
}

pub(super) fn put_versioning(request: BucketRequest<'_>) -> Outcome {
    let versioning = request.parse::<VersioningConfiguration>()?.status()?;
    if request.bucket.object_lock && versioning != Versioning::Enabled {
        return Err(Refusal::new(
            409,
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        ));
    }
    request.change(|bucket| bucket.versioning = versioning)?;
    Ok(Answer::empty(200))
}

const TRANSITION_SIZE: &str = "x-amz-transition-default-minimum-object-size";

pub(super) fn get_lifecycle(request: BucketRequest<'_>) -> Outcome {
    let size = request.bucket.documents.get(&Document::TransitionSize).cloned();
    let answer = request.document(
        Document::Lifecycle,
        "NoSuchLifecycleConfiguration",
        "The lifecycle configuration does not exist",
    )?;
    Ok(answer.with(TRANSITION_SIZE, size.unwrap_or_else(|| "all_storage_classes_128K".to_owned())))
}

pub(super) fn put_lifecycle(request: BucketRequest<'_>) -> Outcome {
    let document = request.parse::<Lifecycle>()?.checked()?.render()?;
    let size = request.call.header(TRANSITION_SIZE).unwrap_or("all_storage_classes_128K").to_owned();
    if !["all_storage_classes_128K", "varies_by_storage_class"].contains(&size.as_str()) {
        return Err(invalid_argument("no such minimum size", TRANSITION_SIZE, &size));
    }
    request.change(|bucket| {
        bucket.documents.insert(Document::Lifecycle, document);
        bucket.documents.insert(Document::TransitionSize, size.clone());
    })?;
    Ok(Answer::empty(200).with(TRANSITION_SIZE, size))
}

pub(super) fn delete_lifecycle(request: BucketRequest<'_>) -> Outcome {
    request.change(|bucket| {
        bucket.documents.remove(&Document::Lifecycle);
        bucket.documents.remove(&Document::TransitionSize);
    })?;
    Ok(Answer::empty(204))
}

pub(super) fn get_encryption(request: BucketRequest<'_>) -> Outcome {
    request.document(
        Document::Encryption,
        "ServerSideEncryptionConfigurationNotFoundError",
        "The server side encryption configuration was not found",
    )
}

pub(super) fn put_encryption(request: BucketRequest<'_>) -> Outcome {
    let document = request.parse::<Encryption>()?.checked()?.render()?;
    request.put(Document::Encryption, document)
}

/// Back to what a fresh bucket has: since 2023 every bucket encrypts
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html>).
pub(super) fn delete_encryption(request: BucketRequest<'_>) -> Outcome {
    let fresh = Encryption::fresh().render()?;
    request.change(|bucket| {
        bucket.documents.insert(Document::Encryption, fresh);
    })?;
    Ok(Answer::empty(204))
}

pub(super) fn get_public_access_block(request: BucketRequest<'_>) -> Outcome {
    request.document(
        Document::PublicAccessBlock,
        "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found",
    )
}

pub(super) fn put_public_access_block(request: BucketRequest<'_>) -> Outcome {
    let document = request.parse::<PublicAccessBlock>()?.render()?;
    request.put(Document::PublicAccessBlock, document)
}

pub(super) fn delete_public_access_block(request: BucketRequest<'_>) -> Outcome {
    request.remove(Document::PublicAccessBlock)
}

pub(super) fn get_policy(request: BucketRequest<'_>) -> Outcome {
    match request.bucket.documents.get(&Document::Policy) {
        Some(policy) => Ok(Answer { body: SdkBody::from(policy.clone()), ..Answer::empty(200) }
            .with("content-type", "application/json")),
        None => Err(Refusal::new(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
            .detail("BucketName", request.name)),
    }
}

pub(super) fn put_policy(request: BucketRequest<'_>) -> Outcome {
    let text = request.received.document();
    if text.len() > LARGEST_POLICY {
        return Err(Refusal::new(400, "PolicyTooLarge", "Policies must be 20 KB or smaller."));
    }
    let policy = policy::read(text, request.name)?;
    let blocked = |flag: fn(&PublicAccessBlock) -> bool| -> Result<bool, Refusal> {
        match request.bucket.documents.get(&Document::PublicAccessBlock) {
            Some(document) => Ok(flag(&xml::parse(document.as_bytes())?)),
            None => Ok(false),
        }
    };
    if policy.public && blocked(PublicAccessBlock::blocks_public_policy)? {
        return Err(access_denied());
    }
    policy::check_principals(&policy, request.guard.iam())?;
    let confirmed = request.call.header(CONFIRM).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !confirmed && !request.may_write_policy(&policy.text)? {
        return Err(Refusal::new(
            400,
            "MalformedPolicy",
            format!(
                "The new bucket policy will not allow you to update the bucket policy in the future. Confirm it with \
                 {CONFIRM}."
            ),
        ));
    }
    request.change(|bucket| {
        bucket.documents.insert(Document::Policy, policy.text);
    })?;
    Ok(Answer::empty(204))
}

pub(super) fn delete_policy(request: BucketRequest<'_>) -> Outcome {
    request.remove(Document::Policy)
}

pub(super) fn get_tagging(request: BucketRequest<'_>) -> Outcome {
    request.document(Document::Tagging, "NoSuchTagSet", "The TagSet does not exist")
}

pub(super) fn put_tagging(request: BucketRequest<'_>) -> Outcome {
    let document = request.parse::<Tagging>()?.checked(50)?.render()?;
    request.change(|bucket| {
        bucket.documents.insert(Document::Tagging, document);
    })?;
    Ok(Answer::empty(204))
}

pub(super) fn delete_tagging(request: BucketRequest<'_>) -> Outcome {
    request.remove(Document::Tagging)
}

pub(super) fn get_ownership(request: BucketRequest<'_>) -> Outcome {
    request.document(
        Document::Ownership,
        "OwnershipControlsNotFoundError",
        "The bucket ownership controls were not found",
    )
}

pub(super) fn put_ownership(request: BucketRequest<'_>) -> Outcome {
    let document = request.parse::<OwnershipControls>()?.checked()?.render()?;
    request.put(Document::Ownership, document)
}

/// Whether the policy is a public one
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicyStatus.html>).
pub(super) fn get_policy_status(request: BucketRequest<'_>) -> Outcome {
    let Some(text) = request.bucket.documents.get(&Document::Policy) else {
        return Err(Refusal::new(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
            .detail("BucketName", request.name));
    };
    let public = policy::read(text.as_bytes(), request.name)?.public;
    Ok(Answer::xml(Xml::s3("PolicyStatus", |status| {
        status.text("IsPublic", public);
    })))
}

/// The list of a bucket with one owner: the sandbox has no other
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html>).
pub(super) fn get_acl(request: BucketRequest<'_>) -> Outcome {
    let owner = policy::canonical_id(request.account);
    Ok(Answer::xml(Xml::s3("AccessControlPolicy", |acl| {
        acl.element("Owner", |element| {
            element.text("ID", &owner);
        });
        acl.raw("<AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">");
        acl.text("ID", &owner)
            .raw("</Grantee>")
            .text("Permission", "FULL_CONTROL")
            .raw("</Grant></AccessControlList>");
    })))
}

impl BucketRequest<'_> {
    fn parse<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        xml::parse(self.received.document())
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Bucket)) -> Result<(), Refusal> {
        let mut bucket = Bucket::clone(&self.bucket);
        change(&mut bucket);
        Ok(self.store.put_bucket(self.name, bucket)?)
    }

    pub(super) fn document(&self, document: Document, code: &'static str, absent: &str) -> Outcome {
        match self.bucket.documents.get(&document) {
            Some(text) => Ok(Answer::xml(text.clone())),
            None => Err(Refusal::new(404, code, absent).detail("BucketName", self.name)),
        }
    }

    pub(super) fn put(&self, document: Document, text: String) -> Outcome {
        self.change(|bucket| {
            bucket.documents.insert(document, text);
        })?;
        Ok(Answer::empty(200))
    }

    pub(super) fn remove(&self, document: Document) -> Outcome {
        self.change(|bucket| {
            bucket.documents.remove(&document);
        })?;
        Ok(Answer::empty(204))
    }
}
