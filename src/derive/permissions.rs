//! The least that a command needs of AWS, for these settings: the policy that `permissions` prints.
//!
//! Place on the data's path: beside it, after `Desired`. Each action is here because a read or a write of `*/live.rs`
//! calls it; a test runs the commands with exactly these, and again with each one missing. Must never name more buckets,
//! roles or users than the settings do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::resources::bucket::VersioningLock;
use crate::resources::identity::{Grants, InlinePolicy, Realm, path_of};
use crate::resources::role::EC2;
use crate::resources::{Bucket, Resource, Role};
use crate::settings::Settings;
use crate::state::{Desired, LockPlace};
use crate::vocab::{BucketName, Datastore, Encryption, Environment, Id, Kind};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    Plan,
    Apply,
    Audit,
    /// The backup jobs: of one datastore, or of all.
    Backup(Option<Datastore>),
}

/// The policy of a command: a whole document, as `aws iam put-role-policy` takes it.
pub fn policy(settings: &Settings, desired: &Desired, purpose: &Purpose) -> Json {
    let realm = realm(settings);
    match purpose {
        Purpose::Backup(datastore) => writer(desired, datastore.as_ref()).to_document(&realm),
        Purpose::Plan | Purpose::Apply => {
            let mut policy = Policy { realm, statements: Vec::new() };
            policy.reads(desired);
            if *purpose == Purpose::Apply {
                policy.writes(desired);
            }
            policy.document()
        }
        Purpose::Audit => {
            let mut policy = Policy { realm, statements: Vec::new() };
            policy.audit(desired);
            policy.document()
        }
    }
}

/// The partition follows from the region; the account from the settings, or is any.
fn realm(settings: &Settings) -> Realm {
    let region = settings.storage.region.as_ref().map(|region| region.as_str()).unwrap_or_default();
    let partition = match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    let account = settings.backups.account.as_ref();
    Realm {
        partition: partition.to_owned(),
        account: account.map_or_else(|| "*".to_owned(), ToString::to_string),
    }
}

/// What the jobs of a datastore need, or those of all: datastores and declared identities say which buckets are written.
pub fn writer(desired: &Desired, datastore: Option<&Datastore>) -> Grants {
    let mut grants = Grants::default();
    let policies = desired.resources.values().filter_map(|wanted| wanted.resource.policy());
    let declared: BTreeSet<&BucketName> = policies
        .filter_map(|policy| match policy {
            InlinePolicy::Grants(grants) => Some(&grants.writes),
            _ => None,
        })
        .flatten()
        .collect();
    for (name, bucket, wanted) in buckets(desired) {
        let is_written = match datastore {
            Some(datastore) => wanted.contains(datastore),
            None => !wanted.is_empty() || declared.contains(&name),
        };
        if is_written {
            grants.writes.insert(name);
            if let Some(Encryption::Kms(key) | Encryption::KmsDouble(key)) = &bucket.encryption {
                grants.keys.extend(key.clone());
            }
        }
    }
    grants
}

fn buckets(desired: &Desired) -> impl Iterator<Item = (BucketName, &Bucket, &BTreeSet<Datastore>)> {
    desired.resources.iter().filter_map(|(id, wanted)| match &wanted.resource {
        Resource::Bucket(bucket) => Some((id.name().parse().ok()?, bucket, &wanted.datastores)),
        _ => None,
    })
}

/// Statements that only allow.
struct Policy {
    realm: Realm,
    statements: Vec<Json>,
}

impl Policy {
    fn document(self) -> Json {
        json!({"Version": "2012-10-17", "Statement": self.statements})
    }

    fn allow<A: AsRef<str>>(
        &mut self,
        sid: &str,
        actions: impl IntoIterator<Item = A>,
        resources: impl IntoIterator<Item = String>,
    ) {
        let actions: BTreeSet<String> =
            actions.into_iter().map(|action| action.as_ref().to_owned()).collect();
        let resources: BTreeSet<String> = resources.into_iter().collect();
        if actions.is_empty() || resources.is_empty() {
            return;
        }
        // A Sid stands once in a policy.
        let alike = |statement: &&Json| {
            let own = statement["Sid"].as_str().unwrap_or_default();
            own.strip_prefix(sid).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        };
        let sid = match self.statements.iter().filter(alike).count() {
            0 => sid.to_owned(),
            others => format!("{sid}{}", others + 1),
        };
        let statement = json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources});
        self.statements.push(statement);
    }

    /// One statement for all buckets of which the same is asked.
    fn on_buckets(&mut self, sid: &str, desired: &Desired, actions: fn(&Bucket) -> BTreeSet<&'static str>) {
        let mut alike: BTreeMap<BTreeSet<&'static str>, Vec<String>> = BTreeMap::new();
        for (name, bucket, _) in buckets(desired) {
            let arn = format!("arn:{}:s3:::{name}", self.realm.partition);
            alike.entry(actions(bucket)).or_default().push(arn);
        }
        for (actions, arns) in alike {
            self.allow(sid, actions, arns);
        }
    }

    fn reads(&mut self, desired: &Desired) {
        if buckets(desired).next().is_some() {
            self.allow("ListBuckets", ["s3:ListAllMyBuckets"], ["*".to_owned()]);
        }
        self.on_buckets("ReadBuckets", desired, bucket_reads);
        let locks = |(_, bucket, _): (_, &Bucket, _)| {
            matches!(bucket.versioning_lock, Some(VersioningLock::Denies { .. }))
        };
        if buckets(desired).any(locks) {
            self.allow("FindBreakGlass", ["iam:GetRole"], desired.break_glass.iter().cloned());
        }
        let (roles, users) = (self.arns(desired, Kind::Role), self.arns(desired, Kind::User));
        let has_users = !users.is_empty();
        let has_any = has_users || !roles.is_empty();
        self.allow("ReadRoles", ROLE_READS, roles);
        self.allow("ReadUsers", USER_READS, users);
        if has_users {
            self.allow("ReadGroups", GROUP_READS, [self.iam("group/*")]);
        }
        if has_any {
            let of_aws = format!("arn:{}:iam::aws:policy/*", self.realm.partition);
            self.allow("ReadPoliciesOfOthers", POLICY_READS, [self.iam("policy/*"), of_aws]);
        }
    }

    fn writes(&mut self, desired: &Desired) {
        self.on_buckets("WriteBuckets", desired, bucket_writes);
        self.lock(desired);
        for (id, wanted) in &desired.resources {
            match &wanted.resource {
                Resource::Role(role) => self.role_writes(&desired.environment, id, role),
                Resource::User(user) => {
                    let mut actions = vec!["iam:CreateUser", "iam:TagUser"];
                    actions.push(match user.policy {
                        Some(InlinePolicy::Grants(_)) => "iam:PutUserPolicy",
                        _ => "iam:DeleteUserPolicy",
                    });
                    self.allow("WriteUsers", actions, self.arns_of(id));
                }
                _ => {}
            }
        }
    }

    /// Two applies meet at one small object in each bucket; nothing else is written or read there. Whoever names the tag
    /// of what they replace must be allowed to read it
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
    fn lock(&mut self, desired: &Desired) {
        let key = LockPlace::key(&desired.environment);
        let partition = self.realm.partition.clone();
        let objects = buckets(desired).map(|(name, ..)| format!("arn:{partition}:s3:::{name}/{key}"));
        self.allow("HoldLock", ["s3:GetObject", "s3:PutObject"], objects);
        let mut grants = Grants::default();
        for (_, bucket, _) in buckets(desired) {
            if let Some(Encryption::Kms(key) | Encryption::KmsDouble(key)) = &bucket.encryption {
                grants.keys.extend(key.clone());
            }
        }
        let keys = grants.to_document(&self.realm);
        self.statements.extend(keys["Statement"].as_array().cloned().unwrap_or_default());
    }

    fn role_writes(&mut self, environment: &Environment, id: &Id, role: &Role) {
        let mut actions = vec!["iam:TagRole"];
        actions.push(match role.policy {
            Some(InlinePolicy::Grants(_)) => "iam:PutRolePolicy",
            _ => "iam:DeleteRolePolicy",
        });
        if role.trust.is_some() {
            actions.extend(["iam:CreateRole", "iam:UpdateAssumeRolePolicy"]);
        }
        // Whoever puts a role where instances find it passes it on
        // (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_AddRoleToInstanceProfile.html>).
        if role.trust.as_ref().is_some_and(|trust| trust.services.contains(EC2)) {
            actions.push("iam:PassRole");
        }
        self.allow("WriteRoles", actions, self.arns_of(id));
        let profiles = role.instance_profiles.iter().flatten();
        let arns: Vec<String> = profiles
            .flat_map(|name| {
                let path = path_of(environment);
                [
                    self.iam(&format!("instance-profile{path}{name}")),
                    self.iam(&format!("instance-profile/{name}")),
                ]
            })
            .collect();
        self.allow("WriteInstanceProfiles", PROFILE_WRITES, arns);
    }

    /// Of the whole account, for a bucket that carries the environment's mark may have any name.
    fn audit(&mut self, desired: &Desired) {
        let account = ["iam:GetAccountAuthorizationDetails", "s3:ListAllMyBuckets"];
        self.allow("ReadAccount", account, ["*".to_owned()]);
        let partition = self.realm.partition.clone();
        self.allow("ReadBuckets", AUDIT_READS, [format!("arn:{partition}:s3:::*")]);
        self.allow("ReadRetention", ["s3:GetObjectRetention"], [format!("arn:{partition}:s3:::*/*")]);
        let keys = format!("arn:{partition}:kms:*:{}:key/*", self.realm.account);
        self.allow("ReadKeys", ["kms:DescribeKey", "kms:GetKeyPolicy"], [keys]);
        // In what state the key of another account is, it may let others know.
        let others = buckets(desired).filter_map(|(_, bucket, _)| match &bucket.encryption {
            Some(Encryption::Kms(Some(key)) | Encryption::KmsDouble(Some(key))) => Some(key),
            _ => None,
        });
        let account = self.realm.account.clone();
        let others = others.filter(|key| key.contains(":key/") && key.split(':').nth(4) != Some(&account));
        let others: Vec<String> = others.filter(|_| account != "*").cloned().collect();
        self.allow("ReadKeysOfOthers", ["kms:DescribeKey"], others);
    }

    fn arns(&self, desired: &Desired, kind: Kind) -> Vec<String> {
        let ids = desired.resources.keys().filter(|id| id.kind() == kind);
        ids.flat_map(|id| self.arns_of(id)).collect()
    }

    /// One name, wherever it lives: an adopted identity stays at its path.
    fn arns_of(&self, id: &Id) -> [String; 2] {
        let (kind, name) = (id.kind(), id.name());
        [self.iam(&format!("{kind}/{name}")), self.iam(&format!("{kind}/*/{name}"))]
    }

    fn iam(&self, resource: &str) -> String {
        format!("arn:{}:iam::{}:{resource}", self.realm.partition, self.realm.account)
    }
}

const ROLE_READS: [&str; 5] = [
    "iam:GetRole",
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListInstanceProfilesForRole",
];
const USER_READS: [&str; 6] = [
    "iam:GetUser",
    "iam:ListUserPolicies",
    "iam:GetUserPolicy",
    "iam:ListAttachedUserPolicies",
    "iam:ListGroupsForUser",
    "iam:ListAccessKeys",
];
const GROUP_READS: [&str; 3] =
    ["iam:ListGroupPolicies", "iam:GetGroupPolicy", "iam:ListAttachedGroupPolicies"];
const POLICY_READS: [&str; 2] = ["iam:GetPolicy", "iam:GetPolicyVersion"];
const PROFILE_WRITES: [&str; 4] = [
    "iam:CreateInstanceProfile",
    "iam:TagInstanceProfile",
    "iam:AddRoleToInstanceProfile",
    "iam:GetInstanceProfile",
];
/// What the audit asks of a bucket.
const AUDIT_READS: [&str; 11] = [
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetLifecycleConfiguration",
    "s3:GetBucketPolicy",
    "s3:GetBucketAcl",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetEncryptionConfiguration",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:ListBucketVersions",
];

/// What is asked of a bucket whose fields settings manage.
fn bucket_reads(bucket: &Bucket) -> BTreeSet<&'static str> {
    let mut actions = BTreeSet::from(["s3:GetBucketTagging"]);
    // Which old versions a shorter rule would remove.
    let may_lose = bucket.keep_versions.as_ref().is_some_and(|rules| !rules.is_empty());
    let locks = bucket.versioning_lock.is_some();
    let rules = bucket.keep_versions.is_some() || bucket.abort_uploads.is_some() || locks;
    let fields = [
        ("s3:GetBucketVersioning", bucket.versioning.is_some()),
        ("s3:GetLifecycleConfiguration", rules),
        ("s3:ListBucket", may_lose),
        ("s3:ListBucketVersions", may_lose),
        ("s3:GetEncryptionConfiguration", bucket.encryption.is_some()),
        ("s3:GetBucketPublicAccessBlock", bucket.public_access.is_some()),
        ("s3:GetBucketPolicy", bucket.tls_only.is_some() || locks),
        ("s3:GetBucketObjectLockConfiguration", bucket.object_lock.is_some()),
    ];
    actions.extend(fields.into_iter().filter(|(_, is_managed)| *is_managed).map(|(action, _)| action));
    actions
}

fn bucket_writes(bucket: &Bucket) -> BTreeSet<&'static str> {
    let mut actions = BTreeSet::from(["s3:CreateBucket", "s3:PutBucketTagging"]);
    // Each bucket is found again just before it is changed.
    if !bucket_reads(bucket).contains("s3:ListBucket") {
        actions.insert("s3:ListBucket");
    }
    let locks = matches!(bucket.versioning_lock, Some(VersioningLock::Denies { .. }));
    let in_policy = bucket.tls_only == Some(true) || locks;
    let fields = [
        ("s3:PutBucketVersioning", bucket.versioning.is_some()),
        ("s3:PutLifecycleConfiguration", bucket.keep_versions.is_some() || bucket.abort_uploads.is_some()),
        ("s3:PutEncryptionConfiguration", bucket.encryption.is_some()),
        ("s3:PutBucketPublicAccessBlock", bucket.public_access.is_some()),
        ("s3:PutBucketPolicy", bucket.tls_only.is_some() || bucket.versioning_lock.is_some()),
        ("s3:DeleteBucketPolicy", bucket.tls_only == Some(false) && !in_policy),
        ("s3:PutBucketObjectLockConfiguration", bucket.object_lock.is_some()),
    ];
    actions.extend(fields.into_iter().filter(|(_, is_managed)| *is_managed).map(|(action, _)| action));
    actions
}
