//! Who may write backups and who may weaken them, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

/// Who writes backups: a role or a user
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The name of a role; not together with user
    #[schemars(example = &"example-backup-writer", length(min = 1, max = 64))]
    pub role: Option<String>,
    /// The name of a user; its access key is made by hand and kept in the vault
    #[schemars(example = &"example_backup", length(min = 1, max = 64))]
    pub user: Option<String>,
    /// The service that assumes the role: ec2 makes an instance profile too
    #[schemars(example = &"ec2")]
    pub assumed_by: Option<String>,
    /// Buckets that are written to
    #[serde(default)]
    #[schemars(example = ["example-org-postgres-backups"])]
    pub writes: Vec<String>,
    /// Databases of Amazon RDS whose snapshots may be created and described, and nothing else
    #[serde(default)]
    #[schemars(example = ["example-production"])]
    pub snapshots: Vec<String>,
    /// Where requests must come from; default: anywhere
    pub from: Option<Networks>,
}

/// Where requests must come from: public networks alone, or a VPC with private networks in it
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Networks {
    /// The VPC that private networks are in: the same addresses exist in every VPC
    #[schemars(example = &"vpc-0123456789abcdef0", regex(pattern = r"^vpc-[0-9a-z]+$"))]
    pub vpc: Option<String>,
    /// Networks as address/bits
    #[serde(default)]
    #[schemars(example = ["172.31.0.0/16"])]
    pub networks: Vec<String>,
}
