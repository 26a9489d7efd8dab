//! What S3 looks at when a bucket's policy is written: its form, and that every action fits a resource. Whether it
//! allows anything is not judged here.

use serde_json::{Map, Value};

use crate::sandbox::http::Refusal;

/// A policy that S3 would take.
#[derive(Debug)]
pub(super) struct Policy {
    /// As it was sent.
    pub text: String,
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

fn malformed(message: &str) -> Refusal {
    Refusal::new(400, "MalformedPolicy", message)
}

/// Reads the policy of `bucket`.
pub(super) fn read(text: &[u8], bucket: &str) -> Result<Policy, Refusal> {
    let no_json = || malformed("Policies must be valid JSON and the first byte must be '{'");
    let text = std::str::from_utf8(text).map_err(|_| no_json())?;
    let document: Map<String, Value> = serde_json::from_str(text).map_err(|_| no_json())?;
    if document.keys().any(|key| !["Version", "Id", "Statement"].contains(&key.as_str())) {
        return Err(malformed("Unknown field in the policy"));
    }
    match document.get("Version").map(Value::as_str) {
        None | Some(Some("2012-10-17" | "2008-10-17")) => {}
        Some(_) => return Err(malformed("The policy must contain a valid version string")),
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => return Err(malformed("Missing required field Statement")),
    };
    let mut public = false;
    let mut sids = std::collections::BTreeSet::new();
    for statement in statements {
        let statement = statement.as_object().ok_or_else(|| malformed("A statement must be an object"))?;
        if let Some(sid) = statement.get("Sid").and_then(Value::as_str)
            && !sids.insert(sid)
        {
            return Err(malformed("Statement IDs (SID) in a single policy must be unique."));
        }
        check(statement, bucket)?;
        public |= opens(statement);
    }
    Ok(Policy { text: text.to_owned(), public })
}

fn check(statement: &Map<String, Value>, bucket: &str) -> Result<(), Refusal> {
    const KNOWN: [&str; 9] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    if statement.keys().any(|key| !KNOWN.contains(&key.as_str())) {
        return Err(malformed("Unknown field in a statement"));
    }
    if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
        return Err(malformed("Missing required field Effect"));
    }
    let principal = one_of(statement, "Principal", "NotPrincipal")?;
    if !valid_principal(principal) {
        return Err(malformed("Invalid principal in policy"));
    }
    if statement.get("Condition").is_some_and(|condition| {
        !condition.as_object().is_some_and(|operators| operators.values().all(Value::is_object))
    }) {
        return Err(malformed("Conditions must be an object of operators"));
    }
    let actions = texts(one_of(statement, "Action", "NotAction")?)
        .ok_or_else(|| malformed("Policy has invalid action"))?;
    let resources = texts(one_of(statement, "Resource", "NotResource")?)
        .ok_or_else(|| malformed("Policy has invalid resource"))?;

    let places = resources
        .iter()
        .map(|resource| place(resource, bucket).ok_or_else(|| malformed("Policy has invalid resource")))
        .collect::<Result<Vec<Place>, Refusal>>()?;
    // What an exclusion leaves over fits something.
    let excluded = statement.contains_key("NotAction") || statement.contains_key("NotResource");
    for action in actions {
        let (on_bucket, on_object) = reach(action).ok_or_else(|| malformed("Policy has invalid action"))?;
        let fits = |place: &Place| (on_bucket && place.bucket) || (on_object && place.objects);
        if !excluded && !places.iter().any(fits) {
            return Err(malformed("Action does not apply to any resource(s) in statement"));
        }
    }
    Ok(())
}

fn one_of<'a>(statement: &'a Map<String, Value>, field: &str, not: &str) -> Result<&'a Value, Refusal> {
    match (statement.get(field), statement.get(not)) {
        (Some(value), None) | (None, Some(value)) => Ok(value),
        _ => Err(malformed(&format!("Missing required field {field}"))),
    }
}

fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) if !items.is_empty() => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn valid_principal(principal: &Value) -> bool {
    match principal {
        Value::String(text) => text == "*",
        Value::Object(kinds) => {
            !kinds.is_empty()
                && kinds.iter().all(|(kind, who)| {
                    ["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind.as_str())
                        && texts(who).is_some_and(|who| who.iter().all(|who| !who.is_empty()))
                })
        }
        _ => false,
    }
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

fn opens(statement: &Map<String, Value>) -> bool {
    let everyone = |principal: &Value| match principal {
        Value::String(text) => text == "*",
        Value::Object(kinds) => kinds.get("AWS").and_then(texts).is_some_and(|who| who.contains(&"*")),
        _ => false,
    };
    let narrowed = statement.get("Condition").and_then(Value::as_object).is_some_and(|operators| {
        operators
            .iter()
            .filter(|(operator, _)| !operator.contains("Not") && !operator.ends_with("IfExists"))
            .filter_map(|(_, keys)| keys.as_object())
            .flat_map(Map::keys)
            .any(|key| NARROWING.contains(&key.to_lowercase().as_str()))
    });
    statement.get("Effect").and_then(Value::as_str) == Some("Allow")
        && (statement.get("Principal").is_some_and(everyone) || statement.contains_key("NotPrincipal"))
        && !narrowed
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
    }

    #[test]
    fn wildcards_match_as_iam_says() {
        assert!(matches("put*policy", "putbucketpolicy") && matches("*", "") && matches("a?c", "abc"));
        assert!(!matches("a?c", "ac") && !matches("put*", "getput") && !matches("", "a"));
    }
}
