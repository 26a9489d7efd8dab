//! Buckets themselves: made, found, listed, removed.

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use reconcile::clients::aws_error::AwsErrorKind;

use super::{Cloud, assert_code, bucket, cases, fresh, refused};

cases!("buckets":
    a_bucket_is_made_and_found,
    a_bucket_of_another_region_is_made_there,
    the_region_must_fit_the_address,
    a_bucket_that_is_not_there,
    bad_names_are_refused,
    a_bucket_made_twice,
    a_bucket_answers_only_in_its_region,
    another_owner_is_expected,
    buckets_are_listed_in_pages,
    an_empty_bucket_is_removed,
    a_bucket_that_holds_versions_stays,
    the_caller_is_known,
);

fn london() -> CreateBucketConfiguration {
    CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuWest2).build()
}

async fn a_bucket_is_made_and_found(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let head = cloud.s3.head_bucket().bucket(&name).send().await.expect("found");
    assert_eq!(head.bucket_region(), Some("us-east-1"));
}

async fn a_bucket_of_another_region_is_made_there(cloud: Cloud) {
    let name = fresh("london");
    cloud
        .london
        .create_bucket()
        .bucket(&name)
        .create_bucket_configuration(london())
        .send()
        .await
        .expect("made");
    let head = cloud.london.head_bucket().bucket(&name).send().await.expect("found");
    assert_eq!(head.bucket_region(), Some("eu-west-2"));
    let location = cloud.london.get_bucket_location().bucket(&name).send().await.expect("a location");
    assert_eq!(location.location_constraint(), Some(&BucketLocationConstraint::EuWest2));
}

async fn the_region_must_fit_the_address(cloud: Cloud) {
    let unsaid = refused(cloud.london.create_bucket().bucket(fresh("unsaid")).send().await);
    assert_code(&unsaid, 400, "IllegalLocationConstraintException");
    let paris =
        CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuWest3).build();
    let create = cloud.london.create_bucket().bucket(fresh("paris")).create_bucket_configuration(paris);
    assert_code(&refused(create.send().await), 400, "IllegalLocationConstraintException");
}

async fn a_bucket_that_is_not_there(cloud: Cloud) {
    let name = fresh("nowhere");
    let head = refused(cloud.s3.head_bucket().bucket(&name).send().await);
    assert_eq!((head.status, head.kind), (Some(404), AwsErrorKind::NotFound));
    assert_code(&refused(cloud.s3.get_bucket_versioning().bucket(&name).send().await), 404, "NoSuchBucket");
    assert_code(&refused(cloud.s3.list_objects_v2().bucket(&name).send().await), 404, "NoSuchBucket");
    assert_code(&refused(cloud.s3.get_object().bucket(&name).key("k").send().await), 404, "NoSuchBucket");
    assert_code(&refused(cloud.s3.delete_bucket().bucket(&name).send().await), 404, "NoSuchBucket");
}

async fn bad_names_are_refused(cloud: Cloud) {
    for name in ["ab", "UPPER-case-name", "under_score", "ends-with-dash-"] {
        assert_code(&refused(cloud.s3.create_bucket().bucket(name).send().await), 400, "InvalidBucketName");
    }
}

/// The first region keeps a legacy: there making one's own bucket again succeeds.
async fn a_bucket_made_twice(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    cloud.s3.create_bucket().bucket(&name).send().await.expect("in us-east-1 nothing happens");
    let name = fresh("twice");
    let create = || cloud.london.create_bucket().bucket(&name).create_bucket_configuration(london()).send();
    create().await.expect("made");
    assert_code(&refused(create().await), 409, "BucketAlreadyOwnedByYou");
}

async fn a_bucket_answers_only_in_its_region(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let error = refused(cloud.london.list_objects_v2().bucket(&name).send().await);
    assert_eq!(error.kind, AwsErrorKind::WrongRegion("us-east-1".parse().ok()), "{error}");
    let error = refused(cloud.london.head_bucket().bucket(&name).send().await);
    assert_eq!(error.kind, AwsErrorKind::WrongRegion("us-east-1".parse().ok()), "{error}");
}

async fn another_owner_is_expected(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let ours = cloud.sts.get_caller_identity().send().await.expect("a caller");
    let ours = ours.account().expect("an account");
    cloud.s3.head_bucket().bucket(&name).expected_bucket_owner(ours).send().await.expect("ours");
    let get = cloud.s3.list_objects_v2().bucket(&name).expected_bucket_owner("999999999999");
    assert_code(&refused(get.send().await), 403, "AccessDenied");
    let put = cloud.s3.put_object().bucket(&name).key("k").expected_bucket_owner("999999999999");
    assert_code(&refused(put.send().await), 403, "AccessDenied");
}

async fn buckets_are_listed_in_pages(cloud: Cloud) {
    let prefix = fresh("page");
    let names: Vec<String> = ["a", "b", "c"].map(|last| format!("{prefix}-{last}")).to_vec();
    for name in &names {
        cloud.s3.create_bucket().bucket(name).send().await.expect("made");
    }
    let mut pages = cloud.s3.list_buckets().prefix(&prefix).max_buckets(2).into_paginator().send();
    let mut sizes = Vec::new();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        sizes.push(page.buckets().len());
        found.extend(page.buckets().iter().map(|bucket| {
            (
                bucket.name().unwrap_or_default().to_owned(),
                bucket.bucket_region().unwrap_or_default().to_owned(),
            )
        }));
    }
    let expected: Vec<(String, String)> =
        names.into_iter().map(|name| (name, "us-east-1".to_owned())).collect();
    assert_eq!((sizes, found), (vec![2, 1], expected));
}

async fn an_empty_bucket_is_removed(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    cloud.s3.delete_bucket().bucket(&name).send().await.expect("removed");
    assert_eq!(refused(cloud.s3.head_bucket().bucket(&name).send().await).status, Some(404));
}

/// A delete marker is a version too.
async fn a_bucket_that_holds_versions_stays(cloud: Cloud) {
    let name = super::versioned_bucket(&cloud.s3).await;
    cloud.s3.delete_object().bucket(&name).key("never-written").send().await.expect("a delete marker");
    assert_code(&refused(cloud.s3.delete_bucket().bucket(&name).send().await), 409, "BucketNotEmpty");
}

async fn the_caller_is_known(cloud: Cloud) {
    let caller = cloud.sts.get_caller_identity().send().await.expect("a caller");
    assert_eq!(caller.account().map(str::len), Some(12));
    assert!(caller.arn().is_some_and(|arn| arn.starts_with("arn:aws:")), "{caller:?}");
}
