//! What a plan would lose: the questions it asks reality where it shortens a life, and what the answers do to it.
//!
//! A destructive change names exactly what would be lost. Where that cannot be told, the change is held as unknown: nobody
//! can consent to what nobody saw.

use super::{Action, Change, Held, Plan, Reason, fingerprint};
use crate::resources::{Resource, bucket, host_file};
use crate::retention::Losses;
use crate::state::HeldCode;
use crate::vocab::{BucketName, HostName, Id, KeepVersions, Kind, Value};

/// What must be known before somebody can consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which noncurrent versions under a prefix a shorter rule removes.
    Versions {
        id: Id,
        bucket: BucketName,
        prefix: String,
        /// `None`: kept for ever until now.
        old: Option<KeepVersions>,
        new: KeepVersions,
    },
    /// Which local backups a host's job removes earlier than before.
    Local { id: Id, host: HostName, old: LocalKeep, new: LocalKeep },
}

/// What a job file says about local backups, as `retention` needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalKeep {
    pub directory: String,
    pub datastore: String,
    pub days: u32,
    pub weeks: u32,
    pub hours: u32,
}

/// What reality says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Lost(Losses),
    /// Could not be told, and why.
    Unknown(String),
}

impl Question {
    pub fn id(&self) -> &Id {
        match self {
            Question::Versions { id, .. } | Question::Local { id, .. } => id,
        }
    }
}

impl Plan {
    /// What to ask reality before showing the plan.
    pub fn questions(&self) -> Vec<Question> {
        self.changes.iter().filter(|change| change.action != Action::Create).flat_map(questions_of).collect()
    }

    /// The plan with the answers in it; a change whose answer is unknown is held.
    pub fn with_losses(mut self, answers: Vec<(Question, Answer)>, vault_digest: Option<&str>) -> Plan {
        for (question, answer) in answers {
            match answer {
                Answer::Lost(losses) => {
                    if let Some(change) = self.changes.iter_mut().find(|change| change.id == *question.id()) {
                        change.losses = std::mem::take(&mut change.losses).and(losses);
                    }
                }
                Answer::Unknown(why) => {
                    self.changes.retain(|change| change.id != *question.id());
                    self.held.push(Held {
                        id: question.id().clone(),
                        code: HeldCode::Unknown,
                        why: format!("what it would lose cannot be told: {why}"),
                    });
                    self.held.sort_by(|a, b| (&a.id, a.code, &a.why).cmp(&(&b.id, b.code, &b.why)));
                    self.held.dedup();
                }
            }
        }
        self.fingerprint = fingerprint::of(&self, vault_digest);
        self
    }
}

fn questions_of(change: &Change) -> Vec<Question> {
    match (change.id.kind(), &change.desired, &change.observed) {
        (Kind::Bucket, Some(_), Some(_)) => version_questions(change),
        (Kind::HostFile, Some(Resource::HostFile(new)), Some(Resource::HostFile(old))) => {
            local_question(change, old, new).into_iter().collect()
        }
        (Kind::Crontab, ..) => takeover_questions(change),
        _ => Vec::new(),
    }
}

/// What lies in the backup directory was made by an old entry, and its life is that entry's until ours takes over.
fn takeover_questions(change: &Change) -> Vec<Question> {
    let Some(host) = change.id.host() else { return Vec::new() };
    let question = |reason: &Reason| match reason {
        Reason::KeepsLess { old, new } => Some(Question::Local {
            id: change.id.clone(),
            host: host.clone(),
            old: old.clone(),
            new: new.clone(),
        }),
        _ => None,
    };
    change.reasons.iter().filter_map(question).collect()
}

fn version_questions(change: &Change) -> Vec<Question> {
    let Ok(name) = change.id.name().parse::<BucketName>() else { return Vec::new() };
    let Some(field) = change.fields.iter().find(|field| field.field == bucket::field::KEEP_VERSIONS) else {
        return Vec::new();
    };
    let Value::Map(rules) = &field.to else { return Vec::new() };
    rules
        .iter()
        .filter_map(|(prefix, new)| {
            let old = field.from.get(prefix);
            let one = |value: &Value| Value::Map([(prefix.clone(), value.clone())].into());
            let before = old.map_or(Value::Map(Default::default()), one);
            bucket::shortens(&before, &one(new)).then(|| Question::Versions {
                id: change.id.clone(),
                bucket: name.clone(),
                prefix: prefix.clone(),
                old: old.and_then(bucket::keep_of),
                new: bucket::keep_of(new).unwrap_or(KeepVersions { days: 1, newest: 0 }),
            })
        })
        .collect()
}

fn local_question(change: &Change, old: &host_file::HostFile, new: &host_file::HostFile) -> Option<Question> {
    let field = change.fields.iter().find(|field| field.field == "keep")?;
    if !host_file::keeps_less(&field.from, &field.to) {
        return None;
    }
    Some(Question::Local {
        id: change.id.clone(),
        host: change.id.host()?.clone(),
        old: local_keep(old)?,
        new: local_keep(new)?,
    })
}

pub(super) fn local_keep(file: &host_file::HostFile) -> Option<LocalKeep> {
    let host_file::Body::Members { members, .. } = &file.body else { return None };
    let keep = members.get("keep")?;
    let number = |name| keep.get(name).and_then(Value::as_number).and_then(|n| u32::try_from(n).ok());
    Some(LocalKeep {
        directory: members.get("directory")?.as_text()?.to_owned(),
        datastore: members.get("datastore")?.as_text()?.to_owned(),
        days: number("days")?,
        weeks: number("weeks")?,
        hours: number("hours")?,
    })
}
