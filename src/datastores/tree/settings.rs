//! Which tree a job archives; part of the job file.

use serde::{Deserialize, Serialize};

use crate::vocab::HostName;

/// A directory tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeSource {
    /// The directory, absolute.
    pub path: String,
    /// What is left out, as the settings write it: with a `/` in it a path below the tree, else a name anywhere in it.
    pub exclude: Vec<String>,
    /// The host that holds the tree, where it is another than the one that backs it up.
    pub host: Option<HostName>,
}
