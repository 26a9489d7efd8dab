//! The names of backups, made and read in one place for the job that writes them, the checks that look for them, the
//! list that shows them and the rules that let old versions go.
//!
//! Must stay pure: the instant and the zone are handed over. The forms are those that the scripts of commcare-cloud
//! write and its freshness checks look for:
//!
//! | where | form |
//! |---|---|
//! | local file, dated key | `postgres_ENV_TIER_2026_11_21.tar.gz`, hourly `.._2026_11_21_03.tar.gz` |
//! | undated key, where the storage keeps versions | `postgres_TIER_HOST.tar.gz` |
//!
//! Other datastores leave `ENV_` out. commcare-cloud's own names of the blob database carry the hour in every tier: they
//! are read, and never written. `.tar` is there for an archive and absent for a script; `.zst` takes the place of
//! `.gz` with zstd.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use chrono_tz::Tz;

use super::job_file::Compression;
use crate::vocab::{Datastore, Environment, Tier};

/// What the bytes are once unpacked; decides the name's ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// A tar archive: `.tar.gz`.
    Archive,
    /// One file, such as SQL: `.gz`.
    Script,
}

/// What tells one backup of a tier from the next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The local date on the host that made it; the hour only for the hourly tier.
    Dated { date: NaiveDate, hour: Option<u32> },
    /// Nothing but the host's own name: the storage keeps the versions apart.
    Undated { host: String },
}

/// One backup's name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    pub tier: Tier,
    pub slot: Slot,
    pub content: Content,
    pub compression: Compression,
}

impl Name {
    /// The name of a backup that begins at `at`, by the calendar of the host's `zone`. In the hour that a change of
    /// clocks repeats, the second hourly backup takes the name of the first.
    pub fn dated(
        tier: Tier,
        at: DateTime<Utc>,
        zone: Tz,
        content: Content,
        compression: Compression,
    ) -> Self {
        let local = at.with_timezone(&zone);
        let hour = (tier == Tier::Hourly).then(|| local.hour());
        Name { tier, slot: Slot::Dated { date: local.date_naive(), hour }, content, compression }
    }

    /// The same backup under the key that only its host tells apart.
    pub fn undated(&self, host: impl Into<String>) -> Self {
        Name { slot: Slot::Undated { host: host.into() }, ..self.clone() }
    }
}

/// The backups of one datastore in one environment: what all their names have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What undated names begin with: `postgres_`.
    family: String,
    /// What dated names begin with: `postgres_ENV_`.
    dated: String,
    /// Whether names of any tier may carry the hour.
    hours: bool,
}

impl Series {
    pub fn new(datastore: &Datastore, environment: &Environment) -> Self {
        match datastore.as_str() {
            "postgresql" => {
                let dated = format!("postgres_{environment}_");
                Series { family: "postgres_".to_owned(), dated, hours: false }
            }
            other => {
                let family = format!("{other}_");
                Series { dated: family.clone(), family, hours: other == "blobdb" }
            }
        }
    }

    /// The name as a file or a key.
    pub fn render(&self, name: &Name) -> String {
        let stem = match &name.slot {
            Slot::Dated { date, hour } => {
                let (year, month, day) = (date.year(), date.month(), date.day());
                let hour = hour.map(|hour| format!("_{hour:02}")).unwrap_or_default();
                format!("{}{}_{year:04}_{month:02}_{day:02}{hour}", self.dated, name.tier)
            }
            Slot::Undated { host } => format!("{}{}_{host}", self.family, name.tier),
        };
        let archive = match name.content {
            Content::Archive => ".tar",
            Content::Script => "",
        };
        format!("{stem}{archive}.{}", name.compression.ending())
    }

    /// Reads what [`Series::render`] wrote, or a script of commcare-cloud; `None` for everything else, another environment's backups included.
    pub fn parse(&self, text: &str) -> Option<Name> {
        let (stem, content, compression) = take_ending(text)?;
        let dated = || {
            let (tier, date) = take_tier(stem.strip_prefix(&self.dated)?)?;
            Some((tier, parse_date(tier, date, self.hours)?))
        };
        let undated = || {
            let (tier, host) = take_tier(stem.strip_prefix(&self.family)?)?;
            // Without this another environment's dated names would read as those of a strange host.
            (!host.is_empty() && !ends_in_date(host)).then(|| (tier, Slot::Undated { host: host.to_owned() }))
        };
        let (tier, slot) = dated().or_else(undated)?;
        Some(Name { tier, slot, content, compression })
    }

    /// What every key of the datastore begins with, dated or not: for listing a bucket.
    pub fn prefix(&self) -> &str {
        &self.family
    }
}

/// What the undated keys of a tier begin with, such as `postgres_daily_`: what a lifecycle rule filters on.
pub fn remote_prefix(datastore: &Datastore, tier: Tier) -> String {
    let family = match datastore.as_str() {
        "postgresql" => "postgres",
        other => other,
    };
    format!("{family}_{tier}_")
}

fn take_ending(text: &str) -> Option<(&str, Content, Compression)> {
    let (stem, compression) = [Compression::Gzip, Compression::Zstd].into_iter().find_map(|compression| {
        let stem = text.strip_suffix(compression.ending())?.strip_suffix('.')?;
        Some((stem, compression))
    })?;
    Some(match stem.strip_suffix(".tar") {
        Some(stem) => (stem, Content::Archive, compression),
        None => (stem, Content::Script, compression),
    })
}

fn take_tier(text: &str) -> Option<(Tier, &str)> {
    Tier::ALL.into_iter().find_map(|tier| {
        let rest = text.strip_prefix(tier.name())?.strip_prefix('_')?;
        Some((tier, rest))
    })
}

fn parse_date(tier: Tier, text: &str, hours: bool) -> Option<Slot> {
    let fields: Vec<&str> = text.split('_').collect();
    let (date, hour) = match fields.as_slice() {
        [year, month, day, hour] if hours || tier == Tier::Hourly => {
            ([year, month, day], Some(digits(hour, 2)?))
        }
        [year, month, day] if tier != Tier::Hourly => ([year, month, day], None),
        _ => return None,
    };
    let year = i32::try_from(digits(date[0], 4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, digits(date[1], 2)?, digits(date[2], 2)?)?;
    hour.is_none_or(|hour| hour < 24).then_some(Slot::Dated { date, hour })
}

/// Exactly `width` decimal digits.
fn digits(text: &str, width: usize) -> Option<u32> {
    (text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Whether a text ends the way dated names do: `.._2026_11_21` or `.._2026_11_21_03`.
fn ends_in_date(text: &str) -> bool {
    let fields: Vec<&str> = text.rsplit('_').collect();
    let date = |fields: &[&str]| match fields {
        [day, month, year, ..] => digits(day, 2).and(digits(month, 2)).and(digits(year, 4)).is_some(),
        _ => false,
    };
    date(&fields) || (fields.len() > 3 && digits(fields[0], 2).is_some() && date(&fields[1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(environment: &str) -> Series {
        Series::new(
            &"postgresql".parse().expect("datastore"),
            &environment.parse::<Environment>().expect("environment"),
        )
    }

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().expect("instant")
    }

    #[test]
    fn names_are_those_that_the_checks_of_commcare_cloud_look_for() {
        let at = instant("2026-11-21T03:04:05Z");
        let name = |tier, content, compression| {
            series("production").render(&Name::dated(tier, at, Tz::UTC, content, compression))
        };
        assert_eq!(
            name(Tier::Daily, Content::Archive, Compression::Gzip),
            "postgres_production_daily_2026_11_21.tar.gz"
        );
        assert_eq!(
            name(Tier::Hourly, Content::Script, Compression::Gzip),
            "postgres_production_hourly_2026_11_21_03.gz"
        );
        assert_eq!(
            name(Tier::Weekly, Content::Archive, Compression::Zstd),
            "postgres_production_weekly_2026_11_21.tar.zst"
        );
        let undated =
            Name::dated(Tier::Daily, at, Tz::UTC, Content::Archive, Compression::Gzip).undated("db1");
        assert_eq!(series("production").render(&undated), "postgres_daily_db1.tar.gz");
        assert!(
            "postgres_daily_db1.tar.gz"
                .starts_with(&remote_prefix(&"postgresql".parse().expect("name"), Tier::Daily))
        );
        let couchdb = Series::new(&"couchdb".parse().expect("name"), &"production".parse().expect("name"));
        let dated = Name::dated(Tier::Daily, at, Tz::UTC, Content::Archive, Compression::Gzip);
        assert_eq!(couchdb.render(&dated), "couchdb_daily_2026_11_21.tar.gz");
    }

    #[test]
    fn the_date_is_the_hosts_own() {
        let at = instant("2026-11-21T23:30:00Z");
        let name = Name::dated(Tier::Daily, at, Tz::Asia__Kolkata, Content::Script, Compression::Gzip);
        assert_eq!(series("india").render(&name), "postgres_india_daily_2026_11_22.gz");
    }

    #[test]
    fn old_names_of_the_blob_database_carry_the_hour_in_every_tier() {
        let of = |name: &str| Series::new(&name.parse().expect("name"), &"production".parse().expect("name"));
        let old = "blobdb_daily_2026_11_21_03.tar.gz";
        let name = of("blobdb").parse(old).expect("read");
        let date = NaiveDate::from_ymd_opt(2026, 11, 21).expect("a day");
        assert_eq!((name.tier, &name.slot), (Tier::Daily, &Slot::Dated { date, hour: Some(3) }));
        assert_eq!(of("blobdb").render(&name), old);
        assert!(of("blobdb").parse("blobdb_weekly_2026_11_22.tar.gz").is_some());
        assert_eq!(of("blobdb").parse("blobdb_hourly_2026_11_22.tar.gz"), None);
        assert_eq!(of("couchdb").parse("couchdb_daily_2026_11_21_03.tar.gz"), None);
        // A tree whose name begins as another's goes on.
        assert_eq!(of("files-a").parse("files-a_b_daily_2026_11_21.tar.gz"), None);
    }

    #[test]
    fn what_others_wrote_is_not_ours() {
        for text in [
            "",
            "postgres_production_daily_2026_11_21.tar.gz.manifest.json",
            "postgres_production_daily_2026_11_21.tar.gz.partial",
            "postgres_staging_daily_2026_11_21.tar.gz",
            "postgres_staging_hourly_2026_11_21_03.tar.gz",
            "postgres_production_daily_2026_13_21.tar.gz",
            "postgres_production_monthly_2026_11_21.tar.gz",
            "postgres_production_hourly_2026_11_21.gz",
            "postgres_daily_.tar.gz",
            "postgres_production_daily_2026_11_21",
            "notes.txt",
        ] {
            assert_eq!(series("production").parse(text), None, "{text}");
        }
        // An environment called like a tier shares its names with a host called like a date.
        assert_eq!(series("production").parse("postgres_daily_daily_2026_11_21.tar.gz"), None);
    }

    fn slots() -> impl Strategy<Value = (Tier, Slot)> {
        let tier = prop::sample::select(Tier::ALL.to_vec());
        let dated = (tier.clone(), 0i64..20_000, 0u32..24).prop_map(|(tier, day, hour)| {
            let date = DateTime::UNIX_EPOCH.date_naive() + chrono::TimeDelta::days(day);
            (tier, Slot::Dated { date, hour: (tier == Tier::Hourly).then_some(hour) })
        });
        let host = "[a-zA-Z0-9][a-zA-Z0-9.-]{0,30}";
        let undated = (tier, host).prop_map(|(tier, host)| (tier, Slot::Undated { host }));
        prop_oneof![dated, undated]
    }

    proptest! {
        #[test]
        fn a_name_survives_being_written_and_read(
            environment in "[a-z0-9][a-z0-9_.-]{0,20}",
            (tier, slot) in slots(),
            content in prop::sample::select(vec![Content::Archive, Content::Script]),
            compression in prop::sample::select(vec![Compression::Gzip, Compression::Zstd]),
        ) {
            // A host that ends in `.tar` and a script would be read as an archive: no host does.
            prop_assume!(!matches!(&slot, Slot::Undated { host } if host.ends_with(".tar")));
            let name = Name { tier, slot, content, compression };
            let series = series(&environment);
            prop_assert_eq!(series.parse(&series.render(&name)), Some(name));
        }

        #[test]
        fn any_text_is_read_without_harm(text in "\\PC{0,60}") {
            let series = series("production");
            if let Some(name) = series.parse(&text) {
                prop_assert_eq!(series.render(&name), text);
            }
        }
    }
}
