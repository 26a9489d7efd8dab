//! The lock: each row of the table's first kind, open alone, is found and named; with all of them denied nothing is left.

use reconcile::audit::{Fact, judge};
use reconcile::policy::destroyers::{On, When, of_bucket_policies};
use reconcile::resources::bucket::BucketObjectLock;
use reconcile::vocab::Versioning;
use serde_json::{Value as Json, json};

use super::{
    BREAK_GLASS, BUCKET, allow, break_glass, details, evidence, good_bucket, judged, policy, terms,
    unexpected, user,
};

const CUSTOMER_KEY: &str = "s3:x-amz-server-side-encryption-customer-algorithm";
const KMS_KEY: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";

fn rows(on: On) -> Vec<&'static str> {
    of_bucket_policies()
        .filter(|row| row.on == on && !matches!(row.when, When::Unversioned | When::ForeignKey))
        .map(|row| row.action)
        .collect()
}

/// What denies everything, but for `open`.
fn lock_without(open: &str) -> Json {
    let denied = |on| -> Vec<&str> { rows(on).into_iter().filter(|action| *action != open).collect() };
    let spared = json!({"ArnNotLike": {"aws:PrincipalArn": BREAK_GLASS}});
    let arn = format!("arn:aws:s3:::{BUCKET}");
    let key = |condition: Json| {
        json!({"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
        "Resource": format!("{arn}/*"), "Condition": condition})
    };
    policy(json!([
        {"Effect": "Deny", "Principal": "*", "Action": denied(On::Bucket), "Resource": arn, "Condition": spared},
        {"Effect": "Deny", "Principal": "*", "Action": denied(On::Object), "Resource": format!("{arn}/*"),
         "Condition": spared},
        key(json!({"Null": {CUSTOMER_KEY: "false"}})),
        key(json!({"Null": {KMS_KEY: "false"}, "StringNotLike": {KMS_KEY: "arn:aws:kms:*:123456789012:*"}})),
    ]))
}

pub fn complete() -> Json {
    lock_without("")
}

/// Somebody who may do everything with S3, and nothing in IAM.
fn operator() -> Json {
    details(&[user("operator", json!([allow("s3:*", "*")]))], &[break_glass()])
}

#[test]
fn with_the_complete_lock_nobody_is_left_but_break_glass_and_root() {
    let audit = judged(operator(), good_bucket(Some(&complete())));
    // Access points are no matter of the bucket's policy.
    let left: Vec<_> =
        unexpected(&audit).into_keys().filter(|(_, action)| action != "s3:PutAccessPointPolicy").collect();
    assert!(left.is_empty(), "{left:?}");
    let names: Vec<_> = audit.findings.iter().map(|finding| finding.id).collect();
    assert!(!names.iter().any(|name| name.starts_with("lock")), "{names:?}");
    assert!(audit.abilities.iter().any(|one| &*one.who == "role/OrganizationAdmin"));
    assert!(audit.abilities.iter().any(|one| &*one.who == "account root"));
}

#[test]
fn each_row_that_is_open_alone_is_found_and_named() {
    for on in [On::Bucket, On::Object] {
        for action in rows(on) {
            let mut facts = good_bucket(Some(&lock_without(action)));
            let row = of_bucket_policies().find(|row| row.action == action && row.on == on).expect("a row");
            if row.when == When::FilteredByTag {
                let rule = reconcile::audit::bucket::LifecycleRule {
                    enabled: true,
                    tags: vec![("old".to_owned(), "yes".to_owned())],
                    ..Default::default()
                };
                facts.lifecycle = Fact::Known(vec![rule]);
            }
            assert_ne!(facts.object_lock, Fact::Known(BucketObjectLock::None));
            let audit = judged(operator(), facts);
            let found = unexpected(&audit);
            assert_eq!(
                found.get(&("user/operator".to_owned(), action.to_owned())).map(String::as_str),
                Some("allowed"),
                "{action}: {found:?}"
            );
            let others: Vec<_> = found
                .keys()
                .filter(|(_, other)| other != action && other != "s3:PutAccessPointPolicy")
                .collect();
            assert!(others.is_empty(), "{action}: {others:?}");
            let lock = audit.findings.iter().find(|finding| finding.id == "lock-incomplete").expect("found");
            assert_eq!(lock.title, format!("the lock misses {action}"));
            assert!(
                audit
                    .findings
                    .iter()
                    .any(|finding| finding.id == "can-destroy" && finding.evidence[0].contains(action))
            );
        }
    }
}

#[test]
fn a_header_that_is_open_is_found() {
    for (statement, name) in [(2, "a key that the writer provides"), (3, "a KMS key of somebody else")] {
        let mut lock = complete();
        lock["Statement"].as_array_mut().expect("a list").remove(statement);
        let audit = judged(operator(), good_bucket(Some(&lock)));
        assert!(unexpected(&audit).contains_key(&("user/operator".to_owned(), "s3:PutObject".to_owned())));
        let found = audit.findings.iter().find(|finding| finding.id == "lock-incomplete").expect("found");
        assert!(found.title.ends_with(name), "{}", found.title);
    }
}

/// Without versioning an upload destroys too, and no lock holds it off.
#[test]
fn without_versioning_a_writer_destroys() {
    for state in [Versioning::Never, Versioning::Suspended] {
        let mut facts = good_bucket(Some(&complete()));
        facts.versioning = Fact::Known(state);
        let audit = judge(&evidence(operator(), facts), &terms());
        assert!(unexpected(&audit).contains_key(&("user/operator".to_owned(), "s3:PutObject".to_owned())));
    }
}

/// A statement that only looks like a lock is none.
#[test]
fn a_lock_for_some_is_no_lock() {
    let mut lock = complete();
    for statement in lock["Statement"].as_array_mut().expect("a list") {
        statement["Condition"]["Bool"] = json!({"aws:SecureTransport": "false"});
    }
    let audit = judged(operator(), good_bucket(Some(&lock)));
    assert!(audit.findings.iter().any(|finding| finding.id == "lock-absent"));
    assert!(unexpected(&audit).values().any(|decision| decision == "allowed"));
}

/// Whoever asks chooses TLS, so a bucket that demands it is no better protected.
#[test]
fn a_statement_against_plain_http_holds_nobody_off() {
    let arn = format!("arn:aws:s3:::{BUCKET}");
    let tls = policy(json!([{"Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [arn, format!("{arn}/*")], "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]));
    let audit = judged(operator(), good_bucket(Some(&tls)));
    let found = audit
        .abilities
        .iter()
        .find(|one| &*one.who == "user/operator" && one.row.action == "s3:DeleteObjectVersion")
        .expect("an ability");
    assert_eq!(found.decision, reconcile::policy::Verdict::Allowed);
}
