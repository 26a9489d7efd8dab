//! Objects that come in parts.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
};

use super::{Cloud, assert_code, bucket, cases, refused, versioned_bucket};

cases!("multipart":
    parts_become_one_object,
    parts_have_a_composite_checksum,
    parts_have_a_checksum_of_the_whole,
    a_wrong_checksum_of_the_whole_is_refused,
    a_part_without_the_uploads_checksum_is_refused,
    a_checksum_that_the_upload_did_not_announce_is_refused,
    small_parts_are_refused,
    parts_out_of_order_are_refused,
    a_wrong_etag_is_refused,
    completion_may_want_to_be_the_first,
    an_aborted_upload_is_gone,
    parts_and_uploads_are_listed,
    a_part_is_replaced,
);

/// The least that every part but the last must have.
const PART: usize = 5 * 1024 * 1024;

fn part(fill: u8, size: usize) -> ByteStream {
    ByteStream::from(vec![fill; size])
}

/// An upload under way.
struct Upload<'a> {
    cloud: &'a Cloud,
    bucket: String,
    id: String,
    algorithm: ChecksumAlgorithm,
}

impl<'a> Upload<'a> {
    async fn begin(
        cloud: &'a Cloud,
        bucket: String,
        algorithm: ChecksumAlgorithm,
        kind: Option<ChecksumType>,
    ) -> Self {
        let create =
            cloud.s3.create_multipart_upload().bucket(&bucket).key("k").checksum_algorithm(algorithm.clone());
        let created = create.set_checksum_type(kind).send().await.expect("begun");
        let id = created.upload_id().expect("an id").to_owned();
        Upload { cloud, bucket, id, algorithm }
    }

    async fn part(&self, number: i32, body: ByteStream) -> CompletedPart {
        let upload = self.cloud.s3.upload_part().bucket(&self.bucket).key("k").upload_id(&self.id);
        let upload = upload.part_number(number).checksum_algorithm(self.algorithm.clone()).body(body);
        let done = upload.send().await.expect("a part");
        CompletedPart::builder()
            .part_number(number)
            .set_e_tag(done.e_tag)
            .set_checksum_crc32(done.checksum_crc32)
            .set_checksum_sha256(done.checksum_sha256)
            .set_checksum_crc64_nvme(done.checksum_crc64_nvme)
            .build()
    }

    fn complete(
        &self,
        parts: Vec<CompletedPart>,
    ) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder
    {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete =
            self.cloud.s3.complete_multipart_upload().bucket(&self.bucket).key("k").upload_id(&self.id);
        complete.multipart_upload(parts)
    }
}

async fn parts_become_one_object(cloud: Cloud) {
    let name = versioned_bucket(&cloud.s3).await;
    let upload = Upload::begin(&cloud, name.clone(), ChecksumAlgorithm::Crc32, None).await;
    // Numbers may have gaps, and parts may come in any order.
    let second = upload.part(7, part(b'b', 3)).await;
    let first = upload.part(2, part(b'a', PART)).await;
    let done = upload.complete(vec![first, second]).send().await.expect("completed");
    assert!(done.version_id().is_some());
    assert_eq!(done.e_tag().map(|etag| etag.ends_with("-2\"")), Some(true), "{done:?}");
    let get = cloud.s3.get_object().bucket(&name).key("k").send().await.expect("got");
    assert_eq!(get.content_length(), Some(PART as i64 + 3));
    let range = cloud.s3.get_object().bucket(&name).key("k").range(format!("bytes={}-", PART - 2));
    let tail = range.send().await.expect("got").body.collect().await.expect("a body").into_bytes();
    assert_eq!(tail.as_ref(), b"aabbb");
}

async fn parts_have_a_composite_checksum(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let upload = Upload::begin(&cloud, name.clone(), ChecksumAlgorithm::Sha256, None).await;
    let parts = vec![upload.part(1, part(b'a', PART)).await, upload.part(2, part(b'b', 1)).await];
    upload.complete(parts).send().await.expect("completed");
    let head = cloud.s3.head_object().bucket(&name).key("k").checksum_mode(ChecksumMode::Enabled);
    let head = head.send().await.expect("found");
    assert_eq!(head.checksum_type(), Some(&ChecksumType::Composite));
    assert_eq!(head.checksum_sha256().map(|sum| sum.ends_with("-2")), Some(true), "{head:?}");
}

async fn parts_have_a_checksum_of_the_whole(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let upload = Upload::begin(&cloud, name.clone(), ChecksumAlgorithm::Crc64Nvme, None).await;
    let parts = vec![upload.part(1, part(b'a', PART)).await, upload.part(2, part(b'b', 1)).await];
    let done = upload.complete(parts).send().await.expect("completed");
    let whole =
        cloud.s3.put_object().bucket(&name).key("whole").checksum_algorithm(ChecksumAlgorithm::Crc64Nvme);
    let whole =
        whole.body(ByteStream::from([vec![b'a'; PART], vec![b'b']].concat())).send().await.expect("put");
    assert!(whole.checksum_crc64_nvme().is_some());
    assert_eq!(done.checksum_crc64_nvme(), whole.checksum_crc64_nvme());
    assert_eq!(done.checksum_type(), Some(&ChecksumType::FullObject));
}

async fn a_wrong_checksum_of_the_whole_is_refused(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let kind = Some(ChecksumType::FullObject);
    let upload = Upload::begin(&cloud, name, ChecksumAlgorithm::Crc32, kind).await;
    let only = upload.part(1, part(b'a', 9)).await;
    let complete =
        upload.complete(vec![only]).checksum_type(ChecksumType::FullObject).checksum_crc32("AAAAAA==");
    assert_code(&refused(complete.send().await), 400, "BadDigest");
}

async fn a_part_without_the_uploads_checksum_is_refused(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let upload = Upload::begin(&cloud, name.clone(), ChecksumAlgorithm::Sha256, None).await;
    let other = cloud.s3.upload_part().bucket(&name).key("k").upload_id(&upload.id).part_number(1);
    let other = other.checksum_algorithm(ChecksumAlgorithm::Crc32).body(part(b'a', 1));
    assert_code(&refused(other.send().await), 400, "InvalidRequest");
}

/// The SDK adds CRC-32 to every part by itself, so an upload must announce it.
async fn a_checksum_that_the_upload_did_not_announce_is_refused(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let created = cloud.s3.create_multipart_upload().bucket(&name).key("k").send().await.expect("begun");
    let id = created.upload_id().expect("an id");
    let one = cloud.s3.upload_part().bucket(&name).key("k").upload_id(id).part_number(1).body(part(b'a', 1));
    assert_code(&refused(one.send().await), 400, "InvalidRequest");
}

async fn small_parts_are_refused(cloud: Cloud) {
    let upload = Upload::begin(&cloud, bucket(&cloud.s3).await, ChecksumAlgorithm::Crc32, None).await;
    let parts = vec![upload.part(1, part(b'a', PART - 1)).await, upload.part(2, part(b'b', 1)).await];
    assert_code(&refused(upload.complete(parts).send().await), 400, "EntityTooSmall");
}

async fn parts_out_of_order_are_refused(cloud: Cloud) {
    let upload = Upload::begin(&cloud, bucket(&cloud.s3).await, ChecksumAlgorithm::Crc32, None).await;
    let parts = vec![upload.part(2, part(b'a', PART)).await, upload.part(1, part(b'b', PART)).await];
    assert_code(&refused(upload.complete(parts).send().await), 400, "InvalidPartOrder");
}

async fn a_wrong_etag_is_refused(cloud: Cloud) {
    let upload = Upload::begin(&cloud, bucket(&cloud.s3).await, ChecksumAlgorithm::Crc32, None).await;
    let mut only = upload.part(1, part(b'a', 9)).await;
    only.e_tag = Some("\"00000000000000000000000000000000\"".to_owned());
    assert_code(&refused(upload.complete(vec![only]).send().await), 400, "InvalidPart");
}

async fn completion_may_want_to_be_the_first(cloud: Cloud) {
    let name = versioned_bucket(&cloud.s3).await;
    let upload = Upload::begin(&cloud, name.clone(), ChecksumAlgorithm::Crc32, None).await;
    let only = upload.part(1, part(b'a', 9)).await;
    cloud.s3.put_object().bucket(&name).key("k").send().await.expect("somebody was faster");
    let complete = || upload.complete(vec![only.clone()]).if_none_match("*").send();
    assert_code(&refused(complete().await), 412, "PreconditionFailed");
    cloud.s3.delete_object().bucket(&name).key("k").send().await.expect("hidden");
    complete().await.expect("now it is the first, and the upload is still there");
}

async fn an_aborted_upload_is_gone(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let upload = Upload::begin(&cloud, name.clone(), ChecksumAlgorithm::Crc32, None).await;
    let only = upload.part(1, part(b'a', 9)).await;
    let abort = || cloud.s3.abort_multipart_upload().bucket(&name).key("k").upload_id(&upload.id).send();
    abort().await.expect("aborted");
    assert_code(&refused(upload.complete(vec![only]).send().await), 404, "NoSuchUpload");
    assert_code(&refused(abort().await), 404, "NoSuchUpload");
    let list = cloud.s3.list_multipart_uploads().bucket(&name).send().await.expect("a list");
    assert!(list.uploads().is_empty());
    assert_code(&refused(cloud.s3.get_object().bucket(&name).key("k").send().await), 404, "NoSuchKey");
}

async fn parts_and_uploads_are_listed(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let upload = Upload::begin(&cloud, name.clone(), ChecksumAlgorithm::Crc32, None).await;
    for number in [1, 2, 3] {
        upload.part(number, part(b'a', number as usize)).await;
    }
    let list = cloud.s3.list_parts().bucket(&name).key("k").upload_id(&upload.id).max_parts(2);
    let mut pages = list.into_paginator().send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.expect("a page").parts().iter().filter_map(|part| part.size()).collect::<Vec<_>>());
    }
    assert_eq!(sizes, [vec![1, 2], vec![3]]);
    let uploads = cloud.s3.list_multipart_uploads().bucket(&name).send().await.expect("a list");
    let ids: Vec<Option<&str>> = uploads.uploads().iter().map(|upload| upload.upload_id()).collect();
    assert_eq!(ids, [Some(upload.id.as_str())]);
}

async fn a_part_is_replaced(cloud: Cloud) {
    let name = bucket(&cloud.s3).await;
    let upload = Upload::begin(&cloud, name.clone(), ChecksumAlgorithm::Crc32, None).await;
    upload.part(1, part(b'a', 5)).await;
    let again = upload.part(1, part(b'b', 3)).await;
    upload.complete(vec![again]).send().await.expect("completed");
    let get = cloud.s3.get_object().bucket(&name).key("k").send().await.expect("got");
    assert_eq!(get.body.collect().await.expect("a body").into_bytes().as_ref(), b"bbb");
}
