//! Documents to JSON: one order of elements, single values where there is one, so that people can read a difference.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::document::{Document, Statement};
use super::principals::{Principals, Who};

impl Document {
    /// The document as IAM takes it. Reading it gives an equal document.
    pub fn to_json(&self) -> Json {
        let mut members = Map::new();
        members.insert("Version".to_owned(), self.version.as_str().into());
        if let Some(id) = &self.id {
            members.insert("Id".to_owned(), id.as_str().into());
        }
        members.insert("Statement".to_owned(), self.statements.iter().map(Statement::to_json).collect());
        Json::Object(members)
    }
}

impl Statement {
    /// The statement as a document holds it.
    pub fn to_json(&self) -> Json {
        let mut members = Map::new();
        let mut put = |name: &str, value: Json| members.insert(name.to_owned(), value);
        if let Some(sid) = &self.sid {
            put("Sid", sid.as_str().into());
        }
        put("Effect", self.effect.as_str().into());
        if let Some(principals) = &self.principals {
            put(if principals.negated { "NotPrincipal" } else { "Principal" }, principals.to_json());
        }
        let name = if self.actions.negated { "NotAction" } else { "Action" };
        put(name, one_or_list(self.actions.patterns.iter().map(|pattern| pattern.as_str())));
        if let Some(resources) = &self.resources {
            let name = if resources.negated { "NotResource" } else { "Resource" };
            put(name, one_or_list(resources.patterns.iter().map(|pattern| pattern.as_str())));
        }
        if !self.conditions.is_empty() {
            put("Condition", self.conditions_json());
        }
        for (name, value) in &self.unmodelled {
            put(name, value.clone());
        }
        Json::Object(members)
    }

    fn conditions_json(&self) -> Json {
        let mut operators = Map::new();
        for condition in &self.conditions {
            let keys = operators.entry(condition.operator.to_string()).or_insert_with(|| json!({}));
            let values = one_or_list(condition.values.iter().map(|value| value.text.as_str()));
            if let Json::Object(keys) = keys {
                keys.insert(condition.key.clone(), values);
            }
        }
        Json::Object(operators)
    }
}

impl Principals {
    fn to_json(&self) -> Json {
        if self.who == [Who::Everyone] {
            return "*".into();
        }
        let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for who in &self.who {
            kinds.entry(who.kind()).or_default().push(who.to_string());
        }
        let member = |(kind, list): (&str, Vec<String>)| {
            (kind.to_owned(), one_or_list(list.iter().map(String::as_str)))
        };
        Json::Object(kinds.into_iter().map(member).collect())
    }
}

fn one_or_list<'a>(mut texts: impl ExactSizeIterator<Item = &'a str>) -> Json {
    match (texts.len(), texts.next()) {
        (1, Some(one)) => one.into(),
        (_, first) => first.into_iter().chain(texts).collect(),
    }
}
