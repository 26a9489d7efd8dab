//! The live world: AWS (or an S3-compatible store, or the sandbox in its place) and the hosts.
//!
//! One listing answers which buckets exist and where; what each of them is like is asked bucket by bucket, all at once
//! within one bound on requests.

mod account;
mod audit;
mod break_glass;
mod buckets;
mod hosts;
mod identities;
mod keys;
mod lock;
mod lock_in_bucket;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use tokio::sync::Semaphore;

use super::{WorldRead, WorldWrite};
use crate::clients::aws::{Aws, Keys};
use crate::clients::host::ProgramFile;
use crate::plan::{Action, Answer, Change, Question};
use crate::resources::Resource;
use crate::state::{Caller, Observed, Scope, Sighting};
use crate::vocab::Login;
use crate::vocab::{Clock, Environment, HostName, Id, Kind, Secret, SecretDigest};

pub use hosts::{HostStep, Hosts, Reach, Watcher};
pub use lock::{Blocked, LockLook, LockSpots, Taken};

/// What the live world is made of.
pub struct LiveWorld {
    pub environment: Environment,
    pub aws: Aws,
    /// Who calls, as [`LiveWorld::caller`] found out.
    caller: Caller,
    pub hosts: Hosts,
    /// Secrets that job files need, by their digests.
    secrets: BTreeMap<SecretDigest, Secret>,
    /// The access key that jobs upload with, where the vault has one.
    job_keys: Option<Keys>,
    /// As whom Elasticsearch is asked, where it asks who is there.
    elasticsearch: Option<Login>,
    /// Earlier names of the environment: their marks are ours to replace.
    previous: BTreeSet<Environment>,
    /// Programs for hosts, by SHA-256.
    programs: BTreeMap<String, ProgramFile>,
    /// Is told how far each machine is looked at.
    watcher: Option<Watcher>,
    /// Bounds the requests under way at once.
    gate: Semaphore,
    parallel: usize,
    clock: Clock,
}

impl LiveWorld {
    /// Connects: asks once who is calling. That no credentials were found is no error here, only an unknown caller.
    pub async fn connect(
        environment: Environment,
        aws: Aws,
        hosts: Hosts,
        secrets: impl IntoIterator<Item = Secret>,
        parallel: usize,
        clock: Clock,
    ) -> LiveWorld {
        let caller = buckets::caller(&aws).await;
        LiveWorld {
            environment,
            aws,
            caller,
            hosts,
            secrets: secrets.into_iter().map(|secret| (secret.digest(), secret)).collect(),
            job_keys: None,
            elasticsearch: None,
            previous: BTreeSet::new(),
            programs: BTreeMap::new(),
            watcher: None,
            gate: Semaphore::new(parallel.max(1)),
            parallel: parallel.max(1),
            clock,
        }
    }

    /// The same world, which knows the access key that jobs upload with.
    pub fn with_job_key(self, keys: Option<Keys>) -> LiveWorld {
        LiveWorld { job_keys: keys, ..self }
    }

    /// The same world, which knows user and password of Elasticsearch.
    pub fn with_elasticsearch(self, login: Option<Login>) -> LiveWorld {
        LiveWorld { elasticsearch: login, ..self }
    }

    /// The same world, whose environment had other names before.
    pub fn with_previous(self, names: impl IntoIterator<Item = Environment>) -> LiveWorld {
        let environment = self.environment.clone();
        LiveWorld { previous: names.into_iter().filter(|name| *name != environment).collect(), ..self }
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The same world, which tells how far each machine is looked at.
    pub fn watched_by(self, watcher: Watcher) -> LiveWorld {
        LiveWorld { watcher: Some(watcher), ..self }
    }

    /// The same world, which has programs to put on hosts.
    pub fn with_programs(self, programs: impl IntoIterator<Item = ProgramFile>) -> LiveWorld {
        let by_sum = |program: ProgramFile| (program.sha256.clone(), program);
        LiveWorld { programs: programs.into_iter().map(by_sum).collect(), ..self }
    }

    fn secret(&self, digest: &SecretDigest) -> Option<Secret> {
        self.secrets.get(digest).cloned()
    }
}

impl WorldRead for LiveWorld {
    async fn observe(&self, scope: &Scope<'_>) -> Observed {
        let buckets = scope.wanted.iter().filter_map(|(id, resource)| match resource {
            Resource::Bucket(bucket) => Some((*id, bucket)),
            _ => None,
        });
        let buckets: Vec<_> = buckets.collect();
        let mut observed = Observed { caller: self.caller.clone(), ..Observed::default() };
        let (buckets, break_glass, hosts) = futures_util::join!(
            Box::pin(self.observe_buckets(scope.account, buckets)),
            Box::pin(self.observe_break_glass(scope.account, &scope.break_glass)),
            Box::pin(self.observe_hosts(scope)),
        );
        observed.sightings.extend(buckets);
        observed.break_glass = break_glass;
        let is_identity = |id: &Id| matches!(id.kind(), Kind::Role | Kind::User);
        let identities = scope.wanted.iter().filter(|(id, _)| is_identity(id)).map(|(id, like)| (*id, *like));
        let identities: Vec<_> = identities.collect();
        if !identities.is_empty() {
            let (sightings, job_key) =
                futures_util::join!(self.observe_identities(scope.account, identities), self.job_key());
            observed.sightings.extend(sightings);
            observed.job_key = job_key;
        }
        let Observed { hosts, sightings, doubtful, failures, .. } = hosts;
        observed.hosts = hosts;
        observed.sightings.extend(sightings);
        observed.doubtful = doubtful;
        observed.failures = failures;
        observed
    }

    async fn sight(&self, id: &Id, like: &Resource) -> Sighting {
        match like {
            Resource::Bucket(bucket) => {
                Box::pin(self.sight_bucket(id, bucket, &buckets::Listing::NotAsked)).await
            }
            Resource::Role(_) | Resource::User(_) => Box::pin(self.sight_identity(id, like)).await,
            Resource::Program(_)
            | Resource::SnapshotRepository(_)
            | Resource::HostDirectory(_)
            | Resource::HostFile(_)
            | Resource::Crontab(_) => Box::pin(self.sight_on_host(id, like)).await,
        }
    }

    async fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Versions { bucket, prefix, old, new, .. } => {
                self.lost_versions(bucket, prefix, *old, *new).await
            }
            Question::Local { host, old, new, .. } => Box::pin(self.lost_local(host, old, new)).await,
        }
    }
}

impl WorldWrite for LiveWorld {
    async fn carry_out(&self, change: &Change) -> Result<(), String> {
        match change.id.kind() {
            Kind::Bucket => Box::pin(self.write_bucket(change)).await,
            Kind::Role | Kind::User => Box::pin(self.write_identity(change)).await,
            _ if change.action == Action::Remove => Box::pin(self.remove_on_host(change)).await,
            _ => Box::pin(self.write_on_host(change)).await,
        }
    }
}

/// Runs one future per item, `parallel` at a time, and collects what they answer.
async fn all<I, F, T>(items: I, parallel: usize, run: impl Fn(I::Item) -> F) -> Vec<T>
where
    I: IntoIterator,
    F: Future<Output = T>,
{
    futures_util::stream::iter(items).map(run).buffer_unordered(parallel).collect().await
}

/// The host that an id lies on.
fn host_of(id: &Id) -> Result<&HostName, String> {
    id.host().ok_or_else(|| format!("{id} names no host"))
}
