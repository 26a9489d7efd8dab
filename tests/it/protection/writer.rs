//! What `apply` makes of the examples, used as a thief would: the role and the users that write backups can do their work, and
//! nothing that destroys; by every call that the sandbox knows, and by the engine for every row of the table.

use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart,
};
use reconcile::clients::aws::{Aws, Keys};
use reconcile::clients::aws_error::{AwsErrorKind, aws_error};
use reconcile::policy::destroyers::{DESTROYERS, DenyIn, Destroyer, On, When};
use reconcile::policy::{
    Context, Document, Named, Policies, Principal, Request, Resource as Arn, Verdict, decide,
};
use reconcile::resources::identity::live::decoded;
use reconcile::sandbox::Sandbox;
use reconcile::vocab::{Clock, RegionName, Secret};

use super::deeds::{UNKNOWN_TO_THE_SANDBOX, destroy};
use crate::story::stage::Stage;

const NOW: &str = "now: 2026-11-21T12:00:00Z\n";
const AS_ADMIN: &str = "caller: arn:aws:sts::123456789012:assumed-role/OrganizationAccountAccessRole/test\n";

const ROLE: &str = "sportfin-prod-database-backups-ec2-s3-access";
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

/// An example that was applied: its bucket, where it is.
struct Applied {
    stage: Stage,
    bucket: &'static str,
    region: RegionName,
}

fn applied(example: &str, bucket: &'static str, region: &str) -> Applied {
    let stage = Stage::of(example);
    stage.sandbox(&format!("{NOW}{AS_ADMIN}"));
    let plan = stage.reconcile_plain("plan").exits(0);
    let line = plan.line_to_apply().unwrap_or_else(|| panic!("nothing to apply: {plan}")).to_owned();
    stage.reconcile_exactly(&format!("{line} --auto-approve")).exits(0);
    Applied { stage, bucket, region: region.parse().expect("valid") }
}

fn sportfin() -> Applied {
    applied("sportfin", "sportfin-prod-database-backups", "eu-west-2")
}

fn aquamark() -> Applied {
    applied("aquamark", "aquamark-files", "ap-southeast-2")
}

/// A key of a user, made by hand as the plan tells.
struct AccessKey {
    id: String,
    secret: String,
}

impl Applied {
    /// The clients of whoever calls from where this sandbox says, with a user's key or as the caller.
    async fn clients(&self, sandbox: &str, key: Option<&AccessKey>) -> Aws {
        self.stage.sandbox(&format!("{NOW}{sandbox}"));
        let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
        let sandbox = Sandbox::open(&self.stage.path("sandbox"), clock).expect("a sandbox");
        let aws = Aws::load(sandbox.aws_settings()).await;
        match key {
            None => aws,
            Some(key) => aws.with_keys(&Keys::Forced {
                access: Secret::new(key.id.as_str()),
                secret: Secret::new(key.secret.as_str()),
            }),
        }
    }

    async fn s3(&self, sandbox: &str, key: Option<&AccessKey>) -> Client {
        self.clients(sandbox, key).await.s3(Some(&self.region))
    }

    async fn key_of(&self, user: &str) -> AccessKey {
        let iam = self.clients(AS_ADMIN, None).await.iam();
        let key = iam.create_access_key().user_name(user).send().await.expect("a key").access_key;
        let key = key.expect("a key");
        AccessKey { id: key.access_key_id, secret: key.secret_access_key }
    }

    /// Every destroying call is refused, and by policies: not by what stands in the bucket.
    async fn destroys_nothing(&self, s3: &Client, version: &str) {
        for tried in destroy(s3, self.bucket, version).await {
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
    async fn is_whole(&self, versions: usize) {
        let s3 = self.s3(AS_ADMIN, None).await;
        let listed = s3.list_object_versions().bucket(self.bucket).send().await.expect("listed");
        assert_eq!((listed.versions().len(), listed.delete_markers().len()), (versions, 0), "{listed:?}");
        let plan = self.stage.reconcile_plain("plan --detailed-exitcode --output json").exits(0);
        assert_eq!(plan.json()["changes"], serde_json::json!([]), "{plan}");
    }

    /// The bucket's policy as it is.
    async fn bucket_policy(&self) -> Named {
        let s3 = self.s3(AS_ADMIN, None).await;
        let policy = s3.get_bucket_policy().bucket(self.bucket).send().await.expect("a policy").policy;
        let document = Document::parse(&policy.expect("a text")).expect("a document");
        Named::new("the bucket's policy", document)
    }

    /// The policies of a user, which are all that it has: no managed one, no group.
    async fn policies_of_user(&self, name: &str) -> Vec<Named> {
        let iam = self.clients(AS_ADMIN, None).await.iam();
        let names = iam.list_user_policies().user_name(name).send().await.expect("listed").policy_names;
        let attached = iam.list_attached_user_policies().user_name(name).send().await.expect("listed");
        let groups = iam.list_groups_for_user().user_name(name).send().await.expect("listed");
        assert!(attached.attached_policies().is_empty() && groups.groups().is_empty());
        let mut policies = Vec::new();
        for policy in names {
            let get = iam.get_user_policy().user_name(name).policy_name(&policy).send().await.expect("got");
            policies.push(Named::new(policy, document(&get.policy_document)));
        }
        policies
    }

    async fn policies_of_role(&self, name: &str) -> Vec<Named> {
        let iam = self.clients(AS_ADMIN, None).await.iam();
        let names = iam.list_role_policies().role_name(name).send().await.expect("listed").policy_names;
        let attached = iam.list_attached_role_policies().role_name(name).send().await.expect("listed");
        assert!(attached.attached_policies().is_empty());
        let mut policies = Vec::new();
        for policy in names {
            let get = iam.get_role_policy().role_name(name).policy_name(&policy).send().await.expect("got");
            policies.push(Named::new(policy, document(&get.policy_document)));
        }
        policies
    }
}

fn document(text: &str) -> Document {
    Document::parse(&decoded(text)).expect("a document")
}

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

#[test]
fn the_role_of_sportfin_writes_and_destroys_nothing() {
    let applied = sportfin();
    applied.stage.wait(async {
        let aws = applied.clients(INSTANCE, None).await;
        let s3 = aws.s3(Some(&applied.region));
        let version = writes(&s3, applied.bucket).await;
        applied.destroys_nothing(&s3, &version).await;
        gains_nothing(&aws, "role", ROLE).await;
        applied.is_whole(2).await;
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
        applied.destroys_nothing(&s3, &version).await;
        gains_nothing(&aws, "user", "aquamark_ws").await;
        applied.is_whole(2).await;
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
            applied.destroys_nothing(&s3, &version).await;
        }
        applied.is_whole(2).await;
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
            applied.destroys_nothing(&s3, &version).await;
            gains_nothing(&aws, "user", "aquamark_backup").await;
        }
        applied.is_whole(2).await;
    });
}

/// On what a row acts: the backups themselves, and databases and snapshots of the names that the snapshot user may use.
fn arn(row: &Destroyer, bucket: &str, region: &RegionName) -> String {
    let here = |service: &str, what: &str| format!("arn:aws:{service}:{region}:123456789012:{what}");
    match row.on {
        On::Bucket => format!("arn:aws:s3:::{bucket}"),
        On::Object => format!("arn:aws:s3:::{bucket}/k"),
        On::Key => here("kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab"),
        On::AccessPoint => here("s3", "accesspoint/files"),
        On::Account => "*".to_owned(),
        On::DatabaseSnapshot => here("rds", "snapshot:aquamark-2026-11-21"),
        On::Database => here("rds", "db:aquamark"),
        On::DatabaseBackup => here("rds", "auto-backup:ab-abcdefghijklmnopqrstuvwxyz"),
        On::ClusterSnapshot => here("rds", "cluster-snapshot:aquamark-2026-11-21"),
        On::Cluster => here("rds", "cluster:aquamark"),
        On::RecoveryPoint => here("backup", "recovery-point:1234abcd-12ab-34cd-56ef-1234567890ab"),
        On::BackupVault => here("backup", "backup-vault:Default"),
    }
}

/// Asks the engine of every row, with each of these contexts; the rows whose verdict is not a plain no.
fn open_rows(
    who: &str,
    identity: &[Named],
    bucket_policy: &Named,
    (bucket, region): (&str, &RegionName),
    contexts: &[Context],
) -> BTreeSet<(&'static str, When)> {
    let principal = Principal::parse(who).expect("a principal");
    let mut open = BTreeSet::new();
    for row in DESTROYERS {
        let headers: &[(&str, &str)] = match row.when {
            When::ForeignKey => &[
                ("s3:x-amz-server-side-encryption-customer-algorithm", "AES256"),
                (
                    "s3:x-amz-server-side-encryption-aws-kms-key-id",
                    "arn:aws:kms:eu-west-2:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                ),
            ],
            _ => &[],
        };
        let resource = arn(row, bucket, region);
        let policies = Policies {
            identity,
            resource: (row.deny_in == DenyIn::BucketPolicy).then_some(bucket_policy),
            ..Policies::default()
        };
        for context in contexts {
            let with_headers: Vec<Context> = match headers {
                [] => vec![context.clone()],
                headers => headers.iter().map(|(key, value)| context.clone().with(key, *value)).collect(),
            };
            for context in &with_headers {
                let request = Request {
                    principal: &principal,
                    action: row.action,
                    resource: Arn::Exact(&resource),
                    resource_account: Some("123456789012"),
                    context,
                };
                if decide(&request, &policies).verdict != Verdict::Denied {
                    open.insert((row.action, row.when));
                }
            }
        }
    }
    open
}

/// Whatever else may be known of a request, and what is known of one from inside of the network.
fn contexts() -> [Context; 2] {
    let inside = Context::closed::<String>([])
        .with("aws:SecureTransport", "true")
        .with("aws:SourceVpc", "vpc-0abc0123456789def")
        .with("aws:VpcSourceIp", "172.31.7.9");
    [Context::of_anybody(), inside.derived()]
}

/// Versioning is on, so that a writer's uploads replace nothing: the one row that a writer is to have.
fn uploads() -> BTreeSet<(&'static str, When)> {
    [("s3:PutObject", When::Unversioned)].into()
}

#[test]
fn every_row_of_the_table_is_denied_to_the_role_of_sportfin() {
    let applied = sportfin();
    applied.stage.wait(async {
        let identity = applied.policies_of_role(ROLE).await;
        let role = format!("arn:aws:iam::123456789012:role/reconcile/sportfin/{ROLE}");
        let policy = applied.bucket_policy().await;
        let place = (applied.bucket, &applied.region);
        assert_eq!(open_rows(&role, &identity, &policy, place, &contexts()), uploads());
    });
}

#[test]
fn every_row_of_the_table_is_denied_to_the_users_of_aquamark() {
    let applied = aquamark();
    applied.stage.wait(async {
        let policy = applied.bucket_policy().await;
        let place = (applied.bucket, &applied.region);
        for (user, expected) in [("aquamark_ws", uploads()), ("aquamark_backup", BTreeSet::new())] {
            let identity = applied.policies_of_user(user).await;
            let arn = format!("arn:aws:iam::123456789012:user/reconcile/aquamark/{user}");
            assert_eq!(open_rows(&arn, &identity, &policy, place, &contexts()), expected, "{user}");
        }
        // From outside of its network the writer has not even that.
        let identity = applied.policies_of_user("aquamark_ws").await;
        let arn = "arn:aws:iam::123456789012:user/reconcile/aquamark/aquamark_ws";
        let outside = Context::closed::<String>([]).with("aws:SecureTransport", "true");
        let outside = outside.with("aws:SourceIp", "172.31.7.9").derived();
        assert_eq!(open_rows(arn, &identity, &policy, place, &[outside]), BTreeSet::new());
    });
}
