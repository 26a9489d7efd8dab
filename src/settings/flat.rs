//! The flat keys with their effective values: what `public.yml` says, else the inventory, else the default.
//!
//! commcare-cloud hands `public.yml` to Ansible as extra variables, which outweigh the inventory's.

use std::collections::BTreeMap;

use super::checks::table;
use super::inventory::Variable;
use super::keys::{Fallback, KEYS, Key, Kind, Part, RETIRED};
use super::scalar::{Scalar, Style};
use super::source::{Mark, Source};
use super::suggest;
use super::template::{self, Variables};
use super::tree::{Content, Entry, Map, Node};
use super::values::{self, shown};
use super::{Effective, Inventory, InventoryHost, Origin};
use crate::vocab::{Check, HostName, Problem, Value};

/// How many keys are compared with ours; real files have a few hundred.
const MAX_JUDGED: usize = 5_000;

/// Every key of the table, by name.
#[derive(Debug, Default)]
pub struct Flat {
    values: BTreeMap<&'static str, One>,
}

#[derive(Clone, Debug)]
struct One {
    value: Value,
    /// Where it is written, for problems and reasons.
    at: Option<At>,
}

/// Where a value is written: the file, the key, the value.
#[derive(Clone, Debug)]
pub struct At {
    pub source: Source,
    pub key: Mark,
    pub value: Mark,
}

impl Flat {
    pub fn get(&self, name: &str) -> &Value {
        self.values.get(name).map_or(&Value::Null, |one| &one.value)
    }

    pub fn at(&self, name: &str) -> Option<&At> {
        self.values.get(name)?.at.as_ref()
    }

    pub fn is(&self, name: &str) -> bool {
        self.get(name) == &Value::Bool(true)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).as_text()
    }

    /// A text as one of the checked names; what does not parse was refused when it was read.
    pub fn parsed<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    pub fn count(&self, name: &str) -> Option<u32> {
        u32::try_from(self.get(name).as_number()?).ok()
    }

    /// Whether any key of a datastore is written.
    pub fn names_a_datastore(&self) -> bool {
        let is_written = |key: &Key| self.at(key.name).is_some();
        KEYS.iter().any(|key| key.part != Part::Common && is_written(key))
    }

    pub fn effective(&self) -> BTreeMap<&'static str, Effective> {
        let one = |one: &One| Effective {
            value: one.value.clone(),
            from: one.at.as_ref().map_or(Origin::Default, |at| Origin::Written(at.source.place(&at.value))),
        };
        self.values.iter().map(|(name, value)| (*name, one(value))).collect()
    }
}

/// What the flat keys are read from.
pub struct Inputs<'a> {
    pub source: &'a Source,
    pub public: &'a Map,
    pub inventory: &'a Inventory,
    pub variables: &'a Variables<'a>,
    /// The environment's name, for defaults.
    pub environment: &'a str,
}

/// Every key of the table with its value, and everything wrong with what is written.
pub fn read(inputs: &Inputs<'_>) -> (Flat, Vec<Problem>) {
    let mut problems = strangers(inputs.source, inputs.public);
    let mut flat = Flat::default();
    for key in KEYS {
        let one = written(inputs, key, &mut problems)
            .filter(|one| !one.value.is_null())
            .unwrap_or_else(|| One { value: default(key, &flat, inputs.environment), at: None });
        flat.values.insert(key.name, one);
    }
    (flat, problems)
}

fn default(key: &Key, flat: &Flat, environment: &str) -> Value {
    match key.default {
        Fallback::Unset => Value::Null,
        Fallback::Bool(value) => Value::Bool(value),
        Fallback::Number(value) => Value::Number(value),
        Fallback::Text(text) => {
            let root = flat.text("encrypted_root").unwrap_or("/opt/data");
            let version = flat.text("elasticsearch_version").unwrap_or_default();
            Value::text(text.replace("ENV", environment).replace("ROOT", root).replace("VERSION", version))
        }
    }
}

/// The value from `public.yml`, under its name or the spelling that the roles read; else from the inventory.
fn written(inputs: &Inputs<'_>, key: &Key, problems: &mut Vec<Problem>) -> Option<One> {
    let own = inputs.public.get(key.name);
    let other = key.also.iter().find_map(|name| inputs.public.get(name));
    if let Some(other) = other {
        let warning = inputs
            .source
            .problem(table::OLD_SPELLING, &other.key_mark, "this is an old spelling")
            .at_key(&other.key);
        problems.push(match own {
            Some(_) => warning.labelled(format!("{} is read instead", key.name)).helped("remove it"),
            None => warning.labelled(format!("the name is {}", key.name)),
        });
    }
    match own.or(other) {
        Some(entry) => from_public(inputs, key, entry, problems),
        None => from_inventory(inputs, key, problems),
    }
}

fn from_public(inputs: &Inputs<'_>, key: &Key, entry: &Entry, problems: &mut Vec<Problem>) -> Option<One> {
    let source = inputs.source.clone();
    let at = At { source, key: entry.key_mark.clone(), value: entry.value.mark.clone() };
    from_node(inputs, key, &entry.value, at, problems)
}

fn from_node(
    inputs: &Inputs<'_>,
    key: &Key,
    node: &Node,
    at: At,
    problems: &mut Vec<Problem>,
) -> Option<One> {
    match &node.content {
        Content::Scalar(scalar) => value(inputs, key, scalar, at, problems),
        Content::Vaulted(_) => {
            problems.push(
                at.source
                    .problem(
                        table::ENCRYPTED_SETTING,
                        &at.key,
                        "this setting is encrypted, and plans show every setting",
                    )
                    .helped("write it in plain; only passwords and keys belong into the vault")
                    .at_key(key.name),
            );
            None
        }
        Content::List(_) | Content::Map(_) => {
            problems.push(
                at.source
                    .problem(
                        table::WRONG_TYPE,
                        &at.key,
                        "a single value is needed here, and this is a collection",
                    )
                    .labelled("must be one value")
                    .helped(key.meaning)
                    .at_key(key.name),
            );
            None
        }
    }
}

fn value(
    inputs: &Inputs<'_>,
    key: &Key,
    scalar: &Scalar,
    at: At,
    problems: &mut Vec<Problem>,
) -> Option<One> {
    let rendered = if scalar.is_template() {
        match evaluated(inputs, key, &scalar.text) {
            Ok(text) => Some(Scalar { text, style: Style::Quoted }),
            Err(why) => {
                problems.push(
                    at.source
                        .problem(table::BAD_TEMPLATE, &at.value, format!("this template has no value: {why}"))
                        .helped("use variables of public.yml, or write the value out")
                        .at_key(key.name),
                );
                return None;
            }
        }
    } else {
        None
    };
    match values::read(key, rendered.as_ref().unwrap_or(scalar)) {
        Ok(value) => {
            problems.extend(
                values::doubt(scalar).filter(|_| rendered.is_none()).map(|doubt| told(&at, key, doubt)),
            );
            Some(One { value, at: Some(at) })
        }
        Err(mistake) => {
            problems.push(told(&at, key, mistake));
            None
        }
    }
}

/// A template's text on the hosts of the key's datastore, which must all come to the same.
fn evaluated(inputs: &Inputs<'_>, key: &Key, text: &str) -> Result<String, String> {
    let (_, hosts) = hosts(inputs, key.part);
    let Some((first, others)) = hosts.split_first() else {
        return template::render(text, inputs.variables);
    };
    let (rendered, asked) = template::render_on(text, inputs.variables, Some(&first.scope))?;
    let differs = |name: &&String| others.iter().any(|other| !first.scope.agrees(&other.scope, name));
    match asked.iter().find(differs) {
        Some(name) => {
            Err(format!("`{name}` is not the same on every host, and one setting holds for all of them"))
        }
        None => Ok(rendered),
    }
}

/// The hosts that a part's settings hold for, and what to call them: for those that are common to all, every host
/// that backs something up.
fn hosts<'a>(inputs: &Inputs<'a>, part: Part) -> (String, Vec<&'a InventoryHost>) {
    let inventory = inputs.inventory;
    let known = |name: &HostName| inventory.hosts.get(name);
    match part.group() {
        Some(group) => {
            (format!("hosts of [{group}]"), inventory.hosts_of(group).iter().filter_map(known).collect())
        }
        None => {
            let backing_up: Vec<_> = inventory.hosts.values().filter(|host| host.backs_up).collect();
            match backing_up.is_empty() {
                true => ("hosts".to_owned(), inventory.hosts_of("all").iter().filter_map(known).collect()),
                false => ("hosts that back something up".to_owned(), backing_up),
            }
        }
    }
}

/// A mistake with its place.
fn told(at: &At, key: &Key, mistake: values::Mistake) -> Problem {
    let mut problem = at.source.problem(mistake.check, &at.value, mistake.message).at_key(key.name);
    problem.label = mistake.label;
    problem.help = mistake.help;
    if mistake.is_secret {
        problem.span = None;
    }
    problem
}

/// A value that the inventory gives to the hosts of the key's datastore; they must agree, since one setting holds
/// for all of them.
fn from_inventory(inputs: &Inputs<'_>, key: &Key, problems: &mut Vec<Problem>) -> Option<One> {
    // The environment's name is not the inventory's to give.
    if key.kind == Kind::Environment {
        return None;
    }
    let (whom, hosts) = hosts(inputs, key.part);
    let given: Vec<Option<&Variable>> = hosts.iter().map(|host| of_host(host, key)).collect();
    let first = given.iter().flatten().next()?;
    let at = At { source: first.source.clone(), key: first.mark.clone(), value: first.mark.clone() };
    let agrees = |other: &Variable| std::ptr::eq(other, *first) || other.value() == first.value();
    if !given.iter().all(|other| other.is_some_and(agrees)) {
        problems.push(
            at.source
                .problem(
                    table::HOSTS_DIFFER,
                    &at.key,
                    format!("{whom} differ in this setting, so it is not used"),
                )
                .helped(format!("set {} in public.yml, for all of them", key.name))
                .at_key(key.name),
        );
        return None;
    }
    // Where the value stands by itself, that is its place.
    let at = if first.node.mark == first.mark { at } else { At { value: first.node.mark.clone(), ..at } };
    from_node(inputs, key, &first.node, at, problems)
}

/// What a host has under a key's name, or the spelling that the roles read.
fn of_host<'a>(host: &'a InventoryHost, key: &Key) -> Option<&'a Variable> {
    std::iter::once(&key.name).chain(key.also).find_map(|name| host.scope.get(name))
}

/// Keys that look like ours and that nothing reads: an operator thinks that they hold.
fn strangers(source: &Source, public: &Map) -> Vec<Problem> {
    let known =
        |name: &str| name == "backups" || KEYS.iter().any(|key| key.name == name || key.also.contains(&name));
    let unread = |check: Check, entry: &Entry| {
        source.problem(check, &entry.key_mark, "nothing reads this key").at_key(shown(&entry.key))
    };
    let problem = |entry: &Entry| {
        let name = entry.key.as_str();
        if known(name) {
            return None;
        }
        if let Some((_, instead)) = RETIRED.iter().find(|(retired, _)| *retired == name) {
            return Some(unread(table::UNREAD_KEY, entry).helped(*instead));
        }
        let documented = KEYS.iter().find(|key| key.never.contains(&name)).map(|key| key.name);
        let (check, meant) = match documented {
            Some(meant) => (table::UNREAD_KEY, meant),
            None => {
                let names = KEYS.iter().map(|key| key.name).chain(["backups"]);
                (table::NEAR_MISS, suggest::nearest(name, names)?)
            }
        };
        Some(unread(check, entry).labelled(format!("did you mean {meant}?")))
    };
    public.entries.iter().take(MAX_JUDGED).filter_map(problem).collect()
}
