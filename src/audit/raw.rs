//! An account's identities as IAM tells them: the shape of `aws iam get-account-authorization-details`, which exports
//! hold as a file and live reading fills from its pages
//! (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html>).
//!
//! Documents are read as they come, so that no text of a policy is kept. One that cannot be read is kept as the reason.

use std::collections::BTreeMap;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use crate::policy::Document;

/// Everything that one account's IAM holds; pages of it are joined with [`AuthorizationDetails::join`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AuthorizationDetails {
    // An empty list is there; one that is absent was left out, and then nobody knows who is missing.
    pub user_detail_list: Option<Vec<UserDetail>>,
    pub group_detail_list: Option<Vec<GroupDetail>>,
    pub role_detail_list: Option<Vec<RoleDetail>>,
    pub policies: Option<Vec<ManagedPolicyDetail>>,
    /// A page that is not the last: the export was cut off.
    pub is_truncated: bool,
}

impl AuthorizationDetails {
    /// Adds another page.
    pub fn join(&mut self, page: AuthorizationDetails) {
        fn add<T>(list: &mut Option<Vec<T>>, more: Option<Vec<T>>) {
            if let Some(more) = more {
                list.get_or_insert_default().extend(more);
            }
        }
        add(&mut self.user_detail_list, page.user_detail_list);
        add(&mut self.group_detail_list, page.group_detail_list);
        add(&mut self.role_detail_list, page.role_detail_list);
        add(&mut self.policies, page.policies);
        self.is_truncated = page.is_truncated;
    }

    /// The lists that are not there.
    pub fn lacking(&self) -> impl Iterator<Item = &'static str> {
        [
            ("UserDetailList", self.user_detail_list.is_none()),
            ("GroupDetailList", self.group_detail_list.is_none()),
            ("RoleDetailList", self.role_detail_list.is_none()),
            ("Policies", self.policies.is_none()),
        ]
        .into_iter()
        .filter_map(|(list, is_absent)| is_absent.then_some(list))
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UserDetail {
    pub user_name: String,
    pub arn: String,
    #[serde(default)]
    pub user_policy_list: Vec<InlinePolicy>,
    #[serde(default)]
    pub group_list: Vec<String>,
    #[serde(default)]
    pub attached_managed_policies: Vec<AttachedPolicy>,
    #[serde(default)]
    pub permissions_boundary: Option<Boundary>,
    #[serde(default)]
    pub tags: Vec<Tag>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupDetail {
    pub group_name: String,
    pub arn: String,
    #[serde(default)]
    pub group_policy_list: Vec<InlinePolicy>,
    #[serde(default)]
    pub attached_managed_policies: Vec<AttachedPolicy>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RoleDetail {
    pub role_name: String,
    pub arn: String,
    #[serde(default)]
    pub assume_role_policy_document: Option<PolicyText>,
    #[serde(default)]
    pub instance_profile_list: Vec<InstanceProfile>,
    #[serde(default)]
    pub role_policy_list: Vec<InlinePolicy>,
    #[serde(default)]
    pub attached_managed_policies: Vec<AttachedPolicy>,
    #[serde(default)]
    pub permissions_boundary: Option<Boundary>,
    #[serde(default)]
    pub tags: Vec<Tag>,
    #[serde(default)]
    pub role_last_used: Option<LastUsed>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InstanceProfile {
    pub instance_profile_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LastUsed {
    /// As IAM writes it: RFC 3339.
    pub last_used_date: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct InlinePolicy {
    pub policy_name: String,
    pub policy_document: PolicyText,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedPolicy {
    pub policy_name: String,
    pub policy_arn: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Boundary {
    pub permissions_boundary_arn: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    pub key: String,
    pub value: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManagedPolicyDetail {
    pub policy_name: String,
    pub arn: String,
    #[serde(default)]
    pub policy_version_list: Vec<PolicyVersion>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyVersion {
    pub version_id: String,
    #[serde(default)]
    pub is_default_version: bool,
    /// Absent in listings that do not tell documents.
    #[serde(default)]
    pub document: Option<PolicyText>,
}

/// A document, or why it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyText(pub Result<Arc<Document>, String>);

impl PolicyText {
    /// Reads a text: JSON, or JSON that is URL-encoded as IAM's answers hold it (RFC 3986).
    pub fn parse(text: &str) -> Self {
        let decoded = match text.trim_start().starts_with('{') {
            true => text.into(),
            false => percent_decode_str(text).decode_utf8_lossy(),
        };
        Self::of(Document::parse(&decoded))
    }

    /// Reads what is JSON already; a text within is read as one.
    pub fn read(json: &Json) -> Self {
        match json {
            Json::String(text) => Self::parse(text),
            json => Self::of(Document::read(json)),
        }
    }

    fn of(read: Result<Document, crate::policy::DocumentError>) -> Self {
        PolicyText(read.map(Arc::new).map_err(|error| error.to_string()))
    }
}

impl<'de> Deserialize<'de> for PolicyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(|json| PolicyText::read(&json))
    }
}

/// Service control policies over the account: one list per level, from the organisation's root to the account.
#[derive(Clone, Debug, Deserialize)]
pub struct ControlPolicy {
    pub name: String,
    pub policy: PolicyText,
}

/// What `aws rds describe-db-instances` and its sisters print, as far as it matters here: identifiers and ARNs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Databases {
    #[serde(rename = "DBInstances")]
    pub instances: Vec<BTreeMap<String, Json>>,
    #[serde(rename = "DBClusters")]
    pub clusters: Vec<BTreeMap<String, Json>>,
}

impl Databases {
    /// The ARN of an instance or a cluster.
    pub fn arn_of(&self, identifier: &str) -> Option<String> {
        let named = |list: &[BTreeMap<String, Json>], name: &str, arn: &str| {
            let found = list.iter().find(|one| one.get(name).and_then(Json::as_str) == Some(identifier))?;
            found.get(arn).and_then(Json::as_str).map(str::to_owned)
        };
        named(&self.instances, "DBInstanceIdentifier", "DBInstanceArn")
            .or_else(|| named(&self.clusters, "DBClusterIdentifier", "DBClusterArn"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_objects_or_texts_that_are_encoded() {
        let object = serde_json::json!({"Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]});
        let plain = object.to_string();
        let encoded =
            percent_encoding::utf8_percent_encode(&plain, percent_encoding::NON_ALPHANUMERIC).to_string();
        let read = PolicyText::read(&object);
        assert!(read.0.is_ok(), "{read:?}");
        assert_eq!(PolicyText::parse(&plain), read);
        assert_eq!(PolicyText::read(&encoded.into()), read);
        for bad in [serde_json::json!(7), serde_json::json!("%7Bx"), serde_json::json!({})] {
            assert!(PolicyText::read(&bad).0.is_err(), "{bad}");
        }
    }
}
