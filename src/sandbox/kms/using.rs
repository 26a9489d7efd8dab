//! What S3 asks KMS for on behalf of who writes and reads: whether there is such a key, in a state in which it opens
//! anything, and by which policy it is judged
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html>).

use super::Kms;
use super::names::Place;
use super::policies;
use super::records::{Key, State};
use crate::sandbox::http::Refusal;
use crate::sandbox::store::Access;

/// A key as S3 uses it.
#[derive(Debug)]
pub struct Used {
    pub arn: String,
    /// The text of its policy.
    pub policy: String,
    /// Why it opens nothing now.
    pub unusable: Option<Refusal>,
    /// Whether KMS knows it. What nobody made here is taken for a key with the policy that keys begin with, so that
    /// settings with keys of another cloud can be played.
    pub is_known: bool,
}

impl Kms {
    /// The key that a bucket in a region names: an ID, an alias or an ARN.
    pub fn used(&self, region: &str, named: &str) -> Result<Used, Refusal> {
        let _lock = self.directory.lock(Access::Read)?;
        let place = Place { account: &self.account, region };
        let stranger = |arn: String| Used {
            arn,
            policy: policies::fresh(&self.account),
            unusable: None,
            is_known: false,
        };
        let of_name = |resource: &str| {
            format!("arn:{}:kms:{region}:{}:{resource}", self.account.partition, self.account.id)
        };
        let whole = match named {
            arn if arn.starts_with("arn:") => arn.to_owned(),
            alias if alias.starts_with("alias/") => of_name(alias),
            id => of_name(&format!("key/{id}")),
        };
        Ok(match self.look_up(&place, &whole, true, self.clock.now()) {
            Ok(Ok(key)) => Used {
                arn: key.arn(&self.account),
                unusable: unusable(&key, &key.arn(&self.account)),
                policy: key.policy,
                is_known: true,
            },
            Ok(Err(missing)) if missing.was_deleted => {
                let refusal = Refusal::new(400, "KMS.NotFoundException", missing.refusal.message);
                Used { unusable: Some(refusal), is_known: true, ..stranger(whole) }
            }
            // Another region's and another account's are no names that KMS here knows.
            Ok(Err(_)) | Err(_) => stranger(whole),
        })
    }
}

/// As S3 tells what KMS refused.
fn unusable(key: &Key, arn: &str) -> Option<Refusal> {
    let (code, what) = match key.state {
        State::Enabled => return None,
        State::Disabled => ("KMS.DisabledException", "is disabled"),
        State::PendingDeletion(_) => ("KMS.KMSInvalidStateException", "is pending deletion"),
        State::PendingImport => ("KMS.KMSInvalidStateException", "is pending import"),
    };
    Some(Refusal::new(400, code, format!("{arn} {what}.")))
}
