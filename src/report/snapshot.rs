//! What became of snapshots, for people and for scripts.

use serde_json::Value;

use super::jobs::document;
use super::text::{ALARM, BOLD, DIM, YELLOW, bytes, counted, minute, one_line, styled, wrapped};
use crate::jobs::snapshot::{RestoredSnapshot, SnapshotManifest, SnapshotReady, SnapshotReport};
use crate::vocab::{Datastore, HostName};

/// A snapshot that was made: what, where, and what it made room for.
pub fn snapshot(report: &SnapshotReport) -> String {
    let SnapshotManifest { datastore, tier, name, repository, indices, shards, bytes: size, .. } =
        &report.manifest;
    let size = size.map(|size| format!(", {}", bytes(size))).unwrap_or_default();
    let mut text = format!(
        "{BOLD}{datastore} {tier} snapshot{BOLD:#}: {} in {}{size}\n    {}\n    in {}, {}\n",
        indices_in(indices.len()),
        counted(usize::try_from(*shards).unwrap_or(usize::MAX), "shard"),
        one_line(name),
        one_line(repository),
        one_line(&report.place)
    );
    if !report.swept.removed.is_empty() {
        text.push_str(&format!(
            "    removed {}: {}\n",
            counted(report.swept.removed.len(), "older one"),
            report.swept.gone().join(", ")
        ));
    }
    for warning in &report.warnings {
        text.push_str(&wrapped(&format!("{} ", styled(YELLOW, "!")), 2, &one_line(warning)));
        text.push('\n');
    }
    text
}

fn indices_in(count: usize) -> String {
    if count == 1 { "1 index".to_owned() } else { format!("{count} indices") }
}

/// What is about to happen: for somebody who has to type the snapshot's name next.
pub fn ready(ready: &SnapshotReady, datastore: &Datastore, host: &HostName) -> String {
    let mut text = format!("{BOLD}restore {datastore} on {host}{BOLD:#}\n");
    text.push_str(&format!("    backup  {}\n", one_line(&ready.name)));
    if let Some(ended) = ready.ended {
        text.push_str(&format!(
            "            whole at {} UTC, {}\n",
            minute(ended),
            indices_in(ready.indices.len())
        ));
    }
    text.push_str(&format!("    from    {}\n", one_line(&ready.place)));
    match &ready.prefix {
        Some(prefix) => {
            text.push_str(&format!("    into    {prefix}INDEX: nothing that is there is touched\n"))
        }
        None => text.push_str("    into    the indices that it was made of\n"),
    }
    if !ready.replaced.is_empty() {
        let line = format!("closes and replaces {}", some(&ready.replaced));
        text.push_str(&wrapped(&format!("  {} ", styled(ALARM, "!")), 4, &line));
        text.push('\n');
    }
    if !ready.closed.is_empty() {
        let line = format!("replaces what is closed and cannot be kept first: {}", some(&ready.closed));
        text.push_str(&wrapped(&format!("  {} ", styled(ALARM, "!")), 4, &line));
        text.push('\n');
    }
    if let Some(kept) = &ready.kept {
        text.push_str(&format!("    keeps   {kept}: a snapshot of what is there now\n"));
    }
    for note in &ready.notes {
        text.push_str(&wrapped(&format!("  {} ", styled(YELLOW, "!")), 4, &one_line(note)));
        text.push('\n');
    }
    match &ready.declared {
        Some(declared) => {
            text.push_str(&format!("    stops   {}\n", one_line(&declared.stop)));
            text.push_str(&format!("    starts  {}\n", one_line(&declared.start)));
        }
        None if ready.in_place() => {
            let line = "stop whoever writes to these indices first, and start them again afterwards: Elasticsearch itself \
                        runs on";
            text.push_str(&wrapped(&format!("  {} ", styled(ALARM, "!")), 4, line));
            text.push('\n');
        }
        None => {}
    }
    text
}

fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = names.iter().take(SHOWN).map(|name| one_line(name)).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// What was restored, and what is left for a person.
pub fn restored(restored: &RestoredSnapshot) -> String {
    let mut text = format!("{BOLD}restored{BOLD:#} {}\n", one_line(&restored.name));
    text.push_str(&format!("    from    {}\n", one_line(&restored.from)));
    let line = format!("{}: {}", indices_in(restored.indices.len()), some(&restored.indices));
    text.push_str(&wrapped("    into    ", 12, &line));
    text.push_str(&format!("\n    holds   {} documents\n", restored.documents));
    if let Some(kept) = &restored.kept {
        text.push_str(&format!("    before  {kept}\n"));
        text.push_str(&format!(
            "            {DIM}no job ever removes it: delete it when you are sure that you do not need it{DIM:#}\n"
        ));
    }
    for note in &restored.notes {
        text.push_str(&wrapped(&format!("  {} ", styled(YELLOW, "!")), 4, &one_line(note)));
        text.push('\n');
    }
    text
}

/// `reconcile.snapshot-backup/1`: what is known of it, where, what expired, warnings.
pub fn snapshot_json(report: &SnapshotReport) -> Value {
    document("reconcile.snapshot-backup/1", report)
}

/// `reconcile.restore-snapshot/1`.
pub fn restored_json(restored: &RestoredSnapshot) -> Value {
    document("reconcile.restore-snapshot/1", restored)
}
