//! What a plan takes over from an older tool, as text: which entries, from which table, where they go, and what that
//! means for the backups that they made.

use super::plan_words::{RETURNED, keep_less_lines, old_entry_words, undone_words};
use super::text::{ALARM, RED, YELLOW, styled, wrapped};
use crate::plan::{Change, FieldChange, Plan, Reason};
use crate::resources::crontab::old;
use crate::vocab::{Risk, Value};

/// Where the column of values begins in a plan.
const VALUE_COLUMN: usize = 27;

/// The lines about old entries.
pub(super) fn takeover_text(plan: &Plan, change: &Change, field: &FieldChange) -> String {
    let Value::List(entries) = &field.from else { return String::new() };
    let mut text = String::new();
    let mut last = String::new();
    for [when, what, table] in entries.iter().filter_map(old_entry_words) {
        if table != last {
            let risk = match (field.risk, last.is_empty()) {
                (Risk::Routine, _) | (_, false) => String::new(),
                (risk, true) => format!("  ({risk})"),
            };
            text.push_str(&format!("    {:<width$}{table}{risk}\n", "takes over", width = VALUE_COLUMN - 4));
            last = table;
        }
        text.push_str(&match when.chars().count() + 6 < VALUE_COLUMN {
            true => format!("      {when:<width$}{what}\n", width = VALUE_COLUMN - 6),
            false => format!("      {when}\n{}{what}\n", " ".repeat(VALUE_COLUMN)),
        });
    }
    let to = format!("to {}/; the scripts stay", old::kept_in(&plan.environment));
    text.push_str(&format!("{}\n", wrapped("      move ", 8, &to)));
    for reason in &change.reasons {
        match reason {
            Reason::Returned => {
                text.push_str(&format!("{}\n", wrapped("      ", 8, &styled(YELLOW, RETURNED))));
            }
            Reason::LeavesUndone(tiers) => {
                text.push_str(&format!("      {}\n", styled(RED, undone_words(tiers))));
            }
            Reason::KeepsLess { old, new } => {
                for line in keep_less_lines(old, new) {
                    let from = line.from.unwrap_or_default();
                    let change = styled(ALARM, format!("{from} -> {}", line.to));
                    text.push_str(&format!(
                        "      {:<width$}{change}\n",
                        line.name,
                        width = VALUE_COLUMN - 6
                    ));
                }
            }
            _ => {}
        }
    }
    text
}
