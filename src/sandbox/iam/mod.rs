//! IAM as its API reference describes it (<https://docs.aws.amazon.com/IAM/latest/APIReference/>), as far as backups
//! and their audit need it.
//!
//! Place on the data's path: behind the connector, over a directory of identities; whether the caller may ask is
//! judged before, in `guard`. One table says which operations there are, which parameters each knows and which
//! permission it needs; what is not in it is refused with NotImplemented. Never laxer than AWS: quotas, names,
//! documents and conflicts are AWS's.

mod access_keys;
mod account;
mod amazon;
mod attached;
mod beginning;
mod directory;
mod documents;
mod groups;
mod holder;
mod inline;
mod managed;
pub mod names;
mod operations;
mod page;
mod permissions;
mod profiles;
pub mod records;
mod roles;
mod users;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

pub use amazon::document as amazon_document;
pub use directory::Directory;
pub use documents::{check_identity, check_principals};
pub use names::{Account, Kind};
pub use operations::{Operation, find};
pub use permissions::check;

use self::records::{Group, InstanceProfile, Role, Tags, User};
use super::http::{Answer, Refusal};
use super::query::{Form, Service};
use super::store::Access;
use super::xml::Xml;
use crate::vocab::Clock;

/// The service: a directory and whose it is.
#[derive(Clone, Debug)]
pub struct Iam {
    pub directory: Arc<Directory>,
    pub account: Account,
    /// Access keys that `sandbox.yml` gives to users: the key's id to the user's name.
    pub given_keys: BTreeMap<String, String>,
    pub clock: Clock,
}

/// What stands in an operation's result; `None` for one that answers nothing.
type Outcome = Result<Option<String>, Refusal>;

/// A request whose directory is locked.
pub struct Request<'a> {
    pub iam: &'a Iam,
    pub form: &'a Form,
    /// The user who asks, if it is one that the directory knows.
    pub user: Option<&'a str>,
    pub now: DateTime<Utc>,
}

impl Iam {
    /// Answers a request that was let in.
    pub fn serve(&self, operation: &Operation, form: &Form, user: Option<&str>) -> Answer {
        match self.answer(operation, form, user) {
            Ok(result) => Service::Iam.answer(operation.name, result),
            Err(refusal) => Service::Iam.refused(refusal),
        }
    }

    fn answer(&self, operation: &Operation, form: &Form, user: Option<&str>) -> Outcome {
        let access = if operation.changes { Access::Change } else { Access::Read };
        let _lock = self.directory.lock(access)?;
        (operation.run)(&Request { iam: self, form, user, now: self.clock.now() })
    }
}

impl Request<'_> {
    fn directory(&self) -> &Directory {
        &self.iam.directory
    }

    fn account(&self) -> &Account {
        &self.iam.account
    }

    /// The user that the request names, else the one who asks.
    fn user_or_self(&self) -> Result<Arc<User>, Refusal> {
        match (self.form.get(Kind::User.parameter()), self.user) {
            (None, Some(own)) => self.iam.user(own),
            (None, None) => {
                Err(super::query::validation("Must specify userName when calling with non-User credentials"))
            }
            (Some(_), _) => self.named_user(),
        }
    }

    fn named_user(&self) -> Result<Arc<User>, Refusal> {
        self.iam.user(names::name(self.form, Kind::User)?)
    }

    fn named_group(&self) -> Result<Arc<Group>, Refusal> {
        self.iam.group(names::name(self.form, Kind::Group)?)
    }

    fn named_role(&self) -> Result<Arc<Role>, Refusal> {
        self.iam.role(names::name(self.form, Kind::Role)?)
    }

    fn named_profile(&self) -> Result<Arc<InstanceProfile>, Refusal> {
        let name = names::name(self.form, Kind::InstanceProfile)?;
        let found = self.directory().profiles.get(name)?.filter(|profile| profile.name == name);
        found.ok_or_else(|| no_such(format!("Instance Profile {name} cannot be found.")))
    }
}

impl Iam {
    fn user(&self, name: &str) -> Result<Arc<User>, Refusal> {
        let found = self.directory.users.get(name)?.filter(|user| user.name == name);
        found.ok_or_else(|| no_such(format!("The user with name {name} cannot be found.")))
    }

    fn group(&self, name: &str) -> Result<Arc<Group>, Refusal> {
        let found = self.directory.groups.get(name)?.filter(|group| group.name == name);
        found.ok_or_else(|| no_such(format!("The group with name {name} cannot be found.")))
    }

    /// The role of an ARN, if there is one.
    pub fn role_of_arn(&self, arn: &str) -> Result<Option<Arc<Role>>, Refusal> {
        let name = arn.rsplit('/').next().unwrap_or_default();
        let found = self.directory.roles.get(name)?;
        Ok(found.filter(|role| self.account.arn(Kind::Role, &role.path, &role.name) == arn))
    }

    fn role(&self, name: &str) -> Result<Arc<Role>, Refusal> {
        let found = self.directory.roles.get(name)?.filter(|role| role.name == name);
        found.ok_or_else(|| no_such(format!("The role with name {name} cannot be found.")))
    }
}

fn nothing() -> Outcome {
    Ok(None)
}

fn result(build: impl FnOnce(&mut Xml)) -> Outcome {
    Ok(Some(Xml::fragment(build)))
}

pub fn no_such(message: impl Into<String>) -> Refusal {
    Refusal::new(404, "NoSuchEntity", message)
}

fn exists(message: impl Into<String>) -> Refusal {
    Refusal::new(409, "EntityAlreadyExists", message)
}

fn conflict(message: impl Into<String>) -> Refusal {
    Refusal::new(409, "DeleteConflict", message)
}

/// An instant as IAM writes it: whole seconds.
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn write_tags(xml: &mut Xml, tags: &Tags) {
    xml.element("Tags", |list| {
        for (key, value) in tags {
            list.element("member", |tag| {
                tag.text("Key", key).text("Value", value);
            });
        }
    });
}

/// Tags as most answers have them: left out where there are none.
fn write_some_tags(xml: &mut Xml, tags: &Tags) {
    if !tags.is_empty() {
        write_tags(xml, tags);
    }
}

fn write_boundary(xml: &mut Xml, boundary: Option<&String>) {
    if let Some(arn) = boundary {
        xml.element("PermissionsBoundary", |element| {
            element
                .text("PermissionsBoundaryType", "PermissionsBoundaryPolicy")
                .text("PermissionsBoundaryArn", arn);
        });
    }
}

#[cfg(test)]
mod testing {
    use super::*;

    /// An empty IAM in memory.
    pub fn iam() -> Iam {
        Iam {
            directory: Arc::new(Directory::memory()),
            account: Account::new("123456789012", "us-east-1"),
            given_keys: BTreeMap::new(),
            clock: Clock::fixed("2026-11-21T10:00:00Z".parse().expect("an instant")),
        }
    }

    /// What an operation answers to a form of plain values.
    pub fn ask(iam: &Iam, form: &str) -> Outcome {
        let form = Form::read(form.as_bytes());
        iam.answer(find(&form)?, &form, None)
    }
}
