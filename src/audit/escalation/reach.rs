//! How an actor gets an identity's power: its keys, its sessions, or a service that works as it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::json;

use super::services::{SERVICES, Service};
use crate::audit::account::Identity;
use crate::audit::judge::{Actor, Judge, Way, better};
use crate::policy::{Context, Document, Effect, Named, Principal, Resource, Verdict, Who};

/// A way to an identity, and the word for it in a summary: `AssumeRole`, `PassRole -> lambda`.
#[derive(Clone, Debug)]
pub struct Step {
    pub way: Way,
    pub by: Vec<Arc<str>>,
}

/// Answers that do not depend on the identity that is to be reached: by who asks and what.
#[derive(Debug, Default)]
pub struct Memory {
    asked: RefCell<HashMap<(usize, &'static str), Option<Way>>>,
    /// By role: the services that may work as it.
    admitted: RefCell<HashMap<String, Admitted>>,
}

type Admitted = Rc<[(&'static Service, Way)]>;

/// The best way from `actor` to `identity`. `asker` tells actors apart.
pub fn step(
    judge: &Judge<'_>,
    memory: &Memory,
    asker: usize,
    actor: &Actor,
    identity: &Identity,
) -> Option<Step> {
    if identity.is_user() {
        to_user(judge, actor, identity)
    } else {
        to_role(judge, memory, asker, actor, identity)
    }
}

/// The better of two steps; of equals the first.
fn best(one: Option<Step>, other: impl FnOnce() -> Option<Step>) -> Option<Step> {
    if one.as_ref().is_some_and(|step| step.way.verdict == Verdict::Allowed) {
        return one;
    }
    match (one, other()) {
        (Some(one), Some(other)) if other.way.verdict > one.way.verdict => Some(other),
        (None, other) => other,
        (one, _) => one,
    }
}

fn by(words: &[&str]) -> Vec<Arc<str>> {
    words.iter().map(|word| Arc::from(*word)).collect()
}

/// New keys, or a password, of a user
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html>).
pub const TO_USERS: [&str; 3] = ["iam:CreateAccessKey", "iam:UpdateLoginProfile", "iam:CreateLoginProfile"];

fn to_user(judge: &Judge<'_>, actor: &Actor, user: &Identity) -> Option<Step> {
    TO_USERS.into_iter().fold(None, |found, action| {
        best(found, || {
            let way = judge.ask(actor, action, Resource::Exact(&user.arn), &user.label)?;
            Some(Step { way, by: by(&[action.trim_start_matches("iam:")]) })
        })
    })
}

fn to_role(judge: &Judge<'_>, memory: &Memory, asker: usize, actor: &Actor, role: &Identity) -> Option<Step> {
    let found = best(assume(judge, actor, role), || rewrite_trust(judge, actor, role));
    if found.as_ref().is_some_and(|step| step.way.verdict == Verdict::Allowed) {
        return found;
    }
    admitted(judge, memory, role).iter().fold(found, |found, (service, admitted)| {
        best(found, || {
            let started = start(judge, memory, asker, actor, role, service);
            let (way, by) = match started.as_ref().is_some_and(|way| way.verdict == Verdict::Allowed) {
                true => (started?, by(&["PassRole", service.name])),
                false => match (started, take_over(judge, memory, asker, actor, service)) {
                    (Some(started), Some(taken)) if taken.verdict > started.verdict => {
                        (taken, by(&[service.name]))
                    }
                    (Some(started), _) => (started, by(&["PassRole", service.name])),
                    (None, taken) => (taken?, by(&[service.name])),
                },
            };
            Some(Step { way: way.then(admitted.clone()), by })
        })
    })
}

/// The services that the role's trust policy admits.
fn admitted(judge: &Judge<'_>, memory: &Memory, role: &Identity) -> Admitted {
    if let Some(known) = memory.admitted.borrow().get(&role.arn) {
        return Rc::clone(known);
    }
    let admitted: Admitted =
        SERVICES.iter().filter_map(|service| Some((service, admits(judge, role, service)?))).collect();
    memory.admitted.borrow_mut().insert(role.arn.clone(), Rc::clone(&admitted));
    admitted
}

/// Whether the role's trust policy may speak of the actor itself, so that it needs no policy of its own.
pub fn is_named(role: &Identity, actor: &Actor) -> bool {
    let statements = role.trust.iter().flat_map(|trust| &trust.document.statements);
    let (arn, name) = match &actor.principal {
        Principal::User { arn, .. } => (arn, None),
        Principal::Role { arn, name, .. } => (arn, Some(name)),
        _ => return true,
    };
    // Of a session the name of its role stands between the slashes.
    let is_session = |named: &str| {
        let rest = named.split_once(":assumed-role/").map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split('/').next()) == name.map(String::as_str) && name.is_some()
    };
    statements.filter(|statement| statement.effect == Effect::Allow).any(|statement| {
        match &statement.principals {
            None => true,
            Some(principals) if principals.negated => true,
            Some(principals) => principals.who.iter().any(|who| match who {
                Who::Everyone => true,
                Who::Arn(named) => named == arn || is_session(named),
                _ => false,
            }),
        }
    })
}

/// As the trust policy allows.
pub fn assume(judge: &Judge<'_>, actor: &Actor, role: &Identity) -> Option<Step> {
    let trust = role.trust.as_ref()?;
    let way = judge.ask_with(
        actor,
        "sts:AssumeRole",
        Resource::Exact(&role.arn),
        Some(trust),
        &judge.open,
        &role.label,
    )?;
    Some(Step { way, by: by(&["AssumeRole"]) })
}

/// Whoever writes the trust policy names themselves in it: then it takes no permission of their own to assume the role,
/// only that nothing denies it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-req-pol.html>).
fn rewrite_trust(judge: &Judge<'_>, actor: &Actor, role: &Identity) -> Option<Step> {
    let written = judge.ask(actor, "iam:UpdateAssumeRolePolicy", Resource::Exact(&role.arn), &role.label)?;
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": actor.principal.to_string()}, "Action": "sts:AssumeRole"}]});
    let trust = Named::new(format!("{}: trust policy, rewritten,", role.label), Document::read(&trust).ok()?);
    let assumed = judge.ask_with(
        actor,
        "sts:AssumeRole",
        Resource::Exact(&role.arn),
        Some(&trust),
        &judge.open,
        &role.label,
    )?;
    Some(Step { way: written.then(assumed), by: by(&["UpdateAssumeRolePolicy"]) })
}

/// Whether the role's trust policy lets the service work as it.
fn admits(judge: &Judge<'_>, role: &Identity, service: &Service) -> Option<Way> {
    let trust = role.trust.as_ref()?;
    let service = Actor {
        principal: Principal::Service(service.principal.to_owned()),
        policies: Vec::new(),
        boundary: None,
        able: Default::default(),
    };
    judge.ask_with(
        &service,
        "sts:AssumeRole",
        Resource::Exact(&role.arn),
        Some(trust),
        &judge.open,
        &role.label,
    )
}

/// Something new that runs as the role.
fn start(
    judge: &Judge<'_>,
    memory: &Memory,
    asker: usize,
    actor: &Actor,
    role: &Identity,
    service: &Service,
) -> Option<Way> {
    if !judge.may(actor, "iam:PassRole") {
        return None;
    }
    let context: Context = judge.open.clone().with("iam:PassedToService", service.principal);
    let passed =
        judge.ask_with(actor, "iam:PassRole", Resource::Exact(&role.arn), None, &context, &role.label)?;
    let started = together(judge, memory, asker, actor, service.starts)?;
    // An instance takes a role only in a profile; where the role has none, one must be filled.
    let in_profile = match service.name == "ec2" && role.instance_profiles.is_empty() {
        true => Some(ask_anywhere(judge, memory, asker, actor, "iam:AddRoleToInstanceProfile")?),
        false => None,
    };
    let way = passed.then(started);
    Some(match in_profile {
        Some(profile) => way.then(profile),
        None => way,
    })
}

/// Something that already runs as the role, if there is any.
fn take_over(
    judge: &Judge<'_>,
    memory: &Memory,
    asker: usize,
    actor: &Actor,
    service: &Service,
) -> Option<Way> {
    together(judge, memory, asker, actor, service.takes_over).map(|way| {
        way.at_most(Verdict::Conditional).saying(format!("if something of {} runs as it", service.name))
    })
}

/// The best of the sets of actions that are all allowed.
fn together(
    judge: &Judge<'_>,
    memory: &Memory,
    asker: usize,
    actor: &Actor,
    sets: &'static [&'static [&'static str]],
) -> Option<Way> {
    sets.iter().fold(None, |found, actions| {
        better(found, || {
            let mut all: Option<Way> = None;
            for action in *actions {
                let way = ask_anywhere(judge, memory, asker, actor, action)?;
                all = Some(match all {
                    Some(before) => before.then(way),
                    None => way,
                });
            }
            all
        })
    })
}

/// Whether the action is allowed on anything at all. On what a service works does not matter here: a statement for
/// some things of it suffices.
fn ask_anywhere(
    judge: &Judge<'_>,
    memory: &Memory,
    asker: usize,
    actor: &Actor,
    action: &'static str,
) -> Option<Way> {
    if !judge.may(actor, action) {
        return None;
    }
    let key = (asker, action);
    if let Some(known) = memory.asked.borrow().get(&key) {
        return known.clone();
    }
    let way = judge.ask_somewhere(actor, action, "arn:", "something");
    memory.asked.borrow_mut().insert(key, way.clone());
    way
}
