//! What an actor can do to the policies of an identity: give it everything, take its boundary or its denies away.

use crate::audit::account::{Account, Group, Identity, Managed, Source};
use crate::audit::judge::{Actor, Judge, Way, better};
use crate::policy::{Effect, Named, Resource, Verdict};

/// An identity's policies as an actor can make them.
#[derive(Clone, Debug)]
pub struct Changed {
    pub actor: Actor,
    /// How that is done.
    pub way: Way,
}

/// What the identity becomes once `actor` has changed all that it may; `None` where it may change nothing that gives
/// power. `present` is what the identity has by now. `everything` is a policy that allows all.
pub fn change(
    judge: &mut Judge<'_>,
    account: &Account,
    actor: &Actor,
    identity: &Identity,
    present: &Changed,
    everything: &Named,
) -> Option<Changed> {
    let mut changed = present.clone();
    let mut any = false;
    let has_everything = |actor: &Actor| actor.policies.iter().any(|named| named.name == everything.name);
    if !has_everything(&changed.actor) {
        if let Some(way) = grant(judge, account, actor, identity) {
            judge.give(&mut changed.actor, everything);
            changed.way = changed.way.then(way);
            any = true;
        } else if let Some((added, way)) = borrow(judge, account, actor, identity, &changed.actor) {
            added.iter().for_each(|named| judge.give(&mut changed.actor, named));
            changed.way = changed.way.then(way);
            any = true;
        }
    }
    if changed.actor.boundary.is_some()
        && let Some(way) = unbind(judge, account, actor, identity)
    {
        changed.actor.boundary = None;
        changed.way = changed.way.then(way);
        any = true;
    }
    for (named, source) in identity.policies.iter().zip(&identity.sources) {
        let at = changed.actor.policies.iter().position(|own| own.name == named.name);
        let Some(at) = at.filter(|at| denies(&changed.actor.policies[*at])) else { continue };
        // What allows as well is taken away only where nothing is lost by it.
        if allows(&changed.actor.policies[at]) && !has_everything(&changed.actor) {
            continue;
        }
        if let Some(way) = remove(judge, account, actor, identity, source, &named.name) {
            changed.actor.policies.remove(at);
            changed.way = changed.way.then(way);
            any = true;
        }
    }
    any.then_some(changed)
}

fn denies(named: &Named) -> bool {
    named.document.statements.iter().any(|statement| statement.effect == Effect::Deny)
}

fn allows(named: &Named) -> bool {
    named.document.statements.iter().any(|statement| statement.effect == Effect::Allow)
}

/// The first of these actions that is allowed best.
fn any_of(judge: &Judge<'_>, actor: &Actor, actions: &[&str], arn: &str, what: &str) -> Option<Way> {
    actions
        .iter()
        .fold(None, |best, action| better(best, || judge.ask(actor, action, Resource::Exact(arn), what)))
}

/// Actions on a user where it is one, on a role otherwise.
fn on<'a>(identity: &Identity, user: &'a [&'a str], role: &'a [&'a str]) -> &'a [&'a str] {
    if identity.is_user() { user } else { role }
}

/// Gives the identity a policy that allows everything.
fn grant(judge: &Judge<'_>, account: &Account, actor: &Actor, identity: &Identity) -> Option<Way> {
    let own = on(
        identity,
        &["iam:PutUserPolicy", "iam:AttachUserPolicy"],
        &["iam:PutRolePolicy", "iam:AttachRolePolicy"],
    );
    let mut best = any_of(judge, actor, own, &identity.arn, &identity.label);
    for source in &identity.sources {
        if let Source::Managed(arn) | Source::GroupManaged(_, arn) = source
            && !Managed::is_aws(arn)
        {
            let what = format!("policy/{}", arn.rsplit('/').next().unwrap_or(arn));
            best = better(best, || any_of(judge, actor, &["iam:CreatePolicyVersion"], arn, &what));
        }
    }
    for index in &identity.groups {
        if let Some(group) = account.groups.get(*index) {
            let actions = ["iam:PutGroupPolicy", "iam:AttachGroupPolicy"];
            best = better(best, || any_of(judge, actor, &actions, &group.arn, &group.label));
        }
    }
    best
}

/// Gives the identity what is there already: a group's policies, or an older version of a policy.
fn borrow(
    judge: &Judge<'_>,
    account: &Account,
    actor: &Actor,
    identity: &Identity,
    present: &Actor,
) -> Option<(Vec<Named>, Way)> {
    let mut added = Vec::new();
    let mut ways: Option<Way> = None;
    let mut add = |policies: Vec<Named>, way: Way| {
        added.extend(policies);
        ways = Some(match ways.take() {
            Some(before) => before.then(way),
            None => way,
        });
    };
    let is_new = |name: &str| !present.policies.iter().any(|named| named.name == name);
    let joins = |group: &&Group| {
        identity.is_user() && group.policies.iter().any(|named| allows(named) && is_new(&named.name))
    };
    if judge.may(actor, "iam:AddUserToGroup") {
        for group in account.groups.iter().filter(joins) {
            if let Some(way) = any_of(judge, actor, &["iam:AddUserToGroup"], &group.arn, &group.label) {
                add(group.policies.clone(), way);
            }
        }
    }
    if judge.may(actor, "iam:SetDefaultPolicyVersion") {
        for source in &identity.sources {
            let (Source::Managed(arn) | Source::GroupManaged(_, arn)) = source else { continue };
            let Some(managed) = account.managed.get(arn).filter(|_| !Managed::is_aws(arn)) else { continue };
            let what = format!("policy/{}", managed.name);
            let older: Vec<Named> = managed
                .others
                .iter()
                .map(|(version, document)| {
                    let name = format!("{}: policy {} {version}", identity.label, managed.name);
                    Named::new(name, std::sync::Arc::clone(document))
                })
                .filter(|named| is_new(&named.name) && allows(named))
                .collect();
            if !older.is_empty()
                && let Some(way) = any_of(judge, actor, &["iam:SetDefaultPolicyVersion"], arn, &what)
            {
                add(older, way);
            }
        }
    }
    Some((added, ways?))
}

/// Takes the identity's boundary away, or puts another in its place.
fn unbind(judge: &Judge<'_>, account: &Account, actor: &Actor, identity: &Identity) -> Option<Way> {
    let actions = on(
        identity,
        &["iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"],
        &["iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"],
    );
    let what = format!("the boundary of {}", identity.label);
    let best = any_of(judge, actor, actions, &identity.arn, &what);
    let arn = identity.boundary_arn.as_deref().filter(|arn| !Managed::is_aws(arn));
    better(best, || {
        let arn = arn?;
        let way = any_of(judge, actor, &["iam:CreatePolicyVersion"], arn, &what)?;
        // A policy that is only a boundary is changed like any other.
        let known = account.managed.contains_key(arn);
        Some(if known { way } else { way.at_most(Verdict::Unknown) })
    })
}

/// Takes away a policy that denies.
fn remove(
    judge: &Judge<'_>,
    account: &Account,
    actor: &Actor,
    identity: &Identity,
    source: &Source,
    name: &str,
) -> Option<Way> {
    let what = name.to_owned();
    let inline = on(
        identity,
        &["iam:DeleteUserPolicy", "iam:PutUserPolicy"],
        &["iam:DeleteRolePolicy", "iam:PutRolePolicy"],
    );
    let attached = on(identity, &["iam:DetachUserPolicy"], &["iam:DetachRolePolicy"]);
    let rewrite = |arn: &str| {
        let is_own = !Managed::is_aws(arn);
        is_own.then(|| any_of(judge, actor, &["iam:CreatePolicyVersion"], arn, &what)).flatten()
    };
    let group = |index: &usize| account.groups.get(*index);
    match source {
        Source::Inline => any_of(judge, actor, inline, &identity.arn, &what),
        Source::Managed(arn) => better(any_of(judge, actor, attached, &identity.arn, &what), || rewrite(arn)),
        Source::GroupInline(index) => {
            let actions = ["iam:DeleteGroupPolicy", "iam:PutGroupPolicy", "iam:RemoveUserFromGroup"];
            any_of(judge, actor, &actions, &group(index)?.arn, &what)
        }
        Source::GroupManaged(index, arn) => {
            let actions = ["iam:DetachGroupPolicy", "iam:RemoveUserFromGroup"];
            better(any_of(judge, actor, &actions, &group(index)?.arn, &what), || rewrite(arn))
        }
    }
}
