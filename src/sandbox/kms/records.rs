//! What the sandbox's KMS remembers of a key. The same record lies in memory and, as JSON, on disk.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::policy::Context;
use crate::sandbox::iam::Account;
use crate::sandbox::records::fresh_id;

/// A key, without its material.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub id: String,
    pub region: String,
    pub created: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub state: State,
    pub origin: Origin,
    #[serde(default)]
    pub multi_region: bool,
    /// As it was sent.
    pub policy: String,
    /// With `alias/` before each.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub aliases: BTreeSet<String>,
    /// Whether AWS manages it: then nobody changes or deletes it.
    #[serde(default)]
    pub by_aws: bool,
}

/// <https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Enabled,
    Disabled,
    /// Its material never came, or was deleted.
    PendingImport,
    /// Gone from this instant on. The record stays, so that nothing takes the key for one it never knew.
    PendingDeletion(DateTime<Utc>),
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::Enabled => "Enabled",
            State::Disabled => "Disabled",
            State::PendingImport => "PendingImport",
            State::PendingDeletion(_) => "PendingDeletion",
        }
    }
}

/// Where the material comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Kms,
    /// It is imported, and can be deleted by itself.
    External,
}

impl Origin {
    pub fn name(self) -> &'static str {
        match self {
            Origin::Kms => "AWS_KMS",
            Origin::External => "EXTERNAL",
        }
    }
}

impl Key {
    pub fn arn(&self, account: &Account) -> String {
        format!("arn:{}:kms:{}:{}:key/{}", account.partition, self.region, account.id, self.id)
    }

    /// Whether its deletion has come to pass.
    pub fn is_gone(&self, now: DateTime<Utc>) -> bool {
        matches!(self.state, State::PendingDeletion(at) if at <= now)
    }

    /// Adds what policies may ask of the key itself.
    pub fn describe(&self, context: Context) -> Context {
        let context = context
            .with("kms:KeySpec", "SYMMETRIC_DEFAULT")
            .with("kms:KeyUsage", "ENCRYPT_DECRYPT")
            .with("kms:KeyOrigin", self.origin.name())
            .with("kms:MultiRegion", self.multi_region.to_string());
        match self.aliases.is_empty() {
            true => context,
            false => context.with_all("kms:ResourceAliases", self.aliases.iter().cloned().collect()),
        }
    }
}

/// An ID that was never used before.
pub fn fresh(multi_region: bool) -> String {
    match multi_region {
        true => format!("mrk-{}", hex::encode(&Sha256::digest(fresh_id())[..16])),
        false => uuid(&fresh_id()),
    }
}

/// The ID that belongs to a text.
pub fn uuid(text: &str) -> String {
    let digits = hex::encode(Sha256::digest(text));
    format!(
        "{}-{}-4{}-8{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[12..15],
        &digits[15..18],
        &digits[18..30]
    )
}
