//! `reconcile show`: effective settings, and where each came from.

use clap::{Args, Subcommand};

use super::{Exit, Failure, Format, Global, Output};
use crate::{report, settings};

/// What `show` is asked.
#[derive(Debug, Args)]
pub struct Show {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every setting with its value and the place it came from
    Settings,
}

impl Show {
    /// Shows one view of the environment.
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        match self.what {
            What::Settings => show_settings(global, out),
        }
    }
}

fn show_settings(global: &Global, out: &mut Output) -> Result<Exit, Failure> {
    out.expect_format("show settings", &[Format::Text, Format::Json])?;
    let sources = global.sources();
    let settings = settings::load(&sources).map_err(Failure::Problems)?;
    out.warnings(&settings.problems, &sources.name());
    match out.format() {
        Format::Json => out.json(&report::settings::json(&settings)),
        _ => out.result(&report::settings::text(&settings)),
    }
    Ok(Exit::Ok)
}
