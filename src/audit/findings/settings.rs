//! Where settings and reality do not meet.

use super::{Look, Report, Severity};

pub fn bucket_absent(look: &Look<'_>, report: &mut Report) {
    for (name, why) in &look.evidence.absent {
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
            vec![format!("tag reconcile:environment={}", look.terms.environment)],
            "list it under backups.buckets, or take the tag off",
        );
    }
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
