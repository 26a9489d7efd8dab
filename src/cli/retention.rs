//! `reconcile retention POLICY`: what a policy keeps, and why.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset};
use clap::Args;

use super::{Exit, Failure, Format, Output};
use crate::report;
use crate::retention::calendar::Calendar;

/// A list of times is a few bytes a backup; more is a mistake.
const MAX_BYTES: u64 = 16 << 20;

/// What `retention` is asked.
#[derive(Debug, Args)]
pub struct Retention {
    /// How many of each to keep: last, hourly, daily, weekly, monthly, yearly; such as last=2,daily=7,weekly=4
    #[arg(value_name = "POLICY")]
    policy: Calendar,

    /// The times of backups, one RFC 3339 instant a line [default: standard input]
    #[arg(long, value_name = "FILE")]
    timestamps: Option<PathBuf>,
}

impl Retention {
    /// Tells which of the times the policy keeps.
    pub fn run(&self, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("retention", &[Format::Text, Format::Json])?;
        let (name, text) = self.text()?;
        let taken = times(&name, &text)?;
        let instants: Vec<DateTime<FixedOffset>> = taken.iter().map(|(_, at)| *at).collect();
        let decided = self.policy.decide(&instants);
        let backups: Vec<report::times::Decided<'_>> = taken
            .iter()
            .zip(&decided)
            .map(|((written, at), because)| report::times::Decided { written, at: *at, because })
            .collect();
        match out.format() {
            Format::Json => out.json(&report::times::retention_json(&backups)),
            _ => out.result(&report::times::retention(&backups)),
        }
        Ok(Exit::Ok)
    }

    fn text(&self) -> Result<(String, String), Failure> {
        let from_file = |path: &Path| std::fs::File::open(path).map(|file| file.take(MAX_BYTES + 1));
        let mut text = String::new();
        let (name, read) = match self.timestamps.as_deref().filter(|path| *path != Path::new("-")) {
            Some(path) => {
                let read = from_file(path).and_then(|mut file| file.read_to_string(&mut text));
                (path.display().to_string(), read)
            }
            None => {
                let stdin = std::io::stdin();
                if stdin.is_terminal() {
                    return Err(Failure::usage(
                        "which backups? Give their times, one a line, with --timestamps FILE or on standard input",
                    ));
                }
                ("standard input".to_owned(), stdin.take(MAX_BYTES + 1).read_to_string(&mut text))
            }
        };
        read.map_err(|error| Failure::failed(format!("{name} cannot be read: {error}")))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(Failure::failed(format!("{name} is larger than {} MiB", MAX_BYTES >> 20)));
        }
        Ok((name, text))
    }
}

/// Each line's time, as it is written and as an instant. Empty lines and comments are left out.
fn times<'a>(name: &str, text: &'a str) -> Result<Vec<(&'a str, DateTime<FixedOffset>)>, Failure> {
    let lines = text.lines().map(str::trim).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let at = DateTime::parse_from_rfc3339(line).map_err(|error| {
                Failure::failed_with_help(
                    format!("{name}:{}:1: `{line}` is no time: {error}", number + 1),
                    "one RFC 3339 instant a line, such as 2026-11-21T01:00:00Z",
                )
            })?;
            Ok((line, at))
        })
        .collect()
}
