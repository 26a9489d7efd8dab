//! Letters and pings on their way out.

use std::path::Path;

use super::memory::Memory;
use super::pings::{self, Apart};
use crate::clients::mail::{self, Letter, Security, Server, Way};
use crate::clients::ping;
use crate::datastores::job_file::SmtpTls;
use crate::jobs::context::Context;

/// By which ways people are told, in words.
pub fn channels(context: &Context) -> Vec<String> {
    let alerts = &context.job.alerts;
    let mut channels = Vec::new();
    if !alerts.email.is_empty() {
        let by = match &alerts.smtp {
            Some(smtp) => format!("{} port {}", smtp.host, smtp.port),
            None => "sendmail".to_owned(),
        };
        channels.push(format!("mail to {} by {by}", alerts.email.join(", ")));
    }
    let secrets = &context.channels.secrets;
    channels.extend(secrets.ping_success.is_some().then(|| "ping of success".to_owned()));
    channels.extend(secrets.ping_failure.is_some().then(|| "ping of failure".to_owned()));
    channels
}

/// Whether a service elsewhere waits for this host's word: only that of success is missed when the host is gone.
pub fn pings(context: &Context) -> bool {
    context.channels.secrets.ping_success.is_some()
}

/// Whom the URL of that word tells apart.
pub fn apart(context: &Context) -> Apart {
    context.channels.secrets.ping_success.as_ref().map(Apart::of).unwrap_or_default()
}

/// Who letters are from.
pub fn sender(context: &Context) -> String {
    let from = context.job.alerts.smtp.as_ref().and_then(|smtp| smtp.from.clone());
    from.unwrap_or_else(|| format!("root@{}", context.hostname))
}

/// How letters leave.
pub fn way(context: &Context) -> Way {
    match (&context.channels.outbox, &context.job.alerts.smtp) {
        (Some(outbox), _) => Way::Outbox(outbox.clone()),
        (None, Some(smtp)) => Way::Smtp(Server {
            host: smtp.host.to_string(),
            port: smtp.port,
            security: match smtp.tls {
                SmtpTls::None => Security::None,
                SmtpTls::Starttls => Security::Starttls,
                SmtpTls::Tls => Security::Tls,
            },
            login: context.channels.secrets.smtp.clone(),
            hello: context.hostname.clone(),
            limit: mail::LIMIT,
        }),
        (None, None) => Way::Sendmail(context.channels.sendmail.clone()),
    }
}

/// Sends what waits, the oldest first. What was taken is forgotten; the first that is not keeps its place.
pub async fn letters(context: &Context, memory: &mut Memory) {
    memory.untold = None;
    let (way, from) = (way(context), sender(context));
    let mut left = Vec::new();
    for waiting in std::mem::take(&mut memory.waiting) {
        let letter = Letter {
            from: from.clone(),
            to: waiting.to.clone(),
            subject: waiting.subject.clone(),
            body: waiting.body.clone(),
            at: waiting.at,
        };
        let errors = Box::pin(mail::send(&way, &letter)).await;
        if let Some(error) = errors.first() {
            memory.untold = Some(error.to_string());
            left.push(super::Waiting { to: errors.into_iter().map(|error| error.to).collect(), ..waiting });
        }
    }
    memory.waiting = left;
}

/// Tells the service elsewhere. The answer says what went wrong.
pub async fn ping(context: &Context, good: bool) -> Option<String> {
    let secrets = &context.channels.secrets;
    let (what, url) = match good {
        true => ("success", secrets.ping_success.as_ref()?),
        false => ("failure", secrets.ping_failure.as_ref()?),
    };
    let result = match &context.channels.outbox {
        Some(outbox) => recorded(outbox, context, what),
        None => Box::pin(ping::ping(&pings::url(url, context))).await.map_err(|error| error.to_string()),
    };
    result.err().map(|why| format!("the ping of {what} did not arrive: {why}"))
}

fn recorded(outbox: &Path, context: &Context, what: &str) -> Result<(), String> {
    let text = format!("ping of {what} from {} {}\n", context.job.host, context.job.datastore);
    mail::record(outbox, context.clock.now(), "ping", text.as_bytes()).map_err(|error| error.to_string())
}
