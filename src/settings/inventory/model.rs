//! What an inventory's file says, in the order in which it says it: groups, their children and hosts, variables.
//!
//! Follows ansible-core's `InventoryData` (`lib/ansible/inventory/data.py`) and `Group` (`.../group.py`). Pure; both
//! formats are read into this one model, so that they mean the same.

use std::collections::{BTreeMap, BTreeSet};

use super::Variable;
use super::scope::Layer;
use crate::settings::checks::table;
use crate::settings::scalar::{Meaning, whole};
use crate::settings::source::{Mark, Source};
use crate::settings::tree::Node;
use crate::vocab::{Place, Problem};

/// Ansible's group of every host.
pub const ALL: &str = "all";
/// Ansible's group of hosts that are in no other.
pub const UNGROUPED: &str = "ungrouped";

/// Hosts of an inventory, ranges written out.
const MAX_HOSTS: usize = 10_000;
/// Groups of an inventory.
const MAX_GROUPS: usize = 2_000;
/// Members of groups together, those of their children included.
const MAX_MEMBERS: usize = 1_000_000;

#[derive(Default)]
pub struct Group {
    pub name: String,
    pub variables: Layer,
    hosts: Vec<usize>,
    has: BTreeSet<usize>,
    children: Vec<usize>,
    parents: Vec<usize>,
    /// `ansible_group_priority`; 1 where nothing is written.
    priority: i64,
}

pub struct Host {
    pub name: String,
    /// Where it is written first.
    pub source: Source,
    pub mark: Mark,
    pub variables: Layer,
}

impl Host {
    pub fn place(&self) -> Place {
        self.source.place(&self.mark)
    }
}

/// Groups and hosts by their numbers, in the order of the file.
pub struct Model {
    pub groups: Vec<Group>,
    pub hosts: Vec<Host>,
    group_at: BTreeMap<String, usize>,
    host_at: BTreeMap<String, usize>,
}

/// Who is in which group, children's members included.
pub struct Resolved {
    /// Members of each group, in Ansible's order.
    pub members: Vec<Vec<usize>>,
    /// Groups of each host, from the weakest to the strongest: by depth, priority, name.
    pub groups_of: Vec<Vec<usize>>,
}

impl Default for Model {
    fn default() -> Self {
        let mut model =
            Model { groups: vec![], hosts: vec![], group_at: BTreeMap::new(), host_at: BTreeMap::new() };
        let all = model.group(ALL);
        let ungrouped = model.group(UNGROUPED);
        model.adopt(all, ungrouped);
        model
    }
}

impl Model {
    /// More than any fleet has: what follows is not worth the memory.
    pub fn is_too_large(&self) -> Option<String> {
        let is_too_large = self.hosts.len() > MAX_HOSTS || self.groups.len() > MAX_GROUPS;
        is_too_large
            .then(|| format!("the inventory holds more than {MAX_HOSTS} hosts or {MAX_GROUPS} groups"))
    }

    pub fn find_group(&self, name: &str) -> Option<usize> {
        self.group_at.get(name).copied()
    }

    pub fn find_host(&self, name: &str) -> Option<usize> {
        self.host_at.get(name).copied()
    }

    /// The group of that name, made where there is none.
    pub fn group(&mut self, name: &str) -> usize {
        if let Some(known) = self.find_group(name) {
            return known;
        }
        self.groups.push(Group { name: name.to_owned(), priority: 1, ..Group::default() });
        self.group_at.insert(name.to_owned(), self.groups.len() - 1);
        self.groups.len() - 1
    }

    /// Puts a host into a group. A port counts only where the host is named for the first time.
    pub fn host(&mut self, name: &str, group: usize, port: Option<u64>, source: &Source, mark: &Mark) {
        let host = match self.find_host(name) {
            Some(known) => known,
            None => {
                let mut variables = Layer::default();
                if let Some(port) = port.filter(|port| *port > 0) {
                    let variable = Variable::number(source, mark, port);
                    variables.insert("ansible_port".to_owned(), variable);
                }
                let (source, mark) = (source.clone(), mark.clone());
                self.hosts.push(Host { name: name.to_owned(), source, mark, variables });
                self.host_at.insert(name.to_owned(), self.hosts.len() - 1);
                self.hosts.len() - 1
            }
        };
        self.put(group, host);
    }

    fn put(&mut self, group: usize, host: usize) {
        if let Some(group) = self.groups.get_mut(group)
            && group.has.insert(host)
        {
            group.hosts.push(host);
        }
    }

    /// Gives a variable to whatever has that name: a group before a host, also where the host's line says it.
    pub fn set(&mut self, name: &str, key: &str, variable: Variable) -> Result<(), Box<Problem>> {
        if let Some(group) = self.find_group(name).and_then(|at| self.groups.get_mut(at)) {
            if key == "ansible_group_priority" {
                group.priority = priority(&variable)?;
            } else {
                group.variables.insert(key.to_owned(), variable);
            }
        } else if let Some(host) = self.find_host(name).and_then(|at| self.hosts.get_mut(at)) {
            host.variables.insert(key.to_owned(), variable);
        }
        Ok(())
    }

    /// Makes one group the child of another. The error says why that cannot be.
    pub fn add_child(&mut self, parent: usize, child: usize) -> Result<(), String> {
        let name = |at: usize| self.groups.get(at).map_or("", |group| group.name.as_str());
        let closes_a_circle = name(child) == ALL || parent == child || self.above(parent).contains(&child);
        if closes_a_circle {
            return Err(format!("the group `{}` would hold itself", name(parent)));
        }
        self.adopt(parent, child);
        Ok(())
    }

    fn adopt(&mut self, parent: usize, child: usize) {
        let is_known = self.groups.get(parent).is_none_or(|parent| parent.children.contains(&child));
        if is_known {
            return;
        }
        self.groups.iter_mut().skip(parent).take(1).for_each(|group| group.children.push(child));
        self.groups.iter_mut().skip(child).take(1).for_each(|group| group.parents.push(parent));
    }

    /// Every group that holds this one.
    fn above(&self, group: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut next = vec![group];
        while let Some(group) = next.pop() {
            for parent in self.groups.get(group).into_iter().flat_map(|group| &group.parents) {
                if found.insert(*parent) {
                    next.push(*parent);
                }
            }
        }
        found
    }

    /// Completes what nobody writes (`all` holds every group, `ungrouped` every host that is in no other), then
    /// resolves memberships. The error says that it would be too much.
    pub fn resolve(&mut self) -> Result<Resolved, String> {
        let too_many = || format!("groups within groups come to more than {MAX_MEMBERS} members");
        for group in 1..self.groups.len() {
            if self.groups.get(group).is_some_and(|group| group.parents.is_empty()) {
                self.adopt(0, group);
            }
        }
        self.sort_out_ungrouped();
        let mut members = Vec::with_capacity(self.groups.len());
        let mut most = MAX_MEMBERS;
        for group in 0..self.groups.len() {
            let own = self.members(group);
            most = most.checked_sub(own.len()).ok_or_else(too_many)?;
            members.push(own);
        }
        let depths = self.depths();
        let mut order: Vec<(usize, i64, &str, usize)> = (self.groups.iter().enumerate())
            .map(|(at, group)| {
                (depths.get(at).copied().unwrap_or(0), group.priority, group.name.as_str(), at)
            })
            .collect();
        order.sort_unstable();
        let mut groups_of = vec![Vec::new(); self.hosts.len()];
        for (_, _, _, group) in order {
            for host in members.get(group).into_iter().flatten() {
                groups_of.iter_mut().skip(*host).take(1).for_each(|groups| groups.push(group));
            }
        }
        // The variables of `all` hold for every host, also for one that is in no group at all.
        let outside = groups_of.iter_mut().filter(|groups: &&mut Vec<usize>| groups.first() != Some(&0));
        outside.for_each(|groups| groups.insert(0, 0));
        Ok(Resolved { members, groups_of })
    }

    fn sort_out_ungrouped(&mut self) {
        let (all, ungrouped) = (0, 1);
        let beside: BTreeSet<usize> = (self.groups.iter().enumerate())
            .filter(|(at, _)| ![all, ungrouped].contains(at))
            .flat_map(|(_, group)| group.has.iter().copied())
            .collect();
        // Where other groups hold `ungrouped` itself, its hosts are in those, and so in it no longer.
        let is_held = self.above(ungrouped).len() > 1;
        let mut settled = beside.clone();
        if let Some(group) = self.groups.get_mut(ungrouped) {
            settled.extend(group.has.iter().copied());
            group.hosts.retain(|host| !is_held && !beside.contains(host));
            group.has = group.hosts.iter().copied().collect();
        }
        for host in (0..self.hosts.len()).filter(|host| !settled.contains(host)) {
            // Ansible looks the host up by its name, and finds a group of that name first.
            let name = self.hosts.get(host).map_or("", |host| host.name.as_str());
            match self.find_group(name) {
                Some(group) => _ = self.add_child(ungrouped, group),
                None => self.put(ungrouped, host),
            }
        }
    }

    /// Members of a group and of everything below it, level by level.
    fn members(&self, group: usize) -> Vec<usize> {
        let mut below = vec![group];
        let mut seen = BTreeSet::from([group]);
        let mut hosts = Vec::new();
        let mut seen_hosts = vec![false; self.hosts.len()];
        let mut next = 0;
        while let Some(group) = below.get(next).and_then(|at| self.groups.get(*at)) {
            below.extend(group.children.iter().filter(|child| seen.insert(**child)));
            for host in &group.hosts {
                if let Some(seen) = seen_hosts.get_mut(*host)
                    && !std::mem::replace(seen, true)
                {
                    hosts.push(*host);
                }
            }
            next += 1;
        }
        hosts
    }

    /// The longest way from `all` to each group; there are no circles, so it ends.
    fn depths(&self) -> Vec<usize> {
        let mut depths = vec![0; self.groups.len()];
        let mut missing: Vec<usize> = self.groups.iter().map(|group| group.parents.len()).collect();
        let mut ready: Vec<usize> =
            missing.iter().enumerate().filter(|(_, parents)| **parents == 0).map(|(at, _)| at).collect();
        while let Some(at) = ready.pop() {
            let below = depths.get(at).copied().unwrap_or(0) + 1;
            for child in self.groups.get(at).into_iter().flat_map(|group| &group.children) {
                if let (Some(depth), Some(missing)) = (depths.get_mut(*child), missing.get_mut(*child)) {
                    *depth = below.max(*depth);
                    *missing -= 1;
                    if *missing == 0 {
                        ready.push(*child);
                    }
                }
            }
        }
        depths
    }
}

fn priority(variable: &Variable) -> Result<i64, Box<Problem>> {
    let number = |node: &Node| match node.as_scalar()?.meaning() {
        Meaning::Int(number) | Meaning::Sexagesimal(number) => Some(number),
        Meaning::Bool(value) => Some(value.into()),
        Meaning::Float(number) => Some(number as i64),
        Meaning::Text(text) => whole(text),
        Meaning::Null => None,
    };
    let why = "ansible_group_priority must be a whole number, and Ansible would refuse the inventory";
    number(&variable.node)
        .ok_or_else(|| Box::new(variable.source.problem(table::INVENTORY_SYNTAX, &variable.mark, why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_group_comes_to_hold_itself() {
        let mut model = Model::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| model.group(name));
        assert_eq!(model.add_child(a, b), Ok(()));
        assert_eq!(model.add_child(b, c), Ok(()));
        assert_eq!(model.add_child(c, a), Err("the group `c` would hold itself".to_owned()));
        assert!(model.add_child(a, a).is_err() && model.add_child(a, 0).is_err());
        model.resolve().unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(model.depths(), [0, 1, 1, 2, 3]);
    }
}
