//! Managed things in their normal form: one folder a kind, the SAME type for what is desired and what is observed.
//!
//! Place on the data's path: settings become desired resources, reality becomes observed ones, the plan compares
//! them. `mod.rs` of a kind is pure; only its `live.rs` touches the world. A resource never holds a secret (a digest
//! instead), and a kind never knows a datastore.
//!
//! Each kind has one `fields(&self)` that destructures itself by name without `..`, so that a field added later does
//! not compile until someone decides about it; one `risk(field, from, to)`; and one read and one write. A generic
//! comparison does the rest.

pub mod bucket;
pub mod crontab;
pub mod host_directory;
pub mod host_file;
pub mod identity;
pub mod program;
pub mod role;
pub mod snapshot_repository;
pub mod user;

use crate::vocab::{Kind, Risk, Value};

use identity::{Holder, InlinePolicy};

pub use bucket::Bucket;
pub use crontab::Crontab;
pub use host_directory::HostDirectory;
pub use host_file::HostFile;
pub use program::Program;
pub use role::Role;
pub use snapshot_repository::SnapshotRepository;
pub use user::User;

/// One managed thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    Bucket(Bucket),
    Role(Box<Role>),
    User(Box<User>),
    Program(Program),
    SnapshotRepository(SnapshotRepository),
    HostDirectory(HostDirectory),
    HostFile(HostFile),
    Crontab(Crontab),
}

/// One field of a resource in the shape that is compared and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    /// Desired: `None` leaves the field as it is. Observed: `None` says that the store has no such thing.
    pub value: Option<Value>,
}

impl Field {
    pub fn new(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Field { name: name.into(), value: Some(value.into()) }
    }

    pub fn managed<T: Into<Value>>(name: impl Into<String>, value: Option<T>) -> Self {
        Field { name: name.into(), value: value.map(Into::into) }
    }
}

/// What a change of one field means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub risk: Risk,
    /// What else may stop working, for people: "clients without TLS".
    pub may_break: Vec<&'static str>,
}

impl From<Risk> for Judgement {
    fn from(risk: Risk) -> Self {
        Judgement { risk, may_break: Vec::new() }
    }
}

impl Resource {
    pub fn kind(&self) -> Kind {
        match self {
            Resource::Bucket(_) => Kind::Bucket,
            Resource::Role(_) => Kind::Role,
            Resource::User(_) => Kind::User,
            Resource::Program(_) => Kind::Program,
            Resource::SnapshotRepository(_) => Kind::SnapshotRepository,
            Resource::HostDirectory(_) => Kind::HostDirectory,
            Resource::HostFile(_) => Kind::HostFile,
            Resource::Crontab(_) => Kind::Crontab,
        }
    }

    /// The fields in the order in which they are shown.
    pub fn fields(&self) -> Vec<Field> {
        match self {
            Resource::Bucket(bucket) => bucket.fields(),
            Resource::Role(role) => role.fields(),
            Resource::User(user) => user.fields(),
            Resource::Program(program) => program.fields(),
            Resource::SnapshotRepository(repository) => repository.fields(),
            Resource::HostDirectory(directory) => directory.fields(),
            Resource::HostFile(file) => file.fields(),
            Resource::Crontab(crontab) => crontab.fields(),
        }
    }

    /// What this desired resource becomes on top of what is there: fields that it does not manage stay.
    pub fn over(&self, present: Option<&Resource>) -> Resource {
        match (self, present) {
            (Resource::Bucket(wanted), Some(Resource::Bucket(present))) => {
                Resource::Bucket(wanted.over(Some(present)))
            }
            (Resource::Bucket(wanted), _) => Resource::Bucket(wanted.over(None)),
            (Resource::Role(wanted), present) => {
                let present = present.and_then(Resource::as_role);
                Resource::Role(Box::new(wanted.over(present)))
            }
            (Resource::User(wanted), present) => {
                let present = present.and_then(Resource::as_user);
                Resource::User(Box::new(wanted.over(present)))
            }
            (Resource::Program(wanted), Some(Resource::Program(present))) if wanted.sha256.is_none() => {
                Resource::Program(Program { sha256: present.sha256.clone(), ..wanted.clone() })
            }
            (Resource::SnapshotRepository(wanted), present) => {
                let present = match present {
                    Some(Resource::SnapshotRepository(present)) => Some(present),
                    _ => None,
                };
                Resource::SnapshotRepository(wanted.over(present))
            }
            // Other kinds on hosts manage every field that they have.
            (
                Resource::Program(_)
                | Resource::HostDirectory(_)
                | Resource::HostFile(_)
                | Resource::Crontab(_),
                _,
            ) => self.clone(),
        }
    }
}

impl Resource {
    /// What settings ask of the thing that is there, where they leave something to it: an identity stays where it lives.
    pub fn fitted(&self, present: Option<&Resource>) -> Resource {
        match (self, present) {
            (Resource::Role(wanted), Some(Resource::Role(present))) => {
                Resource::Role(Box::new(wanted.fitted(present)))
            }
            (Resource::User(wanted), Some(Resource::User(present))) => {
                Resource::User(Box::new(wanted.fitted(present)))
            }
            _ => self.clone(),
        }
    }

    /// Why a thing that is not there cannot be made from what settings say of it.
    pub fn unborn(&self) -> Option<&'static str> {
        match self {
            Resource::Role(role) => role.unborn(),
            _ => None,
        }
    }

    /// What is still there after the thing was removed: entries of older tools are only ever taken over.
    pub fn remains(&self) -> Option<Resource> {
        match self {
            Resource::Crontab(crontab) if !crontab.old.is_empty() => {
                Crontab::only_old(crontab.old.clone()).map(Resource::Crontab)
            }
            _ => None,
        }
    }

    /// The entries of older tools that stand for the same backups.
    pub fn old_entries(&self) -> &[crontab::old::OldLine] {
        match self {
            Resource::Crontab(crontab) => &crontab.old,
            _ => &[],
        }
    }

    /// Our policy on an identity.
    pub fn policy(&self) -> Option<&InlinePolicy> {
        match self {
            Resource::Role(role) => role.policy.as_ref(),
            Resource::User(user) => user.policy.as_ref(),
            _ => None,
        }
    }

    /// What others gave the identity of this name.
    pub fn holder<'a>(&'a self, name: &'a str) -> Option<Holder<'a>> {
        match self {
            Resource::Role(role) => Some(role.holder(name)),
            Resource::User(user) => Some(user.holder(name)),
            _ => None,
        }
    }

    fn as_role(&self) -> Option<&Role> {
        match self {
            Resource::Role(role) => Some(role),
            _ => None,
        }
    }

    fn as_user(&self) -> Option<&User> {
        match self {
            Resource::User(user) => Some(user),
            _ => None,
        }
    }
}

/// The risk of one field of an existing thing changing, where the two values do not tell it: policies are judged by what
/// they allow, old entries by what is made in their place.
pub fn judge(present: &Resource, wanted: &Resource, field: &str, from: &Value, to: &Value) -> Judgement {
    match (present.policy(), wanted.policy()) {
        (old, Some(new)) if field == identity::field::POLICY => return identity::policy_judgement(old, new),
        _ => {}
    }
    match (present, wanted) {
        (Resource::Crontab(present), Resource::Crontab(wanted)) if field == crontab::OLD => {
            crontab::takeover_judgement(present, wanted)
        }
        _ => risk(wanted.kind(), field, from, to),
    }
}

/// The risk of one field of an existing thing changing from `from` to `to`. (What the plan itself creates is judged
/// by [`risk_of_birth`].)
pub fn risk(kind: Kind, field: &str, from: &Value, to: &Value) -> Judgement {
    match kind {
        Kind::Bucket => bucket::risk(field, from, to),
        Kind::Role => role::risk(field, from, to),
        Kind::User => user::risk(field, from, to),
        Kind::Program => program::risk(field, from, to),
        Kind::SnapshotRepository => snapshot_repository::risk(field, from, to),
        Kind::HostDirectory => host_directory::risk(field, from, to),
        Kind::HostFile => host_file::risk(field, from, to),
        Kind::Crontab => crontab::risk(field, from, to),
        Kind::Host | Kind::Datastore | Kind::Setting => Risk::Routine.into(),
    }
}

/// The risk of a field of something that does not exist yet: nothing is lost and nobody uses it. Object lock is
/// the one thing that is final from the first moment.
pub fn risk_of_birth(kind: Kind, field: &str, to: &Value) -> Judgement {
    match (kind, field) {
        (Kind::Bucket, bucket::field::OBJECT_LOCK) if !to.is_null() => Risk::Irreversible.into(),
        _ => Risk::Routine.into(),
    }
}

/// The risk of removing a thing. Only what carries our mark and makes backups happen is ever removed, and without it
/// they stop: destructive, although no byte is deleted.
pub fn risk_of_removal(kind: Kind) -> Risk {
    match kind {
        Kind::Crontab | Kind::HostFile => Risk::Destructive,
        _ => Risk::Irreversible,
    }
}

/// Whether what is no longer declared may be removed at all: it must be able to carry our mark, and must hold no
/// backups.
pub fn removable(kind: Kind) -> bool {
    matches!(kind, Kind::Crontab | Kind::HostFile)
}

/// A thing that was found, and whose mark it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    pub mark: Option<crate::vocab::Environment>,
    pub thing: T,
}
