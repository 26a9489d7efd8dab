//! Objects and their versions.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode, ChecksumType, Delete, ObjectIdentifier,
    VersioningConfiguration,
};
use reconcile::clients::aws_error::AwsErrorKind;

use super::{Cloud, assert_code, bucket, cases, fresh, refused, versioned_bucket};

cases!("objects":
    an_object_is_put_and_read,
    a_key_may_hold_anything,
    a_key_may_not_be_endless,
    an_object_that_is_not_there,
    a_range_is_read,
    every_checksum_is_kept,
    a_wrong_checksum_is_refused,
    a_wrong_md5_is_refused,
    a_stream_is_put_with_a_checksum_behind_it,
    an_object_without_a_claim_has_a_checksum,
    metadata_type_and_tags_come_back,
    only_the_first_writes_if_none_match,
    only_who_read_the_current_one_writes_if_match,
    nothing_matches_where_nothing_is,
    without_versioning_a_put_replaces,
    every_put_is_a_version,
    a_delete_hides_and_a_version_delete_destroys,
    suspended_versioning_keeps_what_it_had,
    many_are_deleted_at_once,
    a_locked_bucket_wants_checksums,
    objects_are_listed_in_pages,
    objects_are_listed_in_folders,
    versions_are_listed_in_pages_from_new_to_old,
);

async fn put(s3: &Client, bucket: &str, key: &str, text: &str) -> Option<String> {
    let put = s3.put_object().bucket(bucket).key(key).body(ByteStream::from(text.as_bytes().to_vec()));
    put.send().await.expect("put").version_id
}

async fn text(s3: &Client, bucket: &str, key: &str, version: Option<&str>) -> String {
    let get = s3.get_object().bucket(bucket).key(key).set_version_id(version.map(str::to_owned));
    let body = get.send().await.expect("got").body.collect().await.expect("a body");
    String::from_utf8(body.into_bytes().to_vec()).expect("text")
}

async fn an_object_is_put_and_read(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    assert_eq!(put(&cloud.s3, &name, "k", "hello").await, None, "no version where there is no versioning");
    assert_eq!(text(&cloud.s3, &name, "k", None).await, "hello");
    let head = cloud.s3.head_object().bucket(&name).key("k").send().await.expect("found");
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""), "MD5 of the bytes");
    assert!(head.last_modified().is_some());
}

async fn a_key_may_hold_anything(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    for key in
        ["a/b//c", "sp ace", "plus+and&amp;", "ünï/çødé", "%2F", ".", "quote'\"<>", &"long/".repeat(150)]
    {
        put(&cloud.s3, &name, key, key).await;
        assert_eq!(text(&cloud.s3, &name, key, None).await, key);
        let list = cloud.s3.list_objects_v2().bucket(&name).prefix(key).send().await.expect("a list");
        assert_eq!(list.contents()[0].key(), Some(key));
    }
}

async fn a_key_may_not_be_endless(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    cloud.s3.put_object().bucket(&name).key("k".repeat(1024)).send().await.expect("the longest key");
    let error = refused(cloud.s3.put_object().bucket(&name).key("k".repeat(1025)).send().await);
    assert_code(&error, 400, "KeyTooLongError");
}

async fn an_object_that_is_not_there(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    assert_code(&refused(cloud.s3.get_object().bucket(&name).key("k").send().await), 404, "NoSuchKey");
    let head = refused(cloud.s3.head_object().bucket(&name).key("k").send().await);
    assert_eq!((head.status, head.kind), (Some(404), AwsErrorKind::NotFound));
    cloud.s3.delete_object().bucket(&name).key("k").send().await.expect("nothing to do is no failure");
}

async fn a_range_is_read(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    put(&cloud.s3, &name, "k", "0123456789").await;
    let get = cloud.s3.get_object().bucket(&name).key("k").range("bytes=2-4").send().await.expect("got");
    assert_eq!(get.content_range(), Some("bytes 2-4/10"));
    assert_eq!(get.body.collect().await.expect("a body").into_bytes().as_ref(), b"234");
    let error = refused(cloud.s3.get_object().bucket(&name).key("k").range("bytes=10-").send().await);
    assert_code(&error, 416, "InvalidRange");
}

async fn every_checksum_is_kept(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    for (algorithm, value) in [
        (ChecksumAlgorithm::Crc32, "y/Q5Jg=="),
        (ChecksumAlgorithm::Crc32C, "4waSgw=="),
        (ChecksumAlgorithm::Crc64Nvme, "rosUhgp5mIg="),
        (ChecksumAlgorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
        (ChecksumAlgorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ] {
        let body = ByteStream::from_static(b"123456789");
        let put =
            cloud.s3.put_object().bucket(&name).key("k").checksum_algorithm(algorithm.clone()).body(body);
        put.send().await.expect("put");
        let head = cloud.s3.head_object().bucket(&name).key("k").checksum_mode(ChecksumMode::Enabled);
        let head = head.send().await.expect("found");
        let kept = head
            .checksum_crc32()
            .or(head.checksum_crc32_c())
            .or(head.checksum_crc64_nvme())
            .or(head.checksum_sha1())
            .or(head.checksum_sha256());
        assert_eq!(kept, Some(value), "{algorithm:?}");
    }
}

async fn a_wrong_checksum_is_refused(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let put = cloud
        .s3
        .put_object()
        .bucket(&name)
        .key("k")
        .checksum_sha256("FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
    let error = refused(put.body(ByteStream::from_static(b"other bytes")).send().await);
    assert_code(&error, 400, "BadDigest");
    assert_code(&refused(cloud.s3.get_object().bucket(&name).key("k").send().await), 404, "NoSuchKey");
}

async fn a_wrong_md5_is_refused(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let put = cloud.s3.put_object().bucket(&name).key("k").content_md5("XUFAKrxLKna5cZ2REBfFkg==");
    assert_code(&refused(put.body(ByteStream::from_static(b"jello")).send().await), 400, "BadDigest");
}

/// A body that the SDK reads from a file goes out in frames, its checksum in a trailer.
async fn a_stream_is_put_with_a_checksum_behind_it(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(file.path(), &bytes).expect("written");
    let body = ByteStream::from_path(file.path()).await.expect("a stream");
    let put =
        cloud.s3.put_object().bucket(&name).key("k").checksum_algorithm(ChecksumAlgorithm::Crc32C).body(body);
    let put = put.send().await.expect("put");
    let get = cloud.s3.get_object().bucket(&name).key("k").checksum_mode(ChecksumMode::Enabled);
    let get = get.send().await.expect("got");
    assert_eq!(get.content_encoding(), None, "the frames are not the object's");
    assert_eq!(get.checksum_crc32_c(), put.checksum_crc32_c());
    assert!(get.checksum_crc32_c().is_some());
    assert_eq!(get.body.collect().await.expect("verified by the SDK").into_bytes(), bytes);
}

async fn an_object_without_a_claim_has_a_checksum(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let config = cloud.s3.config().to_builder();
    let config =
        config.request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired);
    let plain = Client::from_conf(config.build());
    plain
        .put_object()
        .bucket(&name)
        .key("k")
        .body(ByteStream::from_static(b"123456789"))
        .send()
        .await
        .expect("put");
    let head = cloud.s3.head_object().bucket(&name).key("k").checksum_mode(ChecksumMode::Enabled);
    let head = head.send().await.expect("found");
    assert_eq!(head.checksum_crc64_nvme(), Some("rosUhgp5mIg="));
    assert_eq!(head.checksum_type(), Some(&ChecksumType::FullObject));
}

async fn metadata_type_and_tags_come_back(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let put = cloud
        .s3
        .put_object()
        .bucket(&name)
        .key("k")
        .metadata("began", "2026-11-21")
        .content_type("application/gzip");
    put.tagging("tier=daily&note=a%20b").send().await.expect("put");
    let head = cloud.s3.head_object().bucket(&name).key("k").send().await.expect("found");
    assert_eq!(
        head.metadata().and_then(|metadata| metadata.get("began")).map(String::as_str),
        Some("2026-11-21")
    );
    assert_eq!(head.content_type(), Some("application/gzip"));
    let tags = cloud.s3.get_object_tagging().bucket(&name).key("k").send().await.expect("tags");
    let mut tags: Vec<(&str, &str)> = tags.tag_set().iter().map(|tag| (tag.key(), tag.value())).collect();
    tags.sort_unstable();
    assert_eq!(tags, [("note", "a b"), ("tier", "daily")]);
}

async fn only_the_first_writes_if_none_match(cloud: Cloud) {
    let name = versioned_bucket(&cloud.s3).await;
    let put = || cloud.s3.put_object().bucket(&name).key("k").if_none_match("*").send();
    put().await.expect("the first");
    assert_code(&refused(put().await), 412, "PreconditionFailed");
    cloud.s3.delete_object().bucket(&name).key("k").send().await.expect("hidden");
    put().await.expect("a delete marker is no object");
}

async fn only_who_read_the_current_one_writes_if_match(cloud: Cloud) {
    let name = versioned_bucket(&cloud.s3).await;
    let put = |text: &'static str, etag: String| {
        let put = cloud.s3.put_object().bucket(&name).key("k").if_match(etag);
        put.body(ByteStream::from_static(text.as_bytes())).send()
    };
    let first = cloud.s3.put_object().bucket(&name).key("k").body(ByteStream::from_static(b"first"));
    let first = first.send().await.expect("put").e_tag.expect("a tag");
    let second = put("second", first.clone()).await.expect("it is the current one").e_tag.expect("a tag");
    assert_code(&refused(put("third", first).await), 412, "PreconditionFailed");
    assert_eq!(text(&cloud.s3, &name, "k", None).await, "second");
    put("third", second).await.expect("it is the current one");
}

async fn nothing_matches_where_nothing_is(cloud: Cloud) {
    let name = versioned_bucket(&cloud.s3).await;
    let put = || cloud.s3.put_object().bucket(&name).key("k").if_match("*").send();
    assert_code(&refused(put().await), 404, "NoSuchKey");
    cloud.s3.put_object().bucket(&name).key("k").send().await.expect("put");
    cloud.s3.delete_object().bucket(&name).key("k").send().await.expect("hidden");
    assert_code(&refused(put().await), 404, "NoSuchKey");
}

async fn without_versioning_a_put_replaces(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    put(&cloud.s3, &name, "k", "old").await;
    put(&cloud.s3, &name, "k", "new").await;
    let list = cloud.s3.list_object_versions().bucket(&name).send().await.expect("a list");
    let ids: Vec<Option<&str>> = list.versions().iter().map(|version| version.version_id()).collect();
    assert_eq!(ids, [Some("null")]);
    assert_eq!(text(&cloud.s3, &name, "k", None).await, "new");
    cloud.s3.delete_object().bucket(&name).key("k").send().await.expect("gone");
    let list = cloud.s3.list_object_versions().bucket(&name).send().await.expect("a list");
    assert!(list.versions().is_empty() && list.delete_markers().is_empty());
}

async fn every_put_is_a_version(cloud: Cloud) {
    let name = versioned_bucket(&cloud.s3).await;
    let first = put(&cloud.s3, &name, "k", "first").await.expect("a version");
    let second = put(&cloud.s3, &name, "k", "second").await.expect("a version");
    assert_ne!(first, second);
    assert_eq!(text(&cloud.s3, &name, "k", None).await, "second");
    assert_eq!(text(&cloud.s3, &name, "k", Some(&first)).await, "first");
    let get = cloud.s3.get_object().bucket(&name).key("other").version_id(&first).send().await;
    assert_code(&refused(get), 404, "NoSuchVersion");
}

async fn a_delete_hides_and_a_version_delete_destroys(cloud: Cloud) {
    let name = versioned_bucket(&cloud.s3).await;
    let version = put(&cloud.s3, &name, "k", "text").await.expect("a version");
    let hidden = cloud.s3.delete_object().bucket(&name).key("k").send().await.expect("hidden");
    let marker = hidden.version_id().expect("a marker").to_owned();
    assert_eq!(hidden.delete_marker(), Some(true));
    assert_code(&refused(cloud.s3.get_object().bucket(&name).key("k").send().await), 404, "NoSuchKey");
    assert_eq!(text(&cloud.s3, &name, "k", Some(&version)).await, "text");
    let get = refused(cloud.s3.get_object().bucket(&name).key("k").version_id(&marker).send().await);
    assert_code(&get, 405, "MethodNotAllowed");

    let unhidden =
        cloud.s3.delete_object().bucket(&name).key("k").version_id(&marker).send().await.expect("back");
    assert_eq!(unhidden.delete_marker(), Some(true));
    assert_eq!(text(&cloud.s3, &name, "k", None).await, "text");
    cloud.s3.delete_object().bucket(&name).key("k").version_id(&version).send().await.expect("destroyed");
    let list = cloud.s3.list_object_versions().bucket(&name).send().await.expect("a list");
    assert!(list.versions().is_empty() && list.delete_markers().is_empty());
}

async fn suspended_versioning_keeps_what_it_had(cloud: Cloud) {
    let name = versioned_bucket(&cloud.s3).await;
    let old = put(&cloud.s3, &name, "k", "old").await.expect("a version");
    let suspended = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    let suspend = cloud.s3.put_bucket_versioning().bucket(&name).versioning_configuration(suspended);
    suspend.send().await.expect("suspended");
    put(&cloud.s3, &name, "k", "null one").await;
    put(&cloud.s3, &name, "k", "null two").await;
    assert_eq!(text(&cloud.s3, &name, "k", Some(&old)).await, "old");
    assert_eq!(text(&cloud.s3, &name, "k", Some("null")).await, "null two");
    let list = cloud.s3.list_object_versions().bucket(&name).send().await.expect("a list");
    let ids: Vec<Option<&str>> = list.versions().iter().map(|version| version.version_id()).collect();
    assert_eq!(ids, [Some("null"), Some(old.as_str())]);
}

async fn many_are_deleted_at_once(cloud: Cloud) {
    let name = versioned_bucket(&cloud.s3).await;
    let version = put(&cloud.s3, &name, "a", "x").await.expect("a version");
    put(&cloud.s3, &name, "b", "x").await;
    let object = |key: &str| ObjectIdentifier::builder().key(key);
    let order = Delete::builder()
        .objects(object("a").version_id(&version).build().expect("a key"))
        .objects(object("b").build().expect("a key"))
        .objects(object("never").build().expect("a key"))
        .build()
        .expect("an order");
    let done = cloud.s3.delete_objects().bucket(&name).delete(order).send().await.expect("deleted");
    assert_eq!((done.deleted().len(), done.errors().len()), (3, 0));
    let list = cloud.s3.list_object_versions().bucket(&name).send().await.expect("a list");
    let versions: Vec<Option<&str>> = list.versions().iter().map(|version| version.key()).collect();
    let markers: Vec<Option<&str>> = list.delete_markers().iter().map(|marker| marker.key()).collect();
    assert_eq!((versions, markers), (vec![Some("b")], vec![Some("b"), Some("never")]));
}

async fn a_locked_bucket_wants_checksums(cloud: Cloud) {
    let name = fresh("locked");
    cloud.s3.create_bucket().bucket(&name).object_lock_enabled_for_bucket(true).send().await.expect("made");
    put(&cloud.s3, &name, "with", "a checksum, as the SDK does by itself").await;
    let config = cloud.s3.config().to_builder();
    let config =
        config.request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired);
    let plain = Client::from_conf(config.build());
    let put = plain.put_object().bucket(&name).key("without").body(ByteStream::from_static(b"x"));
    assert_code(&refused(put.send().await), 400, "InvalidRequest");
}

async fn objects_are_listed_in_pages(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let keys = ["a", "a/b", "a/c", "b", "c", "z"];
    for key in keys {
        put(&cloud.s3, &name, key, key).await;
    }
    for size in [1, 2, 4, 6, 7] {
        let mut pages = cloud.s3.list_objects_v2().bucket(&name).max_keys(size).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.expect("a page");
            assert!(page.contents().len() <= size as usize);
            found.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        assert_eq!(found, keys, "in pages of {size}");
    }
    let after = cloud.s3.list_objects_v2().bucket(&name).start_after("a/b").send().await.expect("a list");
    assert_eq!(after.contents()[0].key(), Some("a/c"));
}

async fn objects_are_listed_in_folders(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    for key in ["a", "b/1", "b/2", "b/c/3", "d/4"] {
        put(&cloud.s3, &name, key, key).await;
    }
    let list =
        |prefix: &str| cloud.s3.list_objects_v2().bucket(&name).prefix(prefix).delimiter("/").max_keys(2);
    let first = list("").send().await.expect("a page");
    let shown = |page: &aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output| {
        let keys = page.contents().iter().filter_map(|object| object.key().map(str::to_owned));
        let folders = page.common_prefixes().iter().filter_map(|folder| folder.prefix().map(str::to_owned));
        (keys.collect::<Vec<_>>(), folders.collect::<Vec<_>>())
    };
    assert_eq!(shown(&first), (vec!["a".to_owned()], vec!["b/".to_owned()]));
    let token = first.next_continuation_token().expect("more");
    let second = list("").continuation_token(token).send().await.expect("a page");
    assert_eq!(shown(&second), (vec![], vec!["d/".to_owned()]));
    assert_eq!(second.is_truncated(), Some(false));
    let inner = list("b/").send().await.expect("a page");
    assert_eq!(shown(&inner).0, ["b/1", "b/2"]);
}

async fn versions_are_listed_in_pages_from_new_to_old(cloud: Cloud) {
    let name = versioned_bucket(&cloud.s3).await;
    let a1 = put(&cloud.s3, &name, "a", "1").await.expect("a version");
    let b1 = put(&cloud.s3, &name, "b", "1").await.expect("a version");
    let a2 = put(&cloud.s3, &name, "a", "2").await.expect("a version");
    let hidden = cloud.s3.delete_object().bucket(&name).key("a").send().await.expect("hidden");
    let a3 = hidden.version_id().expect("a marker").to_owned();
    // Versions and delete markers come in lists of their own, so the order is seen page by page.
    for size in [1, 2, 3, 10] {
        let mut found = Vec::new();
        let (mut key, mut id) = (None, None);
        loop {
            let list = cloud.s3.list_object_versions().bucket(&name).max_keys(size);
            let page = list.set_key_marker(key).set_version_id_marker(id).send().await.expect("a page");
            let markers = page.delete_markers().iter().map(|m| (m.version_id(), m.is_latest()));
            let versions = page.versions().iter().map(|v| (v.version_id(), v.is_latest()));
            found.extend(
                markers
                    .chain(versions)
                    .map(|(id, latest)| (id.unwrap_or_default().to_owned(), latest.unwrap_or_default())),
            );
            if page.is_truncated() != Some(true) {
                break;
            }
            key = page.next_key_marker().map(str::to_owned);
            id = page.next_version_id_marker().map(str::to_owned);
        }
        let expected = [(a3.clone(), true), (a2.clone(), false), (a1.clone(), false), (b1.clone(), true)];
        assert_eq!(found, expected, "in pages of {size}");
    }
}
