//! Who must allow: the account's own policies, the thing's policy, and what limits both.

use reconcile::policy::Verdict;
use serde_json::{Value, json};

use super::asked::{
    ROLE, ROOT, SESSION, STRANGER, USER, allow, allowed, denied, deny, grants, is, nothing, policy, with,
};

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
    let limited = |more: Value| with(limits.clone(), more);
    denied(USER, limited(json!({"identity_policies": [allow()]})));
    allowed(USER, limited(json!({"resource_policy": grants(json!({"AWS": USER}))})));
    allowed(USER, limited(json!({"resource_policy": grants(json!("*"))})));
    for principal in [ROLE, SESSION] {
        denied(principal, limited(json!({"resource_policy": grants(json!({"AWS": ROLE}))})));
        allowed(principal, limited(json!({"resource_policy": grants(json!("*"))})));
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
