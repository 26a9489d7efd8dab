//! The examples, applied on a sandbox: their buckets, and who was made to write to them.

use aws_sdk_s3::Client;
use reconcile::clients::aws::{Aws, Keys};
use reconcile::policy::{Document, Named};
use reconcile::resources::identity::live::decoded;
use reconcile::sandbox::Sandbox;
use reconcile::vocab::{Clock, RegionName, Secret};

use crate::story::stage::Stage;

const NOW: &str = "now: 2026-11-21T12:00:00Z\n";
pub const AS_ADMIN: &str =
    "caller: arn:aws:sts::123456789012:assumed-role/OrganizationAccountAccessRole/test\n";

pub const ROLE: &str = "sportfin-prod-database-backups-ec2-s3-access";

/// An example that was applied: its bucket, where it is.
pub struct Applied {
    pub stage: Stage,
    pub bucket: &'static str,
    pub region: RegionName,
}

fn applied(example: &str, bucket: &'static str, region: &str) -> Applied {
    let stage = Stage::of(example);
    stage.sandbox(&format!("{NOW}{AS_ADMIN}"));
    let plan = stage.reconcile_plain("plan").exits(0);
    let line = plan.line_to_apply().unwrap_or_else(|| panic!("nothing to apply: {plan}")).to_owned();
    stage.reconcile_exactly(&format!("{line} --auto-approve")).exits(0);
    Applied { stage, bucket, region: region.parse().expect("valid") }
}

pub fn sportfin() -> Applied {
    applied("sportfin", "sportfin-prod-database-backups", "eu-west-2")
}

pub fn aquamark() -> Applied {
    applied("aquamark", "aquamark-files", "ap-southeast-2")
}

/// A key of a user, made by hand as the plan tells.
pub struct AccessKey {
    id: String,
    secret: String,
}

impl Applied {
    /// The clients of whoever calls from where this sandbox says, with a user's key or as the caller.
    pub async fn clients(&self, sandbox: &str, key: Option<&AccessKey>) -> Aws {
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

    pub async fn s3(&self, sandbox: &str, key: Option<&AccessKey>) -> Client {
        self.clients(sandbox, key).await.s3(Some(&self.region))
    }

    pub async fn key_of(&self, user: &str) -> AccessKey {
        let iam = self.clients(AS_ADMIN, None).await.iam();
        let key = iam.create_access_key().user_name(user).send().await.expect("a key").access_key;
        let key = key.expect("a key");
        AccessKey { id: key.access_key_id, secret: key.secret_access_key }
    }

    /// The bucket's policy as it is.
    pub async fn bucket_policy(&self) -> Named {
        let s3 = self.s3(AS_ADMIN, None).await;
        let policy = s3.get_bucket_policy().bucket(self.bucket).send().await.expect("a policy").policy;
        let document = Document::parse(&policy.expect("a text")).expect("a document");
        Named::new("the bucket's policy", document)
    }

    /// The policies of a user, which are all that it has: no managed one, no group.
    pub async fn policies_of_user(&self, name: &str) -> Vec<Named> {
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

    pub async fn policies_of_role(&self, name: &str) -> Vec<Named> {
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
