//! When S3's lifecycle rules for noncurrent versions remove what, and what a shorter rule would lose.
//!
//! The rules are those of
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>: a version is noncurrent from
//! the moment its successor was written; it may go when that is `days` days ago, rounded up to the next midnight UTC,
//! and at least `newest` newer noncurrent versions exist. Both conditions must hold.

use chrono::{DateTime, Days, NaiveTime, Utc};

use super::{Loss, Losses};
use crate::vocab::KeepVersions;

/// One version of an object as a listing tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub key: String,
    pub version_id: String,
    pub latest: bool,
    pub delete_marker: bool,
    pub modified: DateTime<Utc>,
    pub bytes: u64,
}

/// Reads a listing of versions, one after the other, and adds up what a new rule removes earlier than the old one did.
/// Memory does not grow with the listing.
#[derive(Debug)]
pub struct LossMeter {
    bucket: String,
    /// `None`: kept for ever until now.
    old: Option<KeepVersions>,
    new: KeepVersions,
    now: DateTime<Utc>,
    key: Option<Progress>,
    losses: Losses,
}

/// Where the listing stands within one key.
#[derive(Debug)]
struct Progress {
    key: String,
    /// When the version listed before this one (its successor) was written.
    successor: DateTime<Utc>,
    /// How many noncurrent versions of the key were listed, all of them newer.
    newer_noncurrent: u32,
}

impl LossMeter {
    pub fn new(bucket: &str, old: Option<KeepVersions>, new: KeepVersions, now: DateTime<Utc>) -> Self {
        LossMeter { bucket: bucket.to_owned(), old, new, now, key: None, losses: Losses::default() }
    }

    /// Takes the next version in S3's order: by key, and within a key the newest first.
    pub fn see(&mut self, version: Version) {
        let progress = self.key.take().filter(|progress| progress.key == version.key);
        let mut newer_noncurrent = 0;
        if let Some(progress) = progress.filter(|_| !version.latest) {
            newer_noncurrent = progress.newer_noncurrent;
            if !version.delete_marker {
                self.judge(&version, progress.successor, newer_noncurrent);
                newer_noncurrent += 1;
            }
        }
        self.key = Some(Progress { key: version.key, successor: version.modified, newer_noncurrent });
    }

    fn judge(&mut self, version: &Version, noncurrent_since: DateTime<Utc>, newer_noncurrent: u32) {
        let Some(when) = expiry(self.new, noncurrent_since, newer_noncurrent) else { return };
        let before = self.old.and_then(|old| expiry(old, noncurrent_since, newer_noncurrent));
        // The storage acts on a rule at the earliest at the next midnight.
        let soonest = next_midnight(self.now).unwrap_or(self.now);
        let when = when.max(soonest);
        if before.is_none_or(|before| when < before.max(soonest)) {
            self.losses.add(Loss {
                backup: format!("{}/{}?versionId={}", self.bucket, version.key, version.version_id),
                taken: version.modified,
                bytes: version.bytes,
                when,
            });
        }
    }

    pub fn finish(self) -> Losses {
        self.losses
    }
}

/// When a noncurrent version may be removed; `None` while too few newer ones exist.
pub fn expiry(
    keep: KeepVersions,
    noncurrent_since: DateTime<Utc>,
    newer_noncurrent: u32,
) -> Option<DateTime<Utc>> {
    if newer_noncurrent < keep.newest {
        return None;
    }
    next_midnight(noncurrent_since.checked_add_days(Days::new(u64::from(keep.days)))?)
}

/// The first midnight at or after an instant, UTC; `None` beyond the calendar.
fn next_midnight(instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let midnight = instant.date_naive().and_time(NaiveTime::MIN).and_utc();
    if midnight == instant { Some(instant) } else { midnight.checked_add_days(Days::new(1)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    /// One key with a version a day, the newest first, the newest current.
    fn daily(days: u64, newest: DateTime<Utc>) -> Vec<Version> {
        (0..days)
            .map(|age| Version {
                key: "postgres_daily_db1.tar.gz".to_owned(),
                version_id: format!("v{age}"),
                latest: age == 0,
                delete_marker: false,
                modified: newest - Days::new(age),
                bytes: 10,
            })
            .collect()
    }

    fn losses(old: Option<(u32, u32)>, new: (u32, u32), versions: Vec<Version>) -> Losses {
        let keep = |(days, newest)| KeepVersions { days, newest };
        let mut meter = LossMeter::new("b", old.map(keep), keep(new), at("2026-11-21T12:00:00Z"));
        versions.into_iter().for_each(|version| meter.see(version));
        meter.finish()
    }

    #[test]
    fn ninety_days_cut_to_seven_lose_what_is_older() {
        let lost = losses(Some((90, 0)), (7, 0), daily(60, at("2026-11-21T00:14:00Z")));
        // All noncurrent ones go earlier than they would have: 59 of them.
        assert_eq!((lost.count, lost.bytes), (59, 590));
        assert_eq!(lost.from, Some(at("2026-11-22T00:00:00Z")));
        assert_eq!(lost.taken.map(|(oldest, _)| oldest), Some(at("2026-09-23T00:14:00Z")));
        // Yesterday's, noncurrent since today 00:14, has its seven days and goes at the midnight after them.
        assert_eq!(lost.first[0].when, at("2026-11-29T00:00:00Z"));
        assert_eq!(lost.first[0].backup, "b/postgres_daily_db1.tar.gz?versionId=v1");
    }

    #[test]
    fn the_newest_ones_stay_and_a_longer_rule_loses_nothing() {
        assert_eq!(losses(None, (1, 5), daily(4, at("2026-11-21T00:14:00Z"))), Losses::default());
        assert_eq!(losses(None, (1, 2), daily(4, at("2026-11-21T00:14:00Z"))).count, 1);
        assert_eq!(losses(Some((7, 0)), (90, 0), daily(60, at("2026-11-21T00:14:00Z"))).count, 0);
    }

    #[test]
    fn keys_are_judged_apart() {
        let mut versions = daily(2, at("2026-11-01T00:14:00Z"));
        versions.extend(daily(2, at("2026-11-01T00:14:00Z")).into_iter().map(|mut version| {
            version.key = "postgres_daily_db2.tar.gz".to_owned();
            version
        }));
        assert_eq!(losses(None, (7, 0), versions.clone()).count, 2);
        assert_eq!(losses(None, (7, 1), versions).count, 0);
    }

    #[test]
    fn a_rule_that_ends_with_the_calendar_ends_nothing() {
        let taken = at("2026-11-21T00:14:00Z");
        let last = u32::try_from((DateTime::<Utc>::MAX_UTC - taken).num_days()).expect("many days");
        for days in [last - 1, last, last + 1, u32::MAX] {
            let due = expiry(KeepVersions { days, newest: 0 }, taken, 0);
            assert_eq!(due.is_some(), days < last, "{days}");
        }
        assert_eq!(losses(Some((u32::MAX, 0)), (u32::MAX, 0), daily(3, taken)).count, 0);
        // A listing may say what it wants of sizes.
        let mut huge = daily(3, taken);
        huge.iter_mut().for_each(|version| version.bytes = u64::MAX);
        assert_eq!(losses(None, (1, 0), huge).bytes, u64::MAX);
    }

    proptest! {
        /// A rule that keeps at least as much loses nothing; the current version is never among the losses.
        #[test]
        fn a_longer_rule_loses_nothing(
            days in 1u32..100, newest in 0u32..10, more in 0u32..50, count in 0u64..80,
        ) {
            let versions = daily(count, at("2026-11-21T00:14:00Z"));
            prop_assert!(losses(Some((days, newest)), (days + more, newest + more), versions.clone()).is_empty());
            let lost = losses(None, (days, newest), versions);
            prop_assert!(lost.count < count.max(1));
            prop_assert!(lost.first.iter().all(|loss| !loss.backup.ends_with("=v0")));
        }
    }
}
