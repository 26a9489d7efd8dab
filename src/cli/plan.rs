//! `reconcile plan`: how reality differs from the settings, and what each difference risks. Changes nothing.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::environment::{connect, desired, load, plan, selection, wait};
use super::place::Place;
use super::programs::Programs;
use super::progress::Progress;
use super::{Exit, Failure, Format, Global, Output};
use crate::plan::Plan;
use crate::report::plan::{View, plan_json, plan_markdown, plan_text, refusal};

/// What a plan is about.
#[derive(Clone, Debug, Args)]
pub struct Part {
    /// Only these: backups (all), buckets, access (roles and users), schedules, hosts, or a datastore
    #[arg(long, value_delimiter = ',', value_name = "TAG")]
    pub tags: Vec<String>,

    /// Of what lies on hosts, only what lies on these
    #[arg(long, value_delimiter = ',', value_name = "HOST")]
    pub limit: Vec<String>,

    /// This program built for hosts of another processor; may be given for each
    #[arg(long, value_name = "FILE")]
    pub program: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    part: Part,

    /// Write the plan to FILE, for a review; `apply FILE` then applies exactly that
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Exit with 2 where something is not as it should be
    #[arg(long)]
    detailed_exitcode: bool,
}

impl PlanArgs {
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("plan", &[Format::Text, Format::Json, Format::Markdown])?;
        let place = Place::of(global)?;
        let settings = load(global)?;
        out.warnings(&settings.problems, &global.sources().name());
        let desired = desired(&settings);
        let programs = Programs::at_hand(&place, &self.part.program, &desired)?;
        let desired = programs.offered(desired);
        let selection = selection(&settings, &desired, &self.part.tags, &self.part.limit)?;
        let plan = wait(async {
            let world = connect(global, &place, &settings).await.with_programs(programs.files);
            let world = world.watched_by(Progress::new().watcher());
            plan(&world, &desired, &selection, global.parallel).await
        })?;
        let command = apply_command(global, &self.part, self.out.as_deref());
        show(&plan, &place, global, Some(&command), out);
        if let Some(file) = &self.out {
            save(&plan, file)?;
        }
        if let Some(wrong) = plan.wrong_account() {
            let (message, help) = refusal(&wrong, "");
            return Err(Failure::refused(message, help));
        }
        Ok(exit(&plan, self.detailed_exitcode))
    }
}

/// What a person types to apply a plan, but for its consents: the same environment, place and part as this process.
pub fn apply_command(global: &Global, part: &Part, reviewed: Option<&Path>) -> String {
    let mut words = vec!["reconcile".to_owned(), "apply".to_owned()];
    words.extend(reviewed.map(|file| file.display().to_string()));
    words.extend(environment_words(global));
    words.extend(part.program.iter().flat_map(|file| ["--program".to_owned(), file.display().to_string()]));
    // A file brings its own tags and limit.
    for (option, list) in [("--tags", &part.tags), ("--limit", &part.limit)] {
        if reviewed.is_none() && !list.is_empty() {
            words.extend([option.to_owned(), list.join(",")]);
        }
    }
    typed(&words)
}

/// What a person types to look at the lock, or to break it, of the same environment and place.
pub fn lock_command(global: &Global, verb: &str) -> String {
    let words = ["reconcile", "lock", verb].map(str::to_owned).into_iter();
    typed(&words.chain(environment_words(global)).collect::<Vec<_>>())
}

/// Environment, place and passwords as this process was given them.
fn environment_words(global: &Global) -> Vec<String> {
    let paths = [
        ("-e", &global.environment),
        ("--sandbox", &global.sandbox),
        ("--vault-password-file", &global.vault_password_file),
    ];
    let mut words = Vec::new();
    for (option, path) in paths {
        words.extend(path.iter().flat_map(|path| [option.to_owned(), path.display().to_string()]));
    }
    words.extend(global.vault_id.iter().flat_map(|id| ["--vault-id".to_owned(), id.to_string()]));
    words
}

fn typed(words: &[String]) -> String {
    // No argument of a process holds a NUL, and nothing else cannot be quoted.
    let quoted = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
    crate::report::text::one_line(&quoted)
}

/// Writes a plan in the format that was asked for; `command` applies it, where that is still to be done.
pub fn show(plan: &Plan, place: &Place, global: &Global, command: Option<&str>, out: &mut Output) {
    match out.format() {
        Format::Json => out.json(&plan_json(plan)),
        Format::Markdown => out.result(&plan_markdown(plan, command.unwrap_or_default())),
        _ => {
            let view = View { now: place.clock().now(), verbose: global.verbose > 0, command };
            out.result(&format!("{}{}", place.banner(), plan_text(plan, view)));
        }
    }
}

/// What the exit code of a plan says: something unseen outweighs something to do.
pub fn exit(plan: &Plan, detailed: bool) -> Exit {
    if !plan.saw_everything() {
        return Exit::Failed;
    }
    if detailed && !plan.is_as_it_should_be() { Exit::NotAsItShouldBe } else { Exit::Ok }
}

/// The plan as a file, whole or not at all.
fn save(plan: &Plan, file: &Path) -> Result<(), Failure> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
        writeln!(temporary, "{:#}", plan_json(plan))?;
        temporary.as_file().sync_all()?;
        temporary.persist(file).map_err(|error| error.error)?;
        std::fs::File::open(directory)?.sync_all()
    };
    write().map_err(|error| {
        Failure::failed(format!("the plan cannot be written to {}: {error}", file.display()))
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn command(line: &[&str]) -> String {
        let cli = Cli::try_parse_from(line).expect("a command line");
        let Command::Plan(args) = &cli.command else { panic!("a plan") };
        apply_command(&cli.global, &args.part, args.out.as_deref())
    }

    #[test]
    fn what_is_told_to_apply_is_the_same_environment_place_and_part() {
        let narrowed =
            ["reconcile", "plan", "-e", "an env", "--sandbox", "/s", "--tags", "buckets", "--limit", "db1"];
        assert_eq!(command(&narrowed), "reconcile apply -e 'an env' --sandbox /s --tags buckets --limit db1");
        // The file holds tags and hosts, and does not go together with the options.
        let written = ["reconcile", "plan", "-e", "env", "--tags", "buckets", "--out", "plan.json"];
        assert_eq!(command(&written), "reconcile apply plan.json -e env");
    }
}
