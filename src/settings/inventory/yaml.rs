//! Ansible's inventory in YAML: groups at the top, each with `hosts`, `children` and `vars`
//! (<https://docs.ansible.com/ansible/latest/collections/ansible/builtin/yaml_inventory.html>; the rules are those of
//! ansible-core's `lib/ansible/plugins/inventory/yaml.py`).
//!
//! Pure: tree -> model, and every problem with its place.

use super::Variable;
use super::model::Model;
use super::pattern;
use crate::settings::checks::table;
use crate::settings::scalar::Meaning;
use crate::settings::source::{Mark, Source};
use crate::settings::tree::{Content, Entry, Map, Node};
use crate::settings::values::shown;
use crate::vocab::Problem;

/// Reads the groups of a document.
///
/// Errors: sections that are no mapping, ranges that cannot be, groups that hold themselves, more than any fleet has.
/// What Ansible skips is a warning.
pub fn parse(source: &Source, top: &Map) -> (Model, Vec<Problem>) {
    let mut reader = Reader { source, model: Model::default(), problems: Vec::new(), is_full: false };
    for entry in &top.entries {
        reader.group(entry);
    }
    (reader.model, reader.problems)
}

/// A dynamic inventory's configuration, which names the plugin that would find the hosts.
pub fn plugin(top: &Map) -> Option<&Entry> {
    top.get("plugin").filter(|entry| !is_nothing(&entry.value) && entry.value.as_map().is_none())
}

/// What Python takes for false where a mapping is expected: `host:`, `host: {}`, `host: ''`.
fn is_nothing(node: &Node) -> bool {
    match &node.content {
        Content::Scalar(scalar) => match scalar.meaning() {
            Meaning::Null | Meaning::Bool(false) | Meaning::Int(0) | Meaning::Sexagesimal(0) => true,
            Meaning::Float(number) => number == 0.0,
            Meaning::Text(text) => text.is_empty(),
            _ => false,
        },
        Content::List(items) => items.is_empty(),
        Content::Map(map) => map.entries.is_empty(),
        Content::Vaulted(_) => false,
    }
}

fn is_null(node: &Node) -> bool {
    node.as_scalar().is_some_and(|scalar| scalar.meaning() == Meaning::Null)
}

fn text(node: &Node) -> Option<&str> {
    match node.as_scalar()?.meaning() {
        Meaning::Text(text) => Some(text),
        _ => None,
    }
}

struct Reader<'a> {
    source: &'a Source,
    model: Model,
    problems: Vec<Problem>,
    is_full: bool,
}

impl Reader<'_> {
    fn warn(&mut self, mark: &Mark, message: String) {
        self.problems.push(self.source.problem(table::SKIPPED_ENTRY, mark, message));
    }

    fn fail(&mut self, mark: &Mark, message: String) {
        self.problems.push(self.source.problem(table::INVENTORY_SYNTAX, mark, message));
    }

    /// More than any fleet has is told once, and nothing is added to it.
    fn has_room(&mut self, mark: &Mark) -> bool {
        if let Some(why) = self.model.is_too_large().filter(|_| !self.is_full) {
            self.is_full = true;
            let why = format!("{why}; from here on it is not read");
            self.problems.push(self.source.problem(table::TOO_LARGE, mark, why));
        }
        !self.is_full
    }

    /// Reads a group; `None` where it is none.
    fn group(&mut self, entry: &Entry) -> Option<usize> {
        if !self.has_room(&entry.key_mark) {
            return None;
        }
        let content = match &entry.value.content {
            Content::Map(map) => Some(map),
            _ if is_null(&entry.value) => None,
            _ => {
                let name = shown(&entry.key);
                self.warn(&entry.key_mark, format!("`{name}` is no group: Ansible skips it"));
                return None;
            }
        };
        if entry.key.is_empty() {
            self.fail(&entry.key_mark, "the group's name is empty".to_owned());
            return None;
        }
        let group = self.model.group(&entry.key);
        for section in content.into_iter().flat_map(|content| &content.entries) {
            self.section(&entry.key, group, section);
        }
        Some(group)
    }

    fn section(&mut self, name: &str, group: usize, section: &Entry) {
        let is_section = ["vars", "children", "hosts"].contains(&section.key.as_str());
        let single;
        let entries: &[Entry] = match (&section.value.content, text(&section.value)) {
            (Content::Map(map), _) => &map.entries,
            _ if is_null(&section.value) => return,
            // A lone name stands for itself with nothing below it.
            (_, Some(lone)) if is_section => {
                let mark = section.value.mark.clone();
                let value = Node {
                    mark: mark.clone(),
                    content: Content::Scalar(crate::settings::scalar::Scalar {
                        text: String::new(),
                        style: crate::settings::scalar::Style::Plain,
                    }),
                };
                single = [Entry { key: lone.to_owned(), key_mark: mark, value }];
                &single
            }
            _ if is_section => {
                let problem = self.source.problem(
                    table::INVENTORY_SYNTAX,
                    &section.key_mark,
                    format!("`{}` of a group must be a mapping, and Ansible would refuse this", section.key),
                );
                self.problems.push(problem.helped("write `name:` in each line, without a dash before it"));
                return;
            }
            _ => &[],
        };
        match section.key.as_str() {
            "vars" => entries.iter().for_each(|entry| self.set(name, entry)),
            "children" => entries.iter().for_each(|entry| self.child(group, entry)),
            "hosts" => entries.iter().for_each(|entry| self.host(group, entry)),
            other => {
                let other = shown(other);
                self.warn(
                    &section.key_mark,
                    format!("a group has `hosts`, `children` and `vars`: Ansible skips `{other}`"),
                );
            }
        }
    }

    fn set(&mut self, owner: &str, entry: &Entry) {
        let variable =
            Variable { source: self.source.clone(), mark: entry.key_mark.clone(), node: entry.value.clone() };
        if let Err(problem) = self.model.set(owner, &entry.key, variable) {
            self.problems.push(*problem);
        }
    }

    fn child(&mut self, parent: usize, entry: &Entry) {
        let child = self.group(entry).or_else(|| self.model.find_group(&entry.key));
        match child {
            Some(child) => {
                if let Err(why) = self.model.add_child(parent, child) {
                    self.problems.push(self.source.problem(table::GROUP_CYCLE, &entry.key_mark, why));
                }
            }
            None if self.is_full => {}
            None => {
                let name = shown(&entry.key);
                self.fail(&entry.key_mark, format!("`{name}` is no group, and Ansible would refuse this"));
            }
        }
    }

    fn host(&mut self, group: usize, entry: &Entry) {
        if !self.has_room(&entry.key_mark) {
            return;
        }
        let (names, port) = match pattern::hosts(&entry.key) {
            Ok(found) => found,
            Err(why) => return self.fail(&entry.key_mark, why),
        };
        if names.iter().any(String::is_empty) {
            return self.fail(&entry.key_mark, "the host's name is empty".to_owned());
        }
        if names.is_empty() {
            self.warn(&entry.key_mark, "this range runs backwards and makes no host".to_owned());
        }
        let variables: &[Entry] = match &entry.value.content {
            Content::Map(map) => &map.entries,
            _ if is_nothing(&entry.value) => &[],
            _ => {
                let why = "a host's variables must be a mapping, and Ansible would refuse this";
                return self.fail(&entry.key_mark, why.to_owned());
            }
        };
        for name in &names {
            self.model.host(name, group, port, self.source, &entry.key_mark);
            variables.iter().for_each(|variable| self.set(name, variable));
        }
    }
}
