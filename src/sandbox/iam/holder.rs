//! What users, groups and roles have in common: inline policies, attached ones, and for two of them a boundary.

use std::sync::Arc;

use super::names::Kind;
use super::records::{Grants, Group, Role, User};
use super::{Request, names};
use crate::sandbox::http::Refusal;

/// A copy of the thing that a request changes or asks about.
#[derive(Clone, Debug)]
pub enum Holder {
    User(User),
    Group(Group),
    Role(Role),
}

impl Holder {
    /// The user, group or role that the request names.
    pub fn of(request: &Request<'_>, kind: Kind) -> Result<Self, Refusal> {
        Ok(match kind {
            Kind::User => Holder::User(Arc::unwrap_or_clone(request.named_user()?)),
            Kind::Group => Holder::Group(Arc::unwrap_or_clone(request.named_group()?)),
            Kind::Role | Kind::Policy | Kind::InstanceProfile => {
                Holder::Role(Arc::unwrap_or_clone(request.named_role()?))
            }
        })
    }

    pub fn kind(&self) -> Kind {
        match self {
            Holder::User(_) => Kind::User,
            Holder::Group(_) => Kind::Group,
            Holder::Role(_) => Kind::Role,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Holder::User(user) => &user.name,
            Holder::Group(group) => &group.name,
            Holder::Role(role) => &role.name,
        }
    }

    pub fn grants(&self) -> &Grants {
        match self {
            Holder::User(user) => &user.grants,
            Holder::Group(group) => &group.grants,
            Holder::Role(role) => &role.grants,
        }
    }

    pub fn grants_mut(&mut self) -> &mut Grants {
        match self {
            Holder::User(user) => &mut user.grants,
            Holder::Group(group) => &mut group.grants,
            Holder::Role(role) => &mut role.grants,
        }
    }

    pub fn boundary_mut(&mut self) -> Option<&mut Option<String>> {
        match self {
            Holder::User(user) => Some(&mut user.boundary),
            Holder::Role(role) => Some(&mut role.boundary),
            Holder::Group(_) => None,
        }
    }

    /// Puts the changed copy into its place.
    pub fn save(self, request: &Request<'_>) -> Result<(), Refusal> {
        let directory = request.directory();
        match self {
            Holder::User(user) => directory.users.put(&user.name.clone(), user)?,
            Holder::Group(group) => directory.groups.put(&group.name.clone(), group)?,
            Holder::Role(role) => directory.roles.put(&role.name.clone(), role)?,
        }
        Ok(())
    }

    /// Characters that all its inline policies may have together, white space aside
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
    pub fn longest_inline(&self) -> usize {
        match self {
            Holder::User(_) => 2_048,
            Holder::Group(_) => 5_120,
            Holder::Role(_) => 10_240,
        }
    }
}

/// The name of an inline policy.
pub fn policy_name<'a>(request: &Request<'a>) -> Result<&'a str, Refusal> {
    names::name(request.form, Kind::Policy)
}
