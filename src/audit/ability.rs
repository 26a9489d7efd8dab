//! Abilities: who can destroy which backups by which action, and by which statements.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::json;

use super::account::{Account, Identity};
use super::escalation::{Found, Search};
use super::evidence::Evidence;
use super::fact::Fact;
use super::judge::{Judge, Texts, Way};
use super::outsiders;
use super::target::{Target, targets};
use super::terms::Terms;
use crate::policy::destroyers::{Destroyer, On, Power};
use crate::policy::{Document, Effect, Named, Principal, Verdict, Who};
use crate::vocab::AccountId;

/// One ability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ability {
    /// An ARN, a service's name, or `*`.
    pub principal: Arc<str>,
    /// The same as people say it: `user/x`, `account root`.
    pub who: Arc<str>,
    /// `bucket/NAME` or `database/NAME`.
    pub subject: Arc<str>,
    pub row: &'static Destroyer,
    pub resource: Arc<str>,
    pub decision: Verdict,
    pub expected: Option<Expected>,
    /// The way in a few words; empty where it is direct.
    pub via: Arc<[Arc<str>]>,
    /// One sentence per statement.
    pub path: Arc<[Arc<str>]>,
}

impl Ability {
    pub fn power(&self) -> Power {
        self.row.power
    }
}

/// Why an ability is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    BreakGlass,
    AccountRoot,
}

impl Expected {
    pub fn name(self) -> &'static str {
        match self {
            Expected::BreakGlass => "break-glass",
            Expected::AccountRoot => "account-root",
        }
    }
}

/// The name of the account where nobody could tell its number.
pub(super) const UNTOLD: &str = "000000000000";

/// Who can destroy what.
pub fn abilities(evidence: &Evidence, terms: &Terms) -> Vec<Ability> {
    let account_id = evidence.account.as_ref().or(terms.account.as_ref());
    let account = account_id.map_or(UNTOLD, AccountId::as_str);
    let targets = targets(evidence, terms, account);
    let nobody = Account::default();
    let known = evidence.identities.known().unwrap_or(&nobody);
    let no_scps = Vec::new();
    let unread_scps = vec![vec![Named::new("service control policies", Document::unread())]];
    let scps = match &evidence.scps {
        Fact::Known(scps) => scps,
        Fact::Unread(_) => &unread_scps,
        Fact::NotAsked => &no_scps,
    };
    let mut judge = Judge::new(account, evidence.partition(), scps);
    let everything = everything();
    let missing = spared_and_missing(evidence, terms, known, account);
    let mut list = List { texts: Texts::default(), abilities: Vec::new() };
    // Those through whom somebody from outside may come.
    let doors: BTreeSet<usize> = (0..known.identities.len())
        .filter(|index| outsiders::admits(&known.identities[*index], account))
        .collect();
    let mut powers: Vec<BTreeMap<usize, Found>> = Vec::with_capacity(targets.len());
    Search::new(&mut judge, known, &everything, &missing).run(&targets, |target, found| {
        for (index, found) in &found {
            if let Some(identity) = known.identities.get(*index) {
                let expected = expected(identity, found, known, terms);
                list.add(&identity.arn, &identity.label, target, &found.way, &found.via, expected);
            }
        }
        powers.push(found.into_iter().filter(|(index, _)| doors.contains(index)).collect());
    });
    // Whoever is missing in the list may hold anything.
    if evidence.identities.unread().is_some()
        || evidence.identities.known().is_some_and(|known| !known.is_whole)
    {
        anybody(&mut judge, account, &targets, &mut list);
    }
    outsiders::find(&mut judge, evidence, account, known, &targets, &powers, terms, &mut list);
    if let Some(account) = account_id {
        root(&mut judge, account, &targets, &mut list);
    }
    let mut abilities = list.abilities;
    in_order(&mut abilities);
    // One action may destroy in two ways, under two rows.
    abilities.dedup_by(|a, b| key(a) == key(b));
    abilities
}

/// By subject, principal, action, resource; the surest first. Each text is compared once with each other, not with each
/// pair of abilities: there are few texts and many abilities.
fn in_order(abilities: &mut [Ability]) {
    let mut texts: HashSet<Arc<str>> = HashSet::new();
    for one in abilities.iter() {
        for text in [&one.subject, &one.principal, &one.resource] {
            if !texts.contains(text) {
                texts.insert(Arc::clone(text));
            }
        }
    }
    let mut texts: Vec<Arc<str>> = texts.into_iter().collect();
    texts.sort_unstable();
    let ranks: HashMap<Arc<str>, usize> =
        texts.into_iter().enumerate().map(|(rank, text)| (text, rank)).collect();
    let rank = |text: &Arc<str>| ranks.get(text).copied();
    abilities.sort_by_cached_key(|one| {
        let decision = std::cmp::Reverse(one.decision);
        (rank(&one.subject), rank(&one.principal), one.row.action, rank(&one.resource), decision)
    });
}

/// What makes two abilities one.
fn key(ability: &Ability) -> (&str, &str, &str, &str) {
    (&ability.subject, &ability.principal, ability.row.action, &ability.resource)
}

pub(super) struct List {
    texts: Texts,
    abilities: Vec<Ability>,
}

impl List {
    pub(super) fn add(
        &mut self,
        principal: &str,
        who: &str,
        target: &Target,
        way: &Way,
        via: &[Arc<str>],
        expected: Option<Expected>,
    ) {
        self.abilities.push(Ability {
            principal: self.texts.line(principal),
            who: self.texts.line(who),
            subject: Arc::clone(&target.subject),
            row: target.row,
            resource: Arc::clone(&target.resource),
            decision: way.verdict,
            expected,
            via: self.texts.path(via),
            path: self.texts.path(&way.path),
        });
    }
}

/// A policy that allows everything: what somebody writes who may write policies.
pub(super) fn everything() -> Named {
    let all =
        json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let document = Document::read(&all).unwrap_or_else(|_| Document::unread());
    Named::new("a policy that allows everything", document)
}

/// Break-glass itself, or whom its trust policy names one by one. Whoever gets at it in another way is not expected.
fn expected(identity: &Identity, found: &Found, account: &Account, terms: &Terms) -> Option<Expected> {
    if terms.break_glass.contains(&identity.arn) {
        return Some(Expected::BreakGlass);
    }
    let [by, role] = found.via.as_slice() else { return None };
    // Few come in this way, and looking a role up takes time.
    let name = |text: &str| text.rsplit('/').next().map(str::to_owned);
    if &**by != "AssumeRole" || !terms.break_glass.iter().any(|arn| name(arn) == name(role)) {
        return None;
    }
    let role = account.find(role)?;
    let is_named = terms.break_glass.contains(&role.arn) && names(role, &identity.arn);
    is_named.then_some(Expected::BreakGlass)
}

/// Whether the trust policy names this principal to the letter.
pub(super) fn names(role: &Identity, principal: &str) -> bool {
    let statements = role.trust.iter().flat_map(|trust| &trust.document.statements);
    statements
        .filter(|statement| statement.effect == Effect::Allow)
        .filter_map(|one| one.principals.as_ref())
        .any(|principals| {
            !principals.negated
                && principals.who.iter().any(|who| match who {
                    Who::Arn(named) | Who::Federated(named) => named == principal,
                    // Another account as a whole, such as that of the organisation: who it lets is its own affair.
                    Who::Account { .. } => who.to_string() == principal,
                    _ => false,
                })
        })
}

/// Roles and users of this account that settings or the policies of buckets and keys spare, and that do not exist.
fn spared_and_missing(
    evidence: &Evidence,
    terms: &Terms,
    known: &Account,
    account: &str,
) -> BTreeSet<String> {
    if evidence.identities.known().is_none() {
        return BTreeSet::new();
    }
    let of_keys = evidence.keys.values().filter_map(|facts| facts.policy.known());
    let policies =
        evidence.buckets.values().filter_map(|facts| facts.policy.known()?.as_ref()).chain(of_keys);
    let denies = policies.flat_map(|policy| &policy.statements).filter(|one| one.effect == Effect::Deny);
    let spared = denies
        .flat_map(|statement| &statement.conditions)
        .filter(|condition| condition.key.eq_ignore_ascii_case("aws:PrincipalArn"))
        .flat_map(|condition| &condition.values)
        .map(|value| value.text.clone());
    let present: BTreeSet<&str> = known.identities.iter().map(|identity| identity.arn.as_str()).collect();
    spared
        .chain(terms.break_glass.iter().cloned())
        .filter(|arn| !arn.contains(['*', '?', '$']) && arn.split(':').nth(4) == Some(account))
        .filter(|arn| matches!(Principal::parse(arn), Ok(Principal::Role { .. } | Principal::User { .. })))
        .filter(|arn| !present.contains(arn.as_str()))
        .collect()
}

/// Nobody's policies could be read, so anybody of the account may be able to.
fn anybody(judge: &mut Judge<'_>, account: &str, targets: &[Target], list: &mut List) {
    let partition = judge.partition;
    let arn = format!("arn:{partition}:iam::{account}:role/*");
    let Ok(principal) = Principal::parse(&arn) else { return };
    let unread = Named::new("the account's identities, which could not be read,", Document::unread());
    let actor = judge.actor_with(principal, std::slice::from_ref(&unread));
    for target in targets {
        if let Some(way) = judge.can(&actor, target) {
            let way = way.at_most(Verdict::Unknown);
            list.add(
                &format!("arn:{partition}:iam::{account}:*"),
                "anyone of the account",
                target,
                &way,
                &[],
                None,
            );
        }
    }
}

/// The account's root needs no permission: what denies it, it takes away first. Of a key it is the key's policy that says
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>).
fn root(judge: &mut Judge<'_>, account: &AccountId, targets: &[Target], list: &mut List) {
    let arn = format!("arn:{}:iam::{account}:root", judge.partition);
    let actor = Principal::parse(&arn).ok().map(|principal| judge.actor_with(principal, &[]));
    let always = |verdict, path: &str| Way { verdict, path: vec![path.into()] };
    for target in targets {
        let way = match (target.row.on, &target.bucket) {
            (On::Key, _) => actor.as_ref().and_then(|actor| judge.can(actor, target)).unwrap_or_else(|| {
                always(
                    Verdict::Unknown,
                    "AWS Support gives a key that nobody may manage back to the account's root",
                )
            }),
            (_, Some(_)) => always(
                Verdict::Allowed,
                "the root of a bucket's account can always remove the bucket's policy",
            ),
            (_, None) => always(Verdict::Allowed, "the root of an account needs no policy"),
        };
        list.add(&arn, "account root", target, &way, &[], Some(Expected::AccountRoot));
    }
}
