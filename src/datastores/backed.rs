//! What every datastore has in common that a host's cron backs up, and the resources that follow from it: backup
//! directory, job file, cron entries. Pure.
//!
//! Place on the data's path: each datastore's settings hold a [`Backed`], and its `desired.rs` asks [`pieces`] for the
//! resources. Must never know how one of them is dumped: that is the [`Source`] which it is handed.

use std::collections::{BTreeMap, BTreeSet};

use super::job_file::{self, JobFile, KeepLocal, Previous, Source, Upload};
use super::{JobTerms, Piece, job_path, watch};
use crate::resources::{Crontab, HostDirectory, HostFile, Resource, crontab, host_file};
use crate::vocab::{
    BucketName, Datastore, HostName, Id, JobCommand, JobKind, Kind, OsUser, Place, Schedule, Tier, Value,
};

/// Backups as the settings want them. Where they are off the rest is what would hold if they were on, for `show
/// settings`.
#[derive(Clone, Debug)]
pub struct Backed {
    pub datastore: Datastore,
    pub on: bool,
    /// Where the switch stands, for reasons and held items.
    pub switch: Option<Place>,
    /// Who makes the backups, less the hosts that are left out, in the inventory's order.
    pub hosts: Vec<HostName>,
    /// What names the hosts: a group such as `[pg_backup]`, or the key that lists them.
    pub hosts_from: String,
    /// As whom the job runs, and whose the backups are.
    pub user: OsUser,
    /// The backup directory: absolute, no `..`, no character that a shell or cron reads.
    pub directory: String,
    pub keep: KeepLocal,
    pub schedules: BTreeMap<Tier, Schedule>,
    /// The bucket of the second copy, where one is known, and whether it is used.
    pub bucket: Option<BucketName>,
    pub s3: bool,
}

impl Backed {
    /// The bucket that is uploaded to.
    pub fn upload(&self) -> Option<&BucketName> {
        self.bucket.as_ref().filter(|_| self.s3)
    }
}

/// What each host needs, in the order host, kind. Empty while the switch is off. `programs` are those of PostgreSQL
/// without which a host cannot do the job; `source` says how a host dumps.
pub fn pieces(
    backed: &Backed,
    terms: &JobTerms<'_>,
    programs: &'static [&'static str],
    source: impl Fn(&HostName) -> Source,
) -> Vec<Piece> {
    let (true, Ok(root)) = (backed.on, "root".parse::<OsUser>()) else { return Vec::new() };
    let host = HostPieces { backed, terms, root, programs };
    backed.hosts.iter().flat_map(|name| host.pieces(name, source(name))).collect()
}

struct HostPieces<'a> {
    backed: &'a Backed,
    terms: &'a JobTerms<'a>,
    root: OsUser,
    programs: &'static [&'static str],
}

impl HostPieces<'_> {
    fn name(&self) -> &str {
        self.backed.datastore.as_str()
    }

    fn pieces(&self, host: &HostName, source: Source) -> Vec<Piece> {
        let id = |kind, name: &str| Id::on_host(kind, host.clone(), name);
        let job_files = id(Kind::HostDirectory, "job-files");
        let backups = id(Kind::HostDirectory, self.name());
        let job_file = id(Kind::HostFile, self.name());
        let piece = |id, resource, needs: &[&Id], secret| Piece {
            id,
            resource,
            needs: needs.iter().map(|id| (*id).clone()).collect::<BTreeSet<Id>>(),
            secret,
            programs: &[],
        };
        let file = self.job_file(host, source);
        // A locked vault may hold what alerts need, whatever is uploaded.
        let secret = true;
        let mut pieces = vec![
            piece(job_files.clone(), Resource::HostDirectory(self.job_files()), &[], false),
            piece(backups.clone(), Resource::HostDirectory(self.backups()), &[], false),
            piece(job_file.clone(), Resource::HostFile(self.file(&file)), &[&job_files], secret),
        ];
        if let Some(crontab) = Crontab::of(self.entries()) {
            let id = id(Kind::Crontab, self.name());
            let entries = piece(id, Resource::Crontab(crontab), &[&backups, &job_file], false);
            pieces.push(Piece { programs: self.programs, ..entries });
        }
        pieces
    }

    /// Job files are their service users' own; the directory only has to be passed through.
    fn job_files(&self) -> HostDirectory {
        let path = host_file::directory(self.terms.environment);
        HostDirectory { path, owner: self.root.clone(), group: self.root.clone(), mode: 0o755 }
    }

    /// A backup holds everything that its source holds, so nobody else may enter.
    fn backups(&self) -> HostDirectory {
        let Backed { directory, user, .. } = self.backed;
        HostDirectory { path: directory.clone(), owner: user.clone(), group: user.clone(), mode: 0o700 }
    }

    fn job_file(&self, host: &HostName, source: Source) -> JobFile {
        let Backed { datastore, directory, keep, .. } = self.backed;
        let terms = self.terms;
        let upload = |name: &BucketName| Upload {
            bucket: name.clone(),
            region: terms.regions.get(name).cloned(),
            endpoint: terms.endpoint.map(str::to_owned),
            account: terms.account.cloned(),
            versioned: terms.versioned_keys,
        };
        let present = self.backed.upload();
        let earlier = terms.previous_buckets.iter().filter(|name| present != Some(name));
        let file = JobFile {
            version: job_file::VERSION,
            environment: terms.environment.clone(),
            host: host.clone(),
            datastore: datastore.clone(),
            source,
            directory: directory.clone(),
            compression: terms.compression,
            keep: *keep,
            upload: present.map(upload),
            verify: terms.verify.get(datastore).map(|(verify, _)| verify.clone()).unwrap_or_default(),
            services: terms.services.get(datastore).cloned(),
            previous: Previous {
                names: terms.previous_names.clone(),
                // Where one lives whose settings say nothing, the store tells.
                buckets: earlier.map(upload).collect(),
            },
            schedules: BTreeMap::new(),
            alerts: job_file::Alerts::default(),
            objectives: job_file::Objectives::default(),
        };
        terms.watching.fill(file, &self.backed.schedules)
    }

    fn file(&self, file: &JobFile) -> HostFile {
        // A job file is plain data: it always serialises to an object.
        let members = match serde_json::to_value(file) {
            Ok(serde_json::Value::Object(members)) => members,
            _ => serde_json::Map::new(),
        };
        let mut secrets = match file.upload {
            Some(_) => self.terms.secrets.clone(),
            None => BTreeMap::new(),
        };
        secrets.extend(self.terms.watching.secrets.clone());
        let logins = file.source.logins().iter();
        secrets.extend(
            logins.filter_map(|name| Some(((*name).to_owned(), self.terms.logins.get(*name)?.clone()))),
        );
        HostFile {
            path: job_path(self.terms.environment, self.name()),
            owner: self.backed.user.clone(),
            group: self.backed.user.clone(),
            mode: 0o600,
            body: host_file::Body::Members {
                members: members
                    .iter()
                    .map(|(name, value)| (name.clone(), Value::from_json(value)))
                    .collect(),
                secrets,
            },
        }
    }

    fn entries(&self) -> Vec<crontab::Entry> {
        let entry = |job, tier, schedule: &Schedule| crontab::Entry {
            schedule: schedule.clone(),
            user: self.backed.user.clone(),
            command: JobCommand {
                job,
                datastore: self.backed.datastore.clone(),
                tier,
                job_file: Some(job_path(self.terms.environment, self.name())),
            },
        };
        let backups = self.backed.schedules.iter();
        let backups = backups.map(|(tier, schedule)| entry(JobKind::Backup, Some(*tier), schedule));
        let proof = self.terms.verify.get(&self.backed.datastore).and_then(|(_, schedule)| schedule.as_ref());
        let proof = proof.map(|schedule| entry(JobKind::Verify, None, schedule));
        let check = watch::entry(self.terms.environment, &self.backed.datastore, &self.backed.user);
        backups.chain(proof).chain(check).collect()
    }
}
