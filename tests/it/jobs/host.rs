//! A host for a job: a folder, a job file, a clock that the test sets.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use chrono::{DateTime, TimeDelta, Utc};
use reconcile::datastores::job_file::{Compression, JobFile, KeepLocal, Source, Upload, VERSION};
use reconcile::datastores::postgresql::job::Connection;
use reconcile::datastores::postgresql::settings::{Method, PostgresqlSource};
use reconcile::datastores::tree::job::Elsewhere;
use reconcile::jobs::{Context, Manifest, Store};
use reconcile::vocab::Clock;
use tempfile::TempDir;

pub const DIRECTORY: &str = "/opt/data/backups/postgresql";

pub struct Host {
    pub context: Context,
    now: Arc<Mutex<DateTime<Utc>>>,
    _root: TempDir,
}

impl Host {
    pub fn new(method: Method) -> Self {
        Host::of("postgresql", DIRECTORY, Source::Postgresql(PostgresqlSource { method, read_from: None }))
    }

    /// Makes a bucket that keeps versions, and of it the host's second place. `versioned`: under undated keys.
    pub async fn upload_to(&mut self, client: &aws_sdk_s3::Client, bucket: &str, versioned: bool) {
        client.create_bucket().bucket(bucket).send().await.expect("a bucket");
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let put = client.put_bucket_versioning().bucket(bucket).versioning_configuration(enabled);
        put.send().await.expect("versioning");
        self.context.job.upload = Some(Upload {
            bucket: bucket.parse().expect("a bucket's name"),
            region: None,
            endpoint: None,
            account: None,
            versioned,
        });
        self.context.store = Some(Store { client: client.clone(), owner: None, owner_unknown: None });
    }

    /// A host of another datastore, with this backup directory.
    pub fn of(datastore: &str, directory: &str, source: Source) -> Self {
        let root = tempfile::tempdir().expect("folder");
        std::fs::create_dir_all(root.path().join(directory.trim_start_matches('/'))).expect("folder");
        let now = Arc::new(Mutex::new("2026-11-21T00:00:00Z".parse().expect("instant")));
        let clock = Clock::new({
            let now = now.clone();
            move || *now.lock().expect("clock")
        });
        let job = JobFile {
            version: VERSION,
            environment: "production".parse().expect("name"),
            host: "db1.example.org".parse().expect("name"),
            datastore: datastore.parse().expect("name"),
            source,
            directory: directory.to_owned(),
            compression: Compression::Gzip,
            keep: KeepLocal { days: 2, weeks: 2, hours: 1 },
            verify: Default::default(),
            services: None,
            previous: Default::default(),
            upload: None,
            schedules: Default::default(),
            alerts: Default::default(),
            objectives: Default::default(),
        };
        let context = Context {
            job,
            clock,
            zone: chrono_tz::Tz::UTC,
            hostname: "db1".to_owned(),
            root: root.path().to_owned(),
            store: None,
            postgresql: Connection::default(),
            couchdb: Default::default(),
            elasticsearch: Default::default(),
            elsewhere: Elsewhere::Ssh { config: None },
            stop: Default::default(),
            patience: reconcile::jobs::PATIENCE,
            threads: NonZeroUsize::new(2).expect("two"),
            log: Default::default(),
            run: String::new(),
            room: Default::default(),
            channels: Default::default(),
            written: None,
        };
        Host { context, now, _root: root }
    }

    /// A path of the host where it lies here.
    pub fn inside(&self, path: &str) -> PathBuf {
        self.context.root.join(path.trim_start_matches('/'))
    }

    pub fn pass(&self, time: TimeDelta) {
        *self.now.lock().expect("clock") += time;
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.context.directory().join(file)
    }

    /// The files in the backup directory, without the locks and what is remembered of alerts.
    pub fn files(&self) -> Vec<String> {
        let mut files: Vec<String> = std::fs::read_dir(self.context.directory())
            .expect("directory")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("utf-8"))
            .filter(|file| !file.starts_with(".reconcile-"))
            .collect();
        files.sort();
        files
    }

    pub fn manifest(&self, backup: &str) -> Manifest {
        let text = std::fs::read(self.path(&format!("{backup}.manifest.json"))).expect("manifest");
        serde_json::from_slice(&text).expect("manifest")
    }
}
