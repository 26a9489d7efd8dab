//! What a verification found, for people and for scripts.

use serde_json::Value;

use super::text::{ALARM, BOLD, GREEN, YELLOW, counted, minute, one_line, styled, wrapped};
use crate::jobs::verify::Evidence;

/// Whether the backup is proven, and why not.
pub fn evidence(evidence: &Evidence) -> String {
    let name = one_line(&evidence.name);
    let mut text = match evidence.is_proof() {
        true => format!("{} {name}\n", styled(GREEN, "proven")),
        false => format!("{} {name}\n", styled(ALARM, "NOT PROVEN")),
    };
    if let Some(accepted) = &evidence.accepted {
        let by = one_line(&accepted.by);
        let line = format!("what it had lost was accepted by {by}, {} UTC:", minute(accepted.at));
        text.push_str(&format!("{}\n", wrapped("    ", 4, &line)));
        for reason in &accepted.reasons {
            text.push_str(&format!("{}\n", wrapped("      - ", 8, &one_line(reason))));
        }
    }
    for reason in &evidence.reasons {
        text.push_str(&wrapped(&format!("  {} ", styled(ALARM, "!")), 4, &one_line(reason)));
        text.push('\n');
    }
    if let Some(taken) = evidence.taken {
        text.push_str(&format!("    taken   {} UTC\n", minute(taken)));
    }
    let seconds = (evidence.ended - evidence.began).num_seconds();
    text.push_str(&format!("    took    {}\n", duration(seconds)));
    let things = evidence.counts.values().map(|things| things.len()).sum::<usize>();
    let rows = evidence.counts.values().flat_map(|things| things.values()).sum::<u64>();
    if things > 0 && evidence.datastore.as_str() == "elasticsearch" {
        text.push_str(&format!("    holds   {things} indices, {rows} documents\n"));
    } else if things > 0 {
        let databases = counted(evidence.counts.len(), "database");
        text.push_str(&format!("    holds   {databases}, {}, {rows} rows\n", counted(things, "table")));
    }
    for check in evidence.checks.iter().filter(|check| check.wrong.is_none()) {
        text.push_str(&format!("    holds   {BOLD}{}{BOLD:#}\n", one_line(&check.sql)));
    }
    if evidence.is_acceptable() {
        let help = format!(
            "find out who removed it; where it was meant to go, `reconcile verify {} --accept` measures the next ones by what \
             is left",
            evidence.datastore
        );
        text.push_str(&format!("{}\n", wrapped("  = help: ", 10, &help)));
    }
    for note in &evidence.notes {
        text.push_str(&wrapped(&format!("  {} ", styled(YELLOW, "!")), 4, &one_line(note)));
        text.push('\n');
    }
    text
}

/// Seconds for people: `4 min 10 s`.
fn duration(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `reconcile.evidence/1`: what is kept beside the backup.
pub fn evidence_json(evidence: &Evidence) -> Value {
    serde_json::to_value(evidence).unwrap_or_default()
}
