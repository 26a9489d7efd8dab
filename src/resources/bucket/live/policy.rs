//! The bucket's policy: our statements by their Sid, everybody else's untouched beside them.

use serde_json::{Value as Json, json};

use super::{CallError, Target, absent_is_none, lock, unusable};
use crate::policy::{Document, Statement};
use crate::resources::bucket::{Bucket, VersioningLock, field};

/// The statement that refuses requests without TLS
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html>).
const TLS_SID: &str = "ReconcileTlsOnly";

/// 20 KB (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html>).
const LARGEST: usize = 20 * 1024;

pub(super) async fn read(target: &Target<'_>) -> Result<Policy, CallError> {
    let call = target
        .s3
        .get_bucket_policy()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .send();
    let answer = absent_is_none(target.call("s3:GetBucketPolicy", call).await)?;
    let Some(text) = answer.and_then(|answer| answer.policy) else { return Ok(Policy(None)) };
    policy_of(&text).map(|policy| Policy(Some(policy))).map_err(|why| unusable("s3:GetBucketPolicy", why))
}

/// A policy is a JSON object; a store that answers anything else cannot have statements merged into it.
fn policy_of(text: &str) -> Result<Json, String> {
    match serde_json::from_str(text) {
        Ok(policy @ Json::Object(_)) => Ok(policy),
        Ok(_) => Err("the bucket's policy is not a JSON object".to_owned()),
        Err(error) => Err(format!("the bucket's policy is not JSON: {error}")),
    }
}

/// The bucket's policy as it stands.
#[derive(Debug)]
pub(super) struct Policy(Option<Json>);

impl Policy {
    /// Whether our statement stands in the policy as we would write it.
    pub(super) fn tls_only(&self, target: &Target<'_>) -> bool {
        let wanted = meaning(&tls_statement(target));
        self.statements().iter().any(|statement| meaning(statement) == wanted)
    }

    /// What the statements of the versioning lock deny.
    pub(super) fn lock(&self, terms: &lock::Terms) -> VersioningLock {
        lock::read(&self.statements(), terms)
    }

    fn statements(&self) -> Vec<Json> {
        self.0.as_ref().map(statements).unwrap_or_default()
    }
}

/// Puts our statements of the named fields into the policy, or takes them out, in one call: the versioning lock
/// denies a second one.
pub(super) async fn write(
    target: &Target<'_>,
    wanted: &Bucket,
    fields: &[&str],
    terms: &lock::Terms,
) -> Result<(), CallError> {
    let present = read(target).await?;
    let mut kept = present.statements();
    let mut locks = false;
    if fields.contains(&field::TLS_ONLY)
        && let Some(tls_only) = wanted.tls_only
    {
        kept.retain(|statement| statement.get("Sid").and_then(Json::as_str) != Some(TLS_SID));
        kept.extend(tls_only.then(|| tls_statement(target)));
    }
    if fields.contains(&field::VERSIONING_LOCK)
        && let Some(lock) = &wanted.versioning_lock
    {
        kept.retain(|statement| !lock::is_ours(statement));
        if let VersioningLock::Denies { break_glass, .. } = lock {
            locks = true;
            kept.extend(lock::statements(terms, break_glass));
        }
    }
    if kept.is_empty() {
        let call = target
            .s3
            .delete_bucket_policy()
            .bucket(target.name.as_str())
            .set_expected_bucket_owner(target.owner())
            .send();
        return target.call("s3:DeleteBucketPolicy", call).await.map(drop);
    }
    let mut policy = present.0.unwrap_or_else(|| json!({"Version": "2012-10-17"}));
    policy["Statement"] = Json::Array(kept);
    let text = policy.to_string();
    if text.len() > LARGEST {
        let message = format!(
            "with our statements the bucket's policy would have {} bytes, and S3 takes {LARGEST}: shorten what others \
             wrote into it, then apply again",
            text.len()
        );
        return Err(unusable("s3:PutBucketPolicy", message));
    }
    let call = target
        .s3
        .put_bucket_policy()
        .bucket(target.name.as_str())
        .set_expected_bucket_owner(target.owner())
        .policy(text)
        // S3 asks whether the caller means to lose the right to change the policy; whoever applies has consented to that.
        .set_confirm_remove_self_bucket_access(locks.then_some(true))
        .send();
    target.call("s3:PutBucketPolicy", call).await.map(drop)
}

fn tls_statement(target: &Target<'_>) -> Json {
    let bucket = format!("arn:{}:s3:::{}", target.partition, target.name);
    json!({
        "Sid": TLS_SID,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket, format!("{bucket}/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    })
}

/// A policy's statements; IAM allows a single one without a list.
fn statements(policy: &Json) -> Vec<Json> {
    match policy.get("Statement") {
        Some(Json::Array(list)) => list.clone(),
        Some(one @ Json::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// A statement as IAM reads it, whatever its spelling; `None` for one that says nothing to it.
pub(super) fn meaning(statement: &Json) -> Option<Statement> {
    let alone = json!({"Version": "2012-10-17", "Statement": [statement]});
    Document::read(&alone).ok()?.statements.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_policy_is_told() {
        for text in ["[]", "\"{}\"", "null", "7", "", "{"] {
            assert!(policy_of(text).is_err(), "{text}");
        }
        assert_eq!(policy_of("{}"), Ok(json!({})));
    }
}
