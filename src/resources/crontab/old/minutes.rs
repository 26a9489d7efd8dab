//! When nothing fires: the time in which entries are exchanged. Pure.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::vocab::Schedule;

/// How far ahead it matters when something fires.
const AHEAD: TimeDelta = TimeDelta::minutes(30);
/// The longest that anybody waits for a quiet minute.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);
const MINUTE: TimeDelta = TimeDelta::minutes(1);

/// The minutes around now, and for some time from now, in which one of the schedules fires.
pub fn firing<'a>(
    schedules: impl IntoIterator<Item = &'a Schedule>,
    zone: Tz,
    now: DateTime<Utc>,
) -> BTreeSet<DateTime<Utc>> {
    let until = now + AHEAD;
    let most = usize::try_from(AHEAD.num_minutes()).unwrap_or_default() + 2;
    let near = |schedule: &Schedule| {
        let next = schedule.next(now - MINUTE - MINUTE, zone, most);
        next.into_iter().filter(|at| *at <= until).collect::<Vec<_>>()
    };
    schedules.into_iter().flat_map(near).collect()
}

/// How long to wait until no minute is near in which something fires: not in one, nor in the one before. `None` where
/// that is longer than anybody should wait.
pub fn quiet_in(now: DateTime<Utc>, firing: &BTreeSet<DateTime<Utc>>) -> Option<TimeDelta> {
    let mut quiet = now;
    for minute in firing {
        if *minute - MINUTE <= quiet && quiet < *minute + MINUTE {
            quiet = *minute + MINUTE;
        }
    }
    Some(quiet - now).filter(|wait| *wait <= PATIENCE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    fn wait(schedules: &[&str], now: &str) -> Option<i64> {
        let schedules: Vec<Schedule> =
            schedules.iter().map(|schedule| schedule.parse().expect("a schedule")).collect();
        let now = at(now);
        quiet_in(now, &firing(&schedules, Tz::UTC, now)).map(|wait| wait.num_seconds())
    }

    #[test]
    fn the_minute_and_the_one_before_are_not_quiet() {
        let daily = &["0 16 * * *"];
        assert_eq!(wait(daily, "2026-11-21T15:58:59Z"), Some(0));
        assert_eq!(wait(daily, "2026-11-21T15:59:00Z"), Some(120));
        assert_eq!(wait(daily, "2026-11-21T16:00:59Z"), Some(1));
        assert_eq!(wait(daily, "2026-11-21T16:01:00Z"), Some(0));
        // One after the other.
        assert_eq!(wait(&["0 16 * * *", "2 16 * * *"], "2026-11-21T15:59:30Z"), Some(210));
        assert_eq!(wait(&["0 16 * * *", "3 16 * * *"], "2026-11-21T15:59:30Z"), Some(90));
        assert_eq!(wait(&["* * * * *"], "2026-11-21T15:59:30Z"), None);
        assert_eq!(wait(&["0 0 31 2 *"], "2026-11-21T15:59:30Z"), Some(0));
    }

    proptest! {
        /// Whoever waits as told is away from everything that fires.
        #[test]
        fn quiet_is_quiet(
            minutes in prop::collection::vec(0u32..60, 1..9),
            second in 0i64..86_400,
        ) {
            let texts = minutes.iter().map(|minute| format!("{minute} */2 * * *"));
            let schedules: Vec<Schedule> = texts.map(|text| text.parse().expect("a schedule")).collect();
            let now = at("2026-11-21T00:00:00Z") + TimeDelta::seconds(second);
            let firing = firing(&schedules, Tz::UTC, now);
            let Some(wait) = quiet_in(now, &firing) else { return Ok(()) };
            let quiet = now + wait;
            for schedule in &schedules {
                prop_assert!(!schedule.fires_at(quiet, Tz::UTC), "{schedule} at {quiet}");
                prop_assert!(!schedule.fires_at(quiet + MINUTE, Tz::UTC), "{schedule} at {quiet}");
            }
        }
    }
}
