//! What an operator may say of a tree's backups, after parsing and checking; no field means "maybe wrong".

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::datastores::backed::Backed;
use crate::datastores::job_file::KeepLocal;
use crate::datastores::tree::settings::TreeSource;
use crate::vocab::{Schedule, Tier};

/// How many whole days backups stay on the host where nothing is said, as for the other datastores.
pub const KEEP_DAYS: u32 = 2;

/// One tree's backups as the settings want them.
#[derive(Clone, Debug)]
pub struct Files {
    /// Its place in the list.
    pub at: usize,
    pub source: TreeSource,
    pub backed: Backed,
}

/// The tier of a schedule: what runs several times on a day is told apart by the hour.
pub fn tier(schedule: &Schedule) -> Tier {
    // Any instant will do: the calendar repeats.
    let Some(from) = DateTime::<Utc>::from_timestamp(1_700_000_000, 0) else { return Tier::Daily };
    let days: Vec<_> = schedule.next(from, Tz::UTC, 60).iter().map(DateTime::date_naive).collect();
    let repeats = days.iter().zip(days.iter().skip(1)).any(|(one, next)| one == next);
    if repeats { Tier::Hourly } else { Tier::Daily }
}

/// So many days, whichever tier the schedule makes.
pub fn keep(days: u32) -> KeepLocal {
    KeepLocal { days, weeks: 1, hours: days.saturating_add(1).saturating_mul(24) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retention::local::Policy;

    #[test]
    fn several_runs_on_a_day_are_told_apart_by_their_hour() {
        let of = |text: &str| tier(&text.parse().expect("a schedule"));
        for text in ["0 18 * * *", "@daily", "30 2 * * 0", "0 0 1 1 *"] {
            assert_eq!(of(text), Tier::Daily, "{text}");
        }
        for text in ["0 6,18 * * *", "@hourly", "*/30 2 * * *", "0 0,12 1 * *"] {
            assert_eq!(of(text), Tier::Hourly, "{text}");
        }
    }

    #[test]
    fn days_are_the_same_time_in_either_tier() {
        let policy = Policy::from(keep(3));
        let taken = DateTime::<Utc>::UNIX_EPOCH;
        let due = |tier| policy.due(tier, taken).expect("a time").timestamp();
        assert_eq!(due(Tier::Daily), due(Tier::Hourly));
    }
}
