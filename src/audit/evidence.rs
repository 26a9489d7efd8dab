//! What was looked at: the account's identities and the buckets, live or from an export. Pure data.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::account::Account;
use super::bucket::BucketFacts;
use super::fact::{Fact, Unread};
use super::raw::Databases;
use crate::policy::{Document, Named};
use crate::vocab::{AccountId, BucketName};

/// Everything that the audit judges by.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The account, as STS or the ARNs of its identities tell it.
    pub account: Option<AccountId>,
    /// `aws`, `aws-cn`, `aws-us-gov`; empty is `aws`.
    pub partition: String,
    pub identities: Fact<Account>,
    /// Service control policies over the account: one list per level, from the organisation's root to the account. Not
    /// asked is none: they can be read in the organisation's own account alone.
    pub scps: Fact<Vec<Vec<Named>>>,
    /// Buckets that exist.
    pub buckets: BTreeMap<BucketName, BucketFacts>,
    /// Buckets that settings name and that a complete listing lacks, or that are somebody else's.
    pub absent: BTreeMap<BucketName, String>,
    /// Policies of keys by the ARN of the key.
    pub keys: BTreeMap<String, Fact<Arc<Document>>>,
    /// Databases with their regions.
    pub databases: Fact<Databases>,
    /// What else could not be seen, such as the list of buckets.
    pub unread: Vec<Unread>,
}

impl Evidence {
    pub fn partition(&self) -> &str {
        if self.partition.is_empty() { "aws" } else { &self.partition }
    }

    /// Everything that could not be seen, in order.
    pub fn unseen(&self) -> Vec<Unread> {
        let account = self.identities.known().into_iter().flat_map(|account| account.unread.iter());
        let whole = [self.identities.unread(), self.scps.unread(), self.databases.unread()];
        let buckets = self.buckets.values().flat_map(BucketFacts::unread);
        let keys = self.keys.values().filter_map(Fact::unread);
        let mut all: Vec<Unread> = account
            .chain(whole.into_iter().flatten())
            .chain(buckets)
            .chain(keys)
            .chain(&self.unread)
            .cloned()
            .collect();
        all.sort();
        all.dedup();
        all
    }
}
