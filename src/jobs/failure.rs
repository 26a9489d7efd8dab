//! A failure that stays visible: `last-failure.json` beside the backups until the next success, and a line in the
//! system log. Nothing here may hide the failure itself, so nothing here fails.

use std::fs;
use std::io::Write;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::directory;
use super::error::{JobError, Stage};
use crate::clients::process::{Program, Talk};
use crate::vocab::{Datastore, Environment, HostName, Tier};

/// The file beside the backups.
pub const FILE: &str = "last-failure.json";

/// The last job that failed, where none has succeeded since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastFailure {
    pub environment: Environment,
    pub host: HostName,
    pub datastore: Datastore,
    pub tier: Tier,
    pub at: DateTime<Utc>,
    pub stage: Stage,
    pub message: String,
    pub help: Option<String>,
}

impl LastFailure {
    fn concerns(&self, context: &Context) -> bool {
        self.environment == context.job.environment && self.datastore == context.job.datastore
    }
}

/// Writes the failure down and tells the system log.
pub fn record(context: &Context, tier: Tier, error: &JobError) {
    let failure = LastFailure {
        environment: context.job.environment.clone(),
        host: context.job.host.clone(),
        datastore: context.job.datastore.clone(),
        tier,
        at: context.clock.now(),
        stage: error.stage,
        message: error.message.clone(),
        help: error.help.clone(),
    };
    let place = context.directory();
    let written = serde_json::to_vec_pretty(&failure)
        .map_err(std::io::Error::other)
        .and_then(|text| directory::write(&place, FILE, &text));
    if let Err(error) = written {
        tracing::warn!("the failure cannot be written to {}: {error}", place.join(FILE).display());
    }
    if context.syslog {
        log(&format!("{} failed at {}: {}", context.title(&tier.into()), error.stage, error.message));
    }
}

/// Removes the note of an earlier failure of the same datastore; another datastore's stays.
pub fn clear(context: &Context) {
    let place = context.directory();
    if read(&place).is_some_and(|failure| !failure.concerns(context)) {
        return;
    }
    if let Err(error) = directory::remove(&place.join(FILE)) {
        tracing::warn!("{} cannot be removed: {error}", place.join(FILE).display());
    }
}

/// The last failure of this datastore, if it is one.
pub fn last(context: &Context) -> Option<LastFailure> {
    read(&context.directory()).filter(|failure| failure.concerns(context))
}

fn read(place: &Path) -> Option<LastFailure> {
    serde_json::from_slice(&fs::read(place.join(FILE)).ok()?).ok()
}

/// One line of an error for the system log: also for a job that fails before it has a directory.
pub fn log(line: &str) {
    log_as("daemon.err", line);
}

/// One line for the system log through logger(1), under this process's number: all that a run says can be found by it. The
/// text goes over its input: arguments are for everybody to see.
pub fn log_as(priority: &str, line: &str) {
    let tag = format!("reconcile[{}]", std::process::id());
    let program = Program::new("logger").args(["-t", tag.as_str(), "-p", priority]);
    let Ok(mut logger) = program.start(Talk::Both) else { return };
    if let Some(mut input) = logger.stdin() {
        let _ = writeln!(input, "{}", line.replace('\n', " "));
    }
    let _ = logger.wait();
}
