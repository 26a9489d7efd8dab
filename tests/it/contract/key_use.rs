//! Who may do what to a key on the sandbox, and what becomes of a bucket whose key opens nothing: judged by the key's own
//! policy, as AWS does.

use aws_sdk_s3::Client;
use reconcile::clients::aws::Aws;
use reconcile::clients::aws_error::{AwsError, AwsErrorKind, aws_error};
use reconcile::sandbox::{Fault, FaultKind, Sandbox};
use reconcile::vocab::Clock;
use serde_json::{Value, json};

use super::enforcement::{ACCOUNT, allow, policy, put, sandbox, user};
use super::{assert_code, clock, refused, versioned_bucket};
use crate::support::keys::{ALIAS, alias, encrypt, key};

/// A statement of a key's policy.
fn to(who: &str, actions: Value) -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": who}, "Action": actions, "Resource": "*"})
}

fn root() -> String {
    format!("arn:aws:iam::{ACCOUNT}:root")
}

fn arn_of(user: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{user}")
}

async fn set(aws: &Aws, key: &str, statements: Value) {
    let put = aws.kms(None).put_key_policy().key_id(key).policy(policy(statements));
    put.bypass_policy_lockout_safety_check(true).send().await.expect("taken");
}

/// The destroyers of a key, tried with somebody's own rights, by the names of those that were let through. What was done is
/// undone by an administrator whom the policy of the key lets.
async fn tried(admin: &Aws, who: &Aws, key: &str, statements: &Value) -> Vec<&'static str> {
    set(admin, key, statements.clone()).await;
    let kms = who.kms(None);
    let mut done = Vec::new();
    let let_through = |result: Result<(), AwsError>| match result {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind, AwsErrorKind::Denied, "{error}");
            assert_code(&error, 400, "AccessDeniedException");
            false
        }
    };
    let same = policy(statements.clone());
    let put = kms.put_key_policy().key_id(key).policy(&same).bypass_policy_lockout_safety_check(true);
    if let_through(put.send().await.map(drop).map_err(|error| aws_error(&error))) {
        done.push("PutKeyPolicy");
    }
    if let_through(kms.disable_key().key_id(key).send().await.map(drop).map_err(|error| aws_error(&error))) {
        done.push("DisableKey");
    }
    let schedule = kms.schedule_key_deletion().key_id(key).pending_window_in_days(7);
    if let_through(schedule.send().await.map(drop).map_err(|error| aws_error(&error))) {
        done.push("ScheduleKeyDeletion");
    }
    done
}

#[tokio::test]
async fn the_keys_policy_must_allow() {
    let (_sandbox, admin) = sandbox("").await;
    let kms = admin.kms(None);
    let strong = user(&admin, "strong", allow(json!("kms:*"), json!("*"))).await;
    let idle = user(&admin, "idle", allow(json!("s3:GetObject"), json!("*"))).await;
    let own = |who: &str, actions: Value| json!([to(&arn_of("keeper"), json!("kms:*")), to(who, actions)]);
    user(&admin, "keeper", allow(json!("s3:GetObject"), json!("*"))).await;
    let all = ["PutKeyPolicy", "DisableKey", "ScheduleKeyDeletion"];
    for (statements, by_strong, by_idle) in [
        // It delegates to the account, whose own policies decide.
        (json!([to(&root(), json!("kms:*"))]), all.to_vec(), vec![]),
        // It delegates nothing: an administrator's own policy is nothing.
        (own(&arn_of("keeper"), json!("kms:DescribeKey")), vec![], vec![]),
        // It names somebody, whose own policies need not allow.
        (own(&arn_of("idle"), json!("kms:DisableKey")), vec![], vec!["DisableKey"]),
        // It delegates one thing.
        (own(&root(), json!("kms:ScheduleKeyDeletion")), vec!["ScheduleKeyDeletion"], vec![]),
        // It denies to all.
        (
            json!([to(&root(), json!("kms:*")), {"Effect": "Deny", "Principal": "*", "Resource": "*",
                "Action": ["kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"]}]),
            vec!["DisableKey"],
            vec![],
        ),
        // It is open to everyone.
        (json!([to("*", json!("kms:*"))]), all.to_vec(), all.to_vec()),
    ] {
        let (first, _) = key(&kms).await;
        assert_eq!(tried(&admin, &strong, &first, &statements).await, by_strong, "strong: {statements}");
        let (second, _) = key(&kms).await;
        assert_eq!(tried(&admin, &idle, &second, &statements).await, by_idle, "idle: {statements}");
    }
}

#[tokio::test]
async fn a_refusal_says_whose_policy_lacks_it() {
    let (_sandbox, admin) = sandbox("").await;
    let (id, arn) = key(&admin.kms(None)).await;
    let idle = user(&admin, "idle", allow(json!("s3:*"), json!("*"))).await;
    let error = refused(idle.kms(None).describe_key().key_id(&id).send().await);
    assert_code(&error, 400, "AccessDeniedException");
    let words =
        format!("User: {} is not authorized to perform: kms:DescribeKey on resource: {arn}", arn_of("idle"));
    assert!(error.message.starts_with(&words), "{error}");
    // Who may not ask does not learn that there is no such key.
    let missing = idle.kms(None).describe_key().key_id("00000000-0000-4000-8000-000000000000").send().await;
    assert_code(&refused(missing), 400, "AccessDeniedException");
    // A condition on the name that was used.
    let by_alias = json!({"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": arn,
        "Condition": {"StringEquals": {"kms:RequestAlias": "alias/backups"}}});
    let named = user(&admin, "named", by_alias).await;
    alias(&admin.kms(None), &id).await;
    named.kms(None).describe_key().key_id(ALIAS).send().await.expect("by its alias");
    let by_id = named.kms(None).describe_key().key_id(&id).send().await;
    assert_code(&refused(by_id), 400, "AccessDeniedException");
    // An alias needs the permission on itself too.
    let on_key = user(&admin, "on-key", allow(json!("kms:CreateAlias"), json!(arn))).await;
    let create = on_key.kms(None).create_alias().alias_name("alias/other").target_key_id(&id).send().await;
    let error = refused(create);
    assert_code(&error, 400, "AccessDeniedException");
    assert!(error.message.contains("alias/other"), "{error}");
}

async fn read(s3: &Client, bucket: &str) -> Result<(), AwsError> {
    s3.get_object().bucket(bucket).key("k").send().await.map(drop).map_err(|error| aws_error(&error))
}

/// Reading and writing stop at once, also for administrators; a key that comes back opens what it did before.
#[tokio::test]
async fn a_key_that_opens_nothing_closes_its_bucket() {
    let (_sandbox, admin) = sandbox("").await;
    let (s3, kms) = (admin.s3(None), admin.kms(None));
    let bucket = versioned_bucket(&s3).await;
    let (id, arn) = key(&kms).await;
    alias(&kms, &id).await;
    put(&s3, &bucket, "before").await.expect("under no key");
    for name in [id.as_str(), ALIAS, &arn] {
        encrypt(&s3, &bucket, name).await;
        put(&s3, &bucket, "k").await.expect("a usable key");
        read(&s3, &bucket).await.expect("a usable key");
        kms.disable_key().key_id(&id).send().await.expect("disabled");
        assert_code(&put(&s3, &bucket, "k").await.expect_err("disabled"), 400, "KMS.DisabledException");
        assert_code(&read(&s3, &bucket).await.expect_err("disabled"), 400, "KMS.DisabledException");
        let upload = s3.create_multipart_upload().bucket(&bucket).key("k").send().await;
        assert_code(&refused(upload), 400, "KMS.DisabledException");
        s3.head_object().bucket(&bucket).key("k").send().await.expect("what is known without the key");
        s3.get_object().bucket(&bucket).key("before").send().await.expect("what is not under the key");
        kms.schedule_key_deletion().key_id(&id).send().await.expect("scheduled");
        let pending = read(&s3, &bucket).await.expect_err("pending deletion");
        assert_code(&pending, 400, "KMS.KMSInvalidStateException");
        kms.cancel_key_deletion().key_id(&id).send().await.expect("cancelled");
        kms.enable_key().key_id(&id).send().await.expect("enabled");
        read(&s3, &bucket).await.expect("a usable key again");
    }
    // What was written under a key stays under it, whatever the bucket's default becomes.
    let (other, _) = key(&kms).await;
    encrypt(&s3, &bucket, &other).await;
    kms.disable_key().key_id(&id).send().await.expect("disabled");
    assert_code(&read(&s3, &bucket).await.expect_err("written under it"), 400, "KMS.DisabledException");
    put(&s3, &bucket, "k").await.expect("the other key");
    read(&s3, &bucket).await.expect("the other key");
}

/// Whose own policies allow all of S3 and of KMS cannot read what the key's policy keeps from them.
#[tokio::test]
async fn a_bucket_is_used_by_whom_its_key_lets() {
    let (_sandbox, admin) = sandbox("").await;
    let bucket = versioned_bucket(&admin.s3(None)).await;
    let (id, _) = key(&admin.kms(None)).await;
    encrypt(&admin.s3(None), &bucket, &id).await;
    let writer = user(&admin, "writer", allow(json!("s3:*"), json!("*"))).await.s3(None);
    let strong = user(&admin, "strong", allow(json!(["s3:*", "kms:*"]), json!("*"))).await.s3(None);
    let through = json!({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}});
    let mut writes = to(&arn_of("writer"), json!("kms:GenerateDataKey"));
    writes["Condition"] = through;
    set(&admin, &id, json!([writes])).await;
    put(&writer, &bucket, "k").await.expect("the key's policy names it");
    assert_eq!(read(&writer, &bucket).await.expect_err("writes alone").kind, AwsErrorKind::Denied);
    assert_eq!(put(&strong, &bucket, "k").await.expect_err("not named").kind, AwsErrorKind::Denied);
    let error = put(&admin.s3(None), &bucket, "k").await.expect_err("nor are administrators");
    assert!(error.message.contains("kms:GenerateDataKey"), "{error}");
}

/// Keys outlive their process; a deletion comes to pass, and then there is no key and no alias.
#[tokio::test]
async fn keys_are_kept_on_disk_and_end_on_their_day() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = Aws::load(Sandbox::open(directory.path(), clock()).expect("a sandbox").aws_settings()).await;
    let (id, _) = key(&first.kms(None)).await;
    alias(&first.kms(None), &id).await;
    let bucket = versioned_bucket(&first.s3(None)).await;
    encrypt(&first.s3(None), &bucket, &id).await;
    put(&first.s3(None), &bucket, "k").await.expect("a usable key");
    let schedule = first.kms(None).schedule_key_deletion().key_id(&id).pending_window_in_days(7);
    schedule.send().await.expect("scheduled");
    for (day, is_there) in [("2026-11-28T09:59:59Z", true), ("2026-11-28T10:00:00Z", false)] {
        let clock = Clock::fixed(day.parse().expect("an instant"));
        let sandbox = Sandbox::open(directory.path(), clock).expect("a sandbox");
        let aws = Aws::load(sandbox.aws_settings()).await;
        for name in [id.as_str(), ALIAS] {
            assert_eq!(
                aws.kms(None).describe_key().key_id(name).send().await.is_ok(),
                is_there,
                "{day} {name}"
            );
        }
        let code = if is_there { "KMS.KMSInvalidStateException" } else { "KMS.NotFoundException" };
        assert_code(&read(&aws.s3(None), &bucket).await.expect_err("gone"), 400, code);
        if !is_there {
            sandbox.reset().expect("forgotten");
            let listed = aws.kms(None).list_aliases().send().await.expect("a list");
            assert!(listed.aliases().is_empty());
        }
    }
}

/// As with the other services: counted, refused as its faults say, and crashed before or after what changes something.
#[tokio::test]
async fn faults_strike_at_keys_too() {
    let (sandbox, aws) = sandbox("").await;
    let (id, _) = key(&aws.kms(None)).await;
    sandbox.forget_requests();
    sandbox.inject(Fault::new(FaultKind::Throttle).on("DescribeKey").times(2));
    aws.kms(None).describe_key().key_id(&id).send().await.expect("at last");
    assert_eq!(sandbox.requests().get("DescribeKey"), Some(&3), "every attempt counts");
    sandbox.inject(Fault::new(FaultKind::Denied).on("GetKeyPolicy").times(1));
    let error = refused(aws.kms(None).get_key_policy().key_id(&id).send().await);
    assert_eq!(error.kind, AwsErrorKind::Denied);
    sandbox.inject(Fault::new(FaultKind::CrashBefore));
    assert!(aws.kms(None).disable_key().key_id(&id).send().await.is_err() && sandbox.crashed());
    let sandbox = sandbox.reopened();
    let aws = Aws::load(sandbox.aws_settings()).await;
    let described = aws.kms(None).describe_key().key_id(&id).send().await.expect("described");
    assert_eq!(described.key_metadata.map(|key| key.enabled), Some(true), "nothing had happened");
}

#[tokio::test]
async fn what_is_not_known_of_keys_is_refused() {
    let (_sandbox, aws) = sandbox("").await;
    let kms = aws.kms(None);
    let (id, _) = key(&kms).await;
    let unknown = |error: AwsError| assert_eq!(error.kind, AwsErrorKind::NotImplemented, "{error}");
    unknown(refused(kms.list_keys().send().await));
    unknown(refused(kms.enable_key_rotation().key_id(&id).send().await));
    unknown(refused(kms.create_key().xks_key_id("x").send().await));
    unknown(refused(kms.create_key().key_usage("SIGN_VERIFY".into()).send().await));
}
