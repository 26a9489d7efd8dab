//! Effective settings: `reconcile.settings/1`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use crate::vocab::Tier;

pub const FORMAT: &str = "reconcile.settings/1";

/// Every setting with its value and where it came from, and what each datastore's settings come to
#[derive(Debug, Serialize, JsonSchema)]
pub struct Settings {
    pub format: &'static str,
    pub environment: String,
    /// By the name of the flat key, or the path below backups: `backups.account`
    pub settings: BTreeMap<String, Setting>,
    /// By name
    pub datastores: BTreeMap<String, Datastore>,
}

/// One setting
#[derive(Debug, Serialize, JsonSchema)]
pub struct Setting {
    pub value: Json,
    /// FILE:LINE:COLUMN of public.yml, the inventory or its variables; or default
    pub from: String,
}

/// What would be backed up, by whom, where to and when
#[derive(Debug, Serialize, JsonSchema)]
pub struct Datastore {
    pub enabled: bool,
    pub hosts: Vec<String>,
    /// How it is dumped; null where there is one way
    pub method: Option<&'static str>,
    /// The account on the host that the job runs as
    pub user: String,
    /// The backup directory; null where there is none
    pub dir: Option<String>,
    /// Where the data lies, HOST:PATH on another host; null where the server is asked for it
    pub source_dir: Option<String>,
    /// Whether there is a second copy in the bucket
    pub s3: bool,
    /// null where none is known
    pub bucket: Option<String>,
    /// How many days daily backups stay in the backup directory
    pub days: u32,
    pub weeks: Option<u32>,
    pub hours: Option<u32>,
    pub hourly: bool,
    pub tiers: Vec<TierDocument>,
    /// Such as no-host: switched on, and nobody runs it
    pub problems: Vec<&'static str>,
}

/// One tier of its backups
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Tier")]
pub struct TierDocument {
    pub tier: Tier,
    /// Five fields of cron, in the host's own time zone
    pub schedule: String,
    /// How long its backups stay in the backup directory, in words
    pub keep: String,
}
