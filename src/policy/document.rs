//! A policy document in its normal form: what IAM reads alike is equal, whatever its spelling.
//!
//! Documents come out of [`Document::parse`] and [`Document::read`] only, so patterns are compiled once and lists are
//! in order. Must never hold what IAM would refuse as contradicting itself.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::condition::{Condition, ConditionValue, Operator};
use super::pattern::Pattern;
use super::principals::Principals;

/// A policy: who may, or must not, do what
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>).
///
/// Two documents are equal when IAM reads them alike: single values and lists of one, order and duplicates in lists,
/// `"*"` and `{"AWS": "*"}`, an account's number and its root's ARN, upper and lower case in actions, condition keys
/// and operators do not matter. The order of statements does: paths name them by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub version: Version,
    /// The `Id` element, which only some resource policies have and nothing reads.
    pub id: Option<String>,
    pub statements: Vec<Statement>,
}

/// The version of the policy language
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 2008-10-17, also where none is written: knows no variables.
    #[default]
    V2008,
    /// 2012-10-17.
    V2012,
}

impl Version {
    pub fn as_str(self) -> &'static str {
        match self {
            Version::V2008 => "2008-10-17",
            Version::V2012 => "2012-10-17",
        }
    }
}

/// What a statement does where it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

impl Effect {
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        }
    }
}

/// One statement of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its place in the document as it was read, from 1.
    pub number: u32,
    pub sid: Option<String>,
    pub effect: Effect,
    /// `None` in policies of identities, whom they are attached to.
    pub principals: Option<Principals>,
    pub actions: Actions,
    /// `None` in trust policies, whose resource is the role they belong to.
    pub resources: Option<Resources>,
    /// All must hold. One entry per operator and key.
    pub conditions: Vec<Condition>,
    /// Elements that this program does not know, as they were written: whether the statement applies is unknown.
    pub unmodelled: BTreeMap<String, Json>,
}

/// `Action` or `NotAction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actions {
    /// `NotAction`: every action but these.
    pub negated: bool,
    /// Such as `s3:Get*`, in order. Case does not matter.
    pub patterns: Vec<Pattern>,
}

impl Actions {
    /// Whether an action such as `s3:GetObject` is among them.
    pub fn contain(&self, action: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches_action(action)) != self.negated
    }
}

/// `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// `NotResource`: every resource but these.
    pub negated: bool,
    /// ARNs with wildcards, in order.
    pub patterns: Vec<Pattern>,
}

impl Document {
    /// Whether any statement speaks of the action, on whatever resource.
    pub fn may_concern(&self, action: &str) -> bool {
        self.statements.iter().any(|statement| statement.may_concern(action))
    }

    /// The document as far as it speaks of these actions: other statements, and within statements other actions, are
    /// left out. For each of these actions it decides as the whole one does, and statements keep their numbers: whoever
    /// asks a few actions of many documents narrows them first.
    #[must_use]
    pub fn narrowed(&self, actions: &[&str]) -> Document {
        let is_asked = |pattern: &Pattern| actions.iter().any(|action| pattern.matches_action(action));
        let narrow = |statement: &Statement| {
            let mut narrow = statement.clone();
            narrow.actions.patterns.retain(is_asked);
            narrow
        };
        let concerns = |statement: &&Statement| actions.iter().any(|action| statement.may_concern(action));
        Document {
            version: self.version,
            id: self.id.clone(),
            statements: self.statements.iter().filter(concerns).map(narrow).collect(),
        }
    }

    /// A document that stands for one that could not be read: it may allow or deny anything, so what depends on it is
    /// unknown.
    pub fn unread() -> Document {
        let statement = |number: u32, effect: Effect| Statement {
            number,
            sid: None,
            effect,
            principals: None,
            actions: Actions { negated: true, patterns: Vec::new() },
            resources: None,
            conditions: Vec::new(),
            unmodelled: BTreeMap::from([("Unread".to_owned(), Json::Bool(true))]),
        };
        Document {
            version: Version::V2012,
            id: None,
            statements: vec![statement(1, Effect::Allow), statement(2, Effect::Deny)],
        }
    }
}

impl Statement {
    /// The first operator of its conditions that is none of the language's.
    pub fn unmodelled_operator(&self) -> Option<&str> {
        self.conditions.iter().find_map(|condition| match &condition.operator {
            Operator::Unmodelled(name) => Some(name.as_str()),
            Operator::Known { .. } => None,
        })
    }

    /// Whether the statement speaks of the action, on whatever resource and condition.
    pub fn may_concern(&self, action: &str) -> bool {
        self.actions.contain(action)
    }

    /// The condition keys that it asks for, also as variables; as they are written where that is kept.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let resources = self.resources.iter().flat_map(|resources| &resources.patterns);
        let asked = self.conditions.iter().flat_map(|condition| {
            let variables = condition.values.iter().flat_map(ConditionValue::variables);
            std::iter::once(condition.key.as_str()).chain(variables)
        });
        asked.chain(resources.flat_map(Pattern::variables))
    }
}
