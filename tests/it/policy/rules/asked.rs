//! One question to the engine, and what it must answer.

use reconcile::policy::{Questions, Verdict};
use serde_json::{Value, json};

pub(super) const USER: &str = "arn:aws:iam::111122223333:user/dev";
pub(super) const ROLE: &str = "arn:aws:iam::111122223333:role/ops";
pub(super) const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/ops/sess";
pub(super) const ROOT: &str = "arn:aws:iam::111122223333:root";
pub(super) const STRANGER: &str = "arn:aws:iam::444455556666:user/ext";
pub(super) const OBJECT: &str = "arn:aws:s3:::b/pg/x";
pub(super) const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234";

pub(super) fn policy(statements: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

pub(super) fn allow() -> Value {
    policy(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}))
}

pub(super) fn nothing() -> Value {
    policy(json!({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}))
}

pub(super) fn deny() -> Value {
    policy(json!({"Effect": "Deny", "Action": "*", "Resource": "*"}))
}

/// A resource's policy for whom it is said.
pub(super) fn grants(principal: Value) -> Value {
    policy(json!({"Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*"}))
}

/// Members, changed by more of them.
pub(super) fn with(mut members: Value, more: Value) -> Value {
    for (name, value) in more.as_object().expect("members") {
        members[name] = value.clone();
    }
    members
}

/// A request on an object, changed by more members.
fn request(principal: &str, more: Value) -> Value {
    let request = json!({"principal": principal, "action": "s3:GetObject", "resource": OBJECT,
        "resource_account": "111122223333"});
    with(request, more)
}

pub(super) fn verdict(request: &Value) -> Verdict {
    match Questions::parse(&request.to_string()).unwrap_or_else(|error| panic!("{error}: {request}")) {
        Questions::One(question) => question.decide().verdict,
        Questions::Many(_) => panic!("one was asked"),
    }
}

#[track_caller]
pub(super) fn is(expected: Verdict, principal: &str, more: Value) {
    let request = request(principal, more);
    assert_eq!(verdict(&request), expected, "{request:#}");
}

#[track_caller]
pub(super) fn allowed(principal: &str, more: Value) {
    is(Verdict::Allowed, principal, more);
}

#[track_caller]
pub(super) fn denied(principal: &str, more: Value) {
    is(Verdict::Denied, principal, more);
}

/// Whether a condition lets a user, in a closed context.
#[track_caller]
pub(super) fn holds(condition: Value, context: Value, expected: bool) {
    let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
    let expected = if expected { Verdict::Allowed } else { Verdict::Denied };
    is(expected, USER, json!({"identity_policies": [policy(statement)], "context": context}));
}
