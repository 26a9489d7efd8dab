//! From what the lines of an inventory say to groups with all their members and hosts with all their variables.

use std::collections::{BTreeMap, BTreeSet};

use super::{Groups, Read};
use crate::settings::checks::table;
use crate::settings::source::{Mark, Source};
use crate::settings::{Inventory, InventoryHost, suggest};
use crate::vocab::{HostName, Problem};

/// Ansible's group of every host.
const ALL: &str = "all";
/// Ansible's group of hosts that are in no other.
const UNGROUPED: &str = "ungrouped";

/// Memberships and variables of hosts together, those that groups hand down included.
const MAX_RESOLVED: usize = 200_000;

/// Resolves children and variables.
pub fn resolve(mut groups: Groups, source: &Source) -> (Read, Vec<Problem>) {
    groups.check_names(source);
    groups.break_cycles(source);
    let mut read = Read::default();
    let mut resolved = 0;
    for name in groups.groups.keys() {
        let members = groups.members(name);
        resolved += members.len();
        read.inventory.groups.insert(name.clone(), members);
        if resolved > MAX_RESOLVED {
            return (Read::default(), groups.too_much(source));
        }
    }
    groups.add_implied(&mut read.inventory);
    let of_host = groups.groups_of_hosts(&read.inventory);
    for (name, host) in &groups.hosts {
        let mut variables = BTreeMap::new();
        for group in of_host.get(name).into_iter().flatten() {
            let own = groups.groups.get(*group).map(|group| group.variables.clone());
            variables.extend(own.into_iter().flatten());
            resolved += groups.groups.get(*group).map_or(0, |group| group.variables.len());
        }
        if resolved > MAX_RESOLVED {
            return (Read::default(), groups.too_much(source));
        }
        variables.extend(host.variables.clone());
        let values = variables.iter().map(|(name, variable)| (name.clone(), variable.value.clone()));
        let known = InventoryHost { place: Some(source.place(&host.mark)), variables: values.collect() };
        read.inventory.hosts.insert(name.clone(), known);
        read.variables.insert(name.clone(), variables);
    }
    (read, groups.problems)
}

impl Groups {
    fn too_much(self, source: &Source) -> Vec<Problem> {
        let message =
            format!("groups within groups and their variables come to more than {MAX_RESOLVED} entries");
        let mut problems = self.problems;
        problems.push(Problem::of_file(table::TOO_LARGE, &source.name, message));
        problems
    }

    /// Per host its groups in Ansible's order of precedence: `all`, then from the outermost in, then by name.
    fn groups_of_hosts(&self, inventory: &Inventory) -> BTreeMap<HostName, Vec<&String>> {
        let depths = self.depths();
        let mut order: Vec<&String> = self.groups.keys().collect();
        order.sort_by_key(|name| (*name != ALL, depths.get(*name).copied().unwrap_or(0), *name));
        let mut groups: BTreeMap<HostName, Vec<&String>> = BTreeMap::new();
        for name in order {
            for host in inventory.groups.get(name).into_iter().flatten() {
                groups.entry(host.clone()).or_default().push(name);
            }
        }
        groups
    }

    fn check_names(&mut self, source: &Source) {
        let is_known = |name: &str| {
            [ALL, UNGROUPED].contains(&name) || self.groups.get(name).is_some_and(|group| group.defined)
        };
        let known = || self.groups.iter().filter(|(_, group)| group.defined).map(|(name, _)| name.as_str());
        let mut problems = Vec::new();
        let mut complain = |name: &str, mark: &Mark| {
            let problem = source
                .problem(
                    table::UNKNOWN_GROUP,
                    mark,
                    format!("there is no group `{name}`, and Ansible would refuse the inventory"),
                )
                .labelled("no section defines it");
            problems.push(match suggest::nearest(name, known()) {
                Some(near) => problem.helped(format!("did you mean {near}?")),
                None => problem.helped(format!("add a section [{name}], which may be empty")),
            });
        };
        for (name, mark) in self.groups.values().flat_map(|group| &group.children).chain(&self.vars_of) {
            if !is_known(name) {
                complain(name, mark);
            }
        }
        self.problems.extend(problems);
    }

    /// A group that holds itself is told, and the edge that closes the circle left out.
    fn break_cycles(&mut self, source: &Source) {
        let names: Vec<String> = self.groups.keys().cloned().collect();
        for name in names {
            let mut kept = Vec::new();
            for (child, mark) in
                self.groups.get(&name).map(|group| group.children.clone()).unwrap_or_default()
            {
                if self.descendants(&child).contains(&name) {
                    self.problems.push(
                        source
                            .problem(
                                table::GROUP_CYCLE,
                                &mark,
                                format!("the group `{name}` would hold itself"),
                            )
                            .labelled(format!("{child} already holds {name}")),
                    );
                } else {
                    kept.push((child, mark));
                }
            }
            if let Some(group) = self.groups.get_mut(&name) {
                group.children = kept;
            }
        }
    }

    /// A group and everything below it, level by level, as Ansible orders it.
    fn descendants(&self, name: &str) -> Vec<String> {
        let mut found = vec![name.to_owned()];
        let mut seen = BTreeSet::from([name.to_owned()]);
        let mut next = 0;
        while let Some(group) = found.get(next) {
            let children = self.groups.get(group).map(|group| group.children.clone()).unwrap_or_default();
            for (child, _) in children {
                if seen.insert(child.clone()) {
                    found.push(child);
                }
            }
            next += 1;
        }
        found
    }

    fn members(&self, name: &str) -> Vec<HostName> {
        let mut seen = BTreeSet::new();
        let below = self.descendants(name);
        let groups = below.iter().filter_map(|group| self.groups.get(group));
        groups.flat_map(|group| &group.hosts).filter(|host| seen.insert((*host).clone())).cloned().collect()
    }

    /// The longest way from `all` to each group; without cycles it ends.
    fn depths(&self) -> BTreeMap<String, usize> {
        let mut depths: BTreeMap<String, usize> = BTreeMap::new();
        let mut changed = true;
        while changed {
            changed = false;
            for (name, group) in &self.groups {
                let below = depths.get(name).copied().unwrap_or(0) + 1;
                for (child, _) in &group.children {
                    if depths.get(child).copied().unwrap_or(0) < below {
                        depths.insert(child.clone(), below);
                        changed = true;
                    }
                }
            }
        }
        depths
    }

    /// `all` and `ungrouped`, which nobody writes.
    fn add_implied(&self, inventory: &mut Inventory) {
        let named = inventory.groups.iter().filter(|(name, _)| ![ALL, UNGROUPED].contains(&name.as_str()));
        let grouped: BTreeSet<HostName> = named.flat_map(|(_, hosts)| hosts).cloned().collect();
        let all = self.order.clone();
        let rest = all.iter().filter(|host| !grouped.contains(*host)).cloned().collect();
        inventory.groups.insert(ALL.to_owned(), all);
        inventory.groups.insert(UNGROUPED.to_owned(), rest);
    }
}
