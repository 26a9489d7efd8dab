//! `reconcile schema`: the JSON Schemas of what is read and written, for editors and for those who check.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::{Exit, Failure, Format, Output};
use crate::{report, settings};

/// The settings file.
const PUBLIC: &str = "public";

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(std::iter::once(PUBLIC).chain(report::documents::NAMES))
}

/// What `schema` is asked.
#[derive(Debug, Args)]
pub struct Schema {
    /// Of what: public is the settings file, the others are documents that commands write
    #[arg(value_name = "NAME", value_parser = names())]
    name: String,
}

impl Schema {
    /// Prints a schema.
    pub fn run(&self, out: &mut Output) -> Result<Exit, Failure> {
        let known: &[Format] = match self.name.as_str() {
            PUBLIC => &[Format::Text, Format::Json, Format::Markdown],
            _ => &[Format::Text, Format::Json],
        };
        out.expect_format(&format!("schema {}", self.name), known)?;
        if out.format() == Format::Markdown {
            out.result(&report::reference::settings());
            return Ok(Exit::Ok);
        }
        let schema = match self.name.as_str() {
            PUBLIC => Some(settings::schema::public()),
            name => report::documents::schema(name),
        };
        out.json(&schema.ok_or_else(|| Failure::usage(format!("there is no schema `{}`", self.name)))?);
        Ok(Exit::Ok)
    }
}
