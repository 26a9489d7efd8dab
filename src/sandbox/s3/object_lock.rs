//! Object lock: versions that nobody can delete before their time
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>).

use std::sync::Arc;

use chrono::{DateTime, Months, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::documents::{Namespace, invalid, malformed};
use super::operations::On;
use super::permissions::{bypasses, context};
use super::{BucketRequest, LEGAL_HOLD, LOCK_MODE, LOCK_UNTIL};
use crate::sandbox::http::{Answer, Call, Refusal};
use crate::sandbox::records::{Document, ObjectLock, Retention, RetentionMode, Version};
use crate::sandbox::xml::{self, Xml};
use crate::vocab::Versioning;

/// Bounds of a bucket's default retention
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html>).
const MOST_DAYS: u32 = 36_500;
const MOST_YEARS: u32 = 100;

type Outcome = Result<Answer, Refusal>;

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ObjectLockConfiguration.html>
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    #[serde(rename = "@xmlns", skip_serializing_if = "Option::is_none")]
    namespace: Namespace,
    #[serde(rename = "ObjectLockEnabled", skip_serializing_if = "Option::is_none")]
    enabled: Option<String>,
    #[serde(rename = "Rule", skip_serializing_if = "Option::is_none")]
    rule: Option<Rule>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(rename = "DefaultRetention")]
    default: DefaultRetention,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct DefaultRetention {
    #[serde(rename = "Mode")]
    mode: RetentionMode,
    #[serde(rename = "Days", skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    #[serde(rename = "Years", skip_serializing_if = "Option::is_none")]
    years: Option<u32>,
}

impl DefaultRetention {
    fn check(&self) -> Result<(), Refusal> {
        match (self.days, self.years) {
            (Some(1..=MOST_DAYS), None) | (None, Some(1..=MOST_YEARS)) => Ok(()),
            (Some(_), None) | (None, Some(_)) => {
                Err(invalid("Default retention period must be a positive integer value."))
            }
            _ => Err(malformed("Days or Years, and not both")),
        }
    }

    /// The retention of a version that is made now.
    fn at(&self, now: DateTime<Utc>) -> Option<Retention> {
        let until = match (self.days, self.years) {
            (Some(days), _) => now.checked_add_signed(TimeDelta::days(i64::from(days))),
            (None, Some(years)) => now.checked_add_months(Months::new(years * 12)),
            (None, None) => None,
        };
        until.map(|until| Retention { mode: self.mode, until })
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ObjectLockRetention.html>
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionDocument {
    #[serde(rename = "@xmlns")]
    _namespace: Namespace,
    #[serde(rename = "Mode")]
    mode: Option<RetentionMode>,
    #[serde(rename = "RetainUntilDate")]
    until: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LegalHoldDocument {
    #[serde(rename = "@xmlns")]
    _namespace: Namespace,
    #[serde(rename = "Status")]
    status: String,
}

pub(super) fn get_configuration(request: BucketRequest<'_>) -> Outcome {
    if !request.bucket.object_lock {
        let message = "Object Lock configuration does not exist for this bucket";
        return Err(Refusal::new(404, "ObjectLockConfigurationNotFoundError", message)
            .detail("BucketName", request.name));
    }
    Ok(match request.bucket.documents.get(&Document::ObjectLock) {
        Some(text) => Answer::xml(text.clone()),
        None => Answer::xml(Xml::s3("ObjectLockConfiguration", |configuration| {
            configuration.text("ObjectLockEnabled", "Enabled");
        })),
    })
}

/// Also switches object lock on in a bucket that exists, for good.
pub(super) fn put_configuration(request: BucketRequest<'_>) -> Outcome {
    let configuration: Configuration = xml::parse(request.received.document())?;
    if configuration.enabled.as_deref() != Some("Enabled") {
        return Err(malformed("ObjectLockEnabled must be Enabled"));
    }
    if let Some(rule) = &configuration.rule {
        rule.default.check()?;
    }
    if request.bucket.versioning != Versioning::Enabled {
        let message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
        return Err(Refusal::new(409, "InvalidBucketState", message));
    }
    let text = xml::render("ObjectLockConfiguration", &configuration)?;
    request.change(|bucket| {
        bucket.object_lock = true;
        bucket.documents.insert(Document::ObjectLock, text);
    })?;
    Ok(Answer::empty(200))
}

fn no_lock_in_bucket() -> Refusal {
    Refusal::new(400, "InvalidRequest", "Bucket is missing Object Lock Configuration")
}

fn no_lock() -> Refusal {
    let message = "The specified object does not have a ObjectLock configuration";
    Refusal::new(404, "NoSuchObjectLockConfiguration", message)
}

/// 403: what object lock keeps, whoever asks.
fn protected() -> Refusal {
    Refusal::new(403, "AccessDenied", "Access Denied because object protected by object lock.")
}

fn not_in_future() -> Refusal {
    invalid("The retain until date must be in the future!")
}

/// What a writer's headers ask for; what the bucket's default does not touch.
pub(super) fn asked(request: &BucketRequest<'_>) -> Result<ObjectLock, Refusal> {
    let call: &Call = request.call;
    let (mode, until, hold) = (call.header(LOCK_MODE), call.header(LOCK_UNTIL), call.header(LEGAL_HOLD));
    if mode.is_none() && until.is_none() && hold.is_none() {
        return Ok(ObjectLock::default());
    }
    if !request.bucket.object_lock {
        return Err(no_lock_in_bucket());
    }
    let retention = match (mode, until) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let mode =
                RetentionMode::from_name(mode).ok_or_else(|| invalid("Unknown wormMode directive."))?;
            let until: DateTime<Utc> = until
                .parse()
                .map_err(|_| invalid("The retain until date must be provided in ISO 8601 format"))?;
            if until <= request.now {
                return Err(not_in_future());
            }
            Some(Retention { mode, until })
        }
        _ => {
            return Err(invalid(
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            ));
        }
    };
    let hold = match hold {
        None => None,
        Some("ON") => Some(true),
        Some("OFF") => Some(false),
        Some(_) => return Err(invalid("Legal Hold must be either of 'ON' or 'OFF'")),
    };
    Ok(ObjectLock { retention, hold })
}

/// The version that a request about its lock means, in a bucket that has one.
fn version(request: &BucketRequest<'_>) -> Result<Arc<Version>, Refusal> {
    if !request.bucket.object_lock {
        return Err(no_lock_in_bucket());
    }
    request.wanted().map(|(version, _)| version)
}

pub(super) fn get_retention(request: BucketRequest<'_>) -> Outcome {
    let version = version(&request)?;
    let retention = version.lock.retention.ok_or_else(no_lock)?;
    Ok(Answer::xml(Xml::s3("Retention", |document| {
        document.text("Mode", retention.mode.name()).text("RetainUntilDate", instant(retention.until));
    })))
}

/// Longer is always allowed; shorter, another mode or none only in governance mode, and only to who may and says so.
pub(super) fn put_retention(request: BucketRequest<'_>) -> Outcome {
    let version = version(&request)?;
    let document: RetentionDocument = xml::parse(request.received.document())?;
    let wanted = match (document.mode, document.until) {
        (None, None) => None,
        (Some(_), Some(until)) if until <= request.now => return Err(not_in_future()),
        (Some(mode), Some(until)) => Some(Retention { mode, until }),
        _ => return Err(malformed("Mode and RetainUntilDate belong together")),
    };
    if let Some(now) = version.lock.retention.filter(|retention| retention.until > request.now) {
        let longer = wanted.is_some_and(|wanted| wanted.mode == now.mode && wanted.until >= now.until);
        let passed = now.mode == RetentionMode::Governance && bypasses(request.call);
        if !longer && !passed {
            return Err(protected());
        }
    }
    let mut changed = Version::clone(&version);
    changed.lock.retention = wanted;
    request.store.put_version(request.name, changed)?;
    Ok(Answer::empty(200))
}

pub(super) fn get_hold(request: BucketRequest<'_>) -> Outcome {
    let hold = version(&request)?.lock.hold.ok_or_else(no_lock)?;
    Ok(Answer::xml(Xml::s3("LegalHold", |document| {
        document.text("Status", if hold { "ON" } else { "OFF" });
    })))
}

pub(super) fn put_hold(request: BucketRequest<'_>) -> Outcome {
    let version = version(&request)?;
    let document: LegalHoldDocument = xml::parse(request.received.document())?;
    let hold = match document.status.as_str() {
        "ON" => true,
        "OFF" => false,
        _ => return Err(malformed("Status is ON or OFF")),
    };
    let mut changed = Version::clone(&version);
    changed.lock.hold = Some(hold);
    request.store.put_version(request.name, changed)?;
    Ok(Answer::empty(200))
}

impl BucketRequest<'_> {
    /// The lock of a new version: what its writer asked for, else the bucket's default.
    pub(super) fn lock_of_new(&self, asked: ObjectLock) -> Result<ObjectLock, Refusal> {
        if asked.retention.is_some() {
            return Ok(asked);
        }
        let Some(text) = self.bucket.documents.get(&Document::ObjectLock) else { return Ok(asked) };
        let configuration: Configuration = xml::parse(text.as_bytes())?;
        let retention = configuration.rule.and_then(|rule| rule.default.at(self.now));
        Ok(ObjectLock { retention, ..asked })
    }

    /// Refuses to delete a version that is locked. Governance mode lets who may pass, and says so.
    pub(super) fn check_lock(&self, version: &Version) -> Result<(), Refusal> {
        let lock = version.lock;
        let retained = lock.retention.filter(|retention| retention.until > self.now);
        let passed = retained
            .is_none_or(|retention| retention.mode == RetentionMode::Governance && bypasses(self.call));
        if lock.hold == Some(true) || !passed {
            return Err(protected());
        }
        Ok(())
    }

    /// Adds what a version's lock is, as far as the caller may know.
    pub(super) fn with_lock(&self, answer: Answer, version: &Version) -> Result<Answer, Refusal> {
        let lock = version.lock;
        if lock == ObjectLock::default() {
            return Ok(answer);
        }
        let context = context(self.guard, "", self.call);
        let may = |action: &str| self.ask(action, On::Object, self.key, &context).is_ok();
        let retention = lock.retention.filter(|_| may("s3:GetObjectRetention"));
        let hold = lock.hold.filter(|_| may("s3:GetObjectLegalHold"));
        Ok(answer
            .with_some(LOCK_MODE, retention.map(|retention| retention.mode.name()))
            .with_some(LOCK_UNTIL, retention.map(|retention| instant(retention.until)))
            .with_some(LEGAL_HOLD, hold.map(|hold| if hold { "ON" } else { "OFF" })))
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
