//! How a request names a key: an ID, the ARN of a key, an alias or its ARN
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/find-cmk-id-arn.html>); and the keys that AWS makes where
//! somebody asks for one by its alias.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::records::{Key, Origin, State, uuid};
use super::{Kms, not_found, policies};
use crate::sandbox::http::Refusal;
use crate::sandbox::iam::Account;

/// Where names belong that do not say it themselves.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub account: &'a Account,
    pub region: &'a str,
}

/// A key that is not there.
#[derive(Debug)]
pub struct Missing {
    /// What a permission would be asked for on.
    pub arn: String,
    pub refusal: Refusal,
    /// Whether it was there once: its deletion came to pass.
    pub was_deleted: bool,
}

/// The one service whose own key the sandbox knows.
const OF_S3: &str = "alias/aws/s3";

/// `alias/NAME` of an alias or its ARN.
pub fn alias_of(named: &str) -> &str {
    named.find("alias/").map_or(named, |at| &named[at..])
}

impl Place<'_> {
    fn arn(&self, resource: &str) -> String {
        format!("arn:{}:kms:{}:{}:{resource}", self.account.partition, self.region, self.account.id)
    }

    fn missing(&self, arn: String, message: String) -> Missing {
        Missing { arn, refusal: not_found(message), was_deleted: false }
    }

    /// The key of S3 that AWS manages: nobody made it, and it is in every region.
    fn of_s3(&self, created: DateTime<Utc>) -> Key {
        Key {
            id: uuid(&format!("{} {} {OF_S3}", self.account.id, self.region)),
            region: self.region.to_owned(),
            created,
            description: "Default key that protects my S3 objects when no other key is defined".to_owned(),
            state: State::Enabled,
            origin: Origin::Kms,
            multi_region: false,
            policy: policies::of_s3(self.account, self.region),
            aliases: BTreeSet::from([OF_S3.to_owned()]),
            by_aws: true,
        }
    }
}

impl Kms {
    /// The key that a name stands for, or that there is none. The outer error is one of the name itself.
    pub(super) fn look_up(
        &self,
        place: &Place<'_>,
        named: &str,
        may_be_alias: bool,
        now: DateTime<Utc>,
    ) -> Result<Result<Key, Missing>, Refusal> {
        let resource = match named.strip_prefix("arn:") {
            None => named,
            Some(_) => {
                let parts: Vec<&str> = named.splitn(6, ':').collect();
                let [_, partition, "kms", region, account, resource] = parts[..] else {
                    return Err(not_found(format!("Invalid arn {named}")));
                };
                if partition != place.account.partition || region != place.region {
                    return Err(not_found(format!("Invalid arn {region}")));
                }
                if account != place.account.id {
                    // Keys of other accounts are nowhere in the sandbox; what their policies say nobody knows.
                    let message = format!(
                        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or \
                         you are not allowed to access: {named}"
                    );
                    return Err(Refusal::new(400, "AccessDeniedException", message));
                }
                resource
            }
        };
        if resource.starts_with("alias/") {
            if !may_be_alias {
                return Err(not_found(format!("Invalid keyId {named}")));
            }
            return self.by_alias(place, resource, now);
        }
        let id = match resource.strip_prefix("key/") {
            Some(id) if named.starts_with("arn:") => id,
            Some(_) => return Err(not_found(format!("Invalid keyId {named}"))),
            None => resource,
        };
        let arn = place.arn(&format!("key/{id}"));
        let message = format!("Key '{arn}' does not exist");
        let of_s3 = place.of_s3(now);
        Ok(match self.directory.key(id)?.filter(|key| key.region == place.region) {
            Some(key) if key.is_gone(now) => {
                Err(Missing { was_deleted: true, ..place.missing(arn, message) })
            }
            Some(key) => Ok(Key::clone(&key)),
            None if of_s3.id == id => Ok(of_s3),
            None => Err(place.missing(arn, message)),
        })
    }

    fn by_alias(
        &self,
        place: &Place<'_>,
        alias: &str,
        now: DateTime<Utc>,
    ) -> Result<Result<Key, Missing>, Refusal> {
        if alias == OF_S3 {
            return Ok(Ok(place.of_s3(now)));
        }
        // An alias goes with its key.
        let keys = self.directory.of_region(place.region)?;
        let key = keys.into_iter().find(|key| key.aliases.contains(alias) && !key.is_gone(now));
        Ok(key.map(|key| Key::clone(&key)).ok_or_else(|| {
            let message = format!("Alias {} is not found.", place.arn(alias));
            place.missing(place.arn("key/*"), message)
        }))
    }
}
