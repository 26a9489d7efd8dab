//! The audit for people: who can destroy what, what is wrong, what could not be seen. As text, and as Markdown for a
//! review.

use anstyle::Style;

use super::audit_matrix::matrix;
use super::text::{ALARM, BOLD, DIM, MAGENTA, RED, WIDTH, YELLOW, counted, one_line, styled, wrapped};
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
    for alike in alike(&audit.findings) {
        text.push_str(&format!("\n{}", told(&alike, view.verbose)));
    }
    if !audit.unread.is_empty() {
        text.push_str("\nnot seen\n");
        for unread in &audit.unread {
            let first = format!("{} {}", styled(MAGENTA, "?"), one_line(&unread.subject));
            let why = format!("{}: {}", unread.permission, one_line(&unread.why));
            text.push_str(&format!("{first}\n{}\n", wrapped("    ", 4, &why)));
        }
    }
    if view.export.is_some() {
        let note = "An export holds policies alone: versioning, lifecycle rules, object lock, access control lists, \
                    replication and encryption of buckets were not looked at.";
        text.push_str(&format!("\n{}\n", wrapped("", 0, note)));
    }
    text.push_str(&format!("\n{}\n", summary(audit)));
    text
}

fn heading(view: View<'_>) -> String {
    let mut parts = vec![format!("environment {}", view.environment)];
    parts.extend(view.account.map(|account| format!("account {account}")));
    parts.extend(view.export.map(|export| format!("export {}", one_line(export))));
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.chars().count() + part.chars().count() + 3 <= WIDTH => {
                line.push_str(&format!(" \u{b7} {part}"));
            }
            _ => lines.push(part),
        }
    }
    format!("{}\n", lines.join("\n"))
}

/// Findings that say the same of several, together.
fn alike(findings: &[Finding]) -> Vec<Vec<&Finding>> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let is_alike = |group: &&mut Vec<&Finding>| {
            group.first().is_some_and(|first| {
                first.id == finding.id
                    && first.severity == finding.severity
                    && first.title == finding.title
                    && first.remedy == finding.remedy
                    && (first.evidence == finding.evidence || is_in_table(first))
            })
        };
        match groups.iter_mut().find(is_alike) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

/// Who can destroy stands in the table, with the ways; as a finding it is how grave that is.
fn is_in_table(finding: &Finding) -> bool {
    finding.id.ends_with("can-destroy")
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

fn told(alike: &[&Finding], verbose: bool) -> String {
    let Some(finding) = alike.first() else { return String::new() };
    let severity = styled(style(finding.severity), format_args!("{}[{}]", finding.severity, finding.id));
    let mut text = severity;
    let mut column = finding.severity.name().len() + finding.id.len() + 2;
    for (index, finding) in alike.iter().enumerate() {
        let subject = one_line(&finding.subject);
        let comma = if index + 1 == alike.len() { "" } else { "," };
        if index > 0 && column + subject.chars().count() + 2 > WIDTH {
            text.push_str("\n   ");
            column = 3;
        }
        column += subject.chars().count() + 2;
        text.push_str(&format!(" {}{comma}", styled(BOLD, subject)));
    }
    text.push_str(&format!("\n{}\n", wrapped("    ", 4, &one_line(&finding.title))));
    let shown = if verbose { usize::MAX } else { EVIDENCE };
    // Those that are told together have the same evidence, or have it in the table.
    let evidence: &[String] = if is_in_table(finding) { &[] } else { &finding.evidence };
    for line in evidence.iter().take(shown) {
        text.push_str(&format!("{}\n", wrapped("      ", 8, &one_line(line))));
    }
    if evidence.len() > shown && shown > 0 {
        text.push_str(&format!("      ... {} more with -v\n", evidence.len() - shown));
    }
    text.push_str(&format!("{}\n", wrapped("    = help: ", 12, &finding.remedy)));
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
        text.push_str(&format!(
            "- not seen: `{}`, {}: {}\n",
            cell(&unread.subject),
            unread.permission,
            cell(&unread.why)
        ));
    }
    text.push_str(&format!("\n{}\n", summary(audit)));
    text
}
