//! Where the program is at work: the world, or a sandbox that plays it. Makes the clock; everything else is handed it.

use chrono::{DateTime, Utc};

use super::{Failure, Global};
use crate::clients::aws::AwsSettings;
use crate::clients::host::HostFiles;
use crate::clients::machine;
use crate::sandbox::{Sandbox, SandboxError};
use crate::settings::Settings;
use crate::state::HostFacts;
use crate::vocab::{Clock, HostName, JobCommand};
use crate::world::{Hosts, Reach};

/// The world, or what plays it.
pub enum Place {
    World,
    Sandbox(Box<Sandbox>),
}

/// The time, as the machine has it.
#[allow(clippy::disallowed_methods, reason = "the one place where times are made")]
pub fn system_clock() -> Clock {
    Clock::new(|| DateTime::<Utc>::from(std::time::SystemTime::now()))
}

impl Place {
    /// The place that the options name.
    pub fn of(global: &Global) -> Result<Place, Failure> {
        let Some(directory) = &global.sandbox else { return Ok(Place::World) };
        let sandbox = match global.sandbox_time {
            Some(at) => Sandbox::open_at(directory, at),
            None => Sandbox::open(directory, system_clock()),
        };
        match sandbox {
            Ok(sandbox) => Ok(Place::Sandbox(Box::new(sandbox))),
            Err(error @ SandboxError::Config(_)) => Err(Failure::failed_with_help(
                error.to_string(),
                "mend it, or remove it: a sandbox without sandbox.yml is a good one",
            )),
            Err(error) => Err(Failure::failed(error.to_string())),
        }
    }

    pub fn is_sandbox(&self) -> bool {
        matches!(self, Place::Sandbox(_))
    }

    pub fn clock(&self) -> Clock {
        match self {
            Place::World => system_clock(),
            Place::Sandbox(sandbox) => sandbox.clock(),
        }
    }

    /// The clients' settings without keys or endpoint.
    pub fn aws(&self) -> AwsSettings {
        match self {
            Place::World => AwsSettings::new(self.clock()),
            Place::Sandbox(sandbox) => sandbox.aws_settings(),
        }
    }

    /// How each host of the inventory is reached from here.
    pub fn hosts(&self, settings: &Settings) -> Hosts {
        settings
            .inventory
            .hosts
            .iter()
            .map(|(name, host)| {
                let reach = match self {
                    Place::Sandbox(sandbox) => folder(sandbox, name),
                    Place::World if host.is_local() || is_this_machine(name) => this_machine(),
                    Place::World => Reach::Not(
                        "this version reaches only the machine it runs on; run it there, with \
                         ansible_connection=local beside the host in the inventory"
                            .to_owned(),
                    ),
                };
                (name.clone(), reach)
            })
            .collect()
    }

    /// The first line of every text of a sandbox.
    pub fn banner(&self) -> String {
        match self {
            Place::World => String::new(),
            Place::Sandbox(sandbox) => {
                let bold = crate::report::text::BOLD;
                format!("{bold}sandbox {}{bold:#}\n", sandbox.root().display())
            }
        }
    }
}

fn is_this_machine(name: &HostName) -> bool {
    ["localhost", "127.0.0.1", "::1"].contains(&name.as_str())
}

fn this_machine() -> Reach {
    let missing = |what: &str| Some(what.to_owned());
    let facts = HostFacts {
        zone: machine::zone(),
        cron_missing: match machine::cron_runs() {
            true => None,
            false => {
                missing("no cron is running here, so nothing would start the backups: install and start one")
            }
        },
        program_missing: match machine::is_program(JobCommand::PROGRAM) {
            true => None,
            false => Some(format!(
                "the entries would call {}, which is not there: copy this program to that path, mode 0755",
                JobCommand::PROGRAM
            )),
        },
    };
    Reach::Files { files: HostFiles::local(), facts }
}

fn folder(sandbox: &Sandbox, name: &HostName) -> Reach {
    // Whoever plays in the sandbox is its cron, and this program is its program.
    let facts = HostFacts { zone: sandbox.config().time_zone, cron_missing: None, program_missing: None };
    Reach::Files { files: HostFiles::folder(sandbox.host_dir(name), Some(sandbox.tripwire())), facts }
}
