//! Why a job failed: at which step, what, and what to do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::datastores::dump::DumpError;

/// The steps of the sequences, in order; an error names the one at which it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Reading the job file, finding the directory.
    Prepare,
    Lock,
    Space,
    Dump,
    /// A store makes its snapshot.
    Snapshot,
    Seal,
    Upload,
    ReadBack,
    Record,
    /// Copying to another host.
    Copy,
    Expire,
    /// Finding the backup that is to be restored.
    Choose,
    /// Reading it, and building what it holds.
    Restore,
    /// Putting that in the place of the present data.
    Exchange,
    /// Asking what was restored whether it is whole.
    Prove,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Prepare => "prepare",
            Stage::Lock => "lock",
            Stage::Space => "space",
            Stage::Dump => "dump",
            Stage::Snapshot => "snapshot",
            Stage::Seal => "seal",
            Stage::Upload => "upload",
            Stage::ReadBack => "read back",
            Stage::Record => "record",
            Stage::Copy => "copy",
            Stage::Expire => "expire",
            Stage::Choose => "choose",
            Stage::Restore => "restore",
            Stage::Exchange => "exchange",
            Stage::Prove => "prove",
        })
    }
}

/// A job that did not do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JobError {
    pub stage: Stage,
    /// What is wrong, where, and why it matters. Never holds a secret.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl JobError {
    pub fn new(stage: Stage, message: impl Into<String>) -> Self {
        JobError { stage, message: message.into(), help: None }
    }

    pub fn help(self, help: impl Into<String>) -> Self {
        JobError { help: Some(help.into()), ..self }
    }

    /// What is wrong and what to do, as one clause: where there is room for a reason alone.
    pub fn line(&self) -> String {
        let help = self.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{}{help}", self.message)
    }

    /// Whether the job refused to begin (exit code 3) and did not fail (exit code 1).
    pub fn is_refusal(&self) -> bool {
        self.stage == Stage::Lock
    }
}

impl From<DumpError> for JobError {
    fn from(error: DumpError) -> Self {
        JobError { stage: Stage::Dump, message: error.message, help: error.help }
    }
}
