//! Local backups of a host: what a smaller policy would remove earlier. Reads listings and manifests, never a backup.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::super::LiveWorld;
use crate::clients::elasticsearch::{Elasticsearch, Pace, State, Way};
use crate::clients::host::{Contents, Host, Question};
use crate::datastores::elasticsearch::{self, names::Family};
use crate::datastores::job_file::Source;
use crate::datastores::job_path;
use crate::datastores::names::Series;
use crate::plan::{Answer, LocalKeep};
use crate::retention::local::{Backup, Because, Fate, Policy, Term, decide};
use crate::retention::{Loss, Losses, snapshots};
use crate::vocab::{Datastore, HostName, NameError};

const MANIFEST: &str = ".manifest.json";

impl LiveWorld {
    /// Which local backups a smaller policy removes earlier than the old one.
    pub(in super::super) async fn lost_local(
        &self,
        name: &HostName,
        old: &LocalKeep,
        new: &LocalKeep,
    ) -> Answer {
        if new.datastore == elasticsearch::desired::NAME {
            return match Box::pin(self.lost_snapshots(name, old, new)).await {
                Ok(losses) => Answer::Lost(losses),
                Err(why) => Answer::Unknown(why),
            };
        }
        let backups = async { Box::pin(self.local_backups(self.host(name)?, new)).await };
        match backups.await {
            Ok(backups) => Answer::Lost(losses(name, &backups, old, new, self.clock.now())),
            Err(why) => Answer::Unknown(why),
        }
    }
}

/// What a manifest beside a backup says, as far as its life is concerned.
#[derive(Deserialize)]
struct Sealed {
    name: String,
    ended: DateTime<Utc>,
    bytes: u64,
    remote: Option<SealedRemote>,
}

#[derive(Deserialize)]
struct SealedRemote {
    proven: bool,
}

/// A backup in the directory of a job, as that job judges it.
struct Local {
    backup: Backup,
    bytes: u64,
}

impl LiveWorld {
    /// The backups that a job finds: everything with a name of its series. One without a manifest that agrees with it, such
    /// as those of older scripts, has the file's time and proves nothing.
    async fn local_backups(&self, host: &Host, keep: &LocalKeep) -> Result<Vec<Local>, String> {
        let datastore: Datastore = keep.datastore.parse().map_err(|error: NameError| error.to_string())?;
        let series = Series::new(&datastore, &self.environment);
        let mut question = Question::default();
        question.sizes.insert(keep.directory.clone());
        question.directories.insert(keep.directory.clone(), Contents::Ending(MANIFEST));
        let view = host.look(&question).await?;
        let mut backups = Vec::new();
        for (path, (bytes, modified)) in &view.sizes {
            let name = path.rsplit('/').next().unwrap_or_default();
            // What a person labelled no policy lets go.
            let Some(tier) = series.parse(name).and_then(|parsed| parsed.tier()) else { continue };
            let manifest = view.at(&format!("{path}{MANIFEST}")).ok().flatten();
            let sealed = manifest.and_then(|seen| serde_json::from_slice::<Sealed>(&seen.bytes).ok());
            let sealed = sealed.filter(|sealed| sealed.name == name && sealed.bytes == *bytes);
            let proven = |sealed: &Sealed| sealed.remote.as_ref().is_none_or(|remote| remote.proven);
            let modified = DateTime::from_timestamp(*modified, 0).unwrap_or_default();
            let backup = Backup {
                name: name.to_owned(),
                term: Term::Tier(tier),
                taken: sealed.as_ref().map_or(modified, |sealed| sealed.ended),
                proven: sealed.as_ref().is_some_and(proven),
            };
            backups.push(Local { backup, bytes: *bytes });
        }
        Ok(backups)
    }
}

impl LiveWorld {
    /// Which snapshots a shorter life removes earlier: the repository tells them, and the job file that is there where it is.
    async fn lost_snapshots(
        &self,
        name: &HostName,
        old: &LocalKeep,
        new: &LocalKeep,
    ) -> Result<Losses, String> {
        let host = self.host(name)?;
        let path = job_path(&self.environment, &new.datastore);
        let mut question = Question::default();
        question.paths.insert(path.clone());
        let view = Box::pin(host.look(&question)).await?;
        let seen = view.at(&path).map_err(|error| error.to_string())?;
        let Some(job) = seen.and_then(|seen| serde_json::from_slice::<Job>(&seen.bytes).ok()) else {
            return Err(format!("{path} does not tell where its repository is"));
        };
        let Source::Elasticsearch(source) = job.source else {
            return Err(format!("{path} is of no Elasticsearch"));
        };
        let (at, login) = (source.at, self.elasticsearch.clone());
        let cluster = Elasticsearch { way: Way::Host(host), at, login, pace: Pace::default() };
        let all = Box::pin(cluster.snapshots(&source.repository)).await.map_err(|error| error.to_string())?;
        let family = Family::of(&source.repository);
        let ours: Vec<snapshots::Snapshot> = all
            .into_iter()
            .filter(|one| family.has(&one.name))
            .filter_map(|one| {
                let (ended, whole) = (one.ended?, one.state == State::Success);
                Some(snapshots::Snapshot { name: one.name, began: one.started, ended, whole })
            })
            .collect();
        let now = self.clock.now();
        let fates = |keep: &LocalKeep| snapshots::decide(&ours, keep.days, now);
        let mut losses = Losses::default();
        for (one, (before, after)) in ours.iter().zip(fates(old).into_iter().zip(fates(new))) {
            if let Some(when) = earlier(before, after, now) {
                let backup = format!("{name}:{}/{}", source.repository, one.name);
                losses.add(Loss { backup, taken: one.ended, bytes: 0, when });
            }
        }
        Ok(losses)
    }
}

/// What a job file says, as far as it matters here.
#[derive(Deserialize)]
struct Job {
    source: Source,
}

/// When a backup goes, where that is earlier than before.
fn earlier(before: Fate, after: Fate, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match (before, after) {
        (Fate::Kept(_), Fate::Removed { .. }) => Some(now),
        (Fate::Kept(Because::Young { until: before }), Fate::Kept(Because::Young { until: Some(after) }))
            if before.is_none_or(|before| after < before) =>
        {
            Some(after)
        }
        _ => None,
    }
}

fn losses(
    host: &HostName,
    backups: &[Local],
    old: &LocalKeep,
    new: &LocalKeep,
    now: DateTime<Utc>,
) -> Losses {
    let policy = |keep: &LocalKeep| Policy { days: keep.days, weeks: keep.weeks, hours: keep.hours };
    let judged: Vec<Backup> = backups.iter().map(|local| local.backup.clone()).collect();
    let fates = |keep| decide(&judged, policy(keep), now);
    let mut losses = Losses::default();
    for (Local { backup, bytes }, (before, after)) in
        backups.iter().zip(fates(old).into_iter().zip(fates(new)))
    {
        let Some(when) = earlier(before, after, now) else { continue };
        losses.add(Loss {
            backup: format!("{host}:{}/{}", new.directory, backup.name),
            taken: backup.taken,
            bytes: *bytes,
            when,
        });
    }
    losses
}
