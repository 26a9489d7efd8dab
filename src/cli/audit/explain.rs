//! `reconcile audit explain`: may this happen, and by which statements.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value as Json;

use crate::cli::{Exit, Failure, Format, Output};
use crate::policy::{Question, Questions};
use crate::report;

/// Some thousand requests with all their policies; more is a mistake.
const MAX_BYTES: u64 = 64 << 20;

/// What `audit explain` is asked.
#[derive(Debug, Args)]
pub struct Explain {
    /// A request with all its policies, or a list of them, as JSON (reconcile.request/1); - is standard input
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
}

impl Explain {
    /// Answers. Whatever the answer, it is a success to have one.
    pub fn run(&self, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("audit explain", &[Format::Text, Format::Json])?;
        let (name, text) = self.text()?;
        let questions = Questions::parse(&text).map_err(|error| {
            Failure::failed_with_help(
                format!("{name}: {error}"),
                "what a request holds is in docs/scripting.md, and in `reconcile schema request`",
            )
        })?;
        match (out.format(), questions) {
            (Format::Json, Questions::One(question)) => out.json(&json(&question)),
            (Format::Json, Questions::Many(list)) => out.json(&list.iter().map(json).collect()),
            (_, Questions::One(question)) => out.result(&told(&question)),
            (_, Questions::Many(list)) => {
                let told: Vec<String> = list.iter().map(told).collect();
                out.result(&told.join("\n"));
            }
        }
        Ok(Exit::Ok)
    }

    fn text(&self) -> Result<(String, String), Failure> {
        let mut text = String::new();
        let (name, read) = if self.request == Path::new("-") {
            let stdin = std::io::stdin();
            if stdin.is_terminal() {
                return Err(Failure::usage("which request? Give it as a file, or on standard input"));
            }
            ("standard input".to_owned(), stdin.take(MAX_BYTES + 1).read_to_string(&mut text))
        } else {
            let file = std::fs::File::open(&self.request);
            let read = file.and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
            (self.request.display().to_string(), read)
        };
        read.map_err(|error| Failure::failed(format!("{name} cannot be read: {error}")))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(Failure::failed(format!("{name} is larger than {} MiB", MAX_BYTES >> 20)));
        }
        Ok((name, text))
    }
}

fn told(question: &Question) -> String {
    report::decision::text(question, &question.decide())
}

fn json(question: &Question) -> Json {
    report::decision::json(question, &question.decide())
}
