//! `reconcile audit`: what is wrong with the protection of backups, who can destroy them, and by which path.

mod explain;
mod look;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::environment::{desired, load};
use super::place::Place;
use super::{Exit, Failure, Format, Global, Output};
use crate::audit::{self, Audit, Severity};
use crate::report;

/// What `audit` is asked.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditArgs {
    /// Judge an export of the account in DIR, and make no call
    #[arg(long, value_name = "DIR")]
    account_export: Option<PathBuf>,

    /// Exit with 2 where a finding is at least so grave: critical, high, medium or low
    #[arg(long, value_name = "SEVERITY", default_value = "high")]
    fail_on: Severity,

    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Tell whether a principal may do something, and by which statements
    Explain(explain::Explain),
}

impl AuditArgs {
    /// Runs what was asked for.
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        match &self.what {
            Some(What::Explain(explain)) => explain.run(global, out),
            None => self.audit(global, out),
        }
    }

    fn audit(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("audit", &[Format::Text, Format::Json, Format::Markdown])?;
        let settings = load(global)?;
        out.warnings(&settings.problems, &global.sources().name());
        let place = Place::of(global)?;
        let mut terms = look::terms(&settings, &desired(&settings));
        let evidence = look::evidence(global, &place, &settings, &mut terms, self.account_export.as_deref())?;
        let audit = audit::judge(&evidence, &terms);
        let account = evidence.account.as_ref().map(|account| account.as_str());
        let export = self.account_export.as_ref().map(|directory| directory.display().to_string());
        let view = report::audit::View {
            environment: terms.environment.as_str(),
            account,
            export: export.as_deref(),
            verbose: global.verbose > 0,
        };
        match out.format() {
            Format::Json => out.json(&report::documents::audit::audit(&audit, view.environment, account)),
            Format::Markdown => out.result(&report::audit::markdown(&audit, view)),
            _ => {
                let banner = if self.account_export.is_none() { place.banner() } else { String::new() };
                out.result(&format!("{banner}{}", report::audit::text(&audit, view)));
            }
        }
        Ok(exit(&audit, self.fail_on))
    }
}

/// Something unseen outweighs something wrong.
fn exit(audit: &Audit, fail_on: Severity) -> Exit {
    let seen = if audit.is_complete() { Exit::Ok } else { Exit::Failed };
    let found = if audit.has(fail_on) { Exit::NotAsItShouldBe } else { Exit::Ok };
    seen.or(found)
}
