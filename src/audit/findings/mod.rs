//! Findings: what is wrong with the protection, as data. One table of small functions, a page each in docs/findings/.
//!
//! A finding's name never changes. Must never be silent about what could not be seen: that is told as unread beside the
//! findings, and makes the audit incomplete.

mod access;
mod keys;
mod lifecycle;
mod power;
mod protection;
mod settings;
mod versions;

use std::fmt;
use std::str::FromStr;

use super::ability::Ability;
use super::bucket::BucketFacts;
use super::evidence::Evidence;
use super::terms::{BucketTerms, Terms};
use crate::vocab::{AccountId, BucketName, Id, Kind};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Protects less than it could.
    Low,
    /// A second mistake is needed for a loss.
    Medium,
    /// One mistake, or somebody who is let in, loses backups.
    High,
    /// Somebody can destroy backups now, or they destroy themselves.
    Critical,
}

impl Severity {
    pub const ALL: [Severity; 4] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];

    pub fn name(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::High => "high",
            Severity::Medium => "medium",
            Severity::Low => "low",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Severity::ALL.into_iter().find(|severity| severity.name() == text);
        found.ok_or_else(|| format!("`{text}` is no severity: one of critical, high, medium, low is"))
    }
}

/// Something that is wrong with the protection of backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The name of its row in the table.
    pub id: &'static str,
    pub severity: Severity,
    /// What it is about: `bucket/NAME`, `role/NAME`, `datastore/NAME`, `account`.
    pub subject: String,
    /// In one sentence, with the consequence.
    pub title: String,
    /// What shows it.
    pub evidence: Vec<String>,
    /// What to do.
    pub remedy: String,
}

/// A kind of finding.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub name: &'static str,
    /// What it says, for the index of the pages.
    pub meaning: &'static str,
    find: fn(&Look<'_>, &mut Report),
}

/// What a function of the table looks at.
pub struct Look<'a> {
    pub evidence: &'a Evidence,
    pub terms: &'a Terms,
    pub abilities: &'a [Ability],
    pub account: &'a str,
    nothing: BucketTerms,
}

/// Where a function of the table writes what it finds.
pub struct Report {
    id: &'static str,
    findings: Vec<Finding>,
}

impl Report {
    fn add(
        &mut self,
        severity: Severity,
        subject: impl Into<String>,
        title: impl Into<String>,
        evidence: Vec<String>,
        remedy: impl Into<String>,
    ) {
        self.findings.push(Finding {
            id: self.id,
            severity,
            subject: subject.into(),
            title: title.into(),
            evidence,
            remedy: remedy.into(),
        });
    }
}

/// A bucket that holds backups: one that settings name, or that carries the environment's mark.
pub struct BackupBucket<'a> {
    pub name: &'a BucketName,
    pub subject: String,
    pub facts: &'a BucketFacts,
    pub terms: &'a BucketTerms,
}

impl<'a> Look<'a> {
    fn buckets(&'a self) -> impl Iterator<Item = BackupBucket<'a>> {
        self.evidence.buckets.iter().filter_map(|(name, facts)| {
            let declared = self.terms.buckets.get(name);
            let marked = facts.mark.known().is_some_and(|mark| self.terms.is_ours(mark.as_ref()));
            (declared.is_some() || marked).then(|| BackupBucket {
                name,
                subject: Id::cloud(Kind::Bucket, name.as_str()).to_string(),
                facts,
                terms: declared.unwrap_or(&self.nothing),
            })
        })
    }
}

macro_rules! table {
    ($($name:literal, $meaning:literal, $find:path;)*) => {
        /// Every kind of finding, in the order of the documentation.
        pub static TABLE: &[Row] = &[$(Row { name: $name, meaning: $meaning, find: $find }),*];
    };
}

table! {
    // Who
    "can-destroy", "somebody who should not can destroy backups", power::can_destroy;
    "writer-can-destroy", "who writes the backups can also destroy them", power::writer_can_destroy;
    "root-writes", "backups are uploaded with a key of the account's root", power::root_writes;
    "break-glass-missing", "a role that may break the glass does not exist, and who makes it may destroy", protection::break_glass_missing;
    "no-break-glass", "no role may break the glass, so the lock cannot be written", protection::no_break_glass;

    // Versions
    "versioning-off", "a bucket keeps no old versions: each upload overwrites the last", versions::off;
    "versioning-suspended", "a bucket has stopped keeping old versions", versions::suspended;
    "versioning-claimed", "settings rely on versions that the bucket does not keep", versions::claimed;
    "lifecycle-ends-versions", "a lifecycle rule removes old versions earlier than settings keep them", lifecycle::ends_versions;
    "lifecycle-expires-current", "a lifecycle rule removes the newest versions", lifecycle::expires_current;

    // Locks
    "lock-absent", "nothing denies the ways to destroy to everybody", protection::lock_absent;
    "lock-incomplete", "the lock leaves ways to destroy open", protection::lock_incomplete;
    "object-lock-absent", "nothing holds versions for a time against everyone", protection::object_lock_absent;
    "object-lock-short", "object lock holds versions for a shorter time than settings ask for, or for none", protection::object_lock_short;
    "object-lock-new-only", "object lock does not hold the versions that were there before", protection::object_lock_new_only;

    // Access
    "public-access", "a bucket is open to everyone, or nothing keeps it from becoming so", access::public;
    "foreign-access", "another account may reach into a bucket", access::foreign;
    "replication-in", "somebody may replicate into a bucket", access::replication_in;
    "replication-out", "every backup is copied to another bucket", access::replication_out;

    // Keys and copies
    "key-deletable", "somebody can take the key away that backups are encrypted with", keys::deletable;
    "key-unusable", "the key that backups are encrypted with opens nothing, or soon will not", keys::unusable;
    "key-access", "others are let at the key that backups are encrypted with", keys::access;
    "foreign-key", "backups are encrypted with a key of another account", keys::foreign;
    "one-account", "every copy lies in one account: who takes it over takes all", keys::one_account;

    // Settings
    "bucket-absent", "a bucket of the settings is not there", settings::bucket_absent;
    "undeclared-bucket", "a bucket carries the environment's mark, and no setting names it", settings::undeclared;
    "no-host", "backups are switched on, and no host makes them", settings::no_host;
}

/// Runs the whole table.
pub fn findings(evidence: &Evidence, terms: &Terms, abilities: &[Ability]) -> Vec<Finding> {
    let account = evidence.account.as_ref().or(terms.account.as_ref()).map_or("", AccountId::as_str);
    let look = Look { evidence, terms, abilities, account, nothing: BucketTerms::default() };
    let mut findings: Vec<Finding> = TABLE
        .iter()
        .flat_map(|row| {
            let mut report = Report { id: row.name, findings: Vec::new() };
            (row.find)(&look, &mut report);
            report.findings
        })
        .collect();
    // Within a severity in the order of the table; the sort keeps it.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}
