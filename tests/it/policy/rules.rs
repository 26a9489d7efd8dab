//! AWS's rules, one example each. The pages that they come from are named in src/policy.

use reconcile::policy::{
    Certainty, Context, Document, Named, Policies, Principal, Questions, Request, Resource, Verdict, decide,
};
use serde_json::{Value, json};

const USER: &str = "arn:aws:iam::111122223333:user/dev";
const ROLE: &str = "arn:aws:iam::111122223333:role/ops";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/ops/sess";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const STRANGER: &str = "arn:aws:iam::444455556666:user/ext";
const OBJECT: &str = "arn:aws:s3:::b/pg/x";
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234";

fn policy(statements: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn allow() -> Value {
    policy(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}))
}

fn nothing() -> Value {
    policy(json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}))
}

fn deny() -> Value {
    policy(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}))
}

/// A resource's policy for whom it is said.
fn grants(principal: Value) -> Value {
    policy(json!({"Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*"}))
}

/// A request on an object, changed by more members.
fn request(principal: &str, more: Value) -> Value {
    let mut request = json!({"principal": principal, "action": "s3:GetObject", "resource": OBJECT,
        "resource_account": "111122223333"});
    for (name, value) in more.as_object().expect("members") {
        request[name] = value.clone();
    }
    request
}

fn verdict(request: &Value) -> Verdict {
    match Questions::parse(&request.to_string()).unwrap_or_else(|error| panic!("{error}: {request}")) {
        Questions::One(question) => question.decide().verdict,
        Questions::Many(_) => panic!("one was asked"),
    }
}

#[track_caller]
fn is(expected: Verdict, principal: &str, more: Value) {
    let request = request(principal, more);
    assert_eq!(verdict(&request), expected, "{request:#}");
}

#[track_caller]
fn allowed(principal: &str, more: Value) {
    is(Verdict::Allowed, principal, more);
}

#[track_caller]
fn denied(principal: &str, more: Value) {
    is(Verdict::Denied, principal, more);
}

/// Whether a condition lets a user, in a closed context.
#[track_caller]
fn holds(condition: Value, context: Value, expected: bool) {
    let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
    let expected = if expected { Verdict::Allowed } else { Verdict::Denied };
    is(expected, USER, json!({"identity_policies": [policy(statement)], "context": context}));
}

#[test]
fn in_one_account_either_side_may_allow_and_any_deny_denies() {
    denied(USER, json!({}));
    allowed(USER, json!({"identity_policies": [allow()]}));
    for principal in [json!({"AWS": USER}), json!("*"), json!({"AWS": "*"}), json!({"AWS": [USER, STRANGER]})]
    {
        allowed(USER, json!({"resource_policy": grants(principal)}));
    }
    // The account's root stands for whom the account lets.
    denied(USER, json!({"resource_policy": grants(json!({"AWS": ROOT}))}));
    denied(USER, json!({"resource_policy": grants(json!({"AWS": STRANGER}))}));
    for place in ["permissions_boundary", "session_policy"] {
        denied(USER, json!({"identity_policies": [allow()], place: deny()}));
    }
    denied(USER, json!({"identity_policies": [allow(), deny()]}));
    denied(USER, json!({"identity_policies": [allow()], "scps": [[allow(), deny()]]}));
    let against = policy(
        json!({"Effect": "Deny", "Principal": {"AWS": "111122223333"}, "Action": "*", "Resource": "*"}),
    );
    denied(USER, json!({"identity_policies": [allow()], "resource_policy": against}));
}

#[test]
fn boundaries_and_session_policies_limit_what_is_not_granted_directly() {
    let limits = json!({"permissions_boundary": nothing(), "session_policy": null});
    let with = |more: Value| {
        let mut all = limits.clone();
        all.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
        all
    };
    denied(USER, with(json!({"identity_policies": [allow()]})));
    allowed(USER, with(json!({"resource_policy": grants(json!({"AWS": USER}))})));
    allowed(USER, with(json!({"resource_policy": grants(json!("*"))})));
    for principal in [ROLE, SESSION] {
        denied(principal, with(json!({"resource_policy": grants(json!({"AWS": ROLE}))})));
        allowed(principal, with(json!({"resource_policy": grants(json!("*"))})));
        allowed(principal, json!({"resource_policy": grants(json!({"AWS": ROLE}))}));
        allowed(principal, json!({"identity_policies": [allow()], "permissions_boundary": allow()}));
    }
    let session = json!({"resource_policy": grants(json!({"AWS": SESSION})), "permissions_boundary": nothing(),
        "session_policy": nothing()});
    allowed(SESSION, session.clone());
    denied("arn:aws:sts::111122223333:assumed-role/ops/other", session);
    denied(SESSION, json!({"identity_policies": [allow()], "session_policy": nothing()}));
    denied(SESSION, json!({"resource_policy": grants(json!({"AWS": ROLE})), "session_policy": nothing()}));
    // A user with a session policy is a federated session of the user.
    denied(USER, json!({"resource_policy": grants(json!({"AWS": USER})), "session_policy": nothing()}));
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let both =
        |principal: Value| json!({"identity_policies": [allow()], "resource_policy": grants(principal)});
    for principal in [json!({"AWS": STRANGER}), json!("*"), json!({"AWS": "444455556666"})] {
        allowed(STRANGER, both(principal.clone()));
        denied(STRANGER, json!({"resource_policy": grants(principal)}));
    }
    denied(STRANGER, json!({"identity_policies": [allow()]}));
    denied(STRANGER, both(json!({"AWS": USER})));
    let mut limited = both(json!({"AWS": STRANGER}));
    limited["permissions_boundary"] = nothing();
    denied(STRANGER, limited);
    let session = "arn:aws:sts::444455556666:assumed-role/ext/sess";
    denied(session, json!({"resource_policy": grants(json!({"AWS": session}))}));
}

#[test]
fn keys_and_trust_policies_speak_for_themselves() {
    let key = |more: Value| {
        let mut all = json!({"action": "kms:ScheduleKeyDeletion", "resource": KEY});
        all.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
        all
    };
    denied(USER, key(json!({"identity_policies": [allow()]})));
    denied(
        USER,
        key(json!({"identity_policies": [allow()], "resource_policy": grants(json!({"AWS": ROLE}))})),
    );
    allowed(
        USER,
        key(json!({"identity_policies": [allow()], "resource_policy": grants(json!({"AWS": ROOT}))})),
    );
    denied(USER, key(json!({"resource_policy": grants(json!({"AWS": ROOT}))})));
    allowed(USER, key(json!({"resource_policy": grants(json!({"AWS": USER}))})));
    denied(ROOT, key(json!({"resource_policy": grants(json!({"AWS": ROLE}))})));
    allowed(ROOT, key(json!({"resource_policy": grants(json!({"AWS": ROOT}))})));
    // What a key's policy lets another account do is to use the key; the rest has no effect there.
    let theirs = |action: &str, principal: Value| json!({"action": action, "resource": KEY, "identity_policies": [allow()], "resource_policy": grants(principal)});
    for principal in [json!({"AWS": STRANGER}), json!({"AWS": "444455556666"}), json!("*")] {
        allowed(STRANGER, theirs("kms:Decrypt", principal.clone()));
        for action in ["kms:ScheduleKeyDeletion", "kms:PutKeyPolicy", "kms:disablekey"] {
            denied(STRANGER, theirs(action, principal.clone()));
        }
        denied("*", theirs("kms:Decrypt", principal));
    }
    allowed(USER, theirs("kms:PutKeyPolicy", json!("*")));
    // A statement without Resource has no effect, whichever way it goes.
    let bare = |effect: &str| json!({"Effect": effect, "Principal": {"AWS": USER}, "Action": "kms:*"});
    denied(USER, key(json!({"resource_policy": policy(bare("Allow"))})));
    let open = json!({"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "kms:*", "Resource": "*"});
    allowed(USER, key(json!({"resource_policy": policy(json!([open, bare("Deny")]))})));
    // Actions without a key have no key's policy.
    allowed(USER, json!({"action": "kms:CreateKey", "resource": "*", "identity_policies": [allow()]}));

    let trusts = |principal: Value, action: &str| {
        policy(json!({"Effect": "Allow", "Principal": principal, "Action": action}))
    };
    let assume = |policies: Value, trust: Value| json!({"action": "sts:AssumeRole", "resource": ROLE, "identity_policies": policies, "resource_policy": trust});
    denied(USER, assume(json!([allow()]), Value::Null));
    allowed(USER, assume(json!([]), trusts(json!({"AWS": USER}), "sts:AssumeRole")));
    allowed(USER, assume(json!([allow()]), trusts(json!({"AWS": ROOT}), "sts:AssumeRole")));
    denied(USER, assume(json!([]), trusts(json!({"AWS": ROOT}), "sts:AssumeRole")));
    denied(ROOT, assume(json!([]), trusts(json!({"AWS": ROOT}), "sts:AssumeRole")));
    denied(STRANGER, assume(json!([]), trusts(json!({"AWS": STRANGER}), "sts:AssumeRole")));
    allowed(STRANGER, assume(json!([allow()]), trusts(json!({"AWS": STRANGER}), "sts:AssumeRole")));
    let service = trusts(json!({"Service": "ec2.amazonaws.com"}), "sts:AssumeRole");
    allowed("ec2.amazonaws.com", assume(json!([]), service.clone()));
    denied("lambda.amazonaws.com", assume(json!([]), service.clone()));
    denied(USER, assume(json!([allow()]), service));
    let web = json!({"action": "sts:AssumeRoleWithWebIdentity", "resource": ROLE,
        "resource_policy": trusts(json!({"Federated": "accounts.google.com"}), "sts:AssumeRoleWithWebIdentity")});
    allowed("accounts.google.com", web.clone());
    denied("graph.facebook.com", web);
    // To hand a role on is no question of its trust.
    allowed(USER, json!({"action": "iam:PassRole", "resource": ROLE, "identity_policies": [allow()]}));
}

#[test]
fn an_accounts_root_is_limited_from_outside_alone() {
    allowed(ROOT, json!({}));
    denied(ROOT, json!({"scps": [[allow()], [nothing()]]}));
    let against = policy(json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}));
    denied(ROOT, json!({"resource_policy": against}));
    // Nobody locks a bucket's owner out of its policy.
    for action in ["s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy"] {
        let on =
            |more: &Value| json!({"action": action, "resource": "arn:aws:s3:::b", "resource_policy": more});
        allowed(ROOT, on(&against));
        denied("arn:aws:iam::444455556666:root", on(&against));
    }
}

#[test]
fn every_level_of_service_control_must_allow_and_some_are_not_under_it() {
    let under = |scps: Value| json!({"identity_policies": [allow()], "scps": scps});
    allowed(USER, under(json!([[allow()], [nothing(), allow()]])));
    denied(USER, under(json!([[allow()], [nothing()]])));
    denied(USER, under(json!([[allow()], []])));
    allowed(USER, under(json!([])));
    denied(USER, json!({"resource_policy": grants(json!("*")), "scps": [[nothing()]]}));
    let linked =
        "arn:aws:iam::111122223333:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup";
    allowed(linked, under(json!([[nothing()]])));
    allowed(
        "backup.amazonaws.com",
        json!({"resource_policy": grants(json!({"Service": "backup.amazonaws.com"})), "scps": [[nothing()]]}),
    );
    allowed("*", json!({"resource_policy": grants(json!("*")), "scps": [[nothing()]]}));
    denied("*", json!({"resource_policy": grants(json!({"AWS": ROOT}))}));
}

#[test]
fn whom_not_principal_spares() {
    let all_but = |who: Value| {
        let deny = json!({"Effect": "Deny", "NotPrincipal": {"AWS": who}, "Action": "*", "Resource": "*"});
        json!({"identity_policies": [allow()], "resource_policy": policy(deny)})
    };
    allowed(USER, all_but(json!([USER, ROOT])));
    denied(USER, all_but(json!([ROLE, ROOT])));
    denied(USER, all_but(json!(ROOT)));
    allowed(ROLE, all_but(json!([ROLE, ROOT])));
    allowed(SESSION, all_but(json!([SESSION, ROLE, ROOT])));
    is(Verdict::Unknown, SESSION, all_but(json!([ROLE, ROOT])));
    denied("*", all_but(json!([USER, ROOT])));
    // With a boundary it spares nobody.
    let mut bounded = all_but(json!([USER, ROOT]));
    bounded["permissions_boundary"] = allow();
    denied(USER, bounded);
    let allow_all_but =
        policy(json!({"Effect": "Allow", "NotPrincipal": {"AWS": USER}, "Action": "*", "Resource": "*"}));
    denied(USER, json!({"resource_policy": allow_all_but}));
    allowed(ROLE, json!({"resource_policy": allow_all_but}));
}

#[test]
fn lists_of_values_absent_keys_and_sets() {
    let team = |value: Value| json!({"aws:PrincipalTag/Team": value});
    for (operator, absent, ops, dev) in [
        ("StringEquals", false, true, false),
        ("StringNotEquals", true, false, true),
        ("StringEqualsIfExists", true, true, false),
        ("StringNotEqualsIfExists", true, false, true),
        ("ForAllValues:StringEquals", true, true, false),
        ("ForAllValues:StringNotEquals", true, false, true),
        ("ForAnyValue:StringEquals", false, true, false),
        ("ForAnyValue:StringNotEquals", false, false, true),
        ("ForAnyValue:StringEqualsIfExists", true, true, false),
    ] {
        let condition = json!({operator: {"aws:principaltag/team": ["ops", "lead"]}});
        holds(condition.clone(), json!({}), absent);
        holds(condition.clone(), team(json!([])), absent);
        holds(condition.clone(), team(json!("ops")), ops);
        holds(condition, team(json!("dev")), dev);
    }
    for (operator, mixed, inside) in [
        ("ForAllValues:StringEquals", false, true),
        ("ForAnyValue:StringEquals", true, true),
        ("ForAllValues:StringNotEquals", false, false),
        ("ForAnyValue:StringNotEquals", true, false),
    ] {
        let condition = json!({operator: {"aws:TagKeys": ["a", "b"]}});
        holds(condition.clone(), json!({"aws:TagKeys": ["a", "c"]}), mixed);
        holds(condition, json!({"aws:TagKeys": ["b", "a"]}), inside);
    }
    // Several operators, and several keys, must all hold.
    let both = json!({"StringEquals": {"a:x": "1", "a:y": "2"}, "Null": {"a:z": "true"}});
    holds(both.clone(), json!({"a:x": "1", "a:y": "2"}), true);
    holds(both.clone(), json!({"a:x": "1", "a:y": "3"}), false);
    holds(both, json!({"a:x": "1", "a:y": "2", "a:z": ""}), false);
    holds(json!({"Null": {"a:x": false}}), json!({"a:x": "1"}), true);
    holds(json!({"Null": {"a:x": ["true", "false"]}}), json!({"a:x": "1"}), true);
}

#[test]
fn every_comparison() {
    for (operator, value, matching, other) in [
        ("StringEquals", "o*s", "o*s", "ops"),
        ("StringLike", "o?s*", "ops-1", "os"),
        ("StringLike", "ops", "ops", "OPS"),
        ("StringEqualsIgnoreCase", "ÖPS", "öps", "ops"),
        ("NumericEquals", "10", "10.0", "11"),
        ("NumericLessThan", "10", "9.5", "10"),
        ("NumericLessThanEquals", "10", "10", "10.5"),
        ("NumericGreaterThan", "10", "1e2", "10"),
        ("NumericGreaterThanEquals", "10", "10", "-10"),
        ("DateEquals", "2026-01-01T00:00:00Z", "1767225600", "2026-01-02"),
        ("DateLessThan", "2026-01-01", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"),
        ("DateLessThanEquals", "2026-01-01", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:01Z"),
        ("DateGreaterThan", "2026-01-01", "2026-01-01T00:00:01Z", "2026-01-01"),
        ("DateGreaterThanEquals", "2026-01-01", "2026-01-01", "2025"),
        ("Bool", "true", "True", "false"),
        ("BinaryEquals", "b3Bz", "b3Bz", "ZGV2"),
        ("IpAddress", "203.0.113.0/24", "203.0.113.7", "2001:db8::1"),
        ("IpAddress", "2001:DB8::/32", "2001:db8:1::9", "2001:db9::1"),
        ("ArnEquals", "arn:aws:sns:*:1:t?pic", "arn:aws:sns:eu-west-1:1:topic", "arn:aws:sns:a:b:1:topic"),
        ("ArnLike", "arn:aws:iam::*:role/*", "arn:aws:iam::1:role/a/b:c", "arn:aws:iam::1:user/a"),
        ("ArnLike", "arn:aws:iam::1:*", "arn:aws:iam::1:role/a:b", "no ARN"),
    ] {
        holds(json!({operator: {"a:key": value}}), json!({"a:key": matching}), true);
        holds(json!({operator: {"a:key": value}}), json!({"a:key": other}), false);
        let negated = match operator {
            "StringEquals" | "StringLike" | "StringEqualsIgnoreCase" => {
                operator.replace("String", "StringNot")
            }
            "NumericEquals" | "DateEquals" | "ArnEquals" | "ArnLike" => {
                operator.replace("Equals", "NotEquals").replace("Like", "NotLike")
            }
            "IpAddress" => "NotIpAddress".to_owned(),
            _ => continue,
        };
        holds(
            json!({negated.as_str(): {"a:key": [value, "arn:aws:x:::none"]}}),
            json!({"a:key": matching}),
            false,
        );
    }
    holds(
        json!({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
        json!({"aws:SourceIp": "2001:db8::1"}),
        true,
    );
}

#[test]
fn variables_stand_in_resources_and_in_texts_and_arns() {
    let home = |version: &str, resource: &str| json!({"Version": version, "Statement": {"Effect": "Allow", "Action": "*", "Resource": resource}});
    let on = |policy: Value, context: Value| json!({"identity_policies": [policy], "context": context});
    let known = json!({"aws:username": "pg"});
    allowed(USER, on(home("2012-10-17", "arn:aws:s3:::b/${aws:username}/*"), known.clone()));
    denied(USER, on(home("2012-10-17", "arn:aws:s3:::b/${aws:username}/*"), json!({})));
    denied(USER, on(home("2008-10-17", "arn:aws:s3:::b/${aws:username}/*"), known.clone()));
    allowed(USER, on(home("2012-10-17", "arn:aws:s3:::b/${aws:PrincipalTag/dir, 'pg'}/x"), known));
    denied(USER, on(home("2012-10-17", "arn:aws:s3:::b/${aws:username}/x"), json!({"aws:username": "*"})));
    holds(json!({"StringEquals": {"a:x": "${a:y}"}}), json!({"a:x": "1", "a:y": "1"}), true);
    holds(json!({"StringLike": {"a:x": "${a:y}*"}}), json!({"a:x": "12", "a:y": "*"}), false);
    holds(
        json!({"ArnLike": {"a:x": "arn:aws:iam::${aws:PrincipalAccount}:role/*"}}),
        json!({"a:x": "arn:aws:iam::1:role/a", "aws:PrincipalAccount": "1"}),
        true,
    );
}

#[test]
fn what_is_not_modelled_is_unknown_unless_it_cannot_matter() {
    let odd = |effect: &str| {
        policy(
            json!({"Effect": effect, "Action": "s3:*", "Resource": "*", "Condition": {"StringResembles": {"a:x": "y"}}}),
        )
    };
    is(Verdict::Unknown, USER, json!({"identity_policies": [odd("Allow")]}));
    is(Verdict::Unknown, USER, json!({"identity_policies": [allow(), odd("Deny")]}));
    allowed(USER, json!({"identity_policies": [allow(), odd("Allow")]}));
    denied(USER, json!({"identity_policies": [deny(), odd("Allow")]}));
    let new = policy(json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Novelty": 1}));
    is(Verdict::Unknown, USER, json!({"identity_policies": [new]}));
    for (condition, context) in [
        (json!({"IpAddress": {"a:x": "everywhere"}}), json!({"a:x": "203.0.113.7"})),
        (json!({"NumericLessThan": {"a:x": "5"}}), json!({"a:x": "many"})),
        (json!({"ArnLike": {"a:x": "arn:aws:iam"}}), json!({"a:x": USER})),
        (json!({"StringEquals": {"a:x": "1"}}), json!({"a:x": ["1", "2"]})),
    ] {
        let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
        is(Verdict::Unknown, USER, json!({"identity_policies": [policy(statement)], "context": context}));
    }
    let canonical =
        grants(json!({"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}));
    is(Verdict::Unknown, STRANGER, json!({"identity_policies": [allow()], "resource_policy": canonical}));
}

/// A user with these statements, in an open context.
fn open(statements: Value, context: &Context, resource: Resource<'_>) -> reconcile::policy::Decision {
    let principal = Principal::parse(USER).expect("a user");
    let document = Document::read(&policy(statements)).expect("a document");
    let request = Request {
        principal: &principal,
        action: "s3:DeleteObject",
        resource,
        resource_account: None,
        context,
    };
    let identity = [Named::new("user/dev: policy P", document)];
    decide(&request, &Policies { identity: &identity, ..Policies::default() })
}

#[test]
fn what_a_context_leaves_open_is_conditional_and_named() {
    let unknown = Context::open::<String>([]);
    let object = Resource::Exact(OBJECT);
    let from = json!({"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}});
    let decision =
        open(json!([{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}, from]), &unknown, object);
    assert_eq!(decision.verdict, Verdict::Conditional);
    assert_eq!(
        decision.path[0].to_string(),
        "user/dev: policy P statement 2, allows depending on aws:SourceIp"
    );
    let inside = Context::open([("AWS:sourceIP", vec!["203.0.113.7".to_owned()])]);
    assert_eq!(open(json!([from]), &inside, object).verdict, Verdict::Allowed);
    // What follows from the principal is not open.
    for (condition, expected) in [
        (json!({"ArnNotLike": {"aws:PrincipalArn": ROLE}}), Verdict::Allowed),
        (json!({"ArnLike": {"aws:PrincipalArn": ROLE}}), Verdict::Denied),
        (json!({"StringEquals": {"aws:PrincipalAccount": "111122223333"}}), Verdict::Allowed),
        (json!({"StringEquals": {"aws:username": "dev", "aws:PrincipalType": "User"}}), Verdict::Allowed),
        (json!({"Bool": {"aws:PrincipalIsAWSService": "true"}}), Verdict::Denied),
        (json!({"StringEquals": {"aws:ResourceAccount": "111122223333"}}), Verdict::Allowed),
        (json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), Verdict::Conditional),
        (json!({"StringEquals": {"a:x": "${aws:PrincipalTag/team}"}}), Verdict::Conditional),
    ] {
        let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
        assert_eq!(open(json!([statement]), &unknown, object).verdict, expected, "{condition}");
    }
    let but = json!([{"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Sid": "Mfa", "Effect": "Deny", "Action": "*", "Resource": "*",
         "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}}]);
    let path: Vec<String> = open(but, &unknown, object).path.iter().map(ToString::to_string).collect();
    assert_eq!(
        path,
        [
            "user/dev: policy P statement 1",
            "user/dev: policy P statement 2 (Mfa), denies depending on aws:MultiFactorAuthPresent"
        ]
    );
}

#[test]
fn what_is_allowed_below_a_prefix_is_told_from_what_is_allowed_in_part_of_it() {
    let within = |resource: &str| {
        let statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": resource});
        open(json!([statement]), &Context::open::<String>([]), Resource::Under("arn:aws:s3:::b/"))
    };
    for resource in ["*", "arn:aws:s3:::b*", "arn:aws:s3:::b/*", "arn:aws:s3:::*"] {
        assert_eq!(within(resource).verdict, Verdict::Allowed, "{resource}");
    }
    for resource in
        ["arn:aws:s3:::b/pg/*", "arn:aws:s3:::b/?", "arn:aws:s3:::*.gz", "arn:aws:s3:::b/${aws:username}/*"]
    {
        let decision = within(resource);
        assert_eq!(decision.verdict, Verdict::Conditional, "{resource}");
        assert!(matches!(decision.path[0].certainty, Certainty::DependsOn(_)));
    }
    for resource in ["arn:aws:s3:::b", "arn:aws:s3:::b/", "arn:aws:s3:::c/*", "arn:aws:s3:::bucket/*"] {
        assert_eq!(within(resource).verdict, Verdict::Denied, "{resource}");
    }
}

#[test]
fn a_policy_that_could_not_be_read_leaves_everything_unknown() {
    let principal = Principal::parse(USER).expect("a user");
    let unread = Named::new("bucket policy", Document::unread());
    let all = [Named::new("user/dev: policy P", Document::read(&allow()).expect("a document"))];
    let context = Context::open::<String>([]);
    let request = Request {
        principal: &principal,
        action: "s3:DeleteObject",
        resource: OBJECT.into(),
        resource_account: None,
        context: &context,
    };
    for identity in [&all[..], &[]] {
        let decision =
            decide(&request, &Policies { identity, resource: Some(&unread), ..Policies::default() });
        assert_eq!(decision.verdict, Verdict::Unknown);
        let last = decision.path.last().expect("a step").to_string();
        assert!(last.ends_with("depending on a policy that could not be read"), "{last}");
    }
}

#[test]
fn what_is_no_policy_is_an_error_with_its_place() {
    let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let with = |name: &str, value: Value| {
        let mut statement = statement.clone();
        statement[name] = value;
        policy(json!([{"Effect": "Deny", "Action": "*", "Resource": "*"}, statement]))
    };
    let mut missing = with("Sid", "x".into());
    missing["Statement"][1].as_object_mut().expect("a statement").shift_remove("Action");
    for (json, place) in [
        (json!([]), ""),
        (json!({"Version": "2012-10-17"}), "Statement"),
        (json!({"Version": "2020-01-01", "Statement": []}), "Version"),
        (json!({"Statement": [], "Statements": []}), "Statements"),
        (policy(json!("x")), "Statement"),
        (policy(json!([1])), "Statement[0]"),
        (missing, "Statement[1].Action"),
        (with("NotAction", json!("s3:*")), "Statement[1].NotAction"),
        (with("NotResource", json!("*")), "Statement[1].NotResource"),
        (with("Effect", json!("allow")), "Statement[1].Effect"),
        (with("Action", json!([1])), "Statement[1].Action"),
        (with("Action", json!("GetObject")), "Statement[1].Action"),
        (with("action", json!("s3:*")), "Statement[1].action"),
        (with("Principal", json!("me")), "Statement[1].Principal"),
        (with("Principal", json!({"User": "me"})), "Statement[1].Principal.User"),
        (with("Condition", json!([])), "Statement[1].Condition"),
        (with("Condition", json!({"Bool": "x"})), "Statement[1].Condition.Bool"),
        (with("Condition", json!({"Bool": {"a:b": null}})), "Statement[1].Condition.Bool.a:b"),
        (with("Condition", json!({"Bool": {"a:b": "1", "A:B": "1"}})), "Statement[1].Condition.Bool.A:B"),
    ] {
        let error = Document::read(&json).expect_err("no policy");
        assert_eq!(error.place, place, "{error}");
    }
    for text in ["", "{", r#"{"Statement": [], "Statement": []}"#, &"[".repeat(100_000), &"9".repeat(5 << 20)]
    {
        assert!(Document::parse(text).is_err());
    }
}

#[test]
fn ten_thousand_statements_are_read_and_judged_in_a_moment() {
    let condition = json!({"ForAnyValue:StringLike": {"a:x": ["*a*b*c*d*", "${aws:username}*"]}});
    let statement = json!({"Effect": "Allow", "Action": ["s3:*a*b*c*d", "s3:Get*"], "Condition": condition,
        "Resource": ["arn:aws:s3:::*a*a*a*a*b", "arn:aws:s3:::b/*/*/*x"]});
    let text = policy(vec![statement; 10_000].into()).to_string();
    let document = Document::parse(&text).expect("a document");
    assert_eq!(document.statements.len(), 10_000);
    let resource = format!("arn:aws:s3:::b/{}", "a".repeat(1_000));
    let question = json!({"principal": USER, "action": "s3:GetObject", "resource": resource,
        "resource_account": "111122223333", "identity_policies": [document.to_json()],
        "context": {"a:x": "abcabc".repeat(100)}});
    assert_eq!(verdict(&question), Verdict::Denied);
}
