//! A request with everything it is judged by, in one document: `reconcile.request/1`, what `audit explain --request`
//! reads. Its context is closed: an absent key is absent, and nothing is added to it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeSeed;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::context::Context;
use super::decide::decide;
use super::decision::{Decision, Named, Policies, Request, Resource};
use super::document::{Document, Statement};
use super::principal::Principal;
use super::read::Strict;

pub const FORMAT: &str = "reconcile.request/1";

/// May this principal do this, under these policies?
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionDocument {
    /// The name and version of the format; may be left out
    #[serde(default)]
    pub format: Option<String>,
    /// The ARN of a user, a role, a session or an account's root; a service such as backup.amazonaws.com; an identity
    /// provider; * for an anonymous caller
    pub principal: String,
    /// Such as s3:PutObject
    pub action: String,
    /// An ARN, or * for an action that has no resource
    pub resource: String,
    /// The account that the resource belongs to, twelve digits; may be left out where the ARN names it
    #[serde(default)]
    pub resource_account: Option<String>,
    /// Condition keys with their values: a text, a number, true or false, or a list of these. An absent key is absent
    #[serde(default)]
    pub context: BTreeMap<String, Json>,
    /// The policies of the user and its groups, or of the role
    #[serde(default)]
    pub identity_policies: Vec<PolicyDocument>,
    #[serde(default)]
    pub permissions_boundary: Option<PolicyDocument>,
    /// The bucket's, the key's, or the role's trust policy
    #[serde(default)]
    pub resource_policy: Option<PolicyDocument>,
    #[serde(default)]
    pub session_policy: Option<PolicyDocument>,
    /// The service control policies, a list per level from the organisation's root to the account
    #[serde(default)]
    pub scps: Vec<Vec<PolicyDocument>>,
}

/// A policy, with or without a name
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PolicyDocument {
    Named(NamedPolicy),
    Bare(Json),
}

/// A policy with its name, which paths show
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedPolicy {
    #[serde(default)]
    pub name: Option<String>,
    /// How it is attached; not looked at
    #[serde(default)]
    pub attachment: Option<String>,
    /// The policy as IAM has it
    pub policy: Json,
}

/// A question that can be answered.
#[derive(Clone, Debug)]
pub struct Question {
    pub principal: Principal,
    pub action: String,
    pub resource: String,
    pub resource_account: Option<String>,
    pub context: Context,
    identity: Vec<Named>,
    boundary: Option<Named>,
    session: Option<Named>,
    scps: Vec<Vec<Named>>,
    resource_policy: Option<Named>,
}

/// Questions as they were written: one, or a list.
#[derive(Clone, Debug)]
pub enum Questions {
    One(Box<Question>),
    Many(Vec<Question>),
}

/// Why a text asks nothing: where, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuestionError(String);

impl Questions {
    /// Reads one question or a list of them.
    pub fn parse(text: &str) -> Result<Self, QuestionError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let json = Strict
            .deserialize(&mut reader)
            .and_then(|json| reader.end().map(|()| json))
            .map_err(|error| QuestionError(format!("no JSON: {error}")))?;
        match json {
            Json::Array(list) => list
                .into_iter()
                .enumerate()
                .map(|(index, json)| {
                    Question::read(json)
                        .map_err(|error| QuestionError(format!("request {}: {error}", index + 1)))
                })
                .collect::<Result<_, _>>()
                .map(Questions::Many),
            one => Question::read(one).map(|question| Questions::One(Box::new(question))),
        }
    }
}

impl Question {
    fn read(json: Json) -> Result<Self, QuestionError> {
        let document: QuestionDocument =
            serde_json::from_value(json).map_err(|error| QuestionError(error.to_string()))?;
        let wrong = |what: String| Err(QuestionError(what));
        if let Some(format) = document.format.as_deref().filter(|format| *format != FORMAT) {
            return wrong(format!("format: `{format}` is not known, it should be {FORMAT}"));
        }
        let principal = Principal::parse(&document.principal)
            .map_err(|error| QuestionError(format!("principal: {error}")))?;
        let is_one_action = document.action.split_once(':').is_some_and(|(service, name)| {
            !service.is_empty() && !name.is_empty() && !document.action.contains(['*', '?'])
        });
        if !is_one_action {
            return wrong(format!("action: `{}` is not one action, such as s3:PutObject", document.action));
        }
        let resource = document.resource;
        if resource != "*" && !resource.starts_with("arn:") {
            return wrong(format!("resource: `{resource}` is neither an ARN nor *"));
        }
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        let resource_account = match document.resource_account {
            Some(account) if is_account(&account) => Some(account),
            Some(account) => {
                return wrong(format!(
                    "resource_account: `{account}` is no account: those are twelve digits"
                ));
            }
            None if resource == "*" => None,
            None => match resource.split(':').nth(4).filter(|account| is_account(account)) {
                Some(account) => Some(account.to_owned()),
                None => {
                    return wrong(
                        "resource_account is missing, and the resource's ARN does not name it".into(),
                    );
                }
            },
        };
        let context = document
            .context
            .into_iter()
            .map(|(key, json)| {
                let values = texts(&json).ok_or_else(|| {
                    QuestionError(format!(
                        "context.{key}: a text, a number, true or false is needed, or a list"
                    ))
                })?;
                Ok((key, values))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let whose = short(&principal);
        let identity = document.identity_policies.into_iter().enumerate().map(|(index, policy)| {
            let name = |name: Option<String>| match name {
                Some(name) => format!("{whose}: policy {name}"),
                None => format!("{whose}: policy {}", index + 1),
            };
            named(policy, &format!("identity_policies[{index}]"), name)
        });
        let identity = identity.collect::<Result<_, _>>()?;
        let one = |policy: Option<PolicyDocument>, place: &str, what: &str| {
            policy
                .map(|policy| {
                    named(policy, place, |name| match name {
                        Some(name) => format!("{what} {name}"),
                        None => what.to_owned(),
                    })
                })
                .transpose()
        };
        let scps = document.scps.into_iter().enumerate().map(|(level, policies)| {
            let policies = policies.into_iter().enumerate().map(|(index, policy)| {
                named(policy, &format!("scps[{level}][{index}]"), |name| match name {
                    Some(name) => format!("service control policy {name}"),
                    None => format!("service control policy {} of level {}", index + 1, level + 1),
                })
            });
            policies.collect::<Result<Vec<_>, _>>()
        });
        Ok(Question {
            identity,
            boundary: one(document.permissions_boundary, "permissions_boundary", "permissions boundary")?,
            session: one(document.session_policy, "session_policy", "session policy")?,
            scps: scps.collect::<Result<_, _>>()?,
            resource_policy: one(document.resource_policy, "resource_policy", "resource policy")?,
            principal,
            action: document.action,
            resource,
            resource_account,
            context: Context::closed(context),
        })
    }

    /// A question about somebody whose policies are known: an identity of an account.
    pub fn of(
        principal: Principal,
        action: &str,
        resource: &str,
        resource_account: Option<String>,
        context: Context,
        judged_by: Policies<'_>,
    ) -> Self {
        Question {
            principal,
            action: action.to_owned(),
            resource: resource.to_owned(),
            resource_account,
            context,
            identity: judged_by.identity.to_vec(),
            boundary: judged_by.boundary.cloned(),
            session: judged_by.session.cloned(),
            scps: judged_by.scps.to_vec(),
            resource_policy: judged_by.resource.cloned(),
        }
    }

    /// The answer.
    pub fn decide(&self) -> Decision {
        let request = Request {
            principal: &self.principal,
            action: &self.action,
            resource: Resource::Exact(&self.resource),
            resource_account: self.resource_account.as_deref(),
            context: &self.context,
        };
        decide(&request, &self.policies())
    }

    fn policies(&self) -> Policies<'_> {
        Policies {
            identity: &self.identity,
            boundary: self.boundary.as_ref(),
            session: self.session.as_ref(),
            scps: &self.scps,
            resource: self.resource_policy.as_ref(),
        }
    }

    /// The principal as paths name it: `user/NAME`.
    pub fn short_principal(&self) -> String {
        short(&self.principal)
    }

    /// The condition keys that statements on this action ask for and the context does not have, in order: they were
    /// taken as absent, which a real request's may not be.
    pub fn absent_keys(&self) -> Vec<String> {
        let single = [&self.boundary, &self.session, &self.resource_policy];
        let all = self.identity.iter().chain(single.into_iter().flatten()).chain(self.scps.iter().flatten());
        let statements = all
            .flat_map(|named| &named.document.statements)
            .filter(|statement| statement.may_concern(&self.action));
        let mut keys: BTreeMap<String, String> = BTreeMap::new();
        for key in statements.flat_map(Statement::keys) {
            if !self.context.has(key) {
                keys.entry(key.to_lowercase()).or_insert_with(|| key.to_owned());
            }
        }
        keys.into_values().collect()
    }
}

fn named(
    policy: PolicyDocument,
    place: &str,
    name: impl FnOnce(Option<String>) -> String,
) -> Result<Named, QuestionError> {
    let (given, json, below) = match policy {
        PolicyDocument::Named(NamedPolicy { name, policy, .. }) => (name, policy, ".policy"),
        PolicyDocument::Bare(json) => (None, json, ""),
    };
    match Document::read(&json) {
        Ok(document) => Ok(Named::new(name(given), document)),
        Err(error) => {
            let dot = if error.place.is_empty() { "" } else { "." };
            Err(QuestionError(format!("{place}{below}{dot}{}: {}", error.place, error.message)))
        }
    }
}

/// `user/NAME` of an ARN; what else there is, as it is.
fn short(principal: &Principal) -> String {
    let text = principal.to_string();
    match (principal, text.splitn(6, ':').nth(5)) {
        (Principal::Root { account, .. }, _) => format!("root of {account}"),
        (Principal::Federated(_), _) | (_, None) => text,
        (_, Some(rest)) => rest.to_owned(),
    }
}

fn texts(json: &Json) -> Option<Vec<String>> {
    let text = |json: &Json| match json {
        Json::String(text) => Some(text.clone()),
        Json::Bool(_) | Json::Number(_) => Some(json.to_string()),
        _ => None,
    };
    match json {
        Json::Array(list) => list.iter().map(text).collect(),
        one => text(one).map(|text| vec![text]),
    }
}
