//! Ansible's inventory: hosts and groups of `inventory.ini` or `inventory.yml`, and the variables that it,
//! `group_vars/` and `host_vars/` give them
//! (<https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html>).
//!
//! Place on the data's path: files -> [`Read`], before the settings that hosts' variables may hold. Runs nothing:
//! an inventory that is a program or names a plugin is not read. Must never put a variable that no backup uses into
//! an output: inventories hold passwords.
//!
//! Precedence, the weakest first, as Ansible has it
//! (<https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_variables.html#variable-precedence-where-should-i-put-a-variable>):
//! the inventory's variables of `all`, then of other groups by depth, `ansible_group_priority` and name;
//! `group_vars/all`; `group_vars/*` in the same order; the host's variables of the inventory; `host_vars/*`.

mod beside;
mod connection;
mod ini;
mod line;
mod literal;
mod model;
mod opener;
mod pattern;
mod scope;
mod yaml;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::checks::table;
use super::files::Sources;
use super::keys::Part;
use super::scalar::Meaning;
use super::source::Source;
use super::tree::{self, Content, Node};
use super::values::shown;
use super::{Inventory, InventoryHost};
use crate::vocab::{HostName, Problem, Value};
use beside::Beside;
use model::{ALL, Model};
use opener::{Opener, Text};

pub use connection::{connect, read_from};
pub use scope::{Scope, Variable};

/// The names of an inventory, the one that is read first.
const NAMES: [&str; 3] = ["inventory.ini", "inventory.yml", "inventory.yaml"];

/// What the files say.
#[derive(Default)]
pub struct Read {
    pub inventory: Inventory,
    /// Whether there is an inventory at all.
    pub is_there: bool,
    /// The files that were read, those apart that were encrypted: for carets.
    pub sources: Vec<Source>,
}

/// Reads the inventory of an environment with everything beside it.
///
/// Errors: files that cannot be read, and whatever Ansible would refuse. What Ansible skips, and hosts with names that
/// cannot be used and that back nothing up, are warnings.
pub fn read(sources: &Sources, problems: &mut Vec<Problem>) -> Read {
    let mut found = Read::default();
    let Some(path) = choose(sources, problems) else { return found };
    found.is_there = true;
    let opener = Opener::new(sources);
    let mut model = match opener.inventory(&path) {
        Ok(Text::Plain(source)) => {
            found.sources.push(source.clone());
            parse(&source, problems)
        }
        Ok(Text::Opened(source)) => {
            let mut faults = Vec::new();
            let model = parse(&source, &mut faults);
            problems.extend(faults.into_iter().map(opener::anonymous));
            model
        }
        Ok(Text::Closed(name)) => {
            let message = "the inventory is encrypted and stays closed, so no host is known";
            problems.push(opener::closed(&name, message));
            Model::default()
        }
        Ok(Text::Absent) => return found,
        Err(problem) => {
            problems.push(*problem);
            return found;
        }
    };
    let resolved = match model.resolve() {
        Ok(resolved) => resolved,
        Err(why) => {
            problems.push(Problem::of_file(table::TOO_LARGE, &path.display().to_string(), why));
            return found;
        }
    };
    let mut beside = Beside::new(sources, opener, problems);
    found.inventory = joined(&mut model, &resolved, &mut beside);
    found.sources.append(&mut beside.sources);
    found
}

/// The file that is read: with one `-i`, Ansible reads one.
fn choose(sources: &Sources, problems: &mut Vec<Problem>) -> Option<PathBuf> {
    let paths = NAMES.iter().filter_map(|name| sources.beside(name));
    // A broken link is there as well, and worth a word.
    let mut there = paths.filter(|path| path.symlink_metadata().is_ok());
    let chosen = there.next()?;
    for other in there {
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let message = format!("this inventory is not read, since {} is there as well", name(&chosen));
        let problem = Problem::of_file(table::UNREAD_FILE, &other.display().to_string(), message);
        problems.push(problem.helped("one inventory is read: join the two, and remove one"));
    }
    Some(chosen)
}

/// By the file's ending, as Ansible chooses its plugin; what is no inventory in YAML may still be one in INI.
fn parse(source: &Source, problems: &mut Vec<Problem>) -> Model {
    let is_ini = std::path::Path::new(&*source.name).extension().is_some_and(|ending| ending == "ini");
    let add = |(model, faults): (Model, Vec<Problem>), problems: &mut Vec<Problem>| {
        problems.extend(faults);
        model
    };
    if is_ini {
        return add(ini::parse(source), problems);
    }
    let parsed = tree::parse_vars(source);
    if !parsed.complete {
        let (model, faults) = ini::parse(source);
        if !faults.iter().any(Problem::is_error) {
            return add((model, faults), problems);
        }
    }
    if let Some(plugin) = yaml::plugin(&parsed.map) {
        let message = "a dynamic inventory is not asked for its hosts, so no host is known";
        let problem = source.problem(table::UNREAD_FILE, &plugin.key_mark, message);
        problems.push(
            problem.helped("write its answer beside it: ansible-inventory --list --yaml > inventory.yml"),
        );
        return Model::default();
    }
    problems.extend(parsed.problems);
    add(yaml::parse(source, &parsed.map), problems)
}

/// Groups and hosts under names that can be used, each host with its variables.
fn joined(model: &mut Model, resolved: &model::Resolved, beside: &mut Beside<'_>) -> Inventory {
    let backs_up = backs_up(model, resolved);
    let names: Vec<Option<HostName>> = (model.hosts.iter().zip(&backs_up))
        .map(|(host, backs_up)| match host.name.parse() {
            Ok(name) => Some(name),
            Err(why) => {
                let message = format!("`{}` is no host: {why}", shown(&host.name));
                beside.problems.push(match backs_up {
                    true => host.source.problem(table::BAD_NAME, &host.mark, message),
                    false => host.source.problem(
                        table::UNUSABLE_HOST,
                        &host.mark,
                        format!("{message}; it is left out"),
                    ),
                });
                None
            }
        })
        .collect();
    let mut inventory = Inventory::default();
    for (group, members) in model.groups.iter().zip(&resolved.members) {
        let members = members.iter().filter_map(|host| names.get(*host).cloned().flatten());
        inventory.groups.insert(group.name.clone(), members.collect());
    }
    let with_backups = |members: &[usize]| members.iter().any(|host| backs_up.get(*host) == Some(&true));
    let written: Vec<Arc<scope::Layer>> =
        model.groups.iter_mut().map(|group| Arc::new(std::mem::take(&mut group.variables))).collect();
    let files: Vec<Arc<scope::Layer>> = (model.groups.iter().zip(&resolved.members))
        .map(|(group, members)| match members.is_empty() {
            true => Arc::default(),
            false => Arc::new(beside.group(&group.name, with_backups(members))),
        })
        .collect();
    let hosts = model.hosts.iter_mut().zip(names).zip(&resolved.groups_of).zip(&backs_up);
    for (((host, name), groups), backs_up) in hosts {
        let Some(name) = name else { continue };
        let group_name = |group: &usize| model.groups.get(*group).map(|group| group.name.clone());
        let mut group_names: Vec<String> = groups.iter().filter_map(group_name).collect();
        group_names.retain(|name| name != ALL);
        group_names.sort_unstable();
        let mut scope = Scope::new(&host.name, group_names);
        // `all` is the first of every host's groups: nothing else is at depth zero.
        for layers in [&written, &files] {
            groups.iter().filter_map(|group| layers.get(*group)).for_each(|layer| scope.cover(layer));
        }
        let place = host.place();
        scope.cover(&Arc::new(std::mem::take(&mut host.variables)));
        scope.cover(&Arc::new(beside.host(&host.name, *backs_up)));
        let host = InventoryHost { place: Some(place), backs_up: *backs_up, scope, ..Default::default() };
        inventory.hosts.insert(name, host);
    }
    inventory
}

/// For each host, whether a datastore's backups run on it.
fn backs_up(model: &Model, resolved: &model::Resolved) -> Vec<bool> {
    let mut backs_up = vec![false; model.hosts.len()];
    let skipped = Inventory::LEFT_OUT.iter().filter_map(|group| model.find_group(group));
    let skipped = skipped.map(|group| (group, false));
    let groups = Part::ALL.iter().filter_map(|part| model.find_group(part.group()?));
    for (group, whether) in groups.map(|group| (group, true)).chain(skipped) {
        for host in resolved.members.get(group).into_iter().flatten() {
            backs_up.iter_mut().skip(*host).take(1).for_each(|backs_up| *backs_up = whether);
        }
    }
    backs_up
}

/// What a variable holds, in the shape that is compared; nothing of what is encrypted.
pub fn value(node: &Node) -> Value {
    match &node.content {
        Content::Scalar(scalar) => match scalar.meaning() {
            Meaning::Null => Value::Null,
            Meaning::Bool(value) => Value::Bool(value),
            Meaning::Int(value) | Meaning::Sexagesimal(value) => Value::Number(value),
            Meaning::Float(value) => serde_json::Number::from_f64(value)
                .map_or_else(|| Value::text(&scalar.text), |number| Value::text(number.to_string())),
            Meaning::Text(text) => Value::text(text),
        },
        Content::List(items) => Value::List(items.iter().map(value).collect()),
        Content::Map(map) => {
            let members = map.entries.iter().map(|entry| (entry.key.clone(), value(&entry.value)));
            Value::Map(members.collect::<BTreeMap<_, _>>())
        }
        Content::Vaulted(envelope) => Value::Secret(crate::vocab::Secret::new(envelope.as_str()).digest()),
    }
}

/// Inventories hold passwords more often than they should; a line that seems to is named, and not quoted.
pub fn veil(source: &Source, problem: &mut Problem) {
    let Some(span) = &problem.span else { return };
    let before = source.text.get(..span.start).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = source.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let line = line.to_ascii_lowercase();
    if ["pass", "pwd", "secret", "token", "credential", "access_key"].iter().any(|word| line.contains(word)) {
        opener::veil(problem);
    }
}

#[cfg(test)]
mod tests;
