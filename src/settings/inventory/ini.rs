//! Ansible's inventory in INI: sections of hosts, children and variables
//! (<https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html>; the rules are those of
//! ansible-core's `lib/ansible/plugins/inventory/ini.py`).
//!
//! Pure: text -> model, and every problem with its line.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Variable;
use super::line::{self, Section, Word};
use super::model::{ALL, Model, UNGROUPED};
use super::{literal, pattern};
use crate::settings::checks::table;
use crate::settings::source::{Mark, Source};
use crate::settings::suggest;
use crate::settings::values::shown;
use crate::vocab::Problem;

/// Content lines of an inventory; the largest real ones have a thousand.
const MAX_LINES: usize = 20_000;

/// Reads the text of an inventory.
///
/// Errors: lines that are none of Ansible's, ranges that cannot be, children that no section defines, groups that
/// hold themselves, more than any fleet has. What can be read comes back beside them.
pub fn parse(source: &Source) -> (Model, Vec<Problem>) {
    let mut reader = Reader::default();
    for (read, line) in lines(source).enumerate() {
        reader.line(&line);
        let too_large = reader.model.is_too_large();
        let too_long =
            (read >= MAX_LINES).then(|| format!("the inventory holds more than {MAX_LINES} lines"));
        if let Some(why) = too_large.or(too_long) {
            let why = format!("{why}; from here on it is not read");
            reader.problems.push(source.problem(table::TOO_LARGE, &line.whole(), why));
            break;
        }
    }
    reader.check_names(source);
    (reader.model, reader.problems)
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

    fn error(&self, why: impl Into<String>) -> Problem {
        self.source.problem(table::INVENTORY_SYNTAX, &self.whole(), why)
    }
}

/// Lines end where Python's `splitlines` ends them; their numbers count line feeds, as editors do.
fn lines(source: &Source) -> impl Iterator<Item = Line<'_>> {
    const ENDS: &[char] = &['\r', '\x0b', '\x0c', '\x1c', '\x1d', '\x1e', '\u{85}', '\u{2028}', '\u{2029}'];
    let mut start = 0;
    let lines = (1u32..).zip(source.text.split_inclusive('\n')).flat_map(move |(number, line)| {
        let mut column = 0u32;
        let pieces: Vec<Line<'_>> = line
            .split_inclusive(ENDS)
            .map(|piece| {
                let text = piece.trim_start();
                let indent = piece.get(..piece.len() - text.len()).map_or(0, |space| space.chars().count());
                let indent = column.saturating_add(u32::try_from(indent).unwrap_or(u32::MAX / 2));
                let line = Line {
                    source,
                    text: text.trim_end(),
                    number,
                    indent: indent.min(u32::MAX / 2),
                    start: start + piece.len() - text.len(),
                };
                start += piece.len();
                column = column.saturating_add(u32::try_from(piece.chars().count()).unwrap_or(u32::MAX / 2));
                line
            })
            .collect();
        pieces
    });
    lines.filter(|line| !line.text.is_empty() && !line.text.starts_with(['#', ';']))
}

/// A group that is used before, or without, a section that makes it.
struct Pending {
    mark: Mark,
    /// The groups that name it as their child; none where only its variables are given.
    parents: Vec<(usize, Mark)>,
}

#[derive(Default)]
struct Reader {
    section: Section,
    model: Model,
    pending: BTreeMap<String, Pending>,
    problems: Vec<Problem>,
}

impl Reader {
    fn line(&mut self, line: &Line<'_>) {
        match line::section(line.text) {
            Some(Ok(section)) => return self.enter(section, line),
            Some(Err(why)) => return self.problems.push(line.error(why)),
            None => {}
        }
        match self.section.clone() {
            Section::Hosts(group) => match line::words(line.text) {
                Ok(words) => self.host_line(line, &group, &words),
                Err(why) => self.problems.push(line.error(why)),
            },
            Section::Children(group) => match line::child(line.text) {
                Some(child) => self.child_line(line, &group, child),
                None => {
                    self.problems.push(line.error("a line of `:children` names one group, and this is more"));
                }
            },
            Section::Vars(group) => match line::assignment(line.text) {
                Some((name, value)) => {
                    let mark = line.whole();
                    let node = literal::read(value, &mark);
                    let variable = Variable { source: line.source.clone(), mark, node };
                    self.set(&group, name, variable);
                }
                None => {
                    let why = "a variable of a group is written `name=value`, and this is not";
                    self.problems.push(line.error(why));
                }
            },
        }
    }

    fn set(&mut self, owner: &str, name: &str, variable: Variable) {
        if let Err(problem) = self.model.set(owner, name, variable) {
            self.problems.push(*problem);
        }
    }

    /// `[x]` and `[x:children]` make a group; `[x:vars]` wants one that is made elsewhere.
    fn enter(&mut self, section: Section, line: &Line<'_>) {
        let (Section::Hosts(name) | Section::Children(name) | Section::Vars(name)) = &section;
        let is_new = self.model.find_group(name).is_none();
        let group = self.model.group(name);
        if matches!(section, Section::Vars(_)) {
            if is_new && !self.pending.contains_key(name) {
                let pending = Pending { mark: line.whole(), parents: Vec::new() };
                self.pending.insert(name.clone(), pending);
            }
        } else if let Some(pending) = self.pending.remove(name) {
            for (parent, mark) in pending.parents {
                self.add_child(line.source, parent, group, &mark);
            }
        }
        self.section = section;
    }

    fn add_child(&mut self, source: &Source, parent: usize, child: usize, mark: &Mark) {
        if let Err(why) = self.model.add_child(parent, child) {
            let problem = source.problem(table::GROUP_CYCLE, mark, why);
            self.problems.push(problem.labelled("this group already holds it"));
        }
    }

    fn child_line(&mut self, line: &Line<'_>, group: &str, child: &str) {
        let mark = line.mark(0..child.len());
        let parent = self.model.group(group);
        match self.model.find_group(child) {
            Some(child) => self.add_child(line.source, parent, child, &mark),
            None => {
                let pending = self.pending.entry(child.to_owned());
                let pending = pending.or_insert_with(|| Pending { mark: mark.clone(), parents: Vec::new() });
                pending.parents.push((parent, mark));
            }
        }
    }

    fn host_line(&mut self, line: &Line<'_>, group: &str, words: &[Word]) {
        let Some((host, assignments)) = words.split_first() else { return };
        let mark = line.word(host);
        let (names, port) = match pattern::hosts(&host.text) {
            Ok(found) => found,
            Err(why) => return self.problems.push(line.source.problem(table::INVENTORY_SYNTAX, &mark, why)),
        };
        if host.text.trim().ends_with(':') && port.is_none() {
            let why = format!("`{}` ends with `:`, and the port behind it is missing", shown(&host.text));
            return self.problems.push(line.source.problem(table::INVENTORY_SYNTAX, &mark, why));
        }
        if names.iter().any(|name| name.trim() == "---") {
            let why = "`---` begins a document of YAML, and this is an inventory in INI";
            return self.problems.push(line.error(why).helped("name the file inventory.yml"));
        }
        if names.is_empty() {
            self.problems.push(line.source.problem(
                table::SKIPPED_ENTRY,
                &mark,
                "this range runs backwards and makes no host",
            ));
        }
        if names.iter().any(String::is_empty) {
            return self.problems.push(line.source.problem(
                table::INVENTORY_SYNTAX,
                &mark,
                "the host's name is empty",
            ));
        }
        let group = self.model.group(group);
        for name in &names {
            self.model.host(name, group, port, line.source, &mark);
        }
        for word in assignments {
            let mark = line.word(word);
            let Some((key, value)) = word.text.split_once('=') else {
                let why = format!("`{}` is not `name=value`", shown(&word.text));
                let problem = line.source.problem(table::INVENTORY_SYNTAX, &mark, why);
                self.problems.push(
                    problem.helped("one host a line, its variables behind it; quote values with spaces"),
                );
                continue;
            };
            let node = literal::read(value, &mark);
            let variable = Variable { source: line.source.clone(), mark, node };
            for name in &names {
                self.set(name, key, variable.clone());
            }
        }
    }

    fn check_names(&mut self, source: &Source) {
        let undefined = |name: &str| self.pending.contains_key(name) || [ALL, UNGROUPED].contains(&name);
        let known = || {
            let names = self.model.groups.iter().map(|group| group.name.as_str());
            names.filter(|name| !undefined(name))
        };
        let complain = |(name, pending): (&String, &Pending)| {
            let message =
                format!("there is no group `{}`, and Ansible would refuse the inventory", shown(name));
            let problem = source
                .problem(table::UNKNOWN_GROUP, &pending.mark, message)
                .labelled("no section defines it");
            match suggest::nearest(name, known()) {
                Some(near) => problem.helped(format!("did you mean {near}?")),
                None => problem.helped(format!("add a section [{}], which may be empty", shown(name))),
            }
        };
        let problems: Vec<Problem> = self.pending.iter().map(complain).collect();
        self.problems.extend(problems);
    }
}
