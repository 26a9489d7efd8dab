//! Which backups in a backup directory a policy keeps, and why.
//!
//! Ages count from the moment a backup was whole. The rules are those of commcare-cloud's `find -mtime +N` and
//! `-mmin +N`: a daily backup goes when N whole days and one more have passed, an hourly one when it is older than N
//! times 60 minutes. Above them stands one law: **the newest proven backup stays, whatever history and clock.** Where
//! nothing is proven there is no way to tell a good backup from a bad one, so the newest of each tier stays.
//!
//! A backup from the future (a clock was wrong when it was made, or is wrong now) is kept, and never counts as the
//! newest proven one: otherwise one wrong stamp would let every real backup age away.
//!
//! A backup that a person labelled stays until the person's own date, and protects no tier's: what schedules keep is the
//! same with it and without it. Past its date it goes as the others do, but never as the newest proven one of all.

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

/// What decides how long a backup stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// The policy of its tier.
    Tier(Tier),
    /// A person who labelled it: until that instant, or until a person removes it.
    Label { until: Option<DateTime<Utc>> },
}

impl Term {
    fn is_label(self) -> bool {
        matches!(self, Term::Label { .. })
    }

    /// Whether both are of one tier, or both labelled.
    fn is_like(self, other: Term) -> bool {
        match (self, other) {
            (Term::Label { .. }, Term::Label { .. }) => true,
            (Term::Tier(one), Term::Tier(another)) => one == another,
            _ => false,
        }
    }
}

/// A backup as the decision sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub name: String,
    pub term: Term,
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
    /// The person who labelled it keeps it until then; `None` is until a person removes it.
    Labelled { until: Option<DateTime<Utc>> },
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
    // For tiers the labelled ones are not there; for those, all are.
    let proven_of_tiers = newest(&|backup| backup.proven && !backup.term.is_label());
    let proven_of_all = newest(&|backup| backup.proven);
    let is = |one: Option<&Backup>, other: &Backup| one.is_some_and(|one| std::ptr::eq(one, other));
    backups
        .iter()
        .map(|backup| {
            let (due, proven) = match backup.term {
                Term::Tier(tier) => (policy.due(tier, backup.taken), proven_of_tiers),
                Term::Label { until } => (until, proven_of_all),
            };
            if backup.taken > now {
                Fate::Kept(Because::FromTheFuture)
            } else if let Term::Label { until } = backup.term
                && until.is_none_or(|until| now < until)
            {
                Fate::Kept(Because::Labelled { until })
            } else if is(proven, backup) {
                Fate::Kept(Because::NewestProven)
            } else if proven.is_none() && is(newest(&|other| backup.term.is_like(other.term)), backup) {
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
        Backup { name: name.to_owned(), term: Term::Tier(tier), taken: now() - age, proven }
    }

    fn labelled(name: &str, age: TimeDelta, until: Option<TimeDelta>, proven: bool) -> Backup {
        let until = until.map(|from_now| now() + from_now);
        Backup { term: Term::Label { until }, ..backup(name, Tier::Daily, age, proven) }
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

    #[test]
    fn a_labelled_backup_stays_until_its_date_and_is_never_the_last_proven_one() {
        let (old, second) = (TimeDelta::days(400), TimeDelta::seconds(1));
        let mut backups = vec![
            backup("nightly", Tier::Daily, TimeDelta::days(1), true),
            labelled("for ever", old, None, true),
            labelled("until now", old, Some(TimeDelta::zero()), true),
            labelled("a moment more", old, Some(second), false),
        ];
        assert_eq!(
            decide(&backups, POLICY, now()),
            [
                Fate::Kept(Because::NewestProven),
                Fate::Kept(Because::Labelled { until: None }),
                Fate::Removed { since: now() },
                Fate::Kept(Because::Labelled { until: Some(now() + second) }),
            ]
        );
        backups[0].proven = false;
        backups.remove(1);
        let fates = decide(&backups, POLICY, now());
        // The tiers' own floor holds beside it.
        assert_eq!(
            fates[..2],
            [Fate::Kept(Because::NewestOfTier), Fate::Kept(Because::NewestProven)],
            "{fates:?}"
        );
    }

    /// Backups of each tier, labelled ones for ever, and labelled ones with a date.
    fn histories() -> impl Strategy<Value = Vec<Backup>> {
        let one = (0usize..5, -2_000_000i64..20_000_000, any::<bool>(), -9_000_000i64..9_000_000);
        prop::collection::vec(one, 0..24).prop_map(|history| {
            history
                .into_iter()
                .enumerate()
                .map(|(n, (of, age, proven, until))| {
                    let (name, age) = (format!("b{n}"), TimeDelta::seconds(age));
                    match Tier::ALL.get(of) {
                        Some(tier) => backup(&name, *tier, age, proven),
                        None => labelled(&name, age, (of > 3).then(|| TimeDelta::seconds(until)), proven),
                    }
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
                let is_of = |b: &&Backup| b.term == Term::Tier(tier);
                if backups.iter().all(|b| !b.proven) && backups.iter().any(|b| is_of(&b)) {
                    prop_assert!(kept.iter().any(is_of));
                }
            }
            for (backup, fate) in backups.iter().zip(&fates) {
                if backup.taken > now {
                    prop_assert_eq!(*fate, Fate::Kept(Because::FromTheFuture));
                }
            }
        }

        /// What schedules keep is the same whatever people label.
        #[test]
        fn labels_change_nothing_for_tiers(backups in histories()) {
            let fates = decide(&backups, POLICY, now());
            let of_tiers = |b: &&Backup| !b.term.is_label();
            let alone: Vec<Backup> = backups.iter().filter(of_tiers).cloned().collect();
            let among: Vec<Fate> =
                backups.iter().zip(fates).filter(|(b, _)| of_tiers(b)).map(|(_, fate)| fate).collect();
            prop_assert_eq!(decide(&alone, POLICY, now()), among);
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
