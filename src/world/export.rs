//! An account as an export of it: files that the aws command line printed, in place of calls.
//!
//! `authorization-details.json` as `aws iam get-account-authorization-details` prints it,
//! `bucket-policies/NAME.json` a bucket's policy (or `aws s3api get-bucket-policy`'s answer, or `null` for a bucket
//! without one), `databases.json` as `aws rds describe-db-instances`, `service-control-policies.json` the policies over
//! the account, a list per level from the organisation's root. What is not there is told as unread; what is there and
//! cannot be understood is an error with its place. Must never make a call.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::audit::account::READ;
use crate::audit::bucket::BucketFacts;
use crate::audit::key;
use crate::audit::raw::{AuthorizationDetails, ControlPolicy, Databases, PolicyText};
use crate::audit::{Account, Evidence, Fact, Terms, Unread};
use crate::policy::{Document, Named};
use crate::vocab::{BucketName, Id, Kind};

/// The identities of a very large account; more is a mistake.
const LARGEST: u64 = 256 << 20;

/// Buckets of one account, and more than AWS lets anyone have without asking.
const MOST_BUCKETS: usize = 10_000;

const DETAILS: &str = "authorization-details.json";
const POLICIES: &str = "bucket-policies";
const DATABASES: &str = "databases.json";
const CONTROL: &str = "service-control-policies.json";

/// Why an export cannot be used: the file, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct ExportError {
    path: PathBuf,
    why: String,
}

/// Reads an export. Buckets are those that it has policies of, and those of `terms`.
pub fn read(directory: &Path, terms: Option<&Terms>) -> Result<Evidence, ExportError> {
    let mut evidence = Evidence::default();
    let details: Option<AuthorizationDetails> = json(&directory.join(DETAILS), '{')?;
    evidence.identities = match details {
        Some(details) => Fact::Known(Account::of(details)),
        None => {
            let why = format!("the export has no {DETAILS}");
            Fact::Unread(Unread::new("the account's identities", READ, why))
        }
    };
    if let Some(first) = evidence.identities.known().and_then(|account| account.identities.first()) {
        let mut parts = first.arn.split(':').skip(1);
        evidence.partition = parts.next().unwrap_or_default().to_owned();
        evidence.account = parts.nth(2).and_then(|account| account.parse().ok());
    }
    for (name, policy) in policies(&directory.join(POLICIES))? {
        let facts = BucketFacts { policy: Fact::Known(policy), ..BucketFacts::default() };
        evidence.buckets.insert(name, facts);
    }
    for name in terms.into_iter().flat_map(|terms| terms.buckets.keys()) {
        evidence.buckets.entry(name.clone()).or_insert_with(|| {
            let subject = Id::cloud(Kind::Bucket, name.as_str()).to_string();
            let why = format!("the export has no {POLICIES}/{name}.json");
            let policy = Fact::Unread(Unread::new(subject, "s3:GetBucketPolicy", why));
            BucketFacts { policy, ..BucketFacts::default() }
        });
    }
    // Which key an export's bucket is under settings alone say, and what its policy says nobody.
    for bucket in terms.into_iter().flat_map(|terms| terms.buckets.values()) {
        let Some(named) = bucket.encryption.as_ref().and_then(key::named) else { continue };
        if !named.contains("alias/aws/") {
            let subject = key::subject(named);
            evidence.unread.push(Unread::new(subject, "kms:GetKeyPolicy", "an export holds no keys"));
        }
    }
    if let Some(databases) = json::<Databases>(&directory.join(DATABASES), '{')? {
        evidence.databases = Fact::Known(databases);
    }
    if let Some(levels) = json::<Vec<Vec<ControlPolicy>>>(&directory.join(CONTROL), '[')? {
        let named = |policy: ControlPolicy| {
            let document = policy.policy.0.unwrap_or_else(|why| {
                let subject = format!("service control policy {}", policy.name);
                evidence.unread.push(Unread::new(subject, "organizations:DescribePolicy", why));
                Arc::new(Document::unread())
            });
            Named { name: format!("service control policy {}", policy.name), document }
        };
        let mut named = named;
        let levels = levels.into_iter().map(|level| level.into_iter().map(&mut named).collect()).collect();
        evidence.scps = Fact::Known(levels);
    }
    Ok(evidence)
}

/// A file's text; `None` where it is not there.
fn text(path: &Path) -> Result<Option<String>, ExportError> {
    let failed = |why: String| ExportError { path: path.to_owned(), why };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(format!("it cannot be opened: {error}"))),
    };
    let is_file = file.metadata().map_err(|error| failed(error.to_string()))?.is_file();
    if !is_file {
        return Err(failed("it is no file".to_owned()));
    }
    let mut text = String::new();
    file.take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed(format!("it cannot be read: {error}")))?;
    if text.len() as u64 > LARGEST {
        return Err(failed(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(Some(text))
}

fn json<T: DeserializeOwned>(path: &Path, opening: char) -> Result<Option<T>, ExportError> {
    let Some(text) = text(path)? else { return Ok(None) };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    // A struct would be read out of a list too, and then everything in it is absent.
    if !text.starts_with(opening) {
        let why = format!("it should begin with `{opening}`, as the aws command line prints it");
        return Err(ExportError { path: path.to_owned(), why });
    }
    let read = serde_json::from_str(text);
    read.map(Some).map_err(|error| ExportError { path: path.to_owned(), why: error.to_string() })
}

type BucketPolicies = BTreeMap<BucketName, Option<Arc<Document>>>;

fn policies(directory: &Path) -> Result<BucketPolicies, ExportError> {
    let failed = |path: &Path, why: String| ExportError { path: path.to_owned(), why };
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BucketPolicies::new()),
        Err(error) => return Err(failed(directory, format!("it cannot be listed: {error}"))),
    };
    let mut policies = BucketPolicies::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(directory, error.to_string()))?.path();
        let Some(name) =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json"))
        else {
            continue;
        };
        let name = name
            .parse::<BucketName>()
            .map_err(|why| failed(&path, format!("its name is no bucket's: {why}")))?;
        let policy = bucket_policy(&path)?;
        policies.insert(name, policy);
        if policies.len() > MOST_BUCKETS {
            return Err(failed(directory, format!("it has more than {MOST_BUCKETS} policies")));
        }
    }
    Ok(policies)
}

/// The policy itself, or S3's answer that holds it as a text.
fn bucket_policy(path: &Path) -> Result<Option<Arc<Document>>, ExportError> {
    let failed = |why: String| ExportError { path: path.to_owned(), why };
    let text = text(path)?.unwrap_or_default();
    let json: Json = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    let policy = match &json {
        Json::Null => return Ok(None),
        Json::Object(members) if members.len() == 1 && members.contains_key("Policy") => {
            PolicyText::read(&members["Policy"])
        }
        _ => PolicyText::parse(&text),
    };
    policy.0.map(Some).map_err(failed)
}
