//! `reconcile list DATASTORE`: the backups here and in the bucket, and until when they are kept.
//!
//! With an environment: on every host of it that can be reached from here. Without one: on this machine, by the job file
//! that `apply` wrote.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::environment::{desired, load};
use super::fleet::{self, Wanted};
use super::place::Place;
use super::run::block_on;
use super::surroundings::Surroundings;
use super::{Exit, Failure, Format, Global, Output};
use crate::clients::host::Host;
use crate::datastores::job_path;
use crate::jobs::{self, Listing};
use crate::report;
use crate::settings::Settings;
use crate::vocab::Datastore;
use crate::world::Reach;

/// Shows what is kept and until when, on this host and in the bucket.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// What is backed up, such as postgresql
    pub datastore: Datastore,

    /// The job file that `apply` wrote on this host [default: /etc/reconcile/ENV/DATASTORE.json]
    #[arg(long = "job", value_name = "FILE")]
    pub job_file: Option<String>,
}

impl List {
    /// What could not be seen is exit code 1.
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("list", &[Format::Text, Format::Json])?;
        let place = Place::of(global)?;
        let by_environment = self.job_file.is_none() && global.directory().join("public.yml").exists();
        let (listings, unseen) = match by_environment {
            true => self.of_environment(&place, &load(global)?, &global.directory())?,
            false => {
                let host = Surroundings::of(&place, global.sandbox_host.as_ref())?;
                (vec![self.on(&host, self.job_file.as_deref())?], Vec::new())
            }
        };
        let complete = unseen.is_empty() && listings.iter().all(|listing| listing.unseen.is_empty());
        match out.format() {
            Format::Json => {
                let hosts: Vec<_> = listings.iter().map(report::jobs::listing_json).collect();
                out.json(&match hosts.as_slice() {
                    [one] if !by_environment => one.clone(),
                    _ => json!({"format": "reconcile.lists/1", "hosts": hosts, "unseen": unseen}),
                });
            }
            _ => {
                out.result(&place.banner());
                for listing in &listings {
                    out.result(&report::jobs::listing(listing, global.verbose > 0));
                }
                for why in &unseen {
                    out.notice(&format!("{}\n", report::text::wrapped("! ", 2, why)));
                }
            }
        }
        Ok(if complete { Exit::Ok } else { Exit::Failed })
    }

    /// The hosts that run the datastore's jobs, and why others cannot be looked at.
    fn of_environment(
        &self,
        place: &Place,
        settings: &Settings,
        directory: &Path,
    ) -> Result<(Vec<Listing>, Vec<String>), Failure> {
        let wanted = Wanted { datastore: Some(self.datastore.clone()) };
        let watched = fleet::watched(&desired(settings), &wanted);
        if watched.is_empty() {
            return Err(Failure::failed_with_help(
                format!("no host of environment {} backs up {}", settings.environment, self.datastore),
                "`reconcile show settings` tells which datastores are on, and where",
            ));
        }
        let reach = place.hosts(settings, directory);
        let path = job_path(&settings.environment, self.datastore.as_str());
        let (mut listings, mut unseen) = (Vec::new(), Vec::new());
        for one in watched {
            let host = &one.host;
            match reach.get(host) {
                Some(Reach::Machine(Host::Shell(shell))) if !shell.is_here() => {
                    let words = one.words(&["list"], &path, &["--output", "json"]);
                    let ran = block_on(fleet::host_run(reach.get(host), &one.user, &words))?;
                    let listing = ran
                        .and_then(|ran| fleet::read(&ran.output).ok_or_else(|| fleet::silent(&ran.output)));
                    match listing {
                        Ok(listing) => listings.push(listing),
                        Err(why) => unseen.push(format!("{host}: {why}")),
                    }
                }
                Some(Reach::Machine(_) | Reach::Played(..)) => {
                    match self.on(&Surroundings::of(place, Some(host))?, Some(&path)) {
                        Ok(listing) => listings.push(listing),
                        Err(failure @ Failure::Failed { .. }) => {
                            unseen.push(format!("{host}: {}", failure.to_text()));
                        }
                        Err(failure) => return Err(failure),
                    }
                }
                Some(Reach::Not(why)) => unseen.push(format!("{host}: {why}")),
                None => unseen.push(format!("{host}: it is not in the inventory")),
            }
        }
        Ok((listings, unseen))
    }

    fn on(&self, host: &Surroundings, job_file: Option<&str>) -> Result<Listing, Failure> {
        block_on(async {
            let context = Box::pin(host.context(job_file, &self.datastore)).await?;
            let earlier = Box::pin(host.earlier(job_file, &self.datastore)).await?;
            Box::pin(jobs::list(&context, &earlier)).await.map_err(Failure::from)
        })?
    }
}
