//! Locks: the versioning lock, who is spared by it, and object lock.

use super::{Look, Report, Severity};
use crate::audit::lock::{Lock, lock};
use crate::resources::bucket::BucketObjectLock;
use crate::vocab::{LockMode, ObjectLock};

const LOCK: &str = "list the bucket under backups.buckets with versioning_lock: true, name break_glass, then \
                    reconcile apply";

pub fn lock_absent(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        if lock(look.evidence, look.account, bucket.name, bucket.facts) == Lock::Absent {
            let evidence = match bucket.facts.policy.known() {
                Some(Some(_)) => "s3:GetBucketPolicy: no statement denies a destroyer action to everybody",
                _ => "s3:GetBucketPolicy: there is no policy",
            };
            report.add(
                Severity::High,
                bucket.subject,
                "no versioning lock: whoever holds s3:* destroys every backup with one call",
                vec![evidence.to_owned()],
                LOCK,
            );
        }
    }
}

pub fn lock_incomplete(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        if let Lock::Misses(missing) = lock(look.evidence, look.account, bucket.name, bucket.facts) {
            report.add(
                Severity::Critical,
                bucket.subject,
                format!("the lock misses {}", listed(&missing)),
                missing
                    .iter()
                    .map(|action| format!("{action} is not denied to everybody but break-glass"))
                    .collect(),
                LOCK,
            );
        }
    }
}

/// The first ones, and how many more.
fn listed(actions: &[&str]) -> String {
    match actions {
        [] | [_] | [_, _] | [_, _, _] => actions.join(", "),
        [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
    }
}

pub fn no_break_glass(look: &Look<'_>, report: &mut Report) {
    let wants_lock = look.terms.buckets.values().any(|bucket| bucket.lock == Some(true));
    if wants_lock && look.terms.break_glass.is_empty() {
        report.add(
            Severity::High,
            "account",
            "break_glass names no role, so no versioning lock can be written",
            vec!["settings: backups.break_glass is empty".to_owned()],
            "name the role of those who may destroy backups, and nobody else, under backups.break_glass",
        );
    }
}

pub fn break_glass_missing(look: &Look<'_>, report: &mut Report) {
    let Some(account) = look.evidence.identities.known() else { return };
    for arn in &look.terms.break_glass {
        // Roles of other accounts are not listed here, and cannot break this glass either.
        let is_missing = account.identities.iter().all(|identity| identity.arn != *arn);
        if is_missing && account.unread.is_empty() {
            report.add(
                Severity::High,
                arn.splitn(6, ':').nth(5).unwrap_or(arn).to_owned(),
                "the role may break the glass and does not exist: whoever makes it may destroy",
                vec![format!("backups.break_glass names {arn}, and the account has no such role")],
                "make the role, or take it out of break_glass",
            );
        }
    }
}

pub fn object_lock_absent(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        if bucket.facts.object_lock.known() != Some(&BucketObjectLock::None) {
            continue;
        }
        let (severity, evidence) = match &bucket.terms.object_lock {
            Some(wanted) => (Severity::High, format!("settings: {}; the bucket: none", words(wanted))),
            None => (Severity::Medium, "s3:GetBucketObjectLockConfiguration: none".to_owned()),
        };
        report.add(
            severity,
            bucket.subject,
            "no object lock: break-glass, and who becomes it, can delete versions at once",
            vec![evidence],
            "object_lock: {mode: governance, days: N} holds each new version for N days; it cannot be undone",
        );
    }
}

fn words(lock: &ObjectLock) -> String {
    format!("{} for {} days", lock.mode.name(), lock.days)
}

pub fn object_lock_short(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        let is = match bucket.facts.object_lock.known() {
            None | Some(BucketObjectLock::None) => continue,
            Some(BucketObjectLock::WithoutDefault) => "on, without default retention".to_owned(),
            Some(BucketObjectLock::Unrecognised(what)) => what.clone(),
            Some(BucketObjectLock::Holds(lock)) => match &bucket.terms.object_lock {
                Some(wanted) if is_less(lock, wanted) => words(lock),
                _ => continue,
            },
        };
        let wanted = bucket.terms.object_lock.as_ref().map(words);
        let wanted = wanted.unwrap_or_else(|| "some days at least".to_owned());
        report.add(
            Severity::High,
            bucket.subject,
            "object lock holds new versions for less than it should",
            vec![format!("settings: {wanted}; the bucket: {is}")],
            "say object_lock: {mode: .., days: ..} for the bucket, then reconcile apply",
        );
    }
}

fn is_less(lock: &ObjectLock, wanted: &ObjectLock) -> bool {
    let is_weaker = wanted.mode == LockMode::Compliance && lock.mode != LockMode::Compliance;
    lock.days < wanted.days || is_weaker
}

pub fn object_lock_new_only(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        if bucket.facts.oldest_is_held.known() == Some(&Some(false)) {
            report.add(
                Severity::Medium,
                bucket.subject,
                "object lock holds new versions only: older ones can be deleted",
                vec!["s3:GetObjectRetention of the oldest version that was looked at: none".to_owned()],
                "set a retention on the versions that are there (S3 Batch Operations), or wait until they have gone",
            );
        }
    }
}
