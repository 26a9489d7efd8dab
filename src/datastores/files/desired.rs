//! A tree's settings -> the resources on each of its hosts. Pure.

use super::settings::Files;
use crate::datastores::job_file::Source;
use crate::datastores::tree::settings::TreeSource;
use crate::datastores::{JobTerms, Piece, backed};
use crate::vocab::HostName;

/// The datastore's name, in ids and on the command line, for the tree of this name.
pub fn name(tree: &str) -> String {
    format!("files-{tree}")
}

/// What each host needs.
pub fn pieces(settings: &Files, terms: &JobTerms<'_>) -> Vec<Piece> {
    let source = |host: &HostName| {
        // A host that holds the tree itself reads it where it is.
        let elsewhere = settings.source.host.clone().filter(|other| other != host);
        Source::Tree(TreeSource { host: elsewhere, ..settings.source.clone() })
    };
    backed::pieces(&settings.backed, terms, &[], source)
}
