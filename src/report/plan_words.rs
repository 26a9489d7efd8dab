//! What a plan's data is called: one wording for text, Markdown and JSON.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::text;
use crate::plan::{Allow, LocalKeep, Plan, Power, Reason, Refusal};
use crate::resources::{bucket, crontab, identity, role};
use crate::vocab::{Kind, SecretDigest, Tier, Value};

/// A line about one field: what it is, and what becomes of it.
pub struct FieldLine {
    pub name: String,
    pub from: Option<String>,
    pub to: String,
}

/// The lines that one field of a thing is worth; `from` is null where there was nothing before.
pub fn field_lines(kind: Kind, field: &str, from: &Value, to: &Value) -> Vec<FieldLine> {
    match (kind, field, from, to) {
        (Kind::Bucket, bucket::field::KEEP_VERSIONS, from, to) => keep_lines(from, to),
        (Kind::Bucket, bucket::field::ABORT_UPLOADS, from, to) => {
            vec![line("abort uploads", days(from), days(to).unwrap_or_else(|| "never".to_owned()))]
        }
        (Kind::Role | Kind::User, identity::field::POLICY, from, to) => policy_lines(from, to),
        (Kind::Role, role::TRUST, from, to) => vec![line("assumed by", some_words(from), words(to))],
        (Kind::Role, role::INSTANCE_PROFILES, from, to) => {
            vec![line("instance profile", some_words(from), words(to))]
        }
        (Kind::Bucket, bucket::field::VERSIONING_LOCK, from, to) => lock_lines(from, to),
        (Kind::Bucket, bucket::field::OBJECT_LOCK, from, to) => {
            vec![line("object lock", (!from.is_null()).then(|| held_words(from)), held_words(to))]
        }
        (Kind::Crontab, crontab::OLD, Value::List(from), to) => {
            let entries = from.iter().filter_map(old_entry_words);
            let entries = entries.map(|[when, what, table]| format!("{when} {what} ({table})"));
            vec![line(crontab::OLD, Some(entries.collect::<Vec<_>>().join("; ")), words(to))]
        }
        (Kind::Crontab, name, from, to) if entry_words(from).or_else(|| entry_words(to)).is_some() => {
            vec![line(name, entry_words(from), entry_words(to).unwrap_or_else(|| "none".to_owned()))]
        }
        (Kind::Program, "sha256", from, to) => {
            // Enough to tell two apart; JSON has all of it.
            let short = |value: &Value| value.as_text().map(|sum| sum.chars().take(12).collect::<String>());
            vec![line("sha256", short(from), short(to).unwrap_or_else(|| "none".to_owned()))]
        }
        (_, name, from, to) => {
            let (from, shown) = match (from, to) {
                (Value::Map(old), Value::Map(new)) => changed_members(old, new),
                _ => ((!from.is_null()).then(|| words(from)), words(to)),
            };
            vec![line(&name.replace('_', " "), from, shown)]
        }
    }
}

fn some_words(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| words(value))
}

/// What our policy lets an identity do, a line for each part of it that changes.
fn policy_lines(from: &Value, to: &Value) -> Vec<FieldLine> {
    const PARTS: [(&str, &str, &str); 4] = [
        ("writes", "may write", "none"),
        ("keys", "with keys", "none"),
        ("snapshots", "may snapshot", "none"),
        ("from", "only from", "anywhere"),
    ];
    if !matches!((from, to), (Value::Null | Value::Map(_), Value::Map(_))) {
        return vec![line("policy", some_words(from), words(to))];
    }
    let part = |value: &Value, name: &str, nothing: &str| match (name, value.get(name)) {
        (_, None) => nothing.to_owned(),
        ("from", Some(source)) => source_words(source),
        (_, Some(list)) => words(list),
    };
    PARTS
        .into_iter()
        .filter(|(name, ..)| from.get(name) != to.get(name))
        .map(|(name, shown, nothing)| {
            let before = (!from.is_null()).then(|| part(from, name, nothing));
            line(shown, before, part(to, name, nothing))
        })
        .collect()
}

/// Where requests must come from: `172.31.0.0/16 in vpc-0abc`.
fn source_words(source: &Value) -> String {
    match (source.get("networks"), source.get("vpc").and_then(Value::as_text)) {
        (Some(networks), Some(vpc)) => format!("{} in {vpc}", words(networks)),
        (None, Some(vpc)) => vpc.to_owned(),
        (Some(networks), None) => words(networks),
        (None, None) => "nowhere".to_owned(),
    }
}

/// A cron entry without its command, which its name already tells.
fn entry_words(entry: &Value) -> Option<String> {
    let part = |name| entry.get(name).and_then(Value::as_text);
    Some(format!("{} as {}", short_schedule(part("schedule")?), part("user")?))
}

fn line(name: &str, from: Option<String>, to: String) -> FieldLine {
    FieldLine {
        name: text::one_line(name),
        from: from.map(|from| text::one_line(&from)),
        to: text::one_line(&to),
    }
}

/// The lock before and after, and who lifts it.
fn lock_lines(from: &Value, to: &Value) -> Vec<FieldLine> {
    let texts = |lock: &Value, member: &str| match lock.get(member) {
        Some(Value::List(items)) => items.iter().map(words).collect(),
        _ => Vec::new(),
    };
    let state = |lock: &Value| match lock.get(bucket::lock_member::MISSING) {
        None => words(lock),
        Some(_) => match texts(lock, bucket::lock_member::MISSING).join(", ") {
            open if open.is_empty() => "complete".to_owned(),
            open => format!("incomplete, leaves open {open}"),
        },
    };
    let mut lines = vec![line("versioning lock", (!from.is_null()).then(|| state(from)), state(to))];
    let lifted_by = |lock: &Value| {
        let name =
            |arn: String| arn.split_once(":role/").map_or(arn.clone(), |(_, name)| format!("role/{name}"));
        let roles = texts(lock, bucket::lock_member::BREAK_GLASS).into_iter().map(name);
        let roles = roles.collect::<Vec<_>>().join(", ");
        if roles.is_empty() { "nobody".to_owned() } else { roles }
    };
    let spared = |lock: &Value| lock.get(bucket::lock_member::BREAK_GLASS).cloned();
    match (spared(from), spared(to)) {
        (old, new) if old == new => {}
        (_, None) => {}
        (None, Some(_)) => lines.push(line("lifted only by", None, lifted_by(to))),
        (Some(_), Some(_)) => lines.push(line("lifted only by", Some(lifted_by(from)), lifted_by(to))),
    }
    lines
}

/// `governance for 30 days`.
fn held_words(lock: &Value) -> String {
    match (lock.get("mode").and_then(Value::as_text), lock.get("days").and_then(Value::as_number)) {
        (Some(mode), Some(days)) => {
            let days = text::counted(usize::try_from(days).unwrap_or(0), "day");
            format!("{mode} for {days}, each new version")
        }
        _ => words(lock),
    }
}

/// One line per prefix whose rule changes: `keep postgres_daily_*`.
fn keep_lines(from: &Value, to: &Value) -> Vec<FieldLine> {
    let (from_rules, to_rules) = (rules(from), rules(to));
    let mut prefixes: Vec<&String> = from_rules.keys().chain(to_rules.keys()).collect();
    prefixes.sort();
    prefixes.dedup();
    prefixes
        .into_iter()
        .filter(|prefix| from_rules.get(*prefix) != to_rules.get(*prefix))
        .map(|prefix| {
            let name = format!("keep {prefix}*");
            let old = (!from.is_null()).then(|| rule_words(from_rules.get(prefix)));
            line(&name, old, rule_words(to_rules.get(prefix)))
        })
        .collect()
}

fn rules(value: &Value) -> BTreeMap<String, Value> {
    match value {
        Value::Map(rules) => rules.clone(),
        _ => BTreeMap::new(),
    }
}

fn rule_words(rule: Option<&Value>) -> String {
    let Some(rule) = rule else { return "for ever".to_owned() };
    let Some(keep) = bucket::keep_of(rule) else { return words(rule) };
    let days = text::counted(keep.days as usize, "day");
    match keep.newest {
        0 => days,
        newest => format!("{days} and the newest {newest}"),
    }
}

fn days(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Number(days) => {
            Some(format!("after {}", text::counted(usize::try_from(*days).unwrap_or(0), "day")))
        }
        other => Some(words(other)),
    }
}

/// A value in a few words.
pub fn words(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(items) if items.is_empty() => "none".to_owned(),
        Value::List(items) => items.iter().map(words).collect::<Vec<_>>().join("; "),
        Value::Map(members) => map_words(members),
        Value::Secret(_) => SecretDigest::SHOWN.to_owned(),
    }
}

fn map_words(members: &BTreeMap<String, Value>) -> String {
    let present: Vec<String> = members
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| member_words(name, &words(value)))
        .collect();
    if present.is_empty() { "none".to_owned() } else { present.join(", ") }
}

/// A member in words; a nested one needs no more than a space between its name and what it holds.
fn member_words(name: &str, value: &str) -> String {
    format!("{} {}", name.replace('_', " "), if value.is_empty() { "\"\"" } else { value })
}

/// Of two maps the members that differ, before and after; all of them where none does.
fn changed_members(old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> (Option<String>, String) {
    let at =
        |members: &BTreeMap<String, Value>, name: &str| members.get(name).cloned().unwrap_or(Value::Null);
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| at(old, name) != at(new, name));
    if names.is_empty() {
        return (Some(map_words(old)), map_words(new));
    }
    let before = names.iter().map(|name| member_words(name, &words(&at(old, name))));
    let after = names.iter().map(|name| match (at(old, name), at(new, name)) {
        (Value::Secret(_), Value::Secret(_)) => member_words(name, "(secret, changed)"),
        (_, after) => member_words(name, &words(&after)),
    });
    (Some(before.collect::<Vec<_>>().join(", ")), after.collect::<Vec<_>>().join(", "))
}

/// When a schedule fires next: `next Mon 2026-11-23 16:00 UTC`.
pub fn next_run(schedule: &str, zone: Tz, now: DateTime<Utc>) -> String {
    let next = schedule.parse::<crate::vocab::Schedule>().ok().and_then(|schedule| {
        schedule
            .next(now, zone, 1)
            .first()
            .map(|at| at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M %Z").to_string())
    });
    next.map_or_else(|| "never fires".to_owned(), |next| format!("next {next}"))
}

/// Weekdays as people write them: `1,2,3,4,5,6` is `1-6`.
pub fn short_schedule(schedule: &str) -> String {
    let fields: Vec<String> = schedule.split(' ').map(short_field).collect();
    fields.join(" ")
}

fn short_field(field: &str) -> String {
    let numbers: Option<Vec<u32>> = field.split(',').map(|number| number.parse().ok()).collect();
    match numbers.as_deref() {
        Some([first, .., last])
            if field.split(',').count() > 2
                && numbers.iter().flatten().zip(*first..).all(|(number, expected)| *number == expected) =>
        {
            format!("{first}-{last}")
        }
        _ => field.to_owned(),
    }
}

/// A reason's code and words.
pub fn reason(reason: &Reason) -> (&'static str, String) {
    match reason {
        Reason::Declared(place) => ("declared", format!("asked for at {place}")),
        Reason::Missing => ("missing", "it does not exist".to_owned()),
        Reason::Unmarked => {
            ("unmarked", "it exists and carries nobody's mark, or that of an earlier name".to_owned())
        }
        Reason::Differs => ("differs", "it differs from what settings ask for".to_owned()),
        Reason::Undeclared => ("undeclared", "settings no longer ask for it".to_owned()),
        Reason::Destroys(power) => ("destroys", format!("{}, which {}", power_words(power), power.how)),
        Reason::TakesOver => {
            ("takes-over", "entries of another tool make these backups; they go when ours stand".to_owned())
        }
        Reason::Returned => ("returned", RETURNED.to_owned()),
        Reason::LeavesUndone(tiers) => ("leaves-undone", undone_words(tiers)),
        Reason::KeepsLess { old, new } => {
            let lines = keep_less_lines(old, new)
                .into_iter()
                .map(|line| format!("{} {} -> {}", line.name, line.from.unwrap_or_default(), line.to));
            ("keeps-less", lines.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Why old entries are there that were taken over once.
pub const RETURNED: &str =
    "they came back: the tool that writes them ran again; switch these backups off there";

/// What nobody makes any more.
pub fn undone_words(tiers: &BTreeSet<Tier>) -> String {
    let tiers: Vec<&str> = tiers.iter().map(|tier| tier.name()).collect();
    format!("no more {} backups", tiers.join(" and "))
}

/// How long local backups stay, where that is less than before.
pub fn keep_less_lines(old: &LocalKeep, new: &LocalKeep) -> Vec<FieldLine> {
    let tiers = [
        ("hourly", old.hours, new.hours, "hour"),
        ("daily", old.days, new.days, "day"),
        ("weekly", old.weeks, new.weeks, "week"),
    ];
    let words = |count: u32, unit| match count {
        LocalKeep::FOR_EVER.. => "for ever".to_owned(),
        count => text::counted(count as usize, unit),
    };
    let less = tiers.into_iter().filter(|(_, old, new, _)| new < old);
    less.map(|(tier, old, new, unit)| {
        line(&format!("keep {tier} here"), Some(words(old, unit)), words(new, unit))
    })
    .collect()
}

/// An old entry in words: when, what, as whom; and the table that it stands in.
pub fn old_entry_words(entry: &Value) -> Option<[String; 3]> {
    let part = |name| entry.get(name).and_then(Value::as_text).map(text::one_line);
    let command = part("command")?;
    let (script, arguments) = command.split_once(' ').unwrap_or((&command, ""));
    let script = script.rsplit('/').next().unwrap_or(script);
    let what = format!("{script} {arguments}").trim().to_owned();
    Some([short_schedule(&part("schedule")?), format!("{what} as {}", part("user")?), part("table")?])
}

/// A power to destroy: the policy, and the first of its actions.
pub fn power_words(power: &Power) -> String {
    let named: Vec<&str> = power.actions.iter().take(3).copied().collect();
    let more = match power.actions.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("its {} allows {}{more}", text::one_line(&power.by), named.join(", "))
}

/// The line that carries the plan out: the command that applies it, with the consents that it needs.
pub fn apply_line(plan: &Plan, command: &str) -> String {
    let allows = plan.needed_consents().iter().map(|allow| format!(" --allow {allow}")).collect::<String>();
    format!("{command}{allows}")
}

/// A refusal: what is wrong and why, and what to do; a command stands on a line of its own.
pub fn refusal(refusal: &Refusal, plan_line: &str) -> (String, String) {
    let list =
        |allows: &[Allow]| allows.iter().map(|allow| format!("{allow}")).collect::<Vec<_>>().join(", ");
    match refusal {
        Refusal::WrongAccount { declared, actual } => {
            let actual = actual.as_ref().map_or_else(|| "no account at all".to_owned(), |id| format!("account {id}"));
            (
                format!("these settings belong to account {declared}, and the credentials to {actual}: nothing was touched"),
                "use the credentials of that account, or correct backups.account".to_owned(),
            )
        }
        Refusal::NameNotWritten => (
            "no file states this environment's name, and a directory's name is not enough to mark things as its own"
                .to_owned(),
            "write `deploy_env: NAME` into public.yml".to_owned(),
        ),
        Refusal::NotInPlan(allows) => (
            format!("the plan has nothing that --allow {} would be for: nothing was touched", list(allows)),
            format!("read the plan again; what it needs is\n{plan_line}"),
        ),
        Refusal::LocksOut(role) => (
            format!(
                "{role} is who applies this, and the plan changes who may assume it: you might be shut out. Nothing was touched"
            ),
            "apply as somebody else, or give the writer a role of its own in backups.identities".to_owned(),
        ),
        Refusal::NoConsent(allows) => (
            format!("the plan needs consent for {}: nothing was touched", list(allows)),
            format!("if that is what you want:\n{plan_line}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_are_written_short() {
        assert_eq!(short_schedule("0 16 * * 1,2,3,4,5,6"), "0 16 * * 1-6");
        assert_eq!(short_schedule("0 3,7,11 * * 0"), "0 3,7,11 * * 0");
        assert_eq!(short_schedule("15 */3 1,2 * *"), "15 */3 1,2 * *");
    }

    #[test]
    fn the_next_run_is_told_in_the_hosts_own_zone() {
        let now = "2026-11-21T18:00:00Z".parse().expect("an instant");
        assert_eq!(next_run("0 16 * * 1-6", Tz::UTC, now), "next Mon 2026-11-23 16:00 UTC");
        assert_eq!(next_run("0 0 31 2 *", Tz::UTC, now), "never fires");
    }

    #[test]
    fn of_two_maps_only_what_differs_is_told() {
        let map = |members: &[(&str, Value)]| {
            Value::Map(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
        };
        let old = map(&[("days", Value::Number(7)), ("weeks", Value::Number(4))]);
        let new =
            map(&[("days", Value::Number(1)), ("hours", Value::Number(2)), ("weeks", Value::Number(4))]);
        let lines = field_lines(Kind::HostFile, "keep", &old, &new);
        let told: Vec<_> = lines.iter().map(|line| (line.from.as_deref(), line.to.as_str())).collect();
        assert_eq!(told, [(Some("days 7, hours none"), "days 1, hours 2")]);
    }
}
