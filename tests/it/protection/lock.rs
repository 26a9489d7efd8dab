//! The versioning lock: written by apply, then pulled at by an administrator, who has every right but one.

use std::fs;

use aws_sdk_s3::primitives::ByteStream;
use reconcile::clients::aws::{Aws, Keys};
use reconcile::clients::aws_error::AwsErrorKind;
use reconcile::plan::{Consent, Plan, between};
use reconcile::policy::destroyers::{self, On, When};
use reconcile::policy::{
    Context, Document, Named, Policies, Principal, Request, Resource as Arn, Verdict, decide,
};
use reconcile::resources::bucket::VersioningLock;
use reconcile::resources::{Bucket, Resource};
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::state::{Desired, HeldCode, Selection};
use reconcile::vocab::{Clock, Id, Kind, Secret, Versioning};
use reconcile::world::{Hosts, LiveWorld, WorldRead, apply};

use super::deeds::{Tried, UNKNOWN_TO_THE_SANDBOX, destroy};
use crate::support;
use crate::support::desired::wanted;

const BUCKET: &str = "locked-backups";
const BREAK_GLASS: &str = "arn:aws:iam::123456789012:role/OrganizationAccountAccessRole";
const ADMINISTRATOR: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

fn clock() -> Clock {
    Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"))
}

/// What settings would ask for, with these roles as break-glass.
fn desired(break_glass: &[&str]) -> Desired {
    let bucket = Bucket {
        owner: Some(Some("production".parse().expect("valid"))),
        region: Some("us-east-1".parse().expect("valid")),
        versioning: Some(Versioning::Enabled),
        tls_only: Some(true),
        versioning_lock: Some(VersioningLock::complete(
            break_glass.iter().map(|arn| (*arn).to_owned()).collect(),
        )),
        object_lock: None,
        ..Bucket::newborn()
    };
    let id = Id::cloud(Kind::Bucket, BUCKET);
    Desired {
        break_glass: break_glass.iter().map(|arn| (*arn).to_owned()).collect(),
        ..support::desired::desired([(id, wanted(Resource::Bucket(bucket)))])
    }
}

async fn world(sandbox: &Sandbox) -> LiveWorld {
    let aws = Aws::load(sandbox.aws_settings()).await;
    LiveWorld::connect("production".parse().expect("valid"), aws, Hosts::new(), [], 8, clock()).await
}

async fn plan(sandbox: &Sandbox, desired: &Desired) -> Plan {
    let world = world(sandbox).await;
    between(desired, &Selection::all(), &world.observe(&desired.scope()).await)
}

async fn carry_out(sandbox: &Sandbox, desired: &Desired) -> Result<(), String> {
    let plan = plan(sandbox, desired).await;
    let consent = Consent { allowed: plan.needed_consents(), sandbox: true };
    let granted = plan.grant(&consent).map_err(|refusal| format!("{refusal:?}"))?;
    let report = apply(&world(sandbox).await, granted, 4, &|_, _| {}).await;
    if report.all_done() { Ok(()) } else { Err(format!("{:?}", report.outcomes)) }
}

/// A sandbox in a folder, so that one caller can follow another.
fn as_caller(folder: &std::path::Path, caller: Option<&str>) -> Sandbox {
    let line = caller.map(|arn| format!("caller: {arn}\n")).unwrap_or_default();
    fs::write(folder.join("sandbox.yml"), line).expect("written");
    Sandbox::open(folder, clock()).expect("a sandbox")
}

/// The clients of a user with every right, made in the sandbox's IAM.
async fn administrator(sandbox: &Sandbox) -> Aws {
    let aws = Aws::load(sandbox.aws_settings()).await;
    let iam = aws.iam();
    iam.create_user().user_name("departed").send().await.expect("made");
    let everything = "arn:aws:iam::aws:policy/AdministratorAccess";
    iam.attach_user_policy().user_name("departed").policy_arn(everything).send().await.expect("attached");
    let key = iam.create_access_key().user_name("departed").send().await.expect("made");
    let key = key.access_key().expect("a key");
    aws.with_keys(&Keys::Forced {
        access: Secret::new(key.access_key_id()),
        secret: Secret::new(key.secret_access_key()),
    })
}

/// Deeds that fail for other reasons, whoever does them: there is something in the bucket, which has no object lock and can
/// have none once its versioning is suspended.
const IN_THE_WAY: [&str; 7] = [
    "upload with a lock",
    "upload with a legal hold",
    "shorten a lock",
    "shorten a lock past governance",
    "lift a legal hold",
    "shorten the lock of what comes",
    "delete the bucket",
];

#[tokio::test]
async fn nobody_but_break_glass_gets_past_the_lock() {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = as_caller(folder.path(), None);
    let wanted = desired(&[BREAK_GLASS]);
    carry_out(&sandbox, &wanted).await.expect("applied");
    let next = plan(&sandbox, &wanted).await;
    assert!(next.is_empty() && next.held.is_empty(), "{:?} {:?}", next.changes, next.held);

    let aws = administrator(&sandbox).await;
    let s3 = aws.s3(None);
    let put = s3.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"a backup"));
    let version = put.send().await.expect("an administrator may write").version_id.expect("a version");
    s3.get_object().bucket(BUCKET).key("k").send().await.expect("and read");
    let unknown = |tried: &Tried| UNKNOWN_TO_THE_SANDBOX.contains(&tried.deed);
    for tried in destroy(&s3, BUCKET, &version).await {
        let expected = match tried.deed {
            // No rule of this bucket chooses by tags.
            "upload with tags" => None,
            _ if unknown(&tried) => Some(AwsErrorKind::NotImplemented),
            _ => Some(AwsErrorKind::Denied),
        };
        assert_eq!(tried.kind(), expected.as_ref(), "an administrator: {tried:?}");
    }
    s3.head_object().bucket(BUCKET).key("k").version_id(&version).send().await.expect("it is all there");
    // Whoever breaks the glass gets past every one of them; the bucket's policy goes last.
    let session = "arn:aws:sts::123456789012:assumed-role/OrganizationAccountAccessRole/alice";
    let sandbox = as_caller(folder.path(), Some(session));
    let s3 = Aws::load(sandbox.aws_settings()).await.s3(None);
    for tried in destroy(&s3, BUCKET, &version).await.into_iter().filter(|tried| !unknown(tried)) {
        let expected = IN_THE_WAY.contains(&tried.deed).then_some(&AwsErrorKind::Other);
        assert_eq!(tried.kind(), expected, "break-glass: {tried:?}");
    }
}

/// The table again, row by row, by the engine: what the sandbox has no call for is denied all the same.
#[tokio::test]
async fn every_row_that_a_bucket_policy_can_hold_is_denied() {
    let sandbox = Sandbox::memory(SandboxConfig::default(), clock()).expect("a sandbox");
    carry_out(&sandbox, &desired(&[BREAK_GLASS])).await.expect("applied");
    let s3 = Aws::load(sandbox.aws_settings()).await.s3(None);
    let text = s3.get_bucket_policy().bucket(BUCKET).send().await.expect("a policy").policy.expect("a text");
    let policy = Named::new("bucket policy", Document::parse(&text).expect("a document"));
    let administrator =
        [Named::new("AdministratorAccess", Document::parse(ADMINISTRATOR).expect("a document"))];
    let policies = Policies { identity: &administrator, resource: Some(&policy), ..Policies::default() };
    let mut asked = 0;
    for row in destroyers::of_bucket_policies() {
        let headers = match row.when {
            When::Always | When::ObjectLock => vec![None],
            When::ForeignKey => vec![
                Some(("s3:x-amz-server-side-encryption-customer-algorithm", "AES256")),
                Some((
                    "s3:x-amz-server-side-encryption-aws-kms-key-id",
                    "arn:aws:kms:us-east-1:999999999999:key/a",
                )),
            ],
            // No rule of this bucket chooses by tags, and versioning is on.
            When::FilteredByTag | When::Unversioned | When::KmsKey | When::ImportedKey => continue,
        };
        let resource = match row.on {
            On::Object => "arn:aws:s3:::locked-backups/k",
            _ => "arn:aws:s3:::locked-backups",
        };
        for header in headers {
            let verdict = |arn: &str| {
                let principal = Principal::parse(arn).expect("a principal");
                let context = Context::closed(header.map(|(key, value)| (key, vec![value.to_owned()])))
                    .with("aws:SecureTransport", "true")
                    .derived();
                let request = Request {
                    principal: &principal,
                    action: row.action,
                    resource: Arn::Exact(resource),
                    resource_account: Some("123456789012"),
                    context: &context,
                };
                decide(&request, &policies).verdict
            };
            asked += 1;
            assert_eq!(verdict("arn:aws:iam::123456789012:user/departed"), Verdict::Denied, "{row:?}");
            // S3 lets nobody deny the policy itself to the account's root.
            let roots = matches!(row.action, "s3:PutBucketPolicy" | "s3:DeleteBucketPolicy");
            let root = if roots { Verdict::Allowed } else { Verdict::Denied };
            assert_eq!(verdict("arn:aws:iam::123456789012:root"), root, "{row:?}");
            // Of foreign keys not even break-glass has any use.
            let spared = if header.is_none() { Verdict::Allowed } else { Verdict::Denied };
            assert_eq!(verdict(BREAK_GLASS), spared, "{row:?}");
        }
    }
    assert!(asked > 20, "{asked}");
}

/// Each way in which the lock was spoilt by somebody who could shows as what it leaves open, and is mended.
#[tokio::test]
async fn what_is_taken_out_of_the_lock_is_named_and_mended() {
    let session = "caller: arn:aws:sts::123456789012:assumed-role/OrganizationAccountAccessRole/alice";
    let config = SandboxConfig::parse(session).expect("a good file");
    let sandbox = Sandbox::memory(config, clock()).expect("a sandbox");
    let wanted = desired(&[BREAK_GLASS]);
    carry_out(&sandbox, &wanted).await.expect("applied");
    let s3 = Aws::load(sandbox.aws_settings()).await.s3(None);
    let text = s3.get_bucket_policy().bucket(BUCKET).send().await.expect("a policy").policy.expect("a text");
    let whole: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut rows = 0;
    for (at, statement) in whole["Statement"].as_array().expect("statements").iter().enumerate() {
        for index in 0..statement["Action"].as_array().map_or(0, Vec::len) {
            let mut less = whole.clone();
            let action = less["Statement"][at]["Action"].as_array_mut().expect("a list").remove(index);
            // A statement of somebody else beside ours stays.
            let theirs = serde_json::json!({"Sid": "Theirs", "Effect": "Deny", "Principal": "*",
                "Action": "s3:GetObject", "Resource": "arn:aws:s3:::locked-backups/secret"});
            less["Statement"].as_array_mut().expect("a list").insert(0, theirs);
            s3.put_bucket_policy().bucket(BUCKET).policy(less.to_string()).send().await.expect("put");
            let plan = plan(&sandbox, &wanted).await;
            let [change] = plan.changes.as_slice() else { panic!("{:?}", plan.changes) };
            let [field] = change.fields.as_slice() else { panic!("{:?}", change.fields) };
            let (from, _) = field.shown();
            assert_eq!(from["missing"], serde_json::json!([action]));
            carry_out(&sandbox, &wanted).await.expect("applied");
            rows += 1;
            let text = s3.get_bucket_policy().bucket(BUCKET).send().await.expect("a policy").policy;
            assert!(text.is_some_and(|text| text.contains("Theirs")));
            assert!(self::plan(&sandbox, &wanted).await.is_empty());
        }
    }
    assert!(rows > 20, "{rows}");
}

/// A name without a role behind it is not spared; without any the lock is not written.
#[tokio::test]
async fn who_does_not_exist_is_not_spared() {
    let sandbox = Sandbox::memory(SandboxConfig::default(), clock()).expect("a sandbox");
    let nobody = "arn:aws:iam::123456789012:role/Nobody";
    let elsewhere = "arn:aws:iam::999999999999:role/Admin";
    let other_path = "arn:aws:iam::123456789012:role/admins/OrganizationAccountAccessRole";
    for missing in [nobody, elsewhere, other_path] {
        let plan = plan(&sandbox, &desired(&[missing])).await;
        let [held] = plan.held.as_slice() else { panic!("{:?}", plan.held) };
        assert_eq!((held.code, held.id.to_string()), (HeldCode::NoBreakGlass, format!("bucket/{BUCKET}")));
        assert!(held.why.contains(missing) && !plan.is_as_it_should_be(), "{}", held.why);
        assert!(!plan.changes[0].fields.iter().any(|field| field.field == "versioning_lock"));
    }
    let both = desired(&[nobody, BREAK_GLASS]);
    let told = plan(&sandbox, &both).await;
    assert_eq!(told.held[0].id.to_string(), "setting/backups.break_glass");
    carry_out(&sandbox, &both).await.expect("applied");
    let s3 = Aws::load(sandbox.aws_settings()).await.s3(None);
    let text = s3.get_bucket_policy().bucket(BUCKET).send().await.expect("a policy").policy.expect("a text");
    assert!(text.contains(BREAK_GLASS) && !text.contains("Nobody"), "{text}");
    assert!(plan(&sandbox, &both).await.is_empty());
}

/// Ours beside a policy of others that leaves no room: nothing is written, and the sizes are told.
#[tokio::test]
async fn a_policy_that_would_be_too_large_is_not_written() {
    let sandbox = Sandbox::memory(SandboxConfig::default(), clock()).expect("a sandbox");
    let s3 = Aws::load(sandbox.aws_settings()).await.s3(None);
    s3.create_bucket().bucket(BUCKET).send().await.expect("made");
    let resources: Vec<String> =
        (0..400).map(|n| format!("arn:aws:s3:::locked-backups/somewhere/deep/{n}")).collect();
    let large = serde_json::json!({"Version": "2012-10-17", "Statement": [{"Sid": "Theirs", "Effect": "Deny",
        "Principal": "*", "Action": "s3:GetObject", "Resource": resources}]});
    s3.put_bucket_policy().bucket(BUCKET).policy(large.to_string()).send().await.expect("put");
    let error = carry_out(&sandbox, &desired(&[BREAK_GLASS])).await.expect_err("it does not fit");
    assert!(error.contains("20480") && error.contains("bytes"), "{error}");
    let text = s3.get_bucket_policy().bucket(BUCKET).send().await.expect("a policy").policy.expect("a text");
    assert!(!text.contains("Reconcile"), "{text}");
}
