//! The cluster of a job: its client, its repository, and which of the snapshots there are ours.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use chrono::{DateTime, Utc};

use crate::clients::elasticsearch::{About, Elasticsearch, EsError, EsErrorKind, Pace, Snapshot, State, Way};
use crate::clients::http;
use crate::datastores::elasticsearch::desired::wanted;
use crate::datastores::elasticsearch::names::Family;
use crate::datastores::elasticsearch::settings::ElasticsearchSource;
use crate::datastores::job_file::Source;
use crate::jobs::context::Context;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::verify::Evidence;
use crate::resources::snapshot_repository::live::of;
use crate::retention::local::Fate;
use crate::retention::snapshots;
use crate::vocab::{Environment, Login};

/// How clusters are reached from where a job runs.
#[derive(Clone, Debug)]
pub struct ElasticsearchReach {
    /// What plays the network; without it the network.
    pub network: Option<SharedHttpConnector>,
    pub login: Option<Login>,
    pub pace: Pace,
    /// How long a snapshot, or the way back of one, may take.
    pub patience: Duration,
}

impl Default for ElasticsearchReach {
    fn default() -> Self {
        // The next daily run must find the lock free.
        let patience = Duration::from_secs(20 * 3600);
        ElasticsearchReach { network: None, login: None, pace: Pace::default(), patience }
    }
}

/// The cluster and what a job wants of it.
pub struct Cluster<'a> {
    pub client: Elasticsearch<'static>,
    pub source: &'a ElasticsearchSource,
    pub environment: &'a Environment,
    pub days: u32,
    pub patience: Duration,
}

impl<'a> Cluster<'a> {
    pub fn of(context: &'a Context) -> Result<Self, JobError> {
        let Source::Elasticsearch(source) = &context.job.source else {
            return Err(JobError::new(Stage::Prepare, "this job is of no Elasticsearch"));
        };
        let ElasticsearchReach { network, login, pace, patience } = context.elasticsearch.clone();
        let way = Way::Network(network.unwrap_or_else(http::network));
        Ok(Cluster {
            client: Elasticsearch { way, at: source.at.clone(), login, pace },
            source,
            environment: &context.job.environment,
            days: context.job.keep.days,
            patience,
        })
    }

    pub fn repository(&self) -> &'a str {
        &self.source.repository
    }

    /// The scheduled snapshots.
    pub fn family(&self) -> Family {
        Family::of(&self.source.repository)
    }

    pub async fn about(&self, stage: Stage) -> Result<About, JobError> {
        self.client.about().await.map_err(|error| told(stage, &error))
    }

    /// Every snapshot in the repository, whoever made it.
    pub async fn snapshots(&self, stage: Stage) -> Result<Vec<Snapshot>, JobError> {
        self.client.snapshots(self.repository()).await.map_err(|error| told(stage, &error))
    }

    /// Ours that are over, each with its fate: none goes for one that a verification condemned.
    pub fn fates(&self, all: &[Snapshot], proofs: &[Evidence], now: DateTime<Utc>) -> Vec<(Snapshot, Fate)> {
        let family = self.family();
        let ours = |one: &&Snapshot| family.has(&one.name) && one.state != State::InProgress;
        let ours: Vec<Snapshot> = all.iter().filter(ours).cloned().collect();
        let seen: Vec<snapshots::Snapshot> = ours
            .iter()
            .map(|one| snapshots::Snapshot {
                name: one.name.clone(),
                began: one.started,
                ended: one.ended.unwrap_or(one.started),
                whole: one.state == State::Success && restored(one, proofs) != Some(false),
            })
            .collect();
        let fates = snapshots::decide(&seen, self.days, now);
        ours.into_iter().zip(fates).collect()
    }

    /// Why the repository is not the one that settings ask for; `None`: it is.
    pub async fn strange(&self) -> Result<Option<String>, EsError> {
        let name = self.repository();
        let Some(found) = self.client.repository(name).await? else {
            return Ok(Some(format!(
                "there is no repository {name}: nobody registered it, or somebody took it away"
            )));
        };
        let wanted = self.source.store.as_ref().map(|store| wanted(self.source.at.clone(), store));
        let differs = wanted.and_then(|wanted| of(&found, &self.source.at).differs_from(&wanted));
        Ok(differs.map(|differs| format!("the repository {name} leads elsewhere: {differs}")))
    }

    /// Refuses to begin where the repository is another one, or not every node can write to it; answers with the nodes.
    pub async fn ready(&self, stage: Stage) -> Result<Vec<String>, JobError> {
        if let Some(why) = self.strange().await.map_err(|error| told(stage, &error))? {
            return Err(JobError::new(stage, why)
                .help("`reconcile plan` shows what differs, and `reconcile apply` registers it"));
        }
        self.client.verify(self.repository()).await.map_err(|error| {
            let error = JobError::new(
                stage,
                format!("the repository {} cannot be written to: {error}", self.repository()),
            );
            error.help(match self.source.store {
                Some(_) => {
                    "see that every node reaches its place and may write there; then POST _verify tells"
                }
                None => "see where it leads: GET _snapshot",
            })
        })
    }
}

/// Whether a snapshot was restored and found good; `None` where nobody tried.
pub fn restored(one: &Snapshot, proofs: &[Evidence]) -> Option<bool> {
    proofs.iter().find(|proof| is_of(proof, one)).map(Evidence::is_proof)
}

/// Whether evidence is of this snapshot: its name may have been another's before.
pub fn is_of(proof: &Evidence, one: &Snapshot) -> bool {
    proof.name == one.name && proof.taken == one.ended
}

/// What an error means for a person.
pub fn told(stage: Stage, error: &EsError) -> JobError {
    let help = match error.kind {
        EsErrorKind::Nowhere => {
            "see that Elasticsearch runs on this host, and on which address and port it listens"
        }
        EsErrorKind::RepositoryMissing => "`reconcile apply` registers the repository",
        EsErrorKind::Denied => {
            "the user needs the cluster privilege `manage`, and `read` and `manage` on the indices"
        }
        EsErrorKind::Rejected | EsErrorKind::Unready | EsErrorKind::Unheard => {
            "see the cluster's health and its logs; the next run tries again"
        }
        EsErrorKind::Strange => "see what listens there: GET /",
        _ => return JobError::new(stage, error.to_string()),
    };
    JobError::new(stage, error.to_string()).help(help)
}

/// Whether a snapshot could begin. What was found, in words.
pub async fn try_out(context: &Context) -> Result<String, JobError> {
    let cluster = Cluster::of(context)?;
    let about = Box::pin(cluster.about(Stage::Prepare)).await?;
    let nodes = Box::pin(cluster.ready(Stage::Prepare)).await?;
    let nodes = match nodes.len() {
        1 => "1 node can write".to_owned(),
        count => format!("{count} nodes can write"),
    };
    Ok(format!("Elasticsearch {} is there, and {nodes} to {}", about.version, cluster.repository()))
}
