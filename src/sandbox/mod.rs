//! An in-process AWS under the real SDK clients, and hosts that are folders: for trying, demonstrating and testing.
//!
//! Place on the data's path: at its far end, where the network would be. The fake sits in the SDK's HTTP connector,
//! so that serialisers, error codes, pages, retries and checksums are the real ones. Nothing leaves the machine.
//! It is stricter than AWS, never laxer: what it does not know it refuses.
//!
//!     DIR/sandbox.yml   account, caller, clock, latency, faults; see `config`
//!     DIR/s3/           the buckets; see `store::disk`
//!     DIR/iam/          users, roles and policies; see `iam::directory`
//!     DIR/kms/          keys; see `kms::directory`
//!     DIR/hosts/NAME/   the root of a host's files; what its Elasticsearch remembers among them: see `elasticsearch`

mod caller;
mod checksum;
mod config;
mod connector;
pub mod elasticsearch;
mod fault;
mod framing;
mod guard;
mod http;
mod iam;
mod json;
mod kms;
mod overview;
mod protocol;
mod query;
mod receive;
mod records;
mod s3;
mod shelf;
mod store;
mod sts;
mod xml;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use chrono::{DateTime, Utc};

pub use config::{ConfigError, PostgresqlServer, SandboxConfig};
pub use connector::{Crash, is_crash};
pub use fault::{Fault, FaultKind};
pub use overview::{BucketOverview, FileOverview, HostOverview, Overview, VersionOverview};

use crate::clients::aws::AwsSettings;
use crate::clients::host::Tripwire;
use crate::vocab::{Clock, HostName, RegionName};
use caller::Callers;
use connector::{Cloud, Connector};
use elasticsearch::{Elasticsearch, HasBucket};
use iam::{Account, Directory, Iam};
use kms::Kms;
use s3::S3;
use store::{DiskStore, MemoryStore, Store};

/// The file that says what a sandbox is like, and where its parts lie.
const CONFIG: &str = "sandbox.yml";
const CLOUD: &str = "s3";
const IDENTITIES: &str = "iam";
const KEYS: &str = "kms";
const HOSTS: &str = "hosts";
const OUTBOX: &str = "outbox";

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the sandbox in {directory} cannot be used: {error}")]
    Unusable { directory: String, error: io::Error },
    #[error(
        "{0} is no sandbox: it has neither sandbox.yml nor s3, so nothing is removed from it; name the directory \
         that was given to --sandbox"
    )]
    NotASandbox(String),
}

/// A cloud and hosts in a directory, or in memory.
pub struct Sandbox {
    root: PathBuf,
    config: SandboxConfig,
    clock: Clock,
    cloud: Arc<Cloud>,
    /// Of a sandbox in memory: where its hosts lie until it ends.
    _temporary: Option<tempfile::TempDir>,
}

/// What the services beside S3 remember.
struct Directories {
    identities: Directory,
    keys: kms::Directory,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Opens the sandbox in a directory, or makes one there. `clock` runs unless `sandbox.yml` says `now`. A crash
    /// that `sandbox.yml` asks for ends the process with code 70.
    pub fn open(root: &Path, clock: Clock) -> Result<Sandbox, SandboxError> {
        let config = SandboxConfig::read(&root.join(CONFIG))?;
        Sandbox::on_disk(root, config, clock)
    }

    /// The same at a time of the caller's, whatever `sandbox.yml` says of `now`: for a minute that is played.
    pub fn open_at(root: &Path, at: DateTime<Utc>) -> Result<Sandbox, SandboxError> {
        let config = SandboxConfig::read(&root.join(CONFIG))?;
        Sandbox::on_disk(root, SandboxConfig { now: None, ..config }, Clock::fixed(at))
    }

    fn on_disk(root: &Path, config: SandboxConfig, clock: Clock) -> Result<Sandbox, SandboxError> {
        let unusable = |error| SandboxError::Unusable { directory: root.display().to_string(), error };
        let store = DiskStore::open(&root.join(CLOUD)).map_err(unusable)?;
        let directories = Directories {
            identities: Directory::open(&root.join(IDENTITIES)).map_err(unusable)?,
            keys: kms::Directory::open(&root.join(KEYS)).map_err(unusable)?,
        };
        // Children run with other working directories.
        let root = root.canonicalize().map_err(unusable)?;
        Sandbox::over(Arc::new(store), directories, root, config, clock, true, None).begun().map_err(unusable)
    }

    /// A sandbox that ends with the value. A crash only makes every further request fail.
    pub fn memory(config: SandboxConfig, clock: Clock) -> Result<Sandbox, SandboxError> {
        let temporary = tempfile::tempdir().map_err(|error| SandboxError::Unusable {
            directory: std::env::temp_dir().display().to_string(),
            error,
        })?;
        let root = temporary.path().to_owned();
        let store = Arc::new(MemoryStore::default());
        let directories = Directories { identities: Directory::memory(), keys: kms::Directory::memory() };
        let sandbox = Sandbox::over(store, directories, root, config, clock, false, Some(temporary));
        let directory = sandbox.root.display().to_string();
        sandbox.begun().map_err(|error| SandboxError::Unusable { directory, error })
    }

    fn over(
        store: Arc<dyn Store>,
        directories: Directories,
        root: PathBuf,
        config: SandboxConfig,
        clock: Clock,
        exit_on_crash: bool,
        temporary: Option<tempfile::TempDir>,
    ) -> Self {
        let clock = config.clock(clock);
        let kms = Kms {
            directory: Arc::new(directories.keys),
            account: Account::new(config.account(), config.region()),
            clock: clock.clone(),
        };
        let s3 = S3 {
            store,
            kms,
            account: config.account().to_owned(),
            foreign: config.foreign_buckets.keys().map(ToString::to_string).collect(),
            clock: config.storage_clock(clock.clone()),
        };
        let iam = Iam {
            directory: Arc::new(directories.identities),
            account: Account::new(config.account(), config.region()),
            given_keys: config.access_keys.clone(),
            clock: clock.clone(),
        };
        let callers = Callers { iam, usual: config.caller() };
        let cloud = Cloud::new(s3, callers, &config, exit_on_crash);
        Sandbox { root, config, clock, cloud: Arc::new(cloud), _temporary: temporary }
    }

    fn begun(self) -> io::Result<Self> {
        self.cloud.callers.iam.begin()?;
        Ok(self)
    }

    /// What the SDK talks to in place of the network.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(Connector::new(self.cloud.clone()))
    }

    /// Settings of clients that reach this sandbox and nothing else.
    pub fn aws_settings(&self) -> AwsSettings {
        let region: Option<RegionName> = self.config.region().parse().ok();
        AwsSettings { region, ..AwsSettings::sandboxed(self.http_client(), self.clock.clone()) }
    }

    pub fn config(&self) -> &SandboxConfig {
        &self.config
    }

    /// The clock of everyone in the sandbox but the storage.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// The directory of the sandbox; a temporary one if it is in memory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory that is a host's `/`. It need not exist yet.
    pub fn host_dir(&self, host: &HostName) -> PathBuf {
        self.hosts_dir().join(host.as_str())
    }

    /// The Elasticsearch that answers on a host, with its state in the host's folder.
    pub fn elasticsearch(&self, host: &HostName) -> Elasticsearch {
        let store = self.cloud.s3.store.clone();
        let has_bucket: HasBucket = Arc::new(move |name| matches!(store.bucket(name), Ok(Some(_))));
        let file = self.host_dir(host).join(elasticsearch::FILE);
        Elasticsearch::at(file, self.clock.clone(), self.config.elasticsearch.clone(), Some(has_bucket))
    }

    /// The folder of all hosts, each by its name.
    pub fn hosts_dir(&self) -> PathBuf {
        self.root.join(HOSTS)
    }

    /// Where mail and pings go: nothing leaves.
    pub fn outbox(&self) -> PathBuf {
        self.root.join(OUTBOX)
    }

    /// Lets the faults strike at writes to the hosts' files too.
    pub fn tripwire(&self) -> Tripwire {
        let cloud = self.cloud.clone();
        Arc::new(move |moment| cloud.host_write(moment))
    }

    /// Requests so far by operation (`PutObject`), every attempt counted.
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        self.cloud.counts()
    }

    /// Begins to count anew.
    pub fn forget_requests(&self) {
        self.cloud.forget_counts();
    }

    /// Adds a rule of what goes wrong, from the next request on.
    pub fn inject(&self, fault: Fault) {
        self.cloud.inject(fault);
    }

    /// Whether a crash on purpose happened; then no request is answered any more.
    pub fn crashed(&self) -> bool {
        self.cloud.crashed()
    }

    /// The same sandbox after a crash: what took effect is there, faults and counts are gone, requests are answered.
    /// A crash then no longer ends the process, for this is how tests go on.
    pub fn reopened(self) -> Sandbox {
        let s3 = self.cloud.s3.clone();
        let config = SandboxConfig { faults: Vec::new(), ..self.config.clone() };
        let cloud = Cloud::new(s3, self.cloud.callers.clone(), &config, false);
        Sandbox { cloud: Arc::new(cloud), ..self }
    }

    /// What is in the cloud and on the hosts.
    pub fn overview(&self) -> io::Result<Overview> {
        let directory = &self.cloud.callers.iam.directory;
        overview::of(self.cloud.s3.store.as_ref(), directory, &self.root.join(HOSTS))
    }

    /// Forgets the cloud's state and the hosts' files; `sandbox.yml` stays.
    pub fn reset(&self) -> io::Result<()> {
        self.cloud.s3.store.reset()?;
        self.cloud.s3.kms.directory.reset()?;
        self.cloud.callers.iam.directory.reset()?;
        self.cloud.callers.iam.begin()?;
        for directory in [HOSTS, OUTBOX] {
            match std::fs::remove_dir_all(self.root.join(directory)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a directory holds a sandbox, so that forgetting it destroys nothing else.
    pub fn is_at(root: &Path) -> bool {
        root.join(CONFIG).is_file() || root.join(CLOUD).join("locks").is_dir()
    }
}
