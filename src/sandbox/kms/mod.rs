//! KMS as its API reference describes it (<https://docs.aws.amazon.com/kms/latest/APIReference/>), as far as it decides
//! about backups: keys with their policies and states, and aliases. It holds no key material and encrypts nothing.
//!
//! Place on the data's path: behind the connector, over a directory of keys; S3 asks it whether a key may be used. One
//! table says which operations there are, which parameters each knows and which permission it needs; what is not in it
//! is refused with NotImplemented. Never laxer than AWS: a key's policy must allow, and the policies of identities count
//! only where it says so.

mod aliases;
mod directory;
mod keys;
mod names;
mod operations;
mod policies;
mod records;
mod using;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use directory::Directory;
pub use operations::{Operation, find};

use self::names::Place;
use self::operations::Subject;
use self::records::Key;
use super::guard::Guard;
use super::http::{Answer, Refusal};
use super::iam::Account;
use super::json::{self, Parameters};
use super::store::Access;
use crate::policy::Context;
use crate::vocab::Clock;

/// The service: a directory and whose it is.
#[derive(Clone, Debug)]
pub struct Kms {
    pub directory: Arc<Directory>,
    pub account: Account,
    pub clock: Clock,
}

/// What an operation answers; `None` for one that answers nothing.
type Outcome = Result<Option<Value>, Refusal>;

/// A request whose directory is locked, and which the caller may make.
struct Request<'a> {
    kms: &'a Kms,
    parameters: &'a Parameters,
    /// The region that the caller talks to.
    place: Place<'a>,
    guard: &'a Guard<'a>,
    now: DateTime<Utc>,
}

impl Kms {
    /// Answers a request.
    pub fn serve(
        &self,
        operation: &Operation,
        parameters: &Parameters,
        region: &str,
        guard: &Guard<'_>,
    ) -> Answer {
        match self.answer(operation, parameters, region, guard) {
            Ok(result) => json::answer(result.as_ref()),
            Err(refusal) => json::refused(refusal),
        }
    }

    fn answer(
        &self,
        operation: &Operation,
        parameters: &Parameters,
        region: &str,
        guard: &Guard<'_>,
    ) -> Outcome {
        let access = if operation.changes { Access::Change } else { Access::Read };
        let _lock = self.directory.lock(access)?;
        let place = Place { account: &self.account, region };
        let request = Request { kms: self, parameters, place, guard, now: self.clock.now() };
        match operation.run {
            operations::Run::OnAccount(run) => {
                let context = request.context(operation)?;
                guard.check(&operation.permission(), "*", &context, None)?;
                run(&request)
            }
            operations::Run::OnKey(subject, run) => {
                let named = parameters.required(subject.parameter())?;
                let key = request.asked(named, subject, operation)?;
                run(&request, key)
            }
        }
    }
}

impl Request<'_> {
    /// The key that a request names, if the caller may do to it what it asks.
    fn asked(&self, named: &str, subject: Subject, operation: &Operation) -> Result<Key, Refusal> {
        let context = self.context(operation)?;
        let found = self.kms.look_up(&self.place, named, subject == Subject::KeyOrAlias, self.now)?;
        match found {
            Ok(key) => {
                let context = match named.contains("alias/") {
                    true => context.with("kms:RequestAlias", names::alias_of(named)),
                    false => context,
                };
                self.check(&operation.permission(), &key, &context)?;
                Ok(key)
            }
            Err(missing) => {
                // Who may not ask about the key does not learn that it is missing.
                let policy =
                    self.guard.named("the policy that keys begin with", &policies::fresh(&self.kms.account));
                self.guard.check(&operation.permission(), &missing.arn, &context, Some(&policy))?;
                Err(missing.refusal)
            }
        }
    }

    /// Refuses an action on a key that the caller may not do.
    fn check(&self, action: &str, key: &Key, context: &Context) -> Result<(), Refusal> {
        let policy = self.guard.named(format!("key {}: its policy", key.id), &key.policy);
        self.guard.check(action, &key.arn(&self.kms.account), &key.describe(context.clone()), Some(&policy))
    }

    /// The condition keys of a request
    /// (<https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html>).
    fn context(&self, operation: &Operation) -> Result<Context, Refusal> {
        let mut context = self.guard.context().with("kms:CallerAccount", self.kms.account.id.clone());
        if ["CreateKey", "PutKeyPolicy"].contains(&operation.name) {
            let bypass = self.parameters.flag(policies::BYPASS)?;
            context = context.with("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string());
        }
        if operation.name == "ScheduleKeyDeletion" {
            let days = keys::window(self.parameters)?;
            context = context.with("kms:ScheduleKeyDeletionPendingWindowInDays", days.to_string());
        }
        Ok(context)
    }
}

/// 400: the key is in a state in which this cannot be done to it
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>).
fn invalid_state(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "KMSInvalidStateException", message)
}

fn not_found(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "NotFoundException", message)
}
