//! `reconcile sandbox run HOST`: plays the cron of a sandbox host for one minute.
//!
//! Reads what `apply` wrote into the host's `/etc/cron.d`, as cron would, and runs what is due as children of this
//! program, with the little environment that cron gives. Lines that are not jobs of this program are told, not run.

use std::collections::BTreeMap;
use std::process::Command;

use chrono::{DateTime, Utc};
use clap::Args;

use super::place::Place;
use super::{Exit, Failure, Format, Global, Output, times};
use crate::clients::host::Folder;
use crate::report::plan::next_run;
use crate::report::text::{BOLD, minute, one_line, rfc3339, styled};
use crate::resources::crontab::{self, Entry, Lines};
use crate::vocab::HostName;

#[derive(Debug, Args)]
pub struct SandboxRun {
    /// A host of the inventory that `apply` has written to
    host: HostName,

    /// The minute to play, such as 2026-11-23T01:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = times::instant)]
    at: Option<DateTime<Utc>>,
}

impl SandboxRun {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("sandbox run", &[Format::Text])?;
        let place = Place::of(global)?;
        let Place::Sandbox(sandbox) = &place else {
            return Err(Failure::usage("sandbox run needs --sandbox DIR"));
        };
        let zone = sandbox.config().time_zone;
        let at = self.at.unwrap_or_else(|| place.clock().now());
        let files = Folder::new(sandbox.host_dir(&self.host), None);
        let crontabs = read(&files)?;
        if crontabs.is_empty() {
            return Err(Failure::failed_with_help(
                format!("host {} of this sandbox has no cron entries", self.host),
                "apply an environment to the sandbox first; `sandbox show` lists its hosts",
            ));
        }
        out.result(&place.banner());
        let mut exit = Exit::Ok;
        let mut due = 0;
        for (file, lines) in &crontabs {
            for other in lines.other.iter().filter(|line| !line.trim_start().starts_with('#')) {
                out.notice(&format!("{file}: not a job of this program, not run: {}\n", one_line(other)));
            }
            for entry in lines.entries.values().filter(|entry| entry.schedule.fires_at(at, zone)) {
                due += 1;
                out.result(&format!(
                    "{}\n",
                    styled(BOLD, format!("{} {}: {}", minute(at), self.host, entry.command))
                ));
                if !self.play(global, entry, &lines.variables, at)? {
                    exit = Exit::Failed;
                }
            }
        }
        if due == 0 {
            out.result(&format!("nothing is due on {} at {} UTC\n", self.host, minute(at)));
            for entry in crontabs.values().flat_map(|lines| lines.entries.values()) {
                out.result(&format!(
                    "  {}: {}\n",
                    entry.command,
                    next_run(entry.schedule.as_str(), zone, at)
                ));
            }
        }
        Ok(exit)
    }

    /// One entry as a child; whether it succeeded.
    fn play(
        &self,
        global: &Global,
        entry: &Entry,
        variables: &BTreeMap<String, String>,
        at: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::failed(format!("this program cannot find itself: {error}")))?;
        let sandbox = global.sandbox.clone().unwrap_or_default();
        let mut child = Command::new(program);
        child
            .env_clear()
            .envs(variables)
            .env("LOGNAME", entry.user.as_str())
            .env("RECONCILE_SANDBOX_HOST", self.host.as_str())
            .env("RECONCILE_SANDBOX_TIME", rfc3339(at))
            .arg("--sandbox")
            .arg(sandbox)
            .arg("run")
            .args(entry.command.to_args());
        let status =
            child.status().map_err(|error| Failure::failed(format!("a job cannot be started: {error}")))?;
        Ok(status.success())
    }
}

/// Every file that cron would read on the host.
fn read(files: &Folder) -> Result<BTreeMap<String, Lines>, Failure> {
    let failed = |error: crate::clients::host::HostError| Failure::failed(error.to_string());
    let mut crontabs = BTreeMap::new();
    for name in files.list(crontab::DIRECTORY).map_err(failed)? {
        // cron(8) skips names with dots, such as those of temporary files.
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            continue;
        }
        let path = format!("{}/{name}", crontab::DIRECTORY);
        if let Some(bytes) = files.read(&path).map_err(failed)? {
            crontabs.insert(path, crontab::parse(&String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(crontabs)
}
