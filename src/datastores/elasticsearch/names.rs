//! The names of snapshots, made and read in one place. Pure.
//!
//! | what | form |
//! |---|---|
//! | a scheduled one | `REPOSITORY_2026_11_2`, as commcare-cloud's script writes it; where that is taken `.._4`, then `.._4_30` |
//! | of what was there before a restore | `before-restore-ENV-20261121t120000z` |
//!
//! Elasticsearch takes lower case only, so the repository's name is written in it.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use chrono_tz::Tz;

use crate::vocab::Environment;

/// The scheduled snapshots of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family(String);

impl Family {
    pub fn of(repository: &str) -> Self {
        Family(format!("{}_", repository.to_lowercase()))
    }

    /// What a snapshot of that instant may be called, by the host's own calendar; the first that is free is taken.
    pub fn names(&self, at: DateTime<Utc>, zone: Tz) -> Vec<String> {
        let at = at.with_timezone(&zone);
        let day = format!("{}{}_{}_{}", self.0, at.year(), at.month(), at.day());
        let hour = format!("{day}_{}", at.hour());
        let minute = format!("{hour}_{}", at.minute());
        let second = format!("{minute}_{}", at.second());
        vec![day, hour, minute, second]
    }

    /// Whether a snapshot is one of them.
    pub fn has(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(&self.0) else { return false };
        let numbers: Option<Vec<u32>> = rest.split('_').map(number).collect();
        match numbers.as_deref() {
            Some([year, month, day, rest @ ..]) => {
                let year = i32::try_from(*year).unwrap_or(i32::MAX);
                rest.len() <= 3
                    && NaiveDate::from_ymd_opt(year, *month, *day).is_some_and(|day| day.year() >= 1000)
            }
            _ => false,
        }
    }
}

/// At most four decimal digits.
fn number(text: &str) -> Option<u32> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// The snapshot of what is there when a restore begins.
pub fn before_restore(environment: &Environment, now: DateTime<Utc>) -> String {
    format!("{}{}", before_restores(environment), now.format("%Y%m%dt%H%M%Sz"))
}

/// Whether a snapshot was made by a restore of this environment: it stays until a person deletes it.
pub fn is_before_restore(environment: &Environment, name: &str) -> bool {
    name.starts_with(&before_restores(environment))
}

fn before_restores(environment: &Environment) -> String {
    format!("before-restore-{}-", environment.as_str().to_lowercase())
}

/// What indices are called that are restored for the time being. No name of an environment has an `@`, so that nobody else's
/// begin so.
pub fn scratch_prefix(environment: &Environment) -> String {
    format!("reconcile-verify-{}@", environment.as_str().to_lowercase())
}

/// Whether an index is Elasticsearch's own, or a tool's: those are neither closed nor restored over.
pub fn is_hidden(index: &str) -> bool {
    index.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family() -> Family {
        Family::of("Production_es_snapshot")
    }

    #[test]
    fn names_are_those_of_the_old_script() {
        let at = "2026-11-02T23:05:09Z".parse().expect("an instant");
        assert_eq!(
            family().names(at, Tz::UTC),
            [
                "production_es_snapshot_2026_11_2",
                "production_es_snapshot_2026_11_2_23",
                "production_es_snapshot_2026_11_2_23_5",
                "production_es_snapshot_2026_11_2_23_5_9"
            ]
        );
        assert!(family().names(at, Tz::UTC).iter().all(|name| family().has(name)));
        assert_eq!(family().names(at, Tz::Asia__Kolkata)[0], "production_es_snapshot_2026_11_3");
    }

    #[test]
    fn what_others_made_is_not_ours() {
        for name in [
            "production_es_snapshot",
            "production_es_snapshot_",
            "production_es_snapshot_by_hand",
            "production_es_snapshot_2026_13_2",
            "production_es_snapshot_2026_11",
            "production_es_snapshot_2026_11_2_by_hand",
            "production_es_snapshot_copy_2026_11_2",
            "staging_es_snapshot_2026_11_2",
            "before-restore-production-20261121t120000z",
            "production_es_snapshot_26_11_2",
        ] {
            assert!(!family().has(name), "{name}");
        }
        assert!(family().has("production_es_snapshot_2026_01_02"));
    }

    #[test]
    fn what_a_restore_keeps_is_known_again() {
        let environment: Environment = "prod".parse().expect("a name");
        let now = "2026-11-21T12:00:00Z".parse().expect("an instant");
        let name = before_restore(&environment, now);
        assert_eq!(name, "before-restore-prod-20261121t120000z");
        assert!(is_before_restore(&environment, &name) && !family().has(&name));
    }
}
