//! Five-field cron expressions, read the way cron(5) reads them, and the instants at which they fire.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Serialize};

/// A schedule as it stands in a crontab: five fields, or `@daily` and the like. Fires in the time zone of the
/// host that runs it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule(String);

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(String);

impl Schedule {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The next instants after `from`, at most `count`, in the zone of the host. Empty for a schedule that
    /// never fires, such as the 31st of February.
    pub fn next(&self, from: DateTime<Utc>, zone: Tz, count: usize) -> Vec<DateTime<Utc>> {
        let Ok(cron) = parse(&self.0) else { return Vec::new() };
        cron.iter_after(from.with_timezone(&zone)).take(count).map(|at| at.with_timezone(&Utc)).collect()
    }

    /// The instants after `from` and up to `until`, at most `count`, in the zone of the host. Looks no farther than that.
    pub fn between(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        zone: Tz,
        count: usize,
    ) -> Vec<DateTime<Utc>> {
        let Ok(cron) = parse(&self.0) else { return Vec::new() };
        let all = cron.iter_after(from.with_timezone(&zone)).map(|at| at.with_timezone(&Utc));
        all.take_while(|at| *at <= until).take(count).collect()
    }

    /// The last instant up to `at`, and not before `since`, at which it fires.
    pub fn last(&self, at: DateTime<Utc>, zone: Tz, since: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let cron = parse(&self.0).ok()?;
        let second = TimeDelta::seconds(1);
        // Most schedules fired a short while ago: look there first, and ever farther back.
        let mut back = TimeDelta::hours(2);
        if at < since {
            return None;
        }
        loop {
            let from = (at - back).max(since);
            let runs =
                cron.iter_after((from - second).with_timezone(&zone)).map(|run| run.with_timezone(&Utc));
            let last = runs.take_while(|run| *run <= at).filter(|run| *run >= from).last();
            if last.is_some() || from <= since || back > LONGEST {
                return last;
            }
            back = back * 4;
        }
    }

    /// Whether the schedule fires in the minute that holds `at`.
    pub fn fires_at(&self, at: DateTime<Utc>, zone: Tz) -> bool {
        let Ok(cron) = parse(&self.0) else { return false };
        let minute = at.with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap_or(at);
        cron.is_time_matching(&minute.with_timezone(&zone)).unwrap_or(false)
    }
}

/// Any schedule that fires at all does so within: the 29th of February may be eight years away.
const LONGEST: TimeDelta = TimeDelta::days(10 * 366);

/// The text is known to be one that cron reads. What croner reads otherwise is said in its words.
fn parse(text: &str) -> Result<Cron, croner::errors::CronError> {
    let (text, days_are_both) = match text {
        "@midnight" => ("@daily".to_owned(), false),
        word if word.starts_with('@') => (word.to_owned(), false),
        fields => {
            // `*,5` is every value; croner knows `*` only alone.
            let plain = |field: &str| match field.split(',').any(|item| item == "*") {
                true => "*".to_owned(),
                false => field.to_owned(),
            };
            let fields: Vec<String> = fields.split(' ').map(plain).collect();
            // crontab(5): either of the day fields is enough, unless one of them begins with `*`.
            let stars = [2, 4].into_iter().filter_map(|day| fields.get(day)).any(|day| day.starts_with('*'));
            (fields.join(" "), stars)
        }
    };
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .dom_and_dow(days_are_both)
        .build()
        .parse(&text)
}

/// One of the five fields, as crontab(5) has them.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    /// Names that stand for numbers, the first for `least`.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", least: 0, most: 59, names: &[] },
    Field { name: "hour", least: 0, most: 23, names: &[] },
    Field { name: "day of the month", least: 1, most: 31, names: &[] },
    Field {
        name: "month",
        least: 1,
        most: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field {
        name: "day of the week",
        least: 0,
        most: 7,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

impl Field {
    /// Refuses what cron would refuse or read as something else than it says; the extensions of other programs, such
    /// as `L`, `#` and `?`, are among it.
    fn check(&self, text: &str) -> Result<(), String> {
        text.split(',').try_for_each(|item| self.item(item))
    }

    fn item(&self, item: &str) -> Result<(), String> {
        let name = self.name;
        if item.is_empty() {
            return Err(format!("the list of the {name} has an empty place"));
        }
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        match range.split_once('-') {
            _ if range == "*" => {}
            Some((from, to)) => {
                let (from, to) = (self.value(from)?, self.value(to)?);
                if from > to {
                    return Err(format!("the {name} goes from {from} back to {to}; write two ranges"));
                }
            }
            None => {
                let value = self.value(range)?;
                if let Some(step) = step {
                    let meant = format!("{value}-{}/{step}", self.most);
                    return Err(format!("cron reads {item} as {value} alone; write {meant}"));
                }
            }
        }
        match step.map(|step| (step, digits(step))) {
            None | Some((_, Some(1..))) => Ok(()),
            Some((step, _)) => Err(format!("`{step}` is no step of the {name}: a number from 1 is")),
        }
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        if let Some(value) = named.and_then(|at| u32::try_from(at).ok()) {
            return Ok(value + self.least);
        }
        match digits(text) {
            Some(value) if (self.least..=self.most).contains(&value) => Ok(value),
            _ => Err(format!("`{text}` is no {}: {} to {} are", self.name, self.least, self.most)),
        }
    }
}

fn digits(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        if text.chars().any(|c| c != '\t' && c.is_control()) {
            return Err(ScheduleError("a schedule is one line without control characters".to_owned()));
        }
        let trimmed = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(word) = trimmed.strip_prefix('@') {
            const WORDS: [&str; 7] =
                ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"];
            if !WORDS.contains(&word) {
                return Err(ScheduleError(format!(
                    "`@{word}` is not a schedule: one of @yearly, @monthly, @weekly, @daily, @hourly is"
                )));
            }
        } else {
            let fields: Vec<&str> = trimmed.split(' ').filter(|field| !field.is_empty()).collect();
            if fields.len() != FIELDS.len() {
                return Err(ScheduleError(format!(
                    "a schedule has five fields (minute hour day month weekday), this has {}",
                    fields.len()
                )));
            }
            for (field, text) in FIELDS.iter().zip(fields) {
                field
                    .check(text)
                    .map_err(|why| ScheduleError(format!("`{trimmed}` is not a schedule: {why}")))?;
            }
        }
        parse(&trimmed).map_err(|error| ScheduleError(format!("`{trimmed}` is not a schedule: {error}")))?;
        Ok(Schedule(trimmed))
    }
}

impl TryFrom<String> for Schedule {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, ScheduleError> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> String {
        schedule.0
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_daily_backup_of_commcare_skips_sunday() {
        let schedule: Schedule = "0 16 * * 1,2,3,4,5,6".parse().expect("valid");
        let saturday = "2026-11-21T12:00:00Z".parse().expect("instant");
        let next: Vec<String> =
            schedule.next(saturday, Tz::UTC, 2).iter().map(DateTime::to_rfc3339).collect();
        assert_eq!(next, ["2026-11-21T16:00:00+00:00", "2026-11-23T16:00:00+00:00"]);
        assert!(schedule.fires_at("2026-11-21T16:00:30Z".parse().expect("instant"), Tz::UTC));
        assert!(!schedule.fires_at("2026-11-22T16:00:00Z".parse().expect("instant"), Tz::UTC));
    }

    fn next(text: &str, count: usize) -> Vec<String> {
        let saturday = "2026-11-21T12:00:00Z".parse().expect("instant");
        let schedule: Schedule = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let runs = schedule.next(saturday, Tz::UTC, count);
        runs.iter().map(|at| at.format("%a %d %H:%M").to_string()).collect()
    }

    #[test]
    fn fields_mean_what_crontab_5_says() {
        assert_eq!(next("@midnight", 1), ["Sun 22 00:00"]);
        assert_eq!(next("0 0 * * FRI-sat", 2), ["Fri 27 00:00", "Sat 28 00:00"]);
        assert_eq!(next("0 0 * * 5-7", 3), ["Sun 22 00:00", "Fri 27 00:00", "Sat 28 00:00"]);
        assert_eq!(next("*,5 0 * * *", 2), ["Sun 22 00:00", "Sun 22 00:01"]);
        assert_eq!(next("*/40,5 12 * * *", 2), ["Sat 21 12:05", "Sat 21 12:40"]);
    }

    /// crontab(5): "if both fields are restricted (i.e., do not contain the * character), the command will be run when
    /// either field matches"; cron itself looks at the first character.
    #[test]
    fn either_day_is_enough_unless_one_begins_with_a_star() {
        assert_eq!(next("0 0 1-7 * 1", 2), ["Mon 23 00:00", "Mon 30 00:00"]);
        assert_eq!(next("0 0 23 * 2", 2), ["Mon 23 00:00", "Tue 24 00:00"]);
        assert_eq!(next("0 0 */2 * 1", 2), ["Mon 23 00:00", "Mon 07 00:00"]);
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        let why = |text: &str| match text.parse::<Schedule>() {
            Ok(schedule) => panic!("{schedule} was read"),
            Err(error) => error.to_string(),
        };
        assert!(why("* * * *").contains("this has 4"));
        assert!(why("1,,2 * * * *").contains("the list of the minute has an empty place"));
        assert!(why("60 * * * *").contains("`60` is no minute: 0 to 59 are"));
        assert!(why("5/15 * * * *").contains("cron reads 5/15 as 5 alone; write 5-59/15"));
        assert!(why("0 0 * * fri-mon").contains("goes from 5 back to 1"));
        assert!(why("*/0 * * * *").contains("`0` is no step"));
        for text in [
            "",
            "@reboot",
            "@Daily",
            "* * * * * *",
            "a b c d e",
            "* * L * *",
            "* * 15W * *",
            "* * * * 1#2",
            "* * ? * *",
            "* * * * +1",
            "-1 * * * *",
            "1- * * * *",
            "** * * * *",
            "*-5 * * * *",
            "*/5/2 * * * *",
            "1, * * * *",
            "0 0 * * sunday",
            "* * * 0 *",
            "* * 0 * *",
            "0 24 * * *",
            "* * * * 8",
            "\u{661} * * * *",
            "0 0 * * *\n* * * * *",
        ] {
            why(text);
        }
    }

    proptest! {
        /// Whatever is read as a schedule can be asked for its times.
        #[test]
        fn no_text_breaks_it(text in "[-0-9*,/ @a-zA-Z#?]{0,24}", fields in "([-0-9*,/]{1,5} ){4}[-0-9*,/a-z]{1,5}") {
            let from = "2026-11-21T12:00:00Z".parse().expect("instant");
            for text in [text, fields] {
                if let Ok(schedule) = text.parse::<Schedule>() {
                    schedule.next(from, Tz::Europe__London, 2);
                }
            }
        }
    }

    proptest! {
        /// What fired last is what comes next after the instant before it, and nothing fires in between.
        #[test]
        fn the_last_run_is_the_one_before_the_next(
            text in prop::sample::select(vec!["*/7 * * * *", "30 1 * * *", "0 0 * * 0", "15 */3 * * 1-6", "0 0 29 2 *"]),
            zone in prop::sample::select(vec![Tz::UTC, Tz::Europe__London, Tz::America__Sao_Paulo]),
            minutes in 0i64..20 * 525_600,
        ) {
            let schedule: Schedule = text.parse().expect("valid");
            let since: DateTime<Utc> = "2010-01-01T00:00:00Z".parse().expect("instant");
            let at = since + TimeDelta::minutes(minutes);
            match schedule.last(at, zone, since) {
                Some(last) => {
                    prop_assert!(since <= last && last <= at);
                    prop_assert_eq!(schedule.next(last - TimeDelta::seconds(1), zone, 1), [last]);
                    prop_assert!(schedule.next(last, zone, 1)[0] > at);
                }
                None => prop_assert!(schedule.next(since - TimeDelta::seconds(1), zone, 1)[0] > at),
            }
        }
    }

    #[test]
    fn the_31st_of_february_never_fires() {
        let schedule: Schedule = "0 0 31 2 *".parse().expect("five good fields");
        let from = "2026-01-01T00:00:00Z".parse().expect("instant");
        assert!(schedule.next(from, Tz::UTC, 1).is_empty());
        assert_eq!(schedule.last(from, Tz::UTC, DateTime::UNIX_EPOCH), None);
    }
}
