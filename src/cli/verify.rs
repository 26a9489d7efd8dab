//! `reconcile verify DATASTORE`: restores a backup to a scratch place and proves it. Exit code 1 where it is none.
//!
//! With `--accept` a person answers for what it has lost: shown first, agreed to by the backup's name, recorded with theirs.

use std::path::PathBuf;

use clap::Args;

use super::on_host::{OnHost, Which};
use super::place::Place;
use super::run::block_on;
use super::{Exit, Failure, Format, Global, Output, prompt};
use crate::clients::machine;
use crate::jobs::restore::Wanted;
use crate::jobs::verify::{self, Evidence};
use crate::jobs::{self, Context, Earlier};
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

    /// Accept what the backup has lost: what it holds is what the next ones are measured by
    #[arg(long)]
    pub accept: bool,

    /// Do not ask: the name of the backup whose loss is accepted
    #[arg(long, value_name = "NAME", requires = "accept")]
    pub confirm: Option<String>,

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
        block_on(async {
            let context = Box::pin(host.context(job_file.as_deref(), &self.datastore)).await?;
            let earlier = Box::pin(host.earlier(job_file.as_deref(), &self.datastore)).await?;
            if out.format() == Format::Text {
                out.result(&place.banner());
            }
            if self.accept {
                return Box::pin(self.accepted(&context, &earlier, &wanted, scratch, out)).await;
            }
            let evidence = Box::pin(proof(&context, &earlier, &wanted, scratch, out)).await?;
            Ok(show(&evidence, out))
        })?
    }

    /// What was found of this backup before, where that still holds; else what is found now. Then it is asked for.
    async fn accepted(
        &self,
        context: &Context,
        earlier: &[Earlier],
        wanted: &Wanted,
        scratch: Option<PathBuf>,
        out: &mut Output,
    ) -> Result<Exit, Failure> {
        let found = match Box::pin(verify::acceptable(context, earlier, wanted)).await? {
            Some(found) => found,
            None => Box::pin(proof(context, earlier, wanted, scratch, out)).await?,
        };
        if found.is_proof() {
            return Ok(show(&found, out));
        }
        if out.format() == Format::Text {
            show(&found, out);
        }
        if !found.is_acceptable() {
            let message =
                format!("{} is wrong in more than what it has lost: nothing was accepted", found.name);
            return Err(Failure::refused(message, "only a loss can be accepted; see the reasons"));
        }
        self.agreed(&found)?;
        let by = machine::person();
        let accepted = Box::pin(verify::accept(context, earlier, wanted, &found, &by)).await?;
        tell(context, out).await;
        Ok(show(&accepted, out))
    }

    /// A measure is lowered only by somebody who says by which backup.
    fn agreed(&self, found: &Evidence) -> Result<(), Failure> {
        let name = &found.name;
        let refused = |why: String| {
            Failure::refused(format!("{why}: nothing was accepted"), format!("add --confirm {name}"))
        };
        prompt::named(name, self.confirm.as_deref(), "To accept what it has lost", "was found")
            .map_err(refused)
    }
}

/// Restores, asks, and tells whoever is to be told.
async fn proof(
    context: &Context,
    earlier: &[Earlier],
    wanted: &Wanted,
    scratch: Option<PathBuf>,
    out: &mut Output,
) -> Result<Evidence, Failure> {
    let evidence = Box::pin(verify::verify(context, earlier, wanted, scratch)).await?;
    tell(context, out).await;
    Ok(evidence)
}

async fn tell(context: &Context, out: &mut Output) {
    notices(Box::pin(jobs::tell::verified(context)).await, out);
}

/// What could not be told is told here.
fn notices(troubles: Vec<String>, out: &mut Output) {
    for trouble in troubles {
        out.notice(&format!("{}\n", report::text::wrapped("! ", 2, &report::text::one_line(&trouble))));
    }
}

/// The same by cron: nobody looks on, so that somebody is also told where nothing could be looked at. Quiet where there is
/// nothing to say and nobody to hear it.
pub(super) async fn by_cron(
    context: &Context,
    earlier: &[Earlier],
    quiet: bool,
    out: &mut Output,
) -> Result<Exit, Failure> {
    match Box::pin(verify::verify(context, earlier, &Wanted::Newest, None)).await {
        Ok(evidence) => {
            tell(context, out).await;
            let silent = quiet && evidence.is_proof() && evidence.notes.is_empty();
            Ok(if silent { Exit::Ok } else { show(&evidence, out) })
        }
        Err(error) => {
            notices(Box::pin(jobs::tell::unverified(context, &error)).await, out);
            Err(error.into())
        }
    }
}

/// Shows what was found.
fn show(evidence: &Evidence, out: &mut Output) -> Exit {
    match out.format() {
        Format::Json => out.json(&report::verify::evidence_json(evidence)),
        _ => out.result(&report::verify::evidence(evidence)),
    }
    if evidence.is_proof() { Exit::Ok } else { Exit::Failed }
}
