//! What can be wrong with settings: the table of every kind of problem, and the small functions that look at the whole
//! settings for what each value alone cannot show.
//!
//! Pure. Place on the data's path: after reading, before [`Settings`] are handed on.

mod access;
mod hosts;
mod names;
mod places;
mod previous;
mod schedules;
mod secrets;
mod storage;
mod stores;
pub mod table;

use std::cell::OnceCell;

use super::Settings;
use super::flat::Flat;
use super::shape::Places;
use super::source::Source;
use super::tree::Map;
use crate::vocab::{Check, Problem};

pub use secrets::{is_secret, veil};
use stores::Store;

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    pub check: Check,
    /// Looks at whole settings; `None` for what is found while reading.
    run: Option<Run>,
}

/// A function of the table.
pub(super) type Run = fn(&Context<'_>) -> Vec<Problem>;

/// What the checks look at.
#[derive(Debug)]
pub struct Context<'a> {
    pub settings: &'a Settings,
    pub flat: &'a Flat,
    /// `public.yml`, all of its keys, and where the members of `backups:` stand.
    pub public: &'a Source,
    pub top: &'a Map,
    pub places: &'a Places,
    /// False where a single file is judged: nothing is known of inventory and vault.
    pub whole_environment: bool,
    pub has_inventory: bool,
    /// What is switched on, worked out when the first check asks.
    pub stores: OnceCell<Vec<Store>>,
}

/// Runs every check that looks at whole settings.
pub fn all(context: &Context<'_>) -> Vec<Problem> {
    table::TABLE.iter().filter_map(|row| row.run).flat_map(|run| run(context)).collect()
}
