//! Those from outside the account: whom the policies of buckets and keys let in, and whom the trust policies of roles
//! that have power.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ability::{Expected, List, UNTOLD, everything, names};
use super::account::{Account, Identity};
use super::escalation::Found;
use super::evidence::Evidence;
use super::judge::{Actor, Judge, Way};
use super::target::Target;
use super::terms::Terms;
use crate::policy::destroyers::On;
use crate::policy::{Effect, Named, Principal, Resource, Verdict, Who};

/// Whether the trust policy speaks of anybody who is neither of this account nor a service.
pub(super) fn admits(identity: &Identity, account: &str) -> bool {
    allowed(identity.trust.as_ref()).into_iter().any(|who| match who {
        Who::Service(_) | Who::Removed(_) => false,
        Who::Account { id, .. } => id != account,
        Who::Arn(arn) => arn.split(':').nth(4) != Some(account) || arn.contains(":federated-user/"),
        Who::Everyone | Who::Federated(_) | Who::CanonicalUser(_) => true,
    })
}

/// Whom buckets' policies and roles' trust policies let in from outside the account.
#[allow(clippy::too_many_arguments, reason = "one step of abilities(), whose variables these are")]
pub(super) fn find(
    judge: &mut Judge<'_>,
    evidence: &Evidence,
    account: &str,
    known: &Account,
    targets: &[Target],
    found: &[BTreeMap<usize, Found>],
    terms: &Terms,
    list: &mut List,
) {
    let everything = everything();
    // Another account decides for itself what its own may do.
    let actor = |judge: &mut Judge<'_>, who: &Who| -> Option<Actor> {
        let principal = match who {
            Who::Everyone => Principal::Anonymous,
            Who::Account { partition, id } if id != account => {
                Principal::parse(&format!("arn:{partition}:iam::{id}:root")).ok()?
            }
            Who::Arn(arn) => match Principal::parse(arn).ok()? {
                principal if principal.account() == Some(account) => match principal {
                    // A session that only a token of federation has is nobody of the list.
                    Principal::FederatedUser { .. } => principal,
                    _ => return None,
                },
                principal => principal,
            },
            Who::Service(name) => Principal::Service(name.clone()),
            Who::Federated(name) => Principal::Federated(name.clone()),
            _ => return None,
        };
        Some(judge.actor_with(principal, std::slice::from_ref(&everything)))
    };
    for target in targets {
        let Some(bucket) = &target.bucket else { continue };
        let is_read = || evidence.keys.get(&*target.resource).is_some_and(|key| key.policy.known().is_some());
        if target.row.on == On::Key && !is_read() {
            let path = vec![format!("{}, which was not read", key_name(target)).into()];
            let way = Way { verdict: Verdict::Unknown, path };
            list.add("*", "whoever the key's policy lets in", target, &way, &[], None);
            continue;
        }
        let unread = evidence.buckets.get(bucket).is_some_and(|facts| facts.policy.unread().is_some());
        if unread && matches!(target.row.on, On::Bucket | On::Object) {
            let path = vec![format!("bucket/{bucket}: policy, which could not be read").into()];
            let way = Way { verdict: Verdict::Unknown, path };
            list.add("*", "whoever the bucket's policy lets in", target, &way, &[], None);
            continue;
        }
        for who in allowed(target.policy.as_ref()) {
            if let Who::CanonicalUser(id) = who {
                let path =
                    vec![format!("bucket/{bucket}: policy names an account by its canonical number").into()];
                let way = Way { verdict: Verdict::Unknown, path };
                list.add(id, &format!("canonical user {id}"), target, &way, &[], None);
                continue;
            }
            let Some(actor) = actor(judge, who) else { continue };
            if let Some(way) = judge.can(&actor, target) {
                let name = actor.principal.to_string();
                let who = if actor.principal == Principal::Anonymous { "everyone" } else { &name };
                list.add(&name, who, target, &way, &[], None);
            }
        }
    }
    // Those who come in through a role that has power of its own.
    let able: BTreeSet<usize> = found.iter().flat_map(BTreeMap::keys).copied().collect();
    for (index, role) in able.iter().filter_map(|index| Some((index, known.identities.get(*index)?))) {
        for who in allowed(role.trust.as_ref()) {
            let action = match who {
                Who::Service(_) | Who::CanonicalUser(_) | Who::Removed(_) => continue,
                Who::Federated(name) if name.contains(":saml-provider/") => "sts:AssumeRoleWithSAML",
                Who::Federated(_) => "sts:AssumeRoleWithWebIdentity",
                _ => "sts:AssumeRole",
            };
            let outsider = match who {
                // Anybody with an account of AWS.
                Who::Everyone => Principal::parse(UNTOLD)
                    .ok()
                    .map(|principal| judge.actor_with(principal, std::slice::from_ref(&everything))),
                who => actor(judge, who),
            };
            let Some(outsider) = outsider else { continue };
            let outsider = match &outsider.principal {
                // The root of another account may not assume roles, whom it lets may.
                Principal::Root { arn, .. } => {
                    let stand_in = arn.replace(":root", ":role/any");
                    match Principal::parse(&stand_in) {
                        Ok(principal) => Actor { principal, ..outsider.clone() },
                        Err(_) => continue,
                    }
                }
                _ => outsider.clone(),
            };
            let entered = judge.ask_with(
                &outsider,
                action,
                Resource::Exact(&role.arn),
                role.trust.as_ref(),
                &judge.open,
                &role.label,
            );
            let Some(mut entered) = entered else { continue };
            // What the other account's policies say is its own affair, and no statement of this one.
            entered.path.retain(|line| !line.starts_with(&everything.name));
            let name = match who {
                Who::Everyone => "*".to_owned(),
                who => who.to_string(),
            };
            let label = if *who == Who::Everyone { "any account of AWS" } else { &name };
            let via: Vec<Arc<str>> =
                vec![action.trim_start_matches("sts:").into(), role.label.as_str().into()];
            let is_break_glass = terms.break_glass.contains(&role.arn) && names(role, &name);
            for (target, found) in targets.iter().zip(found) {
                let Some(power) = found.get(index) else { continue };
                let way = entered.clone().then(power.way.clone());
                let via: Vec<Arc<str>> = via.iter().chain(&power.via).cloned().collect();
                let expected = (is_break_glass && power.via.is_empty()).then_some(Expected::BreakGlass);
                list.add(&name, label, target, &way, &via, expected);
            }
        }
    }
}

/// Whom the statements that allow speak of.
fn allowed(policy: Option<&Named>) -> BTreeSet<&Who> {
    let statements = policy.into_iter().flat_map(|policy| &policy.document.statements);
    let mut who = BTreeSet::new();
    for statement in statements.filter(|statement| statement.effect == Effect::Allow) {
        match &statement.principals {
            // Everybody but some is everybody else.
            Some(principals) if principals.negated => {
                who.insert(&Who::Everyone);
            }
            Some(principals) => who.extend(&principals.who),
            None => {}
        }
    }
    who
}

/// How paths name the policy of a target's key.
fn key_name(target: &Target) -> &str {
    target.policy.as_ref().map_or("the key's policy", |policy| policy.name.as_str())
}
