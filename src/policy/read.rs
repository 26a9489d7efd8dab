//! JSON to documents: the grammar of IAM's policies
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>), lists put in order and spellings
//! made one. What contradicts itself is an error with its place; what a newer IAM may know is kept, and is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::condition::{Condition, ConditionValue, Operator};
use super::document::{Actions, Document, Effect, Resources, Statement, Version};
use super::pattern::{Pattern, Reading};
use super::principals::{Principals, Who};

/// More than any policy that AWS stores has; its own longest are a hundred times smaller.
const MAX_BYTES: usize = 4 << 20;

/// Why a text is no policy document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{message}", self.place, if self.place.is_empty() { "" } else { ": " })]
pub struct DocumentError {
    /// Where, such as `Statement[3].Action`, statements counted from 0; empty for the whole document.
    pub place: String,
    /// What is wrong there.
    pub message: String,
}

fn error<T>(place: impl Into<String>, message: impl Into<String>) -> Result<T, DocumentError> {
    Err(DocumentError { place: place.into(), message: message.into() })
}

impl Document {
    /// Reads a document's text. A member that stands there twice is an error: IAM refuses it, and which one counts
    /// differs between programs.
    pub fn parse(text: &str) -> Result<Document, DocumentError> {
        if text.len() > MAX_BYTES {
            return error("", format!("the policy is larger than {} MiB", MAX_BYTES >> 20));
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let json = Strict.deserialize(&mut reader).and_then(|json| reader.end().map(|()| json));
        match json {
            Ok(json) => Document::read(&json),
            Err(problem) => error("", format!("the policy is no JSON: {problem}")),
        }
    }

    /// Reads a document that is JSON already.
    pub fn read(json: &Json) -> Result<Document, DocumentError> {
        let Json::Object(members) = json else {
            return error("", format!("a policy is an object, not {}", kind(json)));
        };
        let known = ["Version", "Id", "Statement"];
        if let Some(unknown) = members.keys().find(|name| !known.contains(&name.as_str())) {
            return error(unknown, "no element of a policy: those are Version, Id and Statement");
        }
        let version = match members.get("Version") {
            None => Version::V2008,
            Some(Json::String(text)) if text == Version::V2008.as_str() => Version::V2008,
            Some(Json::String(text)) if text == Version::V2012.as_str() => Version::V2012,
            Some(_) => return error("Version", "the versions are 2012-10-17 and 2008-10-17"),
        };
        let id = text(members, "Id", "")?;
        let list = match members.get("Statement") {
            Some(Json::Array(list)) => list.as_slice(),
            Some(one @ Json::Object(_)) => std::slice::from_ref(one),
            Some(other) => return error("Statement", format!("a list is needed, not {}", kind(other))),
            None => return error("Statement", "a policy has statements"),
        };
        let statements = list
            .iter()
            .enumerate()
            .map(|(index, json)| statement(json, index, version))
            .collect::<Result<_, _>>()?;
        Ok(Document { version, id, statements })
    }
}

fn statement(json: &Json, index: usize, version: Version) -> Result<Statement, DocumentError> {
    let place = format!("Statement[{index}]");
    let Json::Object(members) = json else {
        return error(place, format!("a statement is an object, not {}", kind(json)));
    };
    const KNOWN: [&str; 9] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    let unmodelled: BTreeMap<String, Json> = members
        .iter()
        .filter(|(name, _)| !KNOWN.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    // IAM's elements have one spelling; one in another is a mistake, not something new.
    if let Some((name, known)) = unmodelled.keys().find_map(|name| {
        KNOWN.iter().find(|known| known.eq_ignore_ascii_case(name)).map(|known| (name, known))
    }) {
        return error(format!("{place}.{name}"), format!("the element is called {known}"));
    }
    let effect = match members.get("Effect") {
        Some(Json::String(text)) if text == "Allow" => Effect::Allow,
        Some(Json::String(text)) if text == "Deny" => Effect::Deny,
        Some(_) => return error(format!("{place}.Effect"), "the effects are Allow and Deny"),
        None => return error(format!("{place}.Effect"), "a statement has an effect, Allow or Deny"),
    };
    let Some((negated, name, json)) = either(members, "Action", "NotAction", &place)? else {
        return error(format!("{place}.Action"), "a statement has actions");
    };
    let patterns = actions(json, &format!("{place}.{name}"))?;
    let actions = Actions { negated, patterns };
    let resources = match either(members, "Resource", "NotResource", &place)? {
        None => None,
        Some((negated, name, json)) => {
            let texts = texts(json, &format!("{place}.{name}"))?;
            let pattern = |text: String| Pattern::new(text, Reading::Wild, version);
            Some(Resources { negated, patterns: texts.into_iter().map(pattern).collect() })
        }
    };
    let principals = match either(members, "Principal", "NotPrincipal", &place)? {
        None => None,
        Some((negated, name, json)) => {
            Some(Principals { negated, who: who(json, &format!("{place}.{name}"))? })
        }
    };
    Ok(Statement {
        number: u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1),
        sid: text(members, "Sid", &place)?,
        effect,
        principals,
        actions,
        resources,
        conditions: conditions(members, &place, version)?,
        unmodelled,
    })
}

/// An element that has a negated sister; both at once contradict each other.
fn either<'a>(
    members: &'a Map<String, Json>,
    plain: &'static str,
    negated: &'static str,
    place: &str,
) -> Result<Option<(bool, &'static str, &'a Json)>, DocumentError> {
    match (members.get(plain), members.get(negated)) {
        (Some(_), Some(_)) => {
            error(format!("{place}.{negated}"), format!("a statement has either {plain} or {negated}"))
        }
        (Some(json), None) => Ok(Some((false, plain, json))),
        (None, Some(json)) => Ok(Some((true, negated, json))),
        (None, None) => Ok(None),
    }
}

fn text(members: &Map<String, Json>, name: &str, place: &str) -> Result<Option<String>, DocumentError> {
    match members.get(name) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(other) => {
            let dot = if place.is_empty() { "" } else { "." };
            error(format!("{place}{dot}{name}"), format!("a text is needed, not {}", kind(other)))
        }
    }
}

/// A text, or a list of texts: in order, each once.
fn texts(json: &Json, place: &str) -> Result<BTreeSet<String>, DocumentError> {
    let list = match json {
        Json::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    list.iter()
        .map(|json| match json {
            Json::String(text) => Ok(text.clone()),
            other => error(place, format!("a text or a list of texts is needed, not {}", kind(other))),
        })
        .collect()
}

fn actions(json: &Json, place: &str) -> Result<Vec<Pattern>, DocumentError> {
    let mut patterns: Vec<Pattern> = texts(json, place)?.into_iter().map(Pattern::action).collect();
    if let Some(odd) =
        patterns.iter().find(|pattern| pattern.as_str() != "*" && !pattern.as_str().contains(':'))
    {
        return error(place, format!("`{}` is no action: those are like s3:GetObject", odd.as_str()));
    }
    patterns.sort();
    patterns.dedup();
    Ok(patterns)
}

fn who(json: &Json, place: &str) -> Result<Vec<Who>, DocumentError> {
    let members = match json {
        Json::String(text) if text == "*" => return Ok(vec![Who::Everyone]),
        Json::Object(members) => members,
        other => {
            return error(place, format!("`\"*\"` or an object is needed, not {}", kind(other)));
        }
    };
    let mut who = BTreeSet::new();
    for (name, json) in members {
        let place = format!("{place}.{name}");
        let entry: fn(String) -> Who = match name.as_str() {
            "AWS" => Who::aws,
            "Service" => Who::Service,
            "Federated" => Who::Federated,
            "CanonicalUser" => Who::CanonicalUser,
            _ => {
                return error(
                    place,
                    "no kind of principal: those are AWS, Service, Federated and CanonicalUser",
                );
            }
        };
        who.extend(texts(json, &place)?.into_iter().map(entry));
    }
    Ok(who.into_iter().collect())
}

fn conditions(
    members: &Map<String, Json>,
    place: &str,
    version: Version,
) -> Result<Vec<Condition>, DocumentError> {
    let place = format!("{place}.Condition");
    let operators = match members.get("Condition") {
        None => return Ok(Vec::new()),
        Some(Json::Object(operators)) => operators,
        Some(other) => return error(place, format!("an object is needed, not {}", kind(other))),
    };
    let mut conditions = Vec::new();
    for (name, json) in operators {
        let operator = Operator::parse(name);
        let place = format!("{place}.{name}");
        let Json::Object(keys) = json else {
            return error(place, format!("an object of keys is needed, not {}", kind(json)));
        };
        for (key, json) in keys {
            let place = format!("{place}.{key}");
            let list = match json {
                Json::Array(list) => list.as_slice(),
                one => std::slice::from_ref(one),
            };
            let mut values = list
                .iter()
                .map(|json| match json {
                    Json::String(text) => Ok(text.clone()),
                    Json::Bool(_) | Json::Number(_) => Ok(json.to_string()),
                    other => {
                        error(&place, format!("a text or a list of texts is needed, not {}", kind(other)))
                    }
                })
                .map(|text| text.map(|text| ConditionValue::new(text, &operator, version)))
                .collect::<Result<Vec<_>, _>>()?;
            values.sort();
            values.dedup();
            conditions.push(Condition {
                operator: operator.clone(),
                key: key.clone(),
                values,
                folded: key.to_lowercase(),
            });
        }
    }
    conditions.sort();
    let is_same =
        |pair: &&[Condition]| pair[0].operator == pair[1].operator && pair[0].folded == pair[1].folded;
    if let Some(pair) = conditions.windows(2).find(is_same) {
        return error(format!("{place}.{}.{}", pair[1].operator, pair[1].key), "the key stands there twice");
    }
    Ok(conditions)
}

/// What a value is, in words.
fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// Any JSON whose objects have each member once. Depth is bounded by the reader.
pub(super) struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut members = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Strict)?;
            if members.contains_key(&name) {
                return Err(A::Error::custom(format!("`{name}` stands there twice")));
            }
            members.insert(name, value);
        }
        Ok(Json::Object(members))
    }
}
