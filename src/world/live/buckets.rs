//! Buckets of the live world: who is calling, which buckets there are, what each is like.

use std::collections::BTreeMap;

use super::{LiveWorld, all};
use crate::clients::aws::Aws;
use crate::clients::aws_error::{AwsError, AwsErrorKind, aws_error};
use crate::plan::{Action, Answer, Change};
use crate::resources::bucket::live::{self as bucket, Target};
use crate::resources::{Bucket, Resource};
use crate::retention::versions::{LossMeter, Version};
use crate::state::{Caller, Owner, Sighting};
use crate::vocab::{AccountId, BucketName, Clock, Id, KeepVersions, RegionName};

/// What the account's own list of buckets says.
#[derive(Debug)]
pub(super) enum Listing {
    /// Every bucket of the account, with its region where the store tells it.
    Complete(BTreeMap<String, Option<RegionName>>),
    /// The list may not be read.
    Refused,
    NotAsked,
}

/// Asks STS who is calling. A store that is not AWS's has no STS.
pub(super) async fn caller(aws: &Aws) -> Caller {
    let region = aws.region();
    if !aws.is_aws() {
        return Caller { endpoint: aws.endpoint().map(str::to_owned), region, ..Caller::default() };
    }
    match aws.sts().get_caller_identity().send().await {
        Ok(identity) => {
            let arn = identity.arn().unwrap_or_default();
            let mut parts = arn.splitn(6, ':').skip(1);
            Caller {
                account: identity.account().and_then(|account| account.parse().ok()),
                partition: parts.next().map(str::to_owned),
                identity: parts.nth(3).map(identity_words),
                endpoint: None,
                region,
                unknown: None,
            }
        }
        Err(error) => {
            let why = format!("sts:GetCallerIdentity: {}", with_help(&aws_error(&error)));
            Caller { region, unknown: Some(why), ..Caller::default() }
        }
    }
}

/// `assumed-role/Role/session` is the role to everybody who judges it; the session's name changes with every login.
fn identity_words(resource: &str) -> String {
    match resource.strip_prefix("assumed-role/") {
        Some(rest) => format!("role/{}", rest.split('/').next().unwrap_or(rest)),
        None => resource.to_owned(),
    }
}

impl LiveWorld {
    pub(super) async fn observe_buckets(
        &self,
        account: Option<&AccountId>,
        buckets: Vec<(&Id, &Bucket)>,
    ) -> BTreeMap<Id, Sighting> {
        if buckets.is_empty() {
            return BTreeMap::new();
        }
        if let Some(why) = self.nothing_may_be_asked(account) {
            return buckets.into_iter().map(|(id, _)| (id.clone(), Sighting::Unknown(why.clone()))).collect();
        }
        let listing = match self.list().await {
            Ok(listing) => listing,
            // Who does not answer one question will not answer a thousand.
            Err(error) => {
                let why = with_help(&error);
                let unknown = |(id, _): (&Id, &Bucket)| (id.clone(), Sighting::Unknown(why.clone()));
                return buckets.into_iter().map(unknown).collect();
            }
        };
        let listing = &listing;
        let sightings = all(buckets, self.parallel, |(id, like)| async move {
            (id.clone(), Box::pin(self.sight_bucket(id, like, listing)).await)
        });
        sightings.await.into_iter().collect()
    }

    /// In the wrong account, or without knowing in which, not one call is made.
    pub(super) fn nothing_may_be_asked(&self, declared: Option<&AccountId>) -> Option<String> {
        if let Some(why) = &self.caller.unknown {
            return Some(why.clone());
        }
        match (declared, &self.caller.account) {
            (Some(declared), actual) if actual.as_ref() != Some(declared) => Some(
                "not looked at: the credentials belong to another account than backups.account".to_owned(),
            ),
            _ => None,
        }
    }

    /// The account's buckets; an error where nobody answers, or nobody is known to be asking.
    pub(super) async fn list(&self) -> Result<Listing, AwsError> {
        let mut buckets = BTreeMap::new();
        // AWS tells regions, and lists accounts of many buckets at all, only where pages are asked for
        // (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html>).
        let page_size = self.aws.is_aws().then_some(1000);
        let mut pages = self.aws.s3(None).list_buckets().set_max_buckets(page_size).into_paginator().send();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => buckets.extend(page.buckets().iter().filter_map(|bucket| {
                    let region = bucket.bucket_region().and_then(|region| region.parse().ok());
                    Some((bucket.name()?.to_owned(), region))
                })),
                Err(error) => match aws_error(&error) {
                    error
                        if matches!(error.kind, AwsErrorKind::Unreachable | AwsErrorKind::NoCredentials) =>
                    {
                        return Err(error);
                    }
                    error => {
                        tracing::info!("the account's buckets cannot be listed: {error}");
                        return Ok(Listing::Refused);
                    }
                },
            }
        }
        Ok(Listing::Complete(buckets))
    }

    pub(super) async fn sight_bucket(&self, id: &Id, like: &Bucket, listing: &Listing) -> Sighting {
        let Ok(name) = id.name().parse::<BucketName>() else {
            return Sighting::Unknown(format!("{id} names no bucket"));
        };
        let region = match listing {
            Listing::Complete(buckets) if let Some(Some(region)) = buckets.get(name.as_str()) => {
                Ok(Some(region.clone()))
            }
            _ => self.locate(&name, like.region.as_ref()).await,
        };
        let region = match region {
            Ok(region) => region,
            Err(error) => return unseen(&error, &name, listing),
        };
        let s3 = self.aws.s3(region.as_ref().or(like.region.as_ref()));
        match bucket::read(&self.target(&s3, &name), region, like).await {
            Ok(found) if found.mark.as_ref() == Some(&self.environment) => {
                Sighting::Ours(Resource::Bucket(found.thing))
            }
            Ok(found) => match found.mark {
                // An earlier name of this environment's: the plan shows whose it was and becomes.
                Some(other) if self.previous.contains(&other) => {
                    Sighting::Unmarked(Resource::Bucket(found.thing))
                }
                Some(other) => Sighting::Foreign(Owner::Environment(other)),
                // A store without tags cannot mark: what is there is ours to manage.
                None if found.thing.owner.is_none() => Sighting::Ours(Resource::Bucket(found.thing)),
                None => Sighting::Unmarked(Resource::Bucket(found.thing)),
            },
            Err(error) if error.error.is("NoSuchBucket") => Sighting::Absent,
            Err(error) => Sighting::Unknown(error.to_string()),
        }
    }

    /// Asks for one bucket alone: `Ok` where it is ours to look at, with its region if the store tells one.
    pub(super) async fn locate(
        &self,
        name: &BucketName,
        hint: Option<&RegionName>,
    ) -> Result<Option<RegionName>, AwsError> {
        let head = |region: Option<&RegionName>| {
            let client = self.aws.s3(region);
            async move {
                let _permit = self.gate.acquire().await.ok();
                let call = client.head_bucket().bucket(name.as_str());
                call.set_expected_bucket_owner(self.expected_owner())
                    .send()
                    .await
                    .map_err(|error| aws_error(&error))
            }
        };
        let answer = match head(hint).await {
            Err(AwsError { kind: AwsErrorKind::WrongRegion(Some(region)), .. }) => head(Some(&region)).await,
            answer => answer,
        };
        answer.map(|answer| answer.bucket_region().and_then(|region| region.parse().ok()))
    }

    pub(super) fn expected_owner(&self) -> Option<String> {
        self.caller.account.as_ref().map(AccountId::to_string)
    }

    pub(super) fn target<'a>(&'a self, s3: &'a aws_sdk_s3::Client, name: &'a BucketName) -> Target<'a> {
        Target {
            s3,
            name,
            account: self.caller.account.as_ref(),
            partition: self.caller.partition.as_deref().unwrap_or("aws"),
            gate: &self.gate,
        }
    }

    pub(super) async fn write_bucket(&self, change: &Change) -> Result<(), String> {
        let (Ok(name), Some(Resource::Bucket(wanted))) = (change.id.name().parse(), &change.desired) else {
            return Err(format!("{} is no bucket that may be written", change.id));
        };
        let present = match &change.observed {
            Some(Resource::Bucket(present)) => Some(present),
            _ => None,
        };
        let earlier = present.and_then(|present| present.owner.as_ref()?.as_ref());
        let region = present.and_then(|present| present.region.as_ref()).or(wanted.region.as_ref());
        let s3 = self.aws.s3(region);
        let target = self.target(&s3, &name);
        let just_made = change.action == Action::Create;
        if just_made {
            bucket::create(&target, region).await.map_err(|error| error.to_string())?;
        }
        let fields: Vec<&str> = change.fields.iter().map(|field| field.field.as_str()).collect();
        bucket::write(&target, wanted, &fields, just_made, earlier).await.map_err(|error| error.to_string())
    }

    /// Which versions a shorter rule would remove: the listing is read as it comes and not kept.
    pub(super) async fn lost_versions(
        &self,
        name: &BucketName,
        prefix: &str,
        old: Option<KeepVersions>,
        new: KeepVersions,
    ) -> Answer {
        let region = match self.locate(name, None).await {
            Ok(region) => region,
            Err(error) => return Answer::Unknown(error.to_string()),
        };
        let s3 = self.aws.s3(region.as_ref());
        let mut meter = LossMeter::new(name.as_str(), old, new, self.clock.now());
        let mut markers: (Option<String>, Option<String>) = (None, None);
        loop {
            let call = s3
                .list_object_versions()
                .bucket(name.as_str())
                .prefix(prefix)
                .set_expected_bucket_owner(self.expected_owner())
                .set_key_marker(markers.0.take())
                .set_version_id_marker(markers.1.take());
            let page = match call.send().await {
                Ok(page) => page,
                Err(error) => {
                    return Answer::Unknown(format!("s3:ListBucketVersions: {}", aws_error(&error)));
                }
            };
            // What lies beside a backup, its manifest and its proofs, goes with it and is none.
            let backups =
                versions_of(&page, &self.clock).into_iter().filter(|one| !one.key.ends_with(".json"));
            backups.for_each(|version| meter.see(version));
            match (page.is_truncated(), page.next_key_marker) {
                (Some(true), key @ Some(_)) => markers = (key, page.next_version_id_marker),
                _ => return Answer::Lost(meter.finish()),
            }
        }
    }
}

/// The versions and delete markers of a page in one list: by key, and within a key the newest first.
fn versions_of(
    page: &aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput,
    clock: &Clock,
) -> Vec<Version> {
    let time = |time: Option<&aws_sdk_s3::primitives::DateTime>| {
        let time = time.and_then(|time| chrono::DateTime::from_timestamp(time.secs(), time.subsec_nanos()));
        time.unwrap_or_else(|| clock.now())
    };
    let objects = page.versions().iter().map(|version| Version {
        key: version.key().unwrap_or_default().to_owned(),
        version_id: version.version_id().unwrap_or("null").to_owned(),
        latest: version.is_latest().unwrap_or(false),
        delete_marker: false,
        modified: time(version.last_modified()),
        bytes: version.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
    });
    let markers = page.delete_markers().iter().map(|marker| Version {
        key: marker.key().unwrap_or_default().to_owned(),
        version_id: marker.version_id().unwrap_or("null").to_owned(),
        latest: marker.is_latest().unwrap_or(false),
        delete_marker: true,
        modified: time(marker.last_modified()),
        bytes: 0,
    });
    let mut versions: Vec<Version> = objects.chain(markers).collect();
    versions
        .sort_by(|a, b| a.key.cmp(&b.key).then(b.latest.cmp(&a.latest)).then(b.modified.cmp(&a.modified)));
    versions
}

/// What it means that one bucket cannot be looked at: 404 is absent; 403 and not in a complete listing is somebody
/// else's; 403 otherwise is unknown.
pub(super) fn unseen(error: &AwsError, name: &BucketName, listing: &Listing) -> Sighting {
    match (&error.kind, listing) {
        (AwsErrorKind::NotFound, _) => Sighting::Absent,
        (AwsErrorKind::Denied, Listing::Complete(buckets)) if !buckets.contains_key(name.as_str()) => {
            Sighting::Foreign(Owner::Account)
        }
        _ => Sighting::Unknown(format!("s3:ListBucket on {name}: {}", with_help(error))),
    }
}

/// What went wrong, and what to do.
pub(super) fn with_help(error: &AwsError) -> String {
    match error.help() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_its_role() {
        assert_eq!(identity_words("assumed-role/backup-operator/alice"), "role/backup-operator");
        assert_eq!(identity_words("user/x"), "user/x");
        assert_eq!(identity_words("root"), "root");
    }

    #[test]
    fn a_bucket_that_nobody_lets_us_see_is_foreign_only_if_the_listing_is_complete() {
        let name: BucketName = "a-bucket".parse().expect("valid");
        let denied = AwsError {
            kind: AwsErrorKind::Denied,
            code: None,
            message: String::new(),
            request_id: None,
            status: Some(403),
        };
        let listed = Listing::Complete(BTreeMap::from([("a-bucket".to_owned(), None)]));
        assert_eq!(
            unseen(&denied, &name, &Listing::Complete(BTreeMap::new())),
            Sighting::Foreign(Owner::Account)
        );
        assert!(matches!(unseen(&denied, &name, &listed), Sighting::Unknown(_)));
        assert!(matches!(unseen(&denied, &name, &Listing::Refused), Sighting::Unknown(_)));
        let gone = AwsError { kind: AwsErrorKind::NotFound, ..denied };
        assert_eq!(unseen(&gone, &name, &Listing::Refused), Sighting::Absent);
    }
}
