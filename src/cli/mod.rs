//! The command line: a verb is a file. Together with `report`, the only place that prints, and the only place that
//! makes times.
//!
//! Place on the data's path: around it. A verb loads, asks the pure modules and the world in their order, and hands
//! what they say to a view. Must never decide what is to change, and never touch the world but through them.
//!
//! Exit codes are a contract (docs/scripting.md): 0 as it should be, 1 failed or unseen, 2 not as it should be,
//! 3 refused, 64 usage.

mod alerts;
mod apply;
mod audit;
mod check;
mod environment;
mod failure;
mod fleet;
mod global;
mod init;
mod list;
mod lock;
mod locked;
mod manual;
mod on_host;
mod output;
mod permissions;
mod place;
mod plan;
mod programs;
mod progress;
mod prompt;
mod restore;
mod retention;
mod run;
mod sandbox;
mod sandbox_run;
mod schedule;
mod schema;
mod show;
mod status;
mod stop;
mod surroundings;
mod times;
mod validate;
mod vault;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::Failure;
pub use global::{Exit, Format, Global, LogFormat};
pub use output::Output;
pub use surroundings::Surroundings;

/// Backups as reviewed configuration
#[derive(Debug, Parser)]
#[command(name = "reconcile", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,

    #[command(subcommand)]
    pub command: Command,
}

/// One verb of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    // One variant a verb, in the order of the help text; the doc comment is the help line.
    /// Begin an environment: a small commented public.yml and an inventory
    Init(init::Init),
    /// Check the settings: no network, no credentials
    Validate(validate::Validate),
    /// Show the effective settings, or what should be
    Show(show::Show),
    /// Show how reality differs from the settings; changes nothing
    Plan(plan::PlanArgs),
    /// Make reality as the settings say
    Apply(apply::ApplyArgs),
    /// Apply, as commcare-cloud's operators call it: --tags=backups
    DeployStack(apply::DeployStackArgs),
    /// Tell who holds the lock of applies; take it from somebody who is gone
    Lock(lock::LockArgs),
    /// Tell who may do what to backups, and by which statements
    Audit(audit::AuditArgs),
    /// Print the least IAM policy that a command needs
    Permissions(permissions::Permissions),
    /// Show how fresh the backups of all hosts are, here and in the buckets
    Status(status::StatusArgs),
    /// Tell whether backups are as new as their schedules promise
    Check(check::Check),
    /// Try whether alerts arrive: sends a message with a code, and asks a person for it
    Alerts(alerts::AlertsArgs),
    /// Show what is kept and until when, here and in the bucket
    List(list::List),
    /// Take a backup back: here, or into a directory; from S3 with no environment at all
    Restore(restore::Restore),
    /// Prove a backup: restore it to a scratch place, ask what it holds, keep the evidence
    Verify(verify::Verify),
    /// Run a job on this host, as cron does
    Run(run::Run),
    /// Show, encrypt and decrypt files of an Ansible vault
    Vault(vault::VaultArgs),
    /// Play a host's cron in a sandbox; show it, or reset it
    Sandbox(sandbox::SandboxArgs),
    /// Tell when a cron expression fires; without one, when the environment's backups run
    Schedule(schedule::ScheduleArgs),
    /// Tell which backups a retention policy keeps, and why
    Retention(retention::Retention),
    /// Print a JSON Schema, for editors
    Schema(schema::Schema),
    /// Print what a shell needs to complete commands
    Completions(manual::Completions),
    /// Print the manual page, or write those of all commands
    Man(manual::Man),
}

/// Parses the arguments of the process and runs the verb.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Asking for help is no mistake; anything else is a usage error, whatever number clap has for it.
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Ok };
            let _ = error.print();
            return code.into();
        }
    };
    cli.global.start_logging();
    let mut out = Output::new(&cli.global);
    let result = match &cli.command {
        Command::Init(args) => args.run(&cli.global, &mut out),
        Command::Validate(args) => args.run(&cli.global, &mut out),
        Command::Show(args) => args.run(&cli.global, &mut out),
        Command::Plan(args) => args.run(&cli.global, &mut out),
        Command::Apply(args) => args.run(&cli.global, &mut out),
        Command::DeployStack(args) => args.run(&cli.global, &mut out),
        Command::Lock(args) => args.run(&cli.global, &mut out),
        Command::Audit(args) => args.run(&cli.global, &mut out),
        Command::Permissions(args) => args.run(&cli.global, &mut out),
        Command::Status(args) => args.run(&cli.global, &mut out),
        Command::Check(args) => args.run(&cli.global, &mut out),
        Command::Alerts(args) => args.run(&cli.global, &mut out),
        Command::List(args) => args.run(&cli.global, &mut out),
        Command::Restore(args) => args.run(&cli.global, &mut out),
        Command::Verify(args) => args.run(&cli.global, &mut out),
        Command::Run(args) => args.run(&cli.global, &mut out),
        Command::Vault(args) => args.run(&cli.global, &mut out),
        Command::Sandbox(args) => args.run(&cli.global, &mut out),
        Command::Schedule(args) => args.run(&cli.global, &mut out),
        Command::Retention(args) => args.run(&mut out),
        Command::Schema(args) => args.run(&mut out),
        Command::Completions(args) => args.run(&mut out),
        Command::Man(args) => args.run(&mut out),
    };
    match result {
        Ok(exit) => exit,
        Err(failure) => out.failure(&failure),
    }
    .into()
}
