//! Where a bucket's versions are to be copied: kept and answered. The sandbox copies nothing.

use serde::{Deserialize, Serialize};

use super::BucketRequest;
use super::documents::{Namespace, invalid, malformed};
use crate::sandbox::http::{Answer, Refusal};
use crate::sandbox::records::Document;
use crate::sandbox::xml;
use crate::vocab::Versioning;

type Outcome = Result<Answer, Refusal>;

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ReplicationConfiguration.html>
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Replication {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    namespace: Namespace,
    #[serde(rename = "Role")]
    role: String,
    #[serde(rename = "Rule", default)]
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(rename = "ID", skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "Priority", skip_serializing_if = "Option::is_none")]
    priority: Option<i32>,
    #[serde(rename = "Prefix", skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(rename = "Filter", skip_serializing_if = "Option::is_none")]
    filter: Option<Filter>,
    #[serde(rename = "Status")]
    status: String,
    #[serde(rename = "Destination")]
    destination: Destination,
    #[serde(rename = "DeleteMarkerReplication", skip_serializing_if = "Option::is_none")]
    delete_markers: Option<Switch>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(rename = "Prefix", skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    #[serde(rename = "Status")]
    status: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Destination {
    #[serde(rename = "Bucket")]
    bucket: String,
    #[serde(rename = "Account", skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(rename = "StorageClass", skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(rename = "AccessControlTranslation", skip_serializing_if = "Option::is_none")]
    translation: Option<Translation>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Translation {
    #[serde(rename = "Owner")]
    owner: String,
}

pub(super) fn get(request: BucketRequest<'_>) -> Outcome {
    request.document(
        Document::Replication,
        "ReplicationConfigurationNotFoundError",
        "The replication configuration was not found",
    )
}

pub(super) fn put(request: BucketRequest<'_>) -> Outcome {
    let replication: Replication = xml::parse(request.received.document())?;
    if request.bucket.versioning != Versioning::Enabled {
        let message = "Versioning must be 'Enabled' on the bucket to apply a replication configuration";
        return Err(Refusal::new(400, "InvalidRequest", message));
    }
    if replication.rules.is_empty() {
        return Err(malformed("a Rule is missing"));
    }
    if replication.rules.iter().any(|rule| !["Enabled", "Disabled"].contains(&rule.status.as_str())) {
        return Err(malformed("Status is Enabled or Disabled"));
    }
    if !replication.rules.iter().all(|rule| rule.destination.bucket.contains(":s3:::")) {
        return Err(invalid("Invalid bucket ARN"));
    }
    let iam = request.guard.iam();
    if iam.role_of_arn(&replication.role)?.is_none() {
        return Err(invalid("Invalid Role specified in replication configuration"));
    }
    let context = request.guard.context().with("iam:PassedToService", "s3.amazonaws.com");
    request.guard.check("iam:PassRole", &replication.role, &context, None)?;
    let text = xml::render("ReplicationConfiguration", &replication)?;
    request.put(Document::Replication, text)
}

pub(super) fn delete(request: BucketRequest<'_>) -> Outcome {
    request.remove(Document::Replication)
}
