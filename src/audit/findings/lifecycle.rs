//! Rules by which the storage itself removes backups, whoever wrote them.

use super::{BackupBucket, Look, Report, Severity};
use crate::audit::bucket::LifecycleRule;
use crate::vocab::{KeepVersions, Versioning};

fn rules<'a>(bucket: &BackupBucket<'a>) -> impl Iterator<Item = &'a LifecycleRule> {
    bucket.facts.lifecycle.known().into_iter().flatten().filter(|rule| rule.enabled)
}

/// What a rule covers, in words.
fn scope(rule: &LifecycleRule) -> String {
    let mut words = match rule.prefix.as_str() {
        "" => "every object".to_owned(),
        prefix => format!("keys that begin with {prefix}"),
    };
    if !rule.tags.is_empty() {
        let tags: Vec<String> = rule.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        words.push_str(&format!(" with the tag {}", tags.join(" and ")));
    }
    words
}

/// What settings keep within a rule's prefix: of several prefixes the one that keeps longest. `None` is for ever.
fn kept(bucket: &BackupBucket<'_>, rule: &LifecycleRule) -> Option<KeepVersions> {
    let mut longest: Option<KeepVersions> = None;
    let exact = bucket.terms.keep.iter().find(|(prefix, _)| rule.prefix.starts_with(prefix.as_str()));
    if let Some((_, keep)) = exact {
        return Some(*keep);
    }
    // A rule for more than one prefix: all of what lies below must be limited for the rule to be in order.
    if rule.prefix.is_empty() || bucket.terms.keep.is_empty() {
        return None;
    }
    for (_, keep) in bucket.terms.keep.iter().filter(|(prefix, _)| prefix.starts_with(&rule.prefix)) {
        longest = Some(longest.map_or(*keep, |known| if keep.days > known.days { *keep } else { known }));
    }
    longest
}

pub fn ends_versions(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        for rule in rules(&bucket) {
            let Some(days) = rule.noncurrent_days else { continue };
            let kept = kept(&bucket, rule);
            let is_early =
                kept.is_none_or(|keep| days < keep.days || (rule.newest < keep.newest && days <= keep.days));
            if !is_early {
                continue;
            }
            let newest = match rule.newest {
                0 => String::new(),
                newest => format!(", but for the newest {newest}"),
            };
            let wanted = match kept {
                None => "settings keep them for ever".to_owned(),
                Some(KeepVersions { days, newest: 0 }) => format!("settings keep them {days} days"),
                Some(KeepVersions { days, newest }) => {
                    format!("settings keep them {days} days, and the newest {newest} always")
                }
            };
            report.add(
                Severity::Critical,
                bucket.subject.clone(),
                format!("a lifecycle rule removes old versions after {}: {wanted}", days_words(days)),
                vec![format!("rule {}: {} after {}{newest}", rule.id, scope(rule), days_words(days))],
                format!("remove the rule {}, or say in keep_versions how long versions live", rule.id),
            );
        }
    }
}

fn days_words(days: u32) -> String {
    format!("{days} day{}", if days == 1 { "" } else { "s" })
}

pub fn expires_current(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        let versioned = bucket.facts.versioning.known() == Some(&Versioning::Enabled);
        for rule in rules(&bucket) {
            let Some(when) = &rule.expires_current else { continue };
            let (severity, what) = match versioned {
                true => (Severity::High, "hides"),
                false => (Severity::Critical, "deletes"),
            };
            report.add(
                severity,
                bucket.subject.clone(),
                format!("a lifecycle rule {what} the newest backups {when}, also when no newer one follows"),
                vec![format!("rule {}: {} expires {when}", rule.id, scope(rule))],
                format!("remove the rule {}: old versions go by keep_versions, the newest stays", rule.id),
            );
        }
    }
}
