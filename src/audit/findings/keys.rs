//! Keys that backups depend on, and whether anything lies elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::{Look, Report, Severity};
use crate::policy::Verdict;
use crate::policy::destroyers::On;
use crate::vocab::Encryption;

pub fn deletable(look: &Look<'_>, report: &mut Report) {
    let mut who: BTreeMap<&str, (Verdict, BTreeSet<String>)> = BTreeMap::new();
    for ability in look.abilities.iter().filter(|one| one.row.on == On::Key && one.expected.is_none()) {
        let entry = who.entry(&ability.subject).or_insert((Verdict::Unknown, BTreeSet::new()));
        entry.0 = entry.0.max(ability.decision);
        entry.1.insert(format!("{}: {} on {}", ability.who, ability.row.action, ability.resource));
    }
    for (subject, (verdict, evidence)) in who {
        let severity = match verdict {
            Verdict::Allowed => Severity::High,
            _ => Severity::Medium,
        };
        report.add(
            severity,
            subject,
            "somebody can take away the key of the backups, and with it every backup at once",
            evidence.into_iter().collect(),
            "deny kms:ScheduleKeyDeletion, kms:DisableKey, kms:PutKeyPolicy and kms:DeleteImportedKeyMaterial in the \
             key's policy to all but break_glass",
        );
    }
}

pub fn foreign(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        let (Some(Encryption::Kms(Some(key))) | Some(Encryption::KmsDouble(Some(key)))) =
            bucket.facts.encryption.known()
        else {
            continue;
        };
        let account = key.split(':').nth(4).filter(|_| key.starts_with("arn:"));
        if let Some(account) = account.filter(|account| *account != look.account) {
            report.add(
                Severity::High,
                bucket.subject,
                format!("backups are encrypted with a key of account {account}: it can take them away"),
                vec![format!("default encryption: {key}")],
                "encrypt with a key of this account, or with AES256",
            );
        }
    }
}

pub fn one_account(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        let Some(destinations) = bucket.facts.replication.known() else { continue };
        if look.terms.copied.contains(bucket.name) {
            continue;
        }
        let evidence = match destinations.as_slice() {
            [] => "no replication, and no job copies it elsewhere".to_owned(),
            list if list.iter().any(|to| to.account.as_deref().is_some_and(|id| id != look.account)) => {
                continue;
            }
            list => {
                let buckets: Vec<&str> = list.iter().map(|to| to.bucket.as_str()).collect();
                format!("copies lie in the same account: {}", buckets.join(", "))
            }
        };
        report.add(
            Severity::Medium,
            bucket.subject,
            "every copy lies in this account: its root, or whoever takes it over, destroys them all",
            vec![evidence],
            "copy the backups to another account or provider, whose keys this one does not hold",
        );
    }
}
