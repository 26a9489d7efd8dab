//! The name of a kind of problem: what a page of the documentation, a filter in a script and a rule in a code
//! scanner are called by.

use std::fmt;

use super::Severity;

/// One kind of problem. Made in the table of checks alone (`settings::checks`), so that each name has a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Check {
    /// Lower-case words with dashes, never changed: scripts filter by it.
    pub name: &'static str,
    pub severity: Severity,
    /// What it says of the settings: one line, lower case, no full stop.
    pub meaning: &'static str,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
