//! Three planted accounts, read as an auditor would: a stolen application key, a role of continuous integration with
//! PassRole, an administrator who left. Each is judged as an export and, in the sandbox, live, with the same answer; and
//! each path is tried there with the principal's own rights. What a service would do (Lambda running as the role that
//! it was passed) cannot run there: that step is tried as the role itself.

use std::path::{Path, PathBuf};

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketVersioningStatus, ExpirationStatus, LifecycleRule,
    LifecycleRuleFilter, NoncurrentVersionExpiration, VersioningConfiguration,
};
use reconcile::audit::{Terms, judge};
use reconcile::clients::aws::{Aws, Keys};
use reconcile::sandbox::{Sandbox, SandboxConfig};
use reconcile::settings::{self, Sources};
use reconcile::vocab::{Clock, Secret};
use reconcile::world::{Hosts, LiveWorld, export};
use reconcile::{audit, derive};
use serde_json::Value as Json;

use super::ACCOUNT;
use super::exports::program;

const ALL: [&str; 3] = ["stolen-application-key", "ci-role-with-pass-role", "departed-administrator"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/audit/accounts").join(name)
}

fn json(path: &Path) -> Json {
    serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON")
}

#[test]
fn reports_are_as_an_auditor_reads_them() {
    for name in ALL {
        let folder = folder(name);
        let mut report = String::new();
        for (verbosity, code) in [(None, 2), (Some("-v"), 2)] {
            let mut arguments = vec!["audit", "--account-export", "export"];
            arguments.extend(verbosity);
            let output = program(&folder, &arguments);
            assert_eq!(
                output.status.code(),
                Some(code),
                "{name}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            report.push_str(&format!("$ reconcile {}\n", arguments.join(" ")));
            report.push_str(&String::from_utf8(output.stdout).expect("text"));
            report.push('\n');
        }
        let golden = folder.join("report.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &report).expect("written");
        }
        let kept = std::fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(kept, report, "{name}: look at it, then UPDATE_GOLDEN=1");
    }
}

#[test]
fn documents_are_as_their_schema_says() {
    let schema = reconcile::report::documents::schema("audit").expect("a schema");
    let validator = jsonschema::draft202012::new(&schema).expect("a schema");
    for name in ALL {
        let output = program(&folder(name), &["audit", "--account-export", "export", "--output", "json"]);
        let document: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let markdown =
            program(&folder(name), &["audit", "--account-export", "export", "--output", "markdown"]);
        assert!(String::from_utf8_lossy(&markdown.stdout).contains("| who | what | | path |"), "{name}");
        let sarif = program(&folder(name), &["audit", "--account-export", "export", "--output", "sarif"]);
        assert_eq!(sarif.status.code(), Some(64));
    }
}

fn terms(name: &str) -> Terms {
    let settings = settings::load(&Sources::directory(folder(name))).expect("settings");
    Terms::of(&derive::desired(&settings))
}

/// A sandbox that has all that the export has.
struct Planted {
    sandbox: Sandbox,
    admin: Aws,
    bucket: String,
}

impl Planted {
    async fn new(name: &str, yaml: &str) -> Planted {
        let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
        let config = SandboxConfig::parse(yaml).expect("a good file");
        let sandbox = Sandbox::memory(config, clock).expect("a sandbox");
        let admin = Aws::load(sandbox.aws_settings()).await;
        let export = folder(name).join("export");
        let details = json(&export.join("authorization-details.json"));
        let iam = admin.iam();
        let list = |list: &Json| list.as_array().cloned().unwrap_or_default();
        let text = |json: &Json| json.as_str().expect("a text").to_owned();
        for group in list(&details["GroupDetailList"]) {
            let name = text(&group["GroupName"]);
            iam.create_group().group_name(&name).send().await.expect("a group");
            for policy in list(&group["GroupPolicyList"]) {
                let put = iam.put_group_policy().group_name(&name).policy_name(text(&policy["PolicyName"]));
                put.policy_document(policy["PolicyDocument"].to_string()).send().await.expect("a policy");
            }
            for attached in list(&group["AttachedManagedPolicies"]) {
                let attach =
                    iam.attach_group_policy().group_name(&name).policy_arn(text(&attached["PolicyArn"]));
                attach.send().await.expect("attached");
            }
        }
        for user in list(&details["UserDetailList"]) {
            let name = text(&user["UserName"]);
            iam.create_user().user_name(&name).send().await.expect("a user");
            for policy in list(&user["UserPolicyList"]) {
                let put = iam.put_user_policy().user_name(&name).policy_name(text(&policy["PolicyName"]));
                put.policy_document(policy["PolicyDocument"].to_string()).send().await.expect("a policy");
            }
            for attached in list(&user["AttachedManagedPolicies"]) {
                let attach =
                    iam.attach_user_policy().user_name(&name).policy_arn(text(&attached["PolicyArn"]));
                attach.send().await.expect("attached");
            }
            for group in list(&user["GroupList"]) {
                iam.add_user_to_group()
                    .user_name(&name)
                    .group_name(text(&group))
                    .send()
                    .await
                    .expect("a member");
            }
        }
        for role in list(&details["RoleDetailList"]) {
            let name = text(&role["RoleName"]);
            let trust = role["AssumeRolePolicyDocument"].to_string();
            iam.create_role()
                .role_name(&name)
                .assume_role_policy_document(trust)
                .send()
                .await
                .expect("a role");
            for policy in list(&role["RolePolicyList"]) {
                let put = iam.put_role_policy().role_name(&name).policy_name(text(&policy["PolicyName"]));
                put.policy_document(policy["PolicyDocument"].to_string()).send().await.expect("a policy");
            }
            for attached in list(&role["AttachedManagedPolicies"]) {
                let attach =
                    iam.attach_role_policy().role_name(&name).policy_arn(text(&attached["PolicyArn"]));
                attach.send().await.expect("attached");
            }
        }
        let s3 = admin.s3(None);
        let file = std::fs::read_dir(export.join("bucket-policies")).expect("policies").next().expect("one");
        let path = file.expect("a file").path();
        let bucket = path.file_stem().expect("a name").to_str().expect("text").to_owned();
        s3.create_bucket().bucket(&bucket).send().await.expect("a bucket");
        version(&s3, &bucket, BucketVersioningStatus::Enabled).await.expect("versioned");
        let policy = json(&path);
        if policy != Json::Null {
            let put = s3.put_bucket_policy().bucket(&bucket).policy(policy.to_string());
            put.confirm_remove_self_bucket_access(true).send().await.expect("a policy");
        }
        Planted { sandbox, admin, bucket }
    }

    /// Clients with a key of a user.
    async fn user(&self, name: &str) -> Aws {
        let key =
            self.admin.iam().create_access_key().user_name(name).send().await.expect("a key").access_key;
        let key = key.expect("a key");
        self.admin.with_keys(&Keys::Forced {
            access: Secret::new(key.access_key_id()),
            secret: Secret::new(key.secret_access_key()),
        })
    }

    /// Clients that act as a role which `who` may assume.
    async fn assumed(&self, who: &Aws, role: &str) -> Result<Aws, String> {
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
        let answer = who.sts().assume_role().role_arn(arn).role_session_name("tried").send().await;
        let keys = answer.map_err(|error| format!("{error:?}"))?.credentials.expect("keys");
        Ok(self.admin.with_keys(&Keys::Session {
            access: Secret::new(keys.access_key_id()),
            secret: Secret::new(keys.secret_access_key()),
            token: Secret::new(keys.session_token()),
        }))
    }

    /// The three deeds: a lifecycle rule, versioning suspended, the policy removed. Which of them succeed.
    async fn deeds(&self, who: &Aws) -> [bool; 3] {
        let s3 = who.s3(None);
        let expires = NoncurrentVersionExpiration::builder().noncurrent_days(1).build();
        let rule = LifecycleRule::builder()
            .id("all")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix("").build())
            .noncurrent_version_expiration(expires)
            .build()
            .expect("a rule");
        let rules = BucketLifecycleConfiguration::builder().rules(rule).build().expect("rules");
        let put = s3.put_bucket_lifecycle_configuration().bucket(&self.bucket).lifecycle_configuration(rules);
        let lifecycle = put.send().await.is_ok();
        let suspended = version(&s3, &self.bucket, BucketVersioningStatus::Suspended).await.is_ok();
        let removed = s3.delete_bucket_policy().bucket(&self.bucket).send().await.is_ok();
        [lifecycle, suspended, removed]
    }
}

async fn version(
    s3: &aws_sdk_s3::Client,
    bucket: &str,
    status: BucketVersioningStatus,
) -> Result<(), Box<aws_sdk_s3::Error>> {
    let configuration = VersioningConfiguration::builder().status(status).build();
    let put = s3.put_bucket_versioning().bucket(bucket).versioning_configuration(configuration).send().await;
    put.map(drop).map_err(|error| Box::new(error.into()))
}

/// What the live account says is what its export says.
#[tokio::test]
async fn live_and_exported_accounts_are_judged_alike() {
    for name in ALL {
        let planted = Planted::new(name, "").await;
        let clock = planted.sandbox.clock();
        let aws = Aws::load(planted.sandbox.aws_settings()).await;
        let terms = terms(name);
        let world = LiveWorld::connect(
            terms.environment.clone(),
            aws,
            Hosts::default(),
            Vec::<Secret>::new(),
            8,
            clock,
        )
        .await;
        let live = judge(&world.evidence(&terms).await, &terms);
        assert!(live.is_complete(), "{name}: {:?}", live.unread);
        let exported = export::read(&folder(name).join("export"), Some(&terms)).expect("an export");
        let exported = judge(&exported, &terms);
        // Where bucket and account are is known live, and so are access points.
        let told = |audit: &audit::Audit| -> Vec<String> {
            // The organisation's own role is in every sandbox.
            let is_organisations = |who: &str| {
                who.ends_with("OrganizationAccountAccessRole")
                    || who.starts_with("arn:aws:iam::111111111111:")
            };
            let abilities = audit
                .abilities
                .iter()
                .filter(|one| one.row.action != "s3:PutAccessPointPolicy" && !is_organisations(&one.who));
            abilities
                .map(|one| format!("{} {} {} {:?}", one.who, one.row.action, one.decision, one.path))
                .collect()
        };
        assert_eq!(told(&live), told(&exported), "{name}");
    }
}

#[tokio::test]
async fn the_stolen_key_destroys_from_within_its_network() {
    let planted = Planted::new(ALL[0], "source_ip: 172.31.7.7\n").await;
    let thief = planted.user("aquamark_ws").await;
    assert_eq!(planted.deeds(&thief).await, [true, false, false]);
    let takes = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*",
        "Resource": ["arn:aws:s3:::aquamark-files", "arn:aws:s3:::aquamark-files/*"]}}"#;
    let s3 = thief.s3(None);
    // What it may write into the policy it then has.
    let opened = takes.replace(
        "\"*\", \"Action\"",
        &format!("{{\"AWS\": \"arn:aws:iam::{ACCOUNT}:user/aquamark_ws\"}}, \"Action\""),
    );
    s3.put_bucket_policy().bucket(&planted.bucket).policy(opened).send().await.expect("its own policy");
    assert_eq!(planted.deeds(&thief).await, [true, true, true]);

    let planted = Planted::new(ALL[0], "source_ip: 198.51.100.7\n").await;
    let thief = planted.user("aquamark_ws").await;
    assert_eq!(planted.deeds(&thief).await, [false, false, false], "from elsewhere the key does nothing");
}

#[tokio::test]
async fn the_role_that_deploys_reaches_break_glass_only_through_a_service() {
    let planted = Planted::new(ALL[1], "").await;
    let bob = planted.user("bob").await;
    assert_eq!(planted.deeds(&bob).await, [false; 3]);
    let deploy = planted.assumed(&bob, "ci-deploy").await.expect("a developer deploys");
    assert_eq!(planted.deeds(&deploy).await, [false; 3], "the lock holds");
    planted.assumed(&deploy, "OrganizationAdmin").await.expect_err("its trust names a service and alice");
    planted.assumed(&bob, "OrganizationAdmin").await.expect_err("not bob either");
    // The function that it would create works as the role that it passes.
    let trusting = planted.admin.iam();
    let trust = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "123456789012"},
        "Action": "sts:AssumeRole"}}"#;
    let update = trusting.update_assume_role_policy().role_name("OrganizationAdmin").policy_document(trust);
    update.send().await.expect("to stand in for the service");
    let admin_user = planted.user("bob").await;
    let put = trusting.put_user_policy().user_name("bob").policy_name("stand-in").policy_document(
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}"#,
    );
    put.send().await.expect("to stand in for the service");
    let function = planted.assumed(&admin_user, "OrganizationAdmin").await.expect("as the function");
    assert_eq!(planted.deeds(&function).await, [true; 3], "break-glass is spared");
}

#[tokio::test]
async fn the_administrator_who_left_gives_himself_what_he_lacks() {
    let planted = Planted::new(ALL[2], "").await;
    let henry = planted.user("henry-left-2025").await;
    assert_eq!(planted.deeds(&henry).await, [false; 3], "iam:* alone touches no bucket");
    let all =
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    let put =
        henry.iam().put_user_policy().user_name("henry-left-2025").policy_name("mine").policy_document(all);
    put.send().await.expect("he may write his own policies");
    assert_eq!(planted.deeds(&henry).await, [true, false, true], "an incomplete lock is removed");
    assert_eq!(planted.deeds(&henry).await, [true, true, true], "and then nothing holds");

    let planted = Planted::new(ALL[2], "").await;
    let grace = planted.user("grace").await;
    let trust = format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": {{"AWS": "arn:aws:iam::{ACCOUNT}:user/grace"}}, "Action": "sts:AssumeRole"}}}}"#
    );
    let update =
        grace.iam().update_assume_role_policy().role_name("OrganizationAdmin").policy_document(trust);
    update.send().await.expect("an administrator may");
    let admin = planted.assumed(&grace, "OrganizationAdmin").await.expect("she trusts herself");
    let suspended = version(&admin.s3(None), &planted.bucket, BucketVersioningStatus::Suspended).await;
    assert!(suspended.is_ok(), "break-glass is spared");
}
