//! What the sandbox's IAM remembers. The same records lie in memory and, as JSON, on disk. No secret is among them:
//! the sandbox verifies no signature, so it forgets what it hands out.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Tags by key. IAM takes two keys that differ in case alone for one.
pub type Tags = BTreeMap<String, String>;

/// Policies of a user, a group or a role: documents as they were sent, and ARNs of managed ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub attached: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    #[serde(flatten)]
    pub grants: Grants,
    /// The ARN of the policy that bounds the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

/// That a user has a password; not which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    pub created: DateTime<Utc>,
    pub reset_required: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: DateTime<Utc>,
    #[serde(flatten)]
    pub grants: Grants,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: DateTime<Utc>,
    /// Who may assume it, as it was sent.
    pub trust: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// In seconds.
    pub longest_session: u32,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    #[serde(flatten)]
    pub grants: Grants,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedPolicy {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: DateTime<Utc>,
    pub updated: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// By number: 3 is `v3`.
    pub versions: BTreeMap<u32, PolicyVersion>,
    pub default: u32,
    /// The greatest number ever given: a number is not used again.
    pub newest: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    pub document: String,
    pub created: DateTime<Utc>,
}

impl ManagedPolicy {
    /// The document that counts.
    pub fn document(&self) -> &str {
        self.versions.get(&self.default).map(|version| version.document.as_str()).unwrap_or_default()
    }
}

/// What gives a role to a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceProfile {
    pub name: String,
    pub path: String,
    pub id: String,
    pub created: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// An access key of a user, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    pub id: String,
    pub user: String,
    pub created: DateTime<Utc>,
    pub status: KeyStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<LastUsed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStatus {
    Active,
    Inactive,
    /// Kept, so that a key that was taken away stays refused.
    Deleted,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUsed {
    pub at: DateTime<Utc>,
    pub service: String,
    pub region: String,
}

/// Temporary keys of a role that was assumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The temporary access key.
    pub key: String,
    pub role: String,
    /// The role's id: a role made anew under the same name is another.
    pub role_id: String,
    pub name: String,
    pub expires: DateTime<Utc>,
    /// SHA-256 of the session token, in hexadecimal.
    pub token: String,
    /// What narrows the session: documents, each with its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<(String, String)>,
}
