//! Who from outside reaches in, and what goes out.

use std::collections::BTreeSet;

use super::{BackupBucket, Look, Report, Severity};
use crate::audit::bucket::Grantee;
use crate::policy::{Effect, Statement, Who};
use crate::resources::bucket::PublicAccess;
use crate::vocab::Value;

/// Statements of the bucket's policy that allow.
fn allows<'a>(bucket: &BackupBucket<'a>) -> impl Iterator<Item = &'a Statement> {
    let policy = bucket.facts.policy.known().and_then(Option::as_ref);
    let statements = policy.into_iter().flat_map(|policy| &policy.statements);
    statements.filter(|statement| statement.effect == Effect::Allow)
}

fn everyone(statement: &Statement) -> bool {
    statement.principals.as_ref().is_some_and(|all| all.negated || all.who.contains(&Who::Everyone))
}

/// Where a statement stands in its policy.
pub(super) fn place(statement: &Statement) -> String {
    match &statement.sid {
        Some(sid) => format!("policy statement {} ({sid})", statement.number),
        None => format!("policy statement {}", statement.number),
    }
}

pub fn public(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        let block = bucket.facts.public_access.known();
        let mut open: Vec<String> = allows(&bucket)
            .filter(|statement| everyone(statement) && statement.conditions.is_empty())
            .filter(|_| !block.is_some_and(|block| block.restrict_buckets))
            .map(|statement| format!("{} allows everyone", place(statement)))
            .collect();
        let acls_off = bucket.facts.acls_off.known() == Some(&true);
        if !acls_off && !block.is_some_and(|block| block.ignore_acls) {
            let grants = bucket.facts.grants.known().into_iter().flatten();
            open.extend(grants.filter_map(|grant| {
                let who = match grant.grantee {
                    Grantee::Everyone => "everyone",
                    Grantee::AnyAccount => "anybody with an account of AWS",
                    Grantee::LogDelivery | Grantee::Other(_) => return None,
                };
                Some(format!("access control list: {} to {who}", grant.permission))
            }));
        }
        if !open.is_empty() {
            report.add(
                Severity::Critical,
                bucket.subject,
                "the bucket is open to everyone",
                open,
                "set public_access: blocked for it under backups.buckets, then reconcile apply",
            );
        } else if let Some(block) = block.filter(|block| **block != PublicAccess::BLOCKED) {
            let state = match Value::from(*block) {
                Value::Text(text) => text,
                _ => "open".to_owned(),
            };
            report.add(
                Severity::Medium,
                bucket.subject,
                "nothing keeps the bucket from being opened to everyone",
                vec![format!("public access block: {state}")],
                "set public_access: blocked for it under backups.buckets, then reconcile apply",
            );
        }
    }
}

/// Other accounts that a principal stands for.
pub(super) fn of_another(look: &Look<'_>, who: &Who) -> Option<String> {
    let other = |account: &str| account != look.account;
    match who {
        Who::Account { id, .. } if other(id) => Some(format!("account {id}")),
        Who::Arn(arn) if arn.split(':').nth(4).is_some_and(other) => Some(arn.clone()),
        Who::CanonicalUser(id) => Some(format!("canonical user {id}")),
        Who::Federated(name) => Some(name.clone()),
        _ => None,
    }
}

pub fn foreign(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        let mut evidence = BTreeSet::new();
        for statement in allows(&bucket) {
            let who = statement.principals.iter().filter(|all| !all.negated).flat_map(|all| &all.who);
            for name in who.filter_map(|who| of_another(look, who)) {
                evidence.insert(format!("{} allows {name}", place(statement)));
            }
        }
        let acls_off = bucket.facts.acls_off.known() == Some(&true);
        for grant in bucket.facts.grants.known().into_iter().flatten().filter(|_| !acls_off) {
            if let Grantee::Other(name) = &grant.grantee {
                evidence.insert(format!("access control list: {} to {name}", grant.permission));
            }
        }
        if !evidence.is_empty() {
            report.add(
                Severity::High,
                bucket.subject,
                "another account reaches into the bucket, and its own administrators decide who",
                evidence.into_iter().collect(),
                "take out what nobody needs; copies for others are safer made by replication out of here",
            );
        }
    }
}

const REPLICATES: [&str; 4] =
    ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner"];

pub fn replication_in(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        let named = |statement: &&Statement| {
            !statement.actions.negated
                && REPLICATES.iter().any(|action| statement.may_concern(action))
                && statement.actions.patterns.iter().any(|action| action.as_str().contains("Replicate"))
        };
        let evidence: Vec<String> = allows(&bucket)
            .filter(named)
            .map(|statement| {
                let who = statement.principals.iter().flat_map(|all| &all.who);
                let who: Vec<String> = who.map(ToString::to_string).collect();
                format!("{} lets {} replicate", place(statement), who.join(", "))
            })
            .collect();
        if !evidence.is_empty() {
            report.add(
                Severity::High,
                bucket.subject,
                "objects and delete markers may be replicated into the bucket: what comes hides what is there",
                evidence,
                "take the statement out; a bucket that receives copies holds no backups of its own",
            );
        }
    }
}

pub fn replication_out(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        let destinations = bucket.facts.replication.known().into_iter().flatten();
        let evidence: Vec<String> = destinations
            .map(|to| match &to.account {
                Some(account) => format!("to {} of account {account}", to.bucket),
                None => format!("to {}", to.bucket),
            })
            .collect();
        if !evidence.is_empty() {
            report.add(
                Severity::Low,
                bucket.subject,
                "every backup is copied to another bucket: who reads there reads everything",
                evidence,
                "make sure that the other bucket is yours, and audit it too",
            );
        }
    }
}
