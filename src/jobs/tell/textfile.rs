//! Metrics for node_exporter's textfile collector: `reconcile-ENV-DATASTORE.prom`, whole or as it was
//! (<https://github.com/prometheus/node_exporter#textfile-collector>).

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::memory::Memory;
use crate::freshness::metrics::{Metrics, Subject};
use crate::jobs::context::Context;

/// What is remembered, as metrics.
pub fn of(context: &Context, memory: &Memory) -> String {
    let job = &context.job;
    let subject = Subject {
        environment: job.environment.as_str(),
        host: job.host.as_str(),
        datastore: job.datastore.as_str(),
    };
    let mut metrics = Metrics::default();
    if let Some(freshness) = &memory.freshness {
        metrics.freshness(subject, freshness);
    }
    metrics.incident(subject, memory.incidents().next().is_some(), memory.waiting.len());
    if let Some(standing) = &memory.standing {
        let proven = standing.proven.as_ref().map(|proven| proven.at.timestamp());
        metrics.proofs(subject, standing.is_good(), proven);
    }
    if let Some(at) = memory.checked {
        metrics.checked(subject, at.timestamp());
    }
    metrics.text()
}

/// Writes a file that others may read, whole. The collector reads `*.prom` alone, so that it never sees a part.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(".reconcile-").tempfile_in(directory)?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().set_permissions(Permissions::from_mode(0o644))?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map(|_| ()).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_may_read_the_file_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("reconcile-production-postgresql.prom");
        write(&path, "one\n").expect("written");
        write(&path, "two\n").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "two\n");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o644);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
