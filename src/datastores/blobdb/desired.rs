//! The blob database's settings -> the resources on each of its hosts. Pure.

use super::settings::Blobdb;
use crate::datastores::job_file::Source;
use crate::datastores::{JobTerms, Piece, backed};

/// The datastore's name, in ids and on the command line.
pub const NAME: &str = "blobdb";

/// What each host needs. Empty while the switch is off.
pub fn pieces(settings: &Blobdb, terms: &JobTerms<'_>) -> Vec<Piece> {
    backed::pieces(&settings.backed, terms, &[], |_| Source::Tree(settings.source.clone()))
}
