//! What the verbs say alike that work on one backup of one host: where, on this machine by its job file or on the host of
//! the environment that can be reached as if it were; and which backup.

use chrono::{DateTime, Utc};
use clap::Args;

use super::environment::load;
use super::place::Place;
use super::surroundings::Surroundings;
use super::{Failure, Global, times};
use crate::clients::host::Host;
use crate::datastores::job_path;
use crate::jobs::restore::Wanted;
use crate::vocab::{Datastore, HostName};
use crate::world::Reach;

/// What a person said about which backup.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// Which backup, as `list -v` names it [default: the newest]
    #[arg(conflicts_with = "before")]
    pub name: Option<String>,

    /// The last backup that was whole before this instant: never one taken after an incident
    #[arg(long, value_name = "TIME", value_parser = times::instant)]
    pub before: Option<DateTime<Utc>>,
}

impl Which {
    pub fn wanted(&self) -> Wanted {
        Wanted::of(self.name.as_deref(), self.before)
    }

    /// Whether anything but the newest was asked for.
    pub fn is_said(&self) -> bool {
        self.name.is_some() || self.before.is_some()
    }
}

/// What a person said about where.
#[derive(Clone, Debug, Args)]
pub struct OnHost {
    /// On which host of the environment, where several back it up
    #[arg(long, value_name = "HOST")]
    pub on: Option<HostName>,

    /// The job file that `apply` wrote on this host [default: /etc/reconcile/ENV/DATASTORE.json]
    #[arg(long = "job", value_name = "FILE")]
    pub job_file: Option<String>,
}

impl OnHost {
    /// The machine, and the path of its job file where that is known. `verb`: for the words of what cannot be done from
    /// here.
    pub fn find(
        &self,
        verb: &str,
        place: &Place,
        global: &Global,
        datastore: &Datastore,
    ) -> Result<(Surroundings, Option<String>), Failure> {
        let by_environment = self.job_file.is_none() && global.directory().join("public.yml").exists();
        if !by_environment {
            let host = self.on.as_ref().or(global.sandbox_host.as_ref());
            return Ok((Surroundings::of(place, host)?, self.job_file.clone()));
        }
        let settings = load(global)?;
        let summaries = settings.datastores();
        let hosts: Vec<HostName> = summaries
            .iter()
            .find(|summary| summary.name == datastore.as_str())
            .map(|summary| summary.hosts.clone())
            .unwrap_or_default();
        let host = match (&self.on, hosts.as_slice()) {
            (Some(on), hosts) if hosts.contains(on) => on.clone(),
            (None, [only]) => only.clone(),
            (Some(on), _) => return Err(Failure::usage(format!("{on} does not back up {datastore}"))),
            (None, []) => {
                return Err(Failure::failed_with_help(
                    format!("no host of environment {} backs up {datastore}", settings.environment),
                    "a backup in a bucket can be fetched without one: reconcile restore s3://BUCKET/KEY --to DIR",
                ));
            }
            (None, several) => {
                let names: Vec<&str> = several.iter().map(HostName::as_str).collect();
                return Err(Failure::usage(format!(
                    "{} back up {datastore}: say which with --on HOST",
                    names.join(", ")
                )));
            }
        };
        let path = job_path(&settings.environment, datastore.as_str());
        match place.hosts(&settings, &global.directory()).get(&host) {
            Some(Reach::Machine(Host::Shell(shell))) if !shell.is_here() => Err(Failure::failed_with_help(
                format!("the backups of {datastore} are on {host}, and so is this to be done there"),
                format!("ssh {host}, then as the user of its data: reconcile {verb} {datastore}"),
            )),
            Some(Reach::Machine(_) | Reach::Played(..)) => {
                Ok((Surroundings::of(place, Some(&host))?, Some(path)))
            }
            Some(Reach::Not(why)) => Err(Failure::failed(format!("{host}: {why}"))),
            None => Err(Failure::failed(format!("{host} is not in the inventory"))),
        }
    }
}
