//! `reconcile sandbox`: what the embedded cloud and its hosts hold, and forgetting it.

use std::fmt::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;

use super::place::system_clock;
use super::sandbox_run::SandboxRun;
use super::{Exit, Failure, Format, Global, Output};
use crate::report::text::{BOLD, bytes, counted, minute, one_line, styled};
use crate::sandbox::{BucketOverview, HostOverview, Overview, Sandbox, SandboxError, VersionOverview};

/// Arguments of `reconcile sandbox`.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    #[command(subcommand)]
    command: SandboxCommand,
}

#[derive(Debug, Subcommand)]
enum SandboxCommand {
    /// Play a host's cron for one minute
    Run(SandboxRun),
    /// What is in the cloud's buckets and on the hosts, and who is in its IAM
    Show,
    /// Forget the cloud's state and the hosts' files; sandbox.yml stays
    Reset,
}

impl SandboxArgs {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        let verb = match &self.command {
            SandboxCommand::Run(run) => return run.run(global, out),
            SandboxCommand::Show => show,
            SandboxCommand::Reset => reset,
        };
        let directory = global.sandbox.as_deref().ok_or_else(|| {
            Failure::usage("`reconcile sandbox` works on an embedded cloud: say which with --sandbox DIR")
        })?;
        out.expect_format("sandbox", &[Format::Text, Format::Json])?;
        // Opening makes a sandbox where there is none, which neither verb should.
        if !Sandbox::is_at(directory) {
            let error = SandboxError::NotASandbox(directory.display().to_string());
            return Err(Failure::refused(error.to_string(), "`reconcile --sandbox DIR apply` makes one"));
        }
        let sandbox =
            Sandbox::open(directory, system_clock()).map_err(|error| Failure::failed(error.to_string()))?;
        verb(&sandbox, directory, out)
    }
}

fn show(sandbox: &Sandbox, directory: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let overview = sandbox.overview().map_err(|error| unusable(directory, &error))?;
    match out.format() {
        Format::Json => out.json(&json!({
            "format": "reconcile.sandbox/1",
            "directory": directory.display().to_string(),
            "buckets": overview.buckets,
            "hosts": overview.hosts,
            "users": overview.users,
            "roles": overview.roles,
        })),
        _ => out.result(&text(&overview, directory)),
    }
    Ok(Exit::Ok)
}

fn reset(sandbox: &Sandbox, directory: &Path, out: &mut Output) -> Result<Exit, Failure> {
    let before = sandbox.overview().map_err(|error| unusable(directory, &error))?;
    sandbox.reset().map_err(|error| unusable(directory, &error))?;
    match out.format() {
        Format::Json => out.json(&json!({
            "format": "reconcile.sandbox-reset/1",
            "directory": directory.display().to_string(),
            "buckets": before.buckets.len(),
            "hosts": before.hosts.len(),
            "users": before.users.len(),
            "roles": before.roles.len(),
        })),
        _ => out.result(&format!(
            "{}\n\nForgot {}, {}, {} and {}.\n",
            styled(BOLD, format_args!("sandbox {}", directory.display())),
            counted(before.buckets.len(), "bucket"),
            counted(before.hosts.len(), "host"),
            counted(before.users.len(), "user"),
            counted(before.roles.len(), "role"),
        )),
    }
    Ok(Exit::Ok)
}

fn unusable(directory: &Path, error: &std::io::Error) -> Failure {
    Failure::failed_with_help(
        format!("the sandbox in {} cannot be used: {error}", directory.display()),
        "check who owns its files, and that the disk is not full",
    )
}

/// Versions of a bucket and files of a host that are shown one by one.
const SHOWN: usize = 20;

/// At most 80 columns wherever names allow it: names stand last.
fn text(overview: &Overview, directory: &Path) -> String {
    let mut text = format!("{}\n", styled(BOLD, format_args!("sandbox {}", directory.display())));
    for bucket in &overview.buckets {
        text.push_str(&bucket_text(bucket));
    }
    for host in &overview.hosts {
        text.push_str(&host_text(host));
    }
    for (kind, names) in [("users", &overview.users), ("roles", &overview.roles)] {
        if !names.is_empty() {
            let _ = writeln!(text, "\n{kind}");
            for name in names.iter().take(SHOWN) {
                let _ = writeln!(text, "    {name}");
            }
            text.push_str(&more(names.len()));
        }
    }
    if text.lines().count() == 1 {
        text.push_str("\nNothing is in it yet.\n");
    }
    text
}

fn bucket_text(bucket: &BucketOverview) -> String {
    let mut text =
        format!("\nbucket {}\n    {}, versioning {}", bucket.name, bucket.region, bucket.versioning.name());
    if bucket.object_lock {
        text.push_str(", object lock");
    }
    let _ = write!(text, ", {}", counted(bucket.versions.len(), "version"));
    if bucket.uploads > 0 {
        let _ = write!(text, ", {} under way", counted(bucket.uploads, "upload"));
    }
    text.push('\n');
    for version in bucket.versions.iter().take(SHOWN) {
        text.push_str(&version_text(version));
    }
    text.push_str(&more(bucket.versions.len()));
    text
}

fn version_text(version: &VersionOverview) -> String {
    let size = version.size.map_or_else(|| "deleted".to_owned(), bytes);
    // An older version stands further in, below the one that hides it.
    let indent = if version.current { "" } else { "  " };
    format!("    {}  {size:>9}  {indent}{}\n", minute(version.modified), one_line(&version.key))
}

fn host_text(host: &HostOverview) -> String {
    let mut text = format!("\nhost {}\n    {}\n", host.name, counted(host.files.len(), "file"));
    for file in host.files.iter().take(SHOWN) {
        let _ = writeln!(text, "    {:>27}  {}", bytes(file.size), one_line(&file.path));
    }
    text.push_str(&more(host.files.len()));
    text
}

fn more(all: usize) -> String {
    if all > SHOWN { format!("    ... {} more with --output json\n", all - SHOWN) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::FileOverview;
    use crate::vocab::Versioning;

    #[test]
    fn buckets_and_hosts_fit_80_columns() {
        let at = "2026-11-21T16:00:00Z".parse().expect("an instant");
        let version = |key: &str, size, current| VersionOverview {
            key: key.to_owned(),
            version: "v".to_owned(),
            modified: at,
            size,
            current,
        };
        let overview = Overview {
            buckets: vec![BucketOverview {
                name: "dimagi-production-postgres-backups".to_owned(),
                region: "eu-west-2".to_owned(),
                versioning: Versioning::Enabled,
                object_lock: false,
                uploads: 1,
                versions: vec![
                    version("postgres_daily_db1.tar.gz", Some(536_870_912), true),
                    version("postgres_daily_db1.tar.gz", Some(999), false),
                    version("postgres_hourly_db1.tar.gz", None, true),
                ],
            }],
            hosts: vec![HostOverview {
                name: "db1".to_owned(),
                files: vec![FileOverview {
                    path: "/etc/cron.d/reconcile-production-postgresql".to_owned(),
                    size: 310,
                }],
            }],
            users: vec!["app-writer".to_owned()],
            roles: Vec::new(),
        };
        let shown = text(&overview, Path::new("/tmp/sandbox"));
        let shown = anstream::adapter::strip_str(&shown).to_string();
        assert_eq!(
            shown,
            "sandbox /tmp/sandbox\n\
             \nbucket dimagi-production-postgres-backups\n\
             \x20   eu-west-2, versioning enabled, 3 versions, 1 upload under way\n\
             \x20   2026-11-21 16:00    512 MiB  postgres_daily_db1.tar.gz\n\
             \x20   2026-11-21 16:00      999 B    postgres_daily_db1.tar.gz\n\
             \x20   2026-11-21 16:00    deleted  postgres_hourly_db1.tar.gz\n\
             \nhost db1\n\
             \x20   1 file\n\
             \x20                         310 B  /etc/cron.d/reconcile-production-postgresql\n\
             \nusers\n\
             \x20   app-writer\n"
        );
        assert!(shown.lines().all(|line| line.len() <= 80));
    }
}
