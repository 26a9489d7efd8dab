//! The engine's answers for one account: who asks, with which policies, and the words of a path.
//!
//! Everything is asked in an open context: what depends on a network, a time or a session is conditional. Policies are
//! narrowed to the actions that matter before the first question, and an action that no statement allows is never asked.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::account::Identity;
use super::escalation::ACTIONS;
use super::target::Target;
use crate::policy::destroyers::DESTROYERS;
use crate::policy::{
    Certainty, Context, Decision, Document, Effect, Named, Policies, Principal, Request, Resource, Step,
    Verdict, decide, verdict,
};

/// Who acts, and with what power: an identity as it is, or as it can make itself.
#[derive(Clone, Debug)]
pub struct Actor {
    pub principal: Principal,
    pub policies: Vec<Named>,
    pub boundary: Option<Named>,
    /// The actions that any of the policies may allow.
    pub able: Able,
}

/// A set of actions, by their places in the list of all that are ever asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Able([u64; 3]);

impl Able {
    fn add(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    fn has(self, index: usize) -> bool {
        self.0[index / 64] & (1 << (index % 64)) != 0
    }

    /// Whether any action is in both.
    pub fn meets(self, other: Able) -> bool {
        self.0.iter().zip(other.0).any(|(one, other)| one & other != 0)
    }

    pub fn or(self, other: Able) -> Able {
        Able(std::array::from_fn(|index| self.0[index] | other.0[index]))
    }
}

/// An answer that is not "denied", with the statements that make it.
#[derive(Clone, Debug)]
pub struct Way {
    pub verdict: Verdict,
    /// One sentence per statement. Chains share them.
    pub path: Vec<Arc<str>>,
}

impl Way {
    /// Both must hold, one after the other.
    #[must_use]
    pub fn then(mut self, other: Way) -> Way {
        self.verdict = self.verdict.min(other.verdict);
        self.path.extend(other.path);
        self
    }

    #[must_use]
    pub fn at_most(mut self, verdict: Verdict) -> Way {
        self.verdict = self.verdict.min(verdict);
        self
    }

    #[must_use]
    pub fn saying(mut self, line: impl Into<Arc<str>>) -> Way {
        self.path.push(line.into());
        self
    }
}

/// The better of two ways; of equals the first.
pub fn better(one: Option<Way>, other: impl FnOnce() -> Option<Way>) -> Option<Way> {
    if one.as_ref().is_some_and(|way| way.verdict == Verdict::Allowed) {
        return one;
    }
    match (one, other()) {
        (Some(one), Some(other)) if other.verdict > one.verdict => Some(other),
        (None, other) => other,
        (one, _) => one,
    }
}

/// Asks the engine about one account.
pub struct Judge<'a> {
    pub account: &'a str,
    pub partition: &'a str,
    scps: Vec<Vec<Named>>,
    /// Every action that is ever asked, in order.
    actions: Vec<&'static str>,
    places: HashMap<&'static str, usize>,
    /// Narrowed documents and what they may allow, by the address of the whole one.
    narrowed: HashMap<usize, (Arc<Document>, Arc<Document>, Able)>,
    pub open: Context,
}

impl<'a> Judge<'a> {
    pub fn new(account: &'a str, partition: &'a str, scps: &[Vec<Named>]) -> Self {
        let actions: BTreeSet<&'static str> =
            DESTROYERS.iter().map(|row| row.action).chain(ACTIONS.iter().copied()).collect();
        let actions: Vec<&'static str> = actions.into_iter().collect();
        debug_assert!(actions.len() <= 192, "{} actions do not fit", actions.len());
        let mut judge = Judge {
            account,
            partition,
            scps: Vec::new(),
            places: actions.iter().enumerate().map(|(index, action)| (*action, index)).collect(),
            actions,
            narrowed: HashMap::new(),
            open: Context::of_anybody(),
        };
        judge.scps =
            scps.iter().map(|level| level.iter().map(|named| judge.narrow(named).0).collect()).collect();
        judge
    }

    /// The same policy with the statements that matter, and the actions that it may allow. Policies that many
    /// identities share are read once.
    fn narrow(&mut self, named: &Named) -> (Named, Able) {
        // The whole document is kept beside, so that no other takes its address.
        let address = Arc::as_ptr(&named.document) as usize;
        let (_, document, able) = self.narrowed.entry(address).or_insert_with(|| {
            let document = named.document.narrowed(&self.actions);
            let mut able = Able::default();
            for statement in document.statements.iter().filter(|one| one.effect == Effect::Allow) {
                for (index, action) in self.actions.iter().enumerate() {
                    if statement.may_concern(action) {
                        able.add(index);
                    }
                }
            }
            (Arc::clone(&named.document), Arc::new(document), able)
        });
        (Named { name: named.name.clone(), document: Arc::clone(document) }, *able)
    }

    pub fn actor(&mut self, identity: &Identity) -> Actor {
        let mut able = Able::default();
        let policies = identity.policies.iter().map(|named| {
            let (named, may) = self.narrow(named);
            able = able.or(may);
            named
        });
        let policies = policies.collect();
        let boundary = identity.boundary.as_ref().map(|named| self.narrow(named).0);
        Actor { principal: identity.principal.clone(), policies, boundary, able }
    }

    /// Somebody with these policies and no boundary.
    pub fn actor_with(&mut self, principal: Principal, policies: &[Named]) -> Actor {
        let mut actor = Actor { principal, policies: Vec::new(), boundary: None, able: Able::default() };
        policies.iter().for_each(|named| self.give(&mut actor, named));
        actor
    }

    /// Adds a policy.
    pub fn give(&mut self, actor: &mut Actor, named: &Named) {
        let (named, able) = self.narrow(named);
        actor.able = actor.able.or(able);
        actor.policies.push(named);
    }

    /// These actions as a set.
    pub fn set(&self, actions: &[&str]) -> Able {
        let mut set = Able::default();
        actions.iter().filter_map(|action| self.places.get(action)).for_each(|place| set.add(*place));
        set
    }

    /// Whether any policy of theirs may allow the action on something.
    pub fn may(&self, actor: &Actor, action: &str) -> bool {
        self.places.get(action).is_none_or(|place| actor.able.has(*place))
    }

    fn decide(
        &self,
        actor: &Actor,
        action: &str,
        resource: Resource<'_>,
        policy: Option<&Named>,
        context: &Context,
    ) -> Decision {
        let (request, policies) = self.request(actor, action, resource, policy, context);
        decide(&request, &policies)
    }

    /// The same without the path, for the many questions whose answer is no.
    fn verdict(
        &self,
        actor: &Actor,
        action: &str,
        resource: Resource<'_>,
        policy: Option<&Named>,
        context: &Context,
    ) -> Verdict {
        let (request, policies) = self.request(actor, action, resource, policy, context);
        verdict(&request, &policies)
    }

    fn request<'q>(
        &'q self,
        actor: &'q Actor,
        action: &'q str,
        resource: Resource<'q>,
        policy: Option<&'q Named>,
        context: &'q Context,
    ) -> (Request<'q>, Policies<'q>) {
        let request = Request {
            principal: &actor.principal,
            action,
            resource,
            resource_account: Some(self.account),
            context,
        };
        let policies = Policies {
            identity: &actor.policies,
            boundary: actor.boundary.as_ref(),
            session: None,
            // The policies of this organisation do not bind another's accounts.
            scps: if actor.principal.account() == Some(self.account) { &self.scps } else { &[] },
            resource: policy,
        };
        (request, policies)
    }

    /// Asks for an action of IAM, STS or a service on something that has no policy of its own. `what` is the thing in
    /// words.
    pub fn ask(&self, actor: &Actor, action: &str, resource: Resource<'_>, what: &str) -> Option<Way> {
        self.ask_with(actor, action, resource, None, &self.open, what)
    }

    pub fn ask_with(
        &self,
        actor: &Actor,
        action: &str,
        resource: Resource<'_>,
        policy: Option<&Named>,
        context: &Context,
        what: &str,
    ) -> Option<Way> {
        if policy.is_none() && !self.may(actor, action) {
            return None;
        }
        if self.verdict(actor, action, resource, policy, context) == Verdict::Denied {
            return None;
        }
        way(&self.decide(actor, action, resource, policy, context), action, what)
    }

    /// Asks for an action on anything whose ARN begins so: a statement for some of it is enough, since who acts chooses
    /// the thing.
    pub fn ask_somewhere(&self, actor: &Actor, action: &str, prefix: &str, what: &str) -> Option<Way> {
        if !self.may(actor, action) {
            return None;
        }
        if self.verdict(actor, action, Resource::Under(prefix), None, &self.open) == Verdict::Denied {
            return None;
        }
        let mut decision = self.decide(actor, action, Resource::Under(prefix), None, &self.open);
        let is_choice = |step: &Step| match &step.certainty {
            Certainty::Applies => true,
            Certainty::DependsOn(keys) => keys.is_empty(),
            Certainty::Unmodelled(_) => false,
        };
        if decision.verdict == Verdict::Conditional && decision.path.iter().all(is_choice) {
            decision.verdict = Verdict::Allowed;
            decision.path.retain(|step| step.effect == Effect::Allow);
            decision.path.iter_mut().for_each(|step| step.certainty = Certainty::Applies);
        }
        way(&decision, action, what)
    }

    /// How surely somebody may do what a target asks, directly.
    pub fn could(&self, actor: &Actor, target: &Target) -> Verdict {
        self.best(actor, target).0
    }

    /// The same with its path; `None` is a denial.
    pub fn can(&self, actor: &Actor, target: &Target) -> Option<Way> {
        let (verdict, context) = self.best(actor, target);
        let action = target.row.action;
        let decision = self.decide(actor, action, target.asked(), target.policy.as_ref(), context?);
        (verdict != Verdict::Denied).then(|| Way {
            verdict,
            path: decision.path.iter().map(|step| step.to_string().into()).collect(),
        })
    }

    /// The best answer of the target's contexts, and that context; none where nothing allows the action at all.
    fn best<'t>(&self, actor: &Actor, target: &'t Target) -> (Verdict, Option<&'t Context>) {
        let action = target.row.action;
        if !self.may(actor, action) && target.policy.as_ref().is_none_or(|policy| !grants(policy, action)) {
            return (Verdict::Denied, None);
        }
        let mut best = (Verdict::Denied, None);
        for context in &target.contexts {
            let verdict = self.verdict(actor, action, target.asked(), target.policy.as_ref(), context);
            // Of equals the first.
            if verdict > best.0 {
                best = (verdict, Some(context));
            }
        }
        if target.perhaps && best.0 != Verdict::Denied {
            best.0 = Verdict::Unknown;
        }
        best
    }
}

/// A decision as a way, if it is not a denial.
fn way(decision: &Decision, action: &str, what: &str) -> Option<Way> {
    if decision.verdict == Verdict::Denied {
        return None;
    }
    let mut path: Vec<String> = decision.path.iter().map(ToString::to_string).collect();
    match (path.first_mut(), decision.path.first()) {
        (Some(first), Some(Step { effect: Effect::Allow, certainty: Certainty::Applies, .. })) => {
            *first = format!("{first} allows {action} on {what}");
        }
        (Some(first), _) => *first = format!("{first}: {action} on {what}"),
        (None, _) => path.push(format!("{action} on {what}")),
    }
    Some(Way { verdict: decision.verdict, path: path.into_iter().map(Arc::from).collect() })
}

/// Whether a resource's policy may allow the action to anybody.
fn grants(policy: &Named, action: &str) -> bool {
    let statements = &policy.document.statements;
    statements.iter().any(|statement| statement.effect == Effect::Allow && statement.may_concern(action))
}

/// Texts that stand in many paths, each kept once.
#[derive(Debug, Default)]
pub struct Texts {
    lines: HashSet<Arc<str>>,
    paths: HashSet<Arc<[Arc<str>]>>,
}

impl Texts {
    pub fn line(&mut self, text: &str) -> Arc<str> {
        match self.lines.get(text) {
            Some(line) => Arc::clone(line),
            None => {
                let line: Arc<str> = text.into();
                self.lines.insert(Arc::clone(&line));
                line
            }
        }
    }

    pub fn path(&mut self, lines: &[Arc<str>]) -> Arc<[Arc<str>]> {
        if let Some(path) = self.paths.get(lines) {
            return Arc::clone(path);
        }
        let path: Arc<[Arc<str>]> = lines.iter().map(|line| self.line(line)).collect();
        self.paths.insert(Arc::clone(&path));
        path
    }
}
