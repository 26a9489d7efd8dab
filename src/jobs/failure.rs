//! A failure that stays visible: `last-failure.json` beside the backups until the next success of its tier, and a line in
//! the log. Nothing here may hide the failure itself, so nothing here fails.

use std::fmt;
use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::error::{JobError, Stage};
use super::{directory, log};
use crate::vocab::{Datastore, Environment, HostName, Tier, words};

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
    /// Which run it was: lines of the log have the same name.
    #[serde(default)]
    pub run: String,
}

/// What happened, one sentence without a full stop.
impl fmt::Display for LastFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = words::minute(self.at);
        write!(f, "the last {} backup failed at {}, {at}: {}", self.tier, self.stage, self.message)
    }
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
        run: context.run.clone(),
    };
    let place = context.directory();
    let written = serde_json::to_vec_pretty(&failure)
        .map_err(std::io::Error::other)
        .and_then(|text| directory::write(&place, FILE, &text));
    if let Err(error) = written {
        tracing::warn!("the failure cannot be written to {}: {error}", place.join(FILE).display());
    }
    let line = format!("{} failed at {}: {}", context.title(&tier.into()), error.stage, error.message);
    log::line(context, Some(tier), log::Level::Error, &line);
}

/// Removes the note of an earlier failure that a success of this tier answers; another datastore's stays, and so does
/// that of another tier, unless no schedule wants that one any more.
pub fn clear(context: &Context, tier: Tier) {
    let place = context.directory();
    let is_answered = |failure: &LastFailure| {
        failure.concerns(context)
            && (failure.tier == tier || !context.job.schedules.contains_key(&failure.tier))
    };
    if read(&place).is_some_and(|failure| !is_answered(&failure)) {
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
