//! Who may do what on the sandbox: every call is judged by the policies of its caller and of its bucket.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, Delete, ObjectIdentifier, VersioningConfiguration};
use reconcile::clients::aws::{Aws, Keys};
use reconcile::clients::aws_error::{AwsError, AwsErrorKind};
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::vocab::{Clock, Secret};
use serde_json::{Value, json};

use super::identities::MACHINES;
use super::{assert_code, clock, refused, versioned_bucket};
use crate::support::keys::encrypt;

pub(super) const ACCOUNT: &str = "123456789012";

pub(super) async fn sandbox(yaml: &str) -> (Sandbox, Aws) {
    let config = SandboxConfig::parse(yaml).expect("a good file");
    let sandbox = Sandbox::memory(config, clock()).expect("a sandbox");
    let aws = Aws::load(sandbox.aws_settings()).await;
    (sandbox, aws)
}

pub(super) fn policy(statements: Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

pub(super) fn allow(actions: Value, resources: Value) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resources})
}

/// A user with an inline policy, and clients that have its key.
pub(super) async fn user(aws: &Aws, name: &str, statements: Value) -> Aws {
    let iam = aws.iam();
    iam.create_user().user_name(name).send().await.expect("a user");
    let put = iam.put_user_policy().user_name(name).policy_name("own").policy_document(policy(statements));
    put.send().await.expect("a policy");
    with_key(aws, name).await
}

async fn with_key(aws: &Aws, user: &str) -> Aws {
    let key = aws.iam().create_access_key().user_name(user).send().await.expect("a key").access_key;
    let key = key.expect("a key");
    aws.with_keys(&Keys::Forced {
        access: Secret::new(key.access_key_id()),
        secret: Secret::new(key.secret_access_key()),
    })
}

pub(super) async fn role(aws: &Aws, name: &str, trust: &str, statements: Value) -> String {
    let iam = aws.iam();
    let create = iam.create_role().role_name(name).assume_role_policy_document(trust);
    let arn = create.send().await.expect("a role").role.expect("a role").arn;
    let put = iam.put_role_policy().role_name(name).policy_name("own").policy_document(policy(statements));
    put.send().await.expect("a policy");
    arn
}

pub(super) fn trust(principal: &str) -> String {
    policy(json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}))
}

/// Clients that act as a session of a role.
pub(super) async fn session(aws: &Aws, role: &str, narrowed: Option<String>) -> Result<Aws, AwsError> {
    let assume = aws.sts().assume_role().role_arn(role).role_session_name("me").set_policy(narrowed);
    let answer = assume.send().await.map_err(|error| reconcile::clients::aws_error::aws_error(&error))?;
    let keys = answer.credentials.expect("keys");
    Ok(aws.with_keys(&Keys::Session {
        access: Secret::new(keys.access_key_id()),
        secret: Secret::new(keys.secret_access_key()),
        token: Secret::new(keys.session_token()),
    }))
}

pub(super) async fn put(s3: &Client, bucket: &str, key: &str) -> Result<Option<String>, AwsError> {
    let put = s3.put_object().bucket(bucket).key(key).body(ByteStream::from_static(b"x")).send().await;
    put.map(|put| put.version_id).map_err(|error| reconcile::clients::aws_error::aws_error(&error))
}

#[track_caller]
pub(super) fn denied(error: &AwsError, words: &str) {
    assert_code(error, 403, "AccessDenied");
    assert_eq!(error.kind, AwsErrorKind::Denied);
    assert!(error.message.contains(words), "{error}");
}

async fn suspend(s3: &Client, bucket: &str) -> Result<(), AwsError> {
    let suspended = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    let put = s3.put_bucket_versioning().bucket(bucket).versioning_configuration(suspended).send().await;
    put.map(drop).map_err(|error| reconcile::clients::aws_error::aws_error(&error))
}

#[tokio::test]
async fn a_writer_may_do_what_its_policy_says() {
    let (_sandbox, admin) = sandbox("").await;
    let bucket = versioned_bucket(&admin.s3(None)).await;
    let objects = format!("arn:aws:s3:::{bucket}/*");
    let writer = user(&admin, "writer", allow(json!(["s3:PutObject", "s3:GetObject"]), json!(objects))).await;
    let s3 = writer.s3(None);
    let version = put(&s3, &bucket, "backup").await.expect("a put is allowed").expect("a version");
    s3.get_object().bucket(&bucket).key("backup").send().await.expect("a read back is allowed");

    let error = refused(s3.list_objects_v2().bucket(&bucket).send().await);
    assert_code(&error, 403, "AccessDenied");
    let words = format!(
        "User: arn:aws:iam::{ACCOUNT}:user/writer is not authorized to perform: s3:ListBucket on resource: \
         \"arn:aws:s3:::{bucket}\" because no identity-based policy allows the s3:ListBucket action"
    );
    assert_eq!(error.message, words);
    let delete = || s3.delete_object().bucket(&bucket).key("backup");
    denied(&refused(delete().send().await), "perform: s3:DeleteObject on");
    denied(&refused(delete().version_id(&version).send().await), "perform: s3:DeleteObjectVersion on");
    denied(&suspend(&s3, &bucket).await.expect_err("denied"), "s3:PutBucketVersioning");
    let get = s3.get_object().bucket(&bucket).key("backup").version_id(&version);
    denied(&refused(get.send().await), "s3:GetObjectVersion");
    // That there is no such bucket S3 tells everybody.
    assert_code(&put(&s3, "no-such-bucket", "k").await.expect_err("none"), 404, "NoSuchBucket");
}

/// Without s3:ListBucket nobody learns which keys there are not.
#[tokio::test]
async fn a_missing_key_is_told_to_who_may_list() {
    let (_sandbox, admin) = sandbox("").await;
    let bucket = versioned_bucket(&admin.s3(None)).await;
    let reader =
        user(&admin, "reader", allow(json!("s3:GetObject"), json!(format!("arn:aws:s3:::{bucket}/*")))).await;
    let head = |s3: Client| {
        let bucket = bucket.clone();
        async move { refused(s3.head_object().bucket(bucket).key("absent").send().await).status }
    };
    assert_eq!(head(reader.s3(None)).await, Some(403));
    let list = allow(json!(["s3:GetObject", "s3:ListBucket"]), json!("*"));
    assert_eq!(head(user(&admin, "lister", list).await.s3(None)).await, Some(404));
}

/// Each key of a DeleteObjects is judged for itself.
#[tokio::test]
async fn many_keys_are_judged_one_by_one() {
    let (_sandbox, admin) = sandbox("").await;
    let bucket = versioned_bucket(&admin.s3(None)).await;
    for key in ["mine/a", "theirs/a"] {
        put(&admin.s3(None), &bucket, key).await.expect("put");
    }
    let own = allow(json!("s3:DeleteObject"), json!(format!("arn:aws:s3:::{bucket}/mine/*")));
    let s3 = user(&admin, "cleaner", own).await.s3(None);
    let keys = ["mine/a", "theirs/a"].map(|key| ObjectIdentifier::builder().key(key).build().expect("a key"));
    let delete = Delete::builder().set_objects(Some(keys.to_vec())).build().expect("keys");
    let answer = s3.delete_objects().bucket(&bucket).delete(delete).send().await.expect("an answer");
    assert_eq!(answer.deleted().iter().map(|one| one.key()).collect::<Vec<_>>(), [Some("mine/a")]);
    let error = &answer.errors()[0];
    assert_eq!((error.key(), error.code()), (Some("theirs/a"), Some("AccessDenied")));
}

/// A lock in the bucket's policy holds for administrators, not for who may break the glass.
#[tokio::test]
async fn a_lock_spares_one_role() {
    let (_sandbox, admin) = sandbox("").await;
    let bucket = versioned_bucket(&admin.s3(None)).await;
    let glass = role(&admin, "break-glass", &trust(ACCOUNT), allow(json!("*"), json!("*"))).await;
    let version = put(&admin.s3(None), &bucket, "backup").await.expect("put").expect("a version");
    let lock = policy(json!({
        "Sid": "Lock", "Effect": "Deny", "Principal": "*",
        "Action": ["s3:DeleteObjectVersion", "s3:PutBucketVersioning", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"],
        "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")],
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": [glass]}},
    }));
    let s3 = admin.s3(None);
    let write = || s3.put_bucket_policy().bucket(&bucket).policy(&lock);
    let error = refused(write().send().await);
    assert_code(&error, 400, "MalformedPolicy");
    write().confirm_remove_self_bucket_access(true).send().await.expect("on purpose");

    denied(
        &suspend(&s3, &bucket).await.expect_err("locked"),
        "with an explicit deny in a resource-based policy",
    );
    let delete = |s3: &Client| s3.delete_object().bucket(&bucket).key("backup").version_id(&version).send();
    denied(&refused(delete(&s3).await), "s3:DeleteObjectVersion");
    denied(&refused(s3.delete_bucket_policy().bucket(&bucket).send().await), "s3:DeleteBucketPolicy");
    put(&s3, &bucket, "backup").await.expect("new versions may be written");

    let glass = session(&admin, &glass, None).await.expect("assumed").s3(None);
    suspend(&glass, &bucket).await.expect("spared");
    delete(&glass).await.expect("spared");
    glass.delete_bucket_policy().bucket(&bucket).send().await.expect("spared");
}

/// The root of the account can always read, replace and remove a bucket's policy, and nothing else that it denies.
#[tokio::test]
async fn the_root_may_mend_a_policy() {
    let (_sandbox, root) = sandbox(&format!("caller: arn:aws:iam::{ACCOUNT}:root\n")).await;
    let s3 = root.s3(None);
    let bucket = versioned_bucket(&s3).await;
    let everything = policy(json!({
        "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")],
    }));
    s3.put_bucket_policy().bucket(&bucket).policy(everything).send().await.expect("root is not locked out");
    denied(&put(&s3, &bucket, "k").await.expect_err("denied"), "with an explicit deny");
    s3.get_bucket_policy().bucket(&bucket).send().await.expect("readable");
    s3.delete_bucket_policy().bucket(&bucket).send().await.expect("removable");
    put(&s3, &bucket, "k").await.expect("open again");
}

#[tokio::test]
async fn a_policy_names_only_who_exists() {
    let (_sandbox, admin) = sandbox("").await;
    let s3 = admin.s3(None);
    let bucket = versioned_bucket(&s3).await;
    let write = |principal: Value| {
        let statement = json!({
            "Effect": "Allow", "Principal": principal, "Action": "s3:GetObject",
            "Resource": format!("arn:aws:s3:::{bucket}/*"),
        });
        s3.put_bucket_policy().bucket(&bucket).policy(policy(statement)).send()
    };
    for principal in [
        json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:role/never-made")}),
        json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:user/*")}),
        json!({"AWS": "AROAJQABLZS4A3QDU576Q"}),
        json!({"Service": "backup"}),
    ] {
        let error = refused(write(principal.clone()).await);
        assert_code(&error, 400, "MalformedPolicy");
        assert!(error.message.contains("Invalid principal"), "{principal}: {error}");
    }
    role(&admin, "made", MACHINES, allow(json!("s3:ListAllMyBuckets"), json!("*"))).await;
    write(json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:role/made")})).await.expect("it exists");
    write(json!({"Service": "backup.amazonaws.com"})).await.expect("a service");
}

#[tokio::test]
async fn a_session_is_trusted_and_narrowed() {
    let (_sandbox, admin) = sandbox("").await;
    let bucket = versioned_bucket(&admin.s3(None)).await;
    let everything = allow(json!("s3:*"), json!("*"));
    let nobody = user(&admin, "nobody", allow(json!("s3:ListAllMyBuckets"), json!("*"))).await;
    let assumer = user(&admin, "assumer", allow(json!("sts:AssumeRole"), json!("*"))).await;
    // Whom the trust names may, and needs no policy of its own.
    let named = trust(&format!("arn:aws:iam::{ACCOUNT}:user/nobody"));
    let by_name = role(&admin, "by-name", &named, everything.clone()).await;
    let by_account = role(&admin, "by-account", &trust(ACCOUNT), everything.clone()).await;
    let of_machines = role(&admin, "of-machines", MACHINES, everything).await;

    session(&nobody, &by_name, None).await.expect("the trust names it");
    denied(&session(&nobody, &by_account, None).await.expect_err("denied"), "sts:AssumeRole");
    denied(&session(&assumer, &by_name, None).await.expect_err("denied"), "sts:AssumeRole");
    denied(&session(&assumer, &of_machines, None).await.expect_err("denied"), "sts:AssumeRole");
    denied(&session(&admin, &of_machines, None).await.expect_err("denied"), "sts:AssumeRole");
    let absent = format!("arn:aws:iam::{ACCOUNT}:role/never-made");
    denied(&session(&admin, &absent, None).await.expect_err("denied"), "sts:AssumeRole");

    let whole = session(&assumer, &by_account, None).await.expect("the account lets it");
    let who = whole.sts().get_caller_identity().send().await.expect("an identity");
    assert_eq!(who.arn(), Some(format!("arn:aws:sts::{ACCOUNT}:assumed-role/by-account/me").as_str()));
    put(&whole.s3(None), &bucket, "k").await.expect("the role may");
    let narrowed = policy(allow(json!("s3:GetObject"), json!("*")));
    let narrow = session(&assumer, &by_account, Some(narrowed)).await.expect("assumed");
    narrow.s3(None).get_object().bucket(&bucket).key("k").send().await.expect("both allow it");
    let error = put(&narrow.s3(None), &bucket, "k").await.expect_err("narrowed");
    denied(&error, "because no session policy allows the s3:PutObject action");
}

#[tokio::test]
async fn a_session_ends() {
    let now = std::sync::Arc::new(std::sync::Mutex::new(clock().now()));
    let moving = Clock::new({
        let now = now.clone();
        move || *now.lock().expect("whole")
    });
    let sandbox = Sandbox::memory(SandboxConfig::default(), moving).expect("a sandbox");
    let admin = Aws::load(sandbox.aws_settings()).await;
    let arn = role(&admin, "short", &trust(ACCOUNT), allow(json!("s3:*"), json!("*"))).await;
    let short = session(&admin, &arn, None).await.expect("assumed");
    short.s3(None).list_buckets().send().await.expect("still there");
    *now.lock().expect("whole") += chrono::TimeDelta::minutes(61);
    let error = refused(short.s3(None).list_buckets().send().await);
    assert_code(&error, 400, "ExpiredToken");
    assert_eq!(error.kind, AwsErrorKind::NoCredentials);
}

#[tokio::test]
async fn a_boundary_bounds() {
    let (_sandbox, admin) = sandbox("").await;
    let bucket = versioned_bucket(&admin.s3(None)).await;
    let s3 = user(&admin, "bounded", allow(json!("s3:*"), json!("*"))).await.s3(None);
    put(&s3, &bucket, "k").await.expect("without a boundary");
    let reads = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    let bound = admin.iam().put_user_permissions_boundary().user_name("bounded").permissions_boundary(reads);
    bound.send().await.expect("set");
    let error = put(&s3, &bucket, "k").await.expect_err("bounded");
    denied(&error, "because no permissions boundary allows the s3:PutObject action");
    s3.get_object().bucket(&bucket).key("k").send().await.expect("both allow it");
}

#[tokio::test]
async fn groups_give_and_denies_win() {
    let (_sandbox, admin) = sandbox("").await;
    let bucket = versioned_bucket(&admin.s3(None)).await;
    let iam = admin.iam();
    iam.create_group().group_name("ops").send().await.expect("a group");
    let arn = "arn:aws:iam::aws:policy/AmazonS3FullAccess";
    iam.attach_group_policy().group_name("ops").policy_arn(arn).send().await.expect("attached");
    let deny = json!({"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"});
    let s3 = user(&admin, "member", deny).await.s3(None);
    denied(&put(&s3, &bucket, "k").await.expect_err("nothing yet"), "no identity-based policy");
    iam.add_user_to_group().group_name("ops").user_name("member").send().await.expect("added");
    put(&s3, &bucket, "k").await.expect("the group gives it");
    let error = refused(s3.delete_object().bucket(&bucket).key("k").send().await);
    denied(&error, "with an explicit deny in an identity-based policy");
}

/// IAM itself is guarded: paths, boundaries, and roles that are passed on.
#[tokio::test]
async fn iam_is_judged_too() {
    let (_sandbox, admin) = sandbox("").await;
    let iam = admin.iam();
    let boundary = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    let own = json!([
        allow(json!(["iam:CreateRole", "iam:PutRolePolicy"]), json!(format!("arn:aws:iam::{ACCOUNT}:role/apps/*"))),
        allow(json!(["iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile"]), json!("*")),
        {"Effect": "Allow", "Action": "iam:AttachRolePolicy", "Resource": "*",
         "Condition": {"StringEquals": {"iam:PermissionsBoundary": boundary},
                       "ArnLike": {"iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonS3*"}}},
    ]);
    let deployer = user(&admin, "deployer", own).await.iam();
    let create = |name: &str, path: &str| {
        deployer.create_role().role_name(name).path(path).assume_role_policy_document(MACHINES).send()
    };
    create("app", "/apps/").await.expect("below its path");
    denied(&refused(create("other", "/").await), "role/other because");
    denied(&refused(deployer.list_users().send().await), "iam:ListUsers");
    denied(&refused(deployer.get_account_authorization_details().send().await), "on resource: *");

    deployer.create_instance_profile().instance_profile_name("p").send().await.expect("made");
    let add = || deployer.add_role_to_instance_profile().instance_profile_name("p").role_name("app").send();
    denied(&refused(add().await), "iam:PassRole");
    let pass = json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
                      "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}});
    let give = iam.put_user_policy().user_name("deployer").policy_name("pass").policy_document(policy(pass));
    give.send().await.expect("given");
    add().await.expect("now it may pass the role on");

    let attach = |arn: &str| deployer.attach_role_policy().role_name("app").policy_arn(arn).send();
    denied(&refused(attach("arn:aws:iam::aws:policy/AmazonS3FullAccess").await), "iam:AttachRolePolicy");
    let bound = iam.put_role_permissions_boundary().role_name("app").permissions_boundary(boundary);
    bound.send().await.expect("bounded");
    attach("arn:aws:iam::aws:policy/AmazonS3FullAccess").await.expect("the role is bounded");
    denied(&refused(attach("arn:aws:iam::aws:policy/AdministratorAccess").await), "iam:AttachRolePolicy");
}

#[tokio::test]
async fn a_key_that_was_taken_away_is_refused() {
    use aws_sdk_iam::types::StatusType;

    let (_sandbox, admin) = sandbox("").await;
    let user = user(&admin, "departed", allow(json!("s3:*"), json!("*"))).await;
    let iam = admin.iam();
    user.s3(None).list_buckets().send().await.expect("still there");
    let keys = iam.list_access_keys().user_name("departed").send().await.expect("a list");
    let id = keys.access_key_metadata()[0].access_key_id().expect("an id").to_owned();
    let used = iam.get_access_key_last_used().access_key_id(&id).send().await.expect("an answer");
    assert_eq!(used.access_key_last_used().map(|used| used.service_name()), Some("s3"));
    let set = |status| iam.update_access_key().user_name("departed").access_key_id(&id).status(status).send();
    set(StatusType::Inactive).await.expect("switched off");
    assert_code(&refused(user.s3(None).list_buckets().send().await), 403, "InvalidAccessKeyId");
    assert_code(&refused(user.sts().get_caller_identity().send().await), 403, "InvalidClientTokenId");
    set(StatusType::Active).await.expect("switched on");
    user.s3(None).list_buckets().send().await.expect("back");
    iam.delete_access_key().user_name("departed").access_key_id(&id).send().await.expect("deleted");
    assert_code(&refused(user.s3(None).list_buckets().send().await), 403, "InvalidAccessKeyId");
}

/// `sandbox.yml` gives a key to a user, who need not be there yet.
#[tokio::test]
async fn a_given_key_is_its_users() {
    let (_sandbox, admin) = sandbox("access_keys: {AKIAGIVENGIVENGIVEN0: app}\n").await;
    let keys = Keys::Forced { access: Secret::new("AKIAGIVENGIVENGIVEN0"), secret: Secret::new("any") };
    let app = admin.with_keys(&keys);
    assert_code(&refused(app.s3(None).list_buckets().send().await), 403, "InvalidAccessKeyId");
    user(&admin, "app", allow(json!("s3:GetObject"), json!("*"))).await;
    let who = app.sts().get_caller_identity().send().await.expect("an identity");
    assert_eq!(who.arn(), Some(format!("arn:aws:iam::{ACCOUNT}:user/app").as_str()));
    denied(&refused(app.s3(None).list_buckets().send().await), "s3:ListAllMyBuckets");
    let used = admin.iam().get_access_key_last_used().access_key_id("AKIAGIVENGIVENGIVEN0").send().await;
    assert_eq!(used.expect("an answer").user_name(), Some("app"));
    // Any other key is the caller's.
    let other = Keys::Forced { access: Secret::new("AKIAELSEWHERE0000000"), secret: Secret::new("any") };
    admin.with_keys(&other).s3(None).list_buckets().send().await.expect("as the caller");
}

/// A caller that IAM does not know is an administrator; one that it knows has its own policies and no more.
#[tokio::test]
async fn the_caller_of_sandbox_yml_is_judged_once_it_exists() {
    let (_sandbox, aws) = sandbox(&format!("caller: arn:aws:iam::{ACCOUNT}:role/backup-operator\n")).await;
    let s3 = aws.s3(None);
    let bucket = versioned_bucket(&s3).await;
    let iam = aws.iam();
    let create = iam.create_role().role_name("backup-operator").assume_role_policy_document(MACHINES);
    create.send().await.expect("an administrator until it exists");
    denied(&refused(s3.list_objects_v2().bucket(&bucket).send().await), "s3:ListBucket");
    denied(&refused(iam.list_roles().send().await), "iam:ListRoles");
}

#[tokio::test]
async fn the_network_of_a_request_counts() {
    let within = |condition: Value| json!({"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*", "Condition": condition});
    let (by_ip, by_vpc) = (
        within(json!({"IpAddress": {"aws:SourceIp": "10.1.0.0/16"}})),
        within(
            json!({"StringEquals": {"aws:SourceVpc": "vpc-1"}, "IpAddress": {"aws:VpcSourceIp": "10.1.0.0/16"}}),
        ),
    );
    for (yaml, ip, vpc) in [
        ("", false, false),
        ("source_ip: 10.1.2.3\n", true, false),
        ("source_ip: 10.2.2.3\n", false, false),
        ("source_ip: 10.1.2.3\nsource_vpc: vpc-1\n", false, true),
        ("source_ip: 10.1.2.3\nsource_vpc: vpc-2\n", false, false),
    ] {
        let (_sandbox, admin) = sandbox(yaml).await;
        let bucket = versioned_bucket(&admin.s3(None)).await;
        let (one, other) =
            (user(&admin, "ip", by_ip.clone()).await, user(&admin, "vpc", by_vpc.clone()).await);
        let may = (
            put(&one.s3(None), &bucket, "k").await.is_ok(),
            put(&other.s3(None), &bucket, "k").await.is_ok(),
        );
        assert_eq!(may, (ip, vpc), "{yaml}");
    }
}

/// Who writes into a bucket that a customer's key encrypts needs the key too, and not from an address of its own.
#[tokio::test]
async fn a_key_of_ones_own_is_needed_too() {
    let (_sandbox, admin) = sandbox("").await;
    let bucket = versioned_bucket(&admin.s3(None)).await;
    let key = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/1234");
    encrypt(&admin.s3(None), &bucket, &key).await;

    let puts = allow(json!(["s3:PutObject", "s3:GetObject"]), json!("*"));
    let use_key = |condition: Value| json!({"Effect": "Allow", "Action": "kms:GenerateDataKey", "Resource": key, "Condition": condition});
    let via = json!({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}});
    let from = json!({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}});
    let without = user(&admin, "without", puts.clone()).await.s3(None);
    denied(&put(&without, &bucket, "k").await.expect_err("no key"), "kms:GenerateDataKey");
    let bound = user(&admin, "bound", json!([puts.clone(), use_key(from)])).await.s3(None);
    denied(&put(&bound, &bucket, "k").await.expect_err("S3 asks for it"), "kms:GenerateDataKey");
    let with = user(&admin, "with", json!([puts, use_key(via)])).await.s3(None);
    put(&with, &bucket, "k").await.expect("with the key");
    let read = with.get_object().bucket(&bucket).key("k").send().await;
    denied(&refused(read), "kms:Decrypt");
}

/// Identities outlive their process, and `reset` forgets them.
#[tokio::test]
async fn identities_are_kept_on_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = |path: &Path| Sandbox::open(path, clock()).expect("a sandbox");
    let first = Aws::load(open(directory.path()).aws_settings()).await;
    let bucket = versioned_bucket(&first.s3(None)).await;
    let objects = format!("arn:aws:s3:::{bucket}/*");
    let writer = user(&first, "writer", allow(json!("s3:PutObject"), json!(objects))).await;
    put(&writer.s3(None), &bucket, "k").await.expect("allowed");

    let sandbox = open(directory.path());
    let second = Aws::load(sandbox.aws_settings()).await;
    let key = with_key(&second, "writer").await;
    put(&key.s3(None), &bucket, "k").await.expect("still allowed");
    denied(&refused(key.s3(None).list_buckets().send().await), "s3:ListAllMyBuckets");
    assert_eq!(sandbox.overview().expect("an overview").users, ["writer"]);
    let stored = std::fs::read_to_string(directory.path().join("iam/users/writer.json")).expect("a record");
    assert!(stored.contains("s3:PutObject"));
    sandbox.reset().expect("forgotten");
    assert_eq!(sandbox.overview().expect("an overview").users, Vec::<String>::new());
    assert_code(&refused(second.iam().get_user().user_name("writer").send().await), 404, "NoSuchEntity");
}
