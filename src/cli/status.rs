//! `reconcile status`: how fresh the backups of a whole environment are, seen from here. Changes nothing.

use std::path::PathBuf;

use clap::Args;

use super::check::exit;
use super::environment::load;
use super::fleet::{self, Wanted};
use super::place::Place;
use super::{Exit, Failure, Format, Global, Output};
use crate::jobs::tell::textfile;
use crate::report;
use crate::report::status::{Status, Watcher};
use crate::vocab::Datastore;

/// Shows how fresh the backups of every host are, here and in the buckets.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Only this, such as postgresql
    pub datastore: Option<Datastore>,

    /// Also write metrics to FILE, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    pub prometheus: Option<PathBuf>,
}

impl StatusArgs {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("status", &[Format::Text, Format::Json])?;
        let place = Place::of(global)?;
        let settings = load(global)?;
        out.warnings(&settings.problems, &global.sources().name());
        let hosts = fleet::look(&place, &settings, global, &Wanted { datastore: self.datastore.clone() })?;
        let status = Status {
            environment: settings.environment.clone(),
            at: place.clock().now(),
            // Whoever collects the metrics of this machine watches the hosts too.
            watcher: if self.prometheus.is_some() { Watcher::Metrics } else { Watcher::Person },
            hosts,
            all: fleet::all(&settings),
        };
        if let Some(path) = &self.prometheus {
            textfile::write(path, &report::status::metrics(&status)).map_err(|error| {
                Failure::failed(format!("the metrics cannot be written to {}: {error}", path.display()))
            })?;
        }
        match out.format() {
            Format::Json => out.json(&report::status::status_json(&status)),
            _ => {
                out.result(&place.banner());
                out.result(&report::status::status(&status, out.width()));
            }
        }
        Ok(exit(&status.hosts))
    }
}
