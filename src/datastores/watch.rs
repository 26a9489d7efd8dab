//! How the backups of a datastore are looked after: what its job file says of it, and the entry of its checks. Pure, and
//! the same for every datastore that a host's cron backs up.

use std::collections::BTreeMap;

use super::job_file::{Alerts, JobFile, Objectives};
use super::job_path;
use crate::resources::crontab;
use crate::vocab::{Datastore, Environment, JobCommand, JobKind, OsUser, Schedule, SecretDigest, Tier};

/// When checks run, as commcare-cloud has it.
pub const CHECKS: &str = "0 3,7,11,15,19,23 * * *";

/// Who is told, and what the backups are held to.
#[derive(Clone, Debug, Default)]
pub struct Watching {
    pub alerts: Alerts,
    pub objectives: Objectives,
    /// Of datastores that have their own; what they leave out is as for all.
    pub own_objectives: BTreeMap<String, Objectives>,
    /// Digests of what alerts need and nobody may see.
    pub secrets: BTreeMap<String, SecretDigest>,
}

impl Watching {
    /// Writes into a job file what its checks and alerts need.
    pub fn fill(&self, file: JobFile, schedules: &BTreeMap<Tier, Schedule>) -> JobFile {
        let own = self.own_objectives.get(file.datastore.as_str()).copied().unwrap_or_default();
        let objectives = Objectives {
            recovery_point: own.recovery_point.or(self.objectives.recovery_point),
            verified_within: own.verified_within.or(self.objectives.verified_within),
        };
        JobFile { schedules: schedules.clone(), alerts: self.alerts.clone(), objectives, ..file }
    }
}

/// The entry of a datastore's checks, as the user that makes its backups.
pub fn entry(environment: &Environment, datastore: &Datastore, user: &OsUser) -> Option<crontab::Entry> {
    Some(crontab::Entry {
        schedule: CHECKS.parse().ok()?,
        user: user.clone(),
        command: JobCommand {
            job: JobKind::Check,
            datastore: datastore.clone(),
            tier: None,
            job_file: Some(job_path(environment, datastore.as_str())),
        },
    })
}
