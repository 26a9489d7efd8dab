//! PostgreSQL's settings -> the resources on each of its hosts: backup directory, job file, cron entries. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{Method, Postgresql, PostgresqlSource};
use crate::datastores::job_file::{self, JobFile, Previous, Source, Upload, Verify};
use crate::datastores::{JobTerms, Piece, job_path, watch};
use crate::resources::{Crontab, HostDirectory, HostFile, Resource, crontab, host_file};
use crate::vocab::{BucketName, Datastore, HostName, Id, JobCommand, JobKind, Kind, OsUser, Value};

/// The datastore's name, in ids and on the command line.
pub const NAME: &str = "postgresql";

/// What each host needs, in the order host, kind. Empty while the switch is off.
pub fn pieces(settings: &Postgresql, terms: &JobTerms<'_>) -> Vec<Piece> {
    let Some(method) = settings.method else { return Vec::new() };
    let (Ok(datastore), Ok(root)) = (NAME.parse::<Datastore>(), "root".parse::<OsUser>()) else {
        return Vec::new();
    };
    let host = HostPieces { settings, terms, datastore, root };
    let source =
        |name: &HostName| PostgresqlSource { method, read_from: settings.read_from.get(name).cloned() };
    settings.hosts.iter().flat_map(|name| host.pieces(name, source(name))).collect()
}

struct HostPieces<'a> {
    settings: &'a Postgresql,
    terms: &'a JobTerms<'a>,
    datastore: Datastore,
    root: OsUser,
}

impl HostPieces<'_> {
    fn pieces(&self, host: &HostName, source: PostgresqlSource) -> Vec<Piece> {
        let id = |kind, name: &str| Id::on_host(kind, host.clone(), name);
        let job_files = id(Kind::HostDirectory, "job-files");
        let backups = id(Kind::HostDirectory, NAME);
        let job_file = id(Kind::HostFile, NAME);
        let programs: &[&str] = match source.method {
            Method::Plain => &["pg_basebackup", "psql"],
            Method::Dump => &["pg_dumpall", "psql"],
        };
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
            let entries =
                piece(id(Kind::Crontab, NAME), Resource::Crontab(crontab), &[&backups, &job_file], false);
            pieces.push(Piece { programs, ..entries });
        }
        pieces
    }

    /// Job files are their service users' own; the directory only has to be passed through.
    fn job_files(&self) -> HostDirectory {
        let path = host_file::directory(self.terms.environment);
        HostDirectory { path, owner: self.root.clone(), group: self.root.clone(), mode: 0o755 }
    }

    /// A backup holds everything that the database holds, so nobody else may enter.
    fn backups(&self) -> HostDirectory {
        let Postgresql { directory, user, .. } = self.settings;
        HostDirectory { path: directory.clone(), owner: user.clone(), group: user.clone(), mode: 0o700 }
    }

    fn job_file(&self, host: &HostName, source: PostgresqlSource) -> JobFile {
        let Postgresql { directory, keep, bucket, s3, .. } = self.settings;
        let terms = self.terms;
        let upload = |name: &BucketName, region| Upload {
            bucket: name.clone(),
            region,
            endpoint: terms.endpoint.map(str::to_owned),
            account: terms.account.cloned(),
            versioned: terms.versioned_keys,
        };
        let earlier = terms.previous_buckets.iter().filter(|name| !s3 || *name != bucket);
        let file = JobFile {
            version: job_file::VERSION,
            environment: terms.environment.clone(),
            host: host.clone(),
            datastore: self.datastore.clone(),
            source: Source::Postgresql(source),
            directory: directory.clone(),
            compression: terms.compression,
            keep: *keep,
            upload: s3.then(|| upload(bucket, terms.regions.get(bucket).cloned())),
            verify: Verify::default(),
            previous: Previous {
                names: terms.previous_names.clone(),
                // Where one lives whose settings say nothing, the store tells.
                buckets: earlier.map(|name| upload(name, terms.regions.get(name).cloned())).collect(),
            },
            schedules: BTreeMap::new(),
            alerts: job_file::Alerts::default(),
            objectives: job_file::Objectives::default(),
        };
        terms.watching.fill(file, &self.settings.schedules)
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
        HostFile {
            path: job_path(self.terms.environment, NAME),
            owner: self.settings.user.clone(),
            group: self.settings.user.clone(),
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
        let entry = |tier, schedule: &crate::vocab::Schedule| crontab::Entry {
            schedule: schedule.clone(),
            user: self.settings.user.clone(),
            command: JobCommand {
                job: JobKind::Backup,
                datastore: self.datastore.clone(),
                tier: Some(tier),
                job_file: Some(job_path(self.terms.environment, NAME)),
            },
        };
        let backups = self.settings.schedules.iter().map(|(tier, schedule)| entry(*tier, schedule));
        let check = watch::entry(self.terms.environment, &self.datastore, &self.settings.user);
        backups.chain(check).collect()
    }
}
