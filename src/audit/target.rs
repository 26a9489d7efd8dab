//! What is asked: each row of the destroyer table on each bucket, key and database where it destroys.

use std::sync::Arc;

use serde_json::json;

use super::bucket::BucketFacts;
use super::evidence::Evidence;
use super::fact::Fact;
use super::key::{self, About, KeyState, Place, Stands};
use super::terms::{BucketTerms, Terms};
use crate::policy::destroyers::{DESTROYERS, Destroyer, On, When};
use crate::policy::{Context, Document, Named, Resource};
use crate::resources::bucket::BucketObjectLock;
use crate::vocab::{BucketName, Id, Kind, Versioning};

/// The headers that choose a key, as conditions name them
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html>).
const CUSTOMER_KEY: &str = "s3:x-amz-server-side-encryption-customer-algorithm";
const KMS_KEY: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";

/// An account that is nobody's backup account: AWS gives no such number.
const NOBODY: &str = "000000000000";

/// One question: may somebody do this, to that.
#[derive(Clone, Debug)]
pub struct Target {
    pub row: &'static Destroyer,
    /// Whose backups it destroys: `bucket/NAME` or `database/NAME`.
    pub subject: Arc<str>,
    /// The bucket, where it is about one.
    pub bucket: Option<BucketName>,
    /// The ARN, with `*` at its end where many things are meant.
    pub resource: Arc<str>,
    /// The policy of the bucket or key.
    pub policy: Option<Named>,
    /// Each of them suffices.
    pub contexts: Vec<Context>,
    /// Whether the row applies at all could not be seen: no answer is better than unknown.
    pub perhaps: bool,
}

impl Target {
    /// The resource as policies are asked for it.
    pub fn asked(&self) -> Resource<'_> {
        match self.resource.strip_suffix('*') {
            Some(prefix) if !prefix.is_empty() => Resource::Under(prefix),
            _ => Resource::Exact(&self.resource),
        }
    }
}

/// Whether a row destroys in the state that a thing is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Applies {
    No,
    Perhaps,
    Yes,
}

impl From<bool> for Applies {
    fn from(applies: bool) -> Self {
        if applies { Applies::Yes } else { Applies::No }
    }
}

/// Of a fact; what was not asked is taken as the settings have it.
fn applies<T>(fact: &Fact<T>, holds: impl Fn(&T) -> bool, otherwise: bool) -> Applies {
    match fact {
        Fact::Known(value) => holds(value).into(),
        Fact::Unread(_) => Applies::Perhaps,
        Fact::NotAsked => otherwise.into(),
    }
}

/// The policy of a bucket as it is to be judged; one that could not be read may deny anything.
pub fn bucket_policy(name: &str, facts: &BucketFacts) -> Option<Named> {
    let named = |document: Arc<Document>| Named::new(format!("bucket/{name}: policy"), document);
    match &facts.policy {
        Fact::Known(policy) => policy.clone().map(named),
        Fact::Unread(_) => Some(named(may_deny(name))),
        Fact::NotAsked => None,
    }
}

/// A resource's policy that could not be read, as it concerns who has policies of its own: what it denies is unknown.
/// Whom it lets in besides is asked once, of everyone, not of each identity.
fn may_deny(bucket: &str) -> Arc<Document> {
    let mut document = Document::unread();
    document.statements.retain(|statement| statement.effect == crate::policy::Effect::Deny);
    document.id = Some(bucket.to_owned());
    Arc::new(document)
}

/// A key's policy that could not be read: AWS's default lets the account's own policies decide, so who has those may.
fn may_delegate(account: &str, partition: &str) -> Arc<Document> {
    let delegating = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": format!("arn:{partition}:iam::{account}:root")},
        "Action": "kms:*", "Resource": "*", "Unread": true}]});
    Arc::new(Document::read(&delegating).unwrap_or_else(|_| Document::unread()))
}

/// Every question about an account, in the order of subjects and of the table.
pub fn targets(evidence: &Evidence, terms: &Terms, account: &str) -> Vec<Target> {
    let mut targets = Vec::new();
    for (name, facts) in &evidence.buckets {
        let marked = facts.mark.known().is_some_and(|mark| terms.is_ours(mark.as_ref()));
        let declared = terms.buckets.get(name);
        if declared.is_some() || marked {
            let nothing = BucketTerms::default();
            of_bucket(evidence, name, facts, declared.unwrap_or(&nothing), account, &mut targets);
        }
    }
    for identifier in &terms.databases {
        of_database(evidence, terms, identifier, account, &mut targets);
    }
    targets
}

fn of_bucket(
    evidence: &Evidence,
    name: &BucketName,
    facts: &BucketFacts,
    terms: &BucketTerms,
    account: &str,
    targets: &mut Vec<Target>,
) {
    let partition = evidence.partition();
    let arn = format!("arn:{partition}:s3:::{name}");
    let subject: Arc<str> = Id::cloud(Kind::Bucket, name.as_str()).to_string().into();
    let (bucket, objects): (Arc<str>, Arc<str>) = (arn.as_str().into(), format!("{arn}/*").into());
    let region = facts.region.as_ref().or(terms.region.as_ref()).map_or("", |region| region.as_str());
    let points: Arc<str> = match region {
        "" => format!("arn:{partition}:s3:*").into(),
        region => format!("arn:{partition}:s3:{region}:{account}:accesspoint/*").into(),
    };
    let policy = bucket_policy(name.as_str(), facts);
    let key = key_of(evidence, facts, terms, account);
    let key_policy = key.as_ref().map(|key| key_policy(evidence, &key.arn, account));
    for row in DESTROYERS {
        let (resource, policy) = match row.on {
            On::Bucket => (&bucket, policy.clone()),
            On::Object => (&objects, policy.clone()),
            On::AccessPoint => (&points, None),
            On::Key => match &key {
                Some(key) => (&key.arn, key_policy.clone()),
                None => continue,
            },
            // A job of S3's works as a role that is passed to it: one of the ways to become that role.
            On::Account => continue,
            On::DatabaseSnapshot
            | On::Database
            | On::DatabaseBackup
            | On::ClusterSnapshot
            | On::Cluster
            | On::RecoveryPoint
            | On::BackupVault => continue,
        };
        let applies = match row.when {
            When::Always | When::ForeignKey => Applies::Yes,
            When::Unversioned => {
                applies(&facts.versioning, |state| *state != Versioning::Enabled, !terms.versioned)
            }
            When::FilteredByTag => applies(
                &facts.lifecycle,
                |rules| rules.iter().any(|rule| rule.enabled && !rule.tags.is_empty()),
                false,
            ),
            When::ObjectLock => applies(
                &facts.object_lock,
                |lock| *lock != BucketObjectLock::None,
                terms.object_lock.is_some(),
            ),
            When::KmsKey => key.as_ref().map_or(Applies::No, |key| key.used),
            When::ImportedKey => key.as_ref().map_or(Applies::No, |key| key.used.min(key.imported)),
        };
        if applies == Applies::No {
            continue;
        }
        targets.push(Target {
            row,
            subject: Arc::clone(&subject),
            bucket: Some(name.clone()),
            resource: Arc::clone(resource),
            policy: policy.map(|policy| narrowed(policy, row.action)),
            contexts: contexts(row, partition),
            perhaps: applies == Applies::Perhaps,
        });
    }
}

/// Each question is asked of everybody, so it carries only the statements that matter to it.
fn narrowed(policy: Named, action: &str) -> Named {
    let document = Arc::new(policy.document.narrowed(&[action]));
    Named { document, ..policy }
}

/// The context is open, but for what the row itself says of the request.
pub fn contexts(row: &Destroyer, partition: &str) -> Vec<Context> {
    let open = Context::of_anybody;
    match row.when {
        When::ForeignKey => vec![
            open().with(CUSTOMER_KEY, "AES256"),
            open().with(KMS_KEY, format!("arn:{partition}:kms:us-east-1:{NOBODY}:key/theirs")),
        ],
        _ => vec![open()],
    }
}

/// The key that a bucket's backups are under.
struct BackupKey {
    /// With `*` at its end where it is not known which key is meant.
    arn: Arc<str>,
    /// Whether the bucket is under it at all.
    used: Applies,
    imported: Applies,
}

/// The key that the bucket's backups are under, if somebody of the account can take it away: what AWS keeps itself nobody
/// can, and a key of another account is that account's affair (a finding says so).
fn key_of(evidence: &Evidence, facts: &BucketFacts, terms: &BucketTerms, account: &str) -> Option<BackupKey> {
    let place = Place::of(evidence, facts, terms, account);
    let declared = terms.encryption.as_ref().and_then(key::named);
    let any = place.any();
    let (named, used) = match &facts.encryption {
        Fact::Known(encryption) => (key::named(encryption)?, Applies::Yes),
        Fact::NotAsked => (declared?, Applies::Yes),
        Fact::Unread(_) => (declared.unwrap_or(&any), Applies::Perhaps),
    };
    let named = place.arn(named);
    let is_foreign = account != NOBODY && key::account_of(&named).is_some_and(|of| of != account);
    let arn = match evidence.stands(&named) {
        _ if is_foreign => return None,
        Stands::ForAws | Stands::ForNothing => return None,
        Stands::For(arn) => arn,
        Stands::Untold => &any,
    };
    let imported = match evidence.keys.get(arn).map(|facts| &facts.about) {
        Some(Fact::Known(About { state: KeyState::Absent, .. })) => return None,
        Some(Fact::Known(About { imported: Some(imported), .. })) => (*imported).into(),
        _ => Applies::Perhaps,
    };
    Some(BackupKey { arn: arn.into(), used, imported })
}

fn key_policy(evidence: &Evidence, key: &str, account: &str) -> Named {
    let name = format!("key {}: policy", key.rsplit('/').next().unwrap_or(key));
    let document = match evidence.keys.get(key).map(|facts| &facts.policy) {
        Some(Fact::Known(document)) => Arc::clone(document),
        _ => may_delegate(account, evidence.partition()),
    };
    Named { name, document }
}

/// Questions about a database of RDS. Where its region is not known, every one of the account's is meant.
fn of_database(
    evidence: &Evidence,
    terms: &Terms,
    identifier: &str,
    account: &str,
    targets: &mut Vec<Target>,
) {
    let partition = evidence.partition();
    let subject: Arc<str> = format!("database/{identifier}").into();
    let found = evidence.databases.known().and_then(|databases| databases.arn_of(identifier));
    let region = match &found {
        Some(arn) => arn.split(':').nth(3).map(str::to_owned),
        None => terms.region.as_ref().map(ToString::to_string),
    };
    let under = |service: &str, rest: &str| match &region {
        Some(region) => format!("arn:{partition}:{service}:{region}:{account}:{rest}"),
        None => format!("arn:{partition}:{service}:*"),
    };
    let is_cluster = found.as_ref().is_some_and(|arn| arn.contains(":cluster:"));
    for row in DESTROYERS {
        let resource = match row.on {
            On::Database if !is_cluster => {
                found.clone().unwrap_or_else(|| under("rds", &format!("db:{identifier}")))
            }
            On::Cluster => {
                let exact = found.clone().filter(|_| is_cluster);
                exact.unwrap_or_else(|| under("rds", &format!("cluster:{identifier}")))
            }
            On::DatabaseSnapshot if !is_cluster => under("rds", "snapshot:*"),
            On::ClusterSnapshot => under("rds", "cluster-snapshot:*"),
            On::DatabaseBackup => under("rds", "auto-backup:*"),
            On::RecoveryPoint => under("backup", "recovery-point:*"),
            On::BackupVault => under("backup", "backup-vault:*"),
            _ => continue,
        };
        targets.push(Target {
            row,
            subject: Arc::clone(&subject),
            bucket: None,
            resource: resource.into(),
            policy: None,
            contexts: contexts(row, partition),
            perhaps: false,
        });
    }
}
