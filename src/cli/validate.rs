//! `reconcile validate`: settings only; no network, no credentials.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Exit, Failure, Format, Global, Output};
use crate::settings::{self, Location};

/// What `validate` is asked.
#[derive(Debug, Args)]
pub struct Validate {
    /// An environment's directory, or a single settings file
    #[arg(value_name = "DIR|FILE")]
    path: Option<PathBuf>,

    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
}

impl Validate {
    /// Loads the settings and tells what is wrong with them.
    pub fn run(&self, global: &Global, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("validate", &[Format::Text, Format::Json, Format::Github, Format::Sarif])?;
        let mut sources = global.sources();
        if let Some(path) = &self.path {
            sources.at = location(path);
        }
        let name = sources.name();
        let (problems, unsupported) = match settings::load(&sources) {
            Ok(settings) => (settings.problems, settings.unsupported),
            Err(problems) => (problems, Vec::new()),
        };
        out.problems(&problems, &name);
        if out.format() == Format::Text {
            out.notice(&crate::report::settings::unsupported(&unsupported));
            if problems.list.is_empty() {
                out.result(&format!("no problems in {}\n", crate::report::text::harmless(&name)));
            }
        }
        let failed = problems.has_errors() || (self.strict && !problems.list.is_empty());
        Ok(if failed { Exit::Failed } else { Exit::Ok })
    }
}

/// A directory is an environment; anything else is judged as a file, unless its name says otherwise.
fn location(path: &Path) -> Location {
    let looks_like_a_file = path.exists() || path.is_symlink() || path.extension().is_some();
    if path.is_dir() && !is_yaml(path) || !looks_like_a_file {
        Location::Directory(path.to_owned())
    } else {
        Location::File(path.to_owned())
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml")
}
