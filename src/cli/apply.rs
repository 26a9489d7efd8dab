//! `reconcile apply` and `reconcile deploy-stack`: plans again, shows, asks, and makes it so.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use super::environment::{connect, desired, load, plan, selection, wait};
use super::place::Place;
use super::plan::{Part, apply_command, exit, show};
use super::programs::Programs;
use super::progress::Progress;
use super::stop::Stop;
use super::{Exit, Failure, Format, Global, Output, locked};
use crate::plan::{Allow, Consent, Plan, Report};
use crate::report::plan::{View, apply_line, outcome_line, plan_text, refusal, report_json, report_summary};
use crate::world::{Step, apply, apply_until};

#[derive(Debug, Args)]
pub struct ApplyArgs {
    #[command(flatten)]
    part: Part,

    /// A plan that was reviewed: applied only while reality still gives that very plan
    #[arg(value_name = "FILE", conflicts_with_all = ["tags", "limit"])]
    reviewed: Option<PathBuf>,

    #[command(flatten)]
    consent: ConsentArgs,
}

/// `deploy-stack --tags=backups`: as operators of commcare-cloud type it.
#[derive(Debug, Args)]
pub struct DeployStackArgs {
    #[command(flatten)]
    part: Part,

    #[command(flatten)]
    consent: ConsentArgs,
}

#[derive(Debug, Args)]
struct ConsentArgs {
    /// Do not ask; needed where there is no terminal, and no consent to any risk
    #[arg(long)]
    auto_approve: bool,

    /// Consent to a risk, as the plan asks for it: RISK:ID, or RISK alone for widening and a first versioning
    #[arg(long, value_name = "RISK[:ID]")]
    allow: Vec<Allow>,
}

/// What a plan's file says of itself.
#[derive(Deserialize)]
struct Reviewed {
    format: String,
    environment: String,
    fingerprint: String,
    tags: Vec<String>,
    limit: Vec<String>,
}

impl ApplyArgs {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        let reviewed = self.reviewed.as_deref().map(read_reviewed).transpose()?;
        let part = match &reviewed {
            Some(reviewed) => {
                Part { tags: reviewed.tags.clone(), limit: reviewed.limit.clone(), ..self.part.clone() }
            }
            None => self.part.clone(),
        };
        let command = apply_command(global, &part, self.reviewed.as_deref());
        run(&part, &self.consent, reviewed.as_ref(), &command, global, out)
    }
}

impl DeployStackArgs {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        let command = apply_command(global, &self.part, None);
        run(&self.part, &self.consent, None, &command, global, out)
    }
}

fn run(
    part: &Part,
    consent: &ConsentArgs,
    reviewed: Option<&Reviewed>,
    command: &str,
    global: &Global,
    out: &mut Output,
) -> Result<Exit, Failure> {
    out.expect_format("apply", &[Format::Text, Format::Json])?;
    let place = Place::of(global)?;
    let settings = load(global)?;
    out.warnings(&settings.problems, &global.sources().name());
    if let Some(reviewed) = reviewed.filter(|reviewed| reviewed.environment != settings.environment.as_str())
    {
        let message = format!(
            "the reviewed plan is of environment {}, and these settings are of {}: nothing was touched",
            reviewed.environment, settings.environment
        );
        return Err(Failure::refused(message, "name the plan's environment with -e, or plan again"));
    }
    let desired = desired(&settings);
    let programs = Programs::at_hand(&place, &part.program, &desired)?;
    let desired = programs.offered(desired);
    let selection = selection(&settings, &desired, &part.tags, &part.limit)?;
    wait(async {
        let world = connect(global, &place, &settings).await.with_programs(programs.files);
        let progress = Progress::new();
        let world = world.watched_by(progress.watcher());
        let plan = plan(&world, &desired, &selection, global.parallel).await;
        let reached = plan.reached();
        if out.format() == Format::Text {
            show(&plan, &place, global, None, out);
        }
        if let Some(reviewed) = reviewed.filter(|reviewed| reviewed.fingerprint != plan.fingerprint) {
            let message = format!(
                "reality or settings moved since the plan was reviewed ({} then, {} now): nothing was touched",
                reviewed.fingerprint, plan.fingerprint
            );
            let failure = Failure::refused(message, "plan again, and have that reviewed");
            return Err(refused(Some(plan), failure, out));
        }
        let saw_everything = exit(&plan, false);
        let line = apply_line(&plan, command);
        let consent_given = Consent { allowed: consent.allow.clone(), sandbox: place.is_sandbox() };
        let kept = (out.format() == Format::Json).then(|| plan.clone());
        let granted = match plan.grant(&consent_given) {
            Ok(granted) => granted,
            Err(why) => {
                let (message, help) = refusal(&why, &line);
                return Err(refused(kept, Failure::refused(message, help), out));
            }
        };
        if granted.plan().changes.is_empty() {
            let report = apply(&world, granted, 1, &|_, _| {}).await;
            tell(&report, out);
            return Ok(saw_everything);
        }
        if !consent.auto_approve
            && let Err(failure) = confirm(granted.plan(), &place, global, out)
        {
            return Err(refused(kept, failure, out));
        }
        let stop = Stop::listen();
        let taken = match locked::take(&world, &desired, &reached, &place, global, out).await {
            Ok(taken) => taken,
            Err(failure) => return Err(refused(kept, failure, out)),
        };
        let shown = granted.into_plan().fingerprint;
        let applied = async {
            // Whoever held the lock until now may have changed what the plan was made of.
            let plan = super::environment::plan(&world, &desired, &selection, global.parallel).await;
            if stop.is_told() {
                return Err(Failure::refused("stopped: nothing was touched", "apply again"));
            }
            if plan.fingerprint != shown {
                let gone = reached.difference(&plan.reached()).map(ToString::to_string).collect::<Vec<_>>();
                let message = match gone.is_empty() {
                    true => {
                        "reality moved while this apply waited for its turn: nothing was touched".to_owned()
                    }
                    false => format!("{} can no longer be reached: nothing was touched", gone.join(", ")),
                };
                return Err(Failure::refused(message, "plan again, and apply that"));
            }
            let granted = plan.grant(&consent_given).map_err(|why| {
                let (message, help) = refusal(&why, &line);
                Failure::refused(message, help)
            })?;
            if out.format() == Format::Text {
                out.result("\n");
            }
            let output = std::cell::RefCell::new(&mut *out);
            let told = |change: &crate::plan::Change, step: Step<'_>| match step {
                Step::Begun => progress.begin(change),
                Step::Ended(outcome) => {
                    progress.end(change);
                    let mut out = output.borrow_mut();
                    if out.format() == Format::Text {
                        progress.aside(|| out.result(&outcome_line(change, outcome)));
                    }
                }
            };
            let parallel = usize::from(global.parallel);
            Ok(apply_until(&world, granted, parallel, &told, &|| stop.is_told()).await)
        };
        let applied = Box::pin(applied).await;
        locked::give_back(&world, taken, global, out).await;
        match applied {
            Ok(report) => {
                tell(&report, out);
                let failed = if report.all_done() { Exit::Ok } else { Exit::Failed };
                Ok(failed.or(saw_everything))
            }
            Err(failure) => Err(refused(kept, failure, out)),
        }
    })?
}

/// A refusal, told in JSON as a report in which nothing was done: scripts get a whole answer whatever the exit code.
fn refused(plan: Option<Plan>, failure: Failure, out: &mut Output) -> Failure {
    if let (Some(plan), Failure::Refused { message, .. }, Format::Json) = (plan, &failure, out.format()) {
        out.json(&report_json(&Report::refused(plan, message)));
    }
    failure
}

fn tell(report: &Report, out: &mut Output) {
    match out.format() {
        Format::Json => out.json(&report_json(report)),
        _ if !report.plan.is_empty() => out.result(&report_summary(report)),
        _ => {}
    }
}

/// Asks whether to apply a plan.
fn confirm(plan: &Plan, place: &Place, global: &Global, out: &mut Output) -> Result<(), Failure> {
    // Nobody says yes to what they have not seen; standard output is the report's.
    if out.format() == Format::Json && std::io::stdin().is_terminal() {
        let view = View { now: place.clock().now(), verbose: global.verbose > 0, command: None };
        out.notice(&format!("{}{}", place.banner(), plan_text(plan, view)));
    }
    let count = crate::report::text::counted(plan.changes.len(), "change");
    agree(&format!("Apply {count} to environment {}?", plan.environment), out)
}

/// Asks on the terminal whether to go on. Anything but `yes` declines.
pub fn agree(question: &str, out: &mut Output) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::refused(
            "there is no terminal to ask on: nothing was touched",
            "add --auto-approve where nobody can answer",
        ));
    }
    out.notice(&format!("{question} Only `yes` does: "));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    let _ = std::io::stderr().flush();
    match read {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => Err(Failure::refused(
            "declined: nothing was touched",
            "only `yes` does it; anything else leaves everything as it is",
        )),
    }
}

fn read_reviewed(file: &Path) -> Result<Reviewed, Failure> {
    let unusable = |why: String| {
        let message = format!("{} cannot be used as a reviewed plan: {why}", file.display());
        Failure::failed_with_help(message, "write one with `reconcile plan --out FILE`")
    };
    let bytes = crate::clients::host::read_small(file).map_err(&unusable)?;
    let reviewed: Reviewed = serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string()))?;
    if reviewed.format != "reconcile.plan/1" {
        return Err(unusable(format!("its format is {:?}, not \"reconcile.plan/1\"", reviewed.format)));
    }
    Ok(reviewed)
}
