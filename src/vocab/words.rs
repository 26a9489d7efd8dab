//! Amounts and instants in words: the same in a log, an error, a letter and a table.

use chrono::{DateTime, Utc};

/// Bytes for people: `512 MiB`, `41.2 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        _ if value >= 99.95 => format!("{value:.0} {}", UNITS[unit]),
        _ => format!("{value:.1} {}", UNITS[unit]),
    }
}

/// An instant to the minute: `2026-11-21 00:14 UTC`.
pub fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// An instant to the second: `2026-11-21 00:14:07 UTC`.
pub fn second(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_like_sizes() {
        let sizes = [0, 1023, 1024, 536_870_912, 44_238_471_168, 1_099_511_627_776];
        let words: Vec<String> = sizes.into_iter().map(bytes).collect();
        assert_eq!(words, ["0 B", "1023 B", "1.0 KiB", "512 MiB", "41.2 GiB", "1.0 TiB"]);
    }

    #[test]
    fn instants_are_those_of_utc() {
        let at: DateTime<Utc> = "2026-11-21T23:14:07-03:00".parse().expect("an instant");
        assert_eq!(minute(at), "2026-11-22 02:14 UTC");
        assert_eq!(second(at), "2026-11-22 02:14:07 UTC");
    }
}
