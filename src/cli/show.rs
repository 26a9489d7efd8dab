//! `reconcile show`: effective settings and where each came from; the resources that follow.

use clap::{Args, Subcommand};

use super::{Exit, Failure, Format, Global, Output};
use crate::{derive, report, settings};

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
    /// What should be, without a look at what is
    Desired,
}

impl Show {
    /// Shows one view of the environment.
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        match self.what {
            What::Settings => show_settings(global, out),
            What::Desired => show_desired(global, out),
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

fn show_desired(global: &Global, out: &mut Output) -> Result<Exit, Failure> {
    out.expect_format("show desired", &[Format::Text, Format::Json])?;
    let sources = global.sources();
    let settings = settings::load(&sources).map_err(Failure::Problems)?;
    out.warnings(&settings.problems, &sources.name());
    let desired = derive::desired(&settings);
    match out.format() {
        Format::Json => out.json(&report::desired::desired_json(&desired)),
        _ => out.result(&report::desired::desired_text(&desired)),
    }
    Ok(Exit::Ok)
}
