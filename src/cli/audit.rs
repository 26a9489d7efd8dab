//! `reconcile audit`: who may do what to backups.

mod explain;

use clap::{Args, Subcommand};

use super::{Exit, Failure, Output};

/// What `audit` is asked.
#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tell whether a principal may do something, and by which statements
    Explain(explain::Explain),
}

impl AuditArgs {
    /// Runs what was asked for.
    pub fn run(&self, out: &mut Output) -> Result<Exit, Failure> {
        match &self.what {
            What::Explain(explain) => explain.run(out),
        }
    }
}
