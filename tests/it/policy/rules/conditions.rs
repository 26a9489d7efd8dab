//! Conditions and variables: every operator, in a context that is known.

use serde_json::{Value, json};

use super::asked::{USER, allowed, denied, holds};

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
