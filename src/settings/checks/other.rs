//! Checks about who makes backups and how long they stay.

use super::{Context, table};
use crate::vocab::{Problem, Tier};

/// Half of the real environments have exactly this, and nobody noticed.
pub(super) fn backups_that_no_host_makes(context: &Context<'_>) -> Option<Problem> {
    let postgresql = &context.settings.postgresql;
    if !context.whole_environment || postgresql.method.is_none() || !postgresql.hosts.is_empty() {
        return None;
    }
    let problem = |message: &str| context.key(table::NO_HOST, "backup_postgres", message);
    if !context.has_inventory {
        return problem("PostgreSQL's backups are on, but there is no inventory, so no host makes them")
            .map(|problem| problem.helped("add inventory.ini with the hosts under [pg_backup]"));
    }
    let skipped = context.settings.inventory.groups.get("pg_backup").is_some_and(|hosts| !hosts.is_empty());
    if skipped {
        return problem(
            "PostgreSQL's backups are on, but every host of [pg_backup] is also in [ansible_skip]",
        )
        .map(|problem| {
            problem.helped("take one of them out of [ansible_skip], or set backup_postgres: false")
        });
    }
    problem("PostgreSQL's backups are on, but no host is in [pg_backup], so nothing is backed up").map(
        |problem| {
            problem.helped("list the hosts under [pg_backup] in the inventory, or set backup_postgres: false")
        },
    )
}

pub(super) fn both_elasticsearch_repositories(context: &Context<'_>) -> Option<Problem> {
    if !context.flat.is("backup_es_s3") || !context.flat.is("es_local_repo") {
        return None;
    }
    let message = "snapshots go either to a bucket or to a local directory, and both are switched on";
    context
        .key(table::TWO_REPOSITORIES, "es_local_repo", message)
        .map(|problem| problem.helped("set backup_es_s3 or es_local_repo to false"))
}

/// Written so, it is a slip; the default does the same, and is commcare-cloud's.
pub(super) fn hourly_backups_that_go_at_once(context: &Context<'_>) -> Option<Problem> {
    let every = context.flat.count("nadir_hour_frequency")?;
    let hours = context.settings.postgresql.keep.hours;
    let is_hourly = context.settings.postgresql.schedules.contains_key(&Tier::Hourly);
    if context.settings.postgresql.method.is_none() || !is_hourly || hours >= every {
        return None;
    }
    let message = format!("hourly backups are made every {every} hours and kept for {hours}");
    let problem = context.value(table::SHORT_RETENTION, "postgresql_backup_hours", message)?;
    Some(problem.helped(format!("the newest always stays; to keep more, set {every} or more")))
}
