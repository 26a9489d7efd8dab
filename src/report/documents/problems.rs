//! What is wrong with settings: `reconcile.problems/1`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::vocab::Severity;

pub const FORMAT: &str = "reconcile.problems/1";

/// What is wrong with the settings, errors first; empty where all is well
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problems {
    pub format: &'static str,
    pub problems: Vec<Problem>,
}

/// One of them
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problem {
    pub file: String,
    /// From one; null for a problem of the whole file
    pub line: Option<u32>,
    /// From one, in characters
    pub column: Option<u32>,
    /// The key's path, such as backups.buckets.NAME.versioning
    pub key: Option<String>,
    pub severity: Severity,
    /// The check that found it; docs/checks/CHECK.md explains it
    pub check: &'static str,
    /// What is wrong, and why it matters
    pub message: String,
    /// What to do
    pub help: Option<String>,
}
