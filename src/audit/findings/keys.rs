//! Keys that backups depend on, and whether anything lies elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::{BackupBucket, Look, Report, Severity};
use crate::audit::key::{self, KeyState, Place, Stands};
use crate::policy::destroyers::{DESTROYERS, On};
use crate::policy::{Condition, Effect, Operator, Statement, Verdict, Who};
use crate::vocab::words;

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

/// A key that a bucket of backups depends on.
struct KeyOf {
    /// The ARN of the key, or of the alias that the bucket or settings name.
    named: String,
    /// Whether backups are under it; else settings name it alone.
    used: bool,
}

/// The key that the bucket encrypts with, and the one that settings name for it, where that is another or the bucket's is
/// not known.
fn keys(look: &Look<'_>, bucket: &BackupBucket<'_>) -> Vec<KeyOf> {
    let place = Place::of(look.evidence, bucket.facts, bucket.terms, look.account);
    let arn = |encryption| key::named(encryption).map(|named| place.arn(named).into_owned());
    let own = bucket.facts.encryption.known().and_then(arn);
    let declared = bucket.terms.encryption.as_ref().and_then(arn);
    let declared = declared.filter(|declared| {
        own.as_ref().is_none_or(|own| look.evidence.stands(own) != look.evidence.stands(declared))
    });
    let own = own.map(|named| KeyOf { named, used: true });
    // What is not known of the bucket is taken as settings have it.
    let used = bucket.facts.encryption.known().is_none();
    own.into_iter().chain(declared.map(|named| KeyOf { named, used })).collect()
}

pub fn foreign(look: &Look<'_>, report: &mut Report) {
    if look.account.is_empty() {
        return;
    }
    for bucket in look.buckets() {
        for key in keys(look, &bucket).iter().filter(|key| key.used) {
            let of = key::account_of(&key.named);
            if let Some(account) = of.filter(|account| *account != look.account) {
                report.add(
                    Severity::High,
                    bucket.subject.clone(),
                    format!("backups are encrypted with a key of account {account}: it can take them away"),
                    vec![
                        format!("default encryption: {}", key.named),
                        "its policy cannot be read from here: who may delete it, that account alone can tell"
                            .to_owned(),
                    ],
                    "encrypt with a key of this account, or with AES256",
                );
            }
        }
    }
}

pub fn unusable(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        for key in keys(look, &bucket) {
            let (arn, about) = match look.evidence.stands(&key.named) {
                Stands::ForAws | Stands::Untold => continue,
                Stands::ForNothing => (key.named.as_str(), None),
                Stands::For(arn) => {
                    let Some(about) = look.evidence.keys.get(arn).and_then(|facts| facts.about.known())
                    else {
                        continue;
                    };
                    (arn, Some(about))
                }
            };
            let state = about.map_or(&KeyState::Absent, |about| &about.state);
            if let Some((what, evidence, remedy)) = told(arn, state) {
                let (severity, title) = match key.used {
                    true => (Severity::Critical, format!("the key of the backups {what}")),
                    false => (Severity::High, format!("the key that settings name for the backups {what}")),
                };
                let mut evidence = vec![format!("kms:DescribeKey of {arn}: {evidence}")];
                if about.is_some_and(|about| about.multi_region) {
                    evidence
                        .push("its copies in other Regions do not open what S3 encrypted with it".to_owned());
                }
                report.add(severity, bucket.subject.clone(), title, evidence, remedy);
            } else if let Some(expires) = about.and_then(|about| about.expires) {
                report.add(
                    Severity::High,
                    bucket.subject.clone(),
                    format!(
                        "the material of the backups' key expires on {}: from then on none of them can be read",
                        words::minute(expires)
                    ),
                    vec![format!("kms:DescribeKey of {arn}: ValidTo {}", words::minute(expires))],
                    "import the same material again without a date, and keep it in a safe place of your own",
                );
            }
        }
    }
}

/// What the state of a key means for the backups under it, what KMS says, and what to do; `None` where it opens them.
fn told(arn: &str, state: &KeyState) -> Option<(String, String, String)> {
    let id = arn.rsplit_once('/').map_or(arn, |(_, id)| id);
    let region = arn.split(':').nth(3).unwrap_or_default();
    let command = |verb: &str| format!("aws kms {verb} --key-id {id} --region {region}");
    Some(match state {
        KeyState::Enabled => return None,
        KeyState::Disabled => (
            "is disabled: none can be read, and none written, until it is enabled again".to_owned(),
            "KeyState Disabled".to_owned(),
            command("enable-key"),
        ),
        KeyState::PendingDeletion(at) => {
            let at = at.map(words::minute);
            let on = at.as_ref().map_or_else(|| "within 30 days".to_owned(), |at| format!("on {at}"));
            let date = at.map(|at| format!(", DeletionDate {at}")).unwrap_or_default();
            (
                format!("is deleted {on}: from then on none can ever be read, and until then none either"),
                format!("KeyState PendingDeletion{date}"),
                format!("{}, then {}", command("cancel-key-deletion"), command("enable-key")),
            )
        }
        KeyState::PendingReplicaDeletion => (
            "is deleted as soon as its copies in other Regions have gone: from then on none can ever be read"
                .to_owned(),
            "KeyState PendingReplicaDeletion".to_owned(),
            format!("{}, then {}", command("cancel-key-deletion"), command("enable-key")),
        ),
        KeyState::PendingImport => (
            "has no material: none can be read until the same material is imported again".to_owned(),
            "KeyState PendingImport".to_owned(),
            "import the material that the backups were written with, and no other".to_owned(),
        ),
        KeyState::Absent => (
            "does not exist: what was written with it can never be read, and nothing can be written"
                .to_owned(),
            "not found".to_owned(),
            "encrypt the bucket with a key that exists, or with AES256, and make a backup at once".to_owned(),
        ),
        KeyState::Other(state) => (
            format!("cannot be used: KMS says {state}, so none can be read and none written"),
            format!("KeyState {state}"),
            "look at the key in KMS, and at its key store where it has one".to_owned(),
        ),
    })
}

/// Condition keys that narrow "everyone" down to somebody known
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html>).
const NARROWING: [&str; 8] = [
    "kms:calleraccount",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
];

/// Who is let at a key by a statement, from outside the account.
enum Outsider {
    Everyone,
    Account(String),
}

fn outsiders(look: &Look<'_>, statement: &Statement) -> Vec<Outsider> {
    let Some(principals) = &statement.principals else { return Vec::new() };
    let narrows = |condition: &Condition| match &condition.operator {
        Operator::Known { test, if_exists, .. } => {
            !test.is_negated()
                && !if_exists
                && NARROWING.contains(&condition.key.to_lowercase().as_str())
                && condition.values.iter().all(|value| value.text != "*")
        }
        Operator::Unmodelled(_) => false,
    };
    if principals.negated || principals.who.contains(&Who::Everyone) {
        return match statement.conditions.iter().any(narrows) {
            true => Vec::new(),
            false => vec![Outsider::Everyone],
        };
    }
    let others = principals.who.iter().filter_map(|who| super::access::of_another(look, who));
    others.map(Outsider::Account).collect()
}

/// What a key's policy lets others do. To delete a key, to switch it off or to write its policy KMS lets nobody of another
/// account, whatever the policy says; but it lets everybody of this one.
pub fn access(look: &Look<'_>, report: &mut Report) {
    let destroyers = || DESTROYERS.iter().filter(|row| row.on == On::Key).map(|row| row.action);
    for bucket in look.buckets() {
        for key in keys(look, &bucket) {
            let Stands::For(arn) = look.evidence.stands(&key.named) else { continue };
            let Some(policy) = look.evidence.keys.get(arn).and_then(|facts| facts.policy.known()) else {
                continue;
            };
            let mut evidence = Vec::new();
            let mut severity = Severity::Low;
            let is_allow = |statement: &&Statement| statement.effect == Effect::Allow;
            for statement in policy.statements.iter().filter(is_allow) {
                let destroys: Vec<&str> =
                    destroyers().filter(|action| statement.may_concern(action)).collect();
                for outsider in outsiders(look, statement) {
                    let (who, worst) = match (outsider, destroys.is_empty()) {
                        (Outsider::Everyone, false) => ("everyone".to_owned(), Severity::Critical),
                        (Outsider::Everyone, true) => ("everyone".to_owned(), Severity::High),
                        (Outsider::Account(name), false) => (name, Severity::High),
                        (Outsider::Account(name), true) => (name, Severity::Medium),
                    };
                    severity = severity.max(worst);
                    let place = super::access::place(statement);
                    let what = match destroys.as_slice() {
                        [] => "to use it".to_owned(),
                        list => list.join(", "),
                    };
                    evidence.push(format!("{arn}: {place} allows {who} {what}"));
                }
            }
            if evidence.is_empty() {
                continue;
            }
            let title = match severity {
                Severity::Critical => {
                    "the policy of the backups' key is open to everyone: whoever is in this account may \
                                       take the key away"
                }
                Severity::High => {
                    "the policy of the backups' key gives to others what none but its keepers should hold"
                }
                _ => {
                    "another account may use the key of the backups: with a copy of them it reads everything"
                }
            };
            report.add(
                severity,
                bucket.subject.clone(),
                title,
                evidence,
                "take the statement out of the key's policy, or name who needs the key, and only to use it",
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
