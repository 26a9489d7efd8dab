//! `reconcile completions` and `reconcile man`: what shells and man(1) know of the command line, made from its own
//! definition.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Exit, Failure, Format, Output};

/// What `completions` is asked.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell that sources it
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// Prints the completions.
    pub fn run(&self, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("completions", &[Format::Text])?;
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "reconcile", &mut text);
        out.result(&String::from_utf8_lossy(&text));
        Ok(Exit::Ok)
    }
}

/// What `man` is asked.
#[derive(Debug, Args)]
pub struct Man {
    /// Write the page of each command into this directory [default: the main page to standard output]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Man {
    /// Prints the manual's main page, or writes all of them.
    pub fn run(&self, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("man", &[Format::Text])?;
        let command = Cli::command();
        let Some(directory) = &self.directory else {
            let mut page = Vec::new();
            clap_mangen::Man::new(command)
                .render(&mut page)
                .map_err(|error| Failure::failed(format!("the page cannot be made: {error}")))?;
            out.result(&String::from_utf8_lossy(&page));
            return Ok(Exit::Ok);
        };
        let shown = directory.display();
        std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(command, directory))
            .map_err(|error| Failure::failed(format!("the pages cannot be written to {shown}: {error}")))?;
        Ok(Exit::Ok)
    }
}
