//! What `apply` makes of the examples, used as a thief would: the role and the users that write backups can do their work, and
//! nothing that destroys.

use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart,
};
use reconcile::clients::aws::Aws;
use reconcile::clients::aws_error::{AwsErrorKind, aws_error};

use super::deeds::{UNKNOWN_TO_THE_SANDBOX, destroy};
use super::examples::{AS_ADMIN, Applied, ROLE, aquamark, sportfin};

const INSTANCE: &str =
    "caller: arn:aws:sts::123456789012:assumed-role/sportfin-prod-database-backups-ec2-s3-access/i-0abc\n";

const INSIDE: &str = "source_vpc: vpc-0abc0123456789def\nsource_ip: 172.31.7.9\n";
/// Each of them is inside in one respect at most.
const OUTSIDE: [&str; 5] = [
    "",
    "source_ip: 203.0.113.9\n",
    "source_ip: 172.31.7.9\n",
    "source_vpc: vpc-0abc0123456789def\nsource_ip: 10.0.0.9\n",
    "source_vpc: vpc-0fff0123456789fff\nsource_ip: 172.31.7.9\n",
];

/// What S3 wants of every part but the last.
const PART: usize = 5 * 1024 * 1024;

/// The work of a job and more: a single upload, one in parts, one broken off; listing; reading back by key and by version.
/// Two versions are there afterwards; the answer is that of the single upload.
async fn writes(s3: &Client, bucket: &str) -> String {
    let put = s3.put_object().bucket(bucket).key("k").body(ByteStream::from_static(b"a backup"));
    let version = put.send().await.expect("an upload").version_id.expect("a version");

    let begin = s3.create_multipart_upload().bucket(bucket).key("parts");
    let begin = begin.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await.expect("begun");
    let upload = begin.upload_id().expect("an id");
    let mut parts = Vec::new();
    for (number, size) in [(1, PART), (2, 7)] {
        let part = s3.upload_part().bucket(bucket).key("parts").upload_id(upload).part_number(number);
        let part = part.checksum_algorithm(ChecksumAlgorithm::Crc32);
        let part = part.body(ByteStream::from(vec![b'x'; size])).send().await.expect("a part");
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(part.e_tag)
            .set_checksum_crc32(part.checksum_crc32);
        parts.push(part.build());
    }
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = s3.complete_multipart_upload().bucket(bucket).key("parts").upload_id(upload);
    complete.multipart_upload(parts).send().await.expect("an upload in parts");
    let begin = s3.create_multipart_upload().bucket(bucket).key("broken").send().await.expect("begun");
    let abort = s3.abort_multipart_upload().bucket(bucket).key("broken");
    abort.set_upload_id(begin.upload_id).send().await.expect("broken off");

    let versioning = s3.get_bucket_versioning().bucket(bucket).send().await.expect("asked");
    assert_eq!(versioning.status(), Some(&BucketVersioningStatus::Enabled));
    let objects = s3.list_objects_v2().bucket(bucket).send().await.expect("objects listed");
    assert_eq!(objects.contents().len(), 2);
    let versions = s3.list_object_versions().bucket(bucket).send().await.expect("versions listed");
    assert_eq!(versions.versions().len(), 2);
    s3.list_multipart_uploads().bucket(bucket).send().await.expect("uploads listed");

    for (key, size) in [("k", 8), ("parts", PART as i64 + 7)] {
        let head = s3.head_object().bucket(bucket).key(key).checksum_mode(ChecksumMode::Enabled);
        let head = head.send().await.expect("looked at");
        assert_eq!(head.content_length(), Some(size));
        assert!(head.checksum_crc32().or(head.checksum_crc64_nvme()).is_some(), "{head:?}");
        let id = head.version_id().expect("a version");
        s3.head_object().bucket(bucket).key(key).version_id(id).send().await.expect("a version looked at");
    }
    for id in [None, Some(version.clone())] {
        let get = s3.get_object().bucket(bucket).key("k").set_version_id(id).send().await.expect("read");
        assert_eq!(get.body.collect().await.expect("a body").into_bytes().as_ref(), b"a backup");
    }
    version
}

/// Which calls of a job somebody may make all the same.
async fn allowed(s3: &Client, bucket: &str, version: &str) -> BTreeSet<&'static str> {
    let mut allowed = BTreeSet::new();
    macro_rules! try_each {
        ($($name:ident $(.$set:ident($with:expr))*;)*) => {
            $(if let Err(error) = Box::pin(s3.$name().bucket(bucket)$(.$set($with))*.send()).await {
                assert_eq!(aws_error(&error).status, Some(403), "{error:?}");
            } else {
                allowed.insert(stringify!($name));
            })*
        };
    }
    try_each! {
        put_object.key("k").body(ByteStream::from_static(b"rubbish"));
        create_multipart_upload.key("k");
        abort_multipart_upload.key("k").upload_id("x");
        get_object.key("k");
        head_object.key("k").version_id(version);
        head_bucket;
        get_bucket_versioning;
        get_bucket_policy;
        list_objects_v2;
        list_object_versions;
        list_multipart_uploads;
    }
    allowed
}

/// Nobody who writes backups gives themselves more, or becomes somebody else.
async fn gains_nothing(aws: &Aws, kind: &str, name: &str) {
    const ALL: &str =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
    let (iam, sts) = (aws.iam(), aws.sts());
    macro_rules! refused {
        ($($call:expr;)*) => {
            $(let error = Box::pin($call.send()).await.expect_err(stringify!($call));
            assert_eq!(aws_error(&error).kind, AwsErrorKind::Denied, "{error:?}");)*
        };
    }
    if kind == "role" {
        refused! {
            iam.put_role_policy().role_name(name).policy_name("more").policy_document(ALL);
            iam.attach_role_policy().role_name(name).policy_arn(ADMINISTRATOR);
            iam.update_assume_role_policy().role_name(name).policy_document(ALL);
        }
    } else {
        refused! {
            iam.put_user_policy().user_name(name).policy_name("more").policy_document(ALL);
            iam.attach_user_policy().user_name(name).policy_arn(ADMINISTRATOR);
            iam.create_access_key().user_name(name);
        }
    }
    let break_glass = "arn:aws:iam::123456789012:role/OrganizationAccountAccessRole";
    refused! {
        iam.create_user().user_name("another");
        sts.assume_role().role_arn(break_glass).role_session_name("me");
    }
}

/// Every destroying call is refused, and by policies: not by what stands in the bucket.
async fn destroys_nothing(applied: &Applied, s3: &Client, version: &str) {
    for tried in destroy(s3, applied.bucket, version).await {
        if UNKNOWN_TO_THE_SANDBOX.contains(&tried.deed) {
            assert_eq!(tried.kind(), Some(&AwsErrorKind::NotImplemented), "{tried:?}");
            continue;
        }
        assert_eq!(tried.kind(), Some(&AwsErrorKind::Denied), "{tried:?}");
        let message = &tried.refused.as_ref().expect("refused").message;
        let named = |action: &&str| message.contains(&format!("not authorized to perform: {action} on"));
        assert!(tried.actions.iter().any(named), "{tried:?}");
    }
}

/// What was written is all there, and the environment is as its settings want it.
async fn is_whole(applied: &Applied, versions: usize) {
    let s3 = applied.s3(AS_ADMIN, None).await;
    let listed = s3.list_object_versions().bucket(applied.bucket).send().await.expect("listed");
    assert_eq!((listed.versions().len(), listed.delete_markers().len()), (versions, 0), "{listed:?}");
    let plan = applied.stage.reconcile_plain("plan --detailed-exitcode --output json").exits(0);
    assert_eq!(plan.json()["changes"], serde_json::json!([]), "{plan}");
}

#[test]
fn the_role_of_sportfin_writes_and_destroys_nothing() {
    let applied = sportfin();
    applied.stage.wait(async {
        let aws = applied.clients(INSTANCE, None).await;
        let s3 = aws.s3(Some(&applied.region));
        let version = writes(&s3, applied.bucket).await;
        destroys_nothing(&applied, &s3, &version).await;
        gains_nothing(&aws, "role", ROLE).await;
        is_whole(&applied, 2).await;
    });
}

#[test]
fn the_user_of_aquamark_writes_from_inside_and_destroys_nothing() {
    let applied = aquamark();
    applied.stage.wait(async {
        let key = applied.key_of("aquamark_ws").await;
        let aws = applied.clients(INSIDE, Some(&key)).await;
        let s3 = aws.s3(Some(&applied.region));
        let version = writes(&s3, applied.bucket).await;
        destroys_nothing(&applied, &s3, &version).await;
        gains_nothing(&aws, "user", "aquamark_ws").await;
        is_whole(&applied, 2).await;
    });
}

#[test]
fn the_user_of_aquamark_may_do_nothing_from_outside() {
    let applied = aquamark();
    applied.stage.wait(async {
        let key = applied.key_of("aquamark_ws").await;
        let version = writes(&applied.s3(INSIDE, Some(&key)).await, applied.bucket).await;
        for outside in OUTSIDE {
            let s3 = applied.s3(outside, Some(&key)).await;
            assert_eq!(allowed(&s3, applied.bucket, &version).await, BTreeSet::new(), "{outside}");
            destroys_nothing(&applied, &s3, &version).await;
        }
        is_whole(&applied, 2).await;
    });
}

#[test]
fn the_snapshot_user_of_aquamark_may_do_nothing_to_files() {
    let applied = aquamark();
    applied.stage.wait(async {
        let (writer, key) = (applied.key_of("aquamark_ws").await, applied.key_of("aquamark_backup").await);
        let version = writes(&applied.s3(INSIDE, Some(&writer)).await, applied.bucket).await;
        for place in ["", INSIDE] {
            let aws = applied.clients(place, Some(&key)).await;
            let s3 = aws.s3(Some(&applied.region));
            assert_eq!(allowed(&s3, applied.bucket, &version).await, BTreeSet::new(), "{place}");
            destroys_nothing(&applied, &s3, &version).await;
            gains_nothing(&aws, "user", "aquamark_backup").await;
        }
        is_whole(&applied, 2).await;
    });
}
