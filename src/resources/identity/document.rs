//! Between [`Grants`] and the policy that says them in IAM's language. Pure: partition and account are handed in, since
//! only live code knows them.
//!
//! Reading back is the same function in the other direction: grants are guessed from the document, and hold only if
//! writing them gives that very document. Anything else is shown as it is, never taken for ours.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::{Grants, Source};
use crate::policy::Document;
use crate::vocab::{BucketName, Network};

/// What every ARN needs besides a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: String,
    /// Twelve digits, or `*` where it is not known.
    pub account: String,
}

/// What jobs do with objects: single and multipart uploads, breaking them off, asking for what was written by key and by
/// version (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>).
pub const OBJECT_ACTIONS: [&str; 4] =
    ["s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject", "s3:GetObjectVersion"];

/// What jobs ask of a bucket: whether it keeps versions, which there are, which uploads were broken off. Without
/// `s3:ListBucket` S3 answers 403 in place of 404, and a missing backup could not be told from a forbidden one.
pub const BUCKET_ACTIONS: [&str; 4] =
    ["s3:GetBucketVersioning", "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"];

/// What S3 asks of KMS on behalf of a multipart upload, and of a read of its checksum
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html>).
pub const KEY_ACTIONS: [&str; 2] = ["kms:GenerateDataKey", "kms:Decrypt"];

/// Manual snapshots. Tags are not among it: tags decide what lifecycles remove
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_rds.html>).
pub const SNAPSHOT_ACTIONS: [&str; 2] = ["rds:CreateDBSnapshot", "rds:DescribeDBSnapshots"];

impl Realm {
    fn bucket(&self, name: &BucketName) -> String {
        format!("arn:{}:s3:::{name}", self.partition)
    }

    fn rds(&self, kind: &str, name: &str) -> String {
        format!("arn:{}:rds:*:{}:{kind}:{name}", self.partition, self.account)
    }

    /// S3 of a region, as KMS names the service that asks on somebody's behalf.
    fn via_s3(&self, region: &str) -> String {
        let suffix = if self.partition == "aws-cn" { ".cn" } else { "" };
        format!("s3.{region}.amazonaws.com{suffix}")
    }

    /// The principal of a service: `ec2.amazonaws.com`. In China EC2 has one of its own
    /// (<https://docs.amazonaws.cn/en_us/aws/latest/userguide/iam.html>).
    pub fn service(&self, short: &str) -> String {
        match (short.contains('.'), self.partition.as_str(), short) {
            (true, ..) => short.to_owned(),
            (false, "aws-cn", "ec2") => format!("{short}.amazonaws.com.cn"),
            (false, ..) => format!("{short}.amazonaws.com"),
        }
    }
}

/// `ec2.amazonaws.com` as settings write it: `ec2`.
pub fn short_service(principal: &str) -> String {
    let short =
        principal.strip_suffix(".amazonaws.com").or_else(|| principal.strip_suffix(".amazonaws.com.cn"));
    match short {
        Some(short) if !short.contains('.') && !short.is_empty() => short.to_owned(),
        _ => principal.to_owned(),
    }
}

impl Grants {
    /// The policy. Every statement only allows: what is not allowed is denied already, and what others allow beside it is
    /// for the bucket's own lock to deny.
    pub fn to_document(&self, realm: &Realm) -> Json {
        let mut statements = Vec::new();
        let mut allow = |sid: String, actions: &[&str], resources: Vec<String>, condition: Option<Json>| {
            let mut statement =
                json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources});
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statements.push(statement);
        };
        let from = self.from.as_ref().map(Source::condition);
        if !self.writes.is_empty() {
            let buckets = || self.writes.iter().map(|name| realm.bucket(name));
            let objects = buckets().map(|bucket| format!("{bucket}/*")).collect();
            allow("WriteBackups".to_owned(), &OBJECT_ACTIONS, objects, from.clone());
            allow("SeeBackups".to_owned(), &BUCKET_ACTIONS, buckets().collect(), from.clone());
        }
        // S3 asks KMS on the writer's behalf, from an address of its own: the network is S3's to check.
        let keys: Vec<Key> = self.keys.iter().filter_map(|key| Key::parse(key)).collect();
        let (aliases, keys): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.alias.is_some());
        if !keys.is_empty() {
            let regions: BTreeSet<String> = keys.iter().map(|key| realm.via_s3(key.region)).collect();
            let condition = json!({"StringEquals": {"kms:ViaService": regions}});
            let arns = keys.iter().map(|key| key.arn.to_owned()).collect();
            allow("UseKeys".to_owned(), &KEY_ACTIONS, arns, Some(condition));
        }
        // A policy cannot name an alias, but can ask what aliases a key has
        // (<https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html>).
        for (number, Key { arn, region, alias }) in aliases.iter().enumerate() {
            let keys = arn.replace(&format!(":{}", alias.unwrap_or_default()), ":key/*");
            let condition = json!({
                "StringEquals": {"kms:ViaService": realm.via_s3(region)},
                "ForAnyValue:StringEquals": {"kms:ResourceAliases": alias},
            });
            allow(format!("UseKeyOfAlias{}", number + 1), &KEY_ACTIONS, vec![keys], Some(condition));
        }
        if !self.snapshots.is_empty() {
            let mut arns: Vec<String> = self.snapshots.iter().map(|name| realm.rds("db", name)).collect();
            // A snapshot has no name yet when it is asked for; the database says whose it may be.
            arns.push(realm.rds("snapshot", "*"));
            allow("MakeSnapshots".to_owned(), &SNAPSHOT_ACTIONS, arns, from);
        }
        json!({"Version": "2012-10-17", "Statement": statements})
    }

    /// What a document grants, where it is one that [`Grants::to_document`] writes.
    pub fn of_document(document: &Document, realm: &Realm) -> Option<Grants> {
        let json = document.to_json();
        let mut grants = Grants::default();
        for statement in list(json.get("Statement")) {
            let condition = statement.get("Condition");
            let resources = list(statement.get("Resource"));
            for arn in resources.iter().filter_map(|arn| arn.as_str()) {
                let mut parts = arn.splitn(6, ':').skip(2);
                match (parts.next()?, parts.nth(2)?) {
                    ("s3", name) if !name.contains('/') => {
                        grants.writes.insert(name.parse().ok()?);
                    }
                    ("s3", _) => {}
                    ("kms", "key/*") => {
                        let alias = value(condition?, "ForAnyValue:StringEquals", "kms:ResourceAliases")?;
                        grants.keys.insert(arn.replace(":key/*", &format!(":{}", alias.as_str()?)));
                    }
                    ("kms", _) => {
                        grants.keys.insert(arn.to_owned());
                    }
                    ("rds", name) => {
                        grants.snapshots.extend(name.strip_prefix("db:").map(str::to_owned));
                    }
                    _ => return None,
                }
            }
            let is_kms = resources.iter().any(|arn| arn.as_str().is_some_and(|arn| arn.contains(":kms:")));
            if let (Some(condition), false) = (condition, is_kms) {
                grants.from = Some(Source::of_condition(condition)?);
            }
        }
        let written = Document::read(&grants.to_document(realm)).ok()?;
        (written == *document).then_some(grants)
    }
}

impl Source {
    /// `aws:SourceIp` is absent from requests through an endpoint of a VPC, and `aws:SourceVpc` and `aws:VpcSourceIp` from
    /// all others, so that each refuses what the other admits
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>).
    fn condition(&self) -> Json {
        match self {
            Source::Networks(networks) => json!({"IpAddress": {"aws:SourceIp": texts(networks)}}),
            Source::Vpc { vpc, networks } if networks.is_empty() => {
                json!({"StringEquals": {"aws:SourceVpc": vpc}})
            }
            Source::Vpc { vpc, networks } => json!({
                "StringEquals": {"aws:SourceVpc": vpc},
                "IpAddress": {"aws:VpcSourceIp": texts(networks)},
            }),
        }
    }

    fn of_condition(condition: &Json) -> Option<Source> {
        let networks = |key| -> Option<BTreeSet<Network>> {
            let one = |network: &Json| network.as_str()?.parse().ok();
            list(condition.get("IpAddress")?.get(key)).into_iter().map(one).collect()
        };
        match value(condition, "StringEquals", "aws:SourceVpc") {
            Some(vpc) => Some(Source::Vpc {
                vpc: vpc.as_str()?.to_owned(),
                networks: networks("aws:VpcSourceIp").unwrap_or_default(),
            }),
            None => networks("aws:SourceIp").map(Source::Networks),
        }
    }
}

fn texts(networks: &BTreeSet<Network>) -> Vec<String> {
    networks.iter().map(Network::to_string).collect()
}

/// The parts of `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`, or of an alias's.
struct Key<'a> {
    arn: &'a str,
    region: &'a str,
    /// `alias/NAME`.
    alias: Option<&'a str>,
}

impl Key<'_> {
    fn parse(arn: &str) -> Option<Key<'_>> {
        let mut parts = arn.splitn(6, ':').skip(3);
        let (region, name) = (parts.next()?, parts.nth(1)?);
        Some(Key { arn, region, alias: name.starts_with("alias/").then_some(name) })
    }
}

/// IAM writes a list of one as its only member.
fn list(json: Option<&Json>) -> Vec<&Json> {
    match json {
        Some(Json::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}

/// The only value of a condition's key.
fn value<'a>(condition: &'a Json, operator: &str, key: &str) -> Option<&'a Json> {
    match list(condition.get(operator)?.get(key)).as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm() -> Realm {
        Realm { partition: "aws".to_owned(), account: "123456789012".to_owned() }
    }

    fn names<T: std::str::FromStr<Err: std::fmt::Debug> + Ord>(list: &[&str]) -> BTreeSet<T> {
        list.iter().map(|name| name.parse().expect("valid")).collect()
    }

    fn full() -> Grants {
        Grants {
            writes: names(&["bucket-a", "bucket-b"]),
            keys: names(&[
                "arn:aws:kms:eu-west-2:123456789012:key/0000-1111",
                "arn:aws:kms:eu-west-1:123456789012:alias/backups/one",
            ]),
            snapshots: names(&["aquamark", "other-db"]),
            from: Some(Source::Vpc { vpc: "vpc-0abc".to_owned(), networks: names(&["172.31.0.0/16"]) }),
        }
    }

    #[test]
    fn what_is_granted_is_read_back_in_every_part() {
        let full = full();
        let parts = [
            full.clone(),
            Grants { from: None, ..full.clone() },
            Grants {
                from: Some(Source::Networks(names(&["203.0.113.0/24", "2001:db8::/32"]))),
                ..full.clone()
            },
            Grants {
                from: Some(Source::Vpc { vpc: "vpc-1".to_owned(), networks: BTreeSet::new() }),
                ..full.clone()
            },
            Grants { writes: names(&["bucket-a"]), ..Grants::default() },
            Grants { snapshots: names(&["aquamark"]), from: full.from.clone(), ..Grants::default() },
        ];
        for grants in parts {
            for partition in ["aws", "aws-cn", "aws-us-gov"] {
                let keys =
                    grants.keys.iter().map(|key| key.replace("arn:aws:", &format!("arn:{partition}:")));
                let grants = Grants { keys: keys.collect(), ..grants.clone() };
                let realm = Realm { partition: partition.to_owned(), ..realm() };
                let document = Document::read(&grants.to_document(&realm)).expect("a policy");
                assert_eq!(Grants::of_document(&document, &realm).as_ref(), Some(&grants), "{document:?}");
            }
        }
    }

    #[test]
    fn what_says_a_little_more_or_less_is_not_ours() {
        let document = full().to_document(&realm());
        let mut more = document.clone();
        more["Statement"][0]["Action"] = json!(["s3:PutObject", "s3:DeleteObject"]);
        let mut elsewhere = document.clone();
        elsewhere["Statement"][0]["Resource"] = json!("arn:aws:s3:::bucket-c/*");
        let mut open = document.clone();
        open["Statement"][1].as_object_mut().expect("a statement").remove("Condition");
        let everything = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
        for json in [more, elsewhere, open, everything] {
            let document = Document::read(&json).expect("a policy");
            assert_eq!(Grants::of_document(&document, &realm()), None, "{json:#}");
        }
        let strangers = Realm { account: "999999999999".to_owned(), ..realm() };
        let document = Document::read(&document).expect("a policy");
        assert_eq!(Grants::of_document(&document, &strangers), None);
    }

    #[test]
    fn services_are_short_and_long() {
        for (short, long) in [("ec2", "ec2.amazonaws.com"), ("ops.example.org", "ops.example.org")] {
            assert_eq!(realm().service(short), long);
            assert_eq!(short_service(long), short);
        }
        let china = Realm { partition: "aws-cn".to_owned(), ..realm() };
        assert_eq!(china.service("ec2"), "ec2.amazonaws.com.cn");
        assert_eq!(short_service("ec2.amazonaws.com.cn"), "ec2");
        // A service of a region is not the service.
        assert_eq!(short_service("s3.eu-west-2.amazonaws.com"), "s3.eu-west-2.amazonaws.com");
    }
}
