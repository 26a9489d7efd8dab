//! The table of findings: each has its page and is found in an example of its own; a good bucket has none.

use std::collections::BTreeSet;
use std::path::Path;

use reconcile::audit::bucket::{Destination, Grant, Grantee, LifecycleRule};
use reconcile::audit::findings::TABLE;
use reconcile::audit::key::KeyState;
use reconcile::audit::{Evidence, Fact, Terms, judge};
use reconcile::resources::bucket::{BucketObjectLock, PublicAccess};
use reconcile::vocab::{Encryption, KeepVersions, LockMode, ObjectLock, Versioning};
use serde_json::json;

use super::{
    ACCOUNT, BUCKET, allow, break_glass, bucket, complete_lock, details, document, evidence, good_bucket,
    terms, user,
};

fn good() -> (Evidence, Terms) {
    (evidence(details(&[], &[break_glass()]), good_bucket(Some(&complete_lock()))), terms())
}

#[test]
fn what_is_as_it_should_be_has_no_finding() {
    let (evidence, terms) = good();
    let audit = judge(&evidence, &terms);
    assert!(audit.findings.is_empty(), "{:#?}", audit.findings);
    assert!(audit.is_complete());
}

/// An example of each finding: what is spoilt.
fn spoil(name: &str, evidence: &mut Evidence, terms: &mut Terms) {
    let key = format!("arn:aws:kms:eu-west-2:{ACCOUNT}:key/1234");
    let rule = LifecycleRule { id: "old".to_owned(), enabled: true, ..LifecycleRule::default() };
    let mut identities = None;
    {
        let facts = evidence.buckets.get_mut(&bucket()).expect("the bucket");
        let with = |statement: serde_json::Value| {
            let mut policy = complete_lock();
            policy["Statement"].as_array_mut().expect("a list").push(statement);
            Fact::Known(Some(document(&policy)))
        };
        let arn = format!("arn:aws:s3:::{BUCKET}/*");
        match name {
            "can-destroy" | "writer-can-destroy" => {
                facts.policy = Fact::Known(None);
                identities = Some(details(&[user("w", json!([allow("s3:*", "*")]))], &[break_glass()]));
                if name == "writer-can-destroy" {
                    terms.writers.insert("user/w".to_owned());
                }
            }
            "break-glass-missing" => identities = Some(details(&[], &[])),
            "no-break-glass" => terms.break_glass.clear(),
            "versioning-off" => facts.versioning = Fact::Known(Versioning::Never),
            "versioning-suspended" | "versioning-claimed" => {
                facts.versioning = Fact::Known(Versioning::Suspended);
            }
            "lifecycle-ends-versions" => {
                facts.lifecycle = Fact::Known(vec![LifecycleRule { noncurrent_days: Some(30), ..rule }]);
            }
            "lifecycle-expires-current" => {
                let expires_current = Some("after 30 days".to_owned());
                facts.lifecycle = Fact::Known(vec![LifecycleRule { expires_current, ..rule }]);
            }
            "lock-absent" => facts.policy = Fact::Known(None),
            "lock-incomplete" => {
                let mut lock = complete_lock();
                lock["Statement"][0]["Action"].as_array_mut().expect("a list").remove(0);
                facts.policy = Fact::Known(Some(document(&lock)));
            }
            "object-lock-absent" => facts.object_lock = Fact::Known(BucketObjectLock::None),
            "object-lock-short" => {
                let declared = terms.buckets.get_mut(&bucket()).expect("the bucket");
                declared.object_lock = Some(ObjectLock { mode: LockMode::Governance, days: 31 });
            }
            "object-lock-new-only" => facts.oldest_is_held = Fact::Known(Some(false)),
            "public-access" => {
                facts.public_access =
                    Fact::Known(PublicAccess { block_policy: false, ..PublicAccess::BLOCKED });
            }
            "foreign-access" => {
                facts.policy = with(json!({"Effect": "Allow", "Principal": {"AWS": "999988887777"},
                    "Action": "s3:GetObject", "Resource": arn}));
            }
            "replication-in" => {
                facts.policy =
                    with(json!({"Effect": "Allow", "Action": "s3:ReplicateObject", "Resource": arn,
                    "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:role/replicator")}}));
            }
            "replication-out" | "one-account" => {
                let to = |account: &str| Destination {
                    bucket: "arn:aws:s3:::copy".to_owned(),
                    account: Some(account.to_owned()),
                };
                facts.replication =
                    Fact::Known(vec![to(if name == "one-account" { ACCOUNT } else { "999988887777" })]);
                terms.copied.clear();
            }
            "key-deletable" => {
                facts.encryption = Fact::Known(Encryption::Kms(Some(key.clone())));
                identities = Some(details(
                    &[user("ops", json!([allow("kms:ScheduleKeyDeletion", "*")]))],
                    &[break_glass()],
                ));
            }
            "key-unusable" | "key-access" => {
                facts.encryption = Fact::Known(Encryption::Kms(Some(key.clone())))
            }
            "foreign-key" => {
                let foreign = key.replace(ACCOUNT, "999988887777");
                facts.encryption = Fact::Known(Encryption::Kms(Some(foreign)));
            }
            "bucket-absent" => {
                evidence.absent.insert(bucket(), "there is no such bucket".to_owned());
            }
            "undeclared-bucket" => terms.named.clear(),
            "root-writes" => terms.root_writes = true,
            "no-host" => {
                terms.without_host.insert("couchdb".to_owned(), "no host is in [couchdb2]".to_owned());
            }
            other => panic!("no example of {other}"),
        }
    }
    if let Some(identities) = identities {
        evidence.identities = super::account(identities);
    }
    let state = if name == "key-unusable" { KeyState::Disabled } else { KeyState::Enabled };
    let mut statements =
        vec![json!({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"})];
    if name == "key-access" {
        let theirs = json!({"AWS": "arn:aws:iam::999988887777:root"});
        statements
            .push(json!({"Effect": "Allow", "Principal": theirs, "Action": "kms:Decrypt", "Resource": "*"}));
    }
    if name.starts_with("key-") {
        evidence.keys.insert(key, super::key(state, &json!(statements)));
    }
}

#[test]
fn each_finding_is_found_in_an_example_of_its_own() {
    for row in TABLE {
        let (mut evidence, mut terms) = good();
        spoil(row.name, &mut evidence, &mut terms);
        let audit = judge(&evidence, &terms);
        let found = audit.findings.iter().find(|finding| finding.id == row.name);
        let found = found.unwrap_or_else(|| panic!("{} is not found: {:#?}", row.name, audit.findings));
        assert!(
            !found.evidence.is_empty() && !found.remedy.is_empty() && found.subject.len() > 3,
            "{found:?}"
        );
    }
}

#[test]
fn each_finding_has_its_page_and_its_line_in_the_index() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings");
    let read = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.md"))).expect("a page");
    let index = read("README");
    for row in TABLE {
        let page = read(row.name);
        assert!(page.starts_with(&format!("# {}\n", row.name)), "{}", row.name);
        for section in ["\n## Why it matters\n", "\n## Mend\n"] {
            assert!(page.contains(section), "{} lacks {section:?}", row.name);
        }
        assert!(page.contains(row.meaning), "{}: the page has other words than the table", row.name);
        assert!(
            index.contains(&format!("| [{0}]({0}.md) |", row.name)) && index.contains(row.meaning),
            "{}",
            row.name
        );
    }
    let names: BTreeSet<String> = TABLE.iter().map(|row| format!("{}.md", row.name)).collect();
    for file in std::fs::read_dir(&folder).expect("pages") {
        let name = file.expect("a file").file_name().into_string().expect("a name");
        assert!(name == "README.md" || names.contains(&name), "{name} is a page of nothing");
    }
}

fn ends(rule: LifecycleRule, keep: &[(&str, u32, u32)]) -> bool {
    let (mut evidence, mut terms) = good();
    let keep = keep
        .iter()
        .map(|(prefix, days, newest)| ((*prefix).to_owned(), KeepVersions { days: *days, newest: *newest }));
    terms.buckets.get_mut(&bucket()).expect("the bucket").keep = keep.collect();
    evidence.buckets.get_mut(&bucket()).expect("the bucket").lifecycle = Fact::Known(vec![rule]);
    judge(&evidence, &terms).findings.iter().any(|finding| finding.id == "lifecycle-ends-versions")
}

#[test]
fn a_rule_is_early_by_what_settings_keep_within_its_prefix() {
    let rule = |prefix: &str, days: u32, newest: u32| LifecycleRule {
        enabled: true,
        prefix: prefix.to_owned(),
        noncurrent_days: Some(days),
        newest,
        ..LifecycleRule::default()
    };
    let kept = [("daily_", 90, 5), ("weekly_", 400, 0)];
    for (rule, early) in [
        (rule("daily_", 90, 5), false),
        (rule("daily_", 89, 5), true),
        (rule("daily_", 90, 4), true),
        (rule("daily_", 400, 0), false),
        (rule("daily_db1", 30, 5), true),
        // For everything, although some of it is kept for ever.
        (rule("", 4000, 100), true),
        (rule("hourly_", 400, 0), true),
        (rule("dai", 90, 5), false),
    ] {
        let off = LifecycleRule { enabled: false, ..rule.clone() };
        let tagged = LifecycleRule { tags: vec![("a".to_owned(), "b".to_owned())], ..rule.clone() };
        assert_eq!(ends(rule.clone(), &kept), early, "{rule:?}");
        assert_eq!(ends(tagged, &kept), early, "{rule:?}");
        assert!(!ends(off, &kept));
    }
}

#[test]
fn access_lists_count_only_where_they_are_on() {
    let public = |change: fn(&mut reconcile::audit::bucket::BucketFacts)| {
        let (mut evidence, terms) = good();
        let facts = evidence.buckets.get_mut(&bucket()).expect("the bucket");
        facts.public_access = Fact::Known(PublicAccess::OPEN);
        facts.acls_off = Fact::Known(false);
        facts.grants = Fact::Known(vec![Grant { grantee: Grantee::Everyone, permission: "READ".to_owned() }]);
        change(facts);
        let findings = judge(&evidence, &terms).findings;
        findings.iter().find(|finding| finding.id == "public-access").map(|finding| finding.severity.name())
    };
    assert_eq!(public(|_| {}), Some("critical"));
    assert_eq!(public(|facts| facts.acls_off = Fact::Known(true)), Some("medium"));
    assert_eq!(public(|facts| facts.public_access = Fact::Known(PublicAccess::BLOCKED)), None);
}
