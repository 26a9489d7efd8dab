//! Days and instants on the command line, and what is said of what is none.

use chrono::{DateTime, NaiveDate, Utc};

/// An instant with its offset from UTC (RFC 3339): without one nobody knows whose clock is meant.
pub fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    text.parse().map_err(|_| {
        "it must be a day, a time and an offset from UTC, such as 2026-11-19T18:00:00Z or 2026-11-19T18:00:00+02:00"
            .to_owned()
    })
}

/// A day of the calendar.
pub fn day(text: &str) -> Result<NaiveDate, String> {
    text.parse().map_err(|_| "it must be a day, such as 2026-12-31".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    #[test]
    fn a_time_that_is_none_is_told_the_form_that_is_wanted() {
        let said = |line: &str| match Cli::try_parse_from(line.split(' ')) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        for before in ["2026-11-19", "yesterday", "2026-11-19T18:00:00"] {
            for verb in ["restore postgresql", "verify postgresql"] {
                let said = said(&format!("reconcile {verb} --before {before}"));
                assert!(said.contains("such as 2026-11-19T18:00:00Z"), "{said}");
            }
            let said = said(&format!("reconcile schedule @daily --from {before}"));
            assert!(said.contains("such as 2026-11-19T18:00:00Z"), "{said}");
        }
        let labelled = "reconcile run backup postgresql --label x --keep-until";
        assert!(said(&format!("{labelled} soon")).contains("it must be a day, such as 2026-12-31"));
        for good in [
            "restore postgresql --before 2026-11-19T18:00:00Z",
            "restore postgresql --before 2026-11-19T18:00:00+02:00",
        ] {
            assert_eq!(said(&format!("reconcile {good}")), "");
        }
        assert_eq!(said(&format!("{labelled} 2026-12-31")), "");
    }
}
