//! `reconcile schedule`: when a cron expression fires next; without one, the environment's timeline.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::Args;

use super::environment::load;
use super::place::Place;
use super::{Exit, Failure, Format, Global, Output, times};
use crate::report;
use crate::settings::timeline::Timeline;
use crate::vocab::Schedule;

/// What `schedule` is asked.
#[derive(Debug, Args)]
pub struct ScheduleArgs {
    /// Five fields of cron, or @daily and the like; without it, what the environment runs when
    #[arg(value_name = "EXPR")]
    expression: Option<String>,

    /// The time zone that the host's cron lives in
    #[arg(long, value_name = "TZ", default_value = "UTC", value_parser = zone)]
    timezone: Tz,

    /// The first run is after this instant [default: now]
    #[arg(long, value_name = "TIME", value_parser = times::instant)]
    from: Option<DateTime<Utc>>,

    /// How many runs to show [default: 3, of an environment 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    count: Option<u16>,
}

fn zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| "there is no such time zone; their names are like Europe/London".to_owned())
}

impl ScheduleArgs {
    /// Shows the next runs.
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("schedule", &[Format::Text, Format::Json])?;
        let place = Place::of(global)?;
        let from = self.from.unwrap_or_else(|| place.clock().now());
        match &self.expression {
            Some(expression) => self.expression(expression, from, out),
            None => self.timeline(global, from, out),
        }
    }

    fn expression(&self, text: &str, from: DateTime<Utc>, out: &mut Output) -> Result<Exit, Failure> {
        let schedule: Schedule = text.parse().map_err(|error| Failure::usage(format!("{error}")))?;
        let runs = schedule.next(from, self.timezone, usize::from(self.count.unwrap_or(3)));
        if runs.is_empty() {
            out.notice(&format!("`{schedule}` never fires\n"));
        }
        match out.format() {
            Format::Json => out.json(&report::times::runs_json(&runs)),
            _ => out.result(&report::times::runs(&runs)),
        }
        Ok(Exit::Ok)
    }

    fn timeline(&self, global: &Global, from: DateTime<Utc>, out: &mut Output) -> Result<Exit, Failure> {
        let settings = load(global)?;
        out.warnings(&settings.problems, &global.sources().name());
        let count = usize::from(self.count.unwrap_or(20));
        let timeline = Timeline::of(&settings.datastores(), from, self.timezone, count);
        match out.format() {
            Format::Json => out.json(&report::times::timeline_json(&timeline)),
            _ => out.result(&report::times::timeline(&timeline, self.timezone)),
        }
        Ok(Exit::Ok)
    }
}
