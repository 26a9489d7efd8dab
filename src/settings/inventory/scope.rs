//! The variables of a host: layers that hosts share, the strongest last.
//!
//! Nothing is copied per host: a hundred groups and a thousand hosts would make a hundred thousand of each variable.
//! Must never print a value: inventories hold passwords.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::value;
use crate::settings::scalar::{Scalar, Style};
use crate::settings::source::{Mark, Source};
use crate::settings::tree::{Content, Node};
use crate::vocab::Value;

/// Variables that one place gives: a group's, a host's, a file's.
pub type Layer = BTreeMap<String, Variable>;

/// A variable's value and where it stands.
#[derive(Clone)]
pub struct Variable {
    pub source: Source,
    /// The assignment, or the key.
    pub mark: Mark,
    pub node: Node,
}

impl Variable {
    /// A number that is not written as a variable: the port behind a host.
    pub fn number(source: &Source, mark: &Mark, number: u64) -> Self {
        let scalar = Scalar { text: number.to_string(), style: Style::Plain };
        let node = Node { mark: mark.clone(), content: Content::Scalar(scalar) };
        Variable { source: source.clone(), mark: mark.clone(), node }
    }

    pub fn value(&self) -> Value {
        value(&self.node)
    }
}

/// What is known of one host besides the environment's own variables.
#[derive(Clone, Default)]
pub struct Scope {
    pub host: String,
    /// Its groups but `all`, by name: Ansible's `group_names`.
    pub groups: Vec<String>,
    layers: Vec<Arc<Layer>>,
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope")
            .field("host", &self.host)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

impl Scope {
    pub fn new(host: &str, groups: Vec<String>) -> Self {
        Scope { host: host.to_owned(), groups, layers: Vec::new() }
    }

    /// Lays more over what is there.
    pub fn cover(&mut self, layer: &Arc<Layer>) {
        if !layer.is_empty() {
            self.layers.push(layer.clone());
        }
    }

    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.layers.iter().rev().find_map(|layer| layer.get(name))
    }

    /// Every variable with its effective value.
    pub fn values(&self) -> BTreeMap<String, Value> {
        let names: BTreeSet<&String> = self.layers.iter().flat_map(|layer| layer.keys()).collect();
        let value = |name: &String| Some((name.clone(), self.get(name)?.value()));
        names.into_iter().filter_map(value).collect()
    }

    /// Whether a template that uses this name would find the same on both hosts.
    pub fn agrees(&self, other: &Scope, name: &str) -> bool {
        match name {
            "inventory_hostname" | "inventory_hostname_short" => self.host == other.host,
            "group_names" => self.groups == other.groups,
            _ => match (self.get(name), other.get(name)) {
                (Some(one), Some(other)) => std::ptr::eq(one, other) || one.value() == other.value(),
                (None, None) => true,
                _ => false,
            },
        }
    }
}
