//! Who can destroy, and should not: abilities put together by principal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Look, Report, Severity};
use crate::audit::ability::Ability;
use crate::policy::Verdict;
use crate::policy::destroyers::{On, Power, When};
use crate::vocab::Versioning;

/// Paths that a finding shows; the abilities have them all.
const SHOWN: usize = 4;

/// How grave it is that somebody unexpected has an ability.
fn severity(look: &Look<'_>, ability: &Ability) -> Severity {
    let worst = match (ability.row.power, ability.row.when) {
        (_, When::ForeignKey) => Severity::Medium,
        (Power::DeleteVersions, _)
            if ability.row.action == "s3:DeleteObject" && is_versioned(look, ability) =>
        {
            Severity::High
        }
        (Power::Access | Power::Replication | Power::Encryption, _) => Severity::High,
        _ => Severity::Critical,
    };
    match ability.decision {
        Verdict::Allowed => worst,
        Verdict::Conditional => worst.min(Severity::High),
        _ => worst.min(Severity::Medium),
    }
}

/// With versions kept a delete only hides.
fn is_versioned(look: &Look<'_>, ability: &Ability) -> bool {
    let name = ability.subject.strip_prefix("bucket/").and_then(|name| name.parse().ok());
    let facts = name.and_then(|name| look.evidence.buckets.get(&name));
    facts.and_then(|facts| facts.versioning.known()) == Some(&Versioning::Enabled)
}

fn add(look: &Look<'_>, report: &mut Report, wanted: impl Fn(&Ability) -> bool, title: &str) {
    let mut by_principal: BTreeMap<&str, Vec<&Ability>> = BTreeMap::new();
    let unexpected = look.abilities.iter().filter(|one| one.expected.is_none() && one.row.on != On::Key);
    for ability in unexpected.filter(|ability| wanted(ability)) {
        by_principal.entry(&ability.principal).or_default().push(ability);
    }
    for abilities in by_principal.values() {
        let Some(first) = abilities.first() else { continue };
        let severity = abilities.iter().map(|one| severity(look, one)).max().unwrap_or(Severity::Low);
        let subjects: BTreeSet<&str> = abilities.iter().map(|one| &*one.subject).collect();
        let certainty = match abilities.iter().map(|one| one.decision).max() {
            Some(Verdict::Allowed) => "",
            Some(Verdict::Conditional) => ", depending on the request",
            _ => ", perhaps: not everything could be read",
        };
        let of_what = match subjects.len() {
            1 => subjects.first().copied().unwrap_or_default().to_owned(),
            count => format!("{count} places"),
        };
        let mut actions: Vec<&str> = Vec::new();
        for ability in abilities {
            if !actions.contains(&ability.row.action) {
                actions.push(ability.row.action);
            }
        }
        let mut paths: Vec<&[Arc<str>]> = Vec::new();
        for path in abilities.iter().map(|ability| &*ability.path) {
            if paths.len() < SHOWN && !paths.contains(&path) {
                paths.push(path);
            }
        }
        let mut evidence = vec![actions.join(", ")];
        evidence.extend(paths.iter().map(|path| path.join("; ")));
        let remedy = match (is_writer(look, first), abilities.iter().any(|one| one.via.is_empty())) {
            (true, true) => {
                "reconcile apply gives it the least policy that suffices; take away what others attached"
            }
            (false, true) => {
                "take the statements of the path away, or deny these actions to everybody but break-glass: \
                 versioning_lock: true for the bucket"
            }
            (_, false) => {
                "close the way that the path shows: take away the permission that it begins with, or narrow it to what \
                 has no power over backups"
            }
        };
        report.add(
            severity,
            first.who.to_string(),
            format!("{title} {of_what}{certainty}"),
            evidence,
            remedy,
        );
    }
}

fn is_writer(look: &Look<'_>, ability: &Ability) -> bool {
    look.terms.writers.contains(&*ability.who)
}

pub fn can_destroy(look: &Look<'_>, report: &mut Report) {
    let others = |ability: &Ability| !is_writer(look, ability);
    add(look, report, others, "can destroy backups in");
}

pub fn writer_can_destroy(look: &Look<'_>, report: &mut Report) {
    let writers = |ability: &Ability| is_writer(look, ability);
    add(look, report, writers, "writes backups, and its key, once stolen, destroys them in");
}

/// What root may do nobody can deny, so its key on a host is the end of every lock.
pub fn root_writes(look: &Look<'_>, report: &mut Report) {
    if look.terms.root_writes {
        report.add(
            Severity::Critical,
            "account root",
            "backups are uploaded with a key of the account's root, which destroys them past every lock once stolen",
            vec!["AMAZON_S3_ACCESS_KEY in the vault".to_owned()],
            "declare a user or a role under backups.identities, give its key to the jobs, and delete root's keys",
        );
    }
}
