//! `reconcile run JOB DATASTORE`: what cron calls.

use chrono::NaiveDate;
use clap::Args;

use super::place::Place;
use super::stop::Stop;
use super::surroundings::Surroundings;
use super::{Exit, Failure, Format, Global, Output, times};
use crate::jobs::{self, Context, snapshot};
use crate::report;
use crate::vocab::{JobCommand, JobKind, Label, Occasion, Tier};

/// Runs a job on this host, as cron does.
#[derive(Clone, Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub command: JobCommand,

    /// A backup of your own beside those of the schedules, such as before-upgrade
    #[arg(long, value_name = "TEXT", conflicts_with = "tier")]
    pub label: Option<Label>,

    /// The last day on which it is kept on this host [default: until a person removes it]
    #[arg(long, value_name = "DATE", requires = "label", value_parser = times::day)]
    pub keep_until: Option<NaiveDate>,

    /// Only try whether the job would find what it needs: directory, room, database, bucket
    #[arg(long)]
    pub preflight: bool,
}

impl Run {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("run", &[Format::Text, Format::Json])?;
        if self.label.is_some() && self.command.job != JobKind::Backup {
            return Err(Failure::usage(
                "only a backup has a label; `verify DATASTORE NAME` proves one by its name",
            ));
        }
        let host = Surroundings::of(&Place::of(global)?, global.sandbox_host.as_ref())?;
        match self.command.job {
            _ if self.preflight => block_on(self.try_out(&host, out))?,
            JobKind::Backup => block_on(self.backup(&host, global, out))?,
            JobKind::Check => block_on(self.check(&host, out))?,
            JobKind::Verify => block_on(self.verify(&host, out))?,
        }
    }

    /// Exit code 1 where something lacks.
    async fn try_out(&self, host: &Surroundings, out: &mut Output) -> Result<Exit, Failure> {
        let context =
            Box::pin(host.context(self.command.job_file.as_deref(), &self.command.datastore)).await?;
        let tier = self.command.tier.unwrap_or(Tier::Daily);
        let checks = Box::pin(jobs::preflight(&context, tier, host.has_server)).await;
        match out.format() {
            Format::Json => out.json(&report::jobs::preflight_json(&checks)),
            _ => out.result(&report::jobs::preflight(&checks)),
        }
        Ok(if checks.iter().all(|check| check.wrong.is_none()) { Exit::Ok } else { Exit::Failed })
    }

    /// What cron calls: looks, tells whoever is to be told, and leaves the file that old eyes look for.
    async fn check(&self, host: &Surroundings, out: &mut Output) -> Result<Exit, Failure> {
        let named = self.command.job_file.as_deref();
        let context = Box::pin(host.context(named, &self.command.datastore)).await?;
        let earlier = Box::pin(host.earlier(named, &self.command.datastore)).await?;
        let report = Box::pin(jobs::check::look(&context, &earlier)).await;
        let mut troubles = Box::pin(jobs::tell::checked(&context, &report)).await;
        if let Err(error) = jobs::check::status_file::write(&context, &report) {
            let file = jobs::check::status_file::FILE;
            troubles.push(format!("{file} cannot be written to {}: {error}", report.directory));
        }
        let (told, good) = (troubles.is_empty(), report.is_good());
        let seen = report.saw_everything();
        match out.format() {
            Format::Json => out.json(&report::status::check_json(&report)),
            _ if good && seen && host.is_under_cron() => {}
            _ => out.result(&report::status::check(&report, out.width())),
        }
        for trouble in troubles {
            out.notice(&format!("{}\n", report::text::wrapped("! ", 2, &report::text::one_line(&trouble))));
        }
        Ok(match (told && seen, good) {
            (false, _) => Exit::Failed,
            (true, false) => Exit::NotAsItShouldBe,
            (true, true) => Exit::Ok,
        })
    }

    async fn verify(&self, host: &Surroundings, out: &mut Output) -> Result<Exit, Failure> {
        let named = self.command.job_file.as_deref();
        let context = Box::pin(host.context(named, &self.command.datastore)).await?;
        let earlier = Box::pin(host.earlier(named, &self.command.datastore)).await?;
        let quiet = out.format() != Format::Json && host.is_under_cron();
        Box::pin(super::verify::by_cron(&context, &earlier, quiet, out)).await
    }

    async fn backup(&self, host: &Surroundings, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        let context =
            Box::pin(host.context(self.command.job_file.as_deref(), &self.command.datastore)).await?;
        let occasion = self.occasion(&context)?;
        Stop::of_job(context.stop.clone());
        if snapshot::is_of(&context) {
            return self.snapshot(host, &context, &occasion, global, out).await;
        }
        let result = Box::pin(jobs::backup(&context, occasion)).await;
        match (result, global.output) {
            (Ok(report), Format::Json) => out.json(&report::jobs::backup_json(&report)),
            // A labelled one is a person's, who waits for an answer.
            (Ok(report), _) if self.label.is_none() && report.warnings.is_empty() && host.is_under_cron() => {
            }
            (Ok(report), _) => out.result(&report::jobs::backup(&report)),
            (Err(error), format) => {
                if format == Format::Json {
                    out.json(&report::jobs::failure_json(&error));
                }
                return Err(error.into());
            }
        }
        Ok(Exit::Ok)
    }
}

impl Run {
    fn occasion(&self, context: &Context) -> Result<Occasion, Failure> {
        let Some(label) = self.label.clone() else {
            return Ok(self.command.tier.unwrap_or(Tier::Daily).into());
        };
        let today = context.clock.now().with_timezone(&context.zone).date_naive();
        match self.keep_until.filter(|day| *day < today) {
            Some(day) => Err(Failure::usage(format!(
                "--keep-until {day}: that day is past, and the next run would remove the backup"
            ))),
            None => Ok(Occasion::Label { label, keep_until: self.keep_until }),
        }
    }

    /// A store makes its snapshot itself.
    async fn snapshot(
        &self,
        host: &Surroundings,
        context: &Context,
        occasion: &Occasion,
        global: &Global,
        out: &mut Output,
    ) -> Result<Exit, Failure> {
        let Occasion::Tier(tier) = occasion else {
            return Err(Failure::usage(format!(
                "{} makes snapshots, which have no labels here; `run backup {}` makes one of the schedule's",
                self.command.datastore, self.command.datastore
            )));
        };
        let result = Box::pin(snapshot::snapshot(context, *tier)).await;
        match (result, global.output) {
            (Ok(report), Format::Json) => out.json(&report::snapshot::snapshot_json(&report)),
            (Ok(report), _) if report.warnings.is_empty() && host.is_under_cron() => {}
            (Ok(report), _) => out.result(&report::snapshot::snapshot(&report)),
            (Err(error), format) => {
                if format == Format::Json {
                    out.json(&report::jobs::failure_json(&error));
                }
                return Err(error.into());
            }
        }
        Ok(Exit::Ok)
    }
}

/// Runs a verb's asynchronous half.
pub(super) fn block_on<F: Future>(work: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the program cannot start its threads: {error}")))?;
    Ok(runtime.block_on(work))
}
