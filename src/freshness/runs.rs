//! When runs were due, and whether a backup answers for one.

use chrono::{DateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::{Promise, Seen};
use crate::vocab::Tier;

/// The least that a run may take before it counts as missing.
const LEAST: TimeDelta = TimeDelta::hours(1);
/// The most: whoever takes longer is looked after by the next run.
const MOST: TimeDelta = TimeDelta::hours(24);
/// How many of the last runs say how long one takes.
const LAST: usize = 5;
/// How long a run that is under way may take in any case.
const PATIENCE: TimeDelta = TimeDelta::hours(24);
/// How far the storage's clock may be behind.
const STORAGE: TimeDelta = TimeDelta::minutes(15);
/// Missed runs are counted to here.
const COUNTED: usize = 1000;

/// How long a run of a tier may take: twice what the longest of the last ones took, an hour at least.
pub fn allowance(seen: &[Seen], tier: Tier) -> TimeDelta {
    let mut of_tier: Vec<&Seen> =
        seen.iter().filter(|seen| seen.tier == tier && seen.began < seen.ended).collect();
    of_tier.sort_by_key(|seen| std::cmp::Reverse(seen.ended));
    let longest = of_tier.iter().take(LAST).map(|seen| seen.ended - seen.began).max();
    longest.map_or(LEAST, |longest| (longest * 2).clamp(LEAST, MOST))
}

/// By how much the clocks of a zone change around an instant. What falls into such a night some crons run earlier, and
/// some later, by as much.
fn change(at: DateTime<Utc>, zone: Tz) -> TimeDelta {
    let offset = |at: DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
    let around = TimeDelta::hours(3);
    TimeDelta::seconds(i64::from((offset(at + around) - offset(at - around)).abs()))
}

/// When a run's backup is missed if it is not there.
pub fn missed_at(run: DateTime<Utc>, zone: Tz, allowance: TimeDelta) -> DateTime<Utc> {
    run + allowance + change(run, zone)
}

/// The last run whose backup must be there by now.
pub fn due(promise: &Promise, zone: Tz, now: DateTime<Utc>, allowance: TimeDelta) -> Option<DateTime<Utc>> {
    let mut before = now - allowance;
    // A change of clocks gives the last run more time; then the one before it counts.
    for _ in 0..COUNTED {
        let run = promise.schedule.last(before, zone, promise.since)?;
        if missed_at(run, zone, allowance) <= now {
            return Some(run);
        }
        before = run - TimeDelta::seconds(1);
    }
    None
}

/// Whether a backup is of the run that was due, or of a later one. One that was under way when the run was due answers
/// for it: the lock kept the second away, and the data is as new.
pub fn answers(seen: &Seen, promise: &Promise, due: DateTime<Utc>, zone: Tz) -> bool {
    if seen.ended >= due {
        return true;
    }
    let storage = if seen.dated_by_storage { STORAGE } else { TimeDelta::zero() };
    let slack = change(due, zone).max(storage);
    // What another run may have made is that one's.
    let others = promise.schedule.last(due - TimeDelta::seconds(1), zone, due - slack);
    seen.ended >= due - slack && others.is_none()
}

/// Until when a run that is under way is waited for: a day, at most until its successor would be missed.
pub fn patience(
    promise: &Promise,
    due: DateTime<Utc>,
    began: DateTime<Utc>,
    zone: Tz,
    allowance: TimeDelta,
) -> DateTime<Utc> {
    let most = began + PATIENCE.max(allowance);
    if began < due - change(due, zone) {
        // It is of an earlier run, and this one was refused for it.
        return due + allowance;
    }
    match promise.schedule.next(due, zone, 1).first() {
        Some(next) => most.min(missed_at(*next, zone, allowance)),
        None => most,
    }
}

/// The first run that is missing after the newest backup, and how many there are up to the one that was due.
pub fn missed(
    promise: &Promise,
    newest: Option<&Seen>,
    due: DateTime<Utc>,
    zone: Tz,
) -> (DateTime<Utc>, u32) {
    let second = TimeDelta::seconds(1);
    let from = newest.map_or(promise.since - second, |newest| newest.ended.max(promise.since - second));
    let runs = promise.schedule.between(from, due, zone, COUNTED);
    (runs.first().copied().unwrap_or(due), u32::try_from(runs.len().max(1)).unwrap_or(1))
}
