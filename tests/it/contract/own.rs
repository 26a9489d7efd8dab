//! What only the sandbox can show: faults, crashes, foreign buckets, clocks, and a state that outlives its process.

use std::path::Path;
use std::process::Command;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use proptest::prelude::*;
use reconcile::clients::aws::{Aws, AwsSettings};
use reconcile::clients::aws_error::{AwsErrorKind, aws_error};
use reconcile::sandbox::{Fault, FaultKind, Sandbox, SandboxConfig, is_crash};
use reconcile::vocab::Clock;

use super::{assert_code, clock, refused, versioned_bucket};

fn memory(yaml: &str) -> Sandbox {
    Sandbox::memory(SandboxConfig::parse(yaml).expect("a good file"), clock()).expect("a sandbox")
}

async fn client(sandbox: &Sandbox) -> Client {
    Aws::load(sandbox.aws_settings()).await.s3(None)
}

async fn create(sandbox: &Sandbox, name: &str) -> Client {
    let s3 = client(sandbox).await;
    s3.create_bucket().bucket(name).send().await.expect("a bucket");
    s3
}

/// Four failures and a success are five attempts.
#[tokio::test]
async fn what_passes_is_tried_again() {
    for kind in [FaultKind::Throttle, FaultKind::InternalError, FaultKind::Reset] {
        let sandbox = memory("");
        let s3 = create(&sandbox, "tried").await;
        sandbox.inject(Fault::new(kind).on("PutObject").times(4));
        s3.put_object()
            .bucket("tried")
            .key("k")
            .body(ByteStream::from_static(b"x"))
            .send()
            .await
            .expect("at last");
        assert_eq!(sandbox.requests().get("PutObject"), Some(&5), "{kind:?}");
        sandbox.forget_requests();
        assert!(sandbox.requests().is_empty());
    }
}

#[tokio::test]
async fn what_stays_is_told() {
    for (kind, expected) in [
        (FaultKind::Throttle, AwsErrorKind::Throttled),
        (FaultKind::InternalError, AwsErrorKind::Other),
        (FaultKind::Reset, AwsErrorKind::Unreachable),
        (FaultKind::Denied, AwsErrorKind::Denied),
    ] {
        let sandbox = memory("");
        let s3 = create(&sandbox, "told").await;
        sandbox.inject(Fault::new(kind).on("GetBucketPolicy").of_bucket("told").times(9));
        let error = refused(s3.get_bucket_policy().bucket("told").send().await);
        assert_eq!(error.kind, expected, "{error}");
        s3.get_bucket_versioning().bucket("told").send().await.expect("other operations are as before");
    }
}

#[tokio::test]
async fn the_caller_may_be_refused_an_answer() {
    let sandbox = memory("faults: [{kind: denied, operation: GetCallerIdentity}]\n");
    let sts = Aws::load(sandbox.aws_settings()).await.sts();
    assert_eq!(refused(sts.get_caller_identity().send().await).kind, AwsErrorKind::Denied);
}

#[tokio::test]
async fn a_wrong_checksum_is_one_that_the_bytes_do_not_have() {
    let sandbox = memory("");
    let s3 = create(&sandbox, "sums").await;
    let put = s3.put_object().bucket("sums").key("k").body(ByteStream::from_static(b"123456789"));
    let right = put.send().await.expect("put").checksum_crc32.expect("the SDK's own");
    sandbox.inject(Fault::new(FaultKind::WrongChecksum).on("HeadObject"));
    sandbox.inject(Fault::new(FaultKind::WrongChecksum).on("GetObject"));
    let head = || s3.head_object().bucket("sums").key("k").checksum_mode(ChecksumMode::Enabled).send();
    assert_ne!(head().await.expect("found").checksum_crc32, Some(right.clone()));
    assert_eq!(head().await.expect("found").checksum_crc32, Some(right));
    let get = s3
        .get_object()
        .bucket("sums")
        .key("k")
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .expect("got");
    assert!(get.body.collect().await.is_err(), "the SDK compares");
}

/// After a crash nothing is answered until the sandbox is opened again, and then it shows which crash it was.
#[tokio::test]
async fn a_crash_is_before_the_effect_or_after_it() {
    for (kind, effect) in [(FaultKind::CrashBefore, false), (FaultKind::CrashAfter, true)] {
        let sandbox = memory("");
        let s3 = create(&sandbox, "crash").await;
        sandbox.inject(Fault::new(kind).nth(2));
        s3.put_object()
            .bucket("crash")
            .key("first")
            .send()
            .await
            .expect("the crash comes with the second change");
        s3.list_objects_v2().bucket("crash").send().await.expect("which reads are not");
        let error = s3.put_object().bucket("crash").key("second").send().await.expect_err("crashed");
        assert!(is_crash(&error) && sandbox.crashed());
        assert_eq!(aws_error(&error).kind, AwsErrorKind::Other);
        let error = s3.list_objects_v2().bucket("crash").send().await.expect_err("still crashed");
        assert!(is_crash(&error));

        let sandbox = sandbox.reopened();
        let s3 = client(&sandbox).await;
        let list = s3.list_objects_v2().bucket("crash").send().await.expect("answered again");
        let keys: Vec<&str> = list.contents().iter().filter_map(|object| object.key()).collect();
        assert_eq!(keys, if effect { vec!["first", "second"] } else { vec!["first"] });
    }
}

/// A crash that `sandbox.yml` asks for takes the process with it.
#[test]
fn a_process_crashes_with_code_70() {
    let directory = tempfile::tempdir().expect("a directory");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/commcare");
    let apply = || {
        let mut program = Command::new(env!("CARGO_BIN_EXE_reconcile"));
        program
            .arg("-e")
            .arg(&example)
            .arg("--sandbox")
            .arg(directory.path())
            .args(["apply", "--auto-approve"]);
        program.output().expect("it runs").status.code()
    };
    std::fs::write(
        directory.path().join("sandbox.yml"),
        "faults: [{kind: crash-after, operation: CreateBucket}]\n",
    )
    .expect("written");
    assert_eq!(apply(), Some(70));
    let sandbox = Sandbox::open(directory.path(), clock()).expect("a sandbox");
    assert_eq!(sandbox.overview().expect("an overview").buckets.len(), 1, "the effect came first");
    sandbox.reset().expect("forgotten");
    std::fs::write(directory.path().join("sandbox.yml"), "").expect("written");
    assert_eq!(apply(), Some(0));
}

/// A store behind an endpoint of its own is no cloud; one of Amazon's own only says where.
#[tokio::test]
async fn an_endpoint_is_for_s3_alone() {
    let sandbox = memory("");
    let settings = |endpoint: &str| AwsSettings {
        endpoint: Some(endpoint.to_owned()),
        region: None,
        ..sandbox.aws_settings()
    };
    let own = Aws::load(settings("s3.example.org")).await;
    assert_eq!((own.is_aws(), own.endpoint()), (false, Some("https://s3.example.org")));
    let s3 = own.s3_transfer(None);
    s3.create_bucket().bucket("own").send().await.expect("a bucket in the path, not in the host's name");
    s3.put_object().bucket("own").key("a/b").send().await.expect("put");

    let amazon = Aws::load(settings("https://s3.eu-west-2.amazonaws.com")).await;
    assert_eq!((amazon.is_aws(), amazon.endpoint()), (true, None));
    assert_eq!(amazon.region(), "eu-west-2".parse().ok());
}

#[derive(Debug)]
struct Nobody;

impl aws_credential_types::provider::ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let nothing = aws_credential_types::provider::error::CredentialsError::not_loaded("none here");
        aws_credential_types::provider::future::ProvideCredentials::ready(Err(nothing))
    }
}

#[tokio::test]
async fn missing_credentials_have_a_name() {
    let sandbox = memory("");
    let config = client(&sandbox).await.config().to_builder().credentials_provider(Nobody).build();
    let error = refused(Client::from_conf(config).list_buckets().send().await);
    assert_eq!(error.kind, AwsErrorKind::NoCredentials, "{error}");
    assert!(sandbox.requests().is_empty());
}

#[tokio::test]
async fn buckets_of_others_are_closed() {
    let sandbox = memory("foreign_buckets: {theirs: \"999999999999\"}\n");
    let s3 = client(&sandbox).await;
    assert_eq!(refused(s3.head_bucket().bucket("theirs").send().await).status, Some(403));
    assert_code(&refused(s3.get_bucket_tagging().bucket("theirs").send().await), 403, "AccessDenied");
    assert_code(&refused(s3.create_bucket().bucket("theirs").send().await), 409, "BucketAlreadyExists");
    assert!(s3.list_buckets().send().await.expect("ours").buckets().is_empty());
}

#[tokio::test]
async fn what_the_sandbox_does_not_know_it_refuses() {
    let sandbox = memory("");
    let s3 = create(&sandbox, "unknown").await;
    let website = refused(s3.get_bucket_website().bucket("unknown").send().await);
    assert_eq!(
        (website.status, website.kind.clone()),
        (Some(501), AwsErrorKind::NotImplemented),
        "{website}"
    );
    let header = s3.put_object().bucket("unknown").key("k").website_redirect_location("/x").send().await;
    assert_code(&refused(header), 501, "NotImplemented");
    let parameter = s3.get_object().bucket("unknown").key("k").part_number(1).send().await;
    assert_code(&refused(parameter), 501, "NotImplemented");
}

/// The SDK learns the storage's time from the refusal and signs again.
#[tokio::test]
async fn the_storage_has_a_clock_of_its_own() {
    for (offset, attempts) in [(-90, 1), (3600, 2)] {
        let sandbox = memory(&format!("storage_clock_offset: {offset}\n"));
        let s3 = client(&sandbox).await;
        s3.create_bucket().bucket("clock").send().await.expect("made");
        assert_eq!(sandbox.requests().get("CreateBucket"), Some(&attempts));
        s3.put_object().bucket("clock").key("k").send().await.expect("put");
        let list = s3.list_objects_v2().bucket("clock").send().await.expect("a list");
        let written = list.contents()[0].last_modified().expect("a time").secs();
        assert_eq!(written, sandbox.clock().now().timestamp() + offset);
    }
}

#[tokio::test]
async fn answers_take_their_time() {
    let sandbox = memory("latency: 30\n");
    let began = tokio::time::Instant::now();
    create(&sandbox, "slow").await;
    assert!(began.elapsed() >= sandbox.config().latency());
}

#[tokio::test]
async fn what_was_written_outlives_the_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = || Sandbox::open(directory.path(), clock()).expect("a sandbox");
    let before = open();
    let name = versioned_bucket(&client(&before).await).await;
    let put =
        client(&before).await.put_object().bucket(&name).key("a/b").body(ByteStream::from_static(b"kept"));
    let version = put.send().await.expect("put").version_id.expect("a version");
    let seen = before.overview().expect("an overview");
    drop(before);

    let after = open();
    assert_eq!(after.overview().expect("an overview"), seen);
    let get = client(&after).await.get_object().bucket(&name).key("a/b").version_id(version).send().await;
    assert_eq!(get.expect("got").body.collect().await.expect("a body").into_bytes().as_ref(), b"kept");

    let host = after.host_dir(&"db1".parse().expect("a host"));
    std::fs::create_dir_all(host.join("etc")).expect("a folder");
    std::fs::write(host.join("etc/file"), "x").expect("written");
    assert_eq!(after.overview().expect("an overview").hosts[0].files[0].path, "/etc/file");
    after.reset().expect("forgotten");
    assert_eq!(after.overview().expect("an overview"), memory("").overview().expect("an overview"));
    assert!(Sandbox::is_at(directory.path()) && !Sandbox::is_at(&std::env::temp_dir()));
}

/// Nothing is left of bodies that were refused.
#[tokio::test]
async fn a_refused_put_leaves_no_bytes() {
    let directory = tempfile::tempdir().expect("a directory");
    let sandbox = Sandbox::open(directory.path(), clock()).expect("a sandbox");
    let s3 = create(&sandbox, "refused").await;
    let put = || s3.put_object().bucket("refused").key("k").body(ByteStream::from_static(b"x"));
    refused(put().checksum_crc32("AAAAAA==").send().await);
    refused(put().bucket("no-such-bucket").send().await);
    let files =
        |folder: &str| std::fs::read_dir(directory.path().join("s3").join(folder)).expect("a folder").count();
    assert_eq!((files("blobs"), files("incoming")), (0, 0));
    put().send().await.expect("put");
    put().send().await.expect("put again");
    assert_eq!((files("blobs"), files("incoming")), (1, 0), "what was replaced is gone");
}

const CHILD: &str = "RECONCILE_TEST_SANDBOX";

/// Runs itself in two children that write the same key at the same time.
#[tokio::test]
async fn processes_share_a_sandbox() {
    const PUTS: usize = 20;
    let put_all = |directory: String| async move {
        let s3 = client(&Sandbox::open(Path::new(&directory), clock()).expect("a sandbox")).await;
        for _ in 0..PUTS {
            s3.put_object()
                .bucket("shared")
                .key("k")
                .body(ByteStream::from_static(b"x"))
                .send()
                .await
                .expect("put");
        }
    };
    if let Ok(directory) = std::env::var(CHILD) {
        return put_all(directory).await;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let sandbox = Sandbox::open(directory.path(), clock()).expect("a sandbox");
    let s3 = create(&sandbox, "shared").await;
    let enabled = aws_sdk_s3::types::VersioningConfiguration::builder()
        .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
        .build();
    s3.put_bucket_versioning()
        .bucket("shared")
        .versioning_configuration(enabled)
        .send()
        .await
        .expect("versioning");
    let children: Vec<_> = (0..2)
        .map(|_| {
            let mut child = Command::new(std::env::current_exe().expect("this program"));
            child.args(["--exact", "contract::own::processes_share_a_sandbox"]).env(CHILD, directory.path());
            child.stdout(std::process::Stdio::null()).spawn().expect("a child")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("ended").success());
    }
    let list = s3.list_object_versions().bucket("shared").send().await.expect("a list");
    assert_eq!(list.versions().len(), 2 * PUTS);
    assert_eq!(list.versions().iter().filter(|version| version.is_latest() == Some(true)).count(), 1);
}

/// What a caller can do with a few keys of one bucket.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, Vec<u8>),
    PutFirst(u8),
    Delete(u8),
    /// Removes the n-th version in the list.
    DeleteVersion(usize),
    Versioning(bool),
    Upload(u8),
    List(i32),
    RemoveBucket,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..4_u8;
    prop_oneof![
        4 => (key.clone(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(key, bytes)| Step::Put(key, bytes)),
        1 => key.clone().prop_map(Step::PutFirst),
        2 => key.clone().prop_map(Step::Delete),
        2 => (0..6_usize).prop_map(Step::DeleteVersion),
        2 => any::<bool>().prop_map(Step::Versioning),
        1 => key.prop_map(Step::Upload),
        1 => (1..4).prop_map(Step::List),
        1 => Just(Step::RemoveBucket),
    ]
}

/// Every version as (key, place among its key's versions, bytes): ids differ from store to store.
async fn contents(s3: &Client) -> Vec<(String, String, Option<Vec<u8>>)> {
    let list = s3.list_object_versions().bucket("law").send().await.expect("a list");
    let mut seen = Vec::new();
    for version in list.versions() {
        let (key, id) = (version.key().expect("a key"), version.version_id().expect("an id"));
        let body = s3.get_object().bucket("law").key(key).version_id(id).send().await.expect("got").body;
        let bytes = body.collect().await.expect("a body").into_bytes().to_vec();
        seen.push((key.to_owned(), shape(id, version.is_latest()), Some(bytes)));
    }
    for marker in list.delete_markers() {
        let shape = shape(marker.version_id().expect("an id"), marker.is_latest());
        seen.push((marker.key().expect("a key").to_owned(), shape, None));
    }
    seen
}

fn shape(id: &str, latest: Option<bool>) -> String {
    format!("{} {latest:?}", if id == "null" { id } else { "id" })
}

/// Takes a step; answers with what a caller sees of it that does not differ by chance.
async fn take(s3: &Client, step: &Step) -> String {
    use aws_sdk_s3::types::{
        BucketVersioningStatus, CompletedMultipartUpload, CompletedPart, VersioningConfiguration,
    };

    const KEYS: [&str; 4] = ["a", "a/b", "b c", "ü"];
    let key = |at: &u8| KEYS[usize::from(*at) % KEYS.len()];
    fn outcome<T, E>(
        result: Result<
            T,
            aws_sdk_s3::error::SdkError<E, aws_smithy_runtime_api::client::orchestrator::HttpResponse>,
        >,
    ) -> String
    where
        E: std::error::Error + aws_sdk_s3::error::ProvideErrorMetadata + 'static,
    {
        match result {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("{:?}", aws_error(&error).code),
        }
    }
    match step {
        Step::Put(at, bytes) => {
            outcome(s3.put_object().bucket("law").key(key(at)).body(bytes.clone().into()).send().await)
        }
        Step::PutFirst(at) => {
            outcome(s3.put_object().bucket("law").key(key(at)).if_none_match("*").send().await)
        }
        Step::Delete(at) => outcome(s3.delete_object().bucket("law").key(key(at)).send().await),
        Step::DeleteVersion(at) => {
            let list = s3.list_object_versions().bucket("law").send().await.expect("a list");
            let Some(version) = list.versions().get(*at) else { return "none".to_owned() };
            let delete = s3.delete_object().bucket("law").set_key(version.key.clone());
            outcome(delete.set_version_id(version.version_id.clone()).send().await)
        }
        Step::Versioning(on) => {
            let status =
                if *on { BucketVersioningStatus::Enabled } else { BucketVersioningStatus::Suspended };
            let versioning = VersioningConfiguration::builder().status(status).build();
            outcome(
                s3.put_bucket_versioning().bucket("law").versioning_configuration(versioning).send().await,
            )
        }
        Step::Upload(at) => {
            let crc = aws_sdk_s3::types::ChecksumAlgorithm::Crc32;
            let create =
                s3.create_multipart_upload().bucket("law").key(key(at)).checksum_algorithm(crc.clone());
            let id = create.send().await.expect("begun").upload_id.expect("an id");
            let part = s3.upload_part().bucket("law").key(key(at)).upload_id(&id).part_number(1);
            let part = part
                .checksum_algorithm(crc)
                .body(ByteStream::from_static(b"part"))
                .send()
                .await
                .expect("a part");
            let part = CompletedPart::builder()
                .part_number(1)
                .set_e_tag(part.e_tag)
                .set_checksum_crc32(part.checksum_crc32);
            let parts = CompletedMultipartUpload::builder().parts(part.build()).build();
            let complete = s3.complete_multipart_upload().bucket("law").key(key(at)).upload_id(id);
            outcome(complete.multipart_upload(parts).send().await)
        }
        Step::List(size) => {
            let mut pages = s3.list_objects_v2().bucket("law").max_keys(*size).into_paginator().send();
            let mut keys = Vec::new();
            while let Some(page) = pages.next().await {
                keys.extend(page.expect("a page").contents().iter().filter_map(|object| object.key.clone()));
            }
            keys.join(",")
        }
        Step::RemoveBucket => {
            let removed = outcome(s3.delete_bucket().bucket("law").send().await);
            format!("{removed} {}", outcome(s3.create_bucket().bucket("law").send().await))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The store on disk, opened anew before every step, answers as the one in memory does.
    #[test]
    fn both_stores_answer_alike(steps in prop::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let memory = memory("");
            let directory = tempfile::tempdir().expect("a directory");
            let disk = || Sandbox::open(directory.path(), Clock::fixed(memory.clock().now())).expect("a sandbox");
            let in_memory = create(&memory, "law").await;
            create(&disk(), "law").await;
            for step in &steps {
                let on_disk = client(&disk()).await;
                prop_assert_eq!(take(&in_memory, step).await, take(&on_disk, step).await, "{:?}", step);
                prop_assert_eq!(contents(&in_memory).await, contents(&on_disk).await, "after {:?}", step);
            }
            Ok(())
        })?;
    }
}
