//! The versioning lock as statements of a bucket's policy: which ones make it complete, and what those that are there
//! amount to. Pure; `policy` reads and writes the policy itself.
//!
//! The exemption of break-glass is `ArnNotLike` on `aws:PrincipalArn`, which for a session is the ARN of its role
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn>);
//! never `NotPrincipal`, which would have to name each session.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::policy::meaning;
use crate::policy::destroyers::{self, On, When};
use crate::policy::{Effect, Operator, Statement, Test, Who};
use crate::resources::bucket::VersioningLock;

/// Sids of our statements; they begin alike so that each is known for ours.
const ON_BUCKET: &str = "ReconcileLockBucket";
const ON_OBJECTS: &str = "ReconcileLockObjects";
const CUSTOMER_KEYS: &str = "ReconcileLockCustomerKeys";
const FOREIGN_KEYS: &str = "ReconcileLockForeignKeys";
const OURS: [&str; 4] = [ON_BUCKET, ON_OBJECTS, CUSTOMER_KEYS, FOREIGN_KEYS];

/// What is still open where one of these statements is not as it should be: no action of its own, but a header.
const CUSTOMER_KEY: &str = "s3:PutObject with a key that the writer provides";
const FOREIGN_KEY: &str = "s3:PutObject with a KMS key of somebody else";

/// The headers, as conditions name them
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html>).
const CUSTOMER_KEY_HEADER: &str = "s3:x-amz-server-side-encryption-customer-algorithm";
const KMS_KEY_HEADER: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";

/// What the statements depend on besides who is spared.
#[derive(Debug)]
pub(super) struct Terms {
    /// The ARN of the bucket.
    pub bucket: String,
    /// The keys of KMS that a writer may name: a pattern of ARNs.
    pub keys: String,
    /// Whether any lifecycle rule chooses objects by their tags, so that tagging removes.
    pub filtered_by_tag: bool,
}

impl Terms {
    fn objects(&self) -> String {
        format!("{}/*", self.bucket)
    }

    /// The actions that a complete lock denies, on the bucket or on its objects.
    fn actions(&self, on: On) -> Vec<&'static str> {
        let denied = |when| match when {
            When::Always | When::ObjectLock => true,
            When::FilteredByTag => self.filtered_by_tag,
            // Versioning is what makes an upload harmless; keys have statements of their own.
            When::Unversioned | When::ForeignKey | When::KmsKey | When::ImportedKey => false,
        };
        destroyers::of_bucket_policies()
            .filter(|row| row.on == on && denied(row.when))
            .map(|row| row.action)
            .collect()
    }
}

/// The statements of a complete lock.
pub(super) fn statements(terms: &Terms, break_glass: &BTreeSet<String>) -> Vec<Json> {
    let to_all_but_break_glass = |sid: &str, actions: Vec<&str>, resource: String| {
        json!({
            "Sid": sid, "Effect": "Deny", "Principal": "*", "Action": actions, "Resource": resource,
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": break_glass}},
        })
    };
    vec![
        to_all_but_break_glass(ON_BUCKET, terms.actions(On::Bucket), terms.bucket.clone()),
        to_all_but_break_glass(ON_OBJECTS, terms.actions(On::Object), terms.objects()),
        customer_keys(terms),
        foreign_keys(terms),
    ]
}

/// Nobody at all: an object under a key that only its writer knows is no backup.
fn customer_keys(terms: &Terms) -> Json {
    json!({
        "Sid": CUSTOMER_KEYS, "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": terms.objects(),
        "Condition": {"Null": {CUSTOMER_KEY_HEADER: "false"}},
    })
}

/// Both conditions must hold: a negated operator alone is true where the header is absent.
fn foreign_keys(terms: &Terms) -> Json {
    json!({
        "Sid": FOREIGN_KEYS, "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": terms.objects(),
        "Condition": {"Null": {KMS_KEY_HEADER: "false"}, "StringNotLike": {KMS_KEY_HEADER: terms.keys}},
    })
}

/// Whether a statement is one of the lock's.
pub(super) fn is_ours(statement: &Json) -> bool {
    statement.get("Sid").and_then(Json::as_str).is_some_and(|sid| OURS.contains(&sid))
}

/// What our statements among these deny.
pub(super) fn read(all: &[Json], terms: &Terms) -> VersioningLock {
    if !all.iter().any(is_ours) {
        return VersioningLock::None;
    }
    let ours: Vec<Statement> =
        all.iter().filter(|statement| is_ours(statement)).filter_map(meaning).collect();
    let mut missing = BTreeSet::new();
    let mut break_glass = BTreeSet::new();
    for (on, resource) in [(On::Bucket, terms.bucket.clone()), (On::Object, terms.objects())] {
        for action in terms.actions(on) {
            match ours.iter().find_map(|statement| spared(statement, action, &resource)) {
                Some(roles) => break_glass.extend(roles),
                None => {
                    missing.insert(action.to_owned());
                }
            }
        }
    }
    for (wanted, name) in [(customer_keys(terms), CUSTOMER_KEY), (foreign_keys(terms), FOREIGN_KEY)] {
        if !ours.iter().any(|statement| meaning(&wanted).as_ref() == Some(statement)) {
            missing.insert(name.to_owned());
        }
    }
    VersioningLock::Denies { missing, break_glass }
}

/// The roles that a statement spares, if it denies this action to all others; a condition more and it may not.
fn spared(statement: &Statement, action: &str, resource: &str) -> Option<Vec<String>> {
    let everyone = statement.principals.as_ref()?;
    let resources = statement.resources.as_ref()?;
    let [condition] = statement.conditions.as_slice() else { return None };
    let arn_not_like = Operator::Known { set: None, test: Test::ArnNotLike, if_exists: false };
    let denied = statement.effect == Effect::Deny
        && !everyone.negated
        && everyone.who == [Who::Everyone]
        && statement.actions.contain(action)
        && !resources.negated
        && resources.patterns.iter().any(|pattern| pattern.as_str() == resource)
        && condition.operator == arn_not_like
        && condition.key.eq_ignore_ascii_case("aws:PrincipalArn")
        && statement.unmodelled.is_empty();
    denied.then(|| condition.values.iter().map(|value| value.text.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            bucket: "arn:aws:s3:::b".to_owned(),
            keys: "arn:aws:kms:*:123456789012:*".to_owned(),
            filtered_by_tag: false,
        }
    }

    fn roles() -> BTreeSet<String> {
        BTreeSet::from(["arn:aws:iam::123456789012:role/OrganizationAdmin".to_owned()])
    }

    #[test]
    fn what_is_written_is_read_as_complete() {
        for filtered_by_tag in [false, true] {
            let terms = Terms { filtered_by_tag, ..terms() };
            let written = statements(&terms, &roles());
            assert_eq!(read(&written, &terms), VersioningLock::complete(roles()));
        }
        assert_eq!(read(&[], &terms()), VersioningLock::None);
    }

    #[test]
    fn a_lock_from_before_a_rule_by_tag_misses_the_tagging() {
        let missing = missing(&statements(&terms(), &roles()), &Terms { filtered_by_tag: true, ..terms() });
        assert!(
            missing.len() == 4 && missing.iter().all(|action| action.ends_with("Tagging")),
            "{missing:?}"
        );
    }

    fn missing(statements: &[Json], terms: &Terms) -> BTreeSet<String> {
        match read(statements, terms) {
            VersioningLock::Denies { missing, .. } => missing,
            VersioningLock::None => panic!("a lock is there"),
        }
    }

    /// Each action taken out alone is named, and so is each of the statements about keys.
    #[test]
    fn what_is_taken_out_is_named() {
        let whole = statements(&terms(), &roles());
        for at in [0, 1] {
            let actions = whole[at]["Action"].as_array().expect("a list").clone();
            assert!(actions.len() > 10, "{actions:?}");
            for (index, action) in actions.iter().enumerate() {
                let mut less = whole.clone();
                less[at]["Action"].as_array_mut().expect("a list").remove(index);
                assert_eq!(
                    missing(&less, &terms()),
                    BTreeSet::from([action.as_str().expect("text").to_owned()])
                );
            }
        }
        for (at, name) in [(2, CUSTOMER_KEY), (3, FOREIGN_KEY)] {
            let mut less = whole.clone();
            less.remove(at);
            assert_eq!(missing(&less, &terms()), BTreeSet::from([name.to_owned()]));
        }
    }

    #[test]
    fn a_statement_that_holds_for_some_only_denies_nothing_for_sure() {
        let whole = statements(&terms(), &roles());
        let all: BTreeSet<String> = terms().actions(On::Bucket).into_iter().map(str::to_owned).collect();
        let spoil: [fn(&mut Json); 6] = [
            |statement| statement["Effect"] = json!("Allow"),
            |statement| statement["Principal"] = json!({"AWS": "arn:aws:iam::123456789012:role/x"}),
            |statement| statement["Resource"] = json!("arn:aws:s3:::b/*"),
            |statement| statement["Condition"]["Bool"] = json!({"aws:SecureTransport": "false"}),
            |statement| statement["Condition"] = json!({"ArnLike": {"aws:PrincipalArn": "*"}}),
            |statement| statement["Condition"]["ArnNotLike"]["aws:userid"] = json!("x"),
        ];
        for spoil in spoil {
            let mut spoilt = whole.clone();
            spoil(&mut spoilt[0]);
            assert_eq!(missing(&spoilt, &terms()), all, "{}", spoilt[0]);
        }
    }
}
