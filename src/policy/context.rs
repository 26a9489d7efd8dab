//! The context of a request: what is known of it beside principal, action and resource
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>).
//!
//! Two kinds: closed, where an absent key is absent, and open, where an absent key may have any value or none.

use std::collections::BTreeMap;

use super::pattern::Lookup;
use super::principal::Principal;

/// The condition keys of a request, and what is to be thought of those that are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// By key in lower case.
    values: BTreeMap<String, Vec<String>>,
    is_open: bool,
    derives: bool,
}

impl Context {
    /// An absent key is absent. Nothing is added to what is given: see [`Context::derived`].
    pub fn closed<K: Into<String>>(values: impl IntoIterator<Item = (K, Vec<String>)>) -> Self {
        let values = values.into_iter().map(|(key, values)| (key.into().to_lowercase(), values)).collect();
        Context { values, is_open: false, derives: false }
    }

    /// An absent key may have any value, or none; but for those that follow from the principal and the resource.
    pub fn open<K: Into<String>>(values: impl IntoIterator<Item = (K, Vec<String>)>) -> Self {
        Context { is_open: true, derives: true, ..Self::closed(values) }
    }

    /// Open, but for what lies in the hands of whoever asks: that a request travels over TLS is nobody's secret, so a
    /// statement against plain HTTP holds nobody off.
    pub fn of_anybody() -> Self {
        Self::open::<String>([]).with("aws:SecureTransport", "true")
    }

    /// The same, and keys that AWS puts into every such request are there even where they are not given:
    /// `aws:PrincipalArn` (for a session its role's), `aws:PrincipalAccount`, `aws:PrincipalType`, `aws:username`
    /// (users alone have it), `aws:PrincipalIsAWSService`, `aws:ResourceAccount`.
    #[must_use]
    pub fn derived(self) -> Self {
        Context { derives: true, ..self }
    }

    /// Sets a key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.values.insert(key.to_lowercase(), vec![value.into()]);
        self
    }

    /// Sets a key that has several values.
    #[must_use]
    pub fn with_all(mut self, key: &str, values: Vec<String>) -> Self {
        self.values.insert(key.to_lowercase(), values);
        self
    }

    /// Whether a key is given, in whatever case.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(&key.to_lowercase())
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// A key in lower case, for who asks for what.
    pub(super) fn find<'a>(
        &'a self,
        folded: &str,
        principal: &'a Principal,
        resource_account: Option<&'a str>,
    ) -> Found<'a> {
        if let Some(values) = self.values.get(folded) {
            return match &values[..] {
                [] => Found::Absent,
                [one] => Found::One(one),
                many => Found::Many(many),
            };
        }
        let derived = if self.derives { derived(folded, principal, resource_account) } else { None };
        derived.unwrap_or(if self.is_open { Found::Open } else { Found::Absent })
    }
}

/// What the context says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    One(&'a str),
    Many(&'a [String]),
    Absent,
    Open,
}

impl<'a> Found<'a> {
    /// As a variable. Keys with several values are none.
    pub(super) fn as_variable(self) -> Lookup<'a> {
        match self {
            Found::One(value) => Lookup::Value(value),
            Found::Many(_) | Found::Absent => Lookup::Nothing,
            Found::Open => Lookup::Open,
        }
    }
}

/// What follows from principal and resource; `None` for what does not.
fn derived<'a>(
    folded: &str,
    principal: &'a Principal,
    resource_account: Option<&'a str>,
) -> Option<Found<'a>> {
    let is_anonymous = *principal == Principal::Anonymous;
    match folded {
        "aws:principalarn" => match principal {
            Principal::Root { arn, .. }
            | Principal::User { arn, .. }
            | Principal::Role { arn, .. }
            | Principal::FederatedUser { arn, .. }
            | Principal::Session { role: Some(arn), .. } => Some(Found::One(arn)),
            Principal::Anonymous => Some(Found::Absent),
            // Without the role's path its ARN is not known.
            Principal::Session { role: None, .. } | Principal::Service(_) | Principal::Federated(_) => None,
        },
        "aws:principalaccount" => match principal.account() {
            Some(account) => Some(Found::One(account)),
            None => is_anonymous.then_some(Found::Absent),
        },
        "aws:principaltype" => match principal {
            Principal::Root { .. } => Some(Found::One("Account")),
            Principal::User { .. } => Some(Found::One("User")),
            Principal::Role { .. } | Principal::Session { .. } => Some(Found::One("AssumedRole")),
            Principal::FederatedUser { .. } => Some(Found::One("FederatedUser")),
            Principal::Anonymous => Some(Found::One("Anonymous")),
            Principal::Service(_) | Principal::Federated(_) => None,
        },
        "aws:username" => match principal {
            Principal::User { name, .. } => Some(Found::One(name)),
            Principal::Service(_) | Principal::Federated(_) => None,
            _ => Some(Found::Absent),
        },
        "aws:principalisawsservice" => match principal {
            Principal::Service(_) => Some(Found::One("true")),
            Principal::Anonymous => Some(Found::Absent),
            Principal::Federated(_) => None,
            _ => Some(Found::One("false")),
        },
        "aws:principalservicename" | "aws:principalservicenameslist" => {
            principal.account().map(|_| Found::Absent)
        }
        "aws:resourceaccount" => resource_account.map(Found::One),
        _ => None,
    }
}
