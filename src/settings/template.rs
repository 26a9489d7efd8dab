//! `{{ }}` in settings: evaluated only where a backup key uses it, from the environment's own variables.
//!
//! Must never read a file, call out, or run long: no loader, a fuel limit, a size limit on every value (ten
//! variables that each double the one before would fill any memory), and no `{% %}`.

mod arithmetic;

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};

use super::inventory::Scope;
use super::scalar::Meaning;
use super::tree::{Content, Map, Node};

/// Steps of the template machine per evaluation.
const FUEL: u64 = 20_000;
/// Bytes of an evaluated text.
const MAX_TEXT: usize = 4096;
/// Texts that one text may need: variables of variables.
const MAX_RENDERS: usize = 500;
/// How deep variables may use each other.
const MAX_DEPTH: usize = 32;

/// The variables that templates may use.
pub struct Variables<'a> {
    /// The top of `public.yml`, then what stands behind it: `meta.yml`, defaults.
    pub layers: Vec<&'a Map>,
    /// Defaults of the table and the like, as texts that may be templates themselves.
    pub texts: BTreeMap<String, String>,
    /// `groups`: the inventory's hosts by group.
    pub groups: BTreeMap<String, Vec<String>>,
}

/// Evaluates a text. The error says why it cannot be done, in words for its writer.
pub fn render(text: &str, variables: &Variables<'_>) -> Result<String, String> {
    render_on(text, variables, None).map(|(text, _)| text)
}

/// Evaluates a text as Ansible would on a host, with the names of what it asked that host for: where another host
/// says the same to them, the text is the same there.
///
/// The environment's own variables outweigh the host's, and those the defaults.
pub fn render_on(
    text: &str,
    variables: &Variables<'_>,
    host: Option<&Scope>,
) -> Result<(String, BTreeSet<String>), String> {
    let mut machine =
        Machine { variables, host, asked: BTreeSet::new(), under_way: BTreeSet::new(), renders: 0 };
    machine.render(text).map(|text| (text, machine.asked))
}

struct Machine<'a> {
    variables: &'a Variables<'a>,
    host: Option<&'a Scope>,
    /// What the host was asked for, whether it has it or not.
    asked: BTreeSet<String>,
    /// Variables whose value is being evaluated: one of them again is a circle.
    under_way: BTreeSet<String>,
    /// How many texts were evaluated for the one that is asked for.
    renders: usize,
}

impl Machine<'_> {
    fn render(&mut self, text: &str) -> Result<String, String> {
        self.renders += 1;
        if self.renders > MAX_RENDERS || self.under_way.len() > MAX_DEPTH {
            return Err(format!(
                "more than {MAX_RENDERS} variables, or {MAX_DEPTH} within each other, are needed for it"
            ));
        }
        if text.contains("{%") {
            return Err("`{% %}` is not evaluated in backup settings, only `{{ }}` is".to_owned());
        }
        let mut machine = Environment::new();
        // Padding makes much of little, before any limit on the result could see it; so does multiplying texts.
        machine.remove_filter("indent");
        machine.remove_filter("center");
        machine.set_undefined_behavior(UndefinedBehavior::Strict);
        machine.set_fuel(Some(FUEL));
        let template = machine.template_from_str(text).map_err(|error| explain(&error))?;
        let mut context = BTreeMap::new();
        let mut names: Vec<String> = template.undeclared_variables(false).into_iter().collect();
        names.sort();
        for name in names {
            if let Some(value) = self.variable(&name)? {
                context.insert(name, value);
            }
        }
        arithmetic::check(text, |name| {
            let number = machine.compile_expression(name).and_then(|expression| expression.eval(&context));
            number.is_ok_and(|value| value.is_number())
        })?;
        let is_missing =
            |name: &String| !context.contains_key(name) && machine.globals().all(|(g, _)| g != name);
        let mut absent: Vec<String> = template.undeclared_variables(false).into_iter().collect();
        absent.retain(is_missing);
        absent.sort();
        let rendered = template.render(Value::from(context)).map_err(|error| match error.kind() {
            ErrorKind::UndefinedError if !absent.is_empty() => {
                format!("`{}` is not defined in this environment", absent.join("`, `"))
            }
            _ => explain(&error),
        })?;
        if rendered.len() > MAX_TEXT {
            return Err(format!("the text would be longer than {MAX_TEXT} bytes"));
        }
        Ok(rendered)
    }

    /// The value of a variable, its own templates evaluated.
    fn variable(&mut self, name: &str) -> Result<Option<Value>, String> {
        if name == "groups" {
            return Ok(Some(Value::from(self.variables.groups.clone())));
        }
        if let Some(host) = self.host
            && let Some(value) = magic(host, name)
        {
            self.asked.insert(name.to_owned());
            return Ok(Some(value));
        }
        if !self.under_way.insert(name.to_owned()) {
            return Err(format!("`{name}` is defined by itself"));
        }
        let variables = self.variables;
        let own = variables.layers.iter().find_map(|layer| layer.get(name)).map(|entry| &entry.value);
        if own.is_none() && self.host.is_some() {
            self.asked.insert(name.to_owned());
        }
        let of_host = || self.host?.get(name).map(|variable| &variable.node);
        let value = match (own.or_else(of_host), variables.texts.get(name)) {
            (Some(node), _) => Some(self.value(node, true)?),
            (None, Some(text)) => Some(Value::from(self.render(text)?)),
            (None, None) => None,
        };
        self.under_way.remove(name);
        Ok(value)
    }

    /// `strict` is the variable itself; in a collection a member that cannot be evaluated is only undefined, since
    /// the template may want another.
    fn value(&mut self, node: &Node, strict: bool) -> Result<Value, String> {
        Ok(match &node.content {
            Content::Scalar(scalar) if scalar.is_template() => match self.render(&scalar.text) {
                Ok(text) => Value::from(text),
                Err(why) if strict => return Err(why),
                Err(_) => Value::UNDEFINED,
            },
            Content::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => Value::from(()),
                Meaning::Bool(value) => Value::from(value),
                Meaning::Int(value) | Meaning::Sexagesimal(value) => Value::from(value),
                Meaning::Float(value) => Value::from(value),
                Meaning::Text(text) => Value::from(text),
            },
            Content::List(items) => {
                Value::from(items.iter().map(|item| self.value(item, false)).collect::<Result<Vec<_>, _>>()?)
            }
            Content::Map(map) => {
                let members = map
                    .entries
                    .iter()
                    .map(|entry| self.value(&entry.value, false).map(|value| (entry.key.clone(), value)));
                Value::from(members.collect::<Result<BTreeMap<_, _>, _>>()?)
            }
            Content::Vaulted(_) => Value::UNDEFINED,
        })
    }
}

/// What Ansible itself says of a host
/// (<https://docs.ansible.com/ansible/latest/reference_appendices/special_variables.html>).
fn magic(host: &Scope, name: &str) -> Option<Value> {
    match name {
        "inventory_hostname" => Some(Value::from(host.host.as_str())),
        "inventory_hostname_short" => {
            let is_address = host.host.parse::<std::net::IpAddr>().is_ok();
            let short = host.host.split('.').next().filter(|_| !is_address);
            Some(Value::from(short.unwrap_or(&host.host)))
        }
        "group_names" => Some(Value::from(host.groups.clone())),
        _ => None,
    }
}

fn explain(error: &minijinja::Error) -> String {
    match error.kind() {
        ErrorKind::UndefinedError => "it uses something that is not defined in this environment".to_owned(),
        ErrorKind::OutOfFuel => "it takes too many steps".to_owned(),
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::source::Source;
    use crate::settings::tree;

    fn evaluate(public: &str, text: &str) -> Result<String, String> {
        let tree::Parsed { map, problems, .. } = tree::parse(&Source::new("public.yml", public));
        assert!(problems.is_empty(), "{problems:?}");
        let variables = Variables {
            layers: vec![&map],
            texts: BTreeMap::from([("encrypted_root".to_owned(), "/opt/{{ disk }}".to_owned())]),
            groups: BTreeMap::from([("web".to_owned(), vec!["w1".to_owned(), "w2".to_owned()])]),
        };
        render(text, &variables)
    }

    #[test]
    fn variables_groups_and_filters_are_there() {
        let ok = |public, text| evaluate(public, text).expect("evaluated");
        assert_eq!(ok("a: 1\n", "x{{ a }}y"), "x1y");
        assert_eq!(ok("a: '{{ b.c }}'\nb: {c: '{{ d }}', e: '{{ nowhere }}'}\nd: 7\n", "{{ a }}"), "7");
        assert_eq!(ok("", "{{ groups.web.0 }} {{ groups['web'][1] }}"), "w1 w2");
        assert_eq!(ok("disk: ssd\n", "{{ encrypted_root }}/b"), "/opt/ssd/b");
        assert_eq!(ok("a: x\n", "{{ '_' ~ a if a != 'y' else '' }}{{ nowhere | default('z') }}"), "_xz");
        assert_eq!(ok("weeks: 2\nkeep: '{{ weeks * 7 }}'\n", "{{ keep | int * 24 + (5 - 1) // 2 }}"), "338");
        assert_eq!(ok("a: [3]\nb: {c: 4}\n", "{{ a[0] * b.c }}"), "12");
    }

    #[test]
    fn what_cannot_be_evaluated_says_why() {
        let why = |public: &str, text: &str| evaluate(public, text).expect_err("refused");
        assert_eq!(why("", "{{ nowhere }}"), "`nowhere` is not defined in this environment");
        assert_eq!(why("a: '{{ b }}'\nb: '{{ a }}'\n", "{{ a }}"), "`a` is defined by itself");
        assert!(why("", "{% include '/etc/passwd' %}").contains("only `{{ }}`"));
        assert!(why("", "{{ 'x' * 100000000 }}").contains("numbers alone are multiplied"));
        assert!(why("a: x\n", "{{ a * 100000000 }}").contains("`a` is multiplied and is no number"));
        assert!(why("a: 9\n", "{{ a * a ** 99 }}").contains("unable to calculate"));
        let long = format!("a: {}\n", "x".repeat(3000));
        assert!(why(&long, "{{ a ~ a }}").contains("longer than 4096"));
        let chain: String = (0..40).map(|n| format!("a{n}: '{{{{ a{} }}}}'\n", n + 1)).collect();
        assert!(why(&chain, "{{ a0 }}").contains("within each other"));
        let fan: String = (0..30)
            .map(|n| {
                format!(
                    "a{n}: \"{{{{ '' if a{m} else b{m} }}}}\"\nb{n}: \"{{{{ a{m} ~ b{m} }}}}\"\n",
                    m = n + 1
                )
            })
            .collect();
        assert!(why(&format!("{fan}a30: ''\nb30: ''\n"), "{{ a0 }}").contains("more than 500 variables"));
        assert!(why("", "{{ lookup('file', '/etc/passwd') }}").contains("lookup"));
        assert!(why("", "{{ 1 +").contains("syntax error"));
    }
}
