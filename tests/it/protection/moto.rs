//! The user that our own writing makes, on an emulator that others wrote and that enforces identity policies: it can do its
//! work, and nothing that destroys. Conditions and bucket policies are left to the sandbox; what else differs stands in
//! tests/it/contract/moto.md.

use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, CompletedMultipartUpload, CompletedPart, VersioningConfiguration,
};
use reconcile::clients::aws_error::{AwsErrorKind, aws_error};
use reconcile::resources::identity::live::Target;
use reconcile::resources::identity::{Grants, InlinePolicy, Realm, field};
use reconcile::resources::{User, user};
use reconcile::vocab::Environment;
use tokio::sync::Semaphore;

use super::deeds::{Tried, destroy};
use crate::support::moto::{self, Moto};

const BUCKET: &str = "aquamark-files";
const USER: &str = "aquamark_ws";

/// Calls that ask S3 for more than s3:PutObject, where moto asks for that alone.
const TAKEN_FOR_UPLOADS: [&str; 6] = [
    "lift a legal hold",
    "shorten a lock",
    "shorten a lock past governance",
    "upload with a legal hold",
    "upload with a lock",
    "upload with tags",
];

/// An upload that identity policies cannot tell from any other: the lock denies it.
const FOR_THE_LOCK: &str = "upload under a key of theirs";

fn client(moto: &Moto, id: &str, secret: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::v2026_01_12())
        .endpoint_url(moto.url())
        .force_path_style(true)
        .region(aws_sdk_s3::config::Region::new("us-east-1"))
        .credentials_provider(aws_sdk_s3::config::Credentials::new(id, secret, None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Client::from_conf(config.build())
}

/// A user by our own writing, and a client with its key.
async fn made(moto: &Moto, name: &str, grants: Grants) -> Client {
    let (iam, gate) = (moto.iam(), Semaphore::new(4));
    let realm = Realm { partition: "aws".to_owned(), account: "123456789012".to_owned() };
    let target = Target { iam: &iam, name, realm: &realm, gate: &gate };
    let owner: Environment = "aquamark".parse().expect("valid");
    let wanted = User::wanted(&owner, InlinePolicy::Grants(grants));
    user::live::create(&target, &owner).await.expect("made");
    user::live::write(&target, &owner, &wanted, &[field::OWNER, field::POLICY], true).await.expect("written");
    let found = user::live::read(&target).await.expect("read").expect("there");
    assert_eq!(found.thing, wanted.over(None));
    let key = iam.create_access_key().user_name(name).send().await.expect("a key").access_key.expect("a key");
    client(moto, &key.access_key_id, &key.secret_access_key)
}

fn denied(tried: &Tried) -> bool {
    tried.kind() == Some(&AwsErrorKind::Denied)
}

#[tokio::test]
async fn a_user_that_we_made_writes_and_destroys_nothing_on_moto() {
    let Some(moto) = moto::start() else { return };
    let root = client(&moto, "testing", "testing");
    root.create_bucket().bucket(BUCKET).send().await.expect("a bucket");
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let put = root.put_bucket_versioning().bucket(BUCKET).versioning_configuration(enabled);
    put.send().await.expect("versioning");
    let writes = [BUCKET.parse().expect("valid")].into();
    let s3 = made(&moto, USER, Grants { writes, ..Grants::default() }).await;
    let snapshots = ["aquamark".to_owned()].into();
    let other = made(&moto, "aquamark_backup", Grants { snapshots, ..Grants::default() }).await;
    moto.enforce();

    let put = s3.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"a backup"));
    let version = put.send().await.expect("an upload").version_id.expect("a version");
    in_parts(&s3).await;
    let versions = s3.list_object_versions().bucket(BUCKET).send().await.expect("versions listed");
    assert_eq!(versions.versions().len(), 2, "{versions:?}");
    s3.list_objects_v2().bucket(BUCKET).send().await.expect("objects listed");
    for id in [None, Some(version.clone())] {
        let head = s3.head_object().bucket(BUCKET).key("k").set_version_id(id.clone()).send().await;
        assert_eq!(head.expect("looked at").content_length(), Some(8));
        let get = s3.get_object().bucket(BUCKET).key("k").set_version_id(id).send().await.expect("read");
        assert_eq!(get.body.collect().await.expect("a body").into_bytes().as_ref(), b"a backup");
    }

    // The other way round too: who may do nothing to the bucket is refused by the same calls, uploads included.
    for tried in destroy(&other, BUCKET, &version).await {
        assert!(denied(&tried), "{tried:?}");
    }
    let tried = destroy(&s3, BUCKET, &version).await;
    let not_denied: BTreeSet<&str> =
        tried.iter().filter(|tried| !denied(tried)).map(|tried| tried.deed).collect();
    let known: BTreeSet<&str> = TAKEN_FOR_UPLOADS.into_iter().chain([FOR_THE_LOCK]).collect();
    assert_eq!(not_denied, known, "{tried:#?}");
    let get = s3.get_object().bucket(BUCKET).key("k").version_id(version).send().await.expect("still there");
    assert_eq!(get.body.collect().await.expect("a body").into_bytes().as_ref(), b"a backup");

    let head =
        s3.head_bucket().bucket(BUCKET).send().await.expect_err("moto asks for an action that is none");
    assert_eq!(aws_error(&head).status, Some(403));
}

/// An upload in parts. What moto answers to its completion the SDK cannot read, so what is there is asked.
async fn in_parts(s3: &Client) {
    let begin = s3.create_multipart_upload().bucket(BUCKET).key("parts").send().await.expect("begun");
    let upload = begin.upload_id().expect("an id");
    let part = s3.upload_part().bucket(BUCKET).key("parts").upload_id(upload).part_number(1);
    let part = part.body(ByteStream::from_static(b"a part")).send().await.expect("a part");
    let part = CompletedPart::builder().part_number(1).set_e_tag(part.e_tag).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = s3.complete_multipart_upload().bucket(BUCKET).key("parts").upload_id(upload);
    let _ = complete.multipart_upload(parts).send().await;
    let head = s3.head_object().bucket(BUCKET).key("parts").send().await.expect("completed");
    assert_eq!(head.content_length(), Some(6));
}
