//! What is not known: parts that are not modelled, contexts that are open, objects below a prefix, policies unread.

use reconcile::policy::{
    Certainty, Context, Decision, Document, Named, Policies, Principal, Request, Resource, Verdict, decide,
};
use serde_json::{Value, json};

use super::asked::{OBJECT, ROLE, STRANGER, USER, allow, allowed, denied, deny, grants, is, policy};

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
fn open(statements: Value, context: &Context, resource: Resource<'_>) -> Decision {
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
