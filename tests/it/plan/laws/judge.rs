//! The judge of law 10: it looks at the things themselves, not at what the planner says of them.

use reconcile::resources::bucket::{BucketObjectLock, VersionRule, VersioningLock};
use reconcile::resources::crontab::old::Keeps;
use reconcile::resources::host_file::Body;
use reconcile::resources::{Bucket, Crontab, HostFile, Resource, SnapshotRepository};
use reconcile::vocab::{Tier, Value, Versioning};

/// Whether somebody may destroy who could not before.
fn opened(before: &Bucket, after: &Bucket) -> Option<String> {
    let spared = |bucket: &Bucket| match &bucket.versioning_lock {
        Some(VersioningLock::Denies { missing, break_glass }) => Some((missing.clone(), break_glass.clone())),
        _ => None,
    };
    if let Some((missing, roles)) = spared(before) {
        match spared(after) {
            Some((missing_now, now)) if missing_now.is_subset(&missing) && now.is_subset(&roles) => {}
            // Who denies more asks for the word that nothing undoes it, and may name others then.
            _ => return Some("the versioning lock is weaker".to_owned()),
        }
    }
    match (&before.object_lock, &after.object_lock) {
        (Some(BucketObjectLock::Holds(old)), Some(BucketObjectLock::Holds(new)))
            if new.days < old.days || new.mode < old.mode =>
        {
            Some("object lock is weaker".to_owned())
        }
        _ => None,
    }
}

/// What makes a backup live shorter afterwards than before.
pub(super) fn shorter(before: &Resource, after: &Resource) -> Option<String> {
    match (before, after) {
        (Resource::Bucket(before), Resource::Bucket(after)) => {
            if let Some(why) = opened(before, after) {
                return Some(why);
            }
            if before.versioning == Some(Versioning::Enabled) && after.versioning != Some(Versioning::Enabled)
            {
                return Some("old versions are no longer kept".to_owned());
            }
            let before = before.keep_versions.clone().unwrap_or_default();
            after.keep_versions.clone().unwrap_or_default().into_iter().find_map(|(prefix, rule)| {
                let VersionRule::Keep(new) = rule else { return None };
                match before.get(&prefix) {
                    Some(VersionRule::Keep(old)) if new.days >= old.days && new.newest >= old.newest => None,
                    _ => Some(prefix),
                }
            })
        }
        // What leads elsewhere finds nothing of what it held.
        (Resource::SnapshotRepository(before), Resource::SnapshotRepository(after)) => {
            let place = |one: &SnapshotRepository| {
                (one.kind.clone(), one.bucket.clone(), one.base_path.clone(), one.location.clone())
            };
            (place(before) != place(after)).then(|| "the repository leads elsewhere".to_owned())
        }
        (Resource::HostFile(before), Resource::HostFile(after)) => {
            let number = |file: &HostFile, name: &str| match &file.body {
                Body::Members { members, .. } => {
                    members.get("keep").and_then(|keep| keep.get(name)).and_then(Value::as_number)
                }
                Body::Unrecognised(_) => None,
            };
            ["days", "weeks"]
                .into_iter()
                .find(|name| number(after, name) < number(before, name))
                .map(str::to_owned)
        }
        (Resource::Crontab(before), Resource::Crontab(after)) => {
            before.entries.keys().find(|entry| !after.entries.contains_key(*entry)).cloned()
        }
        _ => None,
    }
}

/// What an old entry did and nothing does any more, or does for less long.
pub(in crate::plan) fn lost_with_old(
    before: &Crontab,
    after: &Crontab,
    job_file: Option<&Resource>,
) -> Option<String> {
    let keep = match job_file {
        Some(Resource::HostFile(HostFile { body: Body::Members { members, .. }, .. })) => members.get("keep"),
        _ => None,
    };
    let ours = |name| keep.and_then(|keep| keep.get(name)).and_then(Value::as_number).unwrap_or(0);
    before.old.iter().filter(|line| !after.old.contains(line)).find_map(|line| {
        let another = before.old.iter().any(|other| {
            let minutes = |keeps| match keeps {
                Keeps::Days(days) => days * 24 * 60,
                Keeps::Minutes(minutes) => minutes,
                Keeps::ForEver | Keeps::AsScripted => u32::MAX,
            };
            other.tier == line.tier && minutes(other.keeps) < minutes(line.keeps)
        });
        let is_made = after.entries.values().any(|entry| entry.command.tier == line.tier);
        let is_kept = match (line.tier, line.keeps) {
            // What another entry removes earlier had no longer life.
            _ if another => true,
            (Some(Tier::Daily), Keeps::Days(days)) => i64::from(days) <= ours("days"),
            (Some(Tier::Weekly), Keeps::Days(days)) => i64::from(days) <= ours("weeks") * 7,
            (Some(Tier::Hourly), Keeps::Minutes(minutes)) => i64::from(minutes) <= ours("hours") * 60,
            _ => false,
        };
        (!is_made || !is_kept).then(|| format!("{line:?}"))
    })
}
