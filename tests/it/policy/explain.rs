//! `audit explain --request`: from a file or standard input, one request or several, as text and JSON.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

struct Answer {
    code: i32,
    stdout: String,
    stderr: String,
}

fn explain(request: &str, more: &[&str]) -> Answer {
    let mut child = Command::new(env!("CARGO_BIN_EXE_reconcile"))
        .args(["audit", "explain", "--request", "-"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdin.take().expect("a pipe").write_all(request.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("an end");
    Answer {
        code: output.status.code().expect("a code"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

fn request() -> Value {
    json!({
        "format": "reconcile.request/1",
        "principal": "arn:aws:iam::111122223333:user/dev",
        "action": "s3:DeleteObject",
        "resource": "arn:aws:s3:::b/x",
        "resource_account": "111122223333",
        "context": {"aws:SecureTransport": true},
        "identity_policies": [{"name": "Writes", "attachment": "user-inline", "policy": {"Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"},
                {"Sid": "Objects", "Effect": "Allow", "Action": "s3:*Object", "Resource": "*",
                 "Condition": {"IpAddressIfExists": {"aws:SourceIp": "203.0.113.0/24"}}}]}}],
        "permissions_boundary": null, "resource_policy": null, "session_policy": null, "scps": []
    })
}

#[test]
fn the_answer_comes_with_its_statements() {
    let allowed = explain(&request().to_string(), &[]);
    assert_eq!(allowed.code, 0, "{}", allowed.stderr);
    insta::assert_snapshot!(allowed.stdout, @r"
    allowed: user/dev s3:DeleteObject on arn:aws:s3:::b/x
        user/dev: policy Writes statement 2 (Objects)
        not in the context, so taken as absent: aws:SourceIp
    ");
    let mut other = request();
    other["resource_policy"] = json!({"Version": "2012-10-17", "Statement": [{"Sid": "Lock", "Effect": "Deny",
        "Principal": "*", "Action": "s3:Delete*", "Resource": "arn:aws:s3:::b/*"}]});
    let mut bounded = request();
    bounded["permissions_boundary"] = json!({"Version": "2012-10-17", "Statement": []});
    let list = json!([other, bounded]).to_string();
    let both = explain(&list, &[]);
    assert_eq!(both.code, 0, "an answer is a success, whatever it is");
    insta::assert_snapshot!(both.stdout, @r"
    denied: user/dev s3:DeleteObject on arn:aws:s3:::b/x
        a statement denies it
        resource policy statement 1 (Lock), denies
        not in the context, so taken as absent: aws:SourceIp

    denied: user/dev s3:DeleteObject on arn:aws:s3:::b/x
        no statement of the permissions boundary allows it
        not in the context, so taken as absent: aws:SourceIp
    ");
    let json: Value = serde_json::from_str(&explain(&list, &["--output", "json"]).stdout).expect("JSON");
    assert_eq!(json[0]["denial"], "explicit");
    assert_eq!(
        json[1],
        json!({"format": "reconcile.decision/1", "decision": "denied", "path": [],
        "denial": "implicit", "missing": "boundary", "absent_keys": ["aws:SourceIp"]})
    );
}

#[test]
fn what_is_no_request_is_refused_with_its_place() {
    for (member, value, expected) in [
        ("resuorce", json!("x"), "unknown field `resuorce`"),
        ("format", json!("reconcile.request/2"), "format: `reconcile.request/2`"),
        ("principal", json!("dev"), "principal: `dev`"),
        ("action", json!("s3:Delete*"), "action: `s3:Delete*`"),
        ("resource", json!("b/x"), "resource: `b/x`"),
        ("resource_account", json!("1"), "resource_account: `1`"),
        ("context", json!({"a:b": {}}), "context.a:b"),
        ("scps", json!([[{"Statement": [{}]}]]), "scps[0][0].Statement[0].Effect"),
        ("identity_policies", json!([{"name": "P", "policy": {}}]), "identity_policies[0].policy.Statement"),
    ] {
        let mut request = request();
        request[member] = value;
        let answer = explain(&json!([request]).to_string(), &[]);
        let said = answer.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(&format!("standard input: request 1: {expected}")), "{said}");
        assert_eq!((answer.code, answer.stdout.as_str()), (1, ""));
    }
    for (text, more, code) in [
        ("{", &[][..], 1),
        ("", &[], 1),
        (r#"{"action": "s3:X", "action": "s3:X"}"#, &[], 1),
        ("[]", &["--output", "sarif"], 64),
    ] {
        assert_eq!(explain(text, more).code, code, "{text}");
    }
    assert_eq!(explain("[]", &["--output", "json"]).stdout, "[]\n");
}
