//! S3 as its API reference describes it (<https://docs.aws.amazon.com/AmazonS3/latest/API/>), as far as backups
//! need it.
//!
//! Place on the data's path: behind the connector, over a store. One table says which operations there are and which
//! parameters each knows; what is not in it is refused with NotImplemented. Never laxer than AWS: a request that
//! succeeds here is one that AWS would accept.

mod buckets;
mod documents;
mod lifecycle;
mod listing;
mod multipart;
mod object_lock;
mod objects;
mod operations;
mod permissions;
mod policy;
mod reading;
mod replication;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};

pub use operations::Operation;
use operations::Run;

use super::guard::Guard;
use super::http::{Answer, Call, Refusal};
use super::kms::Kms;
use super::receive::Received;
use super::records::{Blob, Bucket};
use super::store::{Access, Store};
use crate::policy::Named;
use crate::vocab::Clock;

/// Headers of object lock.
const LOCK_MODE: &str = "x-amz-object-lock-mode";
const LOCK_UNTIL: &str = "x-amz-object-lock-retain-until-date";
const LEGAL_HOLD: &str = "x-amz-object-lock-legal-hold";
const BYPASS: &str = "x-amz-bypass-governance-retention";

/// A signature older or newer than this is refused.
const LARGEST_SKEW_SECONDS: i64 = 15 * 60;

/// The service: a store and who owns what is in it.
#[derive(Clone, Debug)]
pub struct S3 {
    pub store: Arc<dyn Store>,
    pub account: String,
    /// Names of buckets of other accounts.
    pub foreign: BTreeSet<String>,
    /// The storage's clock, which need not be the caller's.
    pub clock: Clock,
    /// Who keeps the keys of encrypted buckets.
    pub kms: Kms,
}

/// What a request is about, read from its address.
#[derive(Clone, Debug)]
pub struct Target {
    /// The region of the address; `None` behind a custom endpoint.
    region: Option<String>,
    pub bucket: Option<String>,
    key: Option<String>,
}

/// A request to the service itself.
struct Request<'a> {
    s3: &'a S3,
    call: &'a Call,
    received: Received,
    /// The region that the caller talks to.
    region: String,
    now: DateTime<Utc>,
}

/// A request to a bucket that exists and is ours, its lock held.
struct BucketRequest<'a> {
    store: &'a dyn Store,
    kms: &'a Kms,
    account: &'a str,
    call: &'a Call,
    received: Received,
    guard: &'a Guard<'a>,
    /// The bucket's own policy.
    policy: Option<Named>,
    name: &'a str,
    /// Empty for requests to the bucket itself.
    key: &'a str,
    bucket: Arc<Bucket>,
    now: DateTime<Utc>,
}

impl Target {
    /// `BUCKET.s3.REGION.amazonaws.com/KEY`, `s3.REGION.amazonaws.com/BUCKET/KEY`, or any other host with the path
    /// style (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>).
    pub fn read(call: &Call) -> Self {
        let amazon = call.host.strip_suffix(".amazonaws.com").map(|host| {
            let labels: Vec<&str> = host.split('.').collect();
            let s3 = labels.iter().rposition(|label| *label == "s3").unwrap_or(0);
            let region = labels.get(s3 + 1..).and_then(<[&str]>::last).copied().unwrap_or("us-east-1");
            (labels[..s3].join("."), region.to_owned())
        });
        let path = call.path.strip_prefix('/').unwrap_or(&call.path);
        let present = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let (bucket, key) = match &amazon {
            Some((bucket, _)) if !bucket.is_empty() => (present(bucket), present(path)),
            _ => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                (present(bucket), present(key))
            }
        };
        Target { region: amazon.map(|(_, region)| region), bucket, key }
    }
}

impl S3 {
    /// Which operation a request asks for.
    pub fn operation(&self, call: &Call, target: &Target) -> Result<&'static Operation, Refusal> {
        operations::find(call, target)
    }

    /// Answers a request whose body has come in. What came in and is not kept is removed again.
    pub fn serve(
        &self,
        operation: &Operation,
        target: &Target,
        call: &Call,
        received: Received,
        guard: &Guard<'_>,
    ) -> Answer {
        let arrived = received.blob();
        match self.answer(operation, target, call, received, guard) {
            Ok(answer) => answer,
            Err(refusal) => {
                self.forget(arrived);
                refusal.into_s3()
            }
        }
    }

    /// Removes what came in for nothing.
    pub fn discard(&self, received: &Received) {
        self.forget(received.blob());
    }

    fn forget(&self, blob: Option<Blob>) {
        if let Some(blob) = blob {
            // Best effort: bytes that nothing names harm nobody.
            let _ = self.store.remove_blob(&blob);
        }
    }

    fn answer(
        &self,
        operation: &Operation,
        target: &Target,
        call: &Call,
        received: Received,
        guard: &Guard<'_>,
    ) -> Result<Answer, Refusal> {
        let now = self.clock.now();
        let signed = self.signature(call, target, now)?;
        let access = if operation.changes { Access::Change } else { Access::Read };
        let _lock = target.bucket.as_deref().map(|name| self.store.lock(name, access)).transpose()?;
        let (name, run) = match (operation.run, target.bucket.as_deref()) {
            (Run::OnService(run), bucket) => {
                self.check_service(guard, operation, call, bucket.unwrap_or_default(), &signed)?;
                return run(Request { s3: self, call, received, region: signed, now }, bucket);
            }
            (Run::OnBucket(run), Some(name)) => (name, run),
            (Run::OnBucket(_), None) => return Err(Refusal::not_implemented("a request without a bucket")),
        };
        if self.foreign.contains(name) {
            return Err(access_denied());
        }
        let bucket = self.store.bucket(name)?.ok_or_else(|| {
            Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist")
                .detail("BucketName", name)
        })?;
        if let Some(owner) = call.header("x-amz-expected-bucket-owner")
            && owner != self.account
        {
            return Err(access_denied());
        }
        self.right_region(&bucket, target, &signed, name)?;
        let request = BucketRequest {
            store: self.store.as_ref(),
            kms: &self.kms,
            account: &self.account,
            call,
            received,
            guard,
            policy: permissions::policy_of(guard, name, &bucket),
            name,
            key: target.key.as_deref().unwrap_or_default(),
            bucket,
            now,
        };
        request.check(operation)?;
        run(request)
    }

    /// Looks at the signature's form, time and region, not at its value: the sandbox shares no secret with anyone.
    fn signature(&self, call: &Call, target: &Target, now: DateTime<Utc>) -> Result<String, Refusal> {
        let region = call.signed_region().ok_or_else(access_denied)?;
        let date = call.header("x-amz-date").unwrap_or_default();
        let date = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").map_err(|_| {
            Refusal::new(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
        })?;
        if (now - date.and_utc()).num_seconds().abs() > LARGEST_SKEW_SECONDS {
            let skewed = "The difference between the request time and the current time is too large.";
            return Err(Refusal::new(403, "RequestTimeTooSkewed", skewed)
                .detail("ServerTime", instant(now))
                .header("date", now.format("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        }
        match &target.region {
            Some(expected) if expected != region => Err(wrong_signature_region(region, expected)),
            _ => Ok(region.to_owned()),
        }
    }

    /// A bucket answers in its own region alone; elsewhere S3 says where it is.
    fn right_region(
        &self,
        bucket: &Bucket,
        target: &Target,
        signed: &str,
        name: &str,
    ) -> Result<(), Refusal> {
        if bucket.region == signed {
            return Ok(());
        }
        Err(match target.region {
            Some(_) => Refusal::new(
                301,
                "PermanentRedirect",
                "The bucket you are attempting to access must be addressed using the specified endpoint. Please \
                 send all future requests to this endpoint.",
            )
            .detail("Endpoint", format!("{name}.s3.{}.amazonaws.com", bucket.region))
            .detail("Bucket", name)
            .header("x-amz-bucket-region", bucket.region.clone()),
            None => wrong_signature_region(signed, &bucket.region),
        })
    }
}

fn wrong_signature_region(signed: &str, expected: &str) -> Refusal {
    Refusal::new(
        400,
        "AuthorizationHeaderMalformed",
        format!(
            "The authorization header is malformed; the region '{signed}' is wrong; expecting '{expected}'"
        ),
    )
    .detail("Region", expected)
    .header("x-amz-bucket-region", expected)
}

/// 403 without a word more: what AWS says to strangers.
pub fn access_denied() -> Refusal {
    Refusal::new(403, "AccessDenied", "Access Denied")
}

/// An instant as S3 writes it in documents.
fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// An instant as HTTP writes it in headers: whole seconds.
fn http_date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn invalid_argument(message: impl Into<String>, name: &str, value: &str) -> Refusal {
    Refusal::new(400, "InvalidArgument", message).detail("ArgumentName", name).detail("ArgumentValue", value)
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

    use super::*;

    fn target(uri: &str) -> (Option<String>, Option<String>, Option<String>) {
        let request = HttpRequest::get(uri).expect("a URI");
        let Target { region, bucket, key } = Target::read(&Call::read(&request));
        (region, bucket, key)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn both_styles_of_address_are_read() {
        let london = some("eu-west-2");
        assert_eq!(target("https://s3.eu-west-2.amazonaws.com/"), (london.clone(), None, None));
        assert_eq!(
            target("https://a-b.s3.eu-west-2.amazonaws.com/x/y%20z?x-id=GetObject"),
            (london.clone(), some("a-b"), some("x/y z"))
        );
        assert_eq!(target("https://s3.eu-west-2.amazonaws.com/a.b/x"), (london, some("a.b"), some("x")));
        assert_eq!(target("https://s3.amazonaws.com/b"), (some("us-east-1"), some("b"), None));
        assert_eq!(target("http://127.0.0.1:9000/b/k"), (None, some("b"), some("k")));
    }
}
