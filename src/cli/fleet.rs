//! Every host of an environment that backs something up, looked at from here: folders of the sandbox and this machine
//! directly, others over ssh, where the program there looks and answers. All at once, one connection each.
//!
//! A host that does not answer hides nothing that the bucket shows: what the credentials of this machine may see there is
//! looked at in its place.

use std::time::Duration;

use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::place::Place;
use super::run::block_on;
use super::surroundings::Surroundings;
use super::{Failure, Global};
use crate::cli::environment::desired;
use crate::clients::host::{self, Ran};
use crate::datastores::job_file::JobFile;
use crate::datastores::job_path;
use crate::jobs::{CheckReport, check};
use crate::report::status::Host;
use crate::resources::{Resource, host_file};
use crate::settings::Settings;
use crate::state::Desired;
use crate::vocab::{Datastore, HostName, Id, JobCommand, Kind, OsUser};
use crate::world::Reach;

/// How long a host may take to look: it lists a bucket.
const LIMIT: Duration = Duration::from_secs(120);

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// All of them without one.
    pub datastore: Option<Datastore>,
}

/// A datastore on a host, as the settings want it.
#[derive(Clone, Debug)]
pub struct Watched {
    pub host: HostName,
    pub datastore: Datastore,
    /// Who makes its backups.
    pub user: OsUser,
    /// What its job file should say.
    pub job: Option<JobFile>,
}

/// Everything that is backed up by a host's cron, in the order of hosts and datastores.
pub fn watched(desired: &Desired, wanted: &Wanted) -> Vec<Watched> {
    let of = |(id, resource): (&Id, &Resource)| {
        let Resource::Crontab(crontab) = resource else { return None };
        let host = id.host()?.clone();
        let datastore: Datastore = id.name().parse().ok()?;
        let user = crontab.entries.values().next()?.user.clone();
        let file = Id::on_host(Kind::HostFile, host.clone(), id.name());
        let job = desired.resources.get(&file).and_then(|wanted| job(&wanted.resource));
        Some(Watched { host, datastore, user, job })
    };
    let all = desired.resources.iter().map(|(id, wanted)| (id, &wanted.resource)).filter_map(of);
    all.filter(|one| wanted.datastore.as_ref().is_none_or(|name| *name == one.datastore)).collect()
}

/// Every datastore on a host that is backed up by its cron.
pub fn all(settings: &Settings) -> Vec<(HostName, Datastore)> {
    let watched = watched(&desired(settings), &Wanted::default());
    watched.into_iter().map(|one| (one.host, one.datastore)).collect()
}

/// What a job file says, read from its normal form.
fn job(resource: &Resource) -> Option<JobFile> {
    let Resource::HostFile(file) = resource else { return None };
    let host_file::Body::Members { members, .. } = &file.body else { return None };
    let members = members.iter().map(|(name, value)| (name.clone(), value.to_json()));
    serde_json::from_value(Json::Object(members.collect())).ok()
}

/// Looks at every host that backs up what is wanted.
pub fn look(
    place: &Place,
    settings: &Settings,
    global: &Global,
    wanted: &Wanted,
) -> Result<Vec<Host>, Failure> {
    let desired = desired(settings);
    let watched = watched(&desired, wanted);
    if watched.is_empty() {
        let what = wanted.datastore.as_ref().map_or("anything".to_owned(), ToString::to_string);
        return Err(Failure::failed_with_help(
            format!("no host of environment {} backs up {what}", settings.environment),
            "`reconcile show settings` tells which datastores are on, and where",
        ));
    }
    let hosts = place.hosts(settings, &global.directory());
    let environment = &settings.environment;
    block_on(async {
        let looks = futures_util::stream::iter(watched).map(|one| {
            let path = job_path(environment, one.datastore.as_str());
            let hosts = &hosts;
            async move {
                let report = Box::pin(one.look(place, hosts.get(&one.host), &path)).await;
                let report = match report {
                    Err(why) => Box::pin(one.seen_from_afar(place, settings, why)).await,
                    report => report,
                };
                Host { host: one.host.clone(), datastore: one.datastore.clone(), report }
            }
        });
        looks.buffered(usize::from(global.parallel)).collect().await
    })
}

impl Watched {
    async fn look(&self, place: &Place, reach: Option<&Reach>, path: &str) -> Result<CheckReport, String> {
        match reach {
            Some(Reach::Machine(host::Host::Shell(shell))) if !shell.is_here() => {
                let words = self.words(&["check"], path, &["--output", "json"]);
                let ran = host_run(reach, &self.user, &words).await?;
                read(&ran.output).ok_or_else(|| silent(&ran.output))
            }
            Some(Reach::Machine(_) | Reach::Played(..)) => {
                let host = Surroundings::of(place, Some(&self.host)).map_err(|failure| failure.to_text())?;
                let context = Box::pin(host.context(Some(path), &self.datastore)).await;
                let context = context.map_err(|failure| failure.to_text())?;
                let earlier = Box::pin(host.earlier(Some(path), &self.datastore)).await;
                let earlier = earlier.map_err(|failure| failure.to_text())?;
                Ok(Box::pin(check::look(&context, &earlier)).await)
            }
            Some(Reach::Not(why)) => Err(why.clone()),
            None => Err("it is not in the inventory".to_owned()),
        }
    }

    /// A command of this program on the host.
    pub fn words(&self, verb: &[&str], path: &str, rest: &[&str]) -> Vec<String> {
        let mut words = vec![JobCommand::PROGRAM.to_owned()];
        words.extend(verb.iter().map(|word| (*word).to_owned()));
        words.extend([self.datastore.to_string(), "--job".to_owned(), path.to_owned()]);
        words.extend(rest.iter().map(|word| (*word).to_owned()));
        words
    }

    /// What the bucket shows, where the host does not answer.
    async fn seen_from_afar(
        &self,
        place: &Place,
        settings: &Settings,
        why: String,
    ) -> Result<CheckReport, String> {
        let Some(job) = self.job.clone().filter(|job| job.upload.is_some()) else { return Err(why) };
        let afar = Surroundings::afar(place, &self.host).map_err(|failure| failure.to_text())?;
        let context = Box::pin(afar.context_of(job, settings)).await.map_err(|_| why.clone())?;
        Ok(Box::pin(check::look_from_afar(&context, why)).await)
    }
}

/// Runs this program on a host, as its user.
pub async fn host_run(reach: Option<&Reach>, user: &OsUser, words: &[String]) -> Result<Ran, String> {
    match reach {
        Some(Reach::Machine(host) | Reach::Played(host, _)) => {
            let ran = host.run(user.as_str(), words, LIMIT).await?;
            ran.ok_or_else(|| "nothing can be run there".to_owned())
        }
        Some(Reach::Not(why)) => Err(why.clone()),
        None => Err("it is not in the inventory".to_owned()),
    }
}

/// The document in what a host printed, whatever else it printed.
pub fn read<T: DeserializeOwned>(output: &str) -> Option<T> {
    output.match_indices('{').find_map(|(at, _)| {
        let mut stream = serde_json::Deserializer::from_str(output.get(at..)?).into_iter::<T>();
        stream.next()?.ok()
    })
}

/// What a host said in place of a report.
pub fn silent(output: &str) -> String {
    let said: Vec<&str> = output.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match said.is_empty() {
        true => "it gave no answer".to_owned(),
        false => said.join("; "),
    }
}
