//! What keeps a bucket's backups from being destroyed: the versioning lock and object lock, in their normal forms.
//!
//! The lock is the statements of ours in the bucket's policy that deny every destroyer action
//! (`policy::destroyers`) to all but the break-glass roles. Which statements those are is made, and read back, by
//! `live::lock`; here it is only what they amount to. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::resources::Judgement;
use crate::vocab::{LockMode, ObjectLock, Risk, Value};

/// What our statements in a bucket's policy deny, and to whom not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersioningLock {
    /// None of our statements is there.
    None,
    Denies {
        /// Destroyer actions that are still open to those who may do them; empty is complete.
        missing: BTreeSet<String>,
        /// ARNs of the roles that are spared.
        break_glass: BTreeSet<String>,
    },
}

impl VersioningLock {
    /// A lock that leaves nothing open.
    pub fn complete(break_glass: BTreeSet<String>) -> Self {
        VersioningLock::Denies { missing: BTreeSet::new(), break_glass }
    }

    pub fn is_complete(&self) -> bool {
        matches!(self, VersioningLock::Denies { missing, .. } if missing.is_empty())
    }
}

/// Members of the lock's value, as plans and scripts know them.
pub mod member {
    pub const MISSING: &str = "missing";
    pub const BREAK_GLASS: &str = "break_glass";
}

impl From<VersioningLock> for Value {
    fn from(lock: VersioningLock) -> Self {
        let list = |texts: BTreeSet<String>| Value::List(texts.into_iter().map(Value::Text).collect());
        match lock {
            VersioningLock::None => Value::Null,
            VersioningLock::Denies { missing, break_glass } => Value::Map(BTreeMap::from([
                (member::MISSING.to_owned(), list(missing)),
                (member::BREAK_GLASS.to_owned(), list(break_glass)),
            ])),
        }
    }
}

/// The risk of an existing bucket's lock changing. Once it stands only break-glass lifts it; that the applier may be
/// of them is the plan's to know.
pub fn lock_risk(from: &Value, to: &Value) -> Judgement {
    let spared = |value: &Value| match value.get(member::BREAK_GLASS) {
        Some(Value::List(roles)) => roles.clone(),
        _ => Vec::new(),
    };
    let denies_more = from.get(member::MISSING) != to.get(member::MISSING);
    if to.get(member::MISSING).is_none() {
        return Risk::Widening.into();
    }
    if denies_more {
        let may_break = vec!["whoever deletes or replaces objects of this bucket, or changes its settings"];
        return Judgement { risk: Risk::Irreversible, may_break };
    }
    let before = spared(from);
    match spared(to).iter().all(|role| before.contains(role)) {
        true => Risk::Irreversible.into(),
        false => Risk::Widening.into(),
    }
}

/// Object lock of a bucket, and for how long it holds each new version
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketObjectLock {
    None,
    /// On, and yet no version is held unless its writer asks for it.
    WithoutDefault,
    Holds(ObjectLock),
    Unrecognised(String),
}

impl From<BucketObjectLock> for Value {
    fn from(lock: BucketObjectLock) -> Self {
        match lock {
            BucketObjectLock::None => Value::Null,
            BucketObjectLock::WithoutDefault => "on, without default retention".into(),
            BucketObjectLock::Holds(ObjectLock { mode, days }) => Value::Map(BTreeMap::from([
                ("mode".to_owned(), mode.name().into()),
                ("days".to_owned(), days.into()),
            ])),
            BucketObjectLock::Unrecognised(what) => format!("unrecognised: {what}").into(),
        }
    }
}

/// The risk of object lock changing: on and longer cannot be taken back, shorter or weaker protects less.
pub fn object_lock_risk(from: &Value, to: &Value) -> Judgement {
    let read = |value: &Value| {
        let days = value.get("days").and_then(Value::as_number)?;
        Some((value.get("mode").and_then(Value::as_text) == Some(LockMode::Compliance.name()), days))
    };
    match (read(from), read(to)) {
        (Some((was_final, days_before)), Some((is_final, days)))
            if days < days_before || (was_final && !is_final) =>
        {
            Risk::Widening.into()
        }
        _ => {
            let may_break = vec!["whoever deletes versions of this bucket, lifecycle rules included"];
            Judgement { risk: Risk::Irreversible, may_break }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(missing: &[&str], break_glass: &[&str]) -> Value {
        let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        VersioningLock::Denies { missing: set(missing), break_glass: set(break_glass) }.into()
    }

    #[test]
    fn what_shuts_is_irreversible_and_what_opens_is_widening() {
        let none = Value::from(VersioningLock::None);
        for (from, to, wanted) in [
            (&none, &lock(&[], &["a"]), Risk::Irreversible),
            (&lock(&["s3:PutBucketPolicy"], &["a"]), &lock(&[], &["a"]), Risk::Irreversible),
            (&lock(&[], &["a", "b"]), &lock(&[], &["a"]), Risk::Irreversible),
            (&lock(&[], &["a"]), &lock(&[], &["a", "b"]), Risk::Widening),
            (&lock(&[], &["a"]), &none, Risk::Widening),
        ] {
            assert_eq!(lock_risk(from, to).risk, wanted, "{from:?} -> {to:?}");
        }
    }

    #[test]
    fn object_lock_is_irreversible_and_less_of_it_is_widening() {
        let held = |mode, days| Value::from(BucketObjectLock::Holds(ObjectLock { mode, days }));
        let none = Value::from(BucketObjectLock::None);
        let on = Value::from(BucketObjectLock::WithoutDefault);
        for (from, to, wanted) in [
            (&none, &held(LockMode::Governance, 30), Risk::Irreversible),
            (&on, &held(LockMode::Compliance, 1), Risk::Irreversible),
            (&held(LockMode::Governance, 30), &held(LockMode::Compliance, 30), Risk::Irreversible),
            (&held(LockMode::Governance, 30), &held(LockMode::Governance, 31), Risk::Irreversible),
            (&held(LockMode::Governance, 30), &held(LockMode::Governance, 29), Risk::Widening),
            (&held(LockMode::Compliance, 30), &held(LockMode::Governance, 90), Risk::Widening),
        ] {
            assert_eq!(object_lock_risk(from, to).risk, wanted, "{from:?} -> {to:?}");
        }
    }
}
