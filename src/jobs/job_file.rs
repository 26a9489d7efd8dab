//! Reading the job file that `apply` wrote: the mark, the version, the members, the secrets.
//!
//! No error quotes the file: it holds secrets.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use serde_json::{Map, Value};

use super::error::{JobError, Stage};
use crate::datastores::job_file::{
    JobFile, OLDEST, SECRET_ACCESS_KEY, SECRET_BACKUP_PASSWORD, SECRET_BACKUP_USERNAME,
    SECRET_COUCH_PASSWORD, SECRET_COUCH_USERNAME, SECRET_ELASTICSEARCH_PASSWORD,
    SECRET_ELASTICSEARCH_USERNAME, SECRET_PING_FAILURE, SECRET_PING_SUCCESS, SECRET_REPLICATION_PASSWORD,
    SECRET_REPLICATION_USERNAME, SECRET_SECRET_KEY, SECRET_SMTP_PASSWORD, SECRET_SMTP_USERNAME, VERSION,
};
use crate::vocab::{Login, Secret};

/// What no job file reaches.
const LIMIT: u64 = 4 << 20;

/// A job file, read.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub job: JobFile,
    /// The keys of the identity that uploads; `None` where the host has a role of its own.
    pub keys: Option<AccessKey>,
    pub alerts: AlertSecrets,
    pub logins: Logins,
}

/// As whom the server is asked that is backed up; none where it knows the job's user.
#[derive(Clone, Debug, Default)]
pub struct Logins {
    /// PostgreSQL on another host: to ask it, and to dump it.
    pub backup: Option<Login>,
    /// PostgreSQL on another host: to read its files.
    pub replication: Option<Login>,
    pub couch: Option<Login>,
    /// `None` where it asks nobody.
    pub elasticsearch: Option<Login>,
}

/// What alerts need and nobody may see.
#[derive(Clone, Debug, Default)]
pub struct AlertSecrets {
    /// At the mail server.
    pub smtp: Option<Login>,
    pub ping_success: Option<Secret>,
    pub ping_failure: Option<Secret>,
}

/// An access key of AWS.
#[derive(Clone, Debug)]
pub struct AccessKey {
    pub access_key: Secret,
    pub secret_key: Secret,
}

/// Reads the job file at `path`.
pub fn read(path: &Path) -> Result<Loaded, JobError> {
    let error = |why: String| {
        JobError::new(Stage::Prepare, format!("the job file {} cannot be used: {why}", path.display()))
            .help("`reconcile apply` writes it, readable for the job's user; it is not meant to be edited")
    };
    // A pipe of that name must not make the job wait for ever.
    let mut file = File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(
        |why| match why.kind() {
            ErrorKind::NotFound => {
                JobError::new(Stage::Prepare, format!("there is no job file {}", path.display()))
                    .help("`reconcile apply` writes it; then this host has backups to run and to list")
            }
            _ => error(why.to_string()),
        },
    )?;
    let metadata = file.metadata().map_err(|why| error(why.to_string()))?;
    if !metadata.is_file() {
        return Err(error("it is no regular file".to_owned()));
    }
    if metadata.len() > LIMIT {
        return Err(error("it is larger than any job file".to_owned()));
    }
    let mut text = Vec::new();
    file.by_ref().take(LIMIT).read_to_end(&mut text).map_err(|why| error(why.to_string()))?;
    let loaded = parse(&text).map_err(error)?;
    if loaded.keys.is_some() && metadata.permissions().mode() & 0o077 != 0 {
        tracing::warn!("{} holds keys and others may read it: chmod 600", path.display());
    }
    Ok(loaded)
}

fn parse(text: &[u8]) -> Result<Loaded, String> {
    let mut members: Map<String, Value> = serde_json::from_slice(text)
        .map_err(|error| format!("line {} column {} is not JSON", error.line(), error.column()))?;
    let mark = members.remove("reconcile");
    let secrets = members.remove("secrets");
    let environment = mark
        .as_ref()
        .and_then(|mark| mark.get("environment"))
        .and_then(Value::as_str)
        .ok_or("its first member is not the mark of reconcile")?;
    let version = members.get("version").and_then(Value::as_u64).ok_or("it says no version")?;
    if !(u64::from(OLDEST)..=u64::from(VERSION)).contains(&version) {
        return Err(format!(
            "it has version {version} and this program reads {OLDEST} to {VERSION}: program and job file are of different \
             applies"
        ));
    }
    let job: JobFile = serde_json::from_value(Value::Object(members)).map_err(|error| error.to_string())?;
    if job.environment.as_str() != environment {
        return Err(format!("its mark says environment {environment} and its content {}", job.environment));
    }
    let secrets = secrets.as_ref();
    Ok(Loaded { job, keys: keys(secrets)?, alerts: alerts(secrets)?, logins: logins(secrets)? })
}

fn secret(secrets: Option<&Value>, name: &str) -> Result<Option<Secret>, String> {
    match secrets.and_then(|secrets| secrets.get(name)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(Secret::new(text.as_str()))),
        Some(_) => Err(format!("its secret `{name}` is no text")),
    }
}

fn alerts(secrets: Option<&Value>) -> Result<AlertSecrets, String> {
    Ok(AlertSecrets {
        smtp: login(secrets, SECRET_SMTP_USERNAME, SECRET_SMTP_PASSWORD)?,
        ping_success: secret(secrets, SECRET_PING_SUCCESS)?,
        ping_failure: secret(secrets, SECRET_PING_FAILURE)?,
    })
}

fn login(secrets: Option<&Value>, username: &str, password: &str) -> Result<Option<Login>, String> {
    let pair = secret(secrets, username)?.zip(secret(secrets, password)?);
    Ok(pair.map(|(username, password)| Login { username, password }))
}

fn logins(secrets: Option<&Value>) -> Result<Logins, String> {
    let login = |username: &str, password: &str| login(secrets, username, password);
    Ok(Logins {
        backup: login(SECRET_BACKUP_USERNAME, SECRET_BACKUP_PASSWORD)?,
        replication: login(SECRET_REPLICATION_USERNAME, SECRET_REPLICATION_PASSWORD)?,
        elasticsearch: login(SECRET_ELASTICSEARCH_USERNAME, SECRET_ELASTICSEARCH_PASSWORD)?,
        couch: login(SECRET_COUCH_USERNAME, SECRET_COUCH_PASSWORD)?,
    })
}

fn keys(secrets: Option<&Value>) -> Result<Option<AccessKey>, String> {
    let secret = |name: &str| secret(secrets, name);
    match (secret(SECRET_ACCESS_KEY)?, secret(SECRET_SECRET_KEY)?) {
        (Some(access_key), Some(secret_key)) => Ok(Some(AccessKey { access_key, secret_key })),
        (None, None) => Ok(None),
        _ => Err("it has one half of an access key".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{
        "reconcile": {"environment": "production", "id": "host_file/db1/postgresql"},
        "version": 1, "environment": "production", "host": "db1", "datastore": "postgresql",
        "source": {"postgresql": {"method": "plain", "read_from": null}},
        "directory": "/opt/data/backups/postgresql", "compression": "gzip",
        "keep": {"days": 2, "weeks": 2, "hours": 1}, "upload": null,
        "secrets": {"access_key": "AKIACANARY", "secret_key": "canary"}
    }"#;

    #[test]
    fn a_job_file_is_read_with_its_keys_and_shows_none() {
        let loaded = parse(GOOD.as_bytes()).expect("good");
        assert_eq!(loaded.job.keep.days, 2);
        assert_eq!(loaded.keys.as_ref().expect("keys").secret_key.expose(), "canary");
        assert!(!format!("{loaded:?}").to_lowercase().contains("canary"));
        assert!(parse(GOOD.replace("secrets", "unknown").as_bytes()).is_err());
    }

    #[test]
    fn a_file_of_the_version_before_is_read_and_so_is_one_with_alerts() {
        let before = parse(GOOD.as_bytes()).expect("version 1").job;
        assert!(before.schedules.is_empty() && before.alerts == Default::default());
        let now = GOOD.replace("\"version\": 1", "\"version\": 2").replace(
            "\"upload\": null,",
            r#""upload": null, "schedules": {"daily": "0 1 * * 1-6", "weekly": "0 1 * * 0"},
               "alerts": {"email": ["ops@example.org"], "prometheus_textfile": null,
                          "smtp": {"host": "mail", "port": 587, "tls": "starttls", "from": null}},
               "objectives": {"recovery_point": 93600, "verified_within": null},"#,
        );
        let now = now.replace(
            "\"access_key\"",
            r#""smtp_username": "u", "smtp_password": "canary-1", "ping_success": "https://canary-2", "access_key""#,
        );
        let loaded = parse(now.as_bytes()).expect("version 2");
        assert_eq!(loaded.job.schedules.len(), 2);
        assert_eq!(loaded.alerts.smtp.as_ref().expect("a login").password.expose(), "canary-1");
        assert!(loaded.alerts.ping_success.is_some() && loaded.alerts.ping_failure.is_none());
        assert!(!format!("{loaded:?}").contains("canary"));
        let back = serde_json::to_value(&loaded.job).expect("JSON");
        assert_eq!(serde_json::from_value::<JobFile>(back).expect("the same"), loaded.job);
    }

    #[test]
    fn files_of_the_version_before_are_read_and_none_older_or_newer() {
        for (version, is_read) in [(0, false), (OLDEST, true), (VERSION, true), (VERSION + 1, false)] {
            let text = GOOD.replacen("\"version\": 1", &format!("\"version\": {version}"), 1);
            assert_eq!(parse(text.as_bytes()).is_ok(), is_read, "{version}");
        }
        let tree = r#"{"tree": {"path": "/srv", "exclude": ["/a"], "host": "web"}}"#;
        let text = GOOD.replace(r#"{"postgresql": {"method": "plain", "read_from": null}}"#, tree);
        assert_eq!(parse(text.as_bytes()).expect("good").job.source.method(), "tree");
    }

    #[test]
    fn what_is_wrong_is_told_without_a_secret() {
        for (from, to, told) in [
            ("\"version\": 1", "\"version\": 9", "version 9"),
            ("\"reconcile\"", "\"other\"", "mark"),
            ("\"production\", \"host\"", "\"staging\", \"host\"", "production"),
            ("\"secret_key\": \"canary\"", "\"x\": \"canary\"", "one half"),
            ("\"secret_key\": \"canary\"", "\"secret_key\": [\"canary\"]", "no text"),
            ("\"days\": 2", "\"days\": \"many\"", "u32"),
            ("\"secrets\"", "secrets", "not JSON"),
        ] {
            let error = parse(GOOD.replacen(from, to, 1).as_bytes()).expect_err(to);
            assert!(error.contains(told), "{to}: {error}");
            assert!(!error.to_lowercase().contains("canary"), "{error}");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("folder");
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("pipe");
        assert!(read(&pipe).expect_err("a pipe").message.contains("no regular file"));
        assert!(read(&folder.path().join("absent")).is_err());
    }
}
