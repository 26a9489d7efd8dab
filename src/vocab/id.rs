//! Identities: `kind/NAME` for the cloud, `kind/HOST/NAME` on a host. Derived from settings alone, so that
//! yesterday's plan and today's speak of the same thing.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::{Environment, HostName};

/// What sort of thing an id names. The order is the order in which changes are applied: storage before the
/// identities that write to it, those before the hosts that use them, and on a host the directory before the job file before the cron entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Bucket,
    Role,
    User,
    Program,
    /// Where a cluster keeps its snapshots.
    SnapshotRepository,
    HostDirectory,
    HostFile,
    Crontab,
    /// A whole host, a whole datastore, one setting: never changed, only held.
    Host,
    Datastore,
    Setting,
}

impl Kind {
    pub const ALL: [Kind; 11] = [
        Kind::Bucket,
        Kind::Role,
        Kind::User,
        Kind::Program,
        Kind::SnapshotRepository,
        Kind::HostDirectory,
        Kind::HostFile,
        Kind::Crontab,
        Kind::Host,
        Kind::Datastore,
        Kind::Setting,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Bucket => "bucket",
            Kind::Role => "role",
            Kind::User => "user",
            Kind::Program => "program",
            Kind::SnapshotRepository => "snapshot_repository",
            Kind::HostDirectory => "host_directory",
            Kind::HostFile => "host_file",
            Kind::Crontab => "crontab",
            Kind::Host => "host",
            Kind::Datastore => "datastore",
            Kind::Setting => "setting",
        }
    }

    /// Whether things of this kind live on a host, so that their id carries its name.
    pub fn on_host(self) -> bool {
        matches!(
            self,
            Kind::Program | Kind::SnapshotRepository | Kind::HostDirectory | Kind::HostFile | Kind::Crontab
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The identity of one managed thing. Ordered by kind (the order of applying), host, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    kind: Kind,
    host: Option<HostName>,
    name: String,
}

/// A text that is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no id: write kind/NAME or kind/HOST/NAME, exactly as the plan shows it")]
pub struct IdError(String);

impl Id {
    /// The id of a thing in the cloud, or of a host, a datastore or a setting as a whole.
    pub fn cloud(kind: Kind, name: impl Into<String>) -> Self {
        Id { kind, host: None, name: name.into() }
    }

    /// The id of a thing on a host. `name` is a slug, never a path.
    pub fn on_host(kind: Kind, host: HostName, name: impl Into<String>) -> Self {
        Id { kind, host: Some(host), name: name.into() }
    }

    /// The id of a thing on a host that its environment left there under an earlier name: `NAME@EARLIER`. No name of a
    /// datastore or an environment has an `@`.
    pub fn of_earlier(kind: Kind, host: HostName, name: &str, earlier: &Environment) -> Self {
        Id { kind, host: Some(host), name: format!("{name}@{earlier}") }
    }

    /// The name and the environment's earlier one, where the id is of such a thing.
    pub fn earlier(&self) -> Option<(&str, Environment)> {
        let (name, earlier) = self.name.split_once('@')?;
        Some((name, earlier.parse().ok()?))
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn host(&self) -> Option<&HostName> {
        self.host.as_ref()
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{}/{host}/{}", self.kind, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError(text.to_owned());
        let (kind, rest) = text.split_once('/').ok_or_else(error)?;
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind).ok_or_else(error)?;
        let (host, name) = match kind.on_host() {
            true => {
                let (host, name) = rest.split_once('/').ok_or_else(error)?;
                (Some(host.parse().map_err(|_| error())?), name)
            }
            false => (None, rest),
        };
        if name.is_empty() || name.contains('/') {
            return Err(error());
        }
        Ok(Id { kind, host, name: name.to_owned() })
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_being_written_and_read() {
        for text in [
            "bucket/a.b-c",
            "crontab/db1.example.org/postgresql",
            "host_file/db1/postgresql@old-env",
            "setting/backups.identities",
        ] {
            assert_eq!(text.parse::<Id>().map(|id| id.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_path_or_an_unknown_kind_is_no_id() {
        for text in
            ["bucket", "bucket/", "bucket/a/b", "crontab/db1", "castle/x", "crontab/../x", "crontab//x"]
        {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }
}
