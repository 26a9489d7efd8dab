//! How backups are proven and taken back, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::sources::Cron;

/// How a datastore's backups are proven on the hosts that make them
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Proof {
    /// When the newest backup is restored to a scratch place and proven; without it only when somebody asks
    #[schemars(example = &"0 5 * * 0")]
    pub schedule: Option<Cron>,
    /// SQL that answers true in a restored database
    #[schemars(example = ["SELECT count(*) > 0 FROM accounts_user"])]
    pub checks: Option<Vec<String>>,
    /// The database that the checks are asked in; default: the only one besides postgres
    #[schemars(example = &"commcarehq")]
    pub database: Option<String>,
    /// Libraries without which PostgreSQL cannot read the data; no other is loaded
    #[schemars(example = ["timescaledb"])]
    pub preload: Option<Vec<String>>,
    /// Where backups are restored for it; default: the backup directory
    #[schemars(example = &"/opt/data/scratch")]
    pub scratch: Option<String>,
}

/// The commands that stop and start whoever uses the data: run by a restore in its place
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Stops it
    #[schemars(example = &"systemctl stop postgresql@15-main")]
    pub stop: String,
    /// Starts it again
    #[schemars(example = &"systemctl start postgresql@15-main")]
    pub start: String,
}
