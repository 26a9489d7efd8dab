//! `reconcile verify DATASTORE`: restores a backup to a scratch place and proves it. Exit code 1 where it is none.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;

use super::on_host::OnHost;
use super::place::Place;
use super::run::block_on;
use super::{Exit, Failure, Format, Global, Output};
use crate::jobs::restore::Wanted;
use crate::jobs::verify::{Evidence, verify};
use crate::report;
use crate::vocab::{Datastore, HostName};

/// Restores a backup to a scratch place, asks what it holds, and keeps the evidence beside it.
#[derive(Clone, Debug, Args)]
pub struct Verify {
    /// What was backed up, such as postgresql
    pub datastore: Datastore,

    /// Which backup, as `list -v` names it [default: the newest]
    #[arg(conflicts_with = "before")]
    pub name: Option<String>,

    /// The last backup that was whole before this instant
    #[arg(long, value_name = "TIME")]
    pub before: Option<DateTime<Utc>>,

    /// Where it is restored to for the time being [default: the backup directory]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,

    /// On which host of the environment, where several back it up
    #[arg(long, value_name = "HOST")]
    pub on: Option<HostName>,

    /// The job file that `apply` wrote on this host [default: /etc/reconcile/ENV/DATASTORE.json]
    #[arg(long = "job", value_name = "FILE")]
    pub job_file: Option<String>,
}

impl Verify {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("verify", &[Format::Text, Format::Json])?;
        let place = Place::of(global)?;
        let of = OnHost { on: self.on.as_ref(), job_file: self.job_file.as_deref(), verb: "verify" };
        let (host, job_file) = of.find(&place, global, &self.datastore)?;
        let wanted = Wanted::of(self.name.as_deref(), self.before);
        let scratch = match &self.scratch {
            Some(scratch) => {
                Some(std::path::absolute(scratch).map_err(|error| Failure::usage(error.to_string()))?)
            }
            None => None,
        };
        let evidence = block_on(async {
            let context = Box::pin(host.context(job_file.as_deref(), &self.datastore)).await?;
            let earlier = Box::pin(host.earlier(job_file.as_deref(), &self.datastore)).await?;
            Box::pin(verify(&context, &earlier, &wanted, scratch)).await.map_err(Failure::from)
        })??;
        if out.format() == Format::Text {
            out.result(&place.banner());
        }
        Ok(show(&evidence, out))
    }
}

/// Shows what was found.
pub(super) fn show(evidence: &Evidence, out: &mut Output) -> Exit {
    match out.format() {
        Format::Json => out.json(&report::verify::evidence_json(evidence)),
        _ => out.result(&report::verify::evidence(evidence)),
    }
    if evidence.is_proof() { Exit::Ok } else { Exit::Failed }
}
