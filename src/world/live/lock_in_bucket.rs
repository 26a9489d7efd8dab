//! The lock of applies in a bucket: one small object, changed only by writes with a condition.
//!
//! S3 promises that of two writes with the same condition one is refused
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>). Other stores may not look at the
//! condition at all, so each write that takes the lock is made twice: where the second is taken too, nothing that lies
//! there can be a lock. Never deleted: a versioning lock denies that to nearly everybody.

use aws_sdk_s3::primitives::ByteStream;

use super::LiveWorld;
use super::lock::{Attempt, MOVED, Proof, ROUNDS, UNSTEADY};
use crate::clients::aws_error::{AwsError, AwsErrorKind, CallError, aws_error};
use crate::state::{Holder, LockPlace, LockRecord, Standing, Told};
use crate::vocab::{BucketName, RegionName};

/// More than any record; what is larger is none.
const MOST_BYTES: i64 = 64 << 10;

/// What must be so for a write to be taken.
#[derive(Clone, Debug)]
enum Condition {
    /// Nothing is there.
    Nothing,
    /// What is there has this tag.
    Tag(String),
    Always,
}

/// What became of a write.
enum Put {
    /// It was taken, and has this tag.
    Taken(String),
    /// The condition did not hold.
    Refused,
}

impl LiveWorld {
    pub(super) async fn attempt_in_bucket(
        &self,
        name: &BucketName,
        region: Option<&RegionName>,
        record: &LockRecord,
        judge: &(dyn Fn(&Holder) -> Standing + Sync),
    ) -> Attempt {
        let (mut condition, mut followed) = (Condition::Nothing, None);
        for _ in 0..ROUNDS {
            match self.put_lock(name, region, record, &condition).await {
                Ok(Put::Taken(tag)) => {
                    return match Box::pin(self.proven(name, region, record, &condition, tag)).await {
                        Ok(tag) => Attempt::Held(Proof::Tag(tag), followed),
                        Err(why) => Attempt::Cannot(why),
                    };
                }
                Ok(Put::Refused) => {}
                Err(error) => {
                    // Where no answer came it may have been taken all the same.
                    if error.error.status.is_none() {
                        let _ = Box::pin(self.free_in_bucket(name, region, NO_TAG, &record.token)).await;
                    }
                    return Attempt::Cannot(error.to_string());
                }
            }
            let (bytes, tag) = match self.get_lock(name, region).await {
                Ok(Some(found)) => found,
                Ok(None) => {
                    condition = Condition::Nothing;
                    continue;
                }
                Err(error) => return Attempt::Cannot(error.to_string()),
            };
            followed = match LockRecord::read(&bytes, &self.environment) {
                // Our own write, whose answer was lost on its way and which was sent again.
                Told::Held(_, token) if token == record.token => {
                    return Attempt::Held(Proof::Tag(tag), followed);
                }
                Told::Free => None,
                Told::Held(holder, _) if judge(&holder) == Standing::Gone => Some(holder),
                told => return Attempt::Met(told),
            };
            condition = Condition::Tag(tag);
        }
        Attempt::Met(Told::Unreadable(UNSTEADY.to_owned()))
    }

    /// Tries once more what was taken: the same write must be refused now, and what is there must be ours to read.
    async fn proven(
        &self,
        name: &BucketName,
        region: Option<&RegionName>,
        record: &LockRecord,
        condition: &Condition,
        tag: String,
    ) -> Result<String, String> {
        // Without the right to read no condition can be used that names what is there.
        let (why, how) = match self.put_lock(name, region, record, condition).await {
            Ok(Put::Refused) => match self.get_lock(name, region).await {
                Ok(Some((bytes, tag))) if bytes == record.bytes() => return Ok(tag),
                Ok(_) => (UNSTEADY.to_owned(), Condition::Tag(tag)),
                Err(error) => (error.to_string(), Condition::Always),
            },
            Ok(Put::Taken(_)) => (NO_CONDITIONS.to_owned(), Condition::Always),
            Err(error) => (error.to_string(), Condition::Tag(tag)),
        };
        let free = self.free_record().map_err(|error| error.to_string())?;
        match self.put_lock(name, region, &free, &how).await {
            Ok(_) => Err(why),
            Err(error) => Err(format!("{why}; and it still names this apply: {error}")),
        }
    }

    /// Overwrites the record that has this tag, or else the one with this token, with one of nobody.
    pub(super) async fn free_in_bucket(
        &self,
        name: &BucketName,
        region: Option<&RegionName>,
        tag: &str,
        token: &str,
    ) -> Result<(), String> {
        let free = self.free_record().map_err(|error| error.to_string())?;
        let mut condition = Condition::Tag(tag.to_owned());
        for _ in 0..ROUNDS {
            match self.put_lock(name, region, &free, &condition).await {
                Ok(Put::Taken(_)) => return Ok(()),
                Ok(Put::Refused) => {}
                Err(error) => return Err(error.to_string()),
            }
            match self.get_lock(name, region).await {
                Ok(None) => return Ok(()),
                Ok(Some((bytes, _))) if bytes == free.bytes() => return Ok(()),
                Ok(Some((bytes, tag))) => match LockRecord::read(&bytes, &self.environment) {
                    Told::Held(_, found) if found == token => condition = Condition::Tag(tag),
                    _ => return Err(MOVED.to_owned()),
                },
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(UNSTEADY.to_owned())
    }

    /// What the object holds, and what proves it; `None` where there is none.
    pub(super) async fn read_lock(
        &self,
        name: &BucketName,
        region: Option<&RegionName>,
    ) -> Result<Option<(Vec<u8>, Proof)>, String> {
        let found = self.get_lock(name, region).await.map_err(|error| error.to_string())?;
        Ok(found.map(|(bytes, tag)| (bytes, Proof::Tag(tag))))
    }

    fn free_record(&self) -> Result<LockRecord, CallError> {
        let token = crate::clients::machine::random_token();
        let token = token.map_err(|why| CallError::unusable(PUT, why))?;
        Ok(LockRecord::free(&self.environment, token))
    }

    async fn put_lock(
        &self,
        name: &BucketName,
        region: Option<&RegionName>,
        record: &LockRecord,
        condition: &Condition,
    ) -> Result<Put, CallError> {
        let s3 = self.aws.s3(region);
        let _permit = self.gate.acquire().await.ok();
        let call = s3
            .put_object()
            .bucket(name.as_str())
            .key(LockPlace::key(&self.environment))
            .set_expected_bucket_owner(self.expected_owner())
            .content_type("application/json")
            .body(ByteStream::from(record.bytes()));
        let call = match condition {
            Condition::Nothing => call.if_none_match("*"),
            Condition::Tag(tag) => call.if_match(tag),
            Condition::Always => call,
        };
        match call.send().await {
            Ok(answer) => match answer.e_tag {
                Some(tag) => Ok(Put::Taken(tag)),
                None => Err(CallError::unusable(PUT, "the store gives what it takes no tag".to_owned())),
            },
            Err(error) => match aws_error(&error) {
                error if did_not_hold(&error) => Ok(Put::Refused),
                error => Err(CallError { action: PUT, error }),
            },
        }
    }

    async fn get_lock(
        &self,
        name: &BucketName,
        region: Option<&RegionName>,
    ) -> Result<Option<(Vec<u8>, String)>, CallError> {
        let s3 = self.aws.s3(region);
        let _permit = self.gate.acquire().await.ok();
        let call = s3
            .get_object()
            .bucket(name.as_str())
            .key(LockPlace::key(&self.environment))
            .set_expected_bucket_owner(self.expected_owner());
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => {
                return match aws_error(&error) {
                    AwsError { kind: AwsErrorKind::NotFound, .. } => Ok(None),
                    error => Err(CallError { action: GET, error }),
                };
            }
        };
        let tag = answer.e_tag.clone().unwrap_or_default();
        if answer.content_length.is_none_or(|length| length > MOST_BYTES) {
            return Ok(Some((Vec::new(), tag)));
        }
        let body = answer.body.collect().await;
        let body = body.map_err(|error| CallError::unusable(GET, format!("its body broke off: {error}")))?;
        Ok(Some((body.into_bytes().to_vec(), tag)))
    }
}

const NO_CONDITIONS: &str =
    "this store takes a write twice that it should take only once, so it cannot hold a lock";
/// What no object has.
const NO_TAG: &str = "\"none\"";

const PUT: &str = "s3:PutObject";
const GET: &str = "s3:GetObject";

/// 412 is the condition; 409 another write to the same key at the same time; 404 a key that is gone, which no tag fits.
fn did_not_hold(error: &AwsError) -> bool {
    matches!(error.status, Some(409 | 412)) || error.is("NoSuchKey")
}
