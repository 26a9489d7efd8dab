//! Roles and users from the settings to IAM: the examples, adoption, drift, keys, and what is left to a person.

use std::fs;

use aws_sdk_iam::types::Tag;

use super::stage::{Answer, Stage};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
const ROLE: &str = "sportfin-prod-database-backups-ec2-s3-access";

/// As the role that may lift the lock, which every account of an organisation has.
const AS_ADMIN: &str = "now: 2026-11-21T12:00:00Z\n\
                        caller: arn:aws:sts::123456789012:assumed-role/OrganizationAccountAccessRole/test\n";

fn with_break_glass(stage: &Stage) {
    stage.sandbox(AS_ADMIN);
}

fn held(plan: &Answer) -> Vec<String> {
    let plan = plan.json();
    let held = plan["held"].as_array().expect("a list");
    held.iter().map(|held| format!("{} {}", held["id"], held["code"]).replace('"', "")).collect()
}

fn apply(stage: &Stage) {
    let plan = stage.reconcile_plain("plan").exits(0);
    let line = plan.line_to_apply().unwrap_or_else(|| panic!("nothing to apply: {plan}")).to_owned();
    stage.reconcile_exactly(&format!("{line} --auto-approve")).exits(0);
}

/// `UPDATE_GOLDEN=1` writes the plans anew.
#[test]
fn the_plans_of_the_examples_are_those_that_their_folders_hold() {
    for example in ["sportfin", "aquamark"] {
        let stage = Stage::of(example);
        let plan = stage.reconcile_plain("plan").exits(0).stdout;
        let (_, plan) = plan.split_once('\n').expect("a first line");
        let plan =
            plan.replace("-e environment --sandbox sandbox", &format!("-e examples/{example} --sandbox DIR"));
        let golden = format!("{}/examples/{example}/plan.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &plan).expect("written");
        }
        assert_eq!(fs::read_to_string(&golden).unwrap_or_default(), plan, "UPDATE_GOLDEN=1 writes it anew");
        let readme = fs::read_to_string(stage.path("environment/README.md")).expect("a README");
        assert!(readme.lines().count() < 30, "{example}");
    }
}

#[test]
fn what_the_examples_make_is_what_they_ask_for() {
    for (example, left) in [
        ("sportfin", vec![format!("role/{ROLE} unsupported")]),
        (
            "aquamark",
            vec![
                "user/aquamark_backup no-access-key".to_owned(),
                "user/aquamark_ws no-access-key".to_owned(),
            ],
        ),
    ] {
        let stage = Stage::of(example);
        with_break_glass(&stage);
        apply(&stage);
        let plan = stage.reconcile_plain("plan --detailed-exitcode --output json").exits(0);
        assert_eq!(plan.json()["changes"], serde_json::json!([]), "{plan}");
        assert_eq!(held(&plan), left);
    }
}

#[test]
fn an_adopted_role_keeps_what_others_gave_it_and_tells_what_that_destroys() {
    let stage = Stage::of("sportfin");
    with_break_glass(&stage);
    let everything =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    stage.iam_by_hand(|iam| async move {
        iam.create_role().role_name(ROLE).assume_role_policy_document(TRUST).send().await.expect("made");
        let put = iam.put_role_policy().role_name(ROLE).policy_name("legacy").policy_document(everything);
        put.send().await.expect("put");
        iam.create_instance_profile().instance_profile_name("web").send().await.expect("made");
        let add = iam.add_role_to_instance_profile().instance_profile_name("web").role_name(ROLE);
        add.send().await.expect("added");
    });
    let plan = stage.reconcile_plain("plan --tags access").exits(0);
    let plan = plan.says(&[
        "(adopted)",
        "WIDENING",
        "can destroy: its policy legacy allows s3:DeleteObjectVersion",
        "may write",
    ]);
    // It has a profile, and stays where it is.
    let plan = plan.says_not("instance profile").says_not("/reconcile/");
    assert!(
        plan.line_to_apply().expect("a line").contains(&format!("--allow widening:role/{ROLE}")),
        "{plan}"
    );
    apply(&stage);
    let plan = stage.reconcile_plain("plan --tags access --output json").exits(0).json();
    assert_eq!(plan["changes"], serde_json::json!([]), "{plan:#}");
    stage.iam_by_hand(|iam| async move {
        let policies = iam.list_role_policies().role_name(ROLE).send().await.expect("listed");
        assert_eq!(policies.policy_names(), ["legacy", "reconcile-backups"]);
    });
}

#[test]
fn who_crept_into_a_role_of_ours_is_put_out_and_a_changed_policy_put_right() {
    let stage = Stage::of("sportfin");
    with_break_glass(&stage);
    apply(&stage);
    let all = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    stage.iam_by_hand(|iam| async move {
        let open = TRUST.replace(r#"{"Service":"ec2.amazonaws.com"}"#, r#""*""#);
        iam.update_assume_role_policy().role_name(ROLE).policy_document(open).send().await.expect("put");
        let put = iam.put_role_policy().role_name(ROLE).policy_name("reconcile-backups").policy_document(all);
        put.send().await.expect("put");
    });
    let plan = stage.reconcile_plain("plan").exits(0).says(&["assumed by", "policy", "unrecognised"]);
    assert!(plan.stdout.contains("WIDENING"), "ec2 comes in again: {plan}");
    apply(&stage);
    stage.reconcile_plain("plan --detailed-exitcode").exits(0);
}

#[test]
fn a_role_of_another_environment_is_never_touched() {
    let stage = Stage::of("sportfin");
    with_break_glass(&stage);
    stage.iam_by_hand(|iam| async move {
        let mark = Tag::builder().key("reconcile:environment").value("staging").build().expect("a tag");
        let create = iam.create_role().role_name(ROLE).assume_role_policy_document(TRUST).tags(mark);
        create.send().await.expect("made");
    });
    let plan = stage.reconcile_plain("plan --tags access --output json").exits(0);
    assert_eq!(held(&plan), [format!("role/{ROLE} foreign")]);
    assert_eq!(plan.json()["changes"], serde_json::json!([]), "{plan}");
}

#[test]
fn what_may_not_be_read_is_unknown_and_names_the_permission() {
    let stage = Stage::of("sportfin");
    with_break_glass(&stage);
    apply(&stage);
    stage.sandbox(&format!("{AS_ADMIN}faults: [{{kind: denied, operation: ListRolePolicies}}]\n"));
    let plan = stage.reconcile_plain("plan --tags access --output json").exits(1);
    assert_eq!(held(&plan), [format!("role/{ROLE} unknown")]);
    assert!(plan.stdout.contains("iam:ListRolePolicies: access denied"), "{plan}");
}

#[test]
fn the_key_in_the_vault_is_judged_by_whose_it_is() {
    let stage = Stage::new();
    let account = "  account: \"123456789012\"\n";
    let identity =
        "  identities:\n    - user: commcare_writer\n      writes: [commcare-example-postgres-backups]\n";
    stage.edit("environment/public.yml", account, &format!("{account}{identity}"));
    // The key is the sandbox's caller's, whom nobody declared.
    let plan = stage.reconcile("plan --output json").exits(0);
    assert!(held(&plan).contains(&"setting/AMAZON_S3_ACCESS_KEY no-access-key".to_owned()), "{plan}");
    let text = stage.reconcile("plan").exits(0);
    assert!(text.stdout.contains("aws iam create-access-key --user-name commcare_writer"), "{text}");
}

#[test]
fn a_policy_is_printed_for_each_command() {
    let stage = Stage::of("aquamark");
    for command in ["plan", "apply", "audit", "backup"] {
        let policy = stage.reconcile_plain(&format!("permissions {command}")).exits(0).json();
        reconcile::policy::Document::read(&policy).expect("a policy");
        let text = policy.to_string();
        // The audit looks at every bucket: one that carries the mark may have any name.
        let bucket = if command == "audit" { "arn:aws:s3:::*" } else { "aquamark-files" };
        assert!(text.contains(bucket) && !text.contains("s3:Delete"), "{text}");
    }
    stage.reconcile_plain("permissions backup postgresql").exits(64);
    stage.reconcile_plain("permissions plan postgresql").exits(64);
}

#[test]
fn writing_where_nothing_keeps_old_versions_is_a_power_to_destroy() {
    let stage = Stage::of("aquamark");
    stage.edit("environment/public.yml", "versioning: enabled", "versioning: unmanaged");
    let plan = stage.reconcile_plain("plan --tags access").exits(0);
    let plan = plan.says(&["aquamark_ws", "WIDENING", "can destroy:", "s3:PutObject", "overwrites"]);
    let line = plan.line_to_apply().expect("a line");
    assert!(line.ends_with("--allow widening:user/aquamark_ws"), "{plan}");
}

/// Whoever's key the jobs upload with writes backups, whatever settings say of it.
#[test]
fn the_audit_judges_the_owner_of_the_vaults_key() {
    let stage = Stage::new();
    // The key of the example's vault.
    stage.sandbox("now: 2026-11-21T12:00:00Z\naccess_keys: {AKIAEXAMPLEEXAMPLE00: uploader}\n");
    stage.iam_by_hand(|iam| async move {
        iam.create_user().user_name("uploader").send().await.expect("made");
        let everything = "arn:aws:iam::aws:policy/AmazonS3FullAccess";
        iam.attach_user_policy().user_name("uploader").policy_arn(everything).send().await.expect("attached");
    });
    stage.reconcile("apply --auto-approve").exits(0);
    let audit = stage.reconcile("audit --output json").exits(2).json();
    let found = audit["findings"].as_array().expect("a list").iter();
    let of_writer: Vec<_> = found.filter(|finding| finding["id"] == "writer-can-destroy").collect();
    assert_eq!(of_writer.len(), 1, "{audit:#}");
    assert_eq!(of_writer[0]["subject"], "user/uploader");

    // And a key of the account's root is nobody's to upload with.
    let stage = Stage::new();
    stage.sandbox("now: 2026-11-21T12:00:00Z\ncaller: arn:aws:iam::123456789012:root\n");
    let audit = stage.reconcile("audit").exits(2);
    audit.says(&["critical[root-writes] account root"]);
}

/// Who applies as a role whose trust the plan would change might never come back: refused whatever is allowed.
#[test]
fn nobody_is_shut_out_by_their_own_plan() {
    let stage = Stage::of("sportfin");
    with_break_glass(&stage);
    apply(&stage);
    stage.iam_by_hand(|iam| async move {
        let everything = "arn:aws:iam::aws:policy/AdministratorAccess";
        iam.attach_role_policy().role_name(ROLE).policy_arn(everything).send().await.expect("attached");
        let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}}"#;
        iam.update_assume_role_policy().role_name(ROLE).policy_document(trust).send().await.expect("updated");
    });
    stage.sandbox(&format!(
        "now: 2026-11-21T12:00:00Z\ncaller: arn:aws:sts::123456789012:assumed-role/{ROLE}/me\n"
    ));
    let plan = stage.reconcile_plain("plan --tags access").exits(0);
    let line = plan.line_to_apply().expect("a line").to_owned();
    let refused = stage.reconcile_exactly(&format!("{line} --auto-approve")).exits(3);
    assert!(refused.stderr.contains("you might be shut out"), "{refused}");
}
