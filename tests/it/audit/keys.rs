//! Keys: judged by their own policies, looked at once each, and told where they open nothing or let others in.

use std::collections::BTreeSet;

use aws_sdk_kms::types::OriginType;
use aws_sdk_s3::types as s3;
use reconcile::audit::key::KeyState;
use reconcile::audit::{Audit, BucketTerms, Evidence, Fact, Severity, Terms, judge};
use reconcile::clients::aws::Aws;
use reconcile::sandbox::{Fault, FaultKind, Sandbox, SandboxConfig};
use reconcile::vocab::{Clock, Encryption, Secret};
use reconcile::world::{Hosts, LiveWorld};
use serde_json::{Value as Json, json};

use super::{
    ACCOUNT, BREAK_GLASS, BUCKET, allow, break_glass, bucket, complete_lock, details, evidence, good_bucket,
    key, terms, unexpected, user,
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

// From here on live.

async fn sandbox(yaml: &str) -> (Sandbox, Aws) {
    let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
    let sandbox =
        Sandbox::memory(SandboxConfig::parse(yaml).expect("a good file"), clock).expect("a sandbox");
    let aws = Aws::load(sandbox.aws_settings()).await;
    aws.iam().create_user().user_name("somebody").send().await.expect("a user");
    (sandbox, aws)
}

/// A bucket that is encrypted with what this names.
async fn encrypted(aws: &Aws, name: &str, key: &str) {
    let client = aws.s3(None);
    client.create_bucket().bucket(name).send().await.expect("a bucket");
    let default = s3::ServerSideEncryptionByDefault::builder()
        .sse_algorithm(s3::ServerSideEncryption::AwsKms)
        .kms_master_key_id(key)
        .build()
        .expect("a default");
    let rule =
        s3::ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build();
    let rules = s3::ServerSideEncryptionConfiguration::builder().rules(rule).build().expect("rules");
    let put = client.put_bucket_encryption().bucket(name).server_side_encryption_configuration(rules);
    put.send().await.expect("encrypted");
}

async fn made(aws: &Aws) -> (String, String) {
    let key = aws.kms(None).create_key().send().await.expect("a key").key_metadata.expect("a key");
    (key.key_id, key.arn.expect("an ARN"))
}

fn of(buckets: &[&str]) -> Terms {
    let mut all = terms();
    all.buckets.clear();
    for name in buckets {
        all.buckets.insert(name.parse().expect("a name"), BucketTerms::default());
    }
    all
}

async fn seen(sandbox: &Sandbox, terms: &Terms) -> (Evidence, Audit) {
    sandbox.forget_requests();
    let aws = Aws::load(sandbox.aws_settings()).await;
    let environment = terms.environment.clone();
    let world =
        LiveWorld::connect(environment, aws, Hosts::default(), Vec::<Secret>::new(), 8, sandbox.clock())
            .await;
    let evidence = world.evidence(terms).await;
    let audit = judge(&evidence, terms);
    (evidence, audit)
}

fn count(sandbox: &Sandbox, operation: &str) -> u64 {
    sandbox.requests().get(operation).copied().unwrap_or_default()
}

/// Four buckets, one key under three names: it is described once for its alias and once for itself at most, and its policy is read
/// once.
#[tokio::test]
async fn a_key_is_looked_at_once_for_all_buckets() {
    let (sandbox, aws) = sandbox("").await;
    let (id, arn) = made(&aws).await;
    aws.kms(None)
        .create_alias()
        .alias_name("alias/backups")
        .target_key_id(&id)
        .send()
        .await
        .expect("an alias");
    let buckets = ["one", "two", "three", "four"].map(|name| format!("{name}-{BUCKET}"));
    for (name, key) in buckets.iter().zip([id.as_str(), &arn, "alias/backups", &arn]) {
        encrypted(&aws, name, key).await;
    }
    let names: Vec<&str> = buckets.iter().map(String::as_str).collect();
    let (evidence, audit) = seen(&sandbox, &of(&names)).await;
    assert!(audit.is_complete(), "{:?}", audit.unread);
    assert_eq!((count(&sandbox, "DescribeKey"), count(&sandbox, "GetKeyPolicy")), (1, 1));
    assert_eq!(evidence.keys.keys().collect::<Vec<_>>(), [&arn]);
    let on: BTreeSet<&str> = audit
        .abilities
        .iter()
        .filter(|one| one.row.action.starts_with("kms:"))
        .map(|one| &*one.resource)
        .collect();
    assert_eq!(on, [arn.as_str()].into(), "all are judged on the one key");
}

/// Ten of the bucket and two of its own key.
#[tokio::test]
async fn a_bucket_with_a_key_of_its_own_takes_twelve_requests_at_most() {
    let (sandbox, aws) = sandbox("").await;
    let (id, _) = made(&aws).await;
    encrypted(&aws, BUCKET, &id).await;
    let (_, audit) = seen(&sandbox, &of(&[BUCKET])).await;
    assert!(audit.is_complete(), "{:?}", audit.unread);
    let general = ["GetCallerIdentity", "ListBuckets", "GetAccountAuthorizationDetails"];
    let requests = sandbox.requests();
    let of_bucket: u64 =
        requests.iter().filter(|(name, _)| !general.contains(name)).map(|(_, count)| count).sum();
    assert!(of_bucket <= 12, "{requests:?}");
}

#[tokio::test]
async fn keys_of_aws_and_of_none_are_not_asked_for_their_policy() {
    let (sandbox, aws) = sandbox("").await;
    let own = aws.kms(None).describe_key().key_id("alias/aws/s3").send().await.expect("S3's own");
    let own = own.key_metadata.and_then(|key| key.arn).expect("an ARN");
    encrypted(&aws, "by-aws", &own).await;
    encrypted(&aws, "by-alias", "alias/aws/s3").await;
    encrypted(&aws, "plain", "00000000-0000-4000-8000-000000000000").await;
    let (evidence, audit) = seen(&sandbox, &of(&["by-aws", "by-alias", "plain"])).await;
    assert!(audit.is_complete(), "{:?}", audit.unread);
    assert_eq!((count(&sandbox, "DescribeKey"), count(&sandbox, "GetKeyPolicy")), (2, 0));
    assert_eq!(evidence.keys[&own].about.known().map(|about| about.by_aws), Some(true));
    let told = audit.findings.iter().filter(|one| one.id == "key-unusable").map(|one| one.subject.as_str());
    assert_eq!(told.collect::<Vec<_>>(), ["bucket/plain"], "there is no such key");
}

#[tokio::test]
async fn a_key_that_may_not_be_looked_at_is_not_safe() {
    for (operation, permission) in [("DescribeKey", "kms:DescribeKey"), ("GetKeyPolicy", "kms:GetKeyPolicy")]
    {
        let (sandbox, aws) = sandbox("").await;
        let (id, _) = made(&aws).await;
        encrypted(&aws, BUCKET, &id).await;
        sandbox.inject(Fault::new(FaultKind::Denied).on(operation));
        let (_, audit) = seen(&sandbox, &of(&[BUCKET])).await;
        let unread: Vec<(&str, &str)> =
            audit.unread.iter().map(|unread| (unread.subject.as_str(), unread.permission)).collect();
        assert_eq!(unread, [(format!("key/{id}").as_str(), permission)]);
        let material = ("kms:DeleteImportedKeyMaterial", "kms:DescribeKey");
        let unsure = audit.abilities.iter().filter(|one| one.decision.as_str() == "unknown");
        let actions: BTreeSet<&str> = unsure.map(|one| one.row.action).collect();
        if permission == material.1 {
            assert!(actions.contains(material.0), "whether it was imported is not known: {actions:?}");
        } else {
            assert!(actions.contains("kms:ScheduleKeyDeletion"), "{actions:?}");
            assert!(audit.abilities.iter().any(|one| &*one.who == "whoever the key's policy lets in"));
        }
    }
    // An alias that may not be looked up is any key.
    let (sandbox, aws) = sandbox("").await;
    encrypted(&aws, BUCKET, "alias/backups").await;
    sandbox.inject(Fault::new(FaultKind::Denied).on("DescribeKey"));
    let (_, audit) = seen(&sandbox, &of(&[BUCKET])).await;
    assert_eq!(audit.unread.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["alias/backups"]);
    assert!(audit.abilities.iter().any(|one| one.resource.ends_with(":key/*")), "{:?}", audit.abilities);
}

/// What was done to a key is found, with the day; also of the key that settings name alone.
#[tokio::test]
async fn the_state_of_a_key_is_read() {
    let (sandbox, aws) = sandbox("").await;
    let kms = aws.kms(None);
    let (first, _) = made(&aws).await;
    let (second, _) = made(&aws).await;
    let external = kms.create_key().origin(OriginType::External).send().await.expect("a key");
    let external = external.key_metadata.expect("a key").key_id;
    for (name, key) in [("disabled", &first), ("deleted", &second), ("empty", &external)] {
        encrypted(&aws, name, key).await;
    }
    kms.disable_key().key_id(&first).send().await.expect("disabled");
    kms.schedule_key_deletion().key_id(&second).pending_window_in_days(7).send().await.expect("scheduled");
    let mut terms = of(&["disabled", "deleted", "empty", "next"]);
    aws.s3(None).create_bucket().bucket("next").send().await.expect("a bucket");
    let declared = terms.buckets.get_mut(&"next".parse().expect("a name")).expect("declared");
    declared.encryption = Some(Encryption::Kms(Some(first.clone())));
    let (_, audit) = seen(&sandbox, &terms).await;
    let told: Vec<(&str, Severity, &str)> = audit
        .findings
        .iter()
        .filter(|one| one.id == "key-unusable")
        .map(|one| (one.subject.as_str(), one.severity, one.title.as_str()))
        .collect();
    let has = |subject: &str, severity: Severity, words: &str| {
        told.iter().any(|(of, is, title)| *of == subject && *is == severity && title.contains(words))
    };
    assert!(has("bucket/disabled", Severity::Critical, "is disabled"), "{told:?}");
    assert!(has("bucket/deleted", Severity::Critical, "is deleted on 2026-11-28 12:00 UTC"), "{told:?}");
    assert!(has("bucket/empty", Severity::Critical, "has no material"), "{told:?}");
    assert!(has("bucket/next", Severity::High, "that settings name"), "{told:?}");
    assert_eq!(told.len(), 4);
    // The one that was imported is known for it.
    let material = audit.abilities.iter().filter(|one| one.row.action == "kms:DeleteImportedKeyMaterial");
    let on: BTreeSet<&str> = material.map(|one| &*one.subject).collect();
    assert_eq!(on, ["bucket/empty"].into());
}

/// Of another account's key only the state is asked for, and that it may not be told is told.
#[tokio::test]
async fn a_key_of_another_account_is_asked_for_its_state_alone() {
    let (sandbox, aws) = sandbox("").await;
    let theirs = "arn:aws:kms:us-east-1:999988887777:key/00000000-0000-4000-8000-000000000000";
    encrypted(&aws, BUCKET, theirs).await;
    let (_, audit) = seen(&sandbox, &of(&[BUCKET])).await;
    assert_eq!((count(&sandbox, "DescribeKey"), count(&sandbox, "GetKeyPolicy")), (1, 0));
    assert_eq!(audit.unread.iter().map(|one| one.permission).collect::<Vec<_>>(), ["kms:DescribeKey"]);
    assert!(audit.findings.iter().any(|one| one.id == "foreign-key"));
}
