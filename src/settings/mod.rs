//! Settings: what the files of an environment say, parsed and cross-checked.
//!
//! Place on the data's path: first. Text -> [`Settings`], or every problem at once with file:line:column. Reads
//! files and never the network; runs nothing but a vault password program that the operator named.

mod backed;
mod backups;
mod buckets;
pub mod checks;
pub mod declared;
mod files;
mod flat;
mod inventory;
pub mod keys;
mod load;
mod plain_secrets;
mod scalar;
pub mod schema;
mod secrets;
mod shape;
mod source;
mod suggest;
pub mod summary;
mod template;
pub mod timeline;
mod tree;
mod values;
mod variable_files;
pub mod vault;

use std::collections::BTreeMap;

use crate::datastores::blobdb::settings::Blobdb;
use crate::datastores::couchdb::settings::Couchdb;
use crate::datastores::elasticsearch::settings::Elasticsearch;
use crate::datastores::files::settings::Files;
use crate::datastores::job_file::Compression;
use crate::datastores::postgresql::settings::Postgresql;
use crate::vocab::{
    AccountId, BucketName, Encryption, Environment, HostName, KeepVersions, Login, ObjectLock, OsUser, Place,
    Problems, RegionName, Secret, Tier, Value,
};

pub use files::{Location, Sources};
pub use load::load;
pub use vault::{Keyring, VaultId, VaultPassword};

/// What the files say, whole: no field means "maybe wrong".
#[derive(Debug)]
pub struct Settings {
    pub environment: Environment,
    /// Whether the name is written in `public.yml` or `meta.yml`; the directory's name alone is not enough to apply.
    pub environment_written: bool,
    /// Every flat key of the table with its effective value and where that came from.
    pub flat: BTreeMap<&'static str, Effective>,
    pub storage: Storage,
    pub backups: Backups,
    pub postgresql: Postgresql,
    pub couchdb: Couchdb,
    pub blobdb: Blobdb,
    pub elasticsearch: Elasticsearch,
    pub files: Vec<Files>,
    pub inventory: Inventory,
    pub vault: Vault,
    /// Settings that are understood but that this version cannot carry out.
    pub unsupported: Vec<Unsupported>,
    /// Warnings; an error would have stopped the load.
    pub problems: Problems,
}

/// One effective setting.
#[derive(Clone, Debug)]
pub struct Effective {
    pub value: Value,
    pub from: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Written(Place),
    Default,
}

/// The common keys about storage.
#[derive(Clone, Debug)]
pub struct Storage {
    /// `aws_endpoint`: an S3-compatible store in place of AWS's; a whole URL.
    pub endpoint: Option<String>,
    /// `aws_region`.
    pub region: Option<RegionName>,
    /// `aws_versioning_enabled`.
    pub versioned_keys: bool,
    /// `backup_compression`.
    pub compression: Compression,
}

/// The key `backups:`.
#[derive(Clone, Debug, Default)]
pub struct Backups {
    /// The only account that may be touched.
    pub account: Option<AccountId>,
    pub buckets: BTreeMap<BucketName, BucketSettings>,
    /// Everything else.
    pub declared: declared::Declared,
    /// Every value below `backups:` by its path, and the defaults of its buckets: for people to look at.
    pub values: BTreeMap<String, Effective>,
}

/// One bucket of `backups.buckets`, defaults filled in.
#[derive(Clone, Debug)]
pub struct BucketSettings {
    pub place: Place,
    pub region: Option<RegionName>,
    /// `versioning: enabled` (default), or not managed at all where the settings say `unmanaged`.
    pub versioned: bool,
    /// Tiers that are absent keep their noncurrent versions for ever.
    pub keep_versions: BTreeMap<Tier, KeepVersions>,
    pub abort_uploads_after_days: u32,
    pub encryption: Encryption,
    /// `public_access: blocked` (default), or not managed at all where the settings say `unmanaged`.
    pub block_public_access: bool,
    pub tls_only: bool,
    /// Whether the destroyer actions are denied to all but break_glass.
    pub versioning_lock: bool,
    /// How long each new version cannot be removed; not managed where nothing is written.
    pub object_lock: Option<ObjectLock>,
}

/// The hosts and groups of the inventory, children and variables resolved.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Members in the order of the file, children's members included.
    pub groups: BTreeMap<String, Vec<HostName>>,
    pub hosts: BTreeMap<HostName, InventoryHost>,
}

/// One host of the inventory, and how Ansible would reach it.
#[derive(Clone, Debug, Default)]
pub struct InventoryHost {
    pub place: Option<Place>,
    /// `ansible_host`: the name or address to connect to, where it is not the host's own name.
    pub address: Option<HostName>,
    /// `ansible_port`, or the port behind the host's name.
    pub port: Option<u16>,
    /// `ansible_user`.
    pub user: Option<OsUser>,
    /// `ansible_connection`.
    pub connection: Connection,
    /// `ansible_ssh_private_key_file`, as written: a `~` is the home of who connects.
    pub private_key: Option<String>,
    /// Why no connection can be made, in words for the operator.
    pub cannot_connect: Option<String>,
    /// It is in a group whose hosts back a datastore up, and in none of [`Inventory::LEFT_OUT`].
    backs_up: bool,
    /// Its variables; inventories hold passwords, so that this prints none.
    scope: inventory::Scope,
}

/// How Ansible runs things on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// On the machine itself.
    Local,
    /// Over ssh, whichever of Ansible's two ways is named.
    #[default]
    Ssh,
    /// In a container and the like: not spoken here.
    Other(String),
}

impl Inventory {
    /// The group whose hosts back nothing up any more, and are cleared of what this program left on them.
    pub const RETIRED: &str = "backups_retired";

    /// Groups whose hosts back nothing up whatever other groups they are in: those that Ansible is told to leave alone, and
    /// those that are retired.
    pub const LEFT_OUT: [&str; 2] = ["ansible_skip", Inventory::RETIRED];

    /// Whether a host backs nothing up whatever other groups it is in.
    fn leaves_out(&self, host: &HostName) -> bool {
        Inventory::LEFT_OUT.iter().any(|group| self.groups.get(*group).is_some_and(|out| out.contains(host)))
    }

    /// The hosts that are cleared.
    pub fn retired(&self) -> &[HostName] {
        self.groups.get(Inventory::RETIRED).map(Vec::as_slice).unwrap_or_default()
    }

    /// The hosts of a group, less those that are left out.
    pub fn hosts_of(&self, group: &str) -> Vec<HostName> {
        let members = self.groups.get(group).into_iter().flatten();
        members.filter(|host| !self.leaves_out(host)).cloned().collect()
    }

    /// The hosts that these groups or hosts come to, each once, less those that are left out.
    pub fn members(&self, words: &[String]) -> Vec<HostName> {
        let mut members: Vec<HostName> = Vec::new();
        for word in words {
            let hosts = match self.groups.contains_key(word) {
                true => self.hosts_of(word),
                false => self.hosts.keys().filter(|host| host.as_str() == word).cloned().collect(),
            };
            for host in hosts {
                if !members.contains(&host) && !self.leaves_out(&host) {
                    members.push(host);
                }
            }
        }
        members
    }

    /// Whether a word names a group or a host.
    pub fn knows(&self, word: &str) -> bool {
        self.groups.contains_key(word) || self.hosts.keys().any(|host| host.as_str() == word)
    }
}

impl InventoryHost {
    /// Whether Ansible would run on this machine itself: `ansible_connection=local`.
    pub fn is_local(&self) -> bool {
        self.connection == Connection::Local
    }

    /// Every variable that the inventory, `group_vars` and `host_vars` give the host, templates not evaluated. May hold
    /// secrets: for comparison, not for output.
    pub fn variables(&self) -> BTreeMap<String, Value> {
        self.scope.values()
    }
}

/// The encrypted half of an environment.
#[allow(clippy::large_enum_variant, reason = "there is one in a run, and it is looked into by patterns")]
#[derive(Debug)]
pub enum Vault {
    /// No vault file.
    Absent,
    /// A vault without its password: what needs a secret is held.
    Locked {
        file: String,
        digest: String,
    },
    Open {
        secrets: Secrets,
        digest: String,
    },
}

/// Secrets by what they are for.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// `AMAZON_S3_ACCESS_KEY` and `AMAZON_S3_SECRET_KEY`.
    pub s3: Option<S3Keys>,
    /// `ansible_sudo_pass`: what `sudo` asks for on hosts.
    pub sudo: Option<Secret>,
    /// `smtp`: as whom mails are handed to the server.
    pub smtp: Option<Login>,
    /// `pings`: what is asked for when a run ended.
    pub pings: Pings,
    pub logins: Box<Logins>,
}

/// As whom the servers are asked that are backed up.
#[derive(Clone, Debug, Default)]
pub struct Logins {
    /// `postgres_users.backup` and `postgres_users.replication`: at a server on another host.
    pub backup: Option<Login>,
    pub replication: Option<Login>,
    /// `COUCH_USERNAME` and `COUCH_PASSWORD`.
    pub couch: Option<Login>,
    /// `elasticsearch`: where it asks who is there.
    pub elasticsearch: Option<Login>,
}

/// URLs of a service that waits for word: secrets, since whoever has them can say that all is well.
#[derive(Clone, Debug, Default)]
pub struct Pings {
    pub success: Option<Secret>,
    pub failure: Option<Secret>,
}

impl Secrets {
    /// Everything that goes into job files.
    pub fn of_jobs(&self) -> impl Iterator<Item = &Secret> {
        let keys = self.s3.iter().flat_map(|keys| [&keys.access_key, &keys.secret_key]);
        let Logins { backup, replication, couch, elasticsearch } = &*self.logins;
        let logins = [&self.smtp, backup, replication, couch, elasticsearch].into_iter().flatten();
        let logins = logins.flat_map(|login| [&login.username, &login.password]);
        keys.chain(&self.pings.success).chain(&self.pings.failure).chain(logins)
    }
}

impl Vault {
    pub fn sudo_password(&self) -> Option<&Secret> {
        match self {
            Vault::Open { secrets, .. } => secrets.sudo.as_ref(),
            Vault::Absent | Vault::Locked { .. } => None,
        }
    }
}

/// The access key that jobs upload with.
#[derive(Clone, Debug)]
pub struct S3Keys {
    pub access_key: Secret,
    pub secret_key: Secret,
}

/// A setting that parses and is not carried out yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The key's path, such as `backups.identities`.
    pub key: String,
    pub place: Place,
    /// What will not happen, for the person who wrote the key.
    pub why: String,
}
