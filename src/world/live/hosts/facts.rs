//! What a machine says of itself -> what the plan must know of it.

use chrono::{DateTime, Utc};

use crate::clients::host::{Facts, Question};
use crate::clients::machine;
use crate::resources::Resource;
use crate::state::{Cron, HostFacts, Room};
use crate::vocab::JobCommand;

/// What a wanted thing makes us ask of its machine.
pub(super) fn needed_by(like: &Resource, question: &mut Question) {
    match like {
        Resource::Program(_) => question.program = Some(JobCommand::PROGRAM.to_owned()),
        Resource::HostDirectory(directory) => {
            question.users.insert(directory.owner.to_string());
            question.space.insert(directory.path.clone());
        }
        Resource::HostFile(file) => _ = question.users.insert(file.owner.to_string()),
        Resource::Crontab(crontab) => {
            question.users.extend(crontab.entries.values().map(|entry| entry.user.to_string()));
            question.postgresql.extend(PROGRAMS.map(str::to_owned));
        }
        Resource::SnapshotRepository(_) | Resource::Bucket(_) | Resource::Role(_) | Resource::User(_) => {}
    }
}

/// PostgreSQL's programs that jobs use.
const PROGRAMS: [&str; 3] = ["pg_basebackup", "pg_dumpall", "psql"];

/// The facts of a machine that was asked at `begun` and had answered at `ended`.
pub(super) fn of(facts: &Facts, begun: DateTime<Utc>, ended: DateTime<Utc>) -> HostFacts {
    // It read its clock somewhere in between.
    let ours = (begun + (ended - begun) / 2).timestamp();
    HostFacts {
        zone: machine::zone_of(facts.localtime.as_deref(), facts.timezone.as_deref()),
        cron: cron(facts),
        hostname: facts.hostname.clone(),
        architecture: facts.architecture.clone(),
        clock_ahead: facts.clock.map(|clock| clock - ours),
        identity: identity(facts),
        users: Some(facts.users.clone()),
        postgresql: Some(facts.postgresql.clone()),
        curl: Some(facts.has_curl),
        space: facts
            .space
            .iter()
            .map(|(directory, space)| (directory.clone(), Room { free: space.free, total: space.total }))
            .collect(),
    }
}

fn cron(facts: &Facts) -> Cron {
    // The one of busybox reads users' crontabs alone (its source: miscutils/crond.c).
    let reads = |(_, program): &&(String, String)| !program.ends_with("/busybox");
    match (facts.crons.iter().find(reads), facts.crons.first(), facts.has_cron_d) {
        (_, _, false) => Cron::Missing(
            "it has no /etc/cron.d, so no cron would read the entries: install one that does".to_owned(),
        ),
        (Some((name, _)), _, true) => Cron::Runs(name.clone()),
        (None, Some(_), true) => Cron::Missing(
            "its cron is busybox's, which does not read /etc/cron.d: install another, such as cronie"
                .to_owned(),
        ),
        (None, None, true) => Cron::Missing(
            "no cron is running there, so nothing would start the backups: install and start one".to_owned(),
        ),
    }
}

/// A machine's number alone is not enough: machines that were copied have the same one.
fn identity(facts: &Facts) -> Option<String> {
    let (identity, hostname) = (facts.identity.as_ref()?, facts.hostname.as_ref()?);
    Some(format!("{identity} {hostname}"))
}
