//! `reconcile schema`: the JSON Schemas of what is read and written, for editors and for those who check.

use clap::{Args, ValueEnum};

use super::{Exit, Failure, Format, Output};
use crate::settings;

/// What `schema` is asked.
#[derive(Debug, Args)]
pub struct Schema {
    /// Of what; public is the settings file
    #[arg(value_enum)]
    name: Name,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    Public,
}

impl Schema {
    /// Prints a schema.
    pub fn run(&self, out: &mut Output) -> Result<Exit, Failure> {
        out.expect_format("schema", &[Format::Text, Format::Json])?;
        let schema = match self.name {
            Name::Public => settings::schema::public(),
        };
        out.json(&schema);
        Ok(Exit::Ok)
    }
}
