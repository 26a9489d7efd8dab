//! What destroys a backup, as data: each action, on what it acts, how it destroys, and where it can be denied.
//!
//! The versioning lock denies the rows that a bucket's policy can hold; the audit asks of every row who may do it.
//! The name of an API is not always the name of the action: deleting a lifecycle configuration is
//! `s3:PutLifecycleConfiguration` too. S3 refuses a bucket policy whose actions do not fit its resources, which is why
//! the rows are told apart by what they act on.

/// One way to destroy backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destroyer {
    /// As policies name it, its service included.
    pub action: &'static str,
    pub on: On,
    pub deny_in: DenyIn,
    pub when: When,
    pub power: Power,
    /// What becomes of the backups, for people: continues "whoever may do it ..".
    pub how: &'static str,
    /// Where AWS says so.
    pub source: &'static str,
}

/// What an action acts on, and so which ARN a policy must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum On {
    Bucket,
    Object,
    /// A key of KMS.
    Key,
    /// An access point of S3, in front of a bucket.
    AccessPoint,
    /// The account as a whole: `*`.
    Account,
    DatabaseSnapshot,
    Database,
    /// An automated backup that outlives its database.
    DatabaseBackup,
    ClusterSnapshot,
    Cluster,
    /// A recovery point of AWS Backup.
    RecoveryPoint,
    BackupVault,
}

/// The only places where a deny holds for everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DenyIn {
    /// The bucket's own policy: what the versioning lock writes.
    BucketPolicy,
    /// The key's own policy.
    KeyPolicy,
    /// Policies of identities, their boundaries, service control policies.
    Identities,
}

/// The state of things in which the action destroys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    Always,
    /// Only without versioning: with it the old version stays.
    Unversioned,
    /// Only where a lifecycle rule chooses objects by their tags.
    FilteredByTag,
    /// Only with a header that names a key of the caller's: the object is unreadable to its owner.
    ForeignKey,
    /// Only on a bucket with object lock.
    ObjectLock,
    /// Only where the bucket is encrypted with a key of KMS.
    KmsKey,
    /// Only where the material of that key was imported.
    ImportedKey,
}

/// What kind of power a row is: the columns of the audit's matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Power {
    DeleteVersions,
    LifecycleRules,
    Versioning,
    BucketPolicy,
    ObjectLock,
    /// Opens a way around the bucket's policy, or to others.
    Access,
    Encryption,
    Replication,
    Databases,
    RecoveryPoints,
}

const fn on_bucket(action: &'static str, power: Power, how: &'static str, source: &'static str) -> Destroyer {
    Destroyer {
        action,
        on: On::Bucket,
        deny_in: DenyIn::BucketPolicy,
        when: When::Always,
        power,
        how,
        source,
    }
}

const fn on_object(action: &'static str, power: Power, how: &'static str, source: &'static str) -> Destroyer {
    Destroyer { on: On::Object, ..on_bucket(action, power, how, source) }
}

const fn on_key(action: &'static str, how: &'static str, source: &'static str) -> Destroyer {
    Destroyer {
        action,
        on: On::Key,
        deny_in: DenyIn::KeyPolicy,
        when: When::KmsKey,
        power: Power::Encryption,
        how,
        source,
    }
}

const fn by_identity(
    action: &'static str,
    on: On,
    power: Power,
    how: &'static str,
    source: &'static str,
) -> Destroyer {
    Destroyer { action, on, deny_in: DenyIn::Identities, when: When::Always, power, how, source }
}

const DELETING: &str = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html";
const LIFECYCLE: &str =
    "https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html";
const VERSIONING: &str = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html";
const POLICIES: &str = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html";
const NO_POLICY: &str = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketPolicy.html";
const ACLS: &str = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html";
const OWNERSHIP: &str = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html";
const PUBLIC: &str =
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html";
const OBJECT_LOCK: &str = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html";
const REPLICATION: &str = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html";
const SETTING_UP: &str =
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html";
const ENCRYPTION: &str = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html";
const CUSTOMER_KEYS: &str =
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html";
const TAGGING: &str = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html";
const BATCH: &str = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-iam-role-policies.html";
const ACCESS_POINTS: &str =
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html";
const KMS: &str = "https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html";
const KMS_POLICIES: &str = "https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html";
const KMS_IMPORTED: &str =
    "https://docs.aws.amazon.com/kms/latest/developerguide/importing-keys-delete-key-material.html";
const RDS_SNAPSHOTS: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_DeleteSnapshot.html";
const RDS_DELETE: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_DeleteInstance.html";
const RDS_RETAINED: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.Retaining.html";
const RDS_WINDOW: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.html";
const RDS_SHARE: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ShareSnapshot.html";
const RDS_REPLICATION: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReplicateBackups.html";
const AURORA: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_DeleteCluster.html";
const AURORA_SNAPSHOTS: &str =
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-delete-snapshot.html";
const BACKUP: &str = "https://docs.aws.amazon.com/aws-backup/latest/devguide/deleting-backups.html";
const BACKUP_VAULTS: &str =
    "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html";

/// Every row. The order is that of the design: the bucket's policy, the key's policy, identities.
#[rustfmt::skip] // a table
pub static DESTROYERS: &[Destroyer] = &[
    on_object("s3:DeleteObjectVersion", Power::DeleteVersions, "deletes old versions for good", DELETING),
    on_object("s3:DeleteObject", Power::DeleteVersions, "hides backups behind delete markers, and where versioning is off deletes them for good", DELETING),
    Destroyer { when: When::Unversioned,
        ..on_object("s3:PutObject", Power::DeleteVersions, "overwrites backups for good where versioning is off", VERSIONING) },
    on_bucket("s3:PutLifecycleConfiguration", Power::LifecycleRules, "makes the storage expire every version within a day", LIFECYCLE),
    on_bucket("s3:PutBucketVersioning", Power::Versioning, "suspends versioning, after which each upload overwrites the last", VERSIONING),
    on_bucket("s3:PutBucketPolicy", Power::BucketPolicy, "takes the lock out of the policy, or lets anyone in", POLICIES),
    on_bucket("s3:DeleteBucketPolicy", Power::BucketPolicy, "removes the lock with the whole policy", NO_POLICY),
    on_bucket("s3:PutBucketAcl", Power::Access, "lets others write and read past the policies of identities", ACLS),
    on_object("s3:PutObjectAcl", Power::Access, "hands a backup to others", ACLS),
    on_object("s3:PutObjectVersionAcl", Power::Access, "hands an old version to others", ACLS),
    on_bucket("s3:PutBucketOwnershipControls", Power::Access, "brings access control lists back to life", OWNERSHIP),
    on_bucket("s3:PutBucketPublicAccessBlock", Power::Access, "opens the way to everyone", PUBLIC),
    on_bucket("s3:PutBucketObjectLockConfiguration", Power::ObjectLock, "shortens the lock of every backup to come", OBJECT_LOCK),
    Destroyer { when: When::ObjectLock,
        ..on_object("s3:BypassGovernanceRetention", Power::ObjectLock, "deletes what governance mode protects", OBJECT_LOCK) },
    Destroyer { when: When::ObjectLock,
        ..on_object("s3:PutObjectRetention", Power::ObjectLock, "shortens the lock of a backup, or locks a bad one for years", OBJECT_LOCK) },
    Destroyer { when: When::ObjectLock,
        ..on_object("s3:PutObjectLegalHold", Power::ObjectLock, "lifts a legal hold", OBJECT_LOCK) },
    on_bucket("s3:PutReplicationConfiguration", Power::Replication, "copies every backup elsewhere, or stops the copies", REPLICATION),
    on_bucket("s3:PutEncryptionConfiguration", Power::Encryption, "encrypts every backup to come with a key that can be taken away", ENCRYPTION),
    on_bucket("s3:DeleteBucket", Power::DeleteVersions, "deletes the bucket once it is empty, and frees its name for others", "https://docs.aws.amazon.com/AmazonS3/latest/userguide/delete-bucket.html"),
    on_object("s3:ReplicateObject", Power::Replication, "writes over backups by replication from elsewhere", SETTING_UP),
    on_object("s3:ReplicateDelete", Power::Replication, "hides backups by replicating delete markers", SETTING_UP),
    on_object("s3:ReplicateTags", Power::Replication, "changes tags by replication", SETTING_UP),
    on_object("s3:ObjectOwnerOverrideToBucketOwner", Power::Replication, "plants replicated objects as the owner's own", SETTING_UP),
    Destroyer { when: When::FilteredByTag,
        ..on_object("s3:PutObjectTagging", Power::LifecycleRules, "tags backups so that a lifecycle rule removes them", TAGGING) },
    Destroyer { when: When::FilteredByTag,
        ..on_object("s3:PutObjectVersionTagging", Power::LifecycleRules, "tags old versions so that a lifecycle rule removes them", TAGGING) },
    Destroyer { when: When::FilteredByTag,
        ..on_object("s3:DeleteObjectTagging", Power::LifecycleRules, "untags backups so that a lifecycle rule removes them", TAGGING) },
    Destroyer { when: When::FilteredByTag,
        ..on_object("s3:DeleteObjectVersionTagging", Power::LifecycleRules, "untags old versions so that a lifecycle rule removes them", TAGGING) },
    Destroyer { when: When::ForeignKey,
        ..on_object("s3:PutObject", Power::Encryption, "writes backups that only a key of theirs opens", CUSTOMER_KEYS) },

    on_key("kms:ScheduleKeyDeletion", "makes every backup under the key unreadable within a week", KMS),
    on_key("kms:DisableKey", "makes every backup under the key unreadable at once, until it is enabled again", KMS),
    on_key("kms:PutKeyPolicy", "lets anyone delete the key", KMS_POLICIES),
    Destroyer { when: When::ImportedKey,
        ..on_key("kms:DeleteImportedKeyMaterial", "makes every backup under the key unreadable at once", KMS_IMPORTED) },

    by_identity("s3:CreateJob", On::Account, Power::DeleteVersions, "lets S3 change millions of objects as a role that may be passed", BATCH),
    by_identity("s3:PutAccessPointPolicy", On::AccessPoint, Power::Access, "lets others in through an access point", ACCESS_POINTS),
    by_identity("rds:DeleteDBSnapshot", On::DatabaseSnapshot, Power::Databases, "deletes snapshots for good", RDS_SNAPSHOTS),
    by_identity("rds:DeleteDBInstance", On::Database, Power::Databases, "deletes a database with its automated backups", RDS_DELETE),
    by_identity("rds:DeleteDBInstanceAutomatedBackup", On::DatabaseBackup, Power::Databases, "deletes the automated backups that outlived their database", RDS_RETAINED),
    by_identity("rds:ModifyDBInstance", On::Database, Power::Databases, "sets the retention to 0, which deletes every automated backup", RDS_WINDOW),
    by_identity("rds:ModifyDBSnapshotAttribute", On::DatabaseSnapshot, Power::Databases, "shares snapshots with other accounts: a leak", RDS_SHARE),
    by_identity("rds:StopDBInstanceAutomatedBackupsReplication", On::Database, Power::Databases, "stops the copies in the other region", RDS_REPLICATION),
    by_identity("rds:DeleteDBClusterSnapshot", On::ClusterSnapshot, Power::Databases, "deletes snapshots of a cluster for good", AURORA_SNAPSHOTS),
    by_identity("rds:DeleteDBCluster", On::Cluster, Power::Databases, "deletes a cluster with its automated backups", AURORA),
    by_identity("rds:DeleteDBClusterAutomatedBackup", On::DatabaseBackup, Power::Databases, "deletes the automated backups that outlived their cluster", AURORA),
    by_identity("rds:ModifyDBCluster", On::Cluster, Power::Databases, "sets the retention to its least", RDS_WINDOW),
    by_identity("rds:ModifyDBClusterSnapshotAttribute", On::ClusterSnapshot, Power::Databases, "shares snapshots of a cluster with other accounts: a leak", RDS_SHARE),
    by_identity("backup:DeleteRecoveryPoint", On::RecoveryPoint, Power::RecoveryPoints, "deletes recovery points for good", BACKUP),
    by_identity("backup:DeleteBackupVault", On::BackupVault, Power::RecoveryPoints, "deletes the vault once it is empty", BACKUP),
    by_identity("backup:PutBackupVaultAccessPolicy", On::BackupVault, Power::RecoveryPoints, "takes the vault's own lock away", BACKUP_VAULTS),
    by_identity("backup:UpdateRecoveryPointLifecycle", On::RecoveryPoint, Power::RecoveryPoints, "lets recovery points expire early", BACKUP),
];

/// The rows that a bucket's own policy can deny: what a complete lock holds.
pub fn of_bucket_policies() -> impl Iterator<Item = &'static Destroyer> {
    DESTROYERS.iter().filter(|row| row.deny_in == DenyIn::BucketPolicy)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_has_its_reason_and_source_and_stands_once() {
        let mut seen = BTreeSet::new();
        for row in DESTROYERS {
            assert!(seen.insert((row.action, row.when)), "{} stands twice", row.action);
            assert!(!row.how.is_empty() && row.source.starts_with("https://docs.aws.amazon.com/"), "{row:?}");
            let service = row.action.split(':').next();
            let fits = match row.deny_in {
                DenyIn::BucketPolicy => service == Some("s3") && matches!(row.on, On::Bucket | On::Object),
                DenyIn::KeyPolicy => service == Some("kms") && row.on == On::Key,
                DenyIn::Identities => !matches!(row.on, On::Bucket | On::Object | On::Key),
            };
            assert!(fits, "{} cannot be denied there", row.action);
        }
    }
}
