//! Checks about times: how long backups stay beside how often they are made, clocks that change, what has to come
//! first.
//!
//! No clock is read: the calendar and the rules of the zones are looked at from a fixed instant on.

use chrono::{DateTime, Datelike, Duration, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

use super::stores::{Run, Spot, below};
use super::{Context, table};
use crate::settings::declared::Window;
use crate::vocab::{Problem, Schedule, Tier};

/// 2026-01-01, from which schedules are followed.
const FROM: i64 = 1_767_225_600;
/// How many runs are looked at: a week of hours, a year of days.
const RUNS: usize = 370;

/// A tier that is gone before its next backup is made holds no more than one.
pub(super) fn kept_shorter_than_the_interval(context: &Context<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for store in context.stores() {
        for run in &store.runs {
            problems.extend(short(context, &store.whose, run));
        }
    }
    for (name, bucket) in &context.settings.backups.buckets {
        if let Some(keep) = bucket.keep_versions.get(&Tier::Weekly)
            && keep.days < 7
            && keep.newest == 0
        {
            let spot = below(&["buckets", name.as_str(), "keep_versions", "weekly"]);
            let message = format!(
                "weekly versions go after {}, before the next one is made: only the newest is ever there",
                days(i64::from(keep.days))
            );
            let problem = context.at_spot(table::SHORT_RETENTION, &spot, message);
            problems.push(problem.helped("set days: 7 or more, or newest: 1 or more"));
        }
    }
    problems
}

fn short(context: &Context<'_>, whose: &str, run: &Run) -> Option<Problem> {
    let (kept, spot) = run.kept.as_ref()?;
    let kept = TimeDelta::try_hours(*kept)?;
    let every = interval(&run.schedule)?;
    if kept >= every {
        return None;
    }
    let tier = run.tier.map_or_else(String::new, |tier| format!("{} ", tier.name()));
    let message = format!(
        "{whose} {tier}backups are made every {} and kept for {}, so only the newest is ever there",
        span(every),
        span(kept)
    );
    let problem = context.at_spot(table::SHORT_RETENTION, spot, message);
    Some(problem.helped(format!("keep them for {} or longer", span(every))))
}

/// The shortest time between two runs. Sundays, which hourly backups leave out, count for nothing.
fn interval(schedule: &Schedule) -> Option<TimeDelta> {
    let from = DateTime::from_timestamp(FROM, 0)?;
    let runs = schedule.next(from, Tz::UTC, RUNS);
    runs.windows(2).filter_map(|pair| Some(*pair.get(1)? - *pair.first()?)).min()
}

fn days(count: i64) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
}

fn span(span: TimeDelta) -> String {
    let hours = span.num_hours();
    match hours {
        0 => format!("{} minutes", span.num_minutes()),
        1 => "hour".to_owned(),
        hours if hours % 24 == 0 => days(hours / 24),
        hours => format!("{hours} hours"),
    }
}

/// Debian's cron runs a job at a fixed time once on the day of a change, come what may. A job whose minute or hour
/// begins with `*` follows the clock on the wall instead (cron(8), "Daylight Saving Time"; `MIN_STAR` and `HR_STAR` in
/// its entry.c), so that it misses the hour that is left out, and runs twice in the one that comes again.
pub(super) fn clocks_that_change(context: &Context<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for store in context.stores() {
        let Some(zone) = context.zone(store) else { continue };
        let changes = changes(zone);
        for run in &store.runs {
            let told = changed_clocks(&run.schedule, &changes);
            if told.is_empty() {
                continue;
            }
            let message = format!("`{}` in {zone}: {}", run.schedule, told.join("; "));
            let problem = context.at_spot(table::CLOCK_CHANGE, &run.spot, message);
            problems
                .push(problem.helped("name other hours, or a fixed hour and minute: cron runs those once"));
        }
    }
    problems
}

/// What a change of clocks does to a schedule: the first of each kind.
fn changed_clocks(schedule: &Schedule, changes: &[(NaiveDateTime, i64)]) -> Vec<String> {
    let text = if schedule.as_str() == "@hourly" { "0 * * * *" } else { schedule.as_str() };
    let mut fields = text.split(' ');
    let (minute, hour) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let follows_the_wall = minute.starts_with('*') || hour.starts_with('*');
    // In every hour of the wall: then also once in every hour that passes.
    if !follows_the_wall || ["*", "*/1"].contains(&hour) {
        return Vec::new();
    }
    let (mut missed, mut twice) = (None, None);
    for (wall, change) in changes.iter().copied() {
        let (start, end) = if change > 0 {
            (wall, wall + Duration::seconds(change))
        } else {
            (wall + Duration::seconds(change), wall)
        };
        let Some(at) = fires_between(schedule, start, end) else { continue };
        let day = format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day());
        let time = format!("{:02}:{:02}", at.hour(), at.minute());
        let told = if change > 0 { &mut missed } else { &mut twice };
        let words = if change > 0 {
            format!("on {day} there is no {time}, and the run is left out")
        } else {
            format!("on {day} {time} comes twice, and so does the run")
        };
        told.get_or_insert(words);
    }
    missed.into_iter().chain(twice).collect()
}

/// The first time on the wall, from `start` to before `end`, at which a schedule fires.
fn fires_between(schedule: &Schedule, start: NaiveDateTime, end: NaiveDateTime) -> Option<NaiveDateTime> {
    let just_before = start.and_utc() - Duration::seconds(1);
    let next = schedule.next(just_before, Tz::UTC, 1).first()?.naive_utc();
    (next < end).then_some(next)
}

/// The changes of a zone's clocks in two years: the time on the wall just before, and the seconds that it jumps. Cron
/// takes three hours and more for a correction, not for a change.
fn changes(zone: Tz) -> Vec<(NaiveDateTime, i64)> {
    let offset =
        |at: DateTime<Utc>| i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc());
    let Some(from) = DateTime::from_timestamp(FROM, 0) else { return Vec::new() };
    let mut changes = Vec::new();
    let mut before = offset(from);
    for half in 1..=(2 * 366 * 24 * 2) {
        let at = from + Duration::minutes(30 * half);
        let now = offset(at);
        if now != before {
            let jump = now - before;
            if jump.abs() < 3 * 3600 {
                changes.push((at.naive_utc() + Duration::seconds(before), jump));
            }
            before = now;
        }
    }
    changes
}

/// An off-system backup restores the newest snapshot: made before the night's snapshot, it is a day old at once.
pub(super) fn runs_before_its_snapshot(context: &Context<'_>) -> Vec<Problem> {
    let databases = &context.settings.backups.declared.databases;
    let stores = context.stores();
    let problem = |database: &crate::settings::declared::Database| {
        let (window, own) = (database.window?, database.off_system.as_ref()?);
        let name = format!("rds-{}", database.identifier);
        let store = stores.iter().find(|store| store.name == name)?;
        let zone = context.zone(store).unwrap_or(Tz::UTC);
        let from = DateTime::from_timestamp(FROM, 0)?;
        let runs = own.schedule.next(from, zone, RUNS);
        let (at, why) = runs.iter().find_map(|at| Some((*at, too_early(*at, window)?)))?;
        let run = match zone {
            Tz::UTC => format!("{} UTC", at.format("%H:%M")),
            zone => {
                format!("{} UTC ({} in {zone})", at.format("%H:%M"), at.with_timezone(&zone).format("%H:%M"))
            }
        };
        let spot: Spot = below(&["databases", &database.at.to_string(), "off_system", "schedule"]);
        let message = format!("this runs at {run}, {why}");
        let help = format!("run it after {} UTC, the end of the window", time(window.end));
        Some(context.at_spot(table::SCHEDULE_ORDER, &spot, message).helped(help))
    };
    databases.iter().filter_map(problem).collect()
}

fn time(minutes: u32) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Within the window the snapshot is not there yet; in the half day before it the newest one is nearly a day old.
fn too_early(at: DateTime<Utc>, window: Window) -> Option<String> {
    const DAY: u32 = 24 * 60;
    let minute = at.hour() * 60 + at.minute();
    let since_start = (minute + DAY - window.start) % DAY;
    let length = (window.end + DAY - window.start) % DAY;
    let until_start = DAY - since_start;
    if since_start < length {
        Some(format!(
            "while the window of {}-{} UTC is open and the snapshot unfinished",
            time(window.start),
            time(window.end)
        ))
    } else if until_start < DAY / 2 {
        let age = (since_start - length) / 60;
        Some(format!(
            "before the snapshot of {} UTC: the newest there is will be {age} hours old",
            time(window.start)
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schedule: &str, zone: Tz) -> Vec<String> {
        changed_clocks(&schedule.parse().expect("a schedule"), &changes(zone))
    }

    #[test]
    fn fixed_times_are_run_once_by_cron_itself() {
        assert!(told("30 1 * * *", Tz::Europe__London).is_empty());
        assert!(told("30 2 * * 0", Tz::Europe__Berlin).is_empty());
        assert!(told("@daily", Tz::Europe__London).is_empty());
    }

    #[test]
    fn steps_of_hours_follow_the_clock_on_the_wall() {
        assert_eq!(
            told("15 */2 * * *", Tz::Europe__Berlin),
            [
                "on 2026-03-29 there is no 02:15, and the run is left out",
                "on 2026-10-25 02:15 comes twice, and so does the run"
            ]
        );
        assert!(told("15 */3 * * *", Tz::Europe__Berlin).is_empty(), "neither 02 nor 01 is a third hour");
        assert!(told("0 * * * *", Tz::Europe__Berlin).is_empty(), "every hour that passes");
        assert!(told("@hourly", Tz::Europe__Berlin).is_empty());
        assert!(told("15 */2 * * *", Tz::UTC).is_empty());
        assert!(told("15 */2 * * *", Tz::Asia__Kolkata).is_empty());
        assert_eq!(told("*/10 1 * * *", Tz::America__New_York).len(), 1, "01 comes twice, 02 is left out");
    }

    #[test]
    fn a_snapshot_must_be_finished_and_not_a_day_old() {
        let window = Window { start: 16 * 60, end: 16 * 60 + 30 };
        let at = |text: &str| too_early(text.parse().expect("an instant"), window);
        assert!(at("2026-11-21T16:30:00Z").is_none());
        assert!(at("2026-11-22T03:00:00Z").is_none());
        assert!(at("2026-11-21T16:00:00Z").expect("too early").contains("unfinished"));
        assert!(at("2026-11-21T15:00:00Z").expect("too early").contains("22 hours old"));
        let midnight = Window { start: 23 * 60 + 45, end: 15 };
        assert!(too_early("2026-11-21T00:10:00Z".parse().expect("an instant"), midnight).is_some());
        assert!(too_early("2026-11-21T00:15:00Z".parse().expect("an instant"), midnight).is_none());
    }
}
