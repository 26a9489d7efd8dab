//! Where settings and reality do not meet.

use super::{Look, Report, Severity};
use crate::audit::bucket::BucketFacts;
use crate::vocab::Environment;

pub fn bucket_absent(look: &Look<'_>, report: &mut Report) {
    for (name, why) in &look.evidence.absent {
        // A previous one that settings ask for besides is to be made, and nothing is uploaded to it.
        if look.terms.previous.contains(name) {
            report.add(
                Severity::High,
                format!("bucket/{name}"),
                "the previous bucket of the settings is not there: its backups are nowhere to be found",
                vec![why.clone()],
                "take it out of backups.previous_buckets once its backups are not needed any more",
            );
            continue;
        }
        report.add(
            Severity::High,
            format!("bucket/{name}"),
            "the bucket of the settings is not there: nothing is uploaded",
            vec![why.clone()],
            "reconcile plan says what would be made; a name that somebody else has must be changed",
        );
    }
}

pub fn undeclared(look: &Look<'_>, report: &mut Report) {
    for bucket in look.buckets().filter(|bucket| !look.terms.named.contains(bucket.name.as_str())) {
        report.add(
            Severity::Medium,
            bucket.subject,
            "the bucket carries this environment's mark, and no setting names it: nobody looks after it",
            vec![format!("tag reconcile:environment={}", mark(look, bucket.facts))],
            "list it under backups.buckets or backups.previous_buckets, or take the tag off",
        );
    }
}

/// The environment in a bucket's mark.
fn mark<'a>(look: &'a Look<'_>, facts: &'a BucketFacts) -> &'a Environment {
    facts.mark.known().and_then(Option::as_ref).unwrap_or(&look.terms.environment)
}

pub fn no_host(look: &Look<'_>, report: &mut Report) {
    for (datastore, why) in &look.terms.without_host {
        report.add(
            Severity::High,
            format!("datastore/{datastore}"),
            "backups are switched on, and no host makes them",
            vec![why.clone()],
            "list the hosts in the group that makes the backups, or switch them off",
        );
    }
}
