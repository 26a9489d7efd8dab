//! The whole table of destroyers, row by row, by the engine: with the policies that `apply` gave to the writers of the examples
//! and to their buckets, and with the former alone, so that no lock covers up for an identity that may do too much. What the
//! sandbox has no call for is denied all the same.

use std::collections::BTreeSet;

use reconcile::policy::destroyers::{DESTROYERS, DenyIn, Destroyer, On, When};
use reconcile::policy::{Context, Named, Policies, Principal, Request, Resource as Arn, Verdict, decide};
use reconcile::vocab::RegionName;

use super::examples::{ROLE, aquamark, sportfin};

/// On what a row acts: the backups themselves, and databases and snapshots of the names that the snapshot user may use.
fn arn(row: &Destroyer, bucket: &str, region: &RegionName) -> String {
    let here = |service: &str, what: &str| format!("arn:aws:{service}:{region}:123456789012:{what}");
    match row.on {
        On::Bucket => format!("arn:aws:s3:::{bucket}"),
        On::Object => format!("arn:aws:s3:::{bucket}/k"),
        On::Key => here("kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab"),
        On::AccessPoint => here("s3", "accesspoint/files"),
        On::Account => "*".to_owned(),
        On::DatabaseSnapshot => here("rds", "snapshot:aquamark-2026-11-21"),
        On::Database => here("rds", "db:aquamark"),
        On::DatabaseBackup => here("rds", "auto-backup:ab-abcdefghijklmnopqrstuvwxyz"),
        On::ClusterSnapshot => here("rds", "cluster-snapshot:aquamark-2026-11-21"),
        On::Cluster => here("rds", "cluster:aquamark"),
        On::RecoveryPoint => here("backup", "recovery-point:1234abcd-12ab-34cd-56ef-1234567890ab"),
        On::BackupVault => here("backup", "backup-vault:Default"),
    }
}

/// Asks the engine of every row, with each of these contexts, behind a bucket's policy or without any; the rows whose verdict
/// is not a plain no.
fn open_rows(
    who: &str,
    identity: &[Named],
    bucket_policy: Option<&Named>,
    (bucket, region): (&str, &RegionName),
    contexts: &[Context],
) -> BTreeSet<(&'static str, When)> {
    let principal = Principal::parse(who).expect("a principal");
    let mut open = BTreeSet::new();
    for row in DESTROYERS {
        let headers: &[(&str, &str)] = match row.when {
            When::ForeignKey => &[
                ("s3:x-amz-server-side-encryption-customer-algorithm", "AES256"),
                (
                    "s3:x-amz-server-side-encryption-aws-kms-key-id",
                    "arn:aws:kms:eu-west-2:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                ),
            ],
            _ => &[],
        };
        let resource = arn(row, bucket, region);
        let policies = Policies {
            identity,
            resource: bucket_policy.filter(|_| row.deny_in == DenyIn::BucketPolicy),
            ..Policies::default()
        };
        for context in contexts {
            let with_headers: Vec<Context> = match headers {
                [] => vec![context.clone()],
                headers => headers.iter().map(|(key, value)| context.clone().with(key, *value)).collect(),
            };
            for context in &with_headers {
                let request = Request {
                    principal: &principal,
                    action: row.action,
                    resource: Arn::Exact(&resource),
                    resource_account: Some("123456789012"),
                    context,
                };
                if decide(&request, &policies).verdict != Verdict::Denied {
                    open.insert((row.action, row.when));
                }
            }
        }
    }
    open
}

/// Whatever else may be known of a request, and what is known of one from inside of the network.
fn contexts() -> [Context; 2] {
    let inside = Context::closed::<String>([])
        .with("aws:SecureTransport", "true")
        .with("aws:SourceVpc", "vpc-0abc0123456789def")
        .with("aws:VpcSourceIp", "172.31.7.9");
    [Context::of_anybody(), inside.derived()]
}

/// Versioning is on, so that a writer's uploads replace nothing: the one row that a writer is to have.
fn uploads() -> BTreeSet<(&'static str, When)> {
    [("s3:PutObject", When::Unversioned)].into()
}

/// What a writer would have without the lock: an identity policy that allows uploads allows them under any key.
fn uploads_under_any_key() -> BTreeSet<(&'static str, When)> {
    [("s3:PutObject", When::Unversioned), ("s3:PutObject", When::ForeignKey)].into()
}

#[test]
fn every_row_is_denied_to_the_role_of_sportfin() {
    let applied = sportfin();
    applied.stage.wait(async {
        let identity = applied.policies_of_role(ROLE).await;
        let role = format!("arn:aws:iam::123456789012:role/reconcile/sportfin/{ROLE}");
        let policy = applied.bucket_policy().await;
        let place = (applied.bucket, &applied.region);
        assert_eq!(open_rows(&role, &identity, Some(&policy), place, &contexts()), uploads());
        let alone = open_rows(&role, &identity, None, place, &contexts());
        assert_eq!(alone, uploads_under_any_key());
    });
}

#[test]
fn every_row_is_denied_to_the_users_of_aquamark() {
    let applied = aquamark();
    applied.stage.wait(async {
        let policy = applied.bucket_policy().await;
        let place = (applied.bucket, &applied.region);
        for (user, expected, alone) in [
            ("aquamark_ws", uploads(), uploads_under_any_key()),
            ("aquamark_backup", BTreeSet::new(), BTreeSet::new()),
        ] {
            let identity = applied.policies_of_user(user).await;
            let arn = format!("arn:aws:iam::123456789012:user/reconcile/aquamark/{user}");
            assert_eq!(open_rows(&arn, &identity, Some(&policy), place, &contexts()), expected, "{user}");
            assert_eq!(open_rows(&arn, &identity, None, place, &contexts()), alone, "{user}");
        }
        // So that the snapshot user's nothing is not that of a policy with nothing in it.
        let identity = applied.policies_of_user("aquamark_backup").await;
        let principal = Principal::parse("arn:aws:iam::123456789012:user/reconcile/aquamark/aquamark_backup");
        let [_, inside] = contexts();
        let request = Request {
            principal: &principal.expect("a principal"),
            action: "rds:CreateDBSnapshot",
            resource: Arn::Exact("arn:aws:rds:ap-southeast-2:123456789012:db:aquamark"),
            resource_account: Some("123456789012"),
            context: &inside,
        };
        let policies = Policies { identity: &identity, ..Policies::default() };
        assert_eq!(decide(&request, &policies).verdict, Verdict::Allowed);
        // From outside of its network the writer has not even that.
        let identity = applied.policies_of_user("aquamark_ws").await;
        let arn = "arn:aws:iam::123456789012:user/reconcile/aquamark/aquamark_ws";
        let outside = Context::closed::<String>([]).with("aws:SecureTransport", "true");
        let outside = outside.with("aws:SourceIp", "172.31.7.9").derived();
        assert_eq!(open_rows(arn, &identity, Some(&policy), place, &[outside]), BTreeSet::new());
    });
}
