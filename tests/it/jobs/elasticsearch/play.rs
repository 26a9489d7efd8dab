//! A host whose Elasticsearch is the stand-in, and what the tests of snapshots do to it.

use std::collections::BTreeMap;
use std::time::Duration;

use reconcile::clients::elasticsearch::Pace;
use reconcile::datastores::elasticsearch::settings::{ElasticsearchSource, SnapshotStore};
use reconcile::datastores::job_file::{KeepLocal, Source};
use reconcile::jobs::restore::Wanted;
use reconcile::jobs::snapshot::{self, ElasticsearchReach, RestoredSnapshot, SnapshotReady, SnapshotReport};
use reconcile::jobs::verify::{self, Evidence};
use reconcile::jobs::{self, JobError, Listing, check};
use reconcile::sandbox::elasticsearch::{
    Elasticsearch, Index, KnobLogin, Knobs, Registered, Trouble, TroubleKind,
};
use reconcile::vocab::Tier;

use crate::jobs::host::Host;

const DIRECTORY: &str = "/opt/data/backups/elasticsearch";
pub(super) const REPOSITORY: &str = "production_es_snapshot";
pub(super) const FORMS: &str = "forms_2024-05-09";

/// Something that goes wrong.
pub(super) type Deed = fn(&Play);

/// A host whose Elasticsearch is the stand-in, with its repository registered as settings want it.
pub(super) struct Play {
    pub(super) host: Host,
    pub(super) cluster: Elasticsearch,
}

impl Play {
    pub(super) fn new() -> Play {
        Play::of(Knobs { polls: 1, ..Knobs::default() })
    }

    pub(super) fn of(knobs: Knobs) -> Play {
        let store = SnapshotStore::S3 { bucket: "snapshots".parse().expect("a name"), endpoint: None };
        let source = ElasticsearchSource {
            at: vec!["http://127.0.0.1:9200".to_owned()],
            repository: REPOSITORY.to_owned(),
            store: Some(store),
        };
        let mut host = Host::of("elasticsearch", DIRECTORY, Source::Elasticsearch(source));
        let cluster = Elasticsearch::memory(host.context.clock.clone(), knobs);
        host.context.job.keep = KeepLocal { days: 3, weeks: 1, hours: 1 };
        host.context.job.schedules =
            BTreeMap::from([(Tier::Daily, "0 4 * * *".parse().expect("a schedule"))]);
        host.context.written = Some(host.context.clock.now());
        host.context.job.alerts.email = vec!["ops@example.org".to_owned()];
        host.context.channels.outbox = Some(host.inside("/outbox"));
        host.context.elasticsearch = ElasticsearchReach {
            network: Some(cluster.network()),
            login: None,
            pace: Pace { first: Duration::from_millis(1), most: Duration::from_millis(4), tries: 4 },
            patience: Duration::from_secs(20),
        };
        let play = Play { host, cluster };
        play.registered("snapshots");
        play
    }

    pub(super) fn registered(&self, bucket: &str) {
        let settings = BTreeMap::from([
            ("bucket".to_owned(), bucket.to_owned()),
            ("server_side_encryption".to_owned(), "true".to_owned()),
        ]);
        self.cluster
            .state(|records| {
                let repository = Registered { kind: "s3".to_owned(), settings };
                records.repositories.insert(REPOSITORY.to_owned(), repository);
            })
            .expect("registered");
    }

    pub(super) async fn snapshot(&self) -> Result<SnapshotReport, JobError> {
        Box::pin(snapshot::snapshot(&self.host.context, Tier::Daily)).await
    }

    pub(super) async fn prepare(
        &self,
        wanted: &Wanted,
        prefix: Option<&str>,
    ) -> Result<SnapshotReady, JobError> {
        Box::pin(snapshot::prepare(&self.host.context, wanted, prefix)).await
    }

    pub(super) async fn restore(
        &self,
        wanted: &Wanted,
        prefix: Option<&str>,
    ) -> Result<RestoredSnapshot, JobError> {
        let ready = self.prepare(wanted, prefix).await?;
        Box::pin(ready.carry_out(&self.host.context)).await
    }

    pub(super) async fn verify(&self, wanted: &Wanted) -> Result<Evidence, JobError> {
        verify::verify(&self.host.context, &[], wanted, None).await
    }

    pub(super) async fn listing(&self) -> Listing {
        jobs::list(&self.host.context, &[]).await.expect("a list")
    }

    /// From now on this goes wrong, and nothing else.
    pub(super) fn trouble(&self, operation: &str, kind: TroubleKind, times: u32) {
        self.cluster.turn(|knobs| knobs.troubles = vec![Trouble::new(operation, kind, times)]);
    }

    /// The snapshots that are there, with their states.
    pub(super) fn there(&self) -> Vec<(String, String)> {
        self.cluster
            .state(|records| {
                let all = records.contents.values().flatten();
                all.map(|(name, kept)| (name.clone(), kept.state.clone())).collect()
            })
            .expect("a state")
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.there().into_iter().map(|(name, _)| name).collect()
    }

    pub(super) fn letters(&self) -> usize {
        std::fs::read_dir(self.host.inside("/outbox")).map_or(0, Iterator::count)
    }

    pub(super) async fn look(&self) -> check::CheckReport {
        Box::pin(check::look(&self.host.context, &[])).await
    }

    pub(super) fn documents(&self, index: &str) -> Option<u64> {
        self.cluster
            .state(|records| records.indices.get(index).map(|index| index.documents))
            .expect("a state")
    }

    pub(super) fn set_documents(&self, index: &str, documents: u64) {
        self.cluster
            .state(|records| records.indices.insert(index.to_owned(), Index::of(documents)))
            .expect("set");
    }

    pub(super) fn indices(&self) -> Vec<String> {
        self.cluster.state(|records| records.indices.keys().cloned().collect()).expect("a state")
    }
}

pub(super) fn login() -> KnobLogin {
    KnobLogin { username: "backup".to_owned(), password: "canary".to_owned() }
}
