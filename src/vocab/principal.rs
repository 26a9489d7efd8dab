//! Who asks, without account or partition: those make an ARN, and only live code makes ARNs.

use std::fmt;

use super::{Id, Kind};

/// A role or a user of IAM, by its name alone; names are unique in an account whatever their paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    Role(String),
    User(String),
}

impl Principal {
    pub fn name(&self) -> &str {
        match self {
            Principal::Role(name) | Principal::User(name) => name,
        }
    }

    /// The id of the managed thing that it is.
    pub fn id(&self) -> Id {
        match self {
            Principal::Role(name) => Id::cloud(Kind::Role, name),
            Principal::User(name) => Id::cloud(Kind::User, name),
        }
    }

    /// The principal that an id names.
    pub fn of(id: &Id) -> Option<Principal> {
        match id.kind() {
            Kind::Role => Some(Principal::Role(id.name().to_owned())),
            Kind::User => Some(Principal::User(id.name().to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Principal::Role(name) => write!(f, "role/{name}"),
            Principal::User(name) => write!(f, "user/{name}"),
        }
    }
}
