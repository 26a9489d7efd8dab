//! Laws of the audit, on made-up accounts: what is not seen never makes anybody safe, and a permission less never makes
//! anybody able.

use std::collections::BTreeSet;

use proptest::prelude::*;
use reconcile::audit::{Audit, Fact};
use serde_json::{Value as Json, json};

use super::{ACCOUNT, allow, break_glass, complete_lock, details, evidence, good_bucket, role, terms, user};

/// A statement of somebody among a handful.
fn statement() -> impl Strategy<Value = Json> {
    let action = prop::sample::select(vec![
        "s3:*",
        "s3:PutBucketPolicy",
        "s3:DeleteObject*",
        "*",
        "sts:AssumeRole",
        "iam:PassRole",
        "iam:*",
        "iam:PutUserPolicy",
        "iam:CreateAccessKey",
        "iam:UpdateAssumeRolePolicy",
        "lambda:*",
        "ssm:SendCommand",
        "iam:DeleteUserPolicy",
        "iam:AttachRolePolicy",
        "iam:CreateRole",
    ]);
    let resource = prop::sample::select(vec![
        "*".to_owned(),
        "arn:aws:s3:::backups*".to_owned(),
        format!("arn:aws:iam::{ACCOUNT}:*"),
        format!("arn:aws:iam::{ACCOUNT}:role/*"),
        format!("arn:aws:iam::{ACCOUNT}:user/u1"),
        format!("arn:aws:iam::{ACCOUNT}:role/OrganizationAdmin"),
    ]);
    (action, resource, 0..8u8).prop_map(|(action, resource, kind)| {
        let mut statement = allow(action, &resource);
        match kind {
            0 => statement["Effect"] = json!("Deny"),
            1 => statement["Condition"] = json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
            _ => {}
        }
        statement
    })
}

fn trust() -> impl Strategy<Value = Json> {
    prop::sample::select(vec![
        json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}),
        json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:user/u0")}),
        json!({"Service": "lambda.amazonaws.com"}),
        json!({"Service": "ec2.amazonaws.com"}),
        json!({"AWS": "999988887777"}),
    ])
}

#[derive(Clone, Debug)]
struct World {
    users: Vec<Vec<Json>>,
    roles: Vec<(Json, Vec<Json>)>,
    locked: bool,
}

fn world() -> impl Strategy<Value = World> {
    let statements = || prop::collection::vec(statement(), 0..4);
    (
        prop::collection::vec(statements(), 1..3),
        prop::collection::vec((trust(), statements()), 1..4),
        any::<bool>(),
    )
        .prop_map(|(users, roles, locked)| World { users, roles, locked })
}

impl World {
    fn identities(&self) -> Json {
        let users: Vec<Json> = self
            .users
            .iter()
            .enumerate()
            .map(|(index, all)| user(&format!("u{index}"), json!(all)))
            .collect();
        let mut roles: Vec<Json> = self
            .roles
            .iter()
            .enumerate()
            .map(|(index, (trust, all))| role(&format!("r{index}"), trust.clone(), json!(all)))
            .collect();
        roles.push(break_glass());
        details(&users, &roles)
    }

    fn judge(&self, identities: Json) -> Audit {
        let lock = self.locked.then(complete_lock);
        reconcile::audit::judge(&evidence(identities, good_bucket(lock.as_ref())), &terms())
    }
}

/// Who can do what, whatever the way and however sure.
fn able(audit: &Audit) -> BTreeSet<(String, &'static str)> {
    audit.abilities.iter().map(|one| (one.who.to_string(), one.row.action)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_permission_less_makes_nobody_able(world in world(), pick in any::<prop::sample::Index>()) {
        let before = able(&world.judge(world.identities()));
        let mut less = world.clone();
        let count: usize = less.users.iter().map(Vec::len).sum::<usize>() + less.roles.iter().map(|role| role.1.len()).sum::<usize>();
        prop_assume!(count > 0);
        let mut at = pick.index(count);
        let lists = less.users.iter_mut().chain(less.roles.iter_mut().map(|role| &mut role.1));
        for list in lists {
            if at < list.len() {
                prop_assume!(list[at]["Effect"] == "Allow");
                list.remove(at);
                break;
            }
            at -= list.len();
        }
        let after = able(&less.judge(less.identities()));
        let new: Vec<_> = after.difference(&before).collect();
        prop_assert!(new.is_empty(), "newly able: {new:?}");
    }

    #[test]
    fn what_is_not_read_makes_nobody_safe(world in world(), index in 0..3usize) {
        let before = able(&world.judge(world.identities()));
        let mut unread = world.identities();
        let bad = json!({"Statement": [{"Effect": "Perhaps"}]});
        let users = unread["UserDetailList"].as_array_mut().expect("a list");
        let at = index % users.len();
        users[at]["UserPolicyList"][0]["PolicyDocument"] = bad.clone();
        let roles = unread["RoleDetailList"].as_array_mut().expect("a list");
        let at = index % (roles.len() - 1);
        roles[at]["AssumeRolePolicyDocument"] = bad;
        let audit = world.judge(unread);
        prop_assert!(!audit.is_complete());
        let after = able(&audit);
        // Through an unread trust policy those come in whom it does not name any more.
        let outsiders = |who: &str| who.starts_with("arn:");
        let gone: Vec<_> = before.difference(&after).filter(|(who, _)| !outsiders(who)).collect();
        prop_assert!(gone.is_empty(), "no longer able: {gone:?}");
    }

    #[test]
    fn an_unread_bucket_makes_nobody_safe(world in world()) {
        let before = able(&world.judge(world.identities()));
        let mut facts = good_bucket(None);
        let lost = reconcile::audit::Unread::new("bucket/backups", "s3:GetBucketPolicy", "access denied");
        facts.policy = Fact::Unread(lost);
        let audit = reconcile::audit::judge(&evidence(world.identities(), facts), &terms());
        let after = able(&audit);
        let gone: Vec<_> = before.difference(&after).collect();
        prop_assert!(gone.is_empty() && !audit.is_complete(), "no longer able: {gone:?}");
    }

    #[test]
    fn the_order_of_lists_does_not_matter(world in world()) {
        let mut turned = world.identities();
        for list in ["UserDetailList", "RoleDetailList"] {
            turned[list].as_array_mut().expect("a list").reverse();
        }
        let (one, other) = (world.judge(world.identities()), world.judge(turned));
        prop_assert_eq!(one.abilities, other.abilities);
        prop_assert_eq!(one.findings, other.findings);
    }
}

#[test]
fn nobody_is_known_and_so_anybody_may() {
    let mut evidence = evidence(details(&[], &[]), good_bucket(None));
    evidence.identities =
        Fact::Unread(reconcile::audit::Unread::new("the account's identities", "iam:X", "denied"));
    let audit = reconcile::audit::judge(&evidence, &terms());
    assert!(able(&audit).contains(&("anyone of the account".to_owned(), "s3:PutBucketPolicy")));
}
