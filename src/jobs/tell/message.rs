//! The letters: what is wrong, since when, what to do, and where. Plain text, in the width of a terminal.

use super::incident::{About, News};
use super::memory::{Found, Incident};
use crate::freshness::Matter;
use crate::jobs::context::Context;
use crate::vocab::words;

/// Columns of a letter.
const WIDTH: usize = 72;

/// Subject and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub subject: String,
    pub body: String,
}

/// The letter that tells the news.
pub fn of(about: About, news: &News, context: &Context) -> Message {
    let job = &context.job;
    let what = format!("{} backups on {} ({})", job.datastore, job.host, job.environment);
    let (wrong, again, over) = match about {
        About::Backups => (
            format!("wrong with the {what}"),
            "as they should be again",
            format!("The {what} are as they should be again."),
        ),
        About::Proofs => (
            format!("wrong with the proofs of the {what}"),
            "proven again",
            format!("The {what} are proven again."),
        ),
    };
    match news {
        News::Began(incident) => Message {
            subject: format!("[ALERT] {what}: {}", headline(incident, None)),
            body: body(&format!("Something is {wrong}."), &incident.reasons(), incident, context),
        },
        News::Joined(incident, joined) => Message {
            subject: format!("[ALERT] {what}: {}", headline(incident, joined.first())),
            body: body(
                &format!("Something more is {wrong}, since {}.", words::minute(incident.began)),
                &incident.reasons(),
                incident,
                context,
            ),
        },
        News::Ended(incident) => {
            Message { subject: format!("[OK] {what}: {again}"), body: ended(&over, incident, context) }
        }
    }
}

/// A letter that somebody is asked to confirm.
pub fn test(code: &str, by: &str, context: &Context) -> Message {
    let job = &context.job;
    let what = format!("{} backups on {} ({})", job.datastore, job.host, job.environment);
    let text = format!(
        "This is a test of the alerts of the {what}. Nothing is wrong. {by} asks whether it arrives: tell them the code, or \
         run where they did"
    );
    let mut body = format!("{}\n\n", wrapped("", &text));
    body.push_str(&format!("    reconcile alerts test {} --code {code}\n\n", job.datastore));
    body.push_str(&format!("    code: {code}\n"));
    body.push_str(&footer(context));
    Message { subject: format!("[TEST] {what}: code {code}"), body }
}

/// The gravest in few words, for a subject.
fn headline(incident: &Incident, first: Option<&Found>) -> String {
    let failed = || {
        let (tier, failed) = incident.failed.iter().next()?;
        Some(format!("the {tier} backup failed at {}", failed.stage))
    };
    let found = first.or(incident.found.first());
    let words = |found: &Found| match (found.matter, found.tier) {
        (Matter::Late, Some(tier)) => format!("the {tier} backup is missing"),
        (Matter::Late, None) => "the newest backup is too old".to_owned(),
        (Matter::Small, _) => "the newest backup is too small".to_owned(),
        (Matter::Hidden, _) => "a backup is hidden in the bucket".to_owned(),
        (Matter::Unversioned, _) => "a copy is under its dated key".to_owned(),
        (Matter::Clock, _) => "a clock is wrong".to_owned(),
        (Matter::Unproven, _) => "no backup was proven in time".to_owned(),
        (Matter::Condemned, Some(tier)) => format!("the {tier} backup is NOT PROVEN"),
        (Matter::Condemned, None) => "a backup is NOT PROVEN".to_owned(),
        (Matter::Unverified, _) => "the verification could not be made".to_owned(),
        (Matter::Lost, _) => "a backup is gone".to_owned(),
        (Matter::OldEntries, _) => "an old cron entry is back".to_owned(),
        (Matter::Unseen, _) => "the copies cannot be seen".to_owned(),
    };
    match first {
        Some(first) => words(first),
        None => failed().or_else(|| found.map(words)).unwrap_or_else(|| "look at them".to_owned()),
    }
}

fn body(first: &str, reasons: &[String], incident: &Incident, context: &Context) -> String {
    let mut text = format!("{}\n\n", wrapped("", first));
    for reason in reasons {
        text.push_str(&format!("{}\n", wrapped("- ", reason)));
    }
    let helps = helps(incident);
    if !helps.is_empty() {
        text.push_str("\nWhat to do:\n");
        for help in helps {
            text.push_str(&format!("{}\n", wrapped("- ", &help)));
        }
    }
    text.push_str(&footer(context));
    text
}

/// What to do, each once.
fn helps(incident: &Incident) -> Vec<String> {
    let mut helps: Vec<String> = incident.failed.values().filter_map(|failed| failed.help.clone()).collect();
    for found in &incident.found {
        let help = found.matter.help().to_owned();
        if !helps.contains(&help) {
            helps.push(help);
        }
    }
    helps
}

fn ended(over: &str, incident: &Incident, context: &Context) -> String {
    let first = format!("{over} Since {} this was wrong:", words::minute(incident.began));
    let mut text = format!("{}\n\n", wrapped("", &first));
    for reason in incident.reasons() {
        text.push_str(&format!("{}\n", wrapped("- ", &reason)));
    }
    text.push_str(&footer(context));
    text
}

fn footer(context: &Context) -> String {
    let job = &context.job;
    let mut text = format!(
        "\n-- \nenvironment  {}\nhost         {}\ndirectory    {}\n",
        job.environment, job.host, job.directory
    );
    if !context.run.is_empty() {
        text.push_str(&format!("run          {}\n", context.run));
    }
    if let Some(upload) = &job.upload {
        text.push_str(&format!("bucket       s3://{}\n", upload.bucket));
    }
    text.push_str(&format!("look         reconcile check {0}; reconcile list {0}\n", job.datastore));
    text
}

fn wrapped(first: &str, text: &str) -> String {
    let indent = " ".repeat(first.len());
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(&text.split_whitespace().collect::<Vec<_>>().join(" "), options)
}
