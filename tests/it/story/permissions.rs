//! The printed policies, proven by running with exactly them: complete with all of it, and not with any action missing.

use std::collections::BTreeSet;
use std::fs;

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, LifecycleRule, LifecycleRuleFilter, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule,
};
use reconcile::clients::aws::Aws;
use reconcile::clients::aws_error::{AwsErrorKind, aws_error};
use reconcile::sandbox::Sandbox;
use reconcile::vocab::Clock;
use serde_json::{Value as Json, json};

use super::stage::{Answer, Stage};
use crate::support::keys;

const NOW: &str = "now: 2026-11-21T12:00:00Z\n";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
const HARMLESS: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::elsewhere/*"}}"#;

/// Runs what follows as a role with this policy and nothing else.
fn act_with(stage: &Stage, policy: &Json) {
    stage.sandbox(NOW);
    let text = policy.to_string();
    stage.iam_by_hand(|iam| async move {
        // From one try to the next it is there already.
        let _ = iam.create_role().role_name("operator").assume_role_policy_document(TRUST).send().await;
        let put = iam.put_role_policy().role_name("operator").policy_name("exactly").policy_document(text);
        put.send().await.expect("put");
    });
    stage.sandbox(&format!("{NOW}caller: arn:aws:sts::123456789012:assumed-role/operator/test\n"));
}

/// The policy without one action of one statement, for each of them.
fn each_missing(policy: &Json) -> Vec<(String, Json)> {
    let mut less = Vec::new();
    let statements = policy["Statement"].as_array().expect("statements");
    for (at, statement) in statements.iter().enumerate() {
        let sid = statement["Sid"].as_str().expect("a Sid");
        let actions: Vec<&str> =
            statement["Action"].as_array().expect("a list").iter().filter_map(Json::as_str).collect();
        for action in &actions {
            let mut policy = policy.clone();
            let rest: Vec<&&str> = actions.iter().filter(|other| other != &action).collect();
            match rest.is_empty() {
                true => drop(policy["Statement"].as_array_mut().expect("statements").remove(at)),
                false => policy["Statement"][at]["Action"] = json!(rest),
            }
            less.push((format!("{sid}: {action}"), policy));
        }
    }
    less
}

/// A copy of a stage in which anything may be tried.
fn again(stage: &Stage) -> Stage {
    let other = Stage::of("sportfin");
    for folder in ["environment", "sandbox"] {
        other.take(folder, stage);
    }
    other
}

fn apply_all(stage: &Stage) {
    let plan = stage.reconcile_plain("plan").exits(0);
    let Some(line) = plan.line_to_apply() else { return };
    stage.reconcile_exactly(&format!("{line} --auto-approve")).exits(0);
}

/// The settings of an example without the lock: it denies its applier the rest, which is not what is measured here.
fn example(name: &str) -> Stage {
    let stage = Stage::of(name);
    let file = stage.path("environment/public.yml");
    let text = fs::read_to_string(&file).expect("settings");
    let at = text.find("  # The only ones").or_else(|| text.find("  break_glass:")).expect("break-glass");
    let end = text.find("  buckets:\n").expect("buckets");
    let text =
        format!("{}{}", &text[..at], &text[end..]).replace("versioning_lock: true", "versioning_lock: false");
    let text = text.replace("versioning: enabled\n", "versioning: enabled\n      versioning_lock: false\n");
    let text = text.replacen(
        "      versioning_lock: false\n      versioning_lock: false\n",
        "      versioning_lock: false\n",
        1,
    );
    fs::write(file, text).expect("written");
    stage
}

/// Everything that others may have given to the example's identities.
fn with_others(stage: &Stage, users: &'static [&'static str], roles: &'static [&'static str]) {
    stage.iam_by_hand(|iam| async move {
        let policy = iam.create_policy().policy_name("theirs").policy_document(HARMLESS).send().await;
        let arn = policy.expect("made").policy.and_then(|policy| policy.arn).expect("an ARN");
        for name in users {
            iam.attach_user_policy().user_name(*name).policy_arn(&arn).send().await.expect("attached");
            let group = format!("of-{name}");
            iam.create_group().group_name(&group).send().await.expect("made");
            iam.attach_group_policy().group_name(&group).policy_arn(&arn).send().await.expect("attached");
            let put = iam.put_group_policy().group_name(&group).policy_name("own").policy_document(HARMLESS);
            put.send().await.expect("put");
            iam.add_user_to_group().group_name(&group).user_name(*name).send().await.expect("added");
        }
        for name in roles {
            iam.attach_role_policy().role_name(*name).policy_arn(&arn).send().await.expect("attached");
        }
    });
}

const ROLE: &str = "sportfin-prod-database-backups-ec2-s3-access";

/// One of the buckets is another account's.
fn with_a_foreign_bucket(stage: &Stage) {
    let text = fs::read_to_string(stage.path("sandbox/sandbox.yml")).expect("read");
    stage.sandbox(&format!("{text}foreign_buckets: {{somebody-elses-bucket: \"999999999999\"}}\n"));
}

#[test]
fn a_plan_needs_all_of_its_policy_and_nothing_else() {
    for (name, users, roles, lock) in [
        ("sportfin", &[][..], &[ROLE][..], ", object_lock: {mode: governance, days: 30}"),
        ("aquamark", &["aquamark_ws", "aquamark_backup"][..], &[][..], ""),
    ] {
        let stage = example(name);
        // Whether a bucket is another account's is told by the list of one's own.
        let theirs = format!("  buckets:\n    somebody-elses-bucket: {{versioning_lock: false{lock}}}\n");
        stage.edit("environment/public.yml", "  buckets:\n", &theirs);
        let now = with_a_foreign_bucket;
        now(&stage);
        apply_all(&stage);
        with_others(&stage, users, roles);
        let policy = stage.reconcile_plain("permissions plan").exits(0).json();
        let whole = stage.reconcile_plain("plan --output json").exits(0).json();
        act_with(&stage, &policy);
        now(&stage);
        assert_eq!(stage.reconcile_plain("plan --output json").exits(0).json(), whole, "{policy:#}");
        for (missing, policy) in each_missing(&policy) {
            act_with(&stage, &policy);
            now(&stage);
            let plan = stage.reconcile_plain("plan --output json");
            assert!(plan.code == 1 || plan.json() != whole, "{name}: nothing needs {missing}");
        }
    }
}

#[test]
fn an_apply_needs_all_of_its_policy_and_nothing_else() {
    let fresh = example("sportfin");
    // The same is wanted of it, so that nothing is allowed for its sake alone.
    let fields = "versioning: enabled, versioning_lock: false, abort_uploads_after: 7d, \
                  object_lock: {mode: governance, days: 30}";
    let theirs = format!("  buckets:\n    somebody-elses-bucket: {{{fields}}}\n");
    fresh.edit("environment/public.yml", "  buckets:\n", &theirs);
    with_a_foreign_bucket(&fresh);
    let drifted = again(&fresh);
    apply_all(&drifted);
    // Others came in, and somebody emptied the instance profile.
    drifted.iam_by_hand(|iam| async move {
        let open = TRUST.replace("ec2.amazonaws.com", "lambda.amazonaws.com");
        iam.update_assume_role_policy().role_name(ROLE).policy_document(open).send().await.expect("put");
        let remove = iam.remove_role_from_instance_profile().instance_profile_name(ROLE).role_name(ROLE);
        remove.send().await.expect("removed");
    });
    with_others(&drifted, &[], &[ROLE]);
    drifted.by_hand(|s3| async move {
        let delete = s3.delete_bucket_lifecycle().bucket("sportfin-prod-database-backups");
        delete.send().await.expect("deleted");
    });
    let policy = fresh.reconcile_plain("permissions apply").exits(0).json();
    let needed = |policy: &Json| {
        let is_needed = |stage: &Stage| {
            let stage = again(stage);
            act_with(&stage, policy);
            with_a_foreign_bucket(&stage);
            let plan = stage.reconcile_plain("plan");
            let Some(line) = plan.line_to_apply().filter(|_| plan.code == 0) else { return true };
            let applied = stage.reconcile_exactly(&format!("{line} --auto-approve"));
            if !holds_the_lock(&applied) {
                return true;
            }
            stage.sandbox(NOW);
            with_a_foreign_bucket(&stage);
            let left = stage.reconcile_plain("plan --output json").exits(0).json();
            applied.code != 0 || left["changes"] != json!([])
        };
        is_needed(&fresh) || is_needed(&drifted)
    };
    assert!(!needed(&policy), "with all of it nothing is left to do: {policy:#}");
    for (missing, policy) in each_missing(&policy) {
        assert!(needed(&policy), "nothing needs {missing}");
    }
}

/// Whether the lock was held wherever it can be; a bucket that is yet to be made cannot hold it.
fn holds_the_lock(applied: &Answer) -> bool {
    let said = applied.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = said.replace("does not hold the lock of applies: it does not exist yet", "");
    !["not hold the lock", "may still hold"].iter().any(|words| said.contains(words))
}

#[test]
fn the_lock_needs_the_key_of_its_bucket() {
    let stage = example("sportfin");
    let (_, key) = stage.kms_by_hand(|kms| async move { keys::key(&kms).await });
    let encrypted = format!("      versioning: enabled\n      encryption: {{kms_key: \"{key}\"}}\n");
    stage.edit("environment/public.yml", "      versioning: enabled\n", &encrypted);
    apply_all(&stage);
    stage.edit("environment/public.yml", "abort_uploads_after: 7d", "abort_uploads_after: 9d");
    let policy = stage.reconcile_plain("permissions apply").exits(0).json();
    let applied = |policy: &Json| {
        let stage = again(&stage);
        act_with(&stage, policy);
        let applied = stage.reconcile_plain("apply --auto-approve").exits(0);
        stage.sandbox(NOW);
        // Whoever cannot hold it there leaves nothing behind that others would take for a lock.
        stage.reconcile_plain("lock show").exits(0).says(&["Nobody holds the lock"]);
        applied
    };
    assert!(holds_the_lock(&applied(&policy)), "{policy:#}");
    let of_lock = |missing: &str| missing.starts_with("HoldLock") || missing.starts_with("UseKeys");
    let less: Vec<(String, Json)> =
        each_missing(&policy).into_iter().filter(|(missing, _)| of_lock(missing)).collect();
    let names: BTreeSet<&str> = less.iter().map(|(missing, _)| missing.as_str()).collect();
    let (object, key) = (["s3:GetObject", "s3:PutObject"], ["kms:Decrypt", "kms:GenerateDataKey"]);
    let wanted = object.map(|action| format!("HoldLock: {action}")).into_iter();
    let wanted: BTreeSet<String> = wanted.chain(key.map(|action| format!("UseKeys: {action}"))).collect();
    assert_eq!(names, wanted.iter().map(String::as_str).collect());
    for (missing, policy) in less {
        assert!(!holds_the_lock(&applied(&policy)), "nothing needs {missing}");
    }
}

/// What a job asks of its bucket, by the action that allows it.
const CALLS: [&str; 8] = [
    "s3:PutObject",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:AbortMultipartUpload",
    "s3:GetBucketVersioning",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:ListBucketMultipartUploads",
];

/// Which of the calls of a job are refused, and which of those that destroy are not.
fn tried(stage: &Stage) -> (BTreeSet<&'static str>, BTreeSet<&'static str>) {
    let clock = Clock::fixed("2026-11-21T12:00:00Z".parse().expect("an instant"));
    let sandbox = Sandbox::open(&stage.path("sandbox"), clock).expect("a sandbox");
    stage.wait(async {
        let s3 = Aws::load(sandbox.aws_settings()).await.s3(Some(&"eu-west-2".parse().expect("valid")));
        let bucket = "sportfin-prod-database-backups";
        let mut refused = BTreeSet::new();
        let mut destroyed = BTreeSet::new();
        macro_rules! allowed {
            ($call:expr) => {
                match $call.send().await {
                    Ok(_) => true,
                    Err(error) => aws_error(&error).kind != AwsErrorKind::Denied,
                }
            };
        }
        macro_rules! job {
            ($action:literal, $call:expr) => {
                if !allowed!($call) {
                    refused.insert($action);
                }
            };
        }
        macro_rules! destroyer {
            ($action:literal, $call:expr) => {
                if allowed!($call) {
                    destroyed.insert($action);
                }
            };
        }
        let body = || aws_sdk_s3::primitives::ByteStream::from_static(b"backup");
        job!("s3:PutObject", s3.put_object().bucket(bucket).key("k").body(body()));
        job!("s3:GetObject", s3.head_object().bucket(bucket).key("k"));
        job!("s3:GetObjectVersion", s3.head_object().bucket(bucket).key("k").version_id("null"));
        job!("s3:AbortMultipartUpload", s3.abort_multipart_upload().bucket(bucket).key("k").upload_id("x"));
        job!("s3:GetBucketVersioning", s3.get_bucket_versioning().bucket(bucket));
        job!("s3:ListBucket", s3.head_bucket().bucket(bucket));
        job!("s3:ListBucketVersions", s3.list_object_versions().bucket(bucket));
        job!("s3:ListBucketMultipartUploads", s3.list_multipart_uploads().bucket(bucket));
        destroyer!("s3:DeleteObjectVersion", s3.delete_object().bucket(bucket).key("k").version_id("null"));
        destroyer!("s3:DeleteObject", s3.delete_object().bucket(bucket).key("k"));
        destroyer!("s3:DeleteBucketPolicy", s3.delete_bucket_policy().bucket(bucket));
        destroyer!("s3:DeleteBucket", s3.delete_bucket().bucket(bucket));
        destroyer!("s3:PutBucketPolicy", s3.put_bucket_policy().bucket(bucket).policy("{}"));
        let filter = LifecycleRuleFilter::builder().prefix("").build();
        let rule = LifecycleRule::builder().id("x").filter(filter).status("Enabled".into()).build();
        let rules = BucketLifecycleConfiguration::builder().rules(rule.expect("a rule")).build();
        destroyer!(
            "s3:PutLifecycleConfiguration",
            s3.put_bucket_lifecycle_configuration()
                .bucket(bucket)
                .lifecycle_configuration(rules.expect("rules"))
        );
        (refused, destroyed)
    })
}

#[test]
fn jobs_need_all_of_their_policy_and_destroy_nothing_with_it() {
    let stage = example("sportfin");
    apply_all(&stage);
    let policy = stage.reconcile_plain("permissions backup").exits(0).json();
    act_with(&stage, &policy);
    assert_eq!(tried(&stage), (BTreeSet::new(), BTreeSet::new()), "{policy:#}");
    let mut names = BTreeSet::new();
    for (missing, policy) in each_missing(&policy) {
        act_with(&stage, &policy);
        let (refused, destroyed) = tried(&stage);
        let action = missing.split(": ").nth(1).expect("an action");
        assert!(refused.contains(action) && destroyed.is_empty(), "{missing}: {refused:?} {destroyed:?}");
        names.insert(action.to_owned());
    }
    assert_eq!(names, CALLS.map(str::to_owned).into());
}

#[test]
fn the_role_that_apply_made_writes_one_bucket_and_destroys_nothing() {
    let stage = example("sportfin");
    apply_all(&stage);
    stage.sandbox(&format!("{NOW}caller: arn:aws:sts::123456789012:assumed-role/{ROLE}/i-0abc\n"));
    assert_eq!(tried(&stage), (BTreeSet::new(), BTreeSet::new()));
}

#[test]
fn an_audit_needs_all_of_its_policy_and_nothing_else() {
    const BUCKET: &str = "sportfin-prod-database-backups";
    let stage = Stage::of("sportfin");
    stage.sandbox(&format!(
        "{NOW}caller: arn:aws:sts::123456789012:assumed-role/OrganizationAccountAccessRole/test\n"
    ));
    // Object lock tells that versions are kept; of another bucket that is asked.
    stage.edit("environment/public.yml", "  buckets:\n", "  buckets:\n    sportfin-plain: {}\n");
    apply_all(&stage);
    stage.by_hand(|s3| async move {
        let put = s3.put_object().bucket(BUCKET).key("k").body(b"a backup".to_vec().into());
        put.send().await.expect("put");
        // Access lists are read where they count.
        let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerPreferred);
        let rules = OwnershipControls::builder().rules(rule.build().expect("a rule")).build().expect("rules");
        let put = s3.put_bucket_ownership_controls().bucket("sportfin-plain").ownership_controls(rules);
        put.send().await.expect("put");
    });
    // What a key of the account's own encrypts hangs on who may take the key away.
    let key = stage.kms_by_hand(|kms| async move {
        let (key, _) = keys::key(&kms).await;
        keys::alias(&kms, &key).await;
        key
    });
    stage.by_hand(|s3| async move { keys::encrypt(&s3, "sportfin-plain", keys::ALIAS).await });
    // One that settings name and that was never made: nothing is needed to see that.
    stage.edit("environment/public.yml", "  buckets:\n", "  buckets:\n    sportfin-never-made: {}\n");
    let policy = stage.reconcile_plain("permissions audit").exits(0).json();
    let exact = |policy: &Json| {
        act_with(&stage, policy);
        stage.reconcile_plain("audit --output json --fail-on critical")
    };
    let whole = exact(&policy).exits(0).json();
    assert_eq!(whole["complete"], json!(true), "{whole:#}");
    let ids: Vec<&str> =
        whole["findings"].as_array().expect("a list").iter().filter_map(|f| f["id"].as_str()).collect();
    assert!(ids.contains(&"bucket-absent"), "{ids:?}");
    let on_key = whole["abilities"].as_array().expect("a list").iter().filter(|one| {
        one["resource"].as_str().is_some_and(|resource| resource.ends_with(&format!(":key/{key}")))
    });
    assert!(on_key.count() > 0, "the key itself is judged: {whole:#}");
    for (missing, policy) in each_missing(&policy) {
        let audit = exact(&policy);
        assert!(
            audit.code == 1 && audit.json()["complete"] == json!(false),
            "nothing needs {missing}: {audit}"
        );
    }
}

/// A key of another account may be looked at as far as that account lets; its policy nobody reads from here.
#[test]
fn an_audit_asks_for_the_state_of_a_key_of_another_account() {
    let stage = Stage::of("sportfin");
    let theirs = "arn:aws:kms:eu-west-2:999988887777:key/00000000-0000-4000-8000-000000000000";
    let bucket = format!("  buckets:\n    sportfin-plain: {{encryption: {{kms_key: \"{theirs}\"}}}}\n");
    stage.edit("environment/public.yml", "  buckets:\n", &bucket);
    let policy = stage.reconcile_plain("permissions audit").exits(0).json();
    let of = |sid: &str| {
        let statements = policy["Statement"].as_array().expect("statements");
        statements
            .iter()
            .find(|one| one["Sid"] == sid)
            .map(|one| (one["Action"].clone(), one["Resource"].clone()))
    };
    assert_eq!(of("ReadKeysOfOthers"), Some((json!(["kms:DescribeKey"]), json!([theirs]))));
    let own = (json!(["kms:DescribeKey", "kms:GetKeyPolicy"]), json!(["arn:aws:kms:*:123456789012:key/*"]));
    assert_eq!(of("ReadKeys"), Some(own));
}
