//! The audit for people: who can destroy what, what is wrong, what could not be seen. As text, and as Markdown for a
//! review.

use anstyle::Style;

use super::audit_matrix::matrix;
use super::text::{ALARM, BOLD, DIM, MAGENTA, RED, YELLOW, broken, counted, one_line, styled};
use crate::audit::{Audit, Finding, Severity};
use crate::policy::Verdict;

/// Lines of evidence that are shown without `-v`.
const EVIDENCE: usize = 3;

/// What the heading says of where the audit looked.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub environment: &'a str,
    /// The account, where somebody could say.
    pub account: Option<&'a str>,
    /// The export in place of the account itself.
    pub export: Option<&'a str>,
    pub verbose: bool,
}

/// The whole audit.
pub fn text(audit: &Audit, view: View<'_>) -> String {
    let mut text = heading(view);
    let matrix = matrix(&audit.abilities, view.verbose);
    if !matrix.is_empty() {
        text.push_str(&format!("\n{matrix}"));
        text.push_str(&legend(audit));
    }
    for finding in &audit.findings {
        // Who can destroy stands in the table, with the ways; here it is how grave that is.
        let is_in_table = finding.id.ends_with("can-destroy");
        text.push_str(&format!("\n{}", told(finding, view.verbose, is_in_table)));
    }
    if !audit.unread.is_empty() {
        text.push_str("\nnot seen\n");
        for unread in &audit.unread {
            let first = format!("{} {}", styled(MAGENTA, "?"), one_line(&unread.subject));
            let why = format!("{}: {}", unread.permission, one_line(&unread.why));
            text.push_str(&format!("{first}\n    {}\n", broken(&why, 4, 4)));
        }
    }
    text.push_str(&format!("\n{}\n", summary(audit)));
    text
}

fn heading(view: View<'_>) -> String {
    let mut parts = vec![format!("environment {}", view.environment)];
    parts.extend(view.account.map(|account| format!("account {account}")));
    parts.extend(view.export.map(|export| format!("export {}", one_line(export))));
    format!("{}\n", parts.join(" \u{b7} "))
}

/// What the words of the table mean, where they occur.
fn legend(audit: &Audit) -> String {
    let has = |verdict| audit.abilities.iter().any(|ability| ability.decision == verdict);
    let mut words = Vec::new();
    if has(Verdict::Conditional) {
        words.push("IF: depends on the request");
    }
    if has(Verdict::Unknown) {
        words.push("?: could not be told, and is not safe");
    }
    match words.is_empty() {
        true => String::new(),
        false => format!("\n{}\n", styled(DIM, words.join("; "))),
    }
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => ALARM,
        Severity::High => RED,
        Severity::Medium => YELLOW,
        Severity::Low => DIM,
    }
}

fn told(finding: &Finding, verbose: bool, is_in_table: bool) -> String {
    let severity = styled(style(finding.severity), format_args!("{}[{}]", finding.severity, finding.id));
    let mut text = format!("{severity} {}\n", styled(BOLD, one_line(&finding.subject)));
    text.push_str(&format!("    {}\n", broken(&one_line(&finding.title), 4, 4)));
    let shown = match (verbose, is_in_table) {
        (true, _) => finding.evidence.len(),
        (false, true) => 0,
        (false, false) => EVIDENCE,
    };
    for line in finding.evidence.iter().take(shown) {
        text.push_str(&format!("      {}\n", broken(&one_line(line), 6, 8)));
    }
    if finding.evidence.len() > shown && shown > 0 {
        text.push_str(&format!("      ... {} more with -v\n", finding.evidence.len() - shown));
    }
    text.push_str(&format!("    = help: {}\n", broken(&finding.remedy, 12, 12)));
    text
}

/// One line: how many findings of each severity, and whether everything was seen.
fn summary(audit: &Audit) -> String {
    let counts: Vec<String> = Severity::ALL
        .iter()
        .map(|severity| (severity, audit.findings.iter().filter(|one| one.severity == *severity).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {severity}"))
        .collect();
    let found = match counts.is_empty() {
        true => "No findings".to_owned(),
        false => counts.join(", "),
    };
    match audit.unread.len() {
        0 => format!("{found}."),
        unread => format!("{found}; {} not seen: the answer is incomplete.", counted(unread, "thing")),
    }
}

/// The audit for a pull request: findings as a table, abilities folded.
pub fn markdown(audit: &Audit, view: View<'_>) -> String {
    let cell = |text: &str| one_line(text).replace('|', "\\|").replace('<', "&lt;");
    let mut text = format!("### {}\n\n", heading(view).trim_end());
    if !audit.findings.is_empty() {
        text.push_str("| severity | finding | of | |\n|---|---|---|---|\n");
        for finding in &audit.findings {
            let severity = match finding.severity {
                Severity::Critical => "**CRITICAL**".to_owned(),
                other => other.to_string(),
            };
            text.push_str(&format!(
                "| {severity} | {} | `{}` | {}. {} |\n",
                finding.id,
                cell(&finding.subject),
                cell(&finding.title),
                cell(&finding.remedy)
            ));
        }
        text.push('\n');
    }
    let unexpected: Vec<_> = audit.abilities.iter().filter(|ability| ability.expected.is_none()).collect();
    if !unexpected.is_empty() {
        text.push_str("<details><summary>who can destroy, and should not</summary>\n\n");
        text.push_str("| who | what | | path |\n|---|---|---|---|\n");
        for ability in unexpected {
            text.push_str(&format!(
                "| `{}` | {} on `{}` | {} | {} |\n",
                cell(&ability.who),
                ability.row.action,
                cell(&ability.resource),
                ability.decision,
                cell(&ability.path.join("; "))
            ));
        }
        text.push_str("\n</details>\n\n");
    }
    for unread in &audit.unread {
        text.push_str(&format!("- not seen: `{}`, {}: {}\n", cell(&unread.subject), unread.permission, cell(&unread.why)));
    }
    text.push_str(&format!("\n{}\n", summary(audit)));
    text
}
