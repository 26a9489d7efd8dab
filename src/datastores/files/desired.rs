//! A tree's settings -> the resources on each of its hosts. Pure.

use super::settings::Files;
use crate::datastores::job_file::Source;
use crate::datastores::{JobTerms, Piece, backed};

/// The datastore's name, in ids and on the command line, for the tree of this name.
pub fn name(tree: &str) -> String {
    format!("files-{tree}")
}

/// What each host needs.
pub fn pieces(settings: &Files, terms: &JobTerms<'_>) -> Vec<Piece> {
    backed::pieces(&settings.backed, terms, &[], |_| Source::Tree(settings.source.clone()))
}
