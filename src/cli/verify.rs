//! `reconcile verify DATASTORE`: restores a backup to a scratch place and proves it. Exit code 1 where it is none.

use std::path::PathBuf;

use clap::Args;

use super::on_host::{OnHost, Which};
use super::place::Place;
use super::run::block_on;
use super::{Exit, Failure, Format, Global, Output};
use crate::jobs::verify::{Evidence, verify};
use crate::report;
use crate::vocab::Datastore;

/// Restores a backup to a scratch place, asks what it holds, and keeps the evidence beside it.
#[derive(Clone, Debug, Args)]
pub struct Verify {
    /// What was backed up, such as postgresql
    pub datastore: Datastore,

    #[command(flatten)]
    pub which: Which,

    /// Where it is restored to for the time being [default: the backup directory]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,

    #[command(flatten)]
    pub of: OnHost,
}

impl Verify {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("verify", &[Format::Text, Format::Json])?;
        let place = Place::of(global)?;
        let (host, job_file) = self.of.find("verify", &place, global, &self.datastore)?;
        let wanted = self.which.wanted();
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
