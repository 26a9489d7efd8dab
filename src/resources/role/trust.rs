//! Who may assume a role: services by their short names, and beside them what others wrote.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::policy::{Document, Effect, Statement, Who};
use crate::resources::identity::Realm;
use crate::resources::identity::document::short_service;
use crate::vocab::Value;

/// A role's trust policy. Its change is a change of who can come in, so that whatever it says beyond services is kept as
/// the text that it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Services that assume the role without a condition: `ec2`.
    pub services: BTreeSet<String>,
    /// Every other statement.
    pub others: BTreeSet<String>,
}

impl Trust {
    pub fn of_service(service: &str) -> Self {
        Trust { services: BTreeSet::from([short_service(service)]), others: BTreeSet::new() }
    }

    /// This trust and another's together.
    pub fn and(&self, other: &Trust) -> Trust {
        Trust {
            services: self.services.union(&other.services).cloned().collect(),
            others: self.others.union(&other.others).cloned().collect(),
        }
    }

    /// The document. Statements of others are what they were; a text that is no JSON is never among them.
    pub fn to_document(&self, realm: &Realm) -> Json {
        let mut statements: Vec<Json> =
            self.others.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        if !self.services.is_empty() {
            let services: Vec<String> = self.services.iter().map(|name| realm.service(name)).collect();
            statements.push(json!({
                "Effect": "Allow",
                "Principal": {"Service": services},
                "Action": "sts:AssumeRole",
            }));
        }
        json!({"Version": "2012-10-17", "Statement": statements})
    }

    /// What a document says.
    pub fn of_document(document: &Document) -> Trust {
        let mut trust = Trust::default();
        for statement in &document.statements {
            match services(statement) {
                Some(services) => trust.services.extend(services),
                None => {
                    trust.others.insert(statement.to_json().to_string());
                }
            }
        }
        trust
    }
}

/// The services of a statement that does nothing but let them assume the role.
fn services(statement: &Statement) -> Option<Vec<String>> {
    let principals = statement.principals.as_ref()?;
    let assumes = matches!(statement.actions.patterns.as_slice(),
        [only] if !statement.actions.negated && only.as_str().eq_ignore_ascii_case("sts:AssumeRole"));
    let is_plain = statement.effect == Effect::Allow
        && statement.resources.is_none()
        && statement.conditions.is_empty()
        && statement.unmodelled.is_empty();
    if !assumes || !is_plain || principals.negated {
        return None;
    }
    let service = |who: &Who| match who {
        Who::Service(name) => Some(short_service(name)),
        _ => None,
    };
    principals.who.iter().map(service).collect()
}

impl From<&Trust> for Value {
    fn from(trust: &Trust) -> Self {
        let Trust { services, others } = trust;
        Value::List(services.iter().chain(others).map(|text| Value::text(text.as_str())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm() -> Realm {
        Realm { partition: "aws".to_owned(), account: "123456789012".to_owned() }
    }

    fn document(json: &Json) -> Document {
        Document::read(json).expect("a policy")
    }

    #[test]
    fn a_trust_is_read_as_it_was_written() {
        let stranger = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:user/bob"},
                              "Action": "sts:AssumeRole"})
        .to_string();
        let service = Trust::of_service("ec2.amazonaws.com");
        let both = service.and(&Trust { others: BTreeSet::from([stranger]), ..Trust::of_service("lambda") });
        for trust in [service, both] {
            assert_eq!(Trust::of_document(&document(&trust.to_document(&realm()))), trust);
        }
    }

    #[test]
    fn a_condition_or_another_action_is_more_than_a_service() {
        let plain = json!({"Effect": "Allow", "Action": "sts:AssumeRole",
                           "Principal": {"Service": "ec2.amazonaws.com"}});
        let with = |name: &str, value: Json| {
            let mut statement = plain.clone();
            statement[name] = value;
            Trust::of_document(&document(&json!({"Statement": statement})))
        };
        assert_eq!(with("Sid", json!("x")), Trust::of_service("ec2"));
        for (name, value) in [
            ("Condition", json!({"StringEquals": {"aws:SourceAccount": "1"}})),
            ("Action", json!(["sts:AssumeRole", "sts:TagSession"])),
            ("Effect", json!("Deny")),
            ("Principal", json!("*")),
            ("Principal", json!({"Service": "ec2.amazonaws.com", "AWS": "*"})),
        ] {
            let trust = with(name, value);
            assert_eq!((trust.services.len(), trust.others.len()), (0, 1), "{name}");
        }
    }
}
