//! Ansible's inventory in INI: groups, their children and variables, hosts, ranges
//! (<https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html>).
//!
//! Pure: text -> groups and hosts with variables resolved, and every problem with its line.

mod line;
mod resolve;

use std::collections::BTreeMap;
use std::ops::Range;

use super::Inventory;
use super::checks::table;
use super::source::{Mark, Source};
use super::values::shown;
use crate::vocab::{HostName, NameError, Problem, Value};
use line::{Section, Word};

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

/// Content lines of an inventory; the largest real ones have a thousand.
const MAX_LINES: usize = 20_000;
/// Hosts of an inventory, ranges written out.
const MAX_HOSTS: usize = 10_000;
/// Groups of an inventory.
const MAX_GROUPS: usize = 2_000;

/// Reads the text of an inventory.
///
/// Errors: lines that are none of Ansible's, host names and ranges that cannot be, children that no section defines,
/// groups that hold themselves, more than any fleet has. What can be read comes back beside them.
pub fn parse(source: &Source) -> (Read, Vec<Problem>) {
    let mut groups = Groups::default();
    for (read, line) in lines(source).enumerate() {
        groups.line(&line);
        let is_too_large =
            read >= MAX_LINES || groups.hosts.len() > MAX_HOSTS || groups.groups.len() > MAX_GROUPS;
        if is_too_large {
            groups.problems.push(too_large(source, &line.whole()));
            break;
        }
    }
    let (read, mut problems) = resolve::resolve(groups, source);
    problems.iter_mut().for_each(|problem| veil(source, problem));
    (read, problems)
}

fn too_large(source: &Source, mark: &Mark) -> Problem {
    let most = format!("{MAX_LINES} lines, {MAX_HOSTS} hosts or {MAX_GROUPS} groups");
    source.problem(
        table::TOO_LARGE,
        mark,
        format!("the inventory holds more than {most}; from here on it is not read"),
    )
}

/// Inventories hold passwords more often than they should; a line that seems to is named, and not quoted.
fn veil(source: &Source, problem: &mut Problem) {
    let Some(span) = &problem.span else { return };
    let before = source.text.get(..span.start).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = source.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let line = line.to_ascii_lowercase();
    if ["pass", "secret", "token"].iter().any(|word| line.contains(word)) {
        problem.span = None;
    }
}

/// One line with something on it, white space at both ends left out.
struct Line<'a> {
    source: &'a Source,
    text: &'a str,
    number: u32,
    /// Characters and bytes before the text: of its line, and of the file.
    indent: u32,
    start: usize,
}

impl Line<'_> {
    fn mark(&self, span: Range<usize>) -> Mark {
        let before = self.text.get(..span.start).map_or(0, |text| text.chars().count());
        Mark {
            line: self.number,
            column: self.indent + 1 + u32::try_from(before).unwrap_or(u32::MAX / 2),
            span: self.start + span.start..self.start + span.end,
        }
    }

    fn whole(&self) -> Mark {
        self.mark(0..self.text.len())
    }

    fn word(&self, word: &Word) -> Mark {
        self.mark(word.span.clone())
    }
}

fn lines(source: &Source) -> impl Iterator<Item = Line<'_>> {
    let mut at = 0;
    let lines = (1..).zip(source.text.split_inclusive('\n')).map(move |(number, line)| {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        let start = at + indent;
        at += line.len();
        let indent = line.get(..indent).map_or(0, |space| space.chars().count());
        let indent = u32::try_from(indent).unwrap_or(u32::MAX / 2);
        Line { source, text: text.trim_end(), number, indent, start }
    });
    lines.filter(|line| !line.text.is_empty() && !line.text.starts_with(['#', ';']))
}

#[derive(Debug, Default)]
struct Group {
    hosts: Vec<HostName>,
    children: Vec<(String, Mark)>,
    variables: BTreeMap<String, Variable>,
    /// A section made it; a mere mention as a child does not.
    defined: bool,
}

/// A host as its lines have it.
#[derive(Debug)]
struct Host {
    mark: Mark,
    /// The groups whose sections list it.
    groups: Vec<String>,
    variables: BTreeMap<String, Variable>,
}

/// What the lines say, before any of it is resolved.
#[derive(Debug, Default)]
struct Groups {
    section: Section,
    groups: BTreeMap<String, Group>,
    hosts: BTreeMap<HostName, Host>,
    /// The hosts in the order of the file.
    order: Vec<HostName>,
    /// `[x:vars]` sections, whose group must exist in the end.
    vars_of: Vec<(String, Mark)>,
    problems: Vec<Problem>,
}

impl Groups {
    fn line(&mut self, line: &Line<'_>) {
        let error = |why: String| line.source.problem(table::INVENTORY_SYNTAX, &line.whole(), why);
        if line.text.starts_with('[') && !line.text.contains('=') {
            return match line::section(line.text) {
                Ok(section) => self.enter(section, line.whole()),
                Err(why) => self.problems.push(error(why)),
            };
        }
        match self.section.clone() {
            Section::Hosts(group) => match line::words(line.text) {
                Ok(words) => self.host_line(line, &group, &words),
                Err(why) => self.problems.push(error(why)),
            },
            Section::Children(group) => match line::words(line.text) {
                Ok(words) => {
                    let children = words.first().map(|child| (child.text.clone(), line.word(child)));
                    self.groups.entry(group).or_default().children.extend(children);
                }
                Err(why) => self.problems.push(error(why)),
            },
            Section::Vars(group) => match line::variable(line.text) {
                Some((name, value, span)) => {
                    let variable = Variable { value, mark: line.mark(span) };
                    self.groups.entry(group).or_default().variables.insert(name, variable);
                }
                None => {
                    let why = "a variable of a group is written `name=value`, and this is not";
                    self.problems.push(error(why.to_owned()));
                }
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

    fn host_line(&mut self, line: &Line<'_>, group: &str, words: &[Word]) {
        let Some((pattern, assignments)) = words.split_first() else { return };
        let mut variables = BTreeMap::new();
        for word in assignments {
            match word.text.split_once('=') {
                Some((name, value)) => {
                    let variable = Variable { value: line::literal(value), mark: line.word(word) };
                    variables.insert(name.to_owned(), variable);
                }
                None => self.problems.push(
                    line.source
                        .problem(
                            table::INVENTORY_SYNTAX,
                            &line.word(word),
                            format!("`{}` is not `name=value`", shown(&word.text)),
                        )
                        .helped("one host a line, its variables behind it; quote values with spaces"),
                ),
            }
        }
        let mark = line.word(pattern);
        let (names, port) = match line::hosts(&pattern.text) {
            Ok(found) => found,
            Err(why) => return self.problems.push(line.source.problem(table::INVENTORY_SYNTAX, &mark, why)),
        };
        if let Some(port) = port {
            let variable = Variable { value: Value::Number(port.into()), mark: mark.clone() };
            variables.insert("ansible_port".to_owned(), variable);
        }
        for name in names {
            match name.parse() {
                Ok(host) => self.host(host, group, &mark, &variables),
                Err(error) => {
                    let why: NameError = error;
                    let message = format!("`{}` is no host: {why}", shown(&name));
                    return self.problems.push(line.source.problem(table::BAD_NAME, &mark, message));
                }
            }
        }
    }

    fn host(&mut self, name: HostName, group: &str, mark: &Mark, variables: &BTreeMap<String, Variable>) {
        let host = self.hosts.entry(name.clone()).or_insert_with(|| {
            self.order.push(name.clone());
            Host { mark: mark.clone(), groups: Vec::new(), variables: BTreeMap::new() }
        });
        host.variables.extend(variables.clone());
        if !host.groups.iter().any(|known| known == group) {
            host.groups.push(group.to_owned());
            self.groups.entry(group.to_owned()).or_default().hosts.push(name);
        }
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
