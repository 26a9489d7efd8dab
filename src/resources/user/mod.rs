//! A user of IAM that writes backups, for those who cannot have a role.
//!
//! Pure: the normal form, its fields and their risks. `live.rs` reads and writes it. Its access keys are made by hand:
//! a key that this program made would have to be handed to somebody. Must never be removed: a job that still uses its key
//! would stop.

pub mod live;

use std::collections::BTreeMap;

use super::identity::{self, Holder, InlinePolicy, Others, field, path_of, powers};
use super::{Field, Judgement};
use crate::vocab::{Environment, Risk, Value};

/// A user in its normal form. In a desired user `None` leaves a field as it is; an observed one has every field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The environment whose mark it carries; `Some(None)` is a user without any mark.
    pub owner: Option<Option<Environment>>,
    /// Where it lives. An adopted user stays where it is.
    pub path: Option<String>,
    /// Our one inline policy.
    pub policy: Option<InlinePolicy>,
    /// Managed policies that others attached.
    pub attached: Option<Others>,
    /// Inline policies that others wrote.
    pub other_policies: Option<Others>,
    /// The permissions boundary, where there is one.
    pub boundary: Option<Others>,
    /// Groups that it is in, each with its policies, inline and attached.
    pub groups: Option<BTreeMap<String, Others>>,
    /// How many of its access keys are active; two are the most.
    pub access_keys: Option<u32>,
}

pub const GROUPS: &str = "groups";
pub const ACCESS_KEYS: &str = "access_keys";

impl User {
    /// What settings ask for.
    pub fn wanted(environment: &Environment, policy: InlinePolicy) -> Self {
        User {
            owner: Some(Some(environment.clone())),
            path: Some(path_of(environment)),
            policy: Some(policy),
            attached: None,
            other_policies: None,
            boundary: None,
            groups: None,
            access_keys: None,
        }
    }

    pub fn fields(&self) -> Vec<Field> {
        let User { owner, path, policy, attached, other_policies, boundary, groups, access_keys } = self;
        let owner = owner.as_ref().map(|owner| Value::or_null(owner.as_ref().map(Environment::as_str)));
        let boundary = boundary.as_ref().map(|one| Value::or_null(one.keys().next().map(String::as_str)));
        vec![
            Field::managed(field::OWNER, owner),
            Field::managed(field::PATH, path.as_deref()),
            Field::managed(field::POLICY, policy.as_ref()),
            Field::managed(field::ATTACHED, attached.as_ref().map(|others| identity::names(others.keys()))),
            Field::managed(
                field::OTHER_POLICIES,
                other_policies.as_ref().map(|others| identity::names(others.keys())),
            ),
            Field::managed(field::BOUNDARY, boundary),
            Field::managed(GROUPS, groups.as_ref().map(|groups| identity::names(groups.keys()))),
            Field::managed(ACCESS_KEYS, *access_keys),
        ]
    }

    /// What settings ask of the user that is there: it stays where it is.
    pub fn fitted(&self, present: &User) -> User {
        User { path: present.path.clone().or_else(|| self.path.clone()), ..self.clone() }
    }

    /// What others gave the user of this name.
    pub fn holder<'a>(&'a self, name: &'a str) -> Holder<'a> {
        let mut policies = powers::policies("", self.attached.as_ref());
        policies.extend(powers::policies("", self.other_policies.as_ref()));
        for (group, others) in self.groups.iter().flatten() {
            policies.extend(powers::policies(&format!("group {group}: "), Some(others)));
        }
        Holder {
            kind: "user",
            name,
            path: self.path.as_deref().unwrap_or("/"),
            policies,
            boundary: self.boundary.as_ref().and_then(|one| one.values().next()).map(String::as_str),
        }
    }

    /// This desired user on top of what is there.
    pub fn over(&self, present: Option<&User>) -> User {
        let newborn = User::newborn();
        let fitted = present.map_or_else(|| self.clone(), |present| self.fitted(present));
        let present = present.unwrap_or(&newborn).clone();
        User {
            owner: fitted.owner.or(present.owner),
            path: fitted.path.or(present.path),
            policy: fitted.policy.or(present.policy),
            attached: fitted.attached.or(present.attached),
            other_policies: fitted.other_policies.or(present.other_policies),
            boundary: fitted.boundary.or(present.boundary),
            groups: fitted.groups.or(present.groups),
            access_keys: fitted.access_keys.or(present.access_keys),
        }
    }

    /// What IAM gives to a user that was just made.
    pub fn newborn() -> User {
        User {
            owner: Some(None),
            path: Some("/".to_owned()),
            policy: Some(InlinePolicy::None),
            attached: Some(Others::new()),
            other_policies: Some(Others::new()),
            boundary: Some(Others::new()),
            groups: Some(BTreeMap::new()),
            access_keys: Some(0),
        }
    }
}

/// The risk of one field of an existing user changing; that of its policy is judged by the policies themselves.
pub fn risk(name: &str, from: &Value, to: &Value) -> Judgement {
    match name {
        field::BOUNDARY => identity::boundary_judgement(to),
        field::ATTACHED | field::OTHER_POLICIES | GROUPS if identity::is_more(from, to) => {
            Risk::Widening.into()
        }
        _ => Risk::Routine.into(),
    }
}
