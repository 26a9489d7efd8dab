//! `DIR/sandbox.yml`: who calls, what time it is, how slow the storage is and what goes wrong.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer};

use super::elasticsearch::Knobs;
use super::fault::Fault;
use super::guard::Origin;
use super::iam::{Account, Kind};
use crate::policy::Principal;
use crate::vocab::{AccountId, BucketName, Clock, RegionName};

/// The account of a sandbox that names none.
const ACCOUNT: &str = "123456789012";

/// The region of a sandbox that names none: the one that AWS itself falls back to.
const REGION: &str = "us-east-1";

/// Larger files are refused before they are parsed.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// What an operator or a test says of the sandbox. Everything may be left out; an empty file is a good one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxConfig {
    /// The account that everything belongs to.
    pub account: Option<AccountId>,
    /// The ARN of who calls: a user, a role, a session of one (`assumed-role/ROLE/NAME`) or the account's root. One that
    /// the sandbox's IAM knows may do what its policies allow; any other is an administrator, so that a sandbox works
    /// before it has identities. What a bucket's policy denies is denied to all of them.
    pub caller: Option<String>,
    /// The address that requests come from; 127.0.0.1 if nothing is said.
    pub source_ip: Option<IpAddr>,
    /// The network whose endpoint requests come through, such as `vpc-0123`; from the open network without it.
    pub source_vpc: Option<String>,
    /// Access keys of users: the key's id to the user's name. A key is the user's as soon as there is that user.
    /// Keys that `CreateAccessKey` makes need not stand here, and any other key is the caller's.
    pub access_keys: BTreeMap<String, String>,
    /// The region of calls that name none.
    pub region: Option<RegionName>,
    /// Where time stands still; without it the given clock runs.
    pub now: Option<DateTime<Utc>>,
    /// How far the storage's clock is ahead of the caller's, in seconds.
    pub storage_clock_offset: i64,
    /// How long every answer takes, in milliseconds.
    pub latency: u64,
    pub faults: Vec<Fault>,
    /// Buckets of other accounts: name to account.
    pub foreign_buckets: BTreeMap<BucketName, AccountId>,
    /// The server that stands in for those of the hosts.
    pub postgresql: Option<PostgresqlServer>,
    /// How the Elasticsearch of every host behaves.
    pub elasticsearch: Knobs,
    /// The hosts' time zone, in which cron fires.
    #[serde(deserialize_with = "time_zone")]
    pub time_zone: Tz,
}

/// A real PostgreSQL server for the sandbox's hosts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresqlServer {
    /// A name, an address, or the directory of a Unix socket.
    pub host: String,
    #[serde(default = "postgresql_port")]
    pub port: u16,
    #[serde(default = "postgresql_user")]
    pub user: String,
}

fn postgresql_port() -> u16 {
    5432
}

fn postgresql_user() -> String {
    "postgres".to_owned()
}

fn time_zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(|_| {
        serde::de::Error::custom(format!("`{name}` is no time zone: write a name such as Europe/London"))
    })
}

/// Why a sandbox's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{file} cannot be read: {error}")]
    Unreadable { file: String, error: io::Error },
    #[error("{file} has more than 4 MiB, which no sandbox needs")]
    TooLarge { file: String },
    /// The message names line and column.
    #[error("{file}: {message}")]
    Malformed { file: String, message: String },
}

impl SandboxConfig {
    /// Reads a file; one that is not there says nothing.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let name = file.display().to_string();
        let unreadable = |error| ConfigError::Unreadable { file: name.clone(), error };
        match std::fs::metadata(file) {
            Ok(about) if about.len() > LARGEST_FILE => return Err(ConfigError::TooLarge { file: name }),
            // Opening a pipe would wait for ever.
            Ok(about) if !about.is_file() => return Err(unreadable(io::Error::other("it is no file"))),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(SandboxConfig::default()),
            Err(error) => return Err(unreadable(error)),
        }
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        SandboxConfig::parse(&text).map_err(|message| ConfigError::Malformed { file: name, message })
    }

    /// Reads YAML; the error names line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(SandboxConfig::default());
        }
        let config: SandboxConfig =
            serde_saphyr::from_str(text).map_err(|error| error.without_snippet().to_string())?;
        if config.faults.iter().any(|fault| fault.nth == 0) {
            return Err("nth of a fault is 0: the first request is number 1".to_owned());
        }
        if let Some(caller) = &config.caller {
            let arn = caller.starts_with("arn:");
            Principal::parse(caller).ok().filter(|who| arn && who.account().is_some()).ok_or_else(|| {
                format!(
                    "caller: `{caller}` is nobody who can call: write the ARN of a user, a role, a session of one or an \
                     account's root"
                )
            })?;
        }
        Ok(config)
    }

    pub fn account(&self) -> &str {
        self.account.as_ref().map_or(ACCOUNT, AccountId::as_str)
    }

    pub fn caller(&self) -> String {
        self.caller
            .clone()
            .unwrap_or_else(|| Account::new(self.account(), self.region()).arn(Kind::User, "/", "sandbox"))
    }

    pub fn origin(&self) -> Origin {
        let ip = self.source_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Origin { ip, vpc: self.source_vpc.clone() }
    }

    pub fn region(&self) -> &str {
        self.region.as_ref().map_or(REGION, RegionName::as_str)
    }

    pub fn latency(&self) -> Duration {
        Duration::from_millis(self.latency)
    }

    /// The clock of everyone in the sandbox but the storage.
    pub fn clock(&self, given: Clock) -> Clock {
        self.now.map_or(given, Clock::fixed)
    }

    /// The storage's clock, `clock` being everyone else's.
    pub fn storage_clock(&self, clock: Clock) -> Clock {
        let offset = TimeDelta::seconds(self.storage_clock_offset.clamp(-LONGEST_OFFSET, LONGEST_OFFSET));
        Clock::new(move || clock.now() + offset)
    }
}

/// A thousand years; an offset beyond it would leave the calendar.
const LONGEST_OFFSET: i64 = 1000 * 366 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fault::FaultKind;

    #[test]
    fn everything_may_be_left_out() {
        for text in ["", "# only a comment\n", "account: \"123456789012\"\n"] {
            let config = SandboxConfig::parse(text).expect("a good file");
            assert_eq!((config.account(), config.region()), ("123456789012", "us-east-1"));
            assert_eq!(config.caller(), "arn:aws:iam::123456789012:user/sandbox");
        }
    }

    #[test]
    fn everything_can_be_said() {
        let config = SandboxConfig::parse(
            "account: \"210987654321\"\ncaller: arn:aws:sts::210987654321:assumed-role/ops/me\nregion: eu-west-2\n\
             now: 2026-11-21T10:00:00Z\nstorage_clock_offset: -90\nlatency: 20\ntime_zone: Europe/London\n\
             source_ip: 10.0.0.7\nsource_vpc: vpc-1\naccess_keys: {AKIAGIVEN: app}\n\
             foreign_buckets: {theirs: \"999999999999\"}\npostgresql: {host: 127.0.0.1, port: 5433}\n\
             faults:\n- {kind: \"500\", operation: PutObject, nth: 2, times: 3}\n- {kind: denied, bucket: closed}\n\
             - kind: crash-before\n",
        )
        .expect("a good file");
        let clock = config.clock(Clock::fixed(DateTime::UNIX_EPOCH));
        assert_eq!(clock.now().to_rfc3339(), "2026-11-21T10:00:00+00:00");
        assert_eq!(config.storage_clock(clock).now().to_rfc3339(), "2026-11-21T09:58:30+00:00");
        assert_eq!(config.time_zone, Tz::Europe__London);
        let kinds: Vec<FaultKind> = config.faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, [FaultKind::InternalError, FaultKind::Denied, FaultKind::CrashBefore]);
        assert_eq!(
            config.postgresql.map(|server| (server.port, server.user)),
            Some((5433, "postgres".to_owned()))
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, word) in [
            ("latency: 20\nacount: x\n", "line 2"),
            ("account: \"12\"\n", "twelve digits"),
            ("faults:\n- {kind: meteor}\n", "line 2"),
            ("faults:\n- {kind: reset, nth: 0}\n", "number 1"),
            ("caller: somebody\n", "ARN of a user"),
            ("source_ip: 300.1.1.1\n", "line 1"),
            ("time_zone: Mars/Olympus\n", "Europe/London"),
        ] {
            let error = SandboxConfig::parse(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
