//! What is a policy and what is none, and how fast the largest is judged.

use reconcile::policy::{Document, Verdict};
use serde_json::{Value, json};

use super::asked::{USER, policy, verdict};

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
