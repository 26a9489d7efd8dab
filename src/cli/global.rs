//! Options that every verb understands, and the exit codes that every verb answers with.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::prompt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::vault::{Ask, DEFAULT_LABEL};
use crate::settings::{Keyring, Sources, VaultId, VaultPassword};
use crate::vocab::Secret;

/// What the exit code says. Where several hold, the first of usage, refused, failed, not-as-it-should-be, ok wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// As it should be.
    Ok,
    /// Failed, or something in scope could not be seen.
    Failed,
    /// The answer is "not as it should be".
    NotAsItShouldBe,
    /// Refused: no consent, declined, no terminal, lock held, fingerprint moved, wrong account.
    Refused,
    /// The command line makes no sense.
    Usage,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::NotAsItShouldBe => 2,
            Exit::Refused => 3,
            Exit::Usage => 64,
        }
    }

    /// The one that outweighs the other.
    pub fn or(self, other: Exit) -> Exit {
        let weight = |exit| match exit {
            Exit::Ok => 0,
            Exit::NotAsItShouldBe => 1,
            Exit::Failed => 2,
            Exit::Refused => 3,
            Exit::Usage => 4,
        };
        if weight(self) >= weight(other) { self } else { other }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Markdown,
    Github,
    Sarif,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
            Format::Markdown => "markdown",
            Format::Github => "github",
            Format::Sarif => "sarif",
        }
    }
}

/// How log lines are written on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Options that stand before or after any verb.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// A directory with public.yml [default: the current one]
    #[arg(short, long, global = true, value_name = "DIR", env = "RECONCILE_ENV", hide_env_values = true)]
    pub environment: Option<PathBuf>,

    /// Play in the cloud and on the hosts kept in DIR; nothing leaves this machine
    #[arg(long, global = true, value_name = "DIR")]
    pub sandbox: Option<PathBuf>,

    /// How results are written
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: Format,

    /// When to colour
    #[arg(
        long,
        global = true,
        default_value = "auto",
        value_name = "auto|always|never",
        hide_possible_values = true
    )]
    pub color: clap::ColorChoice,

    /// Say more; twice for the requests
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// How log lines are written
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "text|json",
        hide_possible_values = true
    )]
    pub log_format: LogFormat,

    /// How many requests may be under way at once
    #[arg(long, global = true, default_value_t = 32, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub parallel: u16,

    /// Set for the children of `sandbox run`: the host that they play
    #[arg(long, global = true, hide = true, env = "RECONCILE_SANDBOX_HOST")]
    pub sandbox_host: Option<crate::vocab::HostName>,

    /// Set for the children of `sandbox run`: the time that it is
    #[arg(long, global = true, hide = true, env = "RECONCILE_SANDBOX_TIME")]
    pub sandbox_time: Option<chrono::DateTime<chrono::Utc>>,

    /// The vault's password: a file, or a program that prints it
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "ANSIBLE_VAULT_PASSWORD_FILE",
        hide_env_values = true
    )]
    pub vault_password_file: Option<PathBuf>,

    /// One of several passwords of vaults, by its label; `prompt` for FILE asks
    #[arg(long, global = true, value_name = "LABEL@FILE")]
    pub vault_id: Vec<VaultId>,
}

impl Global {
    /// The environment's directory.
    pub fn directory(&self) -> PathBuf {
        self.environment.clone().unwrap_or_else(|| PathBuf::from("."))
    }

    /// The environment's files, and how its vault opens; without a password and without a terminal it stays locked.
    pub fn sources(&self) -> Sources {
        Sources::directory(self.directory()).with_keyring(self.keyring(prompt::password).or_ask())
    }

    /// The passwords that were named: `--vault-id` and then `--vault-password-file`, as Ansible has it; without either
    /// `RECONCILE_VAULT_PASSWORD`.
    pub(super) fn keyring(&self, ask: Ask) -> Keyring {
        let mut keyring = Keyring::new(self.vault_id.iter().cloned());
        if let Some(file) = &self.vault_password_file {
            keyring.add(DEFAULT_LABEL, VaultPassword::of_file(file));
        }
        let given = || std::env::var("RECONCILE_VAULT_PASSWORD").ok().filter(|password| !password.is_empty());
        if keyring.is_empty()
            && let Some(password) = given()
        {
            keyring.add(DEFAULT_LABEL, VaultPassword::Given(Secret::new(password)));
        }
        keyring.asking(prompt::can_ask().then_some(ask))
    }

    /// Log lines go to standard error; `RECONCILE_LOG` overrides what `-v` chooses.
    pub(super) fn start_logging(&self) {
        let level = match self.verbose {
            0 => "reconcile=warn",
            1 => "reconcile=info",
            _ => "reconcile=debug",
        };
        let filter = tracing_subscriber::EnvFilter::try_from_env("RECONCILE_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
        // The SDK writes down, from debug on, which credentials it found and how it signs with them: nobody but this
        // program may say more than the steps that it takes.
        let ours = filter_fn(|about| {
            about.target().starts_with(env!("CARGO_CRATE_NAME")) || *about.level() <= tracing::Level::INFO
        });
        let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
        let subscriber = tracing_subscriber::registry();
        // A second start (tests in one process) keeps the first.
        let _ = match self.log_format {
            LogFormat::Text => {
                let log = log.without_time().with_ansi(false);
                subscriber.with(log.with_filter(filter).with_filter(ours)).try_init()
            }
            LogFormat::Json => subscriber.with(log.json().with_filter(filter).with_filter(ours)).try_init(),
        };
    }
}
