//! What policies of others let an identity destroy. An identity that is adopted brings what it could do all along, and from
//! then on we answer for it.

use std::collections::BTreeMap;

use super::{Others, Realm};
use crate::policy::destroyers::{DESTROYERS, Destroyer, On, When};
use crate::policy::{
    Context, Document, Layer, Named, Policies, Principal, Request, Resource, Verdict, decide,
};
use crate::vocab::BucketName;

/// A bucket that holds backups, as far as settings tell what would destroy them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stake {
    /// Settings see to it that old versions are kept: there, writing destroys nothing.
    pub versioned: bool,
    pub object_lock: bool,
    /// The key of KMS that it encrypts with, as settings name it.
    pub key: Option<String>,
}

/// What is at stake.
pub type Stakes = BTreeMap<BucketName, Stake>;

/// An identity with all that others gave it.
#[derive(Debug)]
pub struct Holder<'a> {
    /// `role` or `user`.
    pub kind: &'static str,
    pub name: &'a str,
    pub path: &'a str,
    /// Policies by the name that people look for.
    pub policies: Vec<(String, &'a str)>,
    /// The most that it may ever do.
    pub boundary: Option<&'a str>,
}

/// What a policy of others lets its holder destroy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ability {
    /// The policy, as people look for it.
    pub policy: String,
    /// In the order of the table: the gravest first.
    pub rows: Vec<&'static Destroyer>,
}

impl Holder<'_> {
    /// Every row of the table that a policy of others allows on what is at stake, or may allow: a condition that could
    /// hold, and a text that cannot be read, are never safe.
    pub fn abilities(&self, realm: &Realm, stakes: &Stakes) -> Vec<Ability> {
        let named = |(name, text): &(String, &str)| Named::new(name.as_str(), document(text));
        let identity: Vec<Named> = self.policies.iter().map(named).collect();
        if identity.is_empty() {
            return Vec::new();
        }
        let boundary = self.boundary.map(|text| Named::new("boundary", document(text)));
        let policies = Policies { identity: &identity, boundary: boundary.as_ref(), ..Policies::default() };
        let account = if realm.account == "*" { "000000000000" } else { &realm.account };
        let arn = format!("arn:{}:iam::{account}:{}{}{}", realm.partition, self.kind, self.path, self.name);
        let Ok(principal) = Principal::parse(&arn) else { return Vec::new() };
        let context = Context::of_anybody();
        let mut found: BTreeMap<String, Vec<&'static Destroyer>> = BTreeMap::new();
        for row in DESTROYERS {
            for target in targets(row, realm, stakes) {
                let request = Request {
                    principal: &principal,
                    action: row.action,
                    resource: target.resource(),
                    resource_account: None,
                    context: &context,
                };
                let decision = decide(&request, &policies);
                let by = decision.path.iter().filter(|step| step.layer == Layer::Identity);
                for step in by.filter(|_| decision.verdict != Verdict::Denied) {
                    let rows = found.entry(step.policy.clone()).or_default();
                    if !rows.contains(&row) {
                        rows.push(row);
                    }
                }
            }
        }
        found.into_iter().map(|(policy, rows)| Ability { policy, rows }).collect()
    }
}

/// A text that cannot be read may allow anything.
fn document(text: &str) -> Document {
    Document::parse(text).unwrap_or_else(|_| Document::unread())
}

/// Names for policies of others, with their texts.
pub fn policies<'a>(prefix: &str, others: Option<&'a Others>) -> Vec<(String, &'a str)> {
    others
        .into_iter()
        .flatten()
        .map(|(name, text)| (format!("{prefix}policy {name}"), text.as_str()))
        .collect()
}

/// On what a row would be tried.
enum Target {
    Exactly(String),
    Under(String),
}

impl Target {
    fn resource(&self) -> Resource<'_> {
        match self {
            Target::Exactly(arn) => Resource::Exact(arn),
            Target::Under(arn) => Resource::Under(arn),
        }
    }
}

fn targets(row: &Destroyer, realm: &Realm, stakes: &Stakes) -> Vec<Target> {
    let bites = |stake: &Stake| match row.when {
        When::Always => true,
        When::Unversioned => !stake.versioned,
        When::ObjectLock => stake.object_lock,
        When::KmsKey | When::ImportedKey => stake.key.is_some(),
        // Whoever writes could do the first, and no settings make the second.
        When::ForeignKey | When::FilteredByTag => false,
    };
    let bucket = |name: &BucketName| format!("arn:{}:s3:::{name}", realm.partition);
    let at_stake = stakes.iter().filter(|(_, stake)| bites(stake));
    match row.on {
        On::Bucket => at_stake.map(|(name, _)| Target::Exactly(bucket(name))).collect(),
        On::Object => at_stake.map(|(name, _)| Target::Under(format!("{}/", bucket(name)))).collect(),
        On::Key => at_stake.filter_map(|(_, stake)| stake.key.clone().map(Target::Exactly)).collect(),
        On::Account => vec![Target::Exactly("*".to_owned())],
        // Of these nothing is at stake that settings of buckets name; the audit looks at them.
        On::AccessPoint
        | On::DatabaseSnapshot
        | On::Database
        | On::DatabaseBackup
        | On::ClusterSnapshot
        | On::Cluster
        | On::RecoveryPoint
        | On::BackupVault => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::identity::{Grants, Source};

    fn realm() -> Realm {
        Realm { partition: "aws".to_owned(), account: "123456789012".to_owned() }
    }

    fn stakes(list: &[(&str, bool)]) -> Stakes {
        let stake = |versioned| Stake { versioned, ..Stake::default() };
        list.iter().map(|(name, versioned)| (name.parse().expect("valid"), stake(*versioned))).collect()
    }

    fn abilities(text: &str, boundary: Option<&str>, stakes: &Stakes) -> Vec<Ability> {
        let policies = vec![("policy by-hand".to_owned(), text)];
        Holder { kind: "role", name: "writer", path: "/", policies, boundary }.abilities(&realm(), stakes)
    }

    fn policy(action: &str, resource: &str) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}}}"#
        )
    }

    #[test]
    fn what_others_gave_is_told_by_policy_and_action() {
        let stakes = stakes(&[("backups", true)]);
        let all = policy("*", "*");
        let found = abilities(&all, None, &stakes);
        assert_eq!(found[0].policy, "policy by-hand");
        assert!(found[0].rows.iter().any(|row| row.action == "s3:PutLifecycleConfiguration"));
        assert!(!found[0].rows.iter().any(|row| row.action == "s3:PutObject"), "it keeps versions");
        // Some of the objects are enough.
        let some = policy("s3:DeleteObjectVersion", "arn:aws:s3:::backups/daily/*");
        assert_eq!(abilities(&some, None, &stakes).len(), 1);
        assert_eq!(abilities("not a policy", None, &stakes).len(), 1, "never safe");
        for harmless in [
            policy("s3:GetObject", "*"),
            policy("s3:DeleteObjectVersion", "arn:aws:s3:::elsewhere/*"),
            policy("s3:PutObject", "*"),
        ] {
            assert_eq!(abilities(&harmless, None, &stakes), [], "{harmless}");
        }
        let boundary = policy("s3:GetObject", "*");
        assert_eq!(abilities(&all, Some(&boundary), &stakes), []);
    }

    /// What this program grants holds no power to destroy, but to overwrite where nothing keeps old versions.
    #[test]
    fn derived_grants_destroy_nothing() {
        let grants = |from| Grants {
            writes: ["backups", "unkept"].iter().map(|name| name.parse().expect("valid")).collect(),
            keys: ["arn:aws:kms:eu-west-2:123456789012:key/0000".to_owned()].into(),
            snapshots: ["aquamark".to_owned()].into(),
            from,
        };
        let vpc = Source::Vpc { vpc: "vpc-1".to_owned(), networks: Default::default() };
        for from in [None, Some(vpc)] {
            let text = grants(from).to_document(&realm()).to_string();
            let stake = Stake {
                versioned: true,
                object_lock: true,
                key: Some("arn:aws:kms:eu-west-2:123456789012:key/0000".to_owned()),
            };
            let kept: Stakes = [("backups".parse().expect("valid"), stake)].into();
            assert_eq!(abilities(&text, None, &kept), []);
            let unkept = stakes(&[("backups", true), ("unkept", false)]);
            let found = abilities(&text, None, &unkept);
            let actions: Vec<&str> = found.iter().flat_map(|one| &one.rows).map(|row| row.action).collect();
            assert_eq!(actions, ["s3:PutObject"]);
            // No row of the table at all, on whatever resource, but puts.
            let document = Document::parse(&text).expect("a policy");
            let concerned = DESTROYERS.iter().filter(|row| document.may_concern(row.action));
            assert!(
                concerned.clone().all(|row| row.action == "s3:PutObject"),
                "{:?}",
                concerned.collect::<Vec<_>>()
            );
        }
    }
}
