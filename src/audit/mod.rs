//! The audit: what is wrong with the protection of backups, who can destroy them, and by which path.
//!
//! Place on the data's path: beside the plan. The world, or an export of an account, gives the [`Evidence`]; settings
//! give the [`Terms`]; [`judge`] answers. Pure. Must never take for safe what was not seen: what could not be read makes
//! the answer `unknown`, and the audit incomplete.

mod ability;
pub mod account;
pub mod bucket;
mod escalation;
mod evidence;
mod explain;
mod fact;
pub mod findings;
mod judge;
pub mod key;
mod lock;
mod outsiders;
pub mod raw;
mod target;
mod terms;

pub use ability::{Ability, Expected};
pub use account::Account;
pub use evidence::Evidence;
pub use explain::{Asked, question};
pub use fact::{Fact, Unread};
pub use findings::{Finding, Severity};
pub use terms::{BucketTerms, Terms};

/// What the audit says.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The gravest first, then by name and subject.
    pub findings: Vec<Finding>,
    /// By subject, principal and action.
    pub abilities: Vec<Ability>,
    /// What could not be seen.
    pub unread: Vec<Unread>,
}

impl Audit {
    /// Whether everything that was to be looked at was seen.
    pub fn is_complete(&self) -> bool {
        self.unread.is_empty()
    }

    /// Whether there is a finding that is at least so grave.
    pub fn has(&self, least: Severity) -> bool {
        self.findings.iter().any(|finding| finding.severity >= least)
    }
}

/// Judges what was seen by what settings expect.
pub fn judge(evidence: &Evidence, terms: &Terms) -> Audit {
    let abilities = ability::abilities(evidence, terms);
    let findings = findings::findings(evidence, terms, &abilities);
    Audit { findings, abilities, unread: evidence.unseen() }
}
