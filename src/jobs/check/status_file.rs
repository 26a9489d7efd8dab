//! `s3_backup_status.txt` beside the backups: what commcare-cloud's check wrote, for those who look there.

use std::io;

use super::CheckReport;
use crate::freshness::State;
use crate::jobs::context::Context;
use crate::jobs::directory;
use crate::vocab::words;

/// The file's name, as commcare-cloud's roles have it.
pub const FILE: &str = "s3_backup_status.txt";

/// What the old check called the datastores.
fn service(datastore: &str) -> &str {
    match datastore {
        "postgresql" => "postgres",
        "couchdb" => "couch",
        other => other,
    }
}

/// A line for each tier, `[OK]` or `[ALERT]`, and for what else is wrong.
pub fn text(report: &CheckReport) -> String {
    let service = service(report.datastore.as_str());
    let mut text = String::new();
    for tier in &report.freshness.tiers {
        // The copy in the bucket is what the old check looked for.
        let Some(at) = tier.places.iter().max_by_key(|at| at.place) else { continue };
        let name = tier.tier;
        let newest = at.newest.as_ref().map(|newest| {
            format!("Last {name} {service} backup is {} of {}", newest.name, words::minute(newest.ended))
        });
        text.push_str(&match (&at.state, newest) {
            (State::Fresh | State::Running { .. } | State::Awaited, Some(newest)) => {
                format!("[OK] {newest}\n")
            }
            (State::Fresh | State::Running { .. } | State::Awaited, None) => {
                format!("[OK] No {name} {service} backup was due yet\n")
            }
            (State::Unseen { why }, _) => {
                format!("[ALERT] {name} {service} backups cannot be seen: {}\n", one_line(why))
            }
            (_, None) => format!("[ALERT] No {name} {service} backup\n"),
            (_, Some(newest)) => format!("[ALERT] {newest}\n"),
        });
    }
    for finding in report.freshness.findings() {
        text.push_str(&format!("[ALERT] {}\n", one_line(&finding.to_string())));
    }
    if let Some(failure) = report.failure() {
        text.push_str(&format!("[ALERT] {}\n", one_line(&failure.to_string())));
    }
    for (_, wrong) in report.proofs.wrong() {
        text.push_str(&format!("[ALERT] {}\n", one_line(&wrong)));
    }
    for lost in &report.lost {
        text.push_str(&format!("[ALERT] {}\n", one_line(lost)));
    }
    for wrong in report.unversioned.values() {
        text.push_str(&format!("[ALERT] {}\n", one_line(wrong)));
    }
    for entry in &report.old_entries {
        text.push_str(&format!("[ALERT] an old cron entry is back: {}\n", one_line(entry)));
    }
    text
}

/// Writes it, whole.
pub fn write(context: &Context, report: &CheckReport) -> io::Result<()> {
    directory::write(&context.directory(), FILE, text(report).as_bytes())
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}
