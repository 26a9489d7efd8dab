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
//! | file and key of a backup that a person labelled | `postgres_ENV_label_TEXT_HOST_2026_11_21_0315.tar.gz` |
//!
//! Other datastores leave `ENV_` out. commcare-cloud's own names of the blob database carry the hour in every tier: they
//! are read, and never written. `.tar` is there for an archive and absent for a script; `.zst` takes the place of
//! `.gz` with zstd.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike, Utc};
use chrono_tz::Tz;

use super::job_file::Compression;
use crate::vocab::{Datastore, Environment, Label, Occasion, Tier};

/// What the bytes are once unpacked; decides the name's ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// A tar archive: `.tar.gz`.
    Archive,
    /// One file, such as SQL: `.gz`.
    Script,
}

/// What tells one backup from the next.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The local date on the host that made it; the hour only for the hourly tier.
    Dated { tier: Tier, date: NaiveDate, hour: Option<u32> },
    /// Nothing but the host's own name: the storage keeps the versions apart.
    Undated { tier: Tier, host: String },
    /// What a person called it, and the local minute: of no tier, and never the name of another. In the host's name `-`
    /// stands for `_`, which keeps the parts apart.
    Labelled { label: Label, host: String, at: NaiveDateTime },
}

/// One backup's name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
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
        Name { slot: Slot::Dated { tier, date: local.date_naive(), hour }, content, compression }
    }

    /// The name of a backup that begins at `at` on `host`, whatever it is made for.
    pub fn of(
        occasion: &Occasion,
        host: &str,
        at: DateTime<Utc>,
        zone: Tz,
        content: Content,
        compression: Compression,
    ) -> Self {
        let label = match occasion {
            Occasion::Tier(tier) => return Name::dated(*tier, at, zone, content, compression),
            Occasion::Label { label, .. } => label.clone(),
        };
        let local = at.with_timezone(&zone).naive_local();
        let at = local.with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap_or(local);
        Name { slot: Slot::Labelled { label, host: in_label(host), at }, content, compression }
    }

    /// The same backup under the key that only its host tells apart. A labelled one has one key alone.
    pub fn undated(&self, host: impl Into<String>) -> Self {
        let slot = match &self.slot {
            Slot::Dated { tier, .. } | Slot::Undated { tier, .. } => {
                Slot::Undated { tier: *tier, host: host.into() }
            }
            labelled @ Slot::Labelled { .. } => labelled.clone(),
        };
        Name { slot, ..self.clone() }
    }

    /// `None` of a labelled one: no schedule promised it, and none lets it go.
    pub fn tier(&self) -> Option<Tier> {
        match &self.slot {
            Slot::Dated { tier, .. } | Slot::Undated { tier, .. } => Some(*tier),
            Slot::Labelled { .. } => None,
        }
    }

    pub fn label(&self) -> Option<&Label> {
        match &self.slot {
            Slot::Labelled { label, .. } => Some(label),
            Slot::Dated { .. } | Slot::Undated { .. } => None,
        }
    }

    /// The host in the name, as it stands there; dated ones have none.
    pub fn host(&self) -> Option<&str> {
        match &self.slot {
            Slot::Undated { host, .. } | Slot::Labelled { host, .. } => Some(host),
            Slot::Dated { .. } => None,
        }
    }

    /// Whether only that host gives this name.
    pub fn is_of_host(&self, host: &str) -> bool {
        match &self.slot {
            Slot::Undated { host: own, .. } => own == host,
            Slot::Labelled { host: own, .. } => *own == in_label(host),
            Slot::Dated { .. } => false,
        }
    }
}

/// A host's name as it stands in labelled names.
fn in_label(host: &str) -> String {
    host.replace('_', "-")
}

/// What labelled names have where others have their tier.
const LABELLED: &str = "label";

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
            Slot::Dated { tier, date, hour } => {
                let hour = hour.map(|hour| format!("_{hour:02}")).unwrap_or_default();
                format!("{}{tier}_{}{hour}", self.dated, day(*date))
            }
            Slot::Undated { tier, host } => format!("{}{tier}_{host}", self.family),
            Slot::Labelled { label, host, at } => {
                let (date, hour, minute) = (day(at.date()), at.hour(), at.minute());
                format!("{}{LABELLED}_{label}_{host}_{date}_{hour:02}{minute:02}", self.dated)
            }
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
            let (date, hour) = parse_date(tier, date, self.hours)?;
            Some(Slot::Dated { tier, date, hour })
        };
        let undated = || {
            let (tier, host) = take_tier(stem.strip_prefix(&self.family)?)?;
            // Without this another environment's dated names would read as those of a strange host.
            (!host.is_empty() && !ends_in_date(host)).then(|| Slot::Undated { tier, host: host.to_owned() })
        };
        let labelled = || parse_label(stem.strip_prefix(&self.dated)?);
        let slot = dated().or_else(undated).or_else(labelled)?;
        Some(Name { slot, content, compression })
    }

    /// The same of a file on a disk: one without a date no job writes there. It may be a copy of a key that somebody fetched,
    /// or theirs altogether.
    pub fn parse_file(&self, text: &str) -> Option<Name> {
        self.parse(text).filter(|name| !matches!(name.slot, Slot::Undated { .. }))
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

/// `2026_11_21`.
fn day(date: NaiveDate) -> String {
    format!("{:04}_{:02}_{:02}", date.year(), date.month(), date.day())
}

fn parse_day(year: &str, month: &str, day: &str) -> Option<NaiveDate> {
    let year = i32::try_from(digits(year, 4)?).ok()?;
    NaiveDate::from_ymd_opt(year, digits(month, 2)?, digits(day, 2)?)
}

/// `label_TEXT_HOST_2026_11_21_0315`, neither more parts nor fewer: no environment's and no datastore's name makes it
/// another's.
fn parse_label(text: &str) -> Option<Slot> {
    let fields: Vec<&str> = text.split('_').collect();
    let [LABELLED, label, host, year, month, day, time] = fields.as_slice() else { return None };
    let time = digits(time, 4)?;
    let at = parse_day(year, month, day)?.and_hms_opt(time / 100, time % 100, 0)?;
    let label = label.parse().ok()?;
    (!host.is_empty()).then(|| Slot::Labelled { label, host: (*host).to_owned(), at })
}

fn parse_date(tier: Tier, text: &str, hours: bool) -> Option<(NaiveDate, Option<u32>)> {
    let fields: Vec<&str> = text.split('_').collect();
    let (date, hour) = match fields.as_slice() {
        [year, month, day, hour] if hours || tier == Tier::Hourly => {
            ([year, month, day], Some(digits(hour, 2)?))
        }
        [year, month, day] if tier != Tier::Hourly => ([year, month, day], None),
        _ => return None,
    };
    let date = parse_day(date[0], date[1], date[2])?;
    hour.is_none_or(|hour| hour < 24).then_some((date, hour))
}

/// Exactly `width` decimal digits.
fn digits(text: &str, width: usize) -> Option<u32> {
    (text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Whether a text ends the way dated names do: `.._2026_11_21`, `.._2026_11_21_03` or `.._2026_11_21_0315`.
fn ends_in_date(text: &str) -> bool {
    let fields: Vec<&str> = text.rsplit('_').collect();
    let date = |fields: &[&str]| match fields {
        [day, month, year, ..] => digits(day, 2).and(digits(month, 2)).and(digits(year, 4)).is_some(),
        _ => false,
    };
    let is_time = |text: &str| digits(text, 2).or_else(|| digits(text, 4)).is_some();
    date(&fields) || (fields.len() > 3 && is_time(fields[0]) && date(&fields[1..]))
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
    fn a_file_of_ours_has_a_date() {
        let couchdb = Series::new(&"couchdb".parse().expect("name"), &"production".parse().expect("name"));
        for key in ["couchdb_daily_db1.tar.gz", "couchdb_daily_2026_11_21_keep.tar.gz"] {
            assert!(couchdb.parse(key).is_some(), "{key}");
            assert_eq!(couchdb.parse_file(key), None, "{key}");
        }
        for file in ["couchdb_daily_2026_11_21.tar.gz", "couchdb_label_x_db1_2026_11_21_0845.tar.gz"] {
            assert!(couchdb.parse_file(file).is_some(), "{file}");
            assert_eq!(couchdb.parse_file(file), couchdb.parse(file));
        }
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
        assert_eq!(name.slot, Slot::Dated { tier: Tier::Daily, date, hour: Some(3) });
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

    #[test]
    fn a_labelled_backup_has_a_name_that_no_tier_has() {
        let at = instant("2026-11-21T03:15:59Z");
        let before = Occasion::Label { label: "before-2.1".parse().expect("a label"), keep_until: None };
        let name = |host| Name::of(&before, host, at, Tz::Asia__Kolkata, Content::Archive, Compression::Gzip);
        let text = series("production").render(&name("db_1"));
        assert_eq!(text, "postgres_production_label_before-2.1_db-1_2026_11_21_0845.tar.gz");
        assert_eq!(series("production").parse(&text), Some(name("db_1")));
        assert!(name("db_1").is_of_host("db_1") && !name("db_1").is_of_host("db2"));
        assert_eq!((name("db1").tier(), name("db1").undated("x")), (None, name("db1")));
        // Whatever environments and datastores are called.
        for other in ["prod", "production_label", "production_label_x", "label", "daily"] {
            assert_eq!(series(other).parse(&text), None, "{other}");
        }
        let files =
            |name: &str| Series::new(&name.parse().expect("name"), &"production".parse().expect("name"));
        for other in ["files-a_label", "files-a_label_x", "files-a_daily"] {
            let text = files(other).render(&name("db1"));
            assert_eq!(files("files-a").parse(&text), None, "{text}");
            assert_eq!(files(other).parse(&text), Some(name("db1")));
        }
        let odd = series("daily").render(&name("db1"));
        assert_eq!(series("production").parse(&odd), None, "{odd} is no host's undated one");
        for wrong in ["before upgrade", "a_b", "-a", "", "a/b", "\u{e4}", "$(x)", "a".repeat(41).as_str()] {
            assert!(wrong.parse::<Label>().is_err(), "{wrong}");
        }
    }

    fn slots() -> impl Strategy<Value = Slot> {
        let tier = prop::sample::select(Tier::ALL.to_vec());
        let dated = (tier.clone(), 0i64..20_000, 0u32..24).prop_map(|(tier, day, hour)| {
            let date = DateTime::UNIX_EPOCH.date_naive() + chrono::TimeDelta::days(day);
            Slot::Dated { tier, date, hour: (tier == Tier::Hourly).then_some(hour) }
        });
        let host = "[a-zA-Z0-9][a-zA-Z0-9.-]{0,30}";
        let undated = (tier, host).prop_map(|(tier, host)| Slot::Undated { tier, host });
        let label = "[a-zA-Z0-9][a-zA-Z0-9.-]{0,39}";
        let labelled = (label, host, 0i64..30_000_000).prop_map(|(label, host, minute)| {
            let at = DateTime::UNIX_EPOCH.naive_utc() + chrono::TimeDelta::minutes(minute);
            Slot::Labelled { label: label.parse().expect("a label"), host, at }
        });
        prop_oneof![dated, undated, labelled]
    }

    proptest! {
        #[test]
        fn a_name_survives_being_written_and_read(
            environment in "[a-z0-9][a-z0-9_.-]{0,20}",
            slot in slots(),
            content in prop::sample::select(vec![Content::Archive, Content::Script]),
            compression in prop::sample::select(vec![Compression::Gzip, Compression::Zstd]),
        ) {
            // A host that ends in `.tar` and a script would be read as an archive: no host does.
            prop_assume!(!matches!(&slot, Slot::Undated { host, .. } if host.ends_with(".tar")));
            let name = Name { slot, content, compression };
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
