//! What hosts are, for the plan: those of which nothing can be planned, and what a job lacks there.

use std::collections::BTreeMap;

use super::between::Comparison;
use crate::resources::{Program, Resource};
use crate::state::{Cron, HeldCode, HostFacts, HostSighting, Wanted};
use crate::vocab::{HostName, Id, Kind, OsUser};

impl Comparison<'_> {
    fn facts(&self, host: &HostName) -> Option<&HostFacts> {
        match self.observed.hosts.get(host) {
            Some(HostSighting::Reached(facts)) => Some(facts),
            _ => None,
        }
    }

    pub(super) fn on_held_host(&self, id: &Id) -> bool {
        id.host().is_some_and(|host| self.held_hosts.contains(host))
    }

    /// One line for a host that is down, or that is another one, not one for each thing on it.
    pub(super) fn hold_hosts(&mut self) {
        let mut things: BTreeMap<&HostName, usize> = BTreeMap::new();
        for host in self.desired.resources.keys().filter_map(Id::host) {
            *things.entry(host).or_default() += 1;
        }
        let mut machines: BTreeMap<&str, &HostName> = BTreeMap::new();
        for (host, sighting) in &self.observed.hosts {
            let count = things.get(host).copied().unwrap_or_default();
            let (code, why) = match sighting {
                HostSighting::Unreachable(why) => (HeldCode::Unknown, format!("unreachable: {why}")),
                HostSighting::Reached(HostFacts { identity: Some(identity), .. }) if count > 0 => {
                    match machines.get(identity.as_str()) {
                        Some(other) => (
                            HeldCode::NotReady,
                            format!(
                                "it is the same machine as {other}, under another name: leave one of the two in the groups, \
                                 or they overwrite each other's files"
                            ),
                        ),
                        None => {
                            machines.insert(identity, host);
                            continue;
                        }
                    }
                }
                HostSighting::Reached(_) => continue,
            };
            self.held_hosts.insert(host.clone());
            let so = match count {
                // It is to be cleared, and may hold keys.
                0 if self.desired.retired.contains(host) => {
                    "it is retired, and what was left on it stays until it can be seen".to_owned()
                }
                // Nothing is wanted there; what was ours there stays until it can be seen.
                0 => continue,
                1 => "its 1 item is not planned".to_owned(),
                count => format!("its {count} items are not planned"),
            };
            let id = Id::cloud(Kind::Host, host.as_str());
            self.hold(&id, code, format!("{why}; {so}"));
        }
    }

    /// The program for the machine that this one is.
    pub(super) fn program_for(&self, id: &Id, wanted: &Program) -> Result<Program, String> {
        let facts = id.host().and_then(|host| self.facts(host));
        let architecture = facts.and_then(|facts| facts.architecture.as_deref());
        wanted.fitted(&self.desired.offers, architecture)
    }

    /// Why nobody can ask on a host how a thing is.
    pub(super) fn cannot_ask(&self, id: &Id) -> Option<&'static str> {
        let facts = id.host().and_then(|host| self.facts(host))?;
        let lacks = id.kind() == Kind::SnapshotRepository && facts.curl == Some(false);
        lacks.then_some(
            "the program `curl` is not on this host, and Elasticsearch there is asked with it: install it, then plan again",
        )
    }

    /// What a thing lacks on its host: a cron entry that nothing would run, or whose job lacks something, promises backups
    /// that never come.
    pub(super) fn not_ready(&self, id: &Id, wanted: &Wanted) -> Option<String> {
        let facts = self.facts(id.host()?)?;
        let lacks = |user: &&OsUser| facts.users.as_ref().is_some_and(|users| !users.contains(user.as_str()));
        if let Some(user) = users(&wanted.resource).into_iter().find(lacks) {
            return Some(format!("there is no user `{user}` on this host: install what makes it"));
        }
        if let (Kind::Crontab, Cron::Missing(why)) = (id.kind(), &facts.cron) {
            return Some(why.clone());
        }
        let there = facts.postgresql.as_ref()?;
        let program = wanted.programs.iter().find(|program| !there.contains_key(*program))?;
        Some(format!(
            "`{program}` is neither in /usr/lib/postgresql/*/bin nor in PATH there, so the job could not run: install \
             PostgreSQL's programs of the server's version"
        ))
    }
}

/// The users that a thing belongs to, or that it runs as.
fn users(resource: &Resource) -> Vec<&OsUser> {
    match resource {
        Resource::HostDirectory(directory) => vec![&directory.owner],
        Resource::HostFile(file) => vec![&file.owner],
        Resource::Crontab(crontab) => crontab.entries.values().map(|entry| &entry.user).collect(),
        Resource::Bucket(_)
        | Resource::Role(_)
        | Resource::User(_)
        | Resource::Program(_)
        | Resource::SnapshotRepository(_) => Vec::new(),
    }
}
