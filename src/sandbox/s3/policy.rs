//! What S3 looks at when a bucket's policy is written: its form, and that every action fits a resource. Whether it
//! allows anything is not judged here.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::policy::{Document, Effect, Operator, Statement, Who};
use crate::sandbox::http::Refusal;
use crate::sandbox::iam::{self, Iam};

/// A policy that S3 would take.
#[derive(Debug)]
pub(super) struct Policy {
    /// As it was sent.
    pub text: String,
    pub document: Document,
    /// Whether it opens the bucket to everyone
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>).
    pub public: bool,
}

/// Actions on objects; every other action of S3 that a bucket's policy may name is on the bucket
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>).
const ON_OBJECTS: [&str; 34] = [
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionForReplication",
    "GetObjectVersionTagging",
    "GetObjectVersionTorrent",
    "InitiateReplication",
    "ListMultipartUploadParts",
    "ObjectOwnerOverrideToBucketOwner",
    "PutObject",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
    "RestoreObject",
    "UpdateObjectEncryption",
];

const ON_BUCKETS: [&str; 44] = [
    "CreateBucket",
    "DeleteBucket",
    "DeleteBucketOwnershipControls",
    "DeleteBucketPolicy",
    "DeleteBucketWebsite",
    "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketNotification",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetReplicationConfiguration",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "PutAccelerateConfiguration",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutEncryptionConfiguration",
    "PutLifecycleConfiguration",
    "PutReplicationConfiguration",
];

/// Condition keys that narrow "everyone" down to somebody known.
const NARROWING: [&str; 11] = [
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
];

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "MalformedPolicy", message)
}

/// The number that S3 alone knows an account by.
pub(super) fn canonical_id(account: &str) -> String {
    hex::encode(Sha256::digest(account.as_bytes()))
}

/// Reads the policy of `bucket`.
pub(super) fn read(text: &[u8], bucket: &str) -> Result<Policy, Refusal> {
    let no_json = || malformed("Policies must be valid JSON and the first byte must be '{'");
    let text = std::str::from_utf8(text).map_err(|_| no_json())?;
    serde_json::from_str::<Map<String, Value>>(text).map_err(|_| no_json())?;
    let document = Document::parse(text).map_err(|error| malformed(error.to_string()))?;
    if document.statements.is_empty() {
        return Err(malformed("Missing required field Statement"));
    }
    let mut sids = std::collections::BTreeSet::new();
    for statement in &document.statements {
        if let Some(sid) = &statement.sid
            && !sids.insert(sid)
        {
            return Err(malformed("Statement IDs (SID) in a single policy must be unique."));
        }
        check(statement, bucket)?;
    }
    let public = document.statements.iter().any(opens);
    Ok(Policy { text: text.to_owned(), document, public })
}

/// Refuses a policy that names somebody who does not exist.
pub(super) fn check_principals(policy: &Policy, iam: &Iam) -> Result<(), Refusal> {
    for principals in policy.document.statements.iter().filter_map(|statement| statement.principals.as_ref())
    {
        if let Err(who) = iam::check_principals(iam, principals)? {
            return Err(malformed("Invalid principal in policy").detail("Detail", who.to_string()));
        }
    }
    Ok(())
}

fn check(statement: &Statement, bucket: &str) -> Result<(), Refusal> {
    if let Some(element) = statement.unmodelled.keys().next() {
        return Err(malformed(format!("Unknown field {element}")));
    }
    if statement.principals.is_none() {
        return Err(malformed("Missing required field Principal"));
    }
    let Some(resources) = &statement.resources else {
        return Err(malformed("Missing required field Resource"));
    };
    for condition in &statement.conditions {
        if let Operator::Unmodelled(name) = &condition.operator {
            return Err(malformed(format!("Invalid Condition type : {name}")));
        }
    }
    let places = resources
        .patterns
        .iter()
        .map(|resource| {
            place(resource.as_str(), bucket).ok_or_else(|| malformed("Policy has invalid resource"))
        })
        .collect::<Result<Vec<Place>, Refusal>>()?;
    // What an exclusion leaves over fits something.
    let excluded = statement.actions.negated || resources.negated;
    for action in &statement.actions.patterns {
        let (on_bucket, on_object) =
            reach(action.as_str()).ok_or_else(|| malformed("Policy has invalid action"))?;
        let fits = |place: &Place| (on_bucket && place.bucket) || (on_object && place.objects);
        if !excluded && !places.iter().any(fits) {
            return Err(malformed("Action does not apply to any resource(s) in statement"));
        }
    }
    Ok(())
}

/// What of the bucket a resource can name.
#[derive(Clone, Copy)]
struct Place {
    bucket: bool,
    objects: bool,
}

/// `None` for what is not in the bucket at all.
fn place(resource: &str, bucket: &str) -> Option<Place> {
    let name = ["arn:aws:s3:::", "arn:aws-cn:s3:::", "arn:aws-us-gov:s3:::"]
        .iter()
        .find_map(|prefix| resource.strip_prefix(prefix))?;
    match name.split_once('/') {
        Some((pattern, _)) => matches(pattern, bucket).then_some(Place { bucket: false, objects: true }),
        // A `*` in a resource crosses the slash, so it may stand for the objects as well.
        None => matches(name, bucket).then_some(Place { bucket: true, objects: name.ends_with('*') }),
    }
}

/// Whether an action, wildcards included, is of buckets and of objects; `None` for what S3 does not know.
fn reach(action: &str) -> Option<(bool, bool)> {
    let pattern = match action {
        "*" => "*",
        action => {
            action.get(..3).filter(|service| service.eq_ignore_ascii_case("s3:")).map(|_| &action[3..])?
        }
    };
    let pattern = pattern.to_lowercase();
    let known = |list: &[&str]| list.iter().any(|name| matches(&pattern, &name.to_lowercase()));
    let (on_bucket, on_object) = (known(&ON_BUCKETS), known(&ON_OBJECTS));
    (on_bucket || on_object).then_some((on_bucket, on_object))
}

/// `*` for any text, `?` for one character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

fn opens(statement: &Statement) -> bool {
    let everyone = statement
        .principals
        .as_ref()
        .is_some_and(|principals| principals.negated || principals.who.contains(&Who::Everyone));
    let narrowed = statement.conditions.iter().any(|condition| {
        let asks = match &condition.operator {
            Operator::Known { test, if_exists, .. } => !test.is_negated() && !if_exists,
            Operator::Unmodelled(_) => false,
        };
        let somebody = |value: &str| !["*", "0.0.0.0/0", "::/0"].contains(&value);
        asks && NARROWING.contains(&condition.key.to_lowercase().as_str())
            && condition.values.iter().all(|value| somebody(&value.text))
    });
    statement.effect == Effect::Allow && everyone && !narrowed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(action: &str, resource: &str) -> Result<bool, String> {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"a","Effect":"Deny","Principal":"*",
                "Action":{action},"Resource":{resource}}}]}}"#
        );
        read(text.as_bytes(), "b").map(|policy| policy.public).map_err(|refusal| refusal.message)
    }

    const BUCKET: &str = r#""arn:aws:s3:::b""#;
    const OBJECTS: &str = r#""arn:aws:s3:::b/*""#;

    #[test]
    fn an_action_fits_its_resource_or_the_policy_is_malformed() {
        assert_eq!(policy(r#""s3:DeleteObjectVersion""#, OBJECTS), Ok(false));
        assert_eq!(policy(r#""s3:PutLifecycleConfiguration""#, BUCKET), Ok(false));
        assert_eq!(policy(r#""s3:*""#, BUCKET), Ok(false));
        assert_eq!(
            policy(r#"["s3:PutBucketPolicy","s3:PutObject"]"#, &format!("[{BUCKET},{OBJECTS}]")),
            Ok(false)
        );
        let unfit = Err("Action does not apply to any resource(s) in statement".to_owned());
        assert_eq!(policy(r#""s3:DeleteObjectVersion""#, BUCKET), unfit);
        assert_eq!(policy(r#""s3:PutBucketPolicy""#, OBJECTS), unfit);
        let unknown = Err("Policy has invalid action".to_owned());
        assert_eq!(policy(r#""s3:CreateJob""#, BUCKET), unknown);
        assert_eq!(policy(r#""iam:PassRole""#, BUCKET), unknown);
        assert_eq!(
            policy(r#""s3:*""#, r#""arn:aws:s3:::other""#),
            Err("Policy has invalid resource".to_owned())
        );
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for text in ["", "[]", "{}", r#"{"Statement":[]}"#, r#"{"Statement":[1]}"#, r#"{"Statement":[{}]}"#] {
            assert_eq!(
                read(text.as_bytes(), "b").err().map(|refusal| refusal.code),
                Some("MalformedPolicy"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_policy_for_everyone_is_public_unless_it_names_somebody() {
        let allow = |condition: &str| {
            let text = format!(
                r#"{{"Statement":{{"Effect":"Allow","Principal":{{"AWS":"*"}},"Action":"s3:GetObject",
                    "Resource":"arn:aws:s3:::b/*"{condition}}}}}"#
            );
            read(text.as_bytes(), "b").map(|policy| policy.public)
        };
        assert_eq!(allow(""), Ok(true));
        assert_eq!(allow(r#","Condition":{"Bool":{"aws:SecureTransport":"true"}}"#), Ok(true));
        assert_eq!(allow(r#","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#), Ok(false));
        assert_eq!(allow(r#","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#), Ok(false));
        assert_eq!(
            allow(r#","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","0.0.0.0/0"]}}"#),
            Ok(true)
        );
    }

    #[test]
    fn wildcards_match_as_iam_says() {
        assert!(matches("put*policy", "putbucketpolicy") && matches("*", "") && matches("a?c", "abc"));
        assert!(!matches("a?c", "ac") && !matches("put*", "getput") && !matches("", "a"));
    }
}
