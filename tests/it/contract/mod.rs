//! What S3, IAM, STS and KMS promise, as far as this program relies on it: one suite, run on both stores of the sandbox and on an
//! emulator that others wrote. Where the emulator is known to be wrong, moto.md says so, and is held to it.

mod buckets;
mod enforcement;
mod identities;
mod key_use;
mod keys;
mod multipart;
mod object_lock;
mod objects;
mod own;
mod policies;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use reconcile::clients::aws::{Aws, AwsSettings, Keys};
use reconcile::clients::aws_error::{AwsError, aws_error};
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::vocab::{Clock, RegionName, Secret};

use crate::support::moto;

/// What a case works with.
#[derive(Clone)]
struct Cloud {
    /// A client of us-east-1.
    s3: Client,
    /// A client of eu-west-2.
    london: Client,
    sts: aws_sdk_sts::Client,
    iam: aws_sdk_iam::Client,
    kms: aws_sdk_kms::Client,
}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A promise, by name.
struct Case {
    name: &'static str,
    run: fn(Cloud) -> Running,
}

/// Lists the functions of a module as cases.
macro_rules! cases {
    ($module:literal: $($name:ident),+ $(,)?) => {
        pub(super) const CASES: &[super::Case] = &[
            $(super::Case { name: concat!($module, "::", stringify!($name)), run: |cloud| Box::pin($name(cloud)) }),+
        ];
    };
}
use cases;

fn every_case() -> impl Iterator<Item = &'static Case> {
    let s3 = [buckets::CASES, settings::CASES, objects::CASES, multipart::CASES];
    s3.into_iter().chain([object_lock::CASES, identities::CASES, policies::CASES, keys::CASES]).flatten()
}

/// Runs every case; answers with those that failed, and how.
async fn failures(cloud: &Cloud) -> BTreeMap<&'static str, String> {
    let mut failures = BTreeMap::new();
    for case in every_case() {
        // A task of its own turns a panic into an error.
        if let Err(error) = tokio::spawn((case.run)(cloud.clone())).await {
            let panic = error.into_panic();
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            failures.insert(case.name, text.unwrap_or_default().chars().take(300).collect());
        }
    }
    failures
}

async fn cloud(settings: AwsSettings) -> Cloud {
    let aws = Aws::load(settings).await;
    let region = |name: &str| name.parse::<RegionName>().expect("a region");
    Cloud {
        s3: aws.s3(Some(&region("us-east-1"))),
        london: aws.s3(Some(&region("eu-west-2"))),
        sts: aws.sts(),
        iam: aws.iam(),
        kms: aws.kms(Some(&region("us-east-1"))),
    }
}

fn clock() -> Clock {
    Clock::fixed("2026-11-21T10:00:00Z".parse().expect("an instant"))
}

#[tokio::test]
async fn the_sandbox_in_memory_keeps_every_promise() {
    let sandbox = Sandbox::memory(SandboxConfig::default(), clock()).expect("a sandbox");
    assert_eq!(failures(&cloud(sandbox.aws_settings()).await).await, BTreeMap::new());
}

#[tokio::test]
async fn the_sandbox_on_disk_keeps_every_promise() {
    let directory = tempfile::tempdir().expect("a directory");
    let sandbox = Sandbox::open(directory.path(), clock()).expect("a sandbox");
    assert_eq!(failures(&cloud(sandbox.aws_settings()).await).await, BTreeMap::new());
}

/// Both ways: a case that is not listed passes, and a case that is listed still fails.
#[tokio::test]
async fn moto_keeps_every_promise_but_those_listed() {
    let Some(moto) = moto::start() else { return };
    let known: BTreeSet<&str> = include_str!("moto.md")
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split_once('`').map(|(name, _)| name))
        .collect();
    let names: BTreeSet<&str> = every_case().map(|case| case.name).collect();
    assert_eq!(known.difference(&names).collect::<Vec<_>>(), Vec::<&&str>::new(), "listed, but no case");

    let keys = Keys::Forced { access: Secret::new("testing"), secret: Secret::new("testing") };
    let settings = AwsSettings {
        endpoint: Some(moto.url()),
        keys: Some(keys),
        region: "us-east-1".parse().ok(),
        ..AwsSettings::new(moto::clock())
    };
    // The endpoint is for S3 alone, so the other services are reached apart.
    let cloud = Cloud { sts: moto.sts(), iam: moto.iam(), kms: moto.kms(), ..cloud(settings).await };
    let failures = failures(&cloud).await;
    let surprises: BTreeMap<_, _> = failures.iter().filter(|(name, _)| !known.contains(*name)).collect();
    assert_eq!(surprises, BTreeMap::new(), "failed, but not listed in moto.md");
    let mended: Vec<_> = known.iter().filter(|name| !failures.contains_key(*name)).collect();
    assert_eq!(mended, Vec::<&&str>::new(), "listed in moto.md, but passed");
}

/// A name that no other case uses.
fn fresh(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // As wide as ten thousand, so that the order of names is the order in which they were given.
    format!("{what}-{}-{:04}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A bucket of its own for a case.
async fn bucket(s3: &Client) -> String {
    let name = fresh("contract");
    s3.create_bucket().bucket(&name).send().await.expect("a bucket");
    name
}

async fn versioned_bucket(s3: &Client) -> String {
    use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};

    let name = bucket(s3).await;
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    s3.put_bucket_versioning()
        .bucket(&name)
        .versioning_configuration(enabled)
        .send()
        .await
        .expect("versioning");
    name
}

/// The refusal that a call must meet.
#[track_caller]
fn refused<T: Debug, E>(result: Result<T, SdkError<E, HttpResponse>>) -> AwsError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match result {
        Ok(answer) => panic!("not refused: {answer:?}"),
        Err(error) => aws_error(&error),
    }
}

#[track_caller]
fn assert_code(error: &AwsError, status: u16, code: impl Display) {
    assert_eq!((error.status, error.code.clone()), (Some(status), Some(code.to_string())), "{error}");
}
