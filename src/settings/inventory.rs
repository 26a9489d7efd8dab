//! Ansible's inventory in INI: groups, their children and variables, hosts, ranges
//! (<https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html>).
//!
//! Pure: text -> groups and hosts with variables resolved, and every problem with its line.

mod line;

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Mark, Source};
use super::suggest;
use super::{Inventory, InventoryHost};
use crate::vocab::{HostName, Problem, Value};
use line::{Section, Word};

/// Ansible's group of every host.
const ALL: &str = "all";
/// Ansible's group of hosts that are in no other.
const UNGROUPED: &str = "ungrouped";

/// A variable's value and where it stands.
#[derive(Clone, Debug)]
pub struct Variable {
    pub value: Value,
    pub mark: Mark,
}

/// The inventory, and where each variable of each host comes from.
#[derive(Debug, Default)]
pub struct Read {
    pub inventory: Inventory,
    pub variables: BTreeMap<HostName, BTreeMap<String, Variable>>,
}

/// Reads the text of an inventory.
///
/// Errors: lines that are none of Ansible's, host names and ranges that cannot be, children that no section defines,
/// groups that hold themselves. What can be read comes back beside them.
pub fn parse(source: &Source) -> (Read, Vec<Problem>) {
    let mut groups = Groups::default();
    for (line, start) in lines(&source.text) {
        groups.line(source, line, start);
    }
    let (read, mut problems) = groups.finish(source);
    problems.iter_mut().for_each(|problem| veil(source, problem));
    (read, problems)
}

/// Inventories hold passwords more often than they should; a line that seems to is named, and not quoted.
fn veil(source: &Source, problem: &mut Problem) {
    let line = problem.place.as_ref().map_or(0, |place| place.line as usize);
    let text = source.text.lines().nth(line.saturating_sub(1)).unwrap_or_default().to_ascii_lowercase();
    if ["pass", "secret", "token"].iter().any(|word| text.contains(word)) {
        problem.span = None;
    }
}

/// The lines of a text with the byte at which each begins.
fn lines(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (line.trim_end_matches(['\n', '\r']), start)
    })
}

#[derive(Debug, Default)]
struct Group {
    hosts: Vec<HostName>,
    children: Vec<(String, Mark)>,
    variables: BTreeMap<String, Variable>,
    /// A section or a host line made it; a mere mention as a child does not.
    defined: bool,
}

#[derive(Debug, Default)]
struct Groups {
    section: Section,
    groups: BTreeMap<String, Group>,
    hosts: BTreeMap<HostName, (Mark, BTreeMap<String, Variable>)>,
    /// `[x:vars]` sections, whose group must exist in the end.
    vars_of: Vec<(String, Mark)>,
    problems: Vec<Problem>,
}

impl Groups {
    fn line(&mut self, source: &Source, line: &str, start: usize) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            return;
        }
        let begin = start + (line.len() - line.trim_start().len());
        let whole = source.mark_at(begin, begin + trimmed.len());
        if trimmed.starts_with('[') && !trimmed.contains('=') {
            return match line::section(trimmed) {
                Ok(section) => self.enter(section, whole),
                Err(why) => self.problems.push(source.error(&whole, why)),
            };
        }
        let words = match line::words(trimmed) {
            Ok(words) => words,
            Err(why) => return self.problems.push(source.error(&whole, why)),
        };
        let mark = |word: &Word| source.mark_at(begin + word.span.start, begin + word.span.end);
        match &self.section {
            Section::Hosts(group) => {
                let group = group.clone();
                self.host_line(source, &group, &words, mark);
            }
            Section::Children(group) => {
                let (group, Some(child)) = (group.clone(), words.first()) else { return };
                let child = (child.text.clone(), mark(child));
                self.groups.entry(group).or_default().children.push(child);
            }
            Section::Vars(group) => match line::variable(trimmed) {
                Some((name, value, span)) => {
                    let mark = source.mark_at(begin + span.start, begin + span.end);
                    let variable = Variable { value, mark };
                    self.groups.entry(group.clone()).or_default().variables.insert(name, variable);
                }
                None => self.problems.push(
                    source.error(&whole, "a variable of a group is written `name=value`, and this is not"),
                ),
            },
        }
    }

    fn enter(&mut self, section: Section, mark: Mark) {
        match &section {
            Section::Hosts(name) | Section::Children(name) => {
                self.groups.entry(name.clone()).or_default().defined = true;
            }
            Section::Vars(name) => self.vars_of.push((name.clone(), mark)),
        }
        self.section = section;
    }

    fn host_line(&mut self, source: &Source, group: &str, words: &[Word], mark: impl Fn(&Word) -> Mark) {
        let Some((pattern, assignments)) = words.split_first() else { return };
        let mut variables = BTreeMap::new();
        for word in assignments {
            match word.text.split_once('=') {
                Some((name, value)) => {
                    let value = line::literal(value);
                    variables.insert(name.to_owned(), Variable { value, mark: mark(word) });
                }
                None => self.problems.push(
                    source
                        .error(&mark(word), format!("`{}` is not `name=value`", word.text))
                        .helped("one host a line, its variables behind it; quote values with spaces"),
                ),
            }
        }
        let (names, port) = match line::hosts(&pattern.text) {
            Ok(found) => found,
            Err(why) => return self.problems.push(source.error(&mark(pattern), why)),
        };
        for name in names {
            let host: HostName = match name.parse() {
                Ok(host) => host,
                Err(error) => {
                    return self
                        .problems
                        .push(source.error(&mark(pattern), format!("`{name}` is no host: {error}")));
                }
            };
            let members = self.groups.entry(group.to_owned()).or_default();
            if !members.hosts.contains(&host) {
                members.hosts.push(host.clone());
            }
            let known = self.hosts.entry(host).or_insert_with(|| (mark(pattern), BTreeMap::new()));
            known.1.extend(variables.clone());
            if let Some(port) = port {
                let value = Value::Number(port.into());
                known.1.insert("ansible_port".to_owned(), Variable { value, mark: mark(pattern) });
            }
        }
    }

    fn finish(mut self, source: &Source) -> (Read, Vec<Problem>) {
        self.check_names(source);
        self.break_cycles(source);
        let depths = self.depths();
        let mut read = Read::default();
        for name in self.groups.keys() {
            read.inventory.groups.insert(name.clone(), self.members(name));
        }
        self.add_implied(&mut read.inventory);
        // Ansible's order of precedence: `all`, then groups from the outermost in, then the host.
        let mut order: Vec<&String> = self.groups.keys().filter(|name| *name != ALL).collect();
        order.sort_by_key(|name| (depths.get(*name).copied().unwrap_or(0), (*name).clone()));
        order.splice(0..0, self.groups.keys().find(|name| *name == ALL));
        for (host, (mark, own)) in &self.hosts {
            let mut variables = BTreeMap::new();
            for name in &order {
                let is_member = read.inventory.groups.get(*name).is_some_and(|hosts| hosts.contains(host));
                if let (true, Some(group)) = (is_member, self.groups.get(*name)) {
                    variables.extend(group.variables.clone());
                }
            }
            variables.extend(own.clone());
            let values = variables.iter().map(|(name, variable)| (name.clone(), variable.value.clone()));
            let known = InventoryHost { place: Some(source.place(mark)), variables: values.collect() };
            read.inventory.hosts.insert(host.clone(), known);
            read.variables.insert(host.clone(), variables);
        }
        (read, self.problems)
    }

    fn check_names(&mut self, source: &Source) {
        let is_known = |name: &str| {
            [ALL, UNGROUPED].contains(&name) || self.groups.get(name).is_some_and(|group| group.defined)
        };
        let known = || self.groups.iter().filter(|(_, group)| group.defined).map(|(name, _)| name.as_str());
        let mut problems = Vec::new();
        let mut complain = |name: &str, mark: &Mark| {
            let problem = source
                .error(mark, format!("there is no group `{name}`, and Ansible would refuse the inventory"))
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
                            .error(&mark, format!("the group `{name}` would hold itself"))
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
        let all: Vec<HostName> = self.hosts.keys().cloned().collect();
        let rest = all.iter().filter(|host| !grouped.contains(*host)).cloned().collect();
        inventory.groups.insert(ALL.to_owned(), all);
        inventory.groups.insert(UNGROUPED.to_owned(), rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Read, Vec<Problem>) {
        parse(&Source::new("inventory.ini", text))
    }

    fn good(text: &str) -> Inventory {
        let (read, problems) = read(text);
        assert!(problems.is_empty(), "{problems:#?}");
        read.inventory
    }

    fn members(inventory: &Inventory, group: &str) -> Vec<String> {
        inventory.groups.get(group).expect("the group").iter().map(ToString::to_string).collect()
    }

    fn variable(inventory: &Inventory, host: &str, name: &str) -> Value {
        let host = inventory.hosts.get(&host.parse().expect("a host")).expect("known");
        host.variables.get(name).cloned().unwrap_or(Value::Null)
    }

    #[test]
    fn children_may_stand_in_any_order_and_depth() {
        let inventory =
            good("[pg_backup:children]\npostgresql\n[postgresql:children]\nb\na\n[a]\nh1\n[b]\nh2\nh1\n");
        assert_eq!(members(&inventory, "pg_backup"), ["h2", "h1"]);
        assert_eq!(members(&inventory, "all"), ["h1", "h2"]);
    }

    #[test]
    fn a_host_without_a_section_is_ungrouped() {
        let inventory = good("lone:2222\n[web]\nw1\n");
        assert_eq!(members(&inventory, "ungrouped"), ["lone"]);
        assert_eq!(variable(&inventory, "lone", "ansible_port"), Value::Number(2222));
    }

    #[test]
    fn the_nearest_variable_wins() {
        let text = "[outer:children]\ninner\n[inner]\nh b=host\n[outer:vars]\na=outer\nb=outer\nc=outer\n\
                    [inner:vars]\na = 'in ner'\nb=inner\n[all:vars]\na=all\nd=7\n";
        let inventory = good(text);
        assert_eq!(variable(&inventory, "h", "a"), Value::text("in ner"));
        assert_eq!(variable(&inventory, "h", "b"), Value::text("host"));
        assert_eq!(variable(&inventory, "h", "c"), Value::text("outer"));
        assert_eq!(variable(&inventory, "h", "d"), Value::Number(7));
    }

    #[test]
    fn comments_quotes_and_ranges_are_read_as_ansible_reads_them() {
        let inventory = good("# c\n; c\n[web]\nw[01:03].x.org a='b c' d=\"e\" # why\nz[a:c]\n");
        assert_eq!(members(&inventory, "web"), ["w01.x.org", "w02.x.org", "w03.x.org", "za", "zb", "zc"]);
        assert_eq!(variable(&inventory, "w02.x.org", "a"), Value::text("b c"));
        assert_eq!(variable(&inventory, "w02.x.org", "d"), Value::text("e"));
    }

    #[test]
    fn what_ansible_would_refuse_has_a_place() {
        let messages = |text: &str| -> Vec<String> {
            let (_, problems) = read(text);
            problems
                .iter()
                .map(|problem| {
                    format!("{}: {}", problem.place.as_ref().map_or(0, |place| place.line), problem.message)
                })
                .collect()
        };
        assert_eq!(messages("[a:children]\nb\n[b:children]\na\n"), ["2: the group `a` would hold itself"]);
        assert_eq!(
            messages("[pg_backup:children]\npostgres\n"),
            ["2: there is no group `postgres`, and Ansible would refuse the inventory"]
        );
        assert!(messages("[a\n")[0].starts_with("1: "));
        assert!(messages("[a:things]\n")[0].starts_with("1: "));
        assert!(messages("[a]\nh x\n")[0].contains("`x` is not `name=value`"));
        assert!(messages("[a]\nh x='1\n")[0].starts_with("2: "));
        assert!(messages("[a]\n$(id)\n")[0].contains("is no host"));
        assert!(messages("[a]\nh[1:9999999]\n")[0].contains("more than"));
        assert!(messages("[a:vars]\nx\n")[0].contains("`name=value`"));
    }
}
