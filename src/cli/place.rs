//! Where the program is at work: the world, or a sandbox that plays it. Makes the clock; everything else is handed it.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::{Failure, Global};
use crate::clients::aws::AwsSettings;
use crate::clients::host::{Folder, Host, Player, Shell, Ssh, Way};
use crate::report::text::rfc3339;
use crate::sandbox::{Sandbox, SandboxError};
use crate::settings::{InventoryHost, Settings};
use crate::state::HostFacts;
use crate::vocab::{Clock, HostName};
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
    pub fn hosts(&self, settings: &Settings, directory: &Path) -> Hosts {
        let known_hosts = Some(directory.join(KNOWN_HOSTS)).filter(|file| file.is_file());
        settings
            .inventory
            .hosts
            .iter()
            .map(|(name, host)| {
                let reach = match self {
                    Place::Sandbox(sandbox) => folder(sandbox, name),
                    Place::World => match &host.cannot_connect {
                        Some(why) => Reach::Not(why.clone()),
                        None => Reach::Machine(Host::Shell(Box::new(Shell::new(
                            way(name, host, known_hosts.as_ref()),
                            settings.vault.sudo_password().cloned(),
                        )))),
                    },
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

/// Host keys of an environment's machines, in its directory.
const KNOWN_HOSTS: &str = "known_hosts";

fn way(name: &HostName, host: &InventoryHost, known_hosts: Option<&PathBuf>) -> Way {
    let is_this_machine =
        ["localhost", "127.0.0.1", "::1"].contains(&name.as_str()) && host.address.is_none();
    if host.is_local() || is_this_machine {
        return Way::Local;
    }
    Way::Ssh(Ssh {
        address: host.address.as_ref().unwrap_or(name).to_string(),
        port: host.port,
        user: host.user.as_ref().map(ToString::to_string),
        private_key: host.private_key.clone(),
        known_hosts: known_hosts.map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone())),
        config: None,
    })
}

fn folder(sandbox: &Sandbox, name: &HostName) -> Reach {
    // Whoever plays in the sandbox is its cron.
    let mut folder = Folder::new(sandbox.host_dir(name), Some(sandbox.tripwire())).dated_by(sandbox.clock());
    folder = folder.served_by(sandbox.elasticsearch(name).network());
    if let Ok(program) = std::env::current_exe() {
        folder = folder.played_by(Player {
            program,
            arguments: vec!["--sandbox".into(), sandbox.root().into()],
            environment: vec![
                ("RECONCILE_SANDBOX_HOST".to_owned(), name.to_string()),
                ("RECONCILE_SANDBOX_TIME".to_owned(), rfc3339(sandbox.clock().now())),
            ],
        });
    }
    let host = Host::Folder(folder);
    Reach::Played(host, Box::new(HostFacts::played(sandbox.config().time_zone)))
}
