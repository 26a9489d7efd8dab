//! Who can destroy what, directly or in steps: first each identity's own power, as it is and as it can make itself, then
//! backwards from those who have any to those who can become them.
//!
//! Each way keeps what it rests on; a chain is as sure as its least sure step. Of two ways the surer is told, then the
//! shorter.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::change::{Changed, change};
use super::reach::{Memory, Step, TO_USERS, is_named, step};
use crate::audit::account::Account;
use crate::audit::judge::{Able, Actor, Judge, Way, better};
use crate::audit::target::Target;
use crate::policy::{Named, Principal, Resource, Verdict};

/// Identities that one way may lead through.
const LONGEST: usize = 6;

/// Changes of its own policies that an identity makes one after the other.
const CHANGES: usize = 4;

/// How an identity can destroy.
#[derive(Clone, Debug)]
pub struct Found {
    pub way: Way,
    /// The way in a few words: `AssumeRole`, `role/x`; empty where it is direct.
    pub via: Vec<Arc<str>>,
}

/// One identity of the account in the search.
struct Node {
    /// As it is, then as it can make itself, step by step.
    states: Vec<Changed>,
    /// Others whose policies it changes, or whom it makes, and whose power it then has.
    puppets: Vec<(Changed, Vec<Arc<str>>)>,
}

impl Node {
    fn ways(&self) -> impl Iterator<Item = &Changed> {
        self.states.iter().chain(self.puppets.iter().map(|(changed, _)| changed))
    }

    /// The last of its states: what it does to others it does with all that it can get.
    fn strongest(&self) -> Option<&Changed> {
        self.states.last()
    }
}

/// What an identity can do by itself: how surely, and the place of that among its ways.
#[derive(Clone, Copy, Debug)]
struct Power {
    verdict: Verdict,
    place: usize,
}

/// The search over one account.
pub struct Search<'s, 'j> {
    judge: &'s mut Judge<'j>,
    account: &'s Account,
    nodes: Vec<Node>,
    memory: Memory,
    /// Actions that are of use on the way to a user, and to a role.
    to_users: Able,
    to_roles: Able,
}

/// Tells who asks apart: an identity in one of its states.
fn asker(index: usize, state: usize) -> usize {
    index * (CHANGES + 2) + state
}

impl<'s, 'j> Search<'s, 'j> {
    /// `missing` are ARNs of roles and users that policies spare and that do not exist: who can make them has their
    /// power.
    pub fn new(
        judge: &'s mut Judge<'j>,
        account: &'s Account,
        everything: &Named,
        missing: &BTreeSet<String>,
    ) -> Self {
        let nodes = account.identities.iter().map(|identity| {
            let base = Changed {
                actor: judge.actor(identity),
                way: Way { verdict: Verdict::Allowed, path: Vec::new() },
            };
            let mut states = vec![base];
            while let Some(present) = states.last().filter(|_| states.len() <= CHANGES).cloned() {
                match change(judge, account, &present.actor, identity, &present, everything) {
                    Some(changed) => states.push(changed),
                    None => break,
                }
            }
            Node { states, puppets: Vec::new() }
        });
        let nodes: Vec<Node> = nodes.collect();
        let to_users = judge.set(&TO_USERS);
        let to_roles = judge.set(&super::ACTIONS);
        let mut search = Search { judge, account, nodes, memory: Memory::default(), to_users, to_roles };
        search.add_puppets(everything, missing);
        search
    }

    fn add_puppets(&mut self, everything: &Named, missing: &BTreeSet<String>) {
        for index in 0..self.nodes.len() {
            let Some(actor) = self.nodes[index].strongest().cloned() else { continue };
            let mut puppets = self.made(&actor, everything, missing);
            let is_free = |changed: &Changed| {
                let has_all = changed.actor.policies.iter().any(|named| named.name == everything.name);
                has_all && changed.actor.boundary.is_none() && changed.way.verdict == Verdict::Allowed
            };
            let changes =
                super::IAM.iter().filter(|action| !matches!(**action, "sts:AssumeRole" | "iam:PassRole"));
            let mut changes = changes.filter(|action| self.judge.may(&actor.actor, action));
            let is_free_already = self.nodes[index].states.iter().any(is_free)
                || puppets.iter().any(|(changed, _)| is_free(changed));
            if !is_free_already && changes.next().is_some() {
                puppets.extend(self.changed_others(index, &actor, everything, is_free));
            }
            self.nodes[index].puppets = puppets;
        }
    }

    /// Those whose policies it changes and whom it then becomes.
    fn changed_others(
        &mut self,
        index: usize,
        actor: &Changed,
        everything: &Named,
        is_free: impl Fn(&Changed) -> bool,
    ) -> Vec<(Changed, Vec<Arc<str>>)> {
        let mut puppets = Vec::new();
        for (other, identity) in self.account.identities.iter().enumerate() {
            if other == index {
                continue;
            }
            let present = Changed { way: actor.way.clone(), ..self.nodes[other].states[0].clone() };
            let Some(changed) =
                change(self.judge, self.account, &actor.actor, identity, &present, everything)
            else {
                continue;
            };
            let asker = asker(index, CHANGES + 1);
            let Some(Step { way, mut by }) = step(self.judge, &self.memory, asker, &actor.actor, identity)
            else {
                continue;
            };
            by.insert(0, "changes policies".into());
            by.push(identity.label.as_str().into());
            let puppet = Changed { actor: changed.actor, way: changed.way.then(way) };
            let is_enough = is_free(&puppet);
            puppets.push((puppet, by));
            if is_enough {
                break;
            }
        }
        puppets
    }

    /// Those whom it makes anew, with a policy that allows everything.
    fn made(
        &mut self,
        actor: &Changed,
        everything: &Named,
        missing: &BTreeSet<String>,
    ) -> Vec<(Changed, Vec<Arc<str>>)> {
        const ROLE: [&[&str]; 2] = [&["iam:CreateRole"], &["iam:PutRolePolicy", "iam:AttachRolePolicy"]];
        const USER: [&[&str]; 3] = [
            &["iam:CreateUser"],
            &["iam:PutUserPolicy", "iam:AttachUserPolicy"],
            &["iam:CreateAccessKey", "iam:CreateLoginProfile"],
        ];
        let mut made = Vec::new();
        let may_make =
            ["iam:CreateRole", "iam:CreateUser"].iter().any(|action| self.judge.may(&actor.actor, action));
        if !may_make {
            return made;
        }
        let (partition, account) = (self.judge.partition, self.judge.account);
        let of = |arn: &str, is_exact: bool| {
            let is_user = arn.contains(":user/");
            let all: &[&[&str]] = if is_user { &USER } else { &ROLE };
            let what = match is_exact {
                true => arn.splitn(6, ':').nth(5).unwrap_or(arn).to_owned(),
                false => format!("a new {}", if is_user { "user" } else { "role" }),
            };
            let prefix = arn.rsplit_once('/').map_or(arn, |(path, _)| path);
            let ask = |action: &&str| match is_exact {
                true => self.judge.ask(&actor.actor, action, Resource::Exact(arn), &what),
                false => self.judge.ask_somewhere(&actor.actor, action, &format!("{prefix}/"), &what),
            };
            let mut way = actor.way.clone();
            for any in all {
                way = way.then(any.iter().fold(None, |best, action| better(best, || ask(action)))?);
            }
            Some((
                way,
                vec![Arc::from(if is_user { "CreateUser" } else { "CreateRole" }), Arc::from(what.as_str())],
            ))
        };
        let fresh = ["role", "user"]
            .map(|kind| (format!("arn:{partition}:iam::{account}:{kind}/reconcile-newly-made"), false));
        let spared = missing.iter().map(|arn| (arn.clone(), true));
        let ways: Vec<_> = fresh
            .into_iter()
            .chain(spared)
            .filter_map(|(arn, is_exact)| Some((Principal::parse(&arn).ok()?, of(&arn, is_exact)?)))
            .collect();
        for (principal, (way, by)) in ways {
            let actor = self.judge.actor_with(principal, std::slice::from_ref(everything));
            made.push((Changed { actor, way }, by));
        }
        made
    }

    /// Tells `each` target with who can do it, and how: by places in the account's identities. Ways are made one target
    /// after the other, for all at once would take much room.
    pub fn run(&self, targets: &[Target], mut each: impl FnMut(&Target, BTreeMap<usize, Found>)) {
        let own: Vec<BTreeMap<usize, Power>> = targets.iter().map(|target| self.own(target)).collect();
        // Who can do everything surely gains nothing by becoming somebody.
        let is_whole = |index: &usize| {
            let mut asked = own.iter().filter(|own| !own.is_empty());
            asked.all(|own| own.get(index).is_some_and(|power| power.verdict == Verdict::Allowed))
        };
        let able: BTreeSet<usize> = own.iter().flat_map(BTreeMap::keys).copied().collect();
        let whole: BTreeSet<usize> = able.iter().copied().filter(is_whole).collect();
        let edges = self.edges(able, &whole);
        // Targets that the same identities reach as surely share their chains.
        let mut chains: BTreeMap<Vec<(usize, Verdict)>, BTreeMap<usize, Link>> = BTreeMap::new();
        for (target, own) in targets.iter().zip(&own) {
            let sources: Vec<(usize, Verdict)> =
                own.iter().map(|(index, power)| (*index, power.verdict)).collect();
            let links = chains.entry(sources).or_insert_with_key(|sources| spread(sources, &edges));
            let last: BTreeMap<usize, Found> = own
                .iter()
                .filter_map(|(index, power)| Some((*index, self.found(*index, *power, target)?)))
                .collect();
            let found = links
                .keys()
                .filter_map(|index| Some((*index, self.follow(*index, links, &edges, &last)?)))
                .collect();
            each(target, found);
        }
    }

    /// The power that identities have without becoming anybody.
    fn own(&self, target: &Target) -> BTreeMap<usize, Power> {
        let mut all = BTreeMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let mut best: Option<Power> = None;
            for (place, changed) in node.ways().enumerate() {
                let limit = best.map_or(Verdict::Denied, |power| power.verdict);
                if changed.way.verdict > limit {
                    let verdict = self.judge.could(&changed.actor, target).min(changed.way.verdict);
                    if verdict > limit {
                        best = Some(Power { verdict, place });
                    }
                }
                if best.is_some_and(|power| power.verdict == Verdict::Allowed) {
                    break;
                }
            }
            all.extend(best.map(|power| (index, power)));
        }
        all
    }

    /// The way of such a power.
    fn found(&self, index: usize, power: Power, target: &Target) -> Option<Found> {
        let node = self.nodes.get(index)?;
        let changed = node.ways().nth(power.place)?;
        let way = changed.way.clone().then(self.judge.can(&changed.actor, target)?);
        let via = match power.place.checked_sub(node.states.len()) {
            Some(puppet) => node.puppets.get(puppet)?.1.clone(),
            None if power.place == 0 => Vec::new(),
            None => vec!["changes own policies".into()],
        };
        Some(Found { way, via })
    }

    /// Who can become whom, for all from whom one of `wanted` can be reached.
    fn edges(&self, wanted: BTreeSet<usize>, whole: &BTreeSet<usize>) -> BTreeMap<usize, Vec<(usize, Step)>> {
        let mut edges: BTreeMap<usize, Vec<(usize, Step)>> = BTreeMap::new();
        let mut open: Vec<usize> = wanted.into_iter().collect();
        for _ in 0..LONGEST {
            let mut next = BTreeSet::new();
            for victim in open {
                let identity = &self.account.identities[victim];
                let mut to = Vec::new();
                for (index, node) in self.nodes.iter().enumerate() {
                    if index == victim || whole.contains(&index) {
                        continue;
                    }
                    let mut best: Option<Step> = None;
                    for (state, changed) in node.states.iter().enumerate() {
                        let asker = asker(index, state);
                        let limit = best.as_ref().map_or(Verdict::Denied, |step| step.way.verdict);
                        if changed.way.verdict <= limit || !self.could_become(&changed.actor, identity) {
                            continue;
                        }
                        if let Some(Step { way, by }) =
                            step(self.judge, &self.memory, asker, &changed.actor, identity)
                        {
                            let way = changed.way.clone().then(way);
                            if way.verdict > limit {
                                best = Some(Step { way, by });
                            }
                        }
                    }
                    if let Some(step) = best {
                        if !edges.contains_key(&index) {
                            next.insert(index);
                        }
                        to.push((index, step));
                    }
                }
                edges.insert(victim, to);
            }
            open = next.into_iter().filter(|index| !edges.contains_key(index)).collect();
        }
        edges
    }

    /// Whether it is worth asking: most identities have nothing to do with each other.
    fn could_become(&self, actor: &Actor, identity: &crate::audit::account::Identity) -> bool {
        match identity.is_user() {
            true => actor.able.meets(self.to_users),
            false => actor.able.meets(self.to_roles) || is_named(identity, actor),
        }
    }

    /// The way along the links, whole.
    fn follow(
        &self,
        start: usize,
        links: &BTreeMap<usize, Link>,
        edges: &BTreeMap<usize, Vec<(usize, Step)>>,
        own: &BTreeMap<usize, Found>,
    ) -> Option<Found> {
        let mut way = Way { verdict: Verdict::Allowed, path: Vec::new() };
        let mut via = Vec::new();
        let mut at = start;
        // A link is replaced only by a surer one, so this ends; the bound is for what nobody thought of.
        for _ in 0..=self.nodes.len() {
            match links.get(&at)?.next {
                None => {
                    let Found { way: last, via: rest } = own.get(&at)?;
                    via.extend(rest.iter().cloned());
                    return Some(Found { way: way.then(last.clone()), via });
                }
                Some((victim, place)) => {
                    let (_, step) = edges.get(&victim)?.get(place)?;
                    way = way.then(step.way.clone());
                    via.extend(step.by.iter().cloned());
                    via.push(self.account.identities.get(victim)?.label.as_str().into());
                    at = victim;
                }
            }
        }
        None
    }
}

/// How a way goes on from an identity.
#[derive(Clone, Copy, Debug)]
struct Link {
    verdict: Verdict,
    /// Whom it becomes, and the place of that step among the ways to it; `None` where its own power does it.
    next: Option<(usize, usize)>,
}

/// Who reaches any of the sources, within the bound; surer ways first, then shorter ones.
fn spread(
    sources: &[(usize, Verdict)],
    edges: &BTreeMap<usize, Vec<(usize, Step)>>,
) -> BTreeMap<usize, Link> {
    let mut links: BTreeMap<usize, Link> =
        sources.iter().map(|(index, verdict)| (*index, Link { verdict: *verdict, next: None })).collect();
    // With the surest ways alone, then with those that are less sure: a short unsure way must not hide a sure one.
    for floor in [Verdict::Allowed, Verdict::Conditional, Verdict::Unknown] {
        let mut frontier: Vec<(usize, usize)> = links
            .iter()
            .filter(|(_, link)| link.verdict >= floor)
            .map(|(index, link)| (length(*link, &links), *index))
            .collect();
        frontier.sort_unstable();
        let mut frontier = VecDeque::from(frontier);
        while let Some((hops, victim)) = frontier.pop_front() {
            if hops >= LONGEST {
                continue;
            }
            let verdict = links.get(&victim).map_or(Verdict::Denied, |link| link.verdict);
            for (place, (index, step)) in edges.get(&victim).into_iter().flatten().enumerate() {
                let verdict = verdict.min(step.way.verdict);
                let known = links.get(index).map_or(Verdict::Denied, |link| link.verdict);
                if verdict >= floor && verdict > known {
                    links.insert(*index, Link { verdict, next: Some((victim, place)) });
                    frontier.push_back((hops + 1, *index));
                }
            }
        }
    }
    links
}

/// Identities that the way from here leads through.
fn length(mut link: Link, links: &BTreeMap<usize, Link>) -> usize {
    let mut hops = 0;
    while let Some((victim, _)) = link.next {
        hops += 1;
        if hops >= LONGEST {
            return LONGEST;
        }
        match links.get(&victim) {
            Some(next) => link = *next,
            None => return hops,
        }
    }
    hops
}
