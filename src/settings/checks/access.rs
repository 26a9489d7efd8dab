//! Checks of who may write and who may destroy.

use super::stores::below;
use super::{Context, table};
use crate::settings::Origin;
use crate::settings::declared::{Identity, Who};
use crate::vocab::Problem;

/// Whoever breaks the glass is spared by every lock, so a role that writes backups every night must not be it.
pub(super) fn writers_that_break_the_glass(context: &Context<'_>) -> Vec<Problem> {
    let declared = &context.settings.backups.declared;
    let breaks =
        |name: &str| declared.break_glass.iter().any(|role| role.arn.rsplit('/').next() == Some(name));
    let problem = |identity: &Identity| {
        let Who::Role { name, .. } = &identity.who else { return None };
        let message = "this role writes backups, and break_glass lets it destroy them past every lock";
        let at = identity.at.to_string();
        let problem = context.at_spot(
            table::WRITER_BREAKS_GLASS,
            &below(&["identities", at.as_str(), "role"]),
            message,
        );
        breaks(name).then(|| problem.helped("give the writer a role of its own, or break_glass another one"))
    };
    declared.identities.iter().filter_map(problem).collect()
}

/// Told only where the lock is written down: it is on by default, and every plan holds it until somebody may lift it.
pub(super) fn locks_without_break_glass(context: &Context<'_>) -> Vec<Problem> {
    let backups = &context.settings.backups;
    if !backups.declared.break_glass.is_empty() {
        return Vec::new();
    }
    let asked = backups.buckets.iter().filter(|(name, bucket)| {
        let written = backups.values.get(&format!("backups.buckets.{name}.versioning_lock"));
        bucket.versioning_lock && written.is_some_and(|value| value.from != Origin::Default)
    });
    let problem = |name: &str| {
        let message = "nobody could lift this lock, so it is not written";
        let spot = below(&["buckets", name, "versioning_lock"]);
        context
            .at_spot(table::NOBODY_LIFTS, &spot, message)
            .helped("name the role that may in backups.break_glass")
    };
    asked.map(|(name, _)| problem(name.as_str())).collect()
}
