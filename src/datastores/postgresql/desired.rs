//! PostgreSQL's settings -> the resources on each of its hosts. Pure.

use super::settings::{Method, Postgresql, PostgresqlSource};
use crate::datastores::job_file::Source;
use crate::datastores::{JobTerms, Piece, backed};
use crate::vocab::HostName;

/// The datastore's name, in ids and on the command line.
pub const NAME: &str = "postgresql";

/// What each host needs. Empty while the switch is off.
pub fn pieces(settings: &Postgresql, terms: &JobTerms<'_>) -> Vec<Piece> {
    let Postgresql { method, read_from, backed } = settings;
    let programs: &[&str] = match method {
        Method::Plain => &["pg_basebackup", "psql"],
        Method::Dump => &["pg_dumpall", "psql"],
    };
    let source = |host: &HostName| {
        Source::Postgresql(PostgresqlSource { method: *method, read_from: read_from.get(host).cloned() })
    };
    backed::pieces(backed, terms, programs, source)
}
