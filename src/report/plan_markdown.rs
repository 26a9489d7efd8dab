//! Plans as Markdown: a comment on a pull request.

use super::plan_words::{apply_line, field_lines};
use super::text::{bytes, day};
use crate::plan::{Action, Change, Plan, Summary};

/// The whole plan.
pub fn plan(plan: &Plan) -> String {
    let account = match (&plan.caller.account, &plan.caller.endpoint) {
        (_, Some(endpoint)) => format!(" at `{endpoint}`"),
        (Some(account), None) => format!(" in account `{account}`"),
        (None, None) => String::new(),
    };
    let mut text = format!("### Plan for environment `{}`{account}\n\n", plan.environment);
    if plan.is_empty() {
        text.push_str("Nothing to change.\n");
    } else {
        text.push_str("| | what | change | risk |\n|---|---|---|---|\n");
        for change in &plan.changes {
            text.push_str(&row(change));
        }
    }
    if !plan.held.is_empty() {
        text.push_str("\n**Held**\n\n");
        for held in &plan.held {
            text.push_str(&format!("- `{}` ({}): {}\n", held.id, held.code.name(), cell(&held.why)));
        }
    }
    let Summary { create, adopt, update, remove, unchanged, held } = plan.summary();
    text.push_str(&format!(
        "\n{create} to create, {adopt} to adopt, {update} to update, {remove} to remove, {unchanged} unchanged, {held} held."
    ));
    if !plan.is_empty() {
        text.push_str(&format!(" To apply:\n\n```\n{}\n```", apply_line(plan)));
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
            "**loses {} backups, {}, taken {} to {}**",
            change.losses.count,
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
