//! Taking a snapshot back: choose -> show -> keep what is there in a snapshot of its own -> close -> restore over it -> wait
//! -> tell. Under other names nothing that is there is touched.
//!
//! Until what is there is kept whole, nothing is closed. Indices that the snapshot does not hold stay as they are, and so do
//! those that begin with a dot: they are Elasticsearch's own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::cluster::{Cluster, is_of, told};
use super::{follow, judge};
use crate::clients::elasticsearch::{EsError, Health, Restoring, Snapshot, State};
use crate::datastores::elasticsearch::names::{before_restore, is_hidden};
use crate::datastores::job_file::Services;
use crate::jobs::context::Context;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::restore::{Wanted, run_service};
use crate::jobs::verify::{self as proving, standing};
use crate::jobs::{blocking, directory, lock};
use crate::vocab::words;

/// A restore that is ready, and what it will do: for a person to agree to.
#[derive(Clone, Debug)]
pub struct SnapshotReady {
    pub name: String,
    pub ended: Option<DateTime<Utc>>,
    /// Where the snapshot is, for people.
    pub place: String,
    /// What is restored, by the names in the snapshot.
    pub indices: Vec<String>,
    /// What stands before their names; `None`: they go where they were.
    pub prefix: Option<String>,
    /// Those of the same names that are there and open: they are kept in `kept`, closed and replaced.
    pub replaced: Vec<String>,
    /// Those of the same names that are closed: replaced, and not kept.
    pub closed: Vec<String>,
    /// The snapshot in which what is there will be kept.
    pub kept: Option<String>,
    pub notes: Vec<String>,
    /// Who is stopped and started by the restore itself, as the settings declare.
    pub declared: Option<Services>,
}

/// What a restore came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestoredSnapshot {
    pub name: String,
    pub from: String,
    pub ended: Option<DateTime<Utc>>,
    /// As they are called now.
    pub indices: Vec<String>,
    pub documents: u64,
    /// The snapshot that holds what was there before.
    pub kept: Option<String>,
    pub notes: Vec<String>,
}

/// Chooses among what the repository holds: of our names, or whichever a person names.
pub fn choose(cluster: &Cluster<'_>, all: &[Snapshot], wanted: &Wanted) -> Result<Snapshot, JobError> {
    let family = cluster.family();
    let mut ours: Vec<&Snapshot> = all
        .iter()
        .filter(|one| match wanted {
            Wanted::Named(name) => one.name == *name,
            _ => family.has(&one.name),
        })
        .collect();
    ours.sort_by(|a, b| (b.ended, b.started, &b.name).cmp(&(a.ended, a.started, &a.name)));
    let is_wanted = |one: &&&Snapshot| match wanted {
        Wanted::Newest | Wanted::NewestScheduled | Wanted::Named(_) => one.state == State::Success,
        // An incident may be of any moment while it was made.
        Wanted::Before(instant) => {
            one.state == State::Success && one.ended.is_some_and(|ended| ended < *instant)
        }
    };
    if let Some(found) = ours.iter().find(is_wanted) {
        return Ok((**found).clone());
    }
    let what = match wanted {
        Wanted::Newest | Wanted::NewestScheduled => "there is no whole snapshot".to_owned(),
        Wanted::Named(name) => format!("there is no whole snapshot {name}"),
        Wanted::Before(instant) => {
            format!("there is no snapshot that was whole before {}", words::second(*instant))
        }
    };
    let bad: Vec<String> = ours
        .iter()
        .filter(|one| one.state != State::Success)
        .map(|one| format!("{} is {}", one.name, one.state.word()))
        .collect();
    let also = if bad.is_empty() { String::new() } else { format!(" ({})", follow::first_ones(&bad)) };
    Err(JobError::new(Stage::Choose, format!("{what} in {}{also}", cluster.repository()))
        .help("`reconcile list elasticsearch -v` shows what there is"))
}

/// The same, but for those that a verification condemned: who wants one of them names it. Also what is to be said of it.
fn undoubted(
    context: &Context,
    cluster: &Cluster<'_>,
    all: Vec<Snapshot>,
    wanted: &Wanted,
) -> Result<(Snapshot, Vec<String>), JobError> {
    let proofs = proving::all(&context.directory()).unwrap_or_default();
    let words = |one: &Snapshot| {
        let proof = proofs.iter().find(|proof| is_of(proof, one) && !proof.is_proof())?;
        Some(standing::words(proof))
    };
    if matches!(wanted, Wanted::Named(_)) {
        let chosen = choose(cluster, &all, wanted)?;
        let doubts = words(&chosen).map(|words| format!("{} {words}", chosen.name)).into_iter().collect();
        return Ok((chosen, doubts));
    }
    let (condemned, good): (Vec<Snapshot>, Vec<Snapshot>) =
        all.into_iter().partition(|one| words(one).is_some());
    let passed = |one: &Snapshot| {
        Some(format!("passed over: {} {}; who wants it all the same names it", one.name, words(one)?))
    };
    match choose(cluster, &good, wanted) {
        Ok(chosen) => {
            let newer = condemned.iter().filter(|one| one.ended > chosen.ended);
            let newer = newer.filter(|one| match wanted {
                Wanted::Before(instant) => one.ended.is_some_and(|ended| ended < *instant),
                _ => true,
            });
            let doubts = newer.filter_map(passed).collect();
            Ok((chosen, doubts))
        }
        Err(error) => {
            let message =
                condemned.iter().filter_map(passed).fold(error.message, |all, one| format!("{all}; {one}"));
            Err(JobError { message, ..error })
        }
    }
}

/// Chooses the snapshot and looks at what it would replace; changes nothing. `prefix` restores under other names.
pub async fn prepare(
    context: &Context,
    wanted: &Wanted,
    prefix: Option<&str>,
) -> Result<SnapshotReady, JobError> {
    let cluster = Cluster::of(context)?;
    if let Some(prefix) = prefix {
        is_prefix(prefix)?;
    }
    if let Some(why) = Box::pin(cluster.strange()).await.map_err(|error| told(Stage::Choose, &error))? {
        return Err(JobError::new(Stage::Choose, why).help("`reconcile apply` registers it"));
    }
    let all = Box::pin(cluster.snapshots(Stage::Choose)).await?;
    let (chosen, doubts) = undoubted(context, &cluster, all, wanted)?;
    let (hidden, indices): (Vec<String>, Vec<String>) =
        chosen.indices.iter().cloned().partition(|index| is_hidden(index));
    if indices.is_empty() {
        return Err(JobError::new(Stage::Choose, format!("the snapshot {} holds no index", chosen.name)));
    }
    let there = Box::pin(cluster.client.indices()).await.map_err(|error| told(Stage::Choose, &error))?;
    let target = |index: &String| format!("{}{index}", prefix.unwrap_or_default());
    let present = |open: bool| -> Vec<String> {
        indices.iter().map(target).filter(|index| there.get(index) == Some(&open)).collect()
    };
    let (replaced, closed) = (present(true), present(false));
    if prefix.is_some() && !(replaced.is_empty() && closed.is_empty()) {
        let both: Vec<String> = replaced.into_iter().chain(closed).collect();
        let message = format!("there are indices of these names already: {}", follow::first_ones(&both));
        return Err(JobError::new(Stage::Choose, message)
            .help("name another prefix: nothing is ever mixed with what is there"));
    }
    let mut notes = doubts;
    if !hidden.is_empty() {
        notes.push(format!(
            "left in the snapshot, for they are Elasticsearch's own: {}",
            follow::first_ones(&hidden)
        ));
    }
    if prefix.is_none() {
        let others = there.keys().filter(|index| !indices.contains(index) && !is_hidden(index));
        let others: Vec<String> = others.cloned().collect();
        if !others.is_empty() {
            notes.push(format!("not in the snapshot, and left as they are: {}", follow::first_ones(&others)));
        }
    }
    let kept = (!replaced.is_empty()).then(|| before_restore(cluster.environment, context.clock.now()));
    Ok(SnapshotReady {
        name: chosen.name,
        ended: chosen.ended,
        place: format!("{}, {}", cluster.repository(), cluster.source.place()),
        indices,
        prefix: prefix.map(str::to_owned),
        replaced,
        closed,
        kept,
        notes,
        // What a sandbox plays has no services; this machine's are none of its business.
        declared: context
            .job
            .services
            .clone()
            .filter(|_| prefix.is_none() && context.root == std::path::Path::new("/")),
    })
}

/// What may stand before the name of an index
/// (<https://www.elastic.co/guide/en/elasticsearch/reference/7.17/indices-create-index.html>).
fn is_prefix(prefix: &str) -> Result<(), JobError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let begins = prefix.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    match begins && prefix.len() <= 60 && prefix.chars().all(plain) {
        true => Ok(()),
        false => Err(JobError::new(
            Stage::Choose,
            format!("`{prefix}` cannot stand before the names of indices: lower case letters, digits, `-`, `_` and `.`"),
        )
        .help("such as --to restored-")),
    }
}

impl SnapshotReady {
    pub fn in_place(&self) -> bool {
        self.prefix.is_none()
    }

    /// Restores it.
    pub async fn carry_out(self, context: &Context) -> Result<RestoredSnapshot, JobError> {
        let place = directory::find(context)?;
        let title = format!("restore {} of {}", context.job.datastore, context.job.environment);
        let _lock = lock::take(context, &place, lock::BACKUP, title, None)?;
        let cluster = Cluster::of(context)?;
        if self.kept.is_some() {
            Box::pin(cluster.ready(Stage::Prepare)).await?;
        }
        // Before anything is kept: what is written meanwhile would be in neither.
        if let Some(services) = &self.declared {
            service(services.stop.clone()).await?;
        }
        let kept = Box::pin(self.keep(context, &cluster)).await;
        let done = match kept {
            Ok(()) => Box::pin(self.replace(&cluster)).await,
            Err(error) => Err(Failed { error, is_mixed: false }),
        };
        let documents = match (done, &self.declared) {
            (Ok(documents), Some(services)) => {
                service(services.start.clone()).await?;
                documents
            }
            (Ok(documents), None) => documents,
            (Err(Failed { error, is_mixed: true }), Some(services)) => {
                return Err(stay_stopped(error, services));
            }
            (Err(Failed { error, .. }), services) => {
                // Whoever was stopped goes on with what was there before.
                if let Some(services) = services {
                    let _ = service(services.start.clone()).await;
                }
                return Err(error);
            }
        };
        let SnapshotReady { name, ended, place, indices, prefix, kept, notes, .. } = self;
        let prefix = prefix.unwrap_or_default();
        Ok(RestoredSnapshot {
            name,
            from: place,
            ended,
            indices: indices.into_iter().map(|index| format!("{prefix}{index}")).collect(),
            documents,
            kept,
            notes,
        })
    }

    /// Keeps what is replaced, as a snapshot of its own.
    async fn keep(&self, context: &Context, cluster: &Cluster<'_>) -> Result<(), JobError> {
        let Some(kept) = &self.kept else { return Ok(()) };
        let made = Box::pin(follow::make(cluster, context, kept)).await;
        made.and_then(|made| judge(&made)).map_err(|error| {
            let message =
                format!("what is there cannot be kept, and so nothing was touched: {}", error.message);
            JobError { message, stage: Stage::Exchange, ..error }
        })
    }

    /// Closes, restores, and waits; answers with how many documents there are then.
    async fn replace(&self, cluster: &Cluster<'_>) -> Result<u64, Failed> {
        let mut closed: Vec<&String> = Vec::new();
        for index in &self.replaced {
            if let Err(error) = Box::pin(cluster.client.close(index)).await {
                if !error.kind.did_nothing() {
                    closed.push(index);
                }
                return Err(self.undone(cluster, &closed, index, &error).await);
            }
            closed.push(index);
        }
        let restoring = Restoring { indices: &self.indices, prefix: self.prefix.as_deref(), scratch: false };
        let begun = Box::pin(cluster.client.restore(cluster.repository(), &self.name, &restoring)).await;
        if let Err(error) = begun {
            // What was not answered may go on: opening what is being replaced would break it.
            return Err(match error.kind.did_nothing() {
                true => self.undone(cluster, &closed, &self.name, &error).await,
                false => self.half_done(&error.to_string()),
            });
        }
        let mut documents = 0u64;
        for index in &self.indices {
            let index = format!("{}{index}", self.prefix.as_deref().unwrap_or_default());
            recovered(cluster, &index).await.map_err(|why| self.half_done(&why.words()))?;
            let count = Box::pin(cluster.client.count(&index)).await;
            documents = documents.saturating_add(count.map_err(|error| self.half_done(&error.to_string()))?);
        }
        Ok(documents)
    }

    /// Nothing was replaced: what was closed is opened again.
    async fn undone(&self, cluster: &Cluster<'_>, closed: &[&String], at: &str, error: &EsError) -> Failed {
        let mut left = Vec::new();
        for index in closed {
            if Box::pin(cluster.client.open(index)).await.is_err() {
                left.push((*index).clone());
            }
        }
        let so = match left.as_slice() {
            [] => "what was there is open again and as it was".to_owned(),
            left => format!("still closed, and as they were: {}", left.join(", ")),
        };
        let told = told(Stage::Restore, error);
        let message = format!("nothing was restored, for {at}: {}; {so}", told.message);
        Failed { error: JobError { message, ..told }, is_mixed: !left.is_empty() }
    }

    /// Some of it may be replaced.
    fn half_done(&self, why: &str) -> Failed {
        let help = match &self.kept {
            Some(kept) => format!(
                "see the cluster's health; then restore again, or what was there before: reconcile restore elasticsearch \
                 {kept}"
            ),
            None => "see the cluster's health; then delete what was restored in part, and restore again"
                .to_owned(),
        };
        let message = format!("the restore of {} did not come to its end: {why}", self.name);
        Failed { error: JobError::new(Stage::Restore, message).help(help), is_mixed: true }
    }
}

/// Why not everything could be replaced.
struct Failed {
    error: JobError,
    /// What is there is of two times, or closed in part: nobody may use it.
    is_mixed: bool,
}

/// Whoever was stopped would go on with what is there, and write into it.
fn stay_stopped(error: JobError, services: &Services) -> JobError {
    let first = error.help.map(|help| format!("{help}; ")).unwrap_or_default();
    let help = format!(
        "{first}a restore that succeeds starts them; without one, once all is whole and open: {}",
        services.start
    );
    let message = format!("{}; the declared services stay stopped", error.message);
    JobError { message, help: Some(help), ..error }
}

async fn service(command: String) -> Result<(), JobError> {
    blocking(Stage::Exchange, move || run_service(&command)).await?
}

/// Why an index is not there.
pub enum Lacking {
    /// Its files in the repository, or the room for them.
    Index(String),
    /// Nobody could look.
    Cluster(EsError),
}

impl Lacking {
    pub fn words(&self) -> String {
        match self {
            Lacking::Index(why) => why.clone(),
            Lacking::Cluster(error) => error.to_string(),
        }
    }
}

/// How often an index that is not whole may be seen with nothing moving in it.
const STILL: u32 = 30;

/// Waits until every primary of a restored index is there.
pub async fn recovered(cluster: &Cluster<'_>, index: &str) -> Result<(), Lacking> {
    let looks = async {
        let (mut looks, mut still) = (0, 0);
        loop {
            match cluster.client.health(index).await {
                Ok(Health::Green | Health::Yellow) => return Ok(()),
                Ok(Health::Red { moves: true }) => still = 0,
                Ok(Health::Red { moves: false }) => still += 1,
                Err(error) if error.kind.passes() => {}
                Err(error) => return Err(Lacking::Cluster(error)),
            }
            if still >= STILL {
                return Err(Lacking::Index(format!(
                    "{index} does not recover: a part of it cannot be read from the repository, or no node has room for it"
                )));
            }
            tokio::time::sleep(cluster.client.pace.pause(looks)).await;
            looks = looks.saturating_add(1);
        }
    };
    match tokio::time::timeout(cluster.patience, Box::pin(looks)).await {
        Ok(done) => done,
        Err(_) => Err(Lacking::Index(format!("{index} did not recover within {}", hours(cluster.patience)))),
    }
}

fn hours(span: Duration) -> String {
    format!("{} hours", span.as_secs() / 3600)
}
