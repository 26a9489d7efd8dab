//! One question about the account: may this happen, and by which statements.
//!
//! Other than in the audit itself, the context is what is given: an absent key is absent, but for those that AWS puts
//! into every request.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value as Json;

use super::evidence::Evidence;
use super::fact::Fact;
use crate::policy::{Context, Document, Named, Policies, Principal, Question};

/// What is asked of an account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// An ARN, `user/NAME` or `role/NAME` of the account, a service, or `*`.
    pub principal: String,
    pub action: String,
    /// An ARN, or `*`.
    pub resource: String,
    /// Twelve digits, where the resource is not the account's own and its ARN does not say whose it is.
    #[serde(default)]
    pub resource_account: Option<String>,
    /// Condition keys with a value or a list of them.
    #[serde(default)]
    pub context: BTreeMap<String, Json>,
}

/// Puts together what the account says about it; an error says, for people, what is wrong with the question.
pub fn question(evidence: &Evidence, asked: &Asked) -> Result<Question, String> {
    let is_one_action = asked.action.split_once(':').is_some_and(|(service, name)| {
        !service.is_empty() && !name.is_empty() && !asked.action.contains(['*', '?'])
    });
    if !is_one_action {
        return Err(format!("`{}` is not one action, such as s3:PutObject", asked.action));
    }
    if asked.resource != "*" && !asked.resource.starts_with("arn:") {
        return Err(format!("`{}` is neither an ARN nor *", asked.resource));
    }
    let own = evidence.account.as_ref().map(|account| account.as_str());
    let account = evidence.identities.known();
    let named = account.and_then(|account| account.find(&asked.principal));
    let principal = match named {
        Some(identity) => identity.principal.clone(),
        None => match (asked.principal.split_once('/'), own) {
            (Some(("user" | "role", _)), Some(own)) => {
                let arn = format!("arn:{}:iam::{own}:{}", evidence.partition(), asked.principal);
                Principal::parse(&arn).map_err(|error| error.to_string())?
            }
            _ => Principal::parse(&asked.principal).map_err(|error| error.to_string())?,
        },
    };
    let role = match &principal {
        Principal::Session { name, account: of, .. } if Some(of.as_str()) == own => {
            account.and_then(|account| account.role_named(name))
        }
        _ => None,
    };
    let identity = named.or(role);
    let principal = match role {
        Some(role) => principal.of_role(role.arn.as_str()),
        None => principal,
    };
    let has_policies =
        matches!(principal, Principal::User { .. } | Principal::Role { .. } | Principal::Session { .. });
    let unread =
        [Named::new(format!("{}: policies, which could not be read,", asked.principal), Document::unread())];
    let policies: &[Named] = match (identity, &evidence.identities) {
        (Some(identity), _) => &identity.policies,
        (None, Fact::Known(_)) if has_policies && principal.account() == own => {
            return Err(format!("the account has no {}", asked.principal));
        }
        // Whose policies are not at hand may hold anything.
        (None, _) if has_policies => &unread,
        (None, _) => &[],
    };
    let context = asked
        .context
        .iter()
        .map(|(key, json)| {
            Ok((key.clone(), texts(json).ok_or_else(|| format!("context {key}: no text or list"))?))
        })
        .collect::<Result<Vec<_>, String>>()?;
    let no_scps = Vec::new();
    let unread_scps = vec![vec![Named::new("service control policies", Document::unread())]];
    let scps = match &evidence.scps {
        Fact::Known(scps) if principal.account() == own => scps,
        Fact::Unread(_) if principal.account() == own => &unread_scps,
        _ => &no_scps,
    };
    let resource = resource_policy(evidence, &asked.resource);
    let judged_by = Policies {
        identity: policies,
        boundary: identity.and_then(|identity| identity.boundary.as_ref()),
        session: None,
        scps,
        resource: resource.as_ref(),
    };
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let of_arn = asked.resource.split(':').nth(4).filter(|account| is_account(account)).map(str::to_owned);
    let resource_account = asked.resource_account.clone().or(of_arn).or_else(|| own.map(str::to_owned));
    Ok(Question::of(
        principal,
        &asked.action,
        &asked.resource,
        resource_account,
        Context::closed(context).derived(),
        judged_by,
    ))
}

/// The policy of a bucket, a key or a role.
fn resource_policy(evidence: &Evidence, resource: &str) -> Option<Named> {
    if let Some(rest) = resource.strip_prefix(&format!("arn:{}:s3:::", evidence.partition())) {
        let name = rest.split('/').next().unwrap_or_default();
        let unread = || Some(Named::new(format!("bucket/{name}: policy"), Document::unread()));
        let Some(facts) =
            name.parse().ok().and_then(|name: crate::vocab::BucketName| evidence.buckets.get(&name))
        else {
            return unread();
        };
        return match &facts.policy {
            Fact::Known(policy) => {
                policy.as_ref().map(|policy| Named::new(format!("bucket/{name}: policy"), Arc::clone(policy)))
            }
            Fact::Unread(_) | Fact::NotAsked => unread(),
        };
    }
    if resource.contains(":kms:") && resource.contains(":key/") {
        let name = format!("key {}: policy", resource.rsplit('/').next().unwrap_or(resource));
        return Some(match evidence.keys.get(resource).map(|facts| &facts.policy) {
            Some(Fact::Known(document)) => Named::new(name, Arc::clone(document)),
            _ => Named::new(name, Document::unread()),
        });
    }
    let account = evidence.identities.known()?;
    account.find(resource).and_then(|role| role.trust.clone())
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
