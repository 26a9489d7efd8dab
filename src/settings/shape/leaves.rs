//! The values of `backups:` one by one, each with its path and its place: for `show settings`.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::Places;
use crate::settings::checks;
use crate::settings::source::Source;
use crate::settings::{Effective, Origin};
use crate::vocab::{SecretDigest, Value};

/// Every value that is no mapping, by its path. A list of words is one value; what looks like a secret is not repeated.
pub fn of(json: &Json, source: &Source, places: &Places) -> BTreeMap<String, Effective> {
    let mut leaves = Leaves { source, places, found: BTreeMap::new() };
    leaves.look(json, &mut Vec::new());
    leaves.found
}

struct Leaves<'a> {
    source: &'a Source,
    places: &'a Places,
    found: BTreeMap<String, Effective>,
}

impl Leaves<'_> {
    fn look(&mut self, json: &Json, path: &mut Vec<String>) {
        let is_collection = |json: &Json| json.is_object() || json.is_array();
        match json {
            Json::Null => {}
            Json::Object(members) if !members.is_empty() => {
                for (name, member) in members {
                    path.push(name.clone());
                    self.look(member, path);
                    path.pop();
                }
            }
            Json::Array(items) if items.iter().any(is_collection) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.look(item, path);
                    path.pop();
                }
            }
            leaf => {
                let parts: Vec<&str> = path.iter().map(String::as_str).collect();
                let place = self.source.place(&self.places.value(&parts));
                let key = parts.last().copied().unwrap_or_default();
                let value = shown(key, leaf);
                let name = std::iter::once("backups").chain(parts).collect::<Vec<_>>().join(".");
                self.found.insert(name, Effective { value, from: Origin::Written(place) });
            }
        }
    }
}

fn shown(key: &str, leaf: &Json) -> Value {
    let is_secret = |text: &Json| text.as_str().is_some_and(|text| checks::is_secret(key, text));
    let hidden = match leaf {
        Json::Array(items) => items.iter().any(is_secret),
        leaf => is_secret(leaf),
    };
    if hidden { Value::text(SecretDigest::SHOWN) } else { Value::from_json(leaf) }
}
