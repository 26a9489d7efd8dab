//! Whether old versions are kept at all.

use super::{BackupBucket, Look, Report, Severity};
use crate::vocab::Versioning;

const REMEDY: &str = "set versioning: enabled for it under backups.buckets, then reconcile apply";

fn state(bucket: &BackupBucket<'_>) -> Option<Versioning> {
    bucket.facts.versioning.known().copied()
}

pub fn off(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets().filter(|bucket| state(bucket) == Some(Versioning::Never)) {
        report.add(
            Severity::Critical,
            bucket.subject,
            "versioning is off: each upload overwrites the last, and a delete is final",
            vec!["s3:GetBucketVersioning: never enabled".to_owned()],
            REMEDY,
        );
    }
}

pub fn suspended(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets().filter(|bucket| state(bucket) == Some(Versioning::Suspended)) {
        report.add(
            Severity::Critical,
            bucket.subject,
            "versioning is suspended: uploads overwrite each other again since then",
            vec!["s3:GetBucketVersioning: Suspended".to_owned()],
            "find out who suspended it (CloudTrail: PutBucketVersioning), then reconcile apply",
        );
    }
}

pub fn claimed(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets() {
        if let Some(state) = state(&bucket).filter(|state| *state != Versioning::Enabled)
            && bucket.terms.versioned
        {
            report.add(
                Severity::Critical,
                bucket.subject,
                "settings rely on old versions, and the bucket keeps none: there is one backup of each tier",
                vec![format!("settings: enabled; s3:GetBucketVersioning: {}", state.name())],
                "reconcile apply switches versioning on; until then each backup replaces the one before",
            );
        }
    }
}
