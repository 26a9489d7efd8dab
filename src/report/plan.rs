//! Plans and reports as text for a terminal of 80 columns.

use anstyle::Style;
use chrono::{DateTime, Utc};

pub use super::documents::plan::{plan as plan_json, report as report_json};
use super::hosts;
pub use super::plan_markdown::plan as plan_markdown;
use super::plan_takeover::takeover_text;
use super::plan_words::{FieldLine, field_lines, power_words, short_schedule};
pub use super::plan_words::{apply_line, next_run, refusal};
use super::text::{
    ALARM, BOLD, CYAN, DIM, GREEN, MAGENTA, RED, WIDTH, YELLOW, bytes, counted, day, minute, one_line,
    styled, wrapped,
};
use crate::plan::{Action, Change, FieldChange, Outcome, Plan, Reason, Report, Summary};
use crate::resources::{crontab, identity};
use crate::retention::Losses;
use crate::state::{HostSighting, Tag};
use crate::vocab::{Kind, Risk, Value};

/// How a plan is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// For telling when schedules fire next.
    pub now: DateTime<Utc>,
    /// Names every loss, and every field of new files.
    pub verbose: bool,
    /// The command that applies this plan, without its consents; `None` where it is being applied already.
    pub command: Option<&'a str>,
}

/// Where the column of names begins, and where that of values.
const NAME_COLUMN: usize = 12;
const VALUE_COLUMN: usize = 27;

/// The whole plan.
pub fn plan_text(plan: &Plan, view: View<'_>) -> String {
    let mut text = heading(plan);
    for change in &plan.changes {
        text.push_str(&change_text(plan, change, view));
    }
    if !plan.changes.is_empty() {
        text.push('\n');
    }
    text.push_str(&held_text(plan));
    text.push_str(&hosts::warnings(plan));
    text.push_str(&failures_text(plan));
    if view.verbose {
        text.push_str(&hosts::table(&plan.hosts));
    }
    text.push_str(&styled(BOLD, summary_line(&plan.summary())));
    text.push('\n');
    // Another account's plan cannot be applied, whatever is consented to.
    if let Some(command) = view.command.filter(|_| !plan.is_empty() && plan.wrong_account().is_none()) {
        text.push_str(&format!("To apply: {}\n", styled(BOLD, apply_line(plan, command))));
    }
    text
}

/// Where we are, and as whom: the first thing to check at three in the morning.
fn heading(plan: &Plan) -> String {
    let caller = &plan.caller;
    let mut parts = vec![format!("environment {}", styled(BOLD, &plan.environment))];
    match (&caller.account, &caller.endpoint, &caller.unknown) {
        (_, Some(endpoint), _) => parts.push(format!("store {}", one_line(endpoint))),
        (Some(account), _, _) => {
            let identity =
                caller.identity.as_deref().map(|who| format!(" as {}", one_line(who))).unwrap_or_default();
            parts.push(format!("account {}{identity}", styled(BOLD, account)));
        }
        (None, None, Some(_)) => parts.push(styled(ALARM, "account unknown")),
        (None, None, None) => {}
    }
    parts.extend(caller.region.as_ref().map(|region| region.to_string()));
    parts.extend(hosts::count(plan));
    let tags =
        plan.selection.tags.iter().filter(|tag| **tag != Tag::Backups).map(|tag| tag.name().to_owned());
    let hosts = plan.selection.limit.iter().map(ToString::to_string);
    for narrowed in [tags.collect::<Vec<_>>(), hosts.collect()] {
        if !narrowed.is_empty() {
            parts.push(format!("only {}", narrowed.join(", ")));
        }
    }
    format!("{}\n\n", dotted(&parts))
}

/// Parts with dots between them, on a new line where the next one would not fit.
fn dotted(parts: &[String]) -> String {
    let (mut text, mut column) = (String::new(), 0);
    for part in parts {
        let width = anstream::adapter::strip_str(part).to_string().chars().count();
        if column > 0 && column + 3 + width > WIDTH {
            text.push_str("\n    ");
            column = 4;
        } else if column > 0 {
            text.push_str(" · ");
            column += 3;
        }
        text.push_str(part);
        column += width;
    }
    text
}

fn change_text(plan: &Plan, change: &Change, view: View<'_>) -> String {
    let mut text = headline(change);
    for field in &change.fields {
        text.push_str(&match change.action {
            Action::Remove => removed_text(change, field),
            _ => field_text(plan, change, field, view),
        });
        text.push_str(&powers_text(change, &field.field));
    }
    text.push_str(&losses_text(&change.losses, view));
    text
}

fn headline(change: &Change) -> String {
    let (glyph, style) = glyph(change.action);
    let kind = format!("{:<width$}", kind_word(change.id.kind()), width = NAME_COLUMN - 2);
    let name = match change.id.host() {
        Some(host) => format!("{host} {}", change.id.name()),
        None => change.id.name().to_owned(),
    };
    let name = match change.action {
        Action::Adopt => format!("{name} (adopted)"),
        _ => name,
    };
    // The graver first.
    let risks: Vec<(Risk, String)> = change
        .risk
        .iter()
        .rev()
        .filter(|risk| risk.needs_consent())
        .map(|risk| (*risk, risk.name().to_uppercase()))
        .collect();
    let left = format!("{glyph} {kind}{name}");
    let risk = match risks.is_empty() {
        true => String::new(),
        false => {
            let length = risks.iter().map(|(_, word)| word.len() + 1).sum::<usize>() - 1;
            let gap = WIDTH.saturating_sub(left.chars().count() + length).max(2);
            let words: Vec<String> =
                risks.iter().map(|(risk, word)| styled(risk_style(*risk), word)).collect();
            format!("{}{}", " ".repeat(gap), words.join(" "))
        }
    };
    format!("{} {kind}{}{risk}\n", styled(style.bold(), glyph), styled(BOLD, name))
}

/// One glyph per action; they differ without colour.
fn glyph(action: Action) -> (char, Style) {
    match action {
        Action::Create => ('+', GREEN),
        Action::Adopt => ('>', CYAN),
        Action::Update => ('~', YELLOW),
        Action::Remove => ('-', RED),
    }
}

fn risk_style(risk: Risk) -> Style {
    match risk {
        Risk::Routine => Style::new(),
        Risk::Widening => YELLOW,
        Risk::Destructive => ALARM,
        Risk::Irreversible => MAGENTA.bold(),
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::HostDirectory => "directory",
        Kind::HostFile => "job file",
        Kind::SnapshotRepository => "snapshots",
        other => other.name(),
    }
}

fn field_text(plan: &Plan, change: &Change, field: &FieldChange, view: View<'_>) -> String {
    if change.id.kind() == Kind::Crontab
        && let Some(text) = entry_text(plan, change, field, view)
    {
        return text;
    }
    if change.id.kind() == Kind::Crontab && field.field == crontab::OLD {
        return takeover_text(plan, change, field);
    }
    // An adopted entry's file is as new as a created one's.
    let is_new = match change.action {
        Action::Create => true,
        Action::Adopt => change.id.kind() == Kind::Crontab,
        Action::Update | Action::Remove => false,
    };
    if is_new && !view.verbose && is_detail(change.id.kind(), &field.field) {
        return String::new();
    }
    let mut text = String::new();
    for line in field_lines(change.id.kind(), &field.field, &field.from, &field.to) {
        text.push_str(&line_text(&line, change.action, field));
    }
    for broken in &field.may_break {
        text.push_str(&wrapped("      may break: ", 6, broken));
        text.push('\n');
    }
    text
}

/// What a field newly lets somebody destroy.
fn powers_text(change: &Change, field: &str) -> String {
    let mut text = String::new();
    for reason in &change.reasons {
        let Reason::Destroys(power) = reason else { continue };
        if power.field == field {
            let first = format!("      {} ", styled(ALARM, "can destroy:"));
            text.push_str(&wrapped(
                &first,
                8,
                &format!("{}, which {}", power_words(power), one_line(&power.how)),
            ));
            text.push('\n');
        }
    }
    text
}

/// Of what goes, the lines that say what will no longer happen, and where the file was.
fn removed_text(change: &Change, field: &FieldChange) -> String {
    match (change.id.kind(), field.from.get("schedule").and_then(Value::as_text)) {
        (Kind::Crontab, Some(schedule)) => {
            format!(
                "    {}\n",
                styled(RED, format!("no more {} at {}", one_line(&field.field), short_schedule(schedule)))
            )
        }
        _ if field.field == "path" => format!("    {}\n", one_line(field.from.as_text().unwrap_or_default())),
        _ => String::new(),
    }
}

/// Fields of a new thing that follow from everything else: shown by `-v`.
fn is_detail(kind: Kind, field: &str) -> bool {
    match kind {
        Kind::Crontab => matches!(field, "owner" | "group" | "mode" | "variables"),
        Kind::HostFile => !matches!(field, "path" | "keep" | "upload" | "secrets"),
        Kind::HostDirectory => field == "group",
        Kind::Role | Kind::User => field == identity::field::PATH,
        _ => false,
    }
}

fn line_text(line: &FieldLine, action: Action, field: &FieldChange) -> String {
    let value = match (&line.from, action) {
        (_, Action::Create) => line.to.clone(),
        (Some(from), _) => format!("{from} -> {}", line.to),
        (None, _) => format!("none -> {}", line.to),
    };
    let name = format!("    {:<width$}", line.name, width = VALUE_COLUMN - 5);
    let value = match field.risk {
        Risk::Routine => value,
        risk => format!("{value}  ({risk})"),
    };
    format!("{}\n", wrapped(&format!("{name} "), VALUE_COLUMN.max(name.chars().count() + 1), &value))
}

/// A cron entry is read as a schedule, not as a field: when, what, as whom, and when next.
fn entry_text(plan: &Plan, change: &Change, field: &FieldChange, view: View<'_>) -> Option<String> {
    let schedule = |value: &Value| value.get("schedule").and_then(Value::as_text).map(str::to_owned);
    let words = one_line(&field.field);
    let zone = match plan.hosts.get(change.id.host()?) {
        Some(HostSighting::Reached(facts)) => facts.zone,
        _ => chrono_tz::UTC,
    };
    let old = schedule(&field.from);
    let Some(new) = schedule(&field.to) else {
        let old = old?;
        return Some(format!(
            "    {}\n",
            styled(RED, format!("no more {words} at {}", short_schedule(&old)))
        ));
    };
    let when = match old.as_deref().filter(|old| *old != new) {
        Some(old) => format!("{} -> {}", short_schedule(old), short_schedule(&new)),
        None => short_schedule(&new),
    };
    let user = field.to.get("user").and_then(Value::as_text).unwrap_or("?");
    let next = next_run(&new, zone, view.now);
    let what = format!("{words} as {user}");
    let first = match when.chars().count() + 4 < VALUE_COLUMN {
        true => format!("    {when:<width$}{what}\n", width = VALUE_COLUMN - 4),
        // Too long to stand beside it.
        false => format!("    {when}\n{}{what}\n", " ".repeat(VALUE_COLUMN)),
    };
    Some(format!("{first}{}{}\n", " ".repeat(VALUE_COLUMN), styled(DIM, next)))
}

/// What would be gone: the sum first, then the backups one by one.
fn losses_text(losses: &Losses, view: View<'_>) -> String {
    if losses.is_empty() {
        return String::new();
    }
    let span = losses.taken.map_or_else(String::new, |(oldest, newest)| match day(oldest) == day(newest) {
        true => format!(", taken {}", day(oldest)),
        false => format!(", taken {} to {}", day(oldest), day(newest)),
    });
    let from = losses.from.map_or_else(String::new, |from| format!(", from {} on", day(from)));
    let number = counted(usize::try_from(losses.count).unwrap_or(usize::MAX), "backup");
    let sum = format!("loses {number}, {}{span}{from}", bytes(losses.bytes));
    let mut text = format!("      {}\n", styled(ALARM, sum));
    let named = if view.verbose { losses.first.len() } else { 3.min(losses.first.len()) };
    for loss in losses.first.iter().take(named) {
        let backup = one_line(&loss.backup);
        // Where it lies stands in the lines above; `-v` tells all of it.
        let name = backup.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or(&backup);
        let name = if view.verbose { &backup } else { name };
        let about = format!("{} UTC, {}", minute(loss.taken), bytes(loss.bytes));
        let line = format!("        {name} of {about}");
        text.push_str(&match line.chars().count() <= WIDTH {
            true => format!("{line}\n"),
            false => format!("        {name}\n          of {about}\n"),
        });
    }
    let rest = losses.count.saturating_sub(named as u64);
    if rest > 0 {
        let more = if view.verbose { "" } else { " with -v" };
        text.push_str(&format!("        {}\n", styled(DIM, format!("... {rest} more{more}"))));
    }
    text
}

fn held_text(plan: &Plan) -> String {
    if plan.held.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", styled(BOLD, "held"));
    for held in &plan.held {
        let kind = kind_word(held.id.kind());
        let name = match held.id.host() {
            Some(host) => format!("{host} {}", held.id.name()),
            None => held.id.name().to_owned(),
        };
        text.push_str(&format!(
            "{} {kind:<9} {}  {}\n",
            styled(MAGENTA.bold(), '!'),
            styled(BOLD, name),
            held.code.name()
        ));
        // A command is copied, so it stays on one line.
        let (why, commands) = held.why.split_once('\n').unwrap_or((&held.why, ""));
        text.push_str(&wrapped("            ", 12, &one_line(why)));
        text.push('\n');
        for command in commands.lines() {
            text.push_str(&format!("            {}\n", styled(BOLD, one_line(command))));
        }
    }
    text.push('\n');
    text
}

/// Jobs that failed: not what this plan is about, and yet the first thing to know.
fn failures_text(plan: &Plan) -> String {
    let mut text = String::new();
    for failure in &plan.failures {
        let at = minute(failure.at);
        let sum = format!("last backup of {} on {} failed at {at} UTC", failure.datastore, failure.host);
        text.push_str(&format!("{}\n", styled(ALARM, sum)));
        text.push_str(&wrapped("    ", 4, &one_line(&failure.message)));
        text.push_str("\n\n");
    }
    text
}

pub(super) fn summary_line(summary: &Summary) -> String {
    let Summary { create, adopt, update, remove, unchanged, held } = *summary;
    let parts: Vec<String> = [
        (create, "to create"),
        (adopt, "to adopt"),
        (update, "to update"),
        (remove, "to remove"),
        (unchanged, "unchanged"),
        (held, "held"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} {what}"))
    .collect();
    if create + adopt + update + remove == 0 {
        return match (unchanged, held) {
            (0, 0) => "Nothing to change: the settings ask for nothing here.".to_owned(),
            (0, held) => format!("Nothing can be changed: {held} held."),
            (unchanged, 0) => format!("Nothing to change: {unchanged} as they should be."),
            (unchanged, held) => format!("Nothing to change: {unchanged} as they should be, {held} held."),
        };
    }
    format!("{}.", parts.join(", "))
}

/// One line per outcome, as it comes.
pub fn outcome_line(change: &Change, outcome: &Outcome) -> String {
    let id = &change.id;
    match outcome {
        Outcome::Done => format!("{} {} {id}\n", styled(GREEN.bold(), "done   "), change.action.name()),
        Outcome::Failed(why) => {
            let text = format!("{} {} {id}\n", styled(ALARM, "failed "), change.action.name());
            format!("{text}{}\n", wrapped("        ", 8, &one_line(why)))
        }
        Outcome::Skipped(why) => {
            format!("{} {} {id}: {}\n", styled(YELLOW.bold(), "skipped"), change.action.name(), one_line(why))
        }
    }
}

/// What became of it, and what to do next.
pub fn report_summary(report: &Report) -> String {
    let done = report.count(|outcome| *outcome == Outcome::Done);
    let failed = report.count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let skipped = report.count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    let table = hosts::outcomes(report);
    if failed + skipped == 0 {
        return format!("{table}{}\n", styled(BOLD, format!("{done} done.")));
    }
    let sum = styled(BOLD, format!("{done} done, {failed} failed, {skipped} skipped."));
    format!("{table}{sum}\nMend what failed, then plan and apply again: what is done stays done.\n")
}
