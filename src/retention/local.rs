//! Which backups in a backup directory a policy keeps, and why.
//!
//! Ages count from the moment a backup was whole. The rules are those of commcare-cloud's `find -mtime +N` and
//! `-mmin +N`: a daily backup goes when N whole days and one more have passed, an hourly one when it is older than N
//! times 60 minutes. Above them stands one law: **the newest proven backup stays, whatever history and clock.** Where
//! nothing is proven there is no way to tell a good backup from a bad one, so the newest of each tier stays.
//!
//! A backup from the future (a clock was wrong when it was made, or is wrong now) is kept, and never counts as the
//! newest proven one: otherwise one wrong stamp would let every real backup age away.

use std::cmp::Reverse;

use chrono::{DateTime, TimeDelta, Utc};

use crate::vocab::Tier;

/// How long backups of each tier stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Daily: removed at an age of `days + 1` times 24 hours.
    pub days: u32,
    /// Weekly: removed at an age of `weeks * 7 + 1` times 24 hours.
    pub weeks: u32,
    /// Hourly: removed when older than `hours` times 60 minutes.
    pub hours: u32,
}

impl Policy {
    /// The first instant at which a backup of this tier, whole at `taken`, may be removed. `None` where that lies
    /// beyond the calendar.
    pub fn due(&self, tier: Tier, taken: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let age = match tier {
            Tier::Hourly => TimeDelta::hours(i64::from(self.hours)) + TimeDelta::nanoseconds(1),
            Tier::Daily => TimeDelta::days(i64::from(self.days) + 1),
            Tier::Weekly => TimeDelta::days(i64::from(self.weeks) * 7 + 1),
        };
        taken.checked_add_signed(age)
    }
}

/// A backup as the decision sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub name: String,
    pub tier: Tier,
    /// When it was whole: the manifest's end, else the file's time.
    pub taken: DateTime<Utc>,
    /// Whether its manifest says that it was read back, and its size still agrees.
    pub proven: bool,
}

/// What becomes of one backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Kept(Because),
    /// Its time is over since the instant named.
    Removed {
        since: DateTime<Utc>,
    },
}

/// Why a backup stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The policy keeps it until then; `None` is for ever.
    Young { until: Option<DateTime<Utc>> },
    /// It is the newest proven one.
    NewestProven,
    /// Nothing is proven, and it is the newest of its tier.
    NewestOfTier,
    /// Its time lies in the future.
    FromTheFuture,
}

impl Fate {
    pub fn is_kept(&self) -> bool {
        matches!(self, Fate::Kept(_))
    }
}

/// The fate of each backup, in the order given.
pub fn decide(backups: &[Backup], policy: Policy, now: DateTime<Utc>) -> Vec<Fate> {
    let past = |backup: &&Backup| backup.taken <= now;
    let newest = |of: &dyn Fn(&Backup) -> bool| {
        // Names break a tie, so that the answer does not hang on the order of a directory.
        backups
            .iter()
            .filter(past)
            .filter(|backup| of(backup))
            .max_by_key(|backup| (backup.taken, Reverse(&backup.name)))
    };
    let proven = newest(&|backup| backup.proven);
    let of_tiers = Tier::ALL.map(|tier| match proven {
        Some(_) => None,
        None => newest(&|backup| backup.tier == tier),
    });
    let is = |one: Option<&Backup>, other: &Backup| one.is_some_and(|one| std::ptr::eq(one, other));
    backups
        .iter()
        .map(|backup| {
            let due = policy.due(backup.tier, backup.taken);
            if backup.taken > now {
                Fate::Kept(Because::FromTheFuture)
            } else if is(proven, backup) {
                Fate::Kept(Because::NewestProven)
            } else if of_tiers.iter().any(|newest| is(*newest, backup)) {
                Fate::Kept(Because::NewestOfTier)
            } else {
                match due {
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

    const POLICY: Policy = Policy { days: 2, weeks: 2, hours: 1 };

    fn now() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().expect("instant")
    }

    fn backup(name: &str, tier: Tier, age: TimeDelta, proven: bool) -> Backup {
        Backup { name: name.to_owned(), tier, taken: now() - age, proven }
    }

    #[test]
    fn each_tier_goes_at_its_own_age_and_not_a_moment_before() {
        let second = TimeDelta::seconds(1);
        for (tier, age) in [
            (Tier::Daily, TimeDelta::days(3)),
            (Tier::Weekly, TimeDelta::days(15)),
            (Tier::Hourly, TimeDelta::hours(1) + TimeDelta::nanoseconds(1)),
        ] {
            let fates = decide(
                &[
                    backup("new", tier, TimeDelta::zero(), true),
                    backup("at", tier, age, true),
                    backup("before", tier, age - second, true),
                ],
                POLICY,
                now(),
            );
            assert_eq!(
                fates,
                [
                    Fate::Kept(Because::NewestProven),
                    Fate::Removed { since: now() },
                    Fate::Kept(Because::Young { until: Some(now() + second) }),
                ],
                "{tier}"
            );
        }
    }

    #[test]
    fn an_unproven_backup_protects_nothing_but_what_is_left_when_none_is_proven() {
        let old = TimeDelta::days(40);
        let proven = decide(
            &[
                backup("newest", Tier::Daily, old, false),
                backup("proven", Tier::Daily, old + TimeDelta::days(1), true),
            ],
            POLICY,
            now(),
        );
        assert_eq!(proven.iter().map(Fate::is_kept).collect::<Vec<_>>(), [false, true]);
        let unproven = decide(
            &[
                backup("daily", Tier::Daily, old, false),
                backup("older", Tier::Daily, old + TimeDelta::days(1), false),
                backup("weekly", Tier::Weekly, old + TimeDelta::days(9), false),
            ],
            POLICY,
            now(),
        );
        assert_eq!(unproven.iter().map(Fate::is_kept).collect::<Vec<_>>(), [true, false, true]);
    }

    fn histories() -> impl Strategy<Value = Vec<Backup>> {
        let one = (prop::sample::select(Tier::ALL.to_vec()), -2_000_000i64..20_000_000, any::<bool>());
        prop::collection::vec(one, 0..24).prop_map(|history| {
            history
                .into_iter()
                .enumerate()
                .map(|(n, (tier, age, proven))| {
                    backup(&format!("b{n}"), tier, TimeDelta::seconds(age), proven)
                })
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Law 8: the newest proven backup stays, whatever history and clock.
        #[test]
        fn the_newest_proven_backup_stays(
            backups in histories(),
            days in 0u32..40,
            shift in -20_000_000i64..20_000_000,
        ) {
            let now = now() + TimeDelta::seconds(shift);
            let policy = Policy { days, weeks: days / 7, hours: days };
            let fates = decide(&backups, policy, now);
            prop_assert_eq!(fates.len(), backups.len());
            let kept: Vec<&Backup> =
                backups.iter().zip(&fates).filter(|(_, fate)| fate.is_kept()).map(|(b, _)| b).collect();
            if let Some(newest) = backups.iter().filter(|b| b.proven).map(|b| b.taken).max() {
                prop_assert!(kept.iter().any(|b| b.proven && b.taken == newest));
            }
            for tier in Tier::ALL {
                if backups.iter().all(|b| !b.proven) && backups.iter().any(|b| b.tier == tier) {
                    prop_assert!(kept.iter().any(|b| b.tier == tier));
                }
            }
            for (backup, fate) in backups.iter().zip(&fates) {
                if backup.taken > now {
                    prop_assert_eq!(*fate, Fate::Kept(Because::FromTheFuture));
                }
            }
        }

        /// Expiry removes nothing that a second run would have kept, and what it leaves it leaves again.
        #[test]
        fn deciding_again_removes_nothing_more(backups in histories()) {
            let fates = decide(&backups, POLICY, now());
            let left: Vec<Backup> =
                backups.into_iter().zip(fates).filter(|(_, fate)| fate.is_kept()).map(|(b, _)| b).collect();
            prop_assert!(decide(&left, POLICY, now()).iter().all(Fate::is_kept));
        }
    }
}
