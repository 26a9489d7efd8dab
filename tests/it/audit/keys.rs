//! Keys: judged by their own policies, and told where they open nothing or let others in.

use std::collections::BTreeSet;

use reconcile::audit::key::KeyState;
use reconcile::audit::{Audit, BucketTerms, Evidence, Fact, Severity, judge};
use reconcile::vocab::Encryption;
use serde_json::{Value as Json, json};

use super::{
    ACCOUNT, BREAK_GLASS, allow, break_glass, bucket, complete_lock, details, evidence, good_bucket, key,
    terms, unexpected, user,
};

const KEY: &str = "arn:aws:kms:eu-west-2:123456789012:key/1234";

/// A good bucket under a key with these statements, in an account with somebody whose own policy allows all of KMS.
fn under(statements: &Json) -> Evidence {
    let mut facts = good_bucket(Some(&complete_lock()));
    facts.encryption = Fact::Known(Encryption::Kms(Some(KEY.to_owned())));
    let ops = user("ops", json!([allow("kms:*", "*")]));
    let mut evidence = evidence(details(&[ops], &[break_glass()]), facts);
    evidence.keys.insert(KEY.to_owned(), key(KeyState::Enabled, statements));
    evidence
}

fn to(principal: Json, action: impl Into<Json>) -> Json {
    json!({"Effect": "Allow", "Principal": principal, "Action": action.into(), "Resource": "*"})
}

fn root() -> Json {
    to(json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}), "kms:*")
}

fn on_keys(audit: &Audit) -> BTreeSet<(String, String, String)> {
    let all = unexpected(audit).into_iter().filter(|((_, action), _)| action.starts_with("kms:"));
    all.map(|((who, action), decision)| (who, action, decision)).collect()
}

fn able(audit: &Audit) -> BTreeSet<String> {
    on_keys(audit).into_iter().map(|(_, action, _)| action).collect()
}

fn found(audit: &Audit, id: &str) -> Vec<(Severity, String, String)> {
    let all = audit.findings.iter().filter(|finding| finding.id == id);
    all.map(|one| (one.severity, one.title.clone(), one.evidence.join("; "))).collect()
}

#[test]
fn the_keys_own_policy_decides() {
    let delegated = judge(&under(&json!([root()])), &terms());
    let all = ["kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"].map(str::to_owned);
    assert_eq!(able(&delegated), all.clone().into());
    assert!(on_keys(&delegated).iter().all(|(who, _, decision)| who == "user/ops" && decision == "allowed"));
    assert_eq!(found(&delegated, "key-deletable")[0].0, Severity::High);

    // It names who may, and delegates to nobody.
    let named = judge(&under(&json!([to(json!({"AWS": BREAK_GLASS}), "kms:*")])), &terms());
    assert_eq!(able(&named), BTreeSet::new());
    assert_eq!(found(&named, "key-deletable"), []);
    let other = format!("arn:aws:iam::{ACCOUNT}:user/ops");
    let named = judge(&under(&json!([to(json!({"AWS": other}), "kms:PutKeyPolicy")])), &terms());
    assert_eq!(able(&named), ["kms:PutKeyPolicy".to_owned()].into());

    // It denies one to all but break-glass.
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": ["kms:ScheduleKeyDeletion"], "Resource": "*",
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": BREAK_GLASS}}});
    let denied = judge(&under(&json!([root(), deny])), &terms());
    assert_eq!(able(&denied), ["kms:DisableKey", "kms:PutKeyPolicy"].map(str::to_owned).into());
}

/// A role that a key's policy spares and that does not exist can be made.
#[test]
fn who_is_spared_and_missing_can_be_made() {
    let ghost = format!("arn:aws:iam::{ACCOUNT}:role/ghost");
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*",
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": [BREAK_GLASS, ghost]}}});
    let mut evidence = under(&json!([root(), deny]));
    let makes = allow(json!(["kms:*", "iam:CreateRole", "iam:PutRolePolicy", "sts:AssumeRole"]), "*");
    evidence.identities = super::account(details(&[user("ops", json!([makes]))], &[break_glass()]));
    let audit = judge(&evidence, &terms());
    let way = super::way(&audit, "user/ops", "kms:PutKeyPolicy").expect("through the role");
    assert!(way.0.contains("ghost"), "{way:?}");
}

#[test]
fn material_is_deleted_where_it_was_imported() {
    for (imported, decision) in [(Some(true), Some("allowed")), (None, Some("unknown")), (Some(false), None)]
    {
        let mut evidence = under(&json!([root()]));
        let facts = evidence.keys.get_mut(KEY).expect("the key");
        if let Fact::Known(about) = &mut facts.about {
            about.imported = imported;
        }
        let audit = judge(&evidence, &terms());
        let of = on_keys(&audit).into_iter().find(|(_, action, _)| action == "kms:DeleteImportedKeyMaterial");
        assert_eq!(of.map(|(.., decision)| decision).as_deref(), decision, "{imported:?}");
    }
}

#[test]
fn an_alias_is_judged_by_its_key() {
    let alias = "arn:aws:kms:eu-west-2:123456789012:alias/backups";
    let named = json!([to(json!({"AWS": BREAK_GLASS}), "kms:*")]);
    for name in ["alias/backups", alias] {
        let mut evidence = under(&named);
        evidence.buckets.get_mut(&bucket()).expect("the bucket").encryption =
            Fact::Known(Encryption::KmsDouble(Some(name.to_owned())));
        // Nobody looked it up: any key may be meant.
        assert!(on_keys(&judge(&evidence, &terms())).iter().all(|(.., decision)| decision == "unknown"));
        assert!(!able(&judge(&evidence, &terms())).is_empty());
        evidence.aliases.insert(alias.to_owned(), Fact::Known(Some(KEY.to_owned())));
        assert_eq!(able(&judge(&evidence, &terms())), BTreeSet::new(), "{name}");
        // An alias of nothing.
        evidence.aliases.insert(alias.to_owned(), Fact::Known(None));
        let audit = judge(&evidence, &terms());
        assert_eq!(able(&audit), BTreeSet::new());
        assert_eq!(found(&audit, "key-unusable")[0].0, Severity::Critical);
    }
}

#[test]
fn what_aws_manages_nobody_deletes() {
    for by_name in [false, true] {
        let mut evidence = under(&json!([root()]));
        if let Fact::Known(about) = &mut evidence.keys.get_mut(KEY).expect("the key").about {
            about.by_aws = true;
        }
        if by_name {
            evidence.keys.clear();
            evidence.buckets.get_mut(&bucket()).expect("the bucket").encryption =
                Fact::Known(Encryption::Kms(Some("alias/aws/s3".to_owned())));
        }
        let audit = judge(&evidence, &terms());
        let root = audit.abilities.iter().filter(|one| one.row.action.starts_with("kms:")).count();
        assert_eq!((able(&audit), root), (BTreeSet::new(), 0), "{by_name}");
    }
}

/// Who may take a key away that belongs to somebody else cannot be told, and is not taken for nobody.
#[test]
fn a_key_of_another_account_is_that_accounts_affair() {
    let theirs = KEY.replace(ACCOUNT, "999988887777");
    let mut evidence = under(&json!([root()]));
    evidence.buckets.get_mut(&bucket()).expect("the bucket").encryption =
        Fact::Known(Encryption::Kms(Some(theirs)));
    let audit = judge(&evidence, &terms());
    assert_eq!(able(&audit), BTreeSet::new(), "KMS lets nobody of this account do that");
    let (severity, title, evidence) = found(&audit, "foreign-key").remove(0);
    assert_eq!(severity, Severity::High);
    assert!(
        title.contains("999988887777") && evidence.contains("cannot be read from here"),
        "{title}: {evidence}"
    );
}

#[test]
fn a_key_that_opens_nothing_is_told_with_its_day() {
    let at = "2026-12-01T10:00:00Z".parse().expect("an instant");
    for (state, title, evidence_has) in [
        (KeyState::Disabled, "is disabled: none can be read", "KeyState Disabled"),
        (
            KeyState::PendingDeletion(Some(at)),
            "is deleted on 2026-12-01 10:00 UTC: from then on none can ever be read",
            "DeletionDate",
        ),
        (KeyState::PendingReplicaDeletion, "copies in other Regions have gone", "PendingReplicaDeletion"),
        (KeyState::PendingImport, "has no material", "PendingImport"),
        (KeyState::Absent, "does not exist", "not found"),
        (KeyState::Other("Unavailable".to_owned()), "KMS says Unavailable", "Unavailable"),
    ] {
        let mut evidence = under(&json!([root()]));
        evidence.keys.insert(KEY.to_owned(), key(state.clone(), &json!([root()])));
        let found = found(&judge(&evidence, &terms()), "key-unusable");
        assert_eq!(found.len(), 1, "{state:?}");
        let (severity, told, evidence) = &found[0];
        assert_eq!(*severity, Severity::Critical);
        assert!(
            told.contains(title) && evidence.contains(evidence_has) && evidence.contains(KEY),
            "{told}: {evidence}"
        );
    }
    // The one that settings name, and that the bucket is not under yet.
    let mut evidence = under(&json!([root()]));
    let next = KEY.replace("1234", "5678");
    evidence.keys.insert(next.clone(), key(KeyState::Disabled, &json!([root()])));
    let mut terms = terms();
    let declared = BucketTerms { encryption: Some(Encryption::Kms(Some(next))), ..BucketTerms::default() };
    terms.buckets.insert(bucket(), declared);
    let told = found(&judge(&evidence, &terms), "key-unusable");
    assert_eq!((told.len(), told[0].0), (1, Severity::High), "{told:?}");
    // One whose material runs out.
    if let Fact::Known(about) = &mut evidence.keys.get_mut(KEY).expect("the key").about {
        about.expires = Some(at);
    }
    let told = found(&judge(&evidence, &terms), "key-unusable");
    assert!(told.iter().any(|(_, title, _)| title.contains("expires on 2026-12-01 10:00 UTC")), "{told:?}");
}

#[test]
fn who_else_is_let_at_the_key_is_told() {
    let theirs = json!({"AWS": "arn:aws:iam::999988887777:root"});
    let own = json!({"StringEquals": {"kms:CallerAccount": ACCOUNT}});
    let mut narrowed = to(json!("*"), "kms:*");
    narrowed["Condition"] = own;
    let mut everybody_but = json!({"Effect": "Allow", "NotPrincipal": {"AWS": BREAK_GLASS}, "Action": "kms:PutKeyPolicy", "Resource": "*"});
    for (statement, severity) in [
        (to(json!("*"), "kms:ScheduleKeyDeletion"), Some(Severity::Critical)),
        (everybody_but.take(), Some(Severity::Critical)),
        (to(json!({"AWS": "*"}), "kms:Decrypt"), Some(Severity::High)),
        (to(theirs.clone(), "kms:PutKeyPolicy"), Some(Severity::High)),
        (to(theirs, "kms:Decrypt"), Some(Severity::Medium)),
        (narrowed, None),
        (root(), None),
    ] {
        let audit = judge(&under(&json!([root(), statement])), &terms());
        let told = found(&audit, "key-access");
        assert_eq!(told.first().map(|(severity, ..)| *severity), severity, "{statement}: {told:?}");
        // KMS lets nobody of another account destroy, whatever the policy says.
        assert!(on_keys(&audit).iter().all(|(who, ..)| who == "user/ops"), "{:?}", on_keys(&audit));
    }
    // Somebody of the account whose own policies allow nothing.
    let mut evidence = under(&json!([to(json!("*"), "kms:ScheduleKeyDeletion")]));
    evidence.identities = super::account(details(&[user("idle", json!([]))], &[break_glass()]));
    let audit = judge(&evidence, &terms());
    assert!(on_keys(&audit).contains(&(
        "user/idle".into(),
        "kms:ScheduleKeyDeletion".into(),
        "allowed".into()
    )));
}
