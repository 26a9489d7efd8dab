//! Why a verb could not answer.

use crate::cli::Exit;
use crate::vocab::Problems;

/// What stops a verb. Every text says what is wrong, where, why it matters and what to do.
#[derive(Debug)]
pub enum Failure {
    /// The files of the environment hold errors.
    Problems(Problems),
    /// Something failed.
    Failed { message: String, help: Option<String> },
    /// The program will not do this.
    Refused { message: String, help: Option<String> },
    /// The command line makes no sense.
    Usage { message: String },
}

impl Failure {
    pub fn failed(message: impl Into<String>) -> Self {
        Failure::Failed { message: message.into(), help: None }
    }

    pub fn failed_with_help(message: impl Into<String>, help: impl Into<String>) -> Self {
        Failure::Failed { message: message.into(), help: Some(help.into()) }
    }

    pub fn refused(message: impl Into<String>, help: impl Into<String>) -> Self {
        Failure::Refused { message: message.into(), help: Some(help.into()) }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Failure::Usage { message: message.into() }
    }

    /// In one line, what to do included.
    pub fn to_text(&self) -> String {
        match self {
            Failure::Problems(_) => "the settings hold errors".to_owned(),
            Failure::Failed { message, help } | Failure::Refused { message, help } => {
                let help = help.as_ref().map(|help| format!("; {}", help.replace('\n', " ")));
                format!("{message}{}", help.unwrap_or_default())
            }
            Failure::Usage { message } => message.clone(),
        }
    }

    pub fn exit(&self) -> Exit {
        match self {
            Failure::Problems(_) | Failure::Failed { .. } => Exit::Failed,
            Failure::Refused { .. } => Exit::Refused,
            Failure::Usage { .. } => Exit::Usage,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::failed(format!("{error:#}"))
    }
}
