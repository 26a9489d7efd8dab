//! Reading an account live: how many requests, what becomes of a denied read, what is marked and declared nowhere.

use std::collections::BTreeMap;

use reconcile::audit::{Audit, Evidence, Terms, judge};
use reconcile::clients::aws::Aws;
use reconcile::sandbox::{Fault, FaultKind, Sandbox, SandboxConfig};
use reconcile::vocab::{Clock, Secret};
use reconcile::world::{Hosts, LiveWorld};

use super::{bucket, terms};

async fn sandbox(yaml: &str, buckets: &[&str]) -> Sandbox {
    let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
    let sandbox =
        Sandbox::memory(SandboxConfig::parse(yaml).expect("a good file"), clock).expect("a sandbox");
    let aws = Aws::load(sandbox.aws_settings()).await;
    for name in buckets {
        aws.s3(None).create_bucket().bucket(*name).send().await.expect("a bucket");
    }
    let iam = aws.iam();
    iam.create_user().user_name("somebody").send().await.expect("a user");
    sandbox.forget_requests();
    sandbox
}

async fn seen(sandbox: &Sandbox, terms: &Terms) -> (Evidence, Audit) {
    let aws = Aws::load(sandbox.aws_settings()).await;
    let world = LiveWorld::connect(
        terms.environment.clone(),
        aws,
        Hosts::default(),
        Vec::<Secret>::new(),
        8,
        sandbox.clock(),
    )
    .await;
    let evidence = world.evidence(terms).await;
    let audit = judge(&evidence, terms);
    (evidence, audit)
}

fn of_buckets(requests: &BTreeMap<&'static str, u64>) -> u64 {
    let general = ["GetCallerIdentity", "ListBuckets", "GetAccountAuthorizationDetails"];
    requests.iter().filter(|(name, _)| !general.contains(name)).map(|(_, count)| count).sum()
}

#[tokio::test]
async fn a_bucket_takes_ten_requests_at_most() {
    let sandbox = sandbox("", &["backups", "other"]).await;
    let (_, audit) = seen(&sandbox, &terms()).await;
    assert!(audit.is_complete(), "{:?}", audit.unread);
    let requests = sandbox.requests();
    // One of them is of the bucket that is nobody's: whose mark it carries.
    assert!(of_buckets(&requests) <= 11, "{requests:?}");
    assert_eq!(requests.get("GetAccountAuthorizationDetails"), Some(&1));
}

#[tokio::test]
async fn a_denied_read_is_told_with_its_permission_and_the_rest_goes_on() {
    for (operation, permission) in [
        ("GetAccountAuthorizationDetails", "iam:GetAccountAuthorizationDetails"),
        ("GetBucketPolicy", "s3:GetBucketPolicy"),
        ("GetBucketVersioning", "s3:GetBucketVersioning"),
        ("GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
        ("GetObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration"),
        ("GetBucketTagging", "s3:GetBucketTagging"),
        ("GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
        ("GetBucketEncryption", "s3:GetEncryptionConfiguration"),
        ("ListBuckets", "s3:ListAllMyBuckets"),
        ("GetCallerIdentity", "sts:GetCallerIdentity"),
    ] {
        let sandbox = sandbox("", &["backups"]).await;
        sandbox.inject(Fault::new(FaultKind::Denied).on(operation).times(99));
        let (_, audit) = seen(&sandbox, &terms()).await;
        assert!(!audit.is_complete(), "{operation}");
        assert!(
            audit.unread.iter().any(|unread| unread.permission == permission),
            "{operation}: {:?}",
            audit.unread
        );
        assert!(!audit.abilities.is_empty(), "{operation}: what is known is told");
    }
}

/// A list that breaks off in the middle says so: who is missing in it may do anything.
#[tokio::test]
async fn a_list_that_breaks_off_is_no_list() {
    let sandbox = sandbox("", &["backups"]).await;
    sandbox.inject(Fault::new(FaultKind::Throttle).on("GetAccountAuthorizationDetails").times(99));
    let (evidence, audit) = seen(&sandbox, &terms()).await;
    assert!(evidence.identities.known().is_none() && !audit.is_complete());
    let anyone = audit.abilities.iter().find(|one| &*one.who == "anyone of the account").expect("told");
    assert_eq!(anyone.decision.as_str(), "unknown");
}

#[tokio::test]
async fn buckets_that_are_marked_or_missing_are_told() {
    let sandbox = sandbox("", &["forgotten"]).await;
    let aws = Aws::load(sandbox.aws_settings()).await;
    let mark =
        aws_sdk_s3::types::Tag::builder().key("reconcile:environment").value("prod").build().expect("a tag");
    let tagging = aws_sdk_s3::types::Tagging::builder().tag_set(mark).build().expect("tags");
    aws.s3(None).put_bucket_tagging().bucket("forgotten").tagging(tagging).send().await.expect("marked");
    let (evidence, audit) = seen(&sandbox, &terms()).await;
    let found: Vec<(&str, &str)> =
        audit.findings.iter().map(|finding| (finding.id, finding.subject.as_str())).collect();
    assert!(found.contains(&("undeclared-bucket", "bucket/forgotten")), "{found:?}");
    assert!(found.contains(&("bucket-absent", "bucket/backups")), "{found:?}");
    assert!(found.contains(&("versioning-off", "bucket/forgotten")), "{found:?}");
    assert!(evidence.absent.contains_key(&bucket()));
}

/// What an environment was called and where it uploaded before is looked at as what it is and where it uploads now.
#[tokio::test]
async fn earlier_names_and_buckets_are_judged_too() {
    let sandbox = sandbox("", &["backups", "marked", "left-behind"]).await;
    let aws = Aws::load(sandbox.aws_settings()).await;
    let mark =
        aws_sdk_s3::types::Tag::builder().key("reconcile:environment").value("old").build().expect("a tag");
    let tagging = aws_sdk_s3::types::Tagging::builder().tag_set(mark).build().expect("tags");
    aws.s3(None).put_bucket_tagging().bucket("marked").tagging(tagging).send().await.expect("marked");
    let (_, before) = seen(&sandbox, &terms()).await;
    let of = |audit: &Audit, subject: &str| -> Vec<&'static str> {
        audit.findings.iter().filter(|one| one.subject == subject).map(|one| one.id).collect()
    };
    assert!(of(&before, "bucket/marked").is_empty() && of(&before, "bucket/left-behind").is_empty());
    let can_destroy = |audit: &Audit, bucket: &str| {
        audit.abilities.iter().any(|one| format!("{one:?}").contains(&format!("bucket/{bucket}")))
    };
    assert!(!can_destroy(&before, "left-behind"));

    let names = ["old".parse().expect("a name")];
    let buckets = ["left-behind", "nowhere"].map(|name| name.parse().expect("a bucket"));
    let (_, audit) = seen(&sandbox, &terms().with_previous(names, buckets)).await;
    let marked = of(&audit, "bucket/marked");
    assert!(marked.contains(&"undeclared-bucket"), "{marked:?}");
    let undeclared = audit.findings.iter().find(|one| one.id == "undeclared-bucket").expect("found");
    assert_eq!(undeclared.evidence, ["tag reconcile:environment=old"]);
    // What can happen to what is in it is told as of any other.
    assert!(!of(&audit, "bucket/left-behind").contains(&"undeclared-bucket"));
    assert!(of(&audit, "bucket/left-behind").contains(&"lock-absent"));
    assert!(can_destroy(&audit, "left-behind"));
    let gone = audit.findings.iter().find(|one| one.subject == "bucket/nowhere").expect("found");
    assert_eq!(gone.id, "bucket-absent");
    assert!(gone.title.contains("previous bucket"), "{}", gone.title);
}
