//! The ways to more power: each known one is found, named by its statements, and not found where one step is missing.

use std::collections::BTreeMap;

use reconcile::audit::{Fact, judge};
use serde_json::{Value as Json, json};

use super::{
    ACCOUNT, BREAK_GLASS, allow, break_glass, complete_lock, details, document, evidence, good_bucket,
    judged, policy, role, terms, unexpected, user, way,
};

const ANY: &str = "s3:PutBucketPolicy";

/// Somebody, and a role that only break-glass and the lock's sparing make powerful.
fn tries(statements: Json, roles: &[Json]) -> reconcile::audit::Audit {
    judged(details(&[user("eve", statements)], roles), good_bucket(Some(&complete_lock())))
}

fn via(statements: Json, roles: &[Json]) -> Option<String> {
    way(&tries(statements, roles), "user/eve", ANY).map(|(via, _)| via)
}

fn glass(trusts: Json) -> Json {
    role("OrganizationAdmin", trusts, json!([allow("*", "*")]))
}

#[test]
fn ways_to_become_somebody() {
    let root = json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")});
    let nobody = json!({"Service": "nobody.amazonaws.com"});
    let service = |name: &str| json!({"Service": format!("{name}.amazonaws.com")});
    let pass = allow("iam:PassRole", BREAK_GLASS);
    let cases: Vec<(Json, Json, Option<&str>)> = vec![
        (
            json!([allow("sts:AssumeRole", BREAK_GLASS)]),
            root.clone(),
            Some("AssumeRole -> role/OrganizationAdmin"),
        ),
        (json!([allow("sts:AssumeRole", BREAK_GLASS)]), nobody.clone(), None),
        (json!([]), root.clone(), None),
        (
            json!([allow("iam:UpdateAssumeRolePolicy", BREAK_GLASS)]),
            nobody.clone(),
            Some("UpdateAssumeRolePolicy -> role/OrganizationAdmin"),
        ),
        (
            json!([pass, allow(json!(["lambda:CreateFunction", "lambda:InvokeFunction"]), "*")]),
            service("lambda"),
            Some("PassRole -> lambda -> role/OrganizationAdmin"),
        ),
        (json!([pass, allow("lambda:CreateFunction", "*")]), service("lambda"), None),
        (
            json!([pass, allow(json!(["lambda:CreateFunction", "lambda:InvokeFunction"]), "*")]),
            service("ec2"),
            None,
        ),
        (
            json!([allow("lambda:UpdateFunctionCode", "*")]),
            service("lambda"),
            Some("lambda -> role/OrganizationAdmin"),
        ),
        (json!([pass, allow("ec2:RunInstances", "*")]), service("ec2"), None),
        (
            json!([pass, allow(json!(["ec2:RunInstances", "iam:AddRoleToInstanceProfile"]), "*")]),
            service("ec2"),
            Some("PassRole -> ec2 -> role/OrganizationAdmin"),
        ),
        (
            json!([pass, allow("cloudformation:CreateStack", "*")]),
            service("cloudformation"),
            Some("PassRole -> cloudformation -> role/OrganizationAdmin"),
        ),
        (
            json!([pass, allow("ecs:RunTask", "*")]),
            service("ecs-tasks"),
            Some("PassRole -> ecs -> role/OrganizationAdmin"),
        ),
        (
            json!([pass, allow(json!(["codebuild:CreateProject", "codebuild:StartBuild"]), "*")]),
            service("codebuild"),
            Some("PassRole -> codebuild -> role/OrganizationAdmin"),
        ),
        (
            json!([pass, allow(json!(["glue:CreateJob", "glue:StartJobRun"]), "*")]),
            service("glue"),
            Some("PassRole -> glue -> role/OrganizationAdmin"),
        ),
        (
            json!([pass, allow("sagemaker:CreateTrainingJob", "*")]),
            service("sagemaker"),
            Some("PassRole -> sagemaker -> role/OrganizationAdmin"),
        ),
        (
            json!([pass, allow("s3:CreateJob", "*")]),
            service("batchoperations.s3"),
            Some("PassRole -> s3 batch operations -> role/OrganizationAdmin"),
        ),
        (json!([allow("ssm:SendCommand", "*")]), service("ec2"), Some("ec2 -> role/OrganizationAdmin")),
    ];
    for (statements, trusts, wanted) in cases {
        let found = via(statements.clone(), &[glass(trusts.clone())]);
        assert_eq!(found.as_deref(), wanted, "{statements} {trusts}");
    }
}

/// Whom the trust policy of break-glass names needs no policy, and is meant to break it.
#[test]
fn who_is_named_may_break_the_glass() {
    let trusts = json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:user/eve")});
    let audit = tries(json!([]), &[glass(trusts)]);
    let (via, _) = way(&audit, "user/eve", ANY).expect("found");
    assert_eq!(via, "AssumeRole -> role/OrganizationAdmin");
    assert!(unexpected(&audit).is_empty());
}

/// Keys and passwords of a user who has the power, and policies of one's own or of others.
#[test]
fn ways_through_users_and_policies() {
    let arn = |what: &str| format!("arn:aws:iam::{ACCOUNT}:{what}");
    let own = arn("user/eve");
    let admin = user("admin", json!([allow("*", "*")]));
    for (action, resource, wanted) in [
        ("iam:CreateAccessKey", arn("user/admin"), Some("CreateAccessKey -> user/admin")),
        ("iam:UpdateLoginProfile", arn("user/admin"), Some("UpdateLoginProfile -> user/admin")),
        ("iam:CreateLoginProfile", arn("user/admin"), Some("CreateLoginProfile -> user/admin")),
        ("iam:CreateAccessKey", own.clone(), None),
        ("iam:PutUserPolicy", own.clone(), Some("changes own policies")),
        ("iam:AttachUserPolicy", own.clone(), Some("changes own policies")),
        ("iam:PutUserPolicy", arn("user/admin"), None),
        ("iam:PutRolePolicy", own.clone(), None),
    ] {
        let statements = json!([allow(action, &resource)]);
        // Without a lock, since the users here are not spared by one.
        let audit =
            judged(details(&[user("eve", statements), admin.clone()], &[break_glass()]), good_bucket(None));
        let found = way(&audit, "user/eve", ANY).map(|(via, _)| via);
        assert_eq!(found.as_deref(), wanted, "{action} {resource}");
    }
}

fn with_groups(users: &[Json], groups: Json, policies: Json) -> Json {
    let mut all = details(users, &[break_glass()]);
    all["GroupDetailList"] = groups;
    all["Policies"] = policies;
    all
}

#[test]
fn ways_through_groups_and_managed_policies() {
    let arn = |what: &str| format!("arn:aws:iam::{ACCOUNT}:{what}");
    let group = |statements: Json| {
        json!([{"GroupName": "g", "Arn": arn("group/g"),
        "GroupPolicyList": [{"PolicyName": "G", "PolicyDocument": policy(statements)}]}])
    };
    let managed = |old: Json| {
        json!([{"PolicyName": "M", "Arn": arn("policy/M"), "PolicyVersionList": [
            {"VersionId": "v2", "IsDefaultVersion": true, "Document": policy(json!([allow("s3:ListBucket", "*")]))},
            {"VersionId": "v1", "IsDefaultVersion": false, "Document": policy(old)}]}])
    };
    let admin = json!([allow("s3:*", "*")]);
    let harmless = json!([allow("s3:ListBucket", "*")]);
    let mut cases: BTreeMap<&str, (Json, Json, Json, Json, bool)> = BTreeMap::new();
    let grant = |action: &str, on: &str| json!([allow(action, &arn(on))]);
    cases.insert(
        "joins",
        (grant("iam:AddUserToGroup", "group/g"), group(admin.clone()), json!([]), json!([]), true),
    );
    cases.insert(
        "joins in vain",
        (grant("iam:AddUserToGroup", "group/g"), group(harmless.clone()), json!([]), json!([]), false),
    );
    cases.insert(
        "writes its group",
        (grant("iam:PutGroupPolicy", "group/g"), group(harmless.clone()), json!(["g"]), json!([]), true),
    );
    cases.insert(
        "writes another group",
        (grant("iam:PutGroupPolicy", "group/g"), group(harmless.clone()), json!([]), json!([]), false),
    );
    cases.insert(
        "rewrites",
        (grant("iam:CreatePolicyVersion", "policy/M"), json!([]), json!([]), managed(harmless.clone()), true),
    );
    cases.insert(
        "goes back",
        (
            grant("iam:SetDefaultPolicyVersion", "policy/M"),
            json!([]),
            json!([]),
            managed(admin.clone()),
            true,
        ),
    );
    cases.insert(
        "goes back in vain",
        (
            grant("iam:SetDefaultPolicyVersion", "policy/M"),
            json!([]),
            json!([]),
            managed(harmless.clone()),
            false,
        ),
    );
    for (name, (statements, groups, member, policies, wanted)) in cases {
        let mut eve = user("eve", statements);
        eve["GroupList"] = member;
        if policies != json!([]) {
            eve["AttachedManagedPolicies"] = json!([{"PolicyName": "M", "PolicyArn": arn("policy/M")}]);
        }
        let audit = judged(with_groups(&[eve], groups, policies), good_bucket(None));
        assert_eq!(way(&audit, "user/eve", ANY).is_some(), wanted, "{name}");
    }
}

/// A boundary and a deny hold until somebody may take them away.
#[test]
fn boundaries_and_denies_are_held_to_and_taken_away() {
    let arn = |what: &str| format!("arn:aws:iam::{ACCOUNT}:{what}");
    let audit = |extra: Json, boundary: Json| {
        let mut statements = vec![allow("s3:*", "*")];
        statements.extend(extra.as_array().expect("a list").clone());
        let mut eve = user("eve", json!(statements));
        eve["PermissionsBoundary"] = json!({"PermissionsBoundaryArn": arn("policy/B")});
        let mut all = details(&[eve], &[break_glass()]);
        all["Policies"] = json!([{"PolicyName": "B", "Arn": arn("policy/B"), "PolicyVersionList":
            [{"VersionId": "v1", "IsDefaultVersion": true, "Document": policy(boundary)}]}]);
        judged(all, good_bucket(None))
    };
    let narrow = json!([allow("s3:GetObject", "*"), allow("iam:*", "*")]);
    assert!(way(&audit(json!([]), narrow.clone()), "user/eve", ANY).is_none());
    let put = json!([allow("iam:PutUserPolicy", &arn("user/eve"))]);
    let tighter = json!([allow(json!(["s3:GetObject", "iam:PutUserPolicy"]), "*")]);
    assert!(way(&audit(put.clone(), tighter), "user/eve", ANY).is_none(), "the boundary holds");
    // Within this one she gives herself what removes it.
    assert!(way(&audit(put, narrow.clone()), "user/eve", ANY).is_some());
    let removes = json!([allow("iam:DeleteUserPermissionsBoundary", &arn("user/eve"))]);
    assert!(way(&audit(removes.clone(), narrow), "user/eve", ANY).is_some());
    let tight = json!([allow("s3:GetObject", "*")]);
    assert!(way(&audit(removes, tight), "user/eve", ANY).is_none(), "the boundary covers its own removal");

    let denied = |extra: Json| {
        let mut eve = user("eve", json!([allow("s3:*", "*"), extra]));
        eve["UserPolicyList"]
            .as_array_mut()
            .expect("a list")
            .push(json!({"PolicyName": "D", "PolicyDocument":
            policy(json!([{"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"}]))}));
        judged(details(&[eve], &[break_glass()]), good_bucket(None))
    };
    assert!(way(&denied(allow("s3:GetObject", "*")), "user/eve", ANY).is_none());
    assert!(way(&denied(allow("iam:DeleteUserPolicy", &arn("user/eve"))), "user/eve", ANY).is_some());
}

/// Who is spared and does not exist can be made.
#[test]
fn the_break_glass_that_does_not_exist_is_made() {
    let make = json!([allow(json!(["iam:CreateRole", "iam:AttachRolePolicy"]), "*")]);
    let audit = tries(make.clone(), &[]);
    let (via, path) = way(&audit, "user/eve", ANY).expect("found");
    assert_eq!(via, "CreateRole -> role/OrganizationAdmin");
    assert!(path[0].contains("allows iam:CreateRole on role/OrganizationAdmin"), "{path:?}");
    assert!(audit.findings.iter().any(|finding| finding.id == "break-glass-missing"));
    assert!(way(&tries(make, &[break_glass()]), "user/eve", ANY).is_none());
    assert!(way(&tries(json!([allow("iam:CreateRole", "*")]), &[]), "user/eve", ANY).is_none());
}

#[test]
fn chains_are_followed_up_to_the_bound() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut roles = vec![glass(json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}))];
    for (index, name) in names.iter().enumerate() {
        let next = names.get(index + 1).map_or("OrganizationAdmin", |next| next);
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/{next}");
        let root = json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")});
        roles.push(role(name, root, json!([allow("sts:AssumeRole", &arn)])));
    }
    let audit = judged(details(&[], &roles), good_bucket(Some(&complete_lock())));
    let found: Vec<&str> =
        names.into_iter().filter(|name| way(&audit, &format!("role/{name}"), ANY).is_some()).collect();
    assert_eq!(found, ["c", "d", "e", "f", "g", "h"]);
    let (via, _) = way(&audit, "role/g", ANY).expect("found");
    assert_eq!(via, "AssumeRole -> role/h -> AssumeRole -> role/OrganizationAdmin");
}

/// Other accounts, through the bucket's policy and through a role.
#[test]
fn outsiders_are_found() {
    let mut lock = complete_lock();
    let open = json!({"Effect": "Allow", "Principal": {"AWS": "999988887777"}, "Action": "s3:*",
        "Resource": ["arn:aws:s3:::backups", "arn:aws:s3:::backups/*"]});
    let unlocked = policy(json!([open]));
    let audit = judged(details(&[], &[break_glass()]), good_bucket(Some(&unlocked)));
    assert!(unexpected(&audit).contains_key(&("arn:aws:iam::999988887777:root".to_owned(), ANY.to_owned())));
    lock["Statement"].as_array_mut().expect("a list").push(open);
    let audit = judged(details(&[], &[break_glass()]), good_bucket(Some(&lock)));
    assert!(unexpected(&audit).is_empty(), "the lock denies them too: {:?}", unexpected(&audit));

    let trusts = json!({"AWS": "arn:aws:iam::999988887777:root"});
    let audit = judged(details(&[], &[glass(trusts)]), good_bucket(Some(&complete_lock())));
    let (via, _) = way(&audit, "arn:aws:iam::999988887777:root", ANY).expect("found");
    assert_eq!(via, "AssumeRole -> role/OrganizationAdmin");
}

/// Service control policies bind everybody of the account.
#[test]
fn service_control_policies_bind() {
    let who = details(&[user("eve", json!([allow("s3:*", "*")]))], &[break_glass()]);
    let mut evidence = evidence(who, good_bucket(None));
    assert!(way(&judge(&evidence, &terms()), "user/eve", ANY).is_some());
    let all = document(&policy(json!([allow("*", "*")])));
    let deny =
        document(&policy(json!([{"Effect": "Deny", "Action": "s3:PutBucketPolicy", "Resource": "*"}])));
    let named = |name: &str, document| reconcile::policy::Named::new(name, document);
    evidence.scps = Fact::Known(vec![vec![named("all", all)], vec![named("some", deny)]]);
    assert!(way(&judge(&evidence, &terms()), "user/eve", ANY).is_none());
}
