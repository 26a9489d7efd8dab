//! What roles and users of IAM have in common: the one inline policy that is ours, beside those of others, and what
//! each lets the identity do.
//!
//! Pure; [`live`] reads and writes through IAM. Normal forms say names: no ARN is made here but in documents, which live
//! code asks for.

pub mod document;
mod grants;
pub mod live;
pub mod powers;

use std::collections::{BTreeMap, BTreeSet};

pub use document::Realm;
pub use grants::{Grants, Source};
pub use powers::{Ability, Holder, Stake, Stakes};

use super::Judgement;
use crate::vocab::{Environment, Risk, Value};

/// The tag that marks an identity as ours; its value is the environment.
pub const MARK: &str = "reconcile:environment";

/// The name of our inline policy on every identity.
pub const POLICY: &str = "reconcile-backups";

/// Where the identities that this program makes live.
pub fn path_of(environment: &Environment) -> String {
    format!("/reconcile/{environment}/")
}

/// Our inline policy on an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InlinePolicy {
    /// There is none of our name.
    None,
    Grants(Grants),
    /// A policy of our name that says something else: shown as it is and replaced.
    Unrecognised(String),
}

impl InlinePolicy {
    /// What these grants need: nothing where they allow nothing.
    pub fn of(grants: Grants) -> Self {
        if grants.is_empty() { InlinePolicy::None } else { InlinePolicy::Grants(grants) }
    }
}

impl From<&InlinePolicy> for Value {
    fn from(policy: &InlinePolicy) -> Self {
        match policy {
            InlinePolicy::None => Value::Null,
            InlinePolicy::Grants(grants) => grants.into(),
            InlinePolicy::Unrecognised(text) => format!("unrecognised: {text}").into(),
        }
    }
}

/// Policies that others wrote or attached, by name, each with its text.
pub type Others = BTreeMap<String, String>;

/// The names of policies of others, as a field.
pub fn names<'a>(names: impl IntoIterator<Item = &'a String>) -> Value {
    Value::List(names.into_iter().map(|name| Value::text(name.as_str())).collect())
}

/// Names of fields, as plans, consents and scripts know them.
pub mod field {
    pub const OWNER: &str = "owner";
    pub const PATH: &str = "path";
    pub const POLICY: &str = "policy";
    pub const ATTACHED: &str = "attached";
    pub const OTHER_POLICIES: &str = "other_policies";
    pub const BOUNDARY: &str = "boundary";
}

/// The risk of our policy changing from one to another. What it allows destroys nothing, so that more of it is routine;
/// a network that no longer holds is a protection off.
pub fn policy_judgement(from: Option<&InlinePolicy>, to: &InlinePolicy) -> Judgement {
    match (from, to) {
        (Some(InlinePolicy::Grants(old)), InlinePolicy::Grants(new)) => {
            let lost = old.writes.iter().any(|bucket| !new.writes.contains(bucket))
                || old.snapshots.iter().any(|database| !new.snapshots.contains(database));
            Judgement {
                risk: if new.come_from_more_than(old) { Risk::Widening } else { Risk::Routine },
                may_break: if lost { vec![WRITERS] } else { Vec::new() },
            }
        }
        (Some(InlinePolicy::Grants(_) | InlinePolicy::Unrecognised(_)), _) => {
            Judgement { risk: Risk::Routine, may_break: vec![WRITERS] }
        }
        (Some(InlinePolicy::None) | None, _) => Risk::Routine.into(),
    }
}

const WRITERS: &str = "whoever uses what the policy no longer allows";

/// The risk of a permissions boundary going or coming: it is the most that an identity may ever do.
pub fn boundary_judgement(to: &Value) -> Judgement {
    match to.is_null() {
        true => Risk::Widening.into(),
        false => Judgement { risk: Risk::Routine, may_break: vec![WRITERS] },
    }
}

/// Members of a list that were not in it before.
pub fn is_more(from: &Value, to: &Value) -> bool {
    let items = |value: &Value| -> BTreeSet<Value> {
        match value {
            Value::List(items) => items.iter().cloned().collect(),
            Value::Null => BTreeSet::new(),
            one => BTreeSet::from([one.clone()]),
        }
    };
    !items(to).is_subset(&items(from))
}
