//! What is wrong with what an operator wrote: collected, never first-only, each with its place and its mend.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::Check;

/// Whether the settings can be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Cannot be carried out, or loses data.
    Error,
    /// A key that nothing reads, a doubtful value.
    Warning,
}

/// A place in a file; line and column count from one, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The bytes of the source that a problem points at.
pub type Span = Range<usize>;

/// One thing wrong: what, where, why it matters, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `None` only for what has no line: a missing file, a whole directory.
    pub place: Option<Place>,
    /// The file, also where there is no line in it to point at.
    pub file: Arc<str>,
    pub span: Option<Span>,
    /// The key's path, such as `backups.buckets.NAME.versioning`.
    pub key: Option<String>,
    /// Which kind of problem, and with it how grave.
    pub check: Check,
    /// What is wrong and why it matters, without the place; one sentence, no full stop.
    pub message: String,
    /// A few words under the caret.
    pub label: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Problem {
    /// A problem of a whole file, without a line.
    pub fn of_file(check: Check, file: &str, message: impl Into<String>) -> Self {
        Problem {
            place: None,
            file: file.into(),
            span: None,
            key: None,
            check,
            message: message.into(),
            label: None,
            help: None,
        }
    }

    /// The key's path.
    pub fn at_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// A few words under the caret.
    pub fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// What to do.
    pub fn helped(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn severity(&self) -> Severity {
        self.check.severity
    }

    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }
}

/// Every problem of a load together with the texts they point into, for carets.
#[derive(Clone, Default)]
pub struct Problems {
    pub list: Vec<Problem>,
    /// Text of each source by the name used in `Place::file`. A vault's plain text is never among them.
    pub sources: BTreeMap<Arc<str>, Arc<str>>,
}

/// The sources by name alone: inventories hold passwords.
impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: Vec<_> = self.sources.keys().collect();
        f.debug_struct("Problems").field("list", &self.list).field("sources", &sources).finish()
    }
}

impl Problems {
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(Problem::is_error)
    }
}
