//! Hosts of the live world: what of ours lies on them, and what they need.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{LiveWorld, host_of};
use crate::clients::host::HostFiles;
use crate::datastores::names::Series;
use crate::plan::{Answer, Change, LocalKeep};
use crate::resources::{Found, Resource, crontab, host_directory, host_file};
use crate::retention::local::{Backup, Because, Fate, Policy, decide};
use crate::retention::{Loss, Losses};
use crate::state::{HostFacts, HostSighting, JobFailure, Observed, Owner, Scope, Sighting};
use crate::vocab::{Datastore, Environment, HostName, Id, Kind, NameError};

/// How each host is reached.
pub type Hosts = BTreeMap<HostName, Reach>;

/// How one host is reached.
pub enum Reach {
    /// Its files are at hand: this machine, or a folder of the sandbox.
    Files { files: HostFiles, facts: HostFacts },
    /// It cannot be looked at, and why.
    Not(String),
}

impl LiveWorld {
    pub(super) fn observe_hosts(&self, scope: &Scope<'_>, observed: &mut Observed) {
        let wanted: Vec<(&Id, &Resource)> = scope
            .wanted
            .iter()
            .filter(|(id, _)| id.host().is_some())
            .map(|(id, like)| (*id, *like))
            .collect();
        for host in scope.hosts.iter().copied().chain(wanted.iter().filter_map(|(id, _)| id.host())) {
            let sighting = match self.hosts.get(host) {
                Some(Reach::Files { files, facts }) => {
                    observed.sightings.extend(self.marked_on(host, files));
                    HostSighting::Reached(facts.clone())
                }
                Some(Reach::Not(why)) => HostSighting::Unreachable(why.clone()),
                None => HostSighting::Unreachable("it is not in the inventory".to_owned()),
            };
            observed.hosts.insert(host.clone(), sighting);
        }
        for (id, like) in wanted {
            observed.sightings.insert(id.clone(), self.sight_on_host(id, like));
            observed.failures.extend(self.last_failure(id, like));
        }
        observed.failures.sort();
    }

    /// What the last run of a job left beside its backups, if it failed.
    fn last_failure(&self, id: &Id, like: &Resource) -> Option<JobFailure> {
        let Resource::HostFile(file) = like else { return None };
        let host_file::Body::Members { members, .. } = &file.body else { return None };
        let path = format!("{}/last-failure.json", members.get("directory")?.as_text()?);
        let host = id.host()?;
        let bytes = self.files(host).ok()?.read(&path).ok()??;
        let told: ToldFailure = serde_json::from_slice(&bytes).ok()?;
        let ours = told.environment == self.environment && told.datastore.as_str() == id.name();
        ours.then(|| JobFailure {
            host: host.clone(),
            datastore: told.datastore,
            at: told.at,
            message: told.message,
        })
    }

    /// What carries this environment's mark on a host, whether anybody still wants it or not.
    fn marked_on(&self, host: &HostName, files: &HostFiles) -> BTreeMap<Id, Sighting> {
        let mut found = BTreeMap::new();
        let crontabs = files.list(crontab::DIRECTORY).unwrap_or_default();
        for name in crontabs.iter().filter(|name| name.starts_with("reconcile-")) {
            let path = format!("{}/{name}", crontab::DIRECTORY);
            let text = files.read(&path).ok().flatten().unwrap_or_default();
            let Some(mark) = crontab::mark(&String::from_utf8_lossy(&text)) else { continue };
            let Some(id) = mark.id.filter(|id| id.kind() == Kind::Crontab) else { continue };
            if self.is_of_another_host(&id, host) {
                continue;
            }
            // A copy of our file under another name is not ours.
            let id = Id::on_host(Kind::Crontab, host.clone(), id.name());
            if mark.environment == self.environment
                && crontab::live::path(&self.environment, &id) == path
                && let Ok(Some(Found { thing, .. })) = crontab::live::read(files, &path)
            {
                found.insert(id, Sighting::Ours(Resource::Crontab(thing)));
            }
        }
        let directory = host_file::directory(&self.environment);
        for name in files.list(&directory).unwrap_or_default() {
            let Some(stem) = name.strip_suffix(".json") else { continue };
            let text = files.read(&format!("{directory}/{name}")).ok().flatten().unwrap_or_default();
            let id = host_file::marked_id(&String::from_utf8_lossy(&text));
            if id.is_some_and(|id| self.is_of_another_host(&id, host)) {
                continue;
            }
            if let Ok(Some(Found { mark: Some(mark), thing })) =
                host_file::live::read(files, &format!("{directory}/{name}"))
                && mark == self.environment
            {
                let id = Id::on_host(Kind::HostFile, host.clone(), stem);
                found.insert(id, Sighting::Ours(Resource::HostFile(thing)));
            }
        }
        found
    }

    /// Whether a mark names another host of the inventory: then one machine has two names there, and what is declared for
    /// one of them is not left over on the other. A name that is in the inventory no longer was this host's.
    fn is_of_another_host(&self, marked: &Id, host: &HostName) -> bool {
        marked.host().is_some_and(|marked| marked != host && self.hosts.contains_key(marked))
    }

    fn files(&self, host: &HostName) -> Result<&HostFiles, String> {
        match self.hosts.get(host) {
            Some(Reach::Files { files, .. }) => Ok(files),
            Some(Reach::Not(why)) => Err(why.clone()),
            None => Err("it is not in the inventory".to_owned()),
        }
    }

    pub(super) fn sight_on_host(&self, id: &Id, like: &Resource) -> Sighting {
        self.look(id, like).unwrap_or_else(Sighting::Unknown)
    }

    fn look(&self, id: &Id, like: &Resource) -> Result<Sighting, String> {
        let files = self.files(host_of(id)?)?;
        Ok(match like {
            // A directory cannot carry a mark: present is ours.
            Resource::HostDirectory(like) => match host_directory::live::read(files, like)? {
                Some(directory) => Sighting::Ours(Resource::HostDirectory(directory)),
                None => Sighting::Absent,
            },
            Resource::HostFile(like) => {
                self.marked(host_file::live::read(files, &like.path)?, Resource::HostFile)
            }
            Resource::Crontab(_) => {
                let path = crontab::live::path(&self.environment, id);
                self.marked(crontab::live::read(files, &path)?, Resource::Crontab)
            }
            Resource::Bucket(_) | Resource::Role(_) | Resource::User(_) => {
                return Err(format!("{id} does not lie on a host"));
            }
        })
    }

    fn marked<T>(&self, found: Option<Found<T>>, resource: fn(T) -> Resource) -> Sighting {
        match found {
            None => Sighting::Absent,
            Some(Found { mark: None, .. }) => Sighting::Foreign(Owner::Unmarked),
            Some(Found { mark: Some(mark), thing }) if mark == self.environment => {
                Sighting::Ours(resource(thing))
            }
            Some(Found { mark: Some(other), .. }) => Sighting::Foreign(Owner::Environment(other)),
        }
    }

    pub(super) fn write_on_host(&self, change: &Change) -> Result<(), String> {
        let (files, id, environment): (_, _, &Environment) =
            (self.files(host_of(&change.id)?)?, &change.id, &self.environment);
        let told = |error: crate::clients::host::HostError| error.to_string();
        match &change.desired {
            Some(Resource::HostDirectory(wanted)) => host_directory::live::write(files, wanted).map_err(told),
            Some(Resource::HostFile(wanted)) => {
                host_file::live::write(files, environment, id, wanted, |digest| self.secret(digest))
            }
            Some(Resource::Crontab(wanted)) => {
                crontab::live::write(files, environment, id, wanted).map_err(told)
            }
            Some(Resource::Bucket(_) | Resource::Role(_) | Resource::User(_)) | None => {
                Err(format!("{id} does not lie on a host"))
            }
        }
    }

    pub(super) fn remove_on_host(&self, change: &Change) -> Result<(), String> {
        let files = self.files(host_of(&change.id)?)?;
        let removed = match &change.observed {
            Some(Resource::Crontab(_)) => crontab::live::remove(files, &self.environment, &change.id),
            Some(Resource::HostFile(file)) => files.remove(&file.path),
            _ => return Err(format!("{} is never removed", change.id)),
        };
        removed.map_err(|error| error.to_string())
    }

    /// Which local backups a smaller policy removes earlier than the old one.
    pub(super) fn lost_local(&self, host: &HostName, old: &LocalKeep, new: &LocalKeep) -> Answer {
        match self.files(host).and_then(|files| self.local_backups(files, new)) {
            Ok(backups) => Answer::Lost(losses(host, &backups, old, new, self.clock.now())),
            Err(why) => Answer::Unknown(why),
        }
    }
}

/// What a failed job wrote down.
#[derive(Deserialize)]
struct ToldFailure {
    environment: Environment,
    datastore: Datastore,
    at: DateTime<Utc>,
    message: String,
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
    fn local_backups(&self, files: &HostFiles, keep: &LocalKeep) -> Result<Vec<Local>, String> {
        let datastore: Datastore = keep.datastore.parse().map_err(|error: NameError| error.to_string())?;
        let series = Series::new(&datastore, &self.environment);
        let mut backups = Vec::new();
        for name in files.list(&keep.directory).map_err(|error| error.to_string())? {
            let Some(parsed) = series.parse(&name) else { continue };
            let path = format!("{}/{name}", keep.directory);
            let Some((bytes, modified)) = files.size_and_time(&path).map_err(|error| error.to_string())?
            else {
                continue;
            };
            let text = files.read(&format!("{path}.manifest.json")).ok().flatten().unwrap_or_default();
            let sealed = serde_json::from_slice::<Sealed>(&text).ok();
            let sealed = sealed.filter(|sealed| sealed.name == name && sealed.bytes == bytes);
            let proven = |sealed: &Sealed| sealed.remote.as_ref().is_none_or(|remote| remote.proven);
            let backup = Backup {
                name,
                tier: parsed.tier,
                taken: sealed.as_ref().map_or_else(|| modified.into(), |sealed| sealed.ended),
                proven: sealed.as_ref().is_some_and(proven),
            };
            backups.push(Local { backup, bytes });
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
