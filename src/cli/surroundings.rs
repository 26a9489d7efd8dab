//! What surrounds a job on this machine: its clock, zone, name and storage. The only place where a job's context comes
//! from the machine itself.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::Failure;
use super::place::Place;
use crate::clients::aws::{Aws, AwsSettings, Keys};
use crate::clients::aws_error::{AwsError, AwsErrorKind, aws_error};
use crate::clients::machine;
use crate::datastores::couchdb::job as couchdb;
use crate::datastores::job_file::{JobFile, Upload};
use crate::datastores::postgresql::job::{self as postgresql, Connection};
use crate::datastores::tree::job::Elsewhere;
use crate::jobs::job_file::{self, AccessKey, Loaded};
use crate::jobs::log::{About, Level, Log};
use crate::jobs::room::Room;
use crate::jobs::snapshot::ElasticsearchReach;
use crate::jobs::{self, Channels, Context, Earlier, JobError, Store};
use crate::settings::{Secrets, Settings, Vault};
use crate::vocab::{AccountId, BucketName, Datastore, HostName, NameError, RegionName};

/// Where `apply` writes job files.
const JOB_FILES: &str = "etc/reconcile";
/// The log of a host that is played.
const PLAYED_LOG: &str = "var/log/reconcile.log";

/// A name that no other run has: so short that somebody can type it.
fn run() -> String {
    let token = machine::random_token().unwrap_or_else(|_| format!("process-{}", std::process::id()));
    token.chars().take(12).collect()
}

/// The host that a job runs on: this machine, or a folder of the sandbox.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub zone: Tz,
    pub hostname: String,
    pub root: PathBuf,
    /// The clients' settings without keys or endpoint, and the clock.
    pub aws: AwsSettings,
    pub postgresql: Connection,
    pub elasticsearch: ElasticsearchReach,
    /// How other hosts are reached.
    pub elsewhere: Elsewhere,
    /// Whether there is a PostgreSQL to ask: a sandbox may play none.
    pub has_server: bool,
    pub log: Log,
    /// The name of this run.
    pub run: String,
    /// Where letters and pings go in place of the world.
    pub outbox: Option<PathBuf>,
}

impl Surroundings {
    /// This machine as it is, or the sandbox's host of that name.
    pub fn of(place: &Place, host: Option<&HostName>) -> Result<Self, Failure> {
        Ok(match (place, host) {
            (Place::World, _) => Surroundings {
                zone: machine::zone(),
                hostname: machine::hostname(),
                root: PathBuf::from("/"),
                aws: place.aws(),
                postgresql: Connection::default(),
                elasticsearch: ElasticsearchReach::default(),
                elsewhere: Elsewhere::Ssh { config: None },
                has_server: true,
                log: Log::machine(),
                run: run(),
                outbox: None,
            },
            (Place::Sandbox(sandbox), Some(host)) => {
                let server = sandbox.config().postgresql.clone();
                Surroundings {
                    zone: sandbox.config().time_zone,
                    hostname: host.to_string(),
                    root: sandbox.host_dir(host),
                    elsewhere: Elsewhere::Folders(sandbox.hosts_dir()),
                    elasticsearch: ElasticsearchReach {
                        network: Some(sandbox.elasticsearch(host).network()),
                        ..ElasticsearchReach::default()
                    },
                    aws: place.aws(),
                    has_server: server.is_some(),
                    postgresql: server.map_or_else(Connection::default, |server| Connection {
                        host: Some(server.host),
                        port: Some(server.port),
                        user: Some(server.user),
                        ..Connection::default()
                    }),
                    // The machine's own log has nothing to do with a host that is played.
                    log: Log::File(sandbox.host_dir(host).join(PLAYED_LOG)),
                    run: run(),
                    outbox: Some(sandbox.outbox()),
                }
            }
            (Place::Sandbox(_), None) => {
                return Err(Failure::usage(
                    "in a sandbox cron is played by `reconcile sandbox run HOST`, which says on which host a job runs",
                ));
            }
        })
    }

    /// Whether cron runs this, where only what is wrong is worth a mail: it gives its jobs neither a terminal nor the name of
    /// one (crontab(5)). In the sandbox somebody looks on.
    pub fn is_under_cron(&self) -> bool {
        use std::io::IsTerminal;
        let has_terminal = std::io::stdout().is_terminal() || std::io::stderr().is_terminal();
        self.outbox.is_none() && !has_terminal && std::env::var_os("TERM").is_none()
    }

    /// Reads the job file and makes the context of its job: the one named, else the only one of the datastore.
    pub async fn context(&self, named: Option<&str>, datastore: &Datastore) -> Result<Context, Failure> {
        let path = match named {
            Some(path) => self.inside(path),
            None => self.only_job_file(datastore)?,
        };
        let Loaded { job, keys, alerts, logins } = job_file::read(&path).map_err(|error| self.tell(error))?;
        if job.datastore != *datastore {
            return Err(Failure::usage(format!(
                "the job file {} is of {}, not of {datastore}",
                path.display(),
                job.datastore
            )));
        }
        let store = match &job.upload {
            Some(upload) => Some(self.store(upload, forced(keys)).await?),
            None => None,
        };
        Ok(Context {
            elasticsearch: ElasticsearchReach {
                login: logins.elasticsearch.clone(),
                ..self.elasticsearch.clone()
            },
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            log: self.log.clone(),
            channels: Channels { secrets: alerts, outbox: self.outbox.clone(), sendmail: None },
            written: std::fs::metadata(&path)
                .and_then(|file| file.modified())
                .ok()
                .map(DateTime::<Utc>::from),
            postgresql: Connection {
                logins: postgresql::Logins { backup: logins.backup, replication: logins.replication },
                ..self.postgresql.clone()
            },
            couchdb: couchdb::Server { login: logins.couch, ..couchdb::Server::default() },
            ..self.quiet(job, store)
        })
    }

    /// What surrounds a job that only looks, and tells nobody.
    fn quiet(&self, job: JobFile, store: Option<Store>) -> Context {
        Context {
            job,
            clock: self.aws.clock.clone(),
            zone: self.zone,
            hostname: self.hostname.clone(),
            root: self.root.clone(),
            store,
            postgresql: self.postgresql.clone(),
            couchdb: couchdb::Server::default(),
            elasticsearch: self.elasticsearch.clone(),
            elsewhere: self.elsewhere.clone(),
            stop: jobs::Stop::of_process(),
            patience: jobs::PATIENCE,
            threads: NonZeroUsize::MIN,
            log: Log::Nowhere,
            run: self.run.clone(),
            room: Room::default(),
            channels: Channels::default(),
            written: None,
        }
    }

    /// A host that cannot be asked, as far as this machine knows it: its bucket, by this machine's own credentials.
    pub fn afar(place: &Place, host: &HostName) -> Result<Self, Failure> {
        let here = Surroundings::of(place, Some(host))?;
        // Nothing of this machine's files is the host's.
        let root = PathBuf::from("/nonexistent");
        Ok(Surroundings { hostname: host.to_string(), zone: Tz::UTC, root, log: Log::Nowhere, ..here })
    }

    /// The context of a job whose file is known from settings alone.
    pub async fn context_of(&self, job: JobFile, settings: &Settings) -> Result<Context, Failure> {
        let keys = match &settings.vault {
            Vault::Open { secrets: Secrets { s3: Some(keys), .. }, .. } => {
                Some(Keys::Fallback { access: keys.access_key.clone(), secret: keys.secret_key.clone() })
            }
            _ => None,
        };
        let store = match &job.upload {
            Some(upload) => Some(self.store(upload, keys).await?),
            None => None,
        };
        Ok(self.quiet(job, store))
    }

    /// Every job file on this host, by what it backs up.
    pub fn job_files(&self) -> Result<Vec<(Datastore, String)>, Failure> {
        let directory = self.root.join(JOB_FILES);
        let environments = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        let files =
            environments.flat_map(|one| std::fs::read_dir(one.path()).into_iter().flatten().flatten());
        let mut found: Vec<(Datastore, String)> = files
            .filter_map(|file| {
                let path = file.path();
                let name = path.file_name()?.to_str()?.strip_suffix(".json")?.parse().ok()?;
                let inside = path.strip_prefix(&self.root).ok()?.to_str()?;
                path.is_file().then(|| (name, format!("/{inside}")))
            })
            .collect();
        found.sort();
        match found.is_empty() {
            true => Err(Failure::failed_with_help(
                format!("there is no job file in {}: this host backs nothing up", directory.display()),
                "run it with an environment (-e DIR), or on a host that `reconcile apply` has written to",
            )),
            false => Ok(found),
        }
    }

    /// The buckets that were uploaded to before, as the job file tells them.
    pub async fn earlier(&self, named: Option<&str>, datastore: &Datastore) -> Result<Vec<Earlier>, Failure> {
        let path = match named {
            Some(path) => self.inside(path),
            None => self.only_job_file(datastore)?,
        };
        let Loaded { job, keys, .. } = job_file::read(&path).map_err(|error| self.tell(error))?;
        let mut earlier = Vec::new();
        for upload in &job.previous.buckets {
            let store = Box::pin(self.store(upload, forced(keys.clone()))).await?;
            earlier.push(Earlier { bucket: upload.bucket.clone(), store });
        }
        Ok(earlier)
    }

    /// The client of the bucket, and who must own it: the account that the job file names, else the job's own.
    async fn store(&self, upload: &Upload, keys: Option<Keys>) -> Result<Store, Failure> {
        let aws = Box::pin(Aws::load(AwsSettings {
            endpoint: upload.endpoint.clone(),
            region: upload.region.clone().or_else(|| self.aws.region.clone()),
            keys,
            ..self.aws.clone()
        }))
        .await;
        let named = upload.account.clone();
        // What cannot be told the upload will say: the local backup must not wait for it.
        let owner = match (named, aws.is_aws()) {
            (Some(account), true) => Ok(Some(account)),
            (None, true) => Box::pin(own_account(&aws)).await.map(Some),
            (_, false) => Ok(None),
        };
        let region = match (upload, &owner) {
            (Upload { region: None, bucket, .. }, Ok(Some(owner))) => {
                Box::pin(region_of(&aws, bucket, Some(owner))).await
            }
            _ => upload.region.clone(),
        };
        let client = aws.s3_transfer(region.as_ref());
        Ok(match owner {
            Ok(owner) => Store { client, owner, owner_unknown: None },
            Err(why) => Store { client, owner: None, owner_unknown: Some(why) },
        })
    }

    /// A client for any bucket, with whatever credentials are found: for fetching with no environment. The key of an
    /// object alone is no reason to demand its bucket's owner.
    pub async fn store_of(place: &Place, bucket: &BucketName) -> Store {
        let aws = Box::pin(Aws::load(place.aws())).await;
        let region = match aws.is_aws() {
            true => Box::pin(region_of(&aws, bucket, None)).await,
            false => None,
        };
        Store { client: aws.s3_transfer(region.as_ref()), owner: None, owner_unknown: None }
    }

    /// The path of a host where it really lies.
    fn inside(&self, path: &str) -> PathBuf {
        let path = Path::new(path);
        match path.strip_prefix("/") {
            Ok(below) => self.root.join(below),
            // A relative path is a person's, and means their directory.
            Err(_) => path.to_owned(),
        }
    }

    fn only_job_file(&self, datastore: &Datastore) -> Result<PathBuf, Failure> {
        let directory = self.root.join(JOB_FILES);
        let mut found: Vec<PathBuf> = std::fs::read_dir(&directory)
            .into_iter()
            .flatten()
            .flatten()
            .map(|environment| environment.path().join(format!("{datastore}.json")))
            .filter(|path| path.is_file())
            .collect();
        found.sort();
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(Failure::failed_with_help(
                format!(
                    "there is no job file {}/*/{datastore}.json: this host has no such backups",
                    directory.display()
                ),
                "run `reconcile apply`, which writes it, or name another with --job FILE",
            )),
            (Some(last), false) => Err(Failure::usage(format!(
                "several environments back up {datastore} here ({} and {}): name one with --job FILE",
                found.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "),
                last.display()
            ))),
        }
    }

    fn tell(&self, error: JobError) -> Failure {
        let about = About { run: &self.run, ..About::default() };
        self.log.line(about, self.aws.clock.now(), Level::Error, &error.message);
        error.into()
    }
}

/// A job uploads as its own identity and no other.
fn forced(keys: Option<AccessKey>) -> Option<Keys> {
    keys.map(|keys| Keys::Forced { access: keys.access_key, secret: keys.secret_key })
}

/// The account that the job's own keys or role belong to.
async fn own_account(aws: &Aws) -> Result<AccountId, String> {
    let identity =
        aws.sts().get_caller_identity().send().await.map_err(|error| aws_error(&error).to_string())?;
    let account = identity.account().unwrap_or_default();
    account.parse().map_err(|error: NameError| error.to_string())
}

/// Where a bucket lives whose settings name no region: S3 tells it, and sends on nothing that is sent elsewhere.
async fn region_of(aws: &Aws, bucket: &BucketName, owner: Option<&AccountId>) -> Option<RegionName> {
    let head = aws
        .s3(None)
        .head_bucket()
        .bucket(bucket.as_str())
        .set_expected_bucket_owner(owner.map(ToString::to_string));
    match head.send().await.map_err(|error| aws_error(&error)) {
        Ok(found) => found.bucket_region().and_then(|region| region.parse().ok()),
        Err(AwsError { kind: AwsErrorKind::WrongRegion(region), .. }) => region,
        Err(_) => None,
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        let refused = error.is_refusal();
        let JobError { message, help, .. } = error;
        match refused {
            true => Failure::Refused { message, help },
            false => Failure::Failed { message, help },
        }
    }
}
