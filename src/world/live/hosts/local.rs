//! Local backups of a host: what a smaller policy would remove earlier. Reads listings and manifests, never a backup.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::super::LiveWorld;
use crate::clients::host::{Contents, Host, Question};
use crate::datastores::names::Series;
use crate::plan::{Answer, LocalKeep};
use crate::retention::local::{Backup, Because, Fate, Policy, Term, decide};
use crate::retention::{Loss, Losses};
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
        let when = match (before, after) {
            (Fate::Kept(_), Fate::Removed { .. }) => now,
            (
                Fate::Kept(Because::Young { until: before }),
                Fate::Kept(Because::Young { until: Some(after) }),
            ) if before.is_none_or(|before| after < before) => after,
            _ => continue,
        };
        losses.add(Loss {
            backup: format!("{host}:{}/{}", new.directory, backup.name),
            taken: backup.taken,
            bytes: *bytes,
            when,
        });
    }
    losses
}
