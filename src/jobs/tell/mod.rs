//! Somebody is told: what a job or a check came to -> [`incident`] -> letters, pings, a file of metrics.
//!
//! Called at the end of every backup and every check. What is to be told is remembered before it leaves, and forgotten
//! when it was taken: a job that dies in between, or a server that is away, costs no letter. Nothing here may hide what it
//! is about, so nothing here fails: what nobody could be told goes to the system log, to standard error and to `status`.

mod deliver;
pub mod incident;
pub mod memory;
mod message;
pub mod pings;
pub mod test;
pub mod textfile;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::check::CheckReport;
use super::context::Context;
use super::error::JobError;
use super::manifest::Manifest;
use super::verify::standing;
use super::{lock, log};
use crate::vocab::Tier;
use incident::{About, Event, News};
use memory::{Confirmed, Done, Failed, Memory, Waiting};

/// How long a job waits for another one that is telling: each letter has a time limit of its own.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(100);

/// What is known of who is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// By which ways people are told, in words.
    pub channels: Vec<String>,
    /// Whether a service elsewhere waits for this host's word.
    pub ping: bool,
    /// Whom the URL of that word tells apart: where others say theirs at the same one, nobody misses this host's.
    #[serde(default)]
    pub apart: pings::Apart,
    /// Since when something is wrong that people were told of.
    pub incident: Option<DateTime<Utc>>,
    pub reasons: Vec<String>,
    /// Letters that nobody has taken, and why.
    pub waiting: usize,
    pub untold: Option<String>,
    /// When cron last ran a check here.
    pub checked: Option<DateTime<Utc>>,
    /// The last test that arrived.
    pub confirmed: Option<Confirmed>,
}

impl Watch {
    pub fn of(context: &Context, memory: &Memory) -> Watch {
        Watch {
            channels: deliver::channels(context),
            ping: deliver::pings(context),
            apart: deliver::apart(context),
            incident: memory.incidents().map(|incident| incident.began).min(),
            reasons: memory.incidents().flat_map(memory::Incident::reasons).collect(),
            waiting: memory.waiting.len(),
            untold: memory.untold.clone(),
            checked: memory.checked,
            confirmed: memory.confirmed.clone(),
        }
    }
}

/// A backup failed.
pub async fn failed(context: &Context, tier: Tier, error: &JobError) {
    let failed = Failed {
        at: context.clock.now(),
        stage: error.stage,
        message: error.message.clone(),
        help: error.help.clone(),
    };
    tell(context, &Event::Failed { tier, failed }).await;
}

/// A backup of a tier was made.
pub async fn succeeded(context: &Context, tier: Tier, manifest: &Manifest) {
    made(context, tier, Done::from(manifest)).await;
}

/// A backup was made, of whatever form.
pub async fn made(context: &Context, tier: Tier, done: Done) {
    tell(context, &Event::Succeeded { tier, done }).await;
}

/// A check by cron was made. Answers with what could not be told.
pub async fn checked(context: &Context, report: &CheckReport) -> Vec<String> {
    tell(context, &Event::Checked(report)).await
}

/// A backup was restored and looked at; what was found is written beside it. Answers with what could not be told.
pub async fn verified(context: &Context) -> Vec<String> {
    tell(context, &Event::Verified(&standing::of(context, None))).await
}

/// A verification could not be made. One that was refused is told only where the other hangs: else that says itself what
/// it finds. Answers with what could not be told.
pub async fn unverified(context: &Context, error: &JobError) -> Vec<String> {
    if error.is_refusal() && !lock::hangs(context, lock::VERIFY) {
        return Vec::new();
    }
    let failed = Failed {
        at: context.clock.now(),
        stage: error.stage,
        message: error.message.clone(),
        help: error.help.clone(),
    };
    tell(context, &Event::Unverified(failed)).await
}

async fn tell(context: &Context, event: &Event<'_>) -> Vec<String> {
    let mut troubles = Vec::new();
    let _turn = match turn(context).await {
        Ok(turn) => Some(turn),
        Err(why) => {
            troubles.push(why);
            None
        }
    };
    let now = context.clock.now();
    let (mut memory, news) = incident::after(&Memory::read(context), event, now);
    for (about, news) in &news {
        wait_for(&mut memory, *about, news, context);
    }
    remember(context, &memory, &mut troubles);
    deliver::letters(context, &mut memory).await;
    troubles.extend(memory.untold.clone());
    remember(context, &memory, &mut troubles);
    let good = memory.incidents().next().is_none() && !matches!(event, Event::Failed { .. });
    // A proof says nothing of the night's backups: whoever waits for their word hears of what is wrong alone.
    if !(good && matches!(event, Event::Verified(_))) {
        troubles.extend(Box::pin(deliver::ping(context, good)).await);
    }
    troubles.extend(write_metrics(context, &memory));
    for trouble in &troubles {
        tracing::warn!("{trouble}");
        log::line(context, None, log::Level::Error, trouble);
    }
    troubles
}

/// Puts a letter among those that wait. Where too many do, the first one and the newest stay.
fn wait_for(memory: &mut Memory, about: About, news: &News, context: &Context) {
    if context.job.alerts.email.is_empty() {
        return;
    }
    let message::Message { subject, body } = message::of(about, news, context);
    let to = context.job.alerts.email.clone();
    if memory.waiting.len() >= memory::WAITING {
        memory.waiting.remove(1);
    }
    memory.waiting.push(Waiting { at: context.clock.now(), to, subject, body });
}

fn remember(context: &Context, memory: &Memory, troubles: &mut Vec<String>) {
    if let Err(error) = memory.write(context) {
        let why = format!("what was told cannot be remembered in {}: {error}", context.job.directory);
        if !troubles.contains(&why) {
            troubles.push(why);
        }
    }
}

fn write_metrics(context: &Context, memory: &Memory) -> Option<String> {
    let directory = context.job.alerts.prometheus_textfile.as_ref()?;
    let name = format!("reconcile-{}-{}.prom", context.job.environment, context.job.datastore);
    let path = context.root.join(directory.trim_start_matches('/')).join(&name);
    let error = textfile::write(&path, &textfile::of(context, memory)).err()?;
    Some(format!("the metrics cannot be written to {directory}/{name}: {error}"))
}

/// One job tells at a time: two would send the same letter twice. The kernel's lock goes with its process.
async fn turn(context: &Context) -> Result<std::fs::File, String> {
    let name = format!(".reconcile-{}-{}.tell.lock", context.job.environment, context.job.datastore);
    let path = context.directory().join(name);
    let failed = |error: std::io::Error| format!("{} cannot be used: {error}", path.display());
    // Locking needs no right to write (flock(2)), and what a job of root left may give none.
    let file = match lock::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => std::fs::File::open(&path),
        opened => opened,
    };
    let file = file.map_err(failed)?;
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Err("another job has been telling for minutes, and was not waited for".to_owned())
}
