//! Plans as Markdown: a comment on a pull request.

use super::plan::summary_line;
use super::plan_words::{apply_line, field_lines};
use super::text::{bytes, counted, day, minute};
use crate::plan::{Action, Change, Plan};

/// The whole plan; `command` applies it, but for its consents.
pub fn plan(plan: &Plan, command: &str) -> String {
    let account = match (&plan.caller.account, &plan.caller.endpoint) {
        (_, Some(endpoint)) => format!(" at `{endpoint}`"),
        (Some(account), None) => format!(" in account `{account}`"),
        (None, None) if plan.caller.unknown.is_some() => " in an **unknown account**".to_owned(),
        (None, None) => String::new(),
    };
    let mut text = format!("### Plan for environment `{}`{account}\n\n", plan.environment);
    if !plan.is_empty() {
        text.push_str("| | what | change | risk |\n|---|---|---|---|\n");
        for change in &plan.changes {
            text.push_str(&row(change));
        }
    }
    if !plan.held.is_empty() {
        text.push_str(if plan.is_empty() { "**Held**\n\n" } else { "\n**Held**\n\n" });
        for held in &plan.held {
            text.push_str(&format!("- `{}` ({}): {}\n", held.id, held.code.name(), cell(&held.why)));
        }
    }
    for failure in &plan.failures {
        text.push_str(&format!(
            "\n**Last backup of {} on {} failed at {} UTC**: {}\n",
            failure.datastore,
            failure.host,
            minute(failure.at),
            cell(&failure.message)
        ));
    }
    if !plan.is_empty() || !plan.held.is_empty() || !plan.failures.is_empty() {
        text.push('\n');
    }
    text.push_str(&summary_line(&plan.summary()));
    if !plan.is_empty() && plan.wrong_account().is_none() {
        text.push_str(&format!(" To apply:\n\n```\n{}\n```", apply_line(plan, command)));
    }
    text.push_str(&format!("\n\n<sub>{}</sub>\n", plan.fingerprint));
    text
}

fn row(change: &Change) -> String {
    let mut lines: Vec<String> = change
        .fields
        .iter()
        .filter(|field| change.action != Action::Remove || field.from.get("schedule").is_some())
        .flat_map(|field| field_lines(change.id.kind(), &field.field, &field.from, &field.to))
        .map(|line| match line.from {
            Some(from) => format!("{}: {} → {}", cell(&line.name), cell(&from), cell(&line.to)),
            None if change.action != Action::Create => {
                format!("{}: none → {}", cell(&line.name), cell(&line.to))
            }
            None => format!("{}: {}", cell(&line.name), cell(&line.to)),
        })
        .collect();
    if let Some((oldest, newest)) = change.losses.taken {
        lines.push(format!(
            "**loses {}, {}, taken {} to {}**",
            counted(usize::try_from(change.losses.count).unwrap_or(usize::MAX), "backup"),
            bytes(change.losses.bytes),
            day(oldest),
            day(newest)
        ));
    }
    let risks: Vec<String> =
        change.risk.iter().filter(|risk| risk.needs_consent()).map(|risk| format!("**{risk}**")).collect();
    format!(
        "| {} | `{}` | {} | {} |\n",
        change.action.name(),
        change.id,
        lines.join("<br>"),
        risks.join(", ")
    )
}

/// A text that cannot end its cell or become markup.
fn cell(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '|' => "\\|".to_owned(),
            '<' => "&lt;".to_owned(),
            '*' | '_' | '`' | '[' | '\\' => format!("\\{c}"),
            '\n' => " ".to_owned(),
            c => c.to_string(),
        })
        .collect()
}
