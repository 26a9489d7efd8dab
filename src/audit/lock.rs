//! What a bucket's policy denies to everybody but those it spares: the engine is asked for somebody who may do
//! everything and is nobody in particular.
//!
//! So a lock that others wrote counts as much as ours, and a statement that only looks like one does not.

use super::bucket::BucketFacts;
use super::evidence::Evidence;
use super::fact::Fact;
use super::target::{bucket_policy, contexts};
use crate::policy::destroyers::{On, When, of_bucket_policies};
use crate::policy::{Document, Policies, Principal, Request, Resource, Verdict, decide};
use crate::vocab::BucketName;

/// What the lock of a bucket comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Nothing is denied to everybody.
    Absent,
    /// These actions are open to those who may do them.
    Misses(Vec<&'static str>),
    Complete,
    /// The policy could not be read, or was not asked for.
    Unknown,
}

/// Reads the lock out of a bucket's policy.
pub fn lock(evidence: &Evidence, account: &str, name: &BucketName, facts: &BucketFacts) -> Lock {
    if facts.policy.known().is_none() {
        return Lock::Unknown;
    }
    let Some(policy) = bucket_policy(name.as_str(), facts) else { return Lock::Absent };
    let partition = evidence.partition();
    let arn = format!("arn:{partition}:s3:::{name}");
    let objects = format!("{arn}/");
    let nobody = format!("arn:{partition}:iam::{account}:role/reconcile-nobody-in-particular");
    let (Ok(nobody), Ok(all)) = (
        Principal::parse(&nobody),
        Document::parse(
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#,
        ),
    ) else {
        return Lock::Unknown;
    };
    let all = [crate::policy::Named::new("everything", all)];
    let by_tag = match &facts.lifecycle {
        Fact::Known(rules) => rules.iter().any(|rule| rule.enabled && !rule.tags.is_empty()),
        Fact::Unread(_) | Fact::NotAsked => false,
    };
    let mut missing = Vec::new();
    let mut asked = 0;
    for row in of_bucket_policies() {
        let matters = match row.when {
            When::Always | When::ObjectLock | When::ForeignKey => true,
            When::FilteredByTag => by_tag,
            // Versioning is what makes an upload harmless.
            When::Unversioned | When::KmsKey | When::ImportedKey => false,
        };
        if !matters {
            continue;
        }
        let resource = match row.on {
            On::Object => Resource::Under(&objects),
            _ => Resource::Exact(&arn),
        };
        for context in contexts(row, partition) {
            asked += 1;
            let request = Request {
                principal: &nobody,
                action: row.action,
                resource,
                resource_account: Some(account),
                context: &context,
            };
            let policies = Policies { identity: &all, resource: Some(&policy), ..Policies::default() };
            if decide(&request, &policies).verdict != Verdict::Denied {
                missing.push(match row.when {
                    When::ForeignKey if context.has(KMS_HEADER) => FOREIGN_KEY,
                    When::ForeignKey => CUSTOMER_KEY,
                    _ => row.action,
                });
            }
        }
    }
    match missing.len() {
        0 => Lock::Complete,
        all if all == asked => Lock::Absent,
        _ => Lock::Misses(missing),
    }
}

/// What is open where a header is not denied, as the plan says it too.
const CUSTOMER_KEY: &str = "s3:PutObject with a key that the writer provides";
const FOREIGN_KEY: &str = "s3:PutObject with a KMS key of somebody else";
const KMS_HEADER: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";
