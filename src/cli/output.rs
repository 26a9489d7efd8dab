//! Where results and problems go: results to standard output, problems in text to standard error, problems in JSON to
//! standard output.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use super::{Exit, Failure, Format, Global};
use crate::report;
use crate::report::text::{ALARM, BOLD, WIDTH, one_line, styled, wrapped};
use crate::vocab::Problems;

/// Below this a table is no table any more, and beyond that the eye loses its line.
const NARROWEST: usize = 60;
const WIDEST: usize = 100;

/// The two streams of the process, colours stripped where nobody sees them.
pub struct Output {
    format: Format,
    stdout: anstream::AutoStream<std::io::Stdout>,
    stderr: anstream::AutoStream<std::io::Stderr>,
}

impl Output {
    pub fn new(global: &Global) -> Self {
        let choice = match global.color {
            clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
            clap::ColorChoice::Always => anstream::ColorChoice::Always,
            clap::ColorChoice::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        Output {
            format: global.output,
            stdout: anstream::AutoStream::auto(std::io::stdout()),
            stderr: anstream::AutoStream::auto(std::io::stderr()),
        }
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// The columns that a table may take: the terminal's, within reason; where there is none, those of one that nobody
    /// widened.
    pub fn width(&self) -> usize {
        let terminal = terminal_size::terminal_size_of(std::io::stdout());
        terminal.map_or(WIDTH, |(width, _)| usize::from(width.0).clamp(NARROWEST, WIDEST))
    }

    /// Writes a result. A reader that went away (`| head`) is no failure.
    pub fn result(&mut self, text: &str) {
        let _ = self.stdout.write_all(text.as_bytes());
        let _ = self.stdout.flush();
    }

    /// Writes a result as one JSON document with a newline.
    pub fn json(&mut self, value: &serde_json::Value) {
        self.result(&format!("{value:#}\n"));
    }

    /// Writes bytes as they are: what colours are made of may be part of them. They may be secret, so no buffer keeps
    /// them. A reader that went away is no failure, a full disk is.
    pub fn bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let _ = self.stdout.flush();
        let mut stdout = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
        match stdout.write_all(bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }

    /// Writes what a person should know beside the result.
    pub fn notice(&mut self, text: &str) {
        let _ = self.stderr.write_all(text.as_bytes());
        let _ = self.stderr.flush();
    }

    /// Refuses a format that a verb does not speak.
    pub fn expect_format(&self, verb: &str, known: &[Format]) -> Result<(), Failure> {
        if known.contains(&self.format) {
            return Ok(());
        }
        let known: Vec<&str> = known.iter().map(|format| format.name()).collect();
        Err(Failure::usage(format!(
            "{verb} does not write {}: it writes {}",
            self.format.name(),
            known.join(", ")
        )))
    }

    /// Writes problems as the answer, where the format wants them; `where_` names what was read, for the closing
    /// count.
    pub fn problems(&mut self, problems: &Problems, where_: &str) {
        match self.format {
            Format::Json => self.json(&report::problems::json(problems)),
            Format::Github => self.result(&report::problems::github(problems)),
            Format::Sarif => {
                let here = std::env::current_dir().unwrap_or_else(|_| std::path::PathBuf::from("/"));
                self.json(&report::sarif::sarif(problems, &here));
            }
            Format::Text | Format::Markdown => self.warnings(problems, where_),
        }
    }

    /// Writes problems beside a result that has standard output to itself.
    pub fn warnings(&mut self, problems: &Problems, where_: &str) {
        self.notice(&report::problems::text(problems, where_));
    }

    /// Writes why the verb stopped, and answers with its exit code.
    pub fn failure(&mut self, failure: &Failure) -> Exit {
        match failure {
            Failure::Problems(problems) => self.problems(problems, ""),
            Failure::Failed { message, help } => self.complaint("error", message, help.as_deref()),
            Failure::Refused { message, help } => self.complaint("refused", message, help.as_deref()),
            Failure::Usage { message } => self.complaint("error", message, None),
        }
        failure.exit()
    }

    fn complaint(&mut self, kind: &str, message: &str, help: Option<&str>) {
        let first = format!("{} ", styled(ALARM, format_args!("{kind}:")));
        let mut text = wrapped(&first, kind.len() + 2, &one_line(message));
        text.push('\n');
        let mut lines = help.into_iter().flat_map(str::lines);
        if let Some(help) = lines.next() {
            text.push_str(&format!("{}\n", wrapped("  = help: ", 10, &one_line(help))));
        }
        // A command is copied, so it stays on one line.
        for command in lines {
            text.push_str(&format!("          {}\n", styled(BOLD, one_line(command))));
        }
        self.notice(&text);
    }
}
