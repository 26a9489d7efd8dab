//! Five-field cron expressions, read the way cron(5) reads them, and the instants at which they fire.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Timelike, Utc};
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

    /// Whether the schedule fires in the minute that holds `at`.
    pub fn fires_at(&self, at: DateTime<Utc>, zone: Tz) -> bool {
        let Ok(cron) = parse(&self.0) else { return false };
        let minute = at.with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap_or(at);
        cron.is_time_matching(&minute.with_timezone(&zone)).unwrap_or(false)
    }
}

fn parse(text: &str) -> Result<Cron, croner::errors::CronError> {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(text)
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
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
            let fields = trimmed.split(' ').filter(|field| !field.is_empty()).count();
            if fields != 5 {
                return Err(ScheduleError(format!(
                    "a schedule has five fields (minute hour day month weekday), this has {fields}"
                )));
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

    #[test]
    fn what_is_no_schedule_is_told() {
        for text in ["", "* * * *", "60 * * * *", "@reboot", "* * * * * *", "a b c d e"] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_31st_of_february_never_fires() {
        let schedule: Schedule = "0 0 31 2 *".parse().expect("five good fields");
        let from = "2026-01-01T00:00:00Z".parse().expect("instant");
        assert!(schedule.next(from, Tz::UTC, 1).is_empty());
    }
}
