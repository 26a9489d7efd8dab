//! Job commands: what a cron entry says and the command line parses, one grammar for both.

use std::fmt;

use clap::{Args, Parser, ValueEnum};
use serde::{Deserialize, Serialize};

use super::Datastore;

/// What a job does with a datastore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    // A plain comment: help would show a doc comment on many lines.
    // Dump, upload, read back, record, expire.
    Backup,
    // Look whether the newest backups are as new as they should be, and tell somebody.
    Check,
    // Restore to a scratch place, ask what is there, keep the evidence.
    Verify,
}

impl JobKind {
    pub fn name(self) -> &'static str {
        match self {
            JobKind::Backup => "backup",
            JobKind::Check => "check",
            JobKind::Verify => "verify",
        }
    }
}

/// How often a backup is made, and with which others it is kept.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    ValueEnum,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Hourly,
    Daily,
    Weekly,
}

impl Tier {
    pub const ALL: [Tier; 3] = [Tier::Hourly, Tier::Daily, Tier::Weekly];

    pub fn name(self) -> &'static str {
        match self {
            Tier::Hourly => "hourly",
            Tier::Daily => "daily",
            Tier::Weekly => "weekly",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One job as it stands in a cron entry or is typed by a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Args)]
pub struct JobCommand {
    /// What to do: make a backup, or check whether there is one and tell somebody
    #[arg(value_enum)]
    pub job: JobKind,

    /// What to back up, such as postgresql
    pub datastore: Datastore,

    /// Which of the datastore's backups this is; daily if left out
    #[arg(long, value_enum)]
    pub tier: Option<Tier>,

    /// The job file that `apply` wrote on this host [default: /etc/reconcile/ENV/DATASTORE.json]
    #[arg(long = "job", value_name = "FILE", value_parser = printable)]
    pub job_file: Option<String>,
}

/// A cron line ends at its newline, and control characters have no business in a path.
fn printable(text: &str) -> Result<String, String> {
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(format!("the control character {c:?} cannot stand in a cron entry")),
        None => Ok(text.to_owned()),
    }
}

/// A text that no version of this program wrote as a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a job of reconcile: {0}")]
pub struct JobCommandError(String);

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct JobLine {
    #[command(flatten)]
    command: JobCommand,
}

impl JobCommand {
    /// Where cron finds the program.
    pub const PROGRAM: &'static str = "/usr/local/bin/reconcile";

    /// The command as `/bin/sh` reads it.
    pub fn to_shell(&self) -> String {
        let mut words = vec![Self::PROGRAM.to_owned(), "run".to_owned()];
        words.extend(self.to_args());
        // Control characters are refused where a command is made; without them quoting cannot fail.
        words
            .iter()
            .map(|word| shlex::try_quote(word).unwrap_or_default().into_owned())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The arguments behind `reconcile run`.
    pub fn to_args(&self) -> Vec<String> {
        let mut args = vec![self.job.name().to_owned(), self.datastore.to_string()];
        if let Some(tier) = self.tier {
            args.push("--tier".to_owned());
            args.push(tier.to_string());
        }
        if let Some(file) = &self.job_file {
            // A path needs no quotes; what looks like an option would be taken for one.
            match file.starts_with('/') {
                true => args.extend(["--job".to_owned(), file.clone()]),
                false => args.push(format!("--job={file}")),
            }
        }
        args
    }

    /// The command as a crontab holds it: to cron(5) a `%` is a newline unless escaped.
    pub fn to_cron(&self) -> String {
        self.to_shell().replace('%', "\\%")
    }

    /// Reads what `to_cron` wrote.
    pub fn from_cron(text: &str) -> Result<Self, JobCommandError> {
        let shell = text.replace("\\%", "%");
        let words =
            shlex::split(&shell).ok_or_else(|| JobCommandError("the quotes do not match".to_owned()))?;
        match words.as_slice() {
            [program, run, args @ ..] if program == Self::PROGRAM && run == "run" => Self::from_args(args),
            _ => Err(JobCommandError(format!("it does not begin with `{} run`", Self::PROGRAM))),
        }
    }

    /// Reads the arguments behind `reconcile run`.
    pub fn from_args(args: &[String]) -> Result<Self, JobCommandError> {
        JobLine::try_parse_from(args)
            .map(|line| line.command)
            .map_err(|error| JobCommandError(error.kind().to_string()))
    }
}

/// The words a person reads: `backup postgresql daily`.
impl fmt::Display for JobCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.job.name(), self.datastore)?;
        match self.tier {
            Some(tier) => write!(f, " {tier}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Law 7: job commands survive being rendered and parsed.
        #[test]
        fn a_job_command_survives_cron(
            job in prop::sample::select(JobKind::value_variants().to_vec()),
            datastore in "[a-z0-9][a-z0-9_-]{0,20}",
            tier in prop::option::of(prop::sample::select(Tier::ALL.to_vec())),
            job_file in prop::option::of("[^\\p{Cc}]{0,40}"),
        ) {
            let command = JobCommand {
                job,
                datastore: datastore.parse().expect("valid"),
                tier,
                job_file,
            };
            prop_assert!(!command.to_cron().contains('\n'));
            prop_assert_eq!(JobCommand::from_cron(&command.to_cron()), Ok(command));
        }
    }

    #[test]
    fn what_others_wrote_is_not_ours() {
        for text in ["", "/usr/local/sbin/create_postgres_dump.sh daily 2", "/usr/local/bin/reconcile run 'x"]
        {
            assert!(JobCommand::from_cron(text).is_err(), "{text}");
        }
    }
}
