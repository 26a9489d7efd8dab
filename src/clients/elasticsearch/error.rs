//! What Elasticsearch refuses, by the `error.type` of its answers.
//!
//! Version 1 and some proxies answer with a text in place of an object; then the status tells what it can.

use std::fmt;

use serde_json::Value;

use crate::clients::http::{Said, Unanswered};

/// Why a call did not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EsErrorKind {
    /// No repository has that name (404).
    RepositoryMissing,
    /// No snapshot has that name (404).
    SnapshotMissing,
    /// No index has that name (404).
    IndexMissing,
    /// A snapshot of that name is there or under way, or the name cannot be one (400).
    SnapshotName,
    /// Another snapshot is at work, and only one may be (503; until version 7.11).
    Busy,
    /// Not every node can write to the repository (500).
    Unverified,
    /// The repository cannot be used (500): a plugin lacks, a path is not in `path.repo`.
    Repository,
    /// What is there cannot be restored over (500): an open index, another number of shards.
    Restore,
    /// No login, a wrong one (401), or one that may not (403).
    Denied,
    /// Too much at once (429).
    Rejected,
    /// Nobody takes a connection.
    Nowhere,
    /// The answer did not come, or came in part: nobody knows what was done.
    Unheard,
    /// No master, a node that starts, a proxy without a node behind it (502, 503, 504).
    Unready,
    /// The host that would ask lacks what it needs, or is not there.
    Host,
    /// An answer that is not one of Elasticsearch's.
    Strange,
    /// Anything else that it refuses.
    Refused,
}

impl EsErrorKind {
    /// Whether it may be over in a moment.
    pub fn passes(self) -> bool {
        matches!(
            self,
            EsErrorKind::Rejected | EsErrorKind::Nowhere | EsErrorKind::Unheard | EsErrorKind::Unready
        )
    }

    /// Whether it is sure that nothing was done.
    pub fn did_nothing(self) -> bool {
        !matches!(self, EsErrorKind::Unheard | EsErrorKind::Unready)
    }
}

/// A call that failed: which kind, and in whose words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EsError {
    pub kind: EsErrorKind,
    /// The status, where there was an answer.
    pub status: Option<u16>,
    /// What Elasticsearch says, or what became of the connection.
    pub said: String,
}

impl std::error::Error for EsError {}

impl fmt::Display for EsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.status) {
            (EsErrorKind::Denied, Some(401)) => write!(
                f,
                "Elasticsearch takes no login like this one (401): put elasticsearch: {{username, password}} into the vault"
            ),
            (EsErrorKind::Denied, _) => {
                write!(f, "Elasticsearch does not let this user do it (403: {})", self.said)
            }
            (_, Some(status)) => write!(f, "Elasticsearch refuses it ({status}): {}", self.said),
            (_, None) => f.write_str(&self.said),
        }
    }
}

/// The most of its words that are shown.
const MOST_WORDS: usize = 600;

impl EsError {
    pub(super) fn strange(what: &str) -> EsError {
        EsError {
            kind: EsErrorKind::Strange,
            status: None,
            said: format!("what answers is not Elasticsearch: {what}"),
        }
    }

    /// What an answer with such a status means.
    pub(super) fn of(said: &Said) -> EsError {
        let body: Value = serde_json::from_slice(&said.body).unwrap_or_default();
        let (name, words) = words(&body);
        let kind = kind(said.status, name, &words);
        let words = match (words.is_empty(), name.is_empty()) {
            (true, true) => "it says nothing".to_owned(),
            (true, false) => name.to_owned(),
            (false, true) => words,
            (false, false) => format!("{name}: {words}"),
        };
        EsError { kind, status: Some(said.status), said: short(&words) }
    }
}

fn short(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_WORDS) {
        Some((cut, _)) => format!("{}..", &line[..cut]),
        None => line,
    }
}

/// The type of an error and what it says, the deepest cause included: the outer words seldom tell what to do.
fn words(body: &Value) -> (&str, String) {
    let error = body.get("error").unwrap_or(&Value::Null);
    if let Some(text) = error.as_str() {
        return ("", text.to_owned());
    }
    let name = error.get("type").and_then(Value::as_str).unwrap_or_default();
    let reason = |of: &Value| of.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut words = reason(error);
    let mut cause = error.get("caused_by");
    // A host may say anything: no answer is followed for ever.
    for _ in 0..16 {
        let Some(inner) = cause else { break };
        let said = reason(inner);
        if !said.is_empty() && !words.contains(&said) {
            words = format!("{words}: {said}");
        }
        cause = inner.get("caused_by");
    }
    (name, words)
}

/// The names: `ElasticsearchException` in the source of each version; OpenSearch kept them.
fn kind(status: u16, name: &str, words: &str) -> EsErrorKind {
    match (status, name) {
        (_, "repository_missing_exception") => EsErrorKind::RepositoryMissing,
        (_, "snapshot_missing_exception") => EsErrorKind::SnapshotMissing,
        (_, "index_not_found_exception") => EsErrorKind::IndexMissing,
        // The second one is of later versions of 8.
        (_, "invalid_snapshot_name_exception" | "snapshot_name_already_in_use_exception") => {
            EsErrorKind::SnapshotName
        }
        (_, "concurrent_snapshot_execution_exception") => EsErrorKind::Busy,
        (_, "repository_verification_exception") => EsErrorKind::Unverified,
        (_, "repository_exception") => EsErrorKind::Repository,
        (_, "snapshot_restore_exception") => EsErrorKind::Restore,
        (401 | 403, _) => EsErrorKind::Denied,
        (429, _) => EsErrorKind::Rejected,
        (404, "") if words.contains("RepositoryMissing") => EsErrorKind::RepositoryMissing,
        (404, "") if words.contains("SnapshotMissing") => EsErrorKind::SnapshotMissing,
        (404, "") if words.contains("IndexMissing") => EsErrorKind::IndexMissing,
        (502..=504, _) => EsErrorKind::Unready,
        (_, "") if words.is_empty() => EsErrorKind::Strange,
        _ => EsErrorKind::Refused,
    }
}

impl From<Unanswered> for EsError {
    fn from(why: Unanswered) -> Self {
        let kind = match &why {
            Unanswered::Nowhere(_) => EsErrorKind::Nowhere,
            Unanswered::Broken(_) | Unanswered::TimedOut { .. } | Unanswered::TooLarge { .. } => {
                EsErrorKind::Unheard
            }
            Unanswered::Redirect { .. } => EsErrorKind::Strange,
            Unanswered::Address(_) | Unanswered::NoCurl | Unanswered::Host(_) => EsErrorKind::Host,
        };
        let said = match kind {
            EsErrorKind::Nowhere => format!("Elasticsearch cannot be reached: {why}"),
            _ => why.to_string(),
        };
        EsError { kind, status: None, said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> EsError {
        EsError::of(&Said { status, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn errors_have_the_kinds_of_the_api() {
        let body =
            |name: &str| format!(r#"{{"error":{{"type":"{name}","reason":"[x] words"}},"status":500}}"#);
        for (status, name, kind) in [
            (404, "repository_missing_exception", EsErrorKind::RepositoryMissing),
            (404, "snapshot_missing_exception", EsErrorKind::SnapshotMissing),
            (404, "index_not_found_exception", EsErrorKind::IndexMissing),
            (400, "invalid_snapshot_name_exception", EsErrorKind::SnapshotName),
            (503, "concurrent_snapshot_execution_exception", EsErrorKind::Busy),
            (500, "repository_verification_exception", EsErrorKind::Unverified),
            (500, "repository_exception", EsErrorKind::Repository),
            (500, "snapshot_restore_exception", EsErrorKind::Restore),
            (401, "security_exception", EsErrorKind::Denied),
            (403, "security_exception", EsErrorKind::Denied),
            (429, "es_rejected_execution_exception", EsErrorKind::Rejected),
            (503, "master_not_discovered_exception", EsErrorKind::Unready),
            (400, "illegal_argument_exception", EsErrorKind::Refused),
        ] {
            assert_eq!(of(status, &body(name)).kind, kind, "{name}");
        }
        assert_eq!(
            of(404, r#"{"error":"RepositoryMissingException[[a] missing]","status":404}"#).kind,
            EsErrorKind::RepositoryMissing
        );
        assert_eq!(of(502, "<html>").kind, EsErrorKind::Unready);
        assert_eq!(of(404, "<html>").kind, EsErrorKind::Strange);
    }

    #[test]
    fn the_deepest_cause_is_told() {
        let error = of(
            500,
            r#"{"error":{"type":"repository_verification_exception","reason":"[a] path is not accessible on master node",
                "caused_by":{"type":"i_o_exception","reason":"Unable to upload object",
                "caused_by":{"type":"amazon_s3_exception","reason":"Access Denied"}}},"status":500}"#,
        );
        assert_eq!(
            error.to_string(),
            "Elasticsearch refuses it (500): repository_verification_exception: [a] path is not accessible on master node: \
             Unable to upload object: Access Denied"
        );
    }

    #[test]
    fn only_what_surely_did_nothing_may_be_repeated_blindly() {
        let unheard = EsError::from(Unanswered::Broken("x".to_owned()));
        assert!(unheard.kind.passes() && !unheard.kind.did_nothing());
        let nowhere = EsError::from(Unanswered::Nowhere("x".to_owned()));
        assert!(nowhere.kind.passes() && nowhere.kind.did_nothing());
        assert!(!EsErrorKind::Busy.passes() && !EsErrorKind::Denied.passes());
    }
}
