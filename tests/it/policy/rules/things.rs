//! Things that speak for themselves: what the policy of a key or the trust of a role decides without the account.

use serde_json::{Value, json};

use super::asked::{KEY, ROLE, ROOT, STRANGER, USER, allow, allowed, denied, grants, policy, with};

#[test]
fn keys_and_trust_policies_speak_for_themselves() {
    let key = |more: Value| with(json!({"action": "kms:ScheduleKeyDeletion", "resource": KEY}), more);
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
