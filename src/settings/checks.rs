//! What can be wrong with settings: the table of every kind of problem, and the small functions that look at the whole
//! settings for what each value alone cannot show.
//!
//! Pure. Place on the data's path: after reading, before [`Settings`] are handed on.

mod other;
mod storage;
pub mod table;

use super::Settings;
use super::flat::{At, Flat};
use crate::vocab::{Check, Place, Problem};

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    pub check: Check,
    /// Looks at whole settings; `None` for what is found while reading.
    run: Option<Run>,
}

/// A function of the table.
pub(super) type Run = fn(&Context<'_>) -> Option<Problem>;

/// What the checks look at.
#[derive(Debug)]
pub struct Context<'a> {
    pub settings: &'a Settings,
    pub flat: &'a Flat,
    /// False where a single file is judged: nothing is known of inventory and vault.
    pub whole_environment: bool,
    pub has_inventory: bool,
}

/// Runs every check that looks at whole settings.
pub fn all(context: &Context<'_>) -> Vec<Problem> {
    table::TABLE.iter().filter_map(|row| row.run).filter_map(|run| run(context)).collect()
}

impl<'a> Context<'a> {
    fn at(&self, key: &str) -> Option<&'a At> {
        self.flat.at(key)
    }

    /// A problem at a flat key's name.
    fn key(&self, check: Check, key: &str, message: impl Into<String>) -> Option<Problem> {
        let At { source, key: mark, .. } = self.at(key)?;
        Some(source.problem(check, mark, message).at_key(key))
    }

    /// A problem at a flat key's value.
    fn value(&self, check: Check, key: &str, message: impl Into<String>) -> Option<Problem> {
        let value = &self.at(key)?.value;
        let mut problem = self.key(check, key, message)?;
        problem.place = problem.place.map(|place| Place { line: value.line, column: value.column, ..place });
        problem.span = Some(value.span.clone());
        Some(problem)
    }

    fn uploads(&self) -> bool {
        self.settings.postgresql.method.is_some() && self.settings.postgresql.s3
    }
}
