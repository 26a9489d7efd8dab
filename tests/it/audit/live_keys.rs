//! Reading keys live: each once for all buckets, with what may not be read told.

use std::collections::BTreeSet;

use aws_sdk_kms::types::OriginType;
use reconcile::audit::{Audit, BucketTerms, Evidence, Severity, Terms, judge};
use reconcile::clients::aws::Aws;
use reconcile::sandbox::{Fault, FaultKind, Sandbox, SandboxConfig};
use reconcile::vocab::{Clock, Encryption, Secret};
use reconcile::world::{Hosts, LiveWorld};

use super::{BUCKET, terms};
use crate::support::keys::{ALIAS, alias, encrypt, key};

async fn sandbox(yaml: &str) -> (Sandbox, Aws) {
    let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
    let sandbox =
        Sandbox::memory(SandboxConfig::parse(yaml).expect("a good file"), clock).expect("a sandbox");
    let aws = Aws::load(sandbox.aws_settings()).await;
    aws.iam().create_user().user_name("somebody").send().await.expect("a user");
    (sandbox, aws)
}

/// A bucket that is encrypted with what this names.
async fn encrypted(aws: &Aws, name: &str, key: &str) {
    let s3 = aws.s3(None);
    s3.create_bucket().bucket(name).send().await.expect("a bucket");
    encrypt(&s3, name, key).await;
}

fn of(buckets: &[&str]) -> Terms {
    let mut all = terms();
    all.buckets.clear();
    for name in buckets {
        all.buckets.insert(name.parse().expect("a name"), BucketTerms::default());
    }
    all
}

async fn seen(sandbox: &Sandbox, terms: &Terms) -> (Evidence, Audit) {
    sandbox.forget_requests();
    let aws = Aws::load(sandbox.aws_settings()).await;
    let environment = terms.environment.clone();
    let world =
        LiveWorld::connect(environment, aws, Hosts::default(), Vec::<Secret>::new(), 8, sandbox.clock())
            .await;
    let evidence = world.evidence(terms).await;
    let audit = judge(&evidence, terms);
    (evidence, audit)
}

fn count(sandbox: &Sandbox, operation: &str) -> u64 {
    sandbox.requests().get(operation).copied().unwrap_or_default()
}

/// Four buckets, one key under three names: it is described once for its alias and once for itself at most, and its policy is read
/// once.
#[tokio::test]
async fn a_key_is_looked_at_once_for_all_buckets() {
    let (sandbox, aws) = sandbox("").await;
    let (id, arn) = key(&aws.kms(None)).await;
    alias(&aws.kms(None), &id).await;
    let buckets = ["one", "two", "three", "four"].map(|name| format!("{name}-{BUCKET}"));
    for (name, key) in buckets.iter().zip([id.as_str(), &arn, ALIAS, &arn]) {
        encrypted(&aws, name, key).await;
    }
    let names: Vec<&str> = buckets.iter().map(String::as_str).collect();
    let (evidence, audit) = seen(&sandbox, &of(&names)).await;
    assert!(audit.is_complete(), "{:?}", audit.unread);
    assert_eq!((count(&sandbox, "DescribeKey"), count(&sandbox, "GetKeyPolicy")), (1, 1));
    assert_eq!(evidence.keys.keys().collect::<Vec<_>>(), [&arn]);
    let on: BTreeSet<&str> = audit
        .abilities
        .iter()
        .filter(|one| one.row.action.starts_with("kms:"))
        .map(|one| &*one.resource)
        .collect();
    assert_eq!(on, [arn.as_str()].into(), "all are judged on the one key");
}

/// Ten of the bucket and two of its own key.
#[tokio::test]
async fn a_bucket_with_a_key_of_its_own_takes_twelve_requests_at_most() {
    let (sandbox, aws) = sandbox("").await;
    let (id, _) = key(&aws.kms(None)).await;
    encrypted(&aws, BUCKET, &id).await;
    let (_, audit) = seen(&sandbox, &of(&[BUCKET])).await;
    assert!(audit.is_complete(), "{:?}", audit.unread);
    let general = ["GetCallerIdentity", "ListBuckets", "GetAccountAuthorizationDetails"];
    let requests = sandbox.requests();
    let of_bucket: u64 =
        requests.iter().filter(|(name, _)| !general.contains(name)).map(|(_, count)| count).sum();
    assert!(of_bucket <= 12, "{requests:?}");
}

#[tokio::test]
async fn keys_of_aws_and_of_none_are_not_asked_for_their_policy() {
    let (sandbox, aws) = sandbox("").await;
    let own = aws.kms(None).describe_key().key_id("alias/aws/s3").send().await.expect("S3's own");
    let own = own.key_metadata.and_then(|key| key.arn).expect("an ARN");
    encrypted(&aws, "by-aws", &own).await;
    encrypted(&aws, "by-alias", "alias/aws/s3").await;
    encrypted(&aws, "plain", "00000000-0000-4000-8000-000000000000").await;
    let (evidence, audit) = seen(&sandbox, &of(&["by-aws", "by-alias", "plain"])).await;
    assert!(audit.is_complete(), "{:?}", audit.unread);
    assert_eq!((count(&sandbox, "DescribeKey"), count(&sandbox, "GetKeyPolicy")), (2, 0));
    assert_eq!(evidence.keys[&own].about.known().map(|about| about.by_aws), Some(true));
    let told = audit.findings.iter().filter(|one| one.id == "key-unusable").map(|one| one.subject.as_str());
    assert_eq!(told.collect::<Vec<_>>(), ["bucket/plain"], "there is no such key");
}

#[tokio::test]
async fn a_key_that_may_not_be_looked_at_is_not_safe() {
    for (operation, permission) in [("DescribeKey", "kms:DescribeKey"), ("GetKeyPolicy", "kms:GetKeyPolicy")]
    {
        let (sandbox, aws) = sandbox("").await;
        let (id, _) = key(&aws.kms(None)).await;
        encrypted(&aws, BUCKET, &id).await;
        sandbox.inject(Fault::new(FaultKind::Denied).on(operation));
        let (_, audit) = seen(&sandbox, &of(&[BUCKET])).await;
        let unread: Vec<(&str, &str)> =
            audit.unread.iter().map(|unread| (unread.subject.as_str(), unread.permission)).collect();
        assert_eq!(unread, [(format!("key/{id}").as_str(), permission)]);
        let material = ("kms:DeleteImportedKeyMaterial", "kms:DescribeKey");
        let unsure = audit.abilities.iter().filter(|one| one.decision.as_str() == "unknown");
        let actions: BTreeSet<&str> = unsure.map(|one| one.row.action).collect();
        if permission == material.1 {
            assert!(actions.contains(material.0), "whether it was imported is not known: {actions:?}");
        } else {
            assert!(actions.contains("kms:ScheduleKeyDeletion"), "{actions:?}");
            assert!(audit.abilities.iter().any(|one| &*one.who == "whoever the key's policy lets in"));
        }
    }
    // An alias that may not be looked up is any key.
    let (sandbox, aws) = sandbox("").await;
    encrypted(&aws, BUCKET, ALIAS).await;
    sandbox.inject(Fault::new(FaultKind::Denied).on("DescribeKey"));
    let (_, audit) = seen(&sandbox, &of(&[BUCKET])).await;
    assert_eq!(audit.unread.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), [ALIAS]);
    assert!(audit.abilities.iter().any(|one| one.resource.ends_with(":key/*")), "{:?}", audit.abilities);
    assert!(audit.abilities.iter().any(|one| &*one.who == "whoever the key's policy lets in"));
}

/// What was done to a key is found, with the day; also of the key that settings name alone.
#[tokio::test]
async fn the_state_of_a_key_is_read() {
    let (sandbox, aws) = sandbox("").await;
    let kms = aws.kms(None);
    let (first, _) = key(&kms).await;
    let (second, _) = key(&kms).await;
    let external = kms.create_key().origin(OriginType::External).send().await.expect("a key");
    let external = external.key_metadata.expect("a key").key_id;
    for (name, key) in [("disabled", &first), ("deleted", &second), ("empty", &external)] {
        encrypted(&aws, name, key).await;
    }
    kms.disable_key().key_id(&first).send().await.expect("disabled");
    kms.schedule_key_deletion().key_id(&second).pending_window_in_days(7).send().await.expect("scheduled");
    let mut terms = of(&["disabled", "deleted", "empty", "next"]);
    aws.s3(None).create_bucket().bucket("next").send().await.expect("a bucket");
    let declared = terms.buckets.get_mut(&"next".parse().expect("a name")).expect("declared");
    declared.encryption = Some(Encryption::Kms(Some(first.clone())));
    let (_, audit) = seen(&sandbox, &terms).await;
    let told: Vec<(&str, Severity, &str)> = audit
        .findings
        .iter()
        .filter(|one| one.id == "key-unusable")
        .map(|one| (one.subject.as_str(), one.severity, one.title.as_str()))
        .collect();
    let has = |subject: &str, severity: Severity, words: &str| {
        told.iter().any(|(of, is, title)| *of == subject && *is == severity && title.contains(words))
    };
    assert!(has("bucket/disabled", Severity::Critical, "is disabled"), "{told:?}");
    assert!(has("bucket/deleted", Severity::Critical, "is deleted on 2026-11-28 12:00 UTC"), "{told:?}");
    assert!(has("bucket/empty", Severity::Critical, "has no material"), "{told:?}");
    assert!(has("bucket/next", Severity::High, "that settings name"), "{told:?}");
    assert_eq!(told.len(), 4);
    // The one that was imported is known for it.
    let material = audit.abilities.iter().filter(|one| one.row.action == "kms:DeleteImportedKeyMaterial");
    let on: BTreeSet<&str> = material.map(|one| &*one.subject).collect();
    assert_eq!(on, ["bucket/empty"].into());
}

/// Of another account's key only the state is asked for, and that it may not be told is told.
#[tokio::test]
async fn a_key_of_another_account_is_asked_for_its_state_alone() {
    let (sandbox, aws) = sandbox("").await;
    let theirs = "arn:aws:kms:us-east-1:999988887777:key/00000000-0000-4000-8000-000000000000";
    encrypted(&aws, BUCKET, theirs).await;
    let (_, audit) = seen(&sandbox, &of(&[BUCKET])).await;
    assert_eq!((count(&sandbox, "DescribeKey"), count(&sandbox, "GetKeyPolicy")), (1, 0));
    assert_eq!(audit.unread.iter().map(|one| one.permission).collect::<Vec<_>>(), ["kms:DescribeKey"]);
    assert!(audit.findings.iter().any(|one| one.id == "foreign-key"));
}
