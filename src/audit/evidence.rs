//! What was looked at: the account's identities and the buckets, live or from an export. Pure data.

use std::collections::BTreeMap;

use super::account::Account;
use super::bucket::BucketFacts;
use super::fact::{Fact, Unread};
use super::key::KeyFacts;
use super::raw::Databases;
use crate::policy::Named;
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
    /// Keys of KMS by their ARNs.
    pub keys: BTreeMap<String, KeyFacts>,
    /// The ARN of the key that an alias stands for, by the alias' ARN; `None` where there is no such alias.
    pub aliases: BTreeMap<String, Fact<Option<String>>>,
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
        let keys = self.keys.values().flat_map(KeyFacts::unread);
        let aliases = self.aliases.values().filter_map(Fact::unread);
        let mut all: Vec<Unread> = account
            .chain(whole.into_iter().flatten())
            .chain(buckets)
            .chain(keys)
            .chain(aliases)
            .chain(&self.unread)
            .cloned()
            .collect();
        all.sort();
        all.dedup();
        all
    }
}
