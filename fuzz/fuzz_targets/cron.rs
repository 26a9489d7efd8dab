//! Any text as a schedule: what is read has times, in any zone, and reads the same again.
#![no_main]

use chrono::DateTime;
use chrono_tz::Tz;
use reconcile::vocab::Schedule;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(schedule) = text.parse::<Schedule>() else { return };
    assert_eq!(schedule.as_str().parse::<Schedule>().as_ref(), Ok(&schedule));
    let from = DateTime::parse_from_rfc3339("2026-03-28T12:00:00Z").expect("an instant").to_utc();
    for zone in [Tz::UTC, Tz::Europe__London, Tz::Australia__Lord_Howe] {
        let runs = schedule.next(from, zone, 3);
        assert!(runs.is_sorted() && runs.iter().all(|run| *run > from), "{schedule}: {runs:?}");
        assert!(runs.first().is_none_or(|run| schedule.fires_at(*run, zone)) || zone != Tz::UTC, "{schedule}");
    }
});
