//! Which snapshots in a repository a policy keeps, and why.
//!
//! The rule is that of commcare-cloud's script: a snapshot goes when it began more than N days ago. Above it stands the law
//! of every backup here: **the newest whole one stays, whatever history and clock**, and where none is whole the newest of
//! all. What is still under way is not handed in: it is nobody's to remove.

use std::cmp::Reverse;

use chrono::{DateTime, TimeDelta, Utc};

use super::local::{Because, Fate};

/// A snapshot that is over, as the decision sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub name: String,
    pub began: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    /// Whether every shard is in it.
    pub whole: bool,
}

/// From when on a snapshot that began then may be removed; `None` lies beyond the calendar.
pub fn due(began: DateTime<Utc>, days: u32) -> Option<DateTime<Utc>> {
    began.checked_add_signed(TimeDelta::days(i64::from(days)) + TimeDelta::milliseconds(1))
}

/// The fate of each snapshot, in the order given.
pub fn decide(snapshots: &[Snapshot], days: u32, now: DateTime<Utc>) -> Vec<Fate> {
    let newest = |of: &dyn Fn(&Snapshot) -> bool| {
        // Names break a tie, so that the answer does not hang on the order of a listing.
        let past = snapshots.iter().filter(|one| one.began <= now && one.ended <= now);
        past.filter(|one| of(one)).max_by_key(|one| (one.ended, Reverse(&one.name)))
    };
    let whole = newest(&|one| one.whole);
    let any = if whole.is_none() { newest(&|_| true) } else { None };
    let is = |one: Option<&Snapshot>, other: &Snapshot| one.is_some_and(|one| std::ptr::eq(one, other));
    snapshots
        .iter()
        .map(|one| {
            if one.began > now || one.ended > now {
                Fate::Kept(Because::FromTheFuture)
            } else if is(whole, one) {
                Fate::Kept(Because::NewestProven)
            } else if is(any, one) {
                Fate::Kept(Because::NewestOfTier)
            } else {
                match due(one.began, days) {
                    Some(since) if since <= now => Fate::Removed { since },
                    until => Fate::Kept(Because::Young { until }),
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().expect("instant")
    }

    fn snapshot(name: &str, hours: i64, whole: bool) -> Snapshot {
        let began = now() - TimeDelta::hours(hours);
        Snapshot { name: name.to_owned(), began, ended: began + TimeDelta::minutes(10), whole }
    }

    #[test]
    fn they_go_by_when_they_began_and_the_newest_whole_one_stays() {
        let all = [snapshot("new", 1, true), snapshot("at", 72, true), snapshot("old", 73, true)];
        let fates = decide(&all, 3, now());
        assert_eq!(fates.iter().map(Fate::is_kept).collect::<Vec<_>>(), [true, true, false]);
        // What failed since keeps nobody from staying, and is no reason to go.
        let all = [snapshot("failed", 1, false), snapshot("partial", 2, false), snapshot("old", 900, true)];
        let fates = decide(&all, 3, now());
        assert_eq!(fates[2], Fate::Kept(Because::NewestProven));
        let none = [snapshot("failed", 800, false), snapshot("older", 900, false)];
        let fates = decide(&none, 3, now());
        assert_eq!(fates[0], Fate::Kept(Because::NewestOfTier));
        assert!(!fates[1].is_kept());
    }

    proptest! {
        /// The law: whatever history and clock, the newest whole one that is not from the future stays.
        #[test]
        fn the_newest_whole_one_stays(
            all in prop::collection::vec((-50i64..2000, any::<bool>()), 0..12),
            days in 1u32..40,
        ) {
            let all: Vec<Snapshot> =
                all.iter().enumerate().map(|(n, (hours, whole))| snapshot(&format!("s{n}"), *hours, *whole)).collect();
            let fates = decide(&all, days, now());
            let newest = all.iter().filter(|one| one.whole && one.ended <= now()).map(|one| one.ended).max();
            if let Some(newest) = newest {
                let kept = all.iter().zip(&fates).any(|(one, fate)| one.whole && one.ended == newest && fate.is_kept());
                prop_assert!(kept);
            }
            for (one, fate) in all.iter().zip(&fates) {
                if one.began >= now() - TimeDelta::days(i64::from(days)) {
                    prop_assert!(fate.is_kept(), "{one:?}");
                }
            }
        }
    }
}
