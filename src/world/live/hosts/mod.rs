//! Hosts of the live world: what of ours lies on them, and what they need.
//!
//! Each host is asked once for everything, all of them at the same time within a bound; what each says is sorted out here.

mod facts;
mod local;
mod preflight;
mod takeover;

use std::collections::BTreeMap;
use std::rc::Rc;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{LiveWorld, all, host_of};
use crate::clients::host::{Contents, Host, HostError, Question, View};
use crate::plan::Change;
use crate::resources::crontab::old::{self, OldLine};
use crate::resources::{
    Crontab, Found, Resource, crontab, host_directory, host_file, program, snapshot_repository,
};
use crate::state::{HostFacts, HostSighting, JobFailure, Observed, Owner, Scope, Sighting};
use crate::vocab::{Datastore, Environment, HostName, Id, Kind};

/// How each host is reached.
pub type Hosts = BTreeMap<HostName, Reach>;

/// How one host is reached.
#[derive(Debug)]
pub enum Reach {
    /// A machine that tells its facts itself.
    Machine(Host),
    /// A host that is played, with the facts that its sandbox says.
    Played(Host, Box<HostFacts>),
    /// It cannot be looked at, and why.
    Not(String),
}

/// Is told how far each machine is looked at; a host that is played takes no time.
pub type Watcher = Rc<dyn Fn(&HostName, HostStep<'_>)>;

/// How far the look at a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostStep<'a> {
    Begun,
    Seen,
    /// Why it could not be seen.
    Unseen(&'a str),
}

/// What is wanted on one host.
type WantedThere<'a> = Vec<(&'a Id, &'a Resource)>;

impl LiveWorld {
    pub(super) async fn observe_hosts(&self, scope: &Scope<'_>) -> Observed {
        let mut wanted: BTreeMap<&HostName, WantedThere<'_>> =
            scope.hosts.iter().map(|host| (*host, Vec::new())).collect();
        for (id, like) in &scope.wanted {
            if let Some(host) = id.host() {
                wanted.entry(host).or_default().push((id, like));
            }
        }
        // A host is one request that waits for the machine's own line.
        let looks = all(wanted, self.parallel * 2, |(host, wanted)| self.observe_host(host, wanted)).await;
        let mut observed = Observed::default();
        for look in looks {
            observed.hosts.extend(look.hosts);
            observed.sightings.extend(look.sightings);
            observed.doubtful.extend(look.doubtful);
            observed.failures.extend(look.failures);
        }
        observed.failures.sort();
        observed
    }

    async fn observe_host(&self, host: &HostName, wanted: WantedThere<'_>) -> Observed {
        let mut observed = Observed::default();
        self.tell(host, HostStep::Begun);
        let look = self.look_at(host, &wanted).await;
        self.tell(host, look.as_ref().map_or_else(|why| HostStep::Unseen(why), |_| HostStep::Seen));
        let sighting = match look {
            Ok((view, facts)) => {
                observed.sightings.extend(self.marked_on(host, &view));
                if let Ok(reading) = old::live::read(&view, &self.previous)
                    && !reading.doubtful.is_empty()
                {
                    observed.doubtful.insert(host.clone(), reading.doubtful);
                }
                for (id, like) in wanted {
                    observed.sightings.insert(id.clone(), self.sort(&view, id, like));
                    observed.failures.extend(self.last_failure(&view, id, like));
                }
                HostSighting::Reached(facts)
            }
            Err(why) => {
                let unknown = |(id, _): (&Id, &Resource)| (id.clone(), Sighting::Unknown(why.clone()));
                observed.sightings.extend(wanted.into_iter().map(unknown));
                HostSighting::Unreachable(why)
            }
        };
        observed.hosts.insert(host.clone(), sighting);
        observed
    }

    fn tell(&self, host: &HostName, step: HostStep<'_>) {
        if let (Some(watcher), Some(Reach::Machine(_))) = (&self.watcher, self.hosts.get(host)) {
            watcher(host, step);
        }
    }

    async fn look_at(&self, name: &HostName, wanted: &WantedThere<'_>) -> Result<(View, HostFacts), String> {
        let (host, played) = match self.hosts.get(name) {
            Some(Reach::Machine(host)) => (host, None),
            Some(Reach::Played(host, facts)) => (host, Some(facts)),
            Some(Reach::Not(why)) => return Err(why.clone()),
            None => return Err(NOT_LISTED.to_owned()),
        };
        let begun = self.clock.now();
        let view = Box::pin(host.look(&self.question(wanted))).await?;
        let facts = match played {
            Some(facts) => HostFacts::clone(facts),
            None => facts::of(&view.facts, begun, self.clock.now()),
        };
        Ok((view, facts))
    }

    /// Everything that is to be known of a host at once: what is wanted there, and what of ours may be there besides.
    fn question(&self, wanted: &[(&Id, &Resource)]) -> Question {
        let mut question = Question { facts: true, ..Question::default() };
        old::live::ask(&mut question);
        for environment in self.names() {
            let directory = host_file::directory(environment);
            question.directories.insert(directory, Contents::Ending(JOB_FILE_ENDING));
        }
        for (id, like) in wanted {
            question.paths.extend(self.paths(id, like));
            question.paths.extend(failure_path(like));
            self.ask_for(id, like, &mut question);
            facts::needed_by(like, &mut question);
        }
        question
    }

    /// What is not a file is asked for.
    fn ask_for(&self, id: &Id, like: &Resource, question: &mut Question) {
        if let Resource::SnapshotRepository(like) = like {
            let ask = snapshot_repository::live::ask(id.name(), like, self.elasticsearch.as_ref());
            question.asks.insert(id.to_string(), ask);
        }
    }

    /// Where a thing lies.
    fn paths(&self, id: &Id, like: &Resource) -> Option<String> {
        match like {
            Resource::HostDirectory(like) => Some(like.path.clone()),
            Resource::HostFile(like) => Some(like.path.clone()),
            Resource::Crontab(_) => Some(crontab::live::path(&self.environment, id)),
            // Its checksum is asked for instead.
            Resource::Program(_) => None,
            Resource::SnapshotRepository(_) => None,
            Resource::Bucket(_) | Resource::Role(_) | Resource::User(_) => None,
        }
    }

    /// What the last run of a job left beside its backups, if it failed.
    fn last_failure(&self, view: &View, id: &Id, like: &Resource) -> Option<JobFailure> {
        let seen = view.at(&failure_path(like)?).ok()??;
        let told: ToldFailure = serde_json::from_slice(&seen.bytes).ok()?;
        let ours = told.environment == self.environment && told.datastore.as_str() == id.name();
        ours.then(|| JobFailure {
            host: id.host().cloned().unwrap_or_else(|| told.host.clone()),
            datastore: told.datastore,
            at: told.at,
            message: told.message,
        })
    }

    /// The environment's name, and its earlier ones.
    fn names(&self) -> impl Iterator<Item = &Environment> {
        std::iter::once(&self.environment).chain(&self.previous)
    }

    /// The id of a thing with this mark on a host, where the mark is ours.
    fn id_of(&self, kind: Kind, host: &HostName, name: &str, mark: &Environment) -> Option<Id> {
        match mark == &self.environment {
            true => Some(Id::on_host(kind, host.clone(), name)),
            false => self.previous.contains(mark).then(|| Id::of_earlier(kind, host.clone(), name, mark)),
        }
    }

    /// What carries this environment's mark on a host, whether anybody still wants it or not.
    fn marked_on(&self, host: &HostName, view: &View) -> BTreeMap<Id, Sighting> {
        let mut found = BTreeMap::new();
        for (path, seen) in view.within(crontab::DIRECTORY) {
            let Some(mark) = crontab::mark(&String::from_utf8_lossy(&seen.bytes)) else { continue };
            let Some(id) = mark.id.filter(|id| id.kind() == Kind::Crontab) else { continue };
            if self.is_of_another_host(&id, host) {
                continue;
            }
            // A copy of our file under another name is not ours.
            let Some(id) = self.id_of(Kind::Crontab, host, id.name(), &mark.environment) else { continue };
            if crontab::live::path(&self.environment, &id) == path
                && let Ok(Some(Found { thing, .. })) = crontab::live::read(view, path)
                && let Ok(old) = self.old_of(view, &id)
            {
                found.insert(id, Sighting::Ours(Resource::Crontab(Crontab { old, ..thing })));
            }
        }
        let directories = self.names().map(|environment| (environment, host_file::directory(environment)));
        let directories: Vec<(&Environment, String)> = directories.collect();
        let files = directories.iter().flat_map(|(environment, directory)| {
            view.within(directory).map(move |(path, seen)| (*environment, path, seen))
        });
        for (environment, path, seen) in files {
            let name = path.rsplit('/').next().unwrap_or_default();
            let Some(stem) = name.strip_suffix(JOB_FILE_ENDING) else { continue };
            let id = host_file::marked_id(&String::from_utf8_lossy(&seen.bytes));
            if id.is_some_and(|id| self.is_of_another_host(&id, host)) {
                continue;
            }
            if let Ok(Some(Found { mark: Some(mark), thing })) = host_file::live::read(view, path)
                && mark == *environment
                && let Some(id) = self.id_of(Kind::HostFile, host, stem, environment)
            {
                let calling = Id::on_host(Kind::Crontab, host.clone(), id.name());
                let entries = crontab::live::path(&self.environment, &calling);
                // Whether cron still calls it nobody knows then.
                if let (Some(_), Err(error)) = (id.earlier(), view.at(&entries)) {
                    found.insert(calling, Sighting::Unknown(error.to_string()));
                }
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

    pub(super) fn host(&self, name: &HostName) -> Result<&Host, String> {
        match self.hosts.get(name) {
            Some(Reach::Machine(host) | Reach::Played(host, _)) => Ok(host),
            Some(Reach::Not(why)) => Err(why.clone()),
            None => Err(NOT_LISTED.to_owned()),
        }
    }

    /// One thing again, just before it is changed.
    pub(super) async fn sight_on_host(&self, id: &Id, like: &Resource) -> Sighting {
        let look = async {
            let mut question = Question::default();
            question.paths.extend(self.paths(id, like));
            self.ask_for(id, like, &mut question);
            match like {
                Resource::Program(_) => facts::needed_by(like, &mut question),
                Resource::Crontab(_) => old::live::ask(&mut question),
                _ => {}
            }
            Box::pin(self.host(host_of(id)?)?.look(&question)).await
        };
        match look.await {
            Ok(view) => self.sort(&view, id, like),
            Err(why) => Sighting::Unknown(why),
        }
    }

    fn sort(&self, view: &View, id: &Id, like: &Resource) -> Sighting {
        self.sighting(view, id, like).unwrap_or_else(Sighting::Unknown)
    }

    fn sighting(&self, view: &View, id: &Id, like: &Resource) -> Result<Sighting, String> {
        Ok(match like {
            Resource::Program(_) => match program::live::read(view) {
                program::live::Found::Nothing => Sighting::Absent,
                program::live::Found::Ours(program) => Sighting::Ours(Resource::Program(program)),
                program::live::Found::Other(_) => Sighting::Foreign(Owner::Unmarked),
            },
            Resource::SnapshotRepository(like) => {
                match snapshot_repository::live::read(view, &id.to_string(), id.name(), like)? {
                    Some(repository) => Sighting::Ours(Resource::SnapshotRepository(repository)),
                    None => Sighting::Absent,
                }
            }
            // A directory cannot carry a mark: present is ours.
            Resource::HostDirectory(like) => match host_directory::live::read(view, like)? {
                Some(directory) => Sighting::Ours(Resource::HostDirectory(directory)),
                None => Sighting::Absent,
            },
            Resource::HostFile(like) => {
                self.marked(id, host_file::live::read(view, &like.path)?, Resource::HostFile)
            }
            Resource::Crontab(_) => {
                let path = crontab::live::path(&self.environment, id);
                let old = self.old_of(view, id)?;
                match self.marked(id, crontab::live::read(view, &path)?, Resource::Crontab) {
                    Sighting::Ours(Resource::Crontab(crontab)) => {
                        Sighting::Ours(Resource::Crontab(Crontab { old, ..crontab }))
                    }
                    Sighting::Absent if !old.is_empty() => match Crontab::only_old(old) {
                        Some(crontab) => Sighting::Unmarked(Resource::Crontab(crontab)),
                        None => Sighting::Absent,
                    },
                    other => other,
                }
            }
            Resource::Bucket(_) | Resource::Role(_) | Resource::User(_) => {
                return Err(format!("{id} does not lie on a host"));
            }
        })
    }

    fn marked<T>(&self, id: &Id, found: Option<Found<T>>, resource: fn(T) -> Resource) -> Sighting {
        let earlier = id.earlier().map(|(_, earlier)| earlier);
        let own = earlier.filter(|earlier| self.previous.contains(earlier));
        let own = own.as_ref().unwrap_or(&self.environment);
        match found {
            None => Sighting::Absent,
            Some(Found { mark: None, .. }) => Sighting::Foreign(Owner::Unmarked),
            Some(Found { mark: Some(mark), thing }) if mark == *own => Sighting::Ours(resource(thing)),
            Some(Found { mark: Some(other), .. }) => Sighting::Foreign(Owner::Environment(other)),
        }
    }

    /// The entries of older tools, and of earlier names, for the backups of an id.
    fn old_of(&self, view: &View, id: &Id) -> Result<Vec<OldLine>, String> {
        let mut reading = old::live::read(view, &self.previous)?;
        reading.old.retain(|line| line.datastore.as_str() == id.name());
        Ok(reading.old)
    }

    pub(super) async fn write_on_host(&self, change: &Change) -> Result<(), String> {
        let (host, id, environment): (_, _, &Environment) =
            (self.host(host_of(&change.id)?)?, &change.id, &self.environment);
        let told = |error: HostError| error.to_string();
        match &change.desired {
            Some(Resource::Program(wanted)) => {
                let file = wanted.sha256.as_ref().and_then(|sha256| self.programs.get(sha256));
                let file = file.ok_or("the program to be copied is not at hand any more; plan again")?;
                program::live::write(host, file).await.map_err(told)
            }
            Some(Resource::SnapshotRepository(wanted)) => {
                let login = self.elasticsearch.as_ref();
                Box::pin(snapshot_repository::live::write(host, id.name(), wanted, login)).await
            }
            Some(Resource::HostDirectory(wanted)) => {
                host_directory::live::write(host, wanted).await.map_err(told)
            }
            Some(Resource::HostFile(wanted)) => {
                host_file::live::write(host, environment, id, wanted, |digest| self.secret(digest)).await
            }
            Some(Resource::Crontab(wanted)) => {
                Box::pin(preflight::passes(host, wanted)).await?;
                Box::pin(self.write_crontab(host, change, wanted)).await
            }
            Some(Resource::Bucket(_) | Resource::Role(_) | Resource::User(_)) | None => {
                Err(format!("{id} does not lie on a host"))
            }
        }
    }

    pub(super) async fn remove_on_host(&self, change: &Change) -> Result<(), String> {
        let host = self.host(host_of(&change.id)?)?;
        let removed = match &change.observed {
            Some(Resource::Crontab(_)) => crontab::live::remove(host, &self.environment, &change.id).await,
            Some(Resource::HostFile(file)) => host.remove(&file.path).await,
            _ => return Err(format!("{} is never removed", change.id)),
        };
        removed.map_err(|error| error.to_string())
    }
}

const NOT_LISTED: &str = "it is not in the inventory";
const JOB_FILE_ENDING: &str = ".json";

/// Where a job that failed writes it down: beside its backups.
fn failure_path(like: &Resource) -> Option<String> {
    let Resource::HostFile(file) = like else { return None };
    let host_file::Body::Members { members, .. } = &file.body else { return None };
    Some(format!("{}/last-failure.json", members.get("directory")?.as_text()?))
}

/// What a failed job wrote down.
#[derive(Deserialize)]
struct ToldFailure {
    environment: Environment,
    host: HostName,
    datastore: Datastore,
    at: DateTime<Utc>,
    message: String,
}
