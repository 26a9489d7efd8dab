//! `reconcile check [DATASTORE]`: whether the newest backups are as new as they should be. Looks, and tells nobody.
//!
//! With an environment: on its hosts, as `status` does, for one datastore or all. Without one: on this machine, by the job
//! files that `apply` wrote.

use clap::Args;

use super::environment::load;
use super::fleet::{self, Wanted};
use super::place::Place;
use super::run::block_on;
use super::surroundings::Surroundings;
use super::{Exit, Failure, Format, Global, Output};
use crate::jobs::check;
use crate::report;
use crate::report::status::Host;
use crate::vocab::Datastore;

/// Looks whether backups are as new as their schedules promise.
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// What is backed up, such as postgresql [default: everything]
    pub datastore: Option<Datastore>,

    /// The job file that `apply` wrote on this host [default: /etc/reconcile/ENV/DATASTORE.json]
    #[arg(long = "job", value_name = "FILE", requires = "datastore")]
    pub job_file: Option<String>,
}

impl Check {
    /// Exit code 2 where something is stale or missing, 1 where something could not be seen.
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("check", &[Format::Text, Format::Json])?;
        let place = Place::of(global)?;
        let by_environment = self.job_file.is_none() && global.directory().join("public.yml").exists();
        let hosts = match by_environment {
            true => {
                let settings = load(global)?;
                fleet::look(&place, &settings, global, &Wanted { datastore: self.datastore.clone() })?
            }
            false => {
                let host = Surroundings::of(&place, global.sandbox_host.as_ref())?;
                block_on(self.here(&host))??
            }
        };
        match out.format() {
            Format::Json if !by_environment => match hosts.as_slice() {
                [Host { report: Ok(one), .. }] => out.json(&report::status::check_json(one)),
                hosts => out.json(&report::status::checks_json(hosts)),
            },
            Format::Json => out.json(&report::status::checks_json(&hosts)),
            _ => {
                out.result(&place.banner());
                out.result(&report::status::checks(&hosts, out.width()));
            }
        }
        Ok(exit(&hosts))
    }

    /// What this machine backs up.
    async fn here(&self, host: &Surroundings) -> Result<Vec<Host>, Failure> {
        let jobs: Vec<(Datastore, Option<String>)> = match &self.datastore {
            Some(datastore) => vec![(datastore.clone(), self.job_file.clone())],
            None => host.job_files()?.into_iter().map(|(name, path)| (name, Some(path))).collect(),
        };
        let mut hosts = Vec::new();
        for (datastore, file) in jobs {
            let context = Box::pin(host.context(file.as_deref(), &datastore)).await?;
            let earlier = Box::pin(host.earlier(file.as_deref(), &datastore)).await?;
            let report = Box::pin(check::look(&context, &earlier)).await;
            hosts.push(Host { host: report.host.clone(), datastore, report: Ok(report) });
        }
        Ok(hosts)
    }
}

/// What could not be seen outweighs what is not as it should be.
pub(super) fn exit(hosts: &[Host]) -> Exit {
    hosts.iter().fold(Exit::Ok, |exit, host| {
        exit.or(match &host.report {
            Err(_) => Exit::Failed,
            Ok(report) if !report.saw_everything() => Exit::Failed,
            Ok(report) if !report.is_good() => Exit::NotAsItShouldBe,
            Ok(_) => Exit::Ok,
        })
    })
}
