//! A test of the alerts: a letter with a short code by every way, and a person who says that it arrived.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::memory::{Confirmed, Memory, Test};
use super::{deliver, message, turn};
use crate::clients::mail::{self, Letter};
use crate::jobs::context::Context;
use crate::jobs::error::{JobError, Stage};

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    pub at: DateTime<Utc>,
    /// The ways that took it.
    pub sent: Vec<String>,
    /// What did not leave, and why.
    pub failed: Vec<String>,
}

/// Sends the test by every way, and remembers its code.
pub async fn send(context: &Context, code: &str, by: &str) -> Result<Tested, JobError> {
    let _turn = turn(context).await.map_err(|why| JobError::new(Stage::Prepare, why))?;
    let at = context.clock.now();
    let (mut sent, mut failed) = (Vec::new(), Vec::new());
    let to = context.job.alerts.email.clone();
    if !to.is_empty() {
        let message::Message { subject, body } = message::test(code, by, context);
        let letter = Letter { from: deliver::sender(context), to: to.clone(), subject, body, at };
        let errors = Box::pin(mail::send(&deliver::way(context), &letter)).await;
        let reached = to.iter().filter(|to| !errors.iter().any(|error| error.to == **to));
        sent.extend(reached.map(|to| format!("mail to {to}")));
        failed.extend(errors.iter().map(ToString::to_string));
    }
    let secrets = &context.channels.secrets;
    let pings = [("success", true, &secrets.ping_success), ("failure", false, &secrets.ping_failure)];
    // The word of failure first, so that the last one that the service hears is how it is.
    for (what, good, _) in pings.into_iter().rev().filter(|(_, _, url)| url.is_some()) {
        match Box::pin(deliver::ping(context, good)).await {
            None => sent.push(format!("ping of {what}")),
            Some(why) => failed.push(why),
        }
    }
    let mut memory = Memory::read(context);
    memory.test = Some(Test { at, code: code.to_owned(), channels: sent.clone() });
    write(context, &memory)?;
    Ok(Tested { at, sent, failed })
}

/// Records that a test arrived, if the code is the one that was sent.
pub async fn confirm(context: &Context, code: &str, by: &str) -> Result<Confirmed, JobError> {
    let _turn = turn(context).await.map_err(|why| JobError::new(Stage::Prepare, why))?;
    let mut memory = Memory::read(context);
    let Some(test) = memory.test.take() else {
        return Err(JobError::new(Stage::Prepare, "no test is waiting to be confirmed")
            .help("send one with `reconcile alerts test`"));
    };
    if !test.code.eq_ignore_ascii_case(code.trim()) {
        return Err(JobError::new(Stage::Prepare, "this is not the code of the last test")
            .help("look for the newest message; another test makes the earlier codes void"));
    }
    let confirmed =
        Confirmed { sent: test.at, at: context.clock.now(), by: by.to_owned(), channels: test.channels };
    memory.confirmed = Some(confirmed.clone());
    write(context, &memory)?;
    Ok(confirmed)
}

fn write(context: &Context, memory: &Memory) -> Result<(), JobError> {
    memory.write(context).map_err(|error| {
        JobError::new(
            Stage::Record,
            format!("the test cannot be remembered in {}: {error}", context.job.directory),
        )
        .help("run it as the user that makes the backups")
    })
}
