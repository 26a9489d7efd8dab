//! `reconcile list DATASTORE`: the backups here and in the bucket, and until when they are kept.

use clap::Args;

use super::run::block_on;
use super::surroundings::Surroundings;
use super::{Exit, Failure, Format, Global, Output};
use crate::jobs;
use crate::report;
use crate::vocab::Datastore;

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
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        if global.sandbox.is_some() {
            return Err(Failure::usage("`reconcile sandbox show` lists the backups of the sandbox's hosts"));
        }
        self.run_on(&Surroundings::machine(), global, out)
    }

    /// The same on a host of the caller's choice. What could not be seen is exit code 1.
    pub fn run_on(&self, host: &Surroundings, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        let listing = block_on(async {
            let context = Box::pin(host.context(self.job_file.as_deref(), &self.datastore)).await?;
            Box::pin(jobs::list(&context)).await.map_err(Failure::from)
        })??;
        match global.output {
            Format::Text => out.result(&report::jobs::listing(&listing, global.verbose > 0)),
            Format::Json => out.json(&report::jobs::listing_json(&listing)),
            other => return Err(Failure::usage(format!("a list is text or json, not {}", other.name()))),
        }
        Ok(if listing.unseen.is_empty() { Exit::Ok } else { Exit::Failed })
    }
}
