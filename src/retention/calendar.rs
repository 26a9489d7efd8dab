//! Which backups a calendar policy keeps, and why: `last=2,daily=7,weekly=4`.
//!
//! Each rule walks from the newest backup to the oldest and keeps the newest of each of its periods until it has kept
//! as many as it may; a backup stays where any rule keeps it. Periods are those of each time's own offset from UTC;
//! weeks are ISO 8601's. These are the rules of `restic forget --keep-*` up to restic 0.16
//! (<https://restic.readthedocs.io/en/v0.16.5/060_forget.html>), without the exception of later ones for the oldest.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, FixedOffset, Timelike};

/// One kind of period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// Every backup is a period of its own.
    Last,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

impl Period {
    pub const ALL: [Period; 6] =
        [Period::Last, Period::Hourly, Period::Daily, Period::Weekly, Period::Monthly, Period::Yearly];

    pub fn name(self) -> &'static str {
        match self {
            Period::Last => "last",
            Period::Hourly => "hourly",
            Period::Daily => "daily",
            Period::Weekly => "weekly",
            Period::Monthly => "monthly",
            Period::Yearly => "yearly",
        }
    }

    /// What two times of one period have in common; `nth` tells apart those that have nothing in common.
    fn of(self, time: &DateTime<FixedOffset>, nth: usize) -> (i64, u32, u32) {
        let (year, day) = (i64::from(time.year()), time.ordinal());
        match self {
            Period::Last => (i64::try_from(nth).unwrap_or(i64::MAX), 0, 0),
            Period::Hourly => (year, day, time.hour()),
            Period::Daily => (year, day, 0),
            Period::Weekly => (i64::from(time.iso_week().year()), time.iso_week().week(), 0),
            Period::Monthly => (year, time.month(), 0),
            Period::Yearly => (year, 0, 0),
        }
    }
}

/// How many of each period stay; at least one rule, and none that keeps nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar(BTreeMap<Period, u32>);

/// Why a text is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CalendarError(String);

/// One reason for keeping a backup: the first of seven days is `daily 1/7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub period: Period,
    /// From one.
    pub nth: u32,
    pub of: u32,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.period.name(), self.nth, self.of)
    }
}

impl Calendar {
    /// Why each backup stays, in the order given; one without a reason goes.
    pub fn decide(&self, taken: &[DateTime<FixedOffset>]) -> Vec<Vec<Kept>> {
        let mut newest_first: Vec<(usize, &DateTime<FixedOffset>)> = taken.iter().enumerate().collect();
        // Of two at one instant the one that was named last counts as the newer.
        newest_first.sort_by(|a, b| (b.1, b.0).cmp(&(a.1, a.0)));
        let mut reasons = vec![Vec::new(); taken.len()];
        for (period, of) in &self.0 {
            let (mut nth, mut last) = (0, None);
            for (rank, (index, time)) in newest_first.iter().enumerate() {
                let this = period.of(time, rank);
                if nth < *of && last != Some(this) {
                    nth += 1;
                    last = Some(this);
                    reasons.get_mut(*index).into_iter().for_each(|reasons| {
                        reasons.push(Kept { period: *period, nth, of: *of });
                    });
                }
            }
        }
        reasons
    }
}

impl FromStr for Calendar {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let wrong =
            |why: String| CalendarError(format!("{why}; a policy is written last=2,daily=7,weekly=4"));
        let names = || Period::ALL.map(Period::name).join(", ");
        let mut rules = BTreeMap::new();
        for rule in text.split(',').map(str::trim) {
            let (name, count) =
                rule.split_once('=').ok_or_else(|| wrong(format!("`{rule}` is not RULE=COUNT")))?;
            let (name, count) = (name.trim(), count.trim());
            let period = Period::ALL
                .into_iter()
                .find(|period| period.name() == name)
                .ok_or_else(|| wrong(format!("there is no rule `{name}`: there are {}", names())))?;
            let count: u32 =
                count.parse().map_err(|_| wrong(format!("`{count}` in `{rule}` is no count of backups")))?;
            if rules.insert(period, count).is_some() {
                return Err(wrong(format!("`{name}` stands twice")));
            }
        }
        rules.retain(|_, count| *count > 0);
        if rules.is_empty() {
            return Err(wrong("this policy keeps nothing".to_owned()));
        }
        Ok(Calendar(rules))
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<String> =
            self.0.iter().map(|(period, count)| format!("{}={count}", period.name())).collect();
        f.write_str(&rules.join(","))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn policy(text: &str) -> Calendar {
        text.parse().expect("a policy")
    }

    fn times(texts: &[&str]) -> Vec<DateTime<FixedOffset>> {
        texts.iter().map(|text| text.parse().expect("a time")).collect()
    }

    fn words(reasons: &[Kept]) -> String {
        reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_reason_is_told() {
        let taken = times(&["2026-11-20T01:00:00Z", "2026-11-21T01:00:00Z", "2026-11-21T13:00:00Z"]);
        let decided = policy("last=1,daily=2,yearly=1").decide(&taken);
        assert_eq!(
            decided.iter().map(|one| words(one)).collect::<Vec<_>>(),
            ["daily 2/2", "", "last 1/1 daily 1/2 yearly 1/1"]
        );
    }

    #[test]
    fn weeks_begin_on_monday_and_belong_to_the_year_of_their_thursday() {
        // 1 January 2027 is a Friday of week 53 of 2026.
        let taken = times(&["2026-12-27T23:00:00Z", "2026-12-28T00:00:00Z", "2027-01-03T23:00:00Z"]);
        let kept: Vec<bool> = policy("weekly=9").decide(&taken).iter().map(|one| !one.is_empty()).collect();
        assert_eq!(kept, [true, false, true]);
    }

    #[test]
    fn what_is_no_policy_is_told() {
        let why = |text: &str| text.parse::<Calendar>().expect_err("refused").to_string();
        assert!(why("").starts_with("`` is not RULE=COUNT"));
        assert!(why("daily").contains("`daily` is not RULE=COUNT"));
        assert!(why("fortnightly=2").contains("no rule `fortnightly`"));
        assert!(why("daily=-1").contains("`-1`"));
        assert!(why("daily=1,daily=2").contains("twice"));
        assert!(why("daily=0").contains("keeps nothing"));
        assert_eq!(policy(" weekly=4, last=2 ,hourly=0").to_string(), "last=2,weekly=4");
    }

    /// The same rules said in another way: a backup stays if it is the newest of its period and fewer than `count`
    /// newer periods hold a backup.
    fn naive(count: u32, name: impl Fn(usize) -> String, taken: &[DateTime<FixedOffset>]) -> BTreeSet<usize> {
        let newer = |a: usize, b: usize| (taken[a], a) > (taken[b], b);
        let all = 0..taken.len();
        let newest: Vec<usize> =
            all.clone().filter(|i| !all.clone().any(|j| name(j) == name(*i) && newer(j, *i))).collect();
        newest
            .iter()
            .copied()
            .filter(|i| newest.iter().filter(|j| newer(**j, *i)).count() < count as usize)
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn a_second_implementation_keeps_the_same(
            ages in prop::collection::vec(prop_oneof![0i64..400_000, 0i64..90_000_000], 0..40),
            counts in prop::array::uniform6(0u32..9),
            offset in prop::sample::select(vec![0, 3600, -18_000, 20_700]),
        ) {
            let zone = FixedOffset::east_opt(offset).expect("an offset");
            let newest: DateTime<FixedOffset> = "2027-01-04T00:30:00Z".parse().expect("a time");
            let taken: Vec<_> =
                ages.iter().map(|age| (newest - TimeDelta::seconds(*age)).with_timezone(&zone)).collect();
            let rules: BTreeMap<Period, u32> =
                Period::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect();
            prop_assume!(!rules.is_empty());
            let calendar = Calendar(rules.clone());
            prop_assert_eq!(&policy(&calendar.to_string()), &calendar);
            let decided = calendar.decide(&taken);
            for (period, count) in rules {
                let format = match period {
                    Period::Last => None,
                    Period::Hourly => Some("%Y-%m-%d %H"),
                    Period::Daily => Some("%Y-%m-%d"),
                    Period::Weekly => Some("%G-%V"),
                    Period::Monthly => Some("%Y-%m"),
                    Period::Yearly => Some("%Y"),
                };
                let name = |i: usize| match format {
                    Some(format) => taken[i].format(format).to_string(),
                    None => i.to_string(),
                };
                let kept: BTreeSet<usize> = decided
                    .iter()
                    .enumerate()
                    .filter(|(_, reasons)| reasons.iter().any(|reason| reason.period == period))
                    .map(|(i, _)| i)
                    .collect();
                prop_assert_eq!(kept, naive(count, name, &taken));
            }
        }
    }
}
