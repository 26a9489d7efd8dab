//! The audit: what it finds, who it says can destroy, and that it never takes for safe what it did not see.

mod accounts;
mod exports;
mod findings;
mod keys;
mod laws;
mod live;
mod live_keys;
mod lock;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reconcile::audit::bucket::BucketFacts;
use reconcile::audit::key::{About, KeyFacts, KeyState};
use reconcile::audit::raw::AuthorizationDetails;
use reconcile::audit::{Account, Audit, BucketTerms, Evidence, Fact, Terms, judge};
use reconcile::policy::Document;
use reconcile::resources::bucket::{BucketObjectLock, PublicAccess};
use reconcile::vocab::{BucketName, Encryption, LockMode, ObjectLock, Versioning};
use serde_json::{Value as Json, json};

pub const ACCOUNT: &str = "123456789012";
pub const BUCKET: &str = "backups";
pub const BREAK_GLASS: &str = "arn:aws:iam::123456789012:role/OrganizationAdmin";

pub fn bucket() -> BucketName {
    BUCKET.parse().expect("a name")
}

/// A policy with these statements.
pub fn policy(statements: Json) -> Json {
    json!({"Version": "2012-10-17", "Statement": statements})
}

pub fn allow(action: impl Into<Json>, resource: &str) -> Json {
    json!({"Effect": "Allow", "Action": action.into(), "Resource": resource})
}

pub fn document(json: &Json) -> Arc<Document> {
    Arc::new(Document::read(json).expect("a policy"))
}

pub fn user(name: &str, statements: Json) -> Json {
    json!({"UserName": name, "Arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
           "UserPolicyList": [{"PolicyName": "P", "PolicyDocument": policy(statements)}]})
}

pub fn role(name: &str, trusts: Json, statements: Json) -> Json {
    let trust = policy(json!([{"Effect": "Allow", "Principal": trusts, "Action": "sts:AssumeRole"}]));
    json!({"RoleName": name, "Arn": format!("arn:aws:iam::{ACCOUNT}:role/{name}"), "AssumeRolePolicyDocument": trust,
           "RolePolicyList": [{"PolicyName": "P", "PolicyDocument": policy(statements)}]})
}

pub fn break_glass() -> Json {
    role("OrganizationAdmin", json!({"Service": "nobody.amazonaws.com"}), json!([allow("*", "*")]))
}

pub fn details(users: &[Json], roles: &[Json]) -> Json {
    json!({"UserDetailList": users, "GroupDetailList": [], "RoleDetailList": roles, "Policies": []})
}

pub fn account(details: Json) -> Fact<Account> {
    let details: AuthorizationDetails = serde_json::from_value(details).expect("details");
    Fact::Known(Account::of(details))
}

/// A bucket that is as it should be, but for whom its policy lets do what.
pub fn good_bucket(policy: Option<&Json>) -> BucketFacts {
    BucketFacts {
        region: Some("eu-west-2".parse().expect("a region")),
        mark: Fact::Known(Some("prod".parse().expect("a name"))),
        versioning: Fact::Known(Versioning::Enabled),
        policy: Fact::Known(policy.map(document)),
        lifecycle: Fact::Known(Vec::new()),
        object_lock: Fact::Known(BucketObjectLock::Holds(ObjectLock {
            mode: LockMode::Governance,
            days: 30,
        })),
        oldest_is_held: Fact::Known(Some(true)),
        public_access: Fact::Known(PublicAccess::BLOCKED),
        acls_off: Fact::Known(true),
        grants: Fact::Known(Vec::new()),
        replication: Fact::Known(Vec::new()),
        encryption: Fact::Known(Encryption::Aes256),
    }
}

/// A key of the account's own in this state, with a policy of these statements.
pub fn key(state: KeyState, statements: &Json) -> KeyFacts {
    let about = About { by_aws: false, state, imported: Some(false), expires: None, multi_region: false };
    KeyFacts { about: Fact::Known(about), policy: Fact::Known(document(&policy(statements.clone()))) }
}

/// Settings with one bucket that is versioned and locked.
pub fn terms() -> Terms {
    let declared = BucketTerms { versioned: true, lock: Some(true), ..BucketTerms::default() };
    Terms {
        root_writes: false,
        environment: "prod".parse().expect("a name"),
        account: Some(ACCOUNT.parse().expect("an account")),
        buckets: BTreeMap::from([(bucket(), declared)]),
        break_glass: BTreeSet::from([BREAK_GLASS.to_owned()]),
        writers: BTreeSet::new(),
        databases: BTreeSet::new(),
        region: None,
        copied: BTreeSet::from([bucket()]),
        earlier: BTreeSet::new(),
        previous: BTreeSet::new(),
        without_host: BTreeMap::new(),
        named: BTreeSet::from([BUCKET.to_owned()]),
    }
}

pub fn evidence(identities: Json, facts: BucketFacts) -> Evidence {
    Evidence {
        account: Some(ACCOUNT.parse().expect("an account")),
        identities: account(identities),
        buckets: BTreeMap::from([(bucket(), facts)]),
        ..Evidence::default()
    }
}

/// Who can destroy unexpectedly: `who: action` and the decision.
pub fn unexpected(audit: &Audit) -> BTreeMap<(String, String), String> {
    audit
        .abilities
        .iter()
        .filter(|ability| ability.expected.is_none())
        .map(|one| ((one.who.to_string(), one.row.action.to_owned()), one.decision.to_string()))
        .collect()
}

/// The way of somebody to an action, in its few words and its statements.
pub fn way(audit: &Audit, who: &str, action: &str) -> Option<(String, Vec<String>)> {
    let found = audit.abilities.iter().find(|one| &*one.who == who && one.row.action == action)?;
    Some((found.via.join(" -> "), found.path.iter().map(ToString::to_string).collect()))
}

pub fn judged(identities: Json, facts: BucketFacts) -> Audit {
    judge(&evidence(identities, facts), &terms())
}

/// The complete lock, as the program writes it.
pub fn complete_lock() -> Json {
    lock::complete()
}
