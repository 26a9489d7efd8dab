//! Whether a job would find what it needs: tried before its cron entry is written, by the job's own user and with its own
//! credentials. Leaves nothing behind, and takes no lock: a backup may be under way.

use serde::Serialize;

use super::context::Context;
use super::error::{JobError, Stage};
use super::{directory, snapshot, upload};
use crate::datastores::job;
use crate::datastores::job_file::Source;
use crate::datastores::names::{Content, Name};
use crate::vocab::Tier;

/// One thing that a job needs, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `directory`, `room`, `source`, `bucket`.
    pub name: &'static str,
    /// What was found, where it is as it must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What is wrong, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
}

/// Tries everything that a backup of this tier needs, whatever fails. `has_server`: whether there is a PostgreSQL to ask; a
/// sandbox may have none.
pub async fn preflight(context: &Context, tier: Tier, has_server: bool) -> Vec<Check> {
    let mut checks = vec![check("directory", writable(context)), check("room", room(context))];
    if has_server || !matches!(context.job.source, Source::Postgresql(_)) {
        let source = match snapshot::is_of(context) {
            true => Box::pin(snapshot::try_out(context)).await,
            false => source(context).await,
        };
        checks.push(check("source", source));
    }
    if context.job.upload.is_some() {
        checks.push(check("bucket", Box::pin(bucket(context, tier)).await));
    }
    checks
}

fn check(name: &'static str, result: Result<String, JobError>) -> Check {
    match result {
        Ok(found) => Check { name, found: Some(found), wrong: None },
        Err(JobError { message, help, .. }) => {
            let wrong = help.map_or(message.clone(), |help| format!("{message}; {help}"));
            Check { name, found: None, wrong: Some(wrong) }
        }
    }
}

fn writable(context: &Context) -> Result<String, JobError> {
    let place = directory::find(context)?;
    directory::check_user(&place)?;
    // It goes with the value.
    tempfile::Builder::new().prefix(".reconcile-preflight-").tempfile_in(&place).map_err(|error| {
        JobError::new(Stage::Prepare, format!("nothing can be written to {}: {error}", place.display()))
            .help("see that the volume has room and is writable")
    })?;
    Ok(context.job.directory.clone())
}

fn room(context: &Context) -> Result<String, JobError> {
    let place = directory::find(context)?;
    directory::check_space(context, &place, &context.series())?;
    Ok("enough for a backup like the last one".to_owned())
}

/// Logs in where the job does, and looks for its programs.
async fn source(context: &Context) -> Result<String, JobError> {
    let (source, around) = (context.job.source.clone(), context.around());
    let asked = tokio::task::spawn_blocking(move || job::try_out(&source, &around));
    let asked =
        asked.await.map_err(|error| JobError::new(Stage::Dump, format!("the job broke off: {error}")))?;
    Ok(asked?)
}

/// Begins an upload of a backup that is not made, and breaks it off.
async fn bucket(context: &Context, tier: Tier) -> Result<String, JobError> {
    let (Some(store), Some(wanted)) = (&context.store, &context.job.upload) else {
        return Err(JobError::new(Stage::Upload, "there is no client for the bucket"));
    };
    let now = context.clock.now();
    let name = Name::dated(tier, now, context.zone, Content::Archive, context.job.compression);
    let target = upload::target(context, store, wanted, &name).await;
    target.try_out().await?;
    Ok(format!("s3://{} takes uploads", wanted.bucket))
}
