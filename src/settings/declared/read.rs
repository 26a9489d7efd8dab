//! From the shape of `backups:` to what it declares: names, paths, times and addresses parsed, each mistake with its
//! place. An item with a mistake is left out; the load has failed by then, and the rest is judged without it.

use std::str::FromStr;

use super::{Declared, Direct, DirectElasticsearch, Objectives, access, alerts, names, proofs, sources};
use crate::datastores::postgresql::settings::Method;
use crate::settings::backups::{self, BackupsFile, KeepLocally, MethodFile};
use crate::settings::checks::table;
use crate::settings::shape::Places;
use crate::settings::source::{Mark, Source};
use crate::settings::values::{self, Mistake, shown};
use crate::vocab::{BucketName, Check, Place, Problem, Schedule};

/// Reads a tree of the right shape.
pub fn read(source: &Source, file: &BackupsFile, places: &Places) -> (Declared, Vec<Problem>) {
    let mut reader = Reader { source, places, problems: Vec::new() };
    let declared = Declared {
        break_glass: access::break_glass(&mut reader, file.break_glass.as_deref().unwrap_or_default()),
        adopt: names::adopted(&mut reader, file),
        previous_names: names::previous(
            &mut reader,
            "previous_names",
            table::BAD_NAME,
            file.previous_names.as_deref().unwrap_or_default(),
        ),
        previous_buckets: names::previous(
            &mut reader,
            "previous_buckets",
            table::BAD_BUCKET_NAME,
            file.previous_buckets.as_deref().unwrap_or_default(),
        ),
        objectives: objectives(file.objectives.as_ref()),
        identities: access::identities(&mut reader, file.identities.as_deref().unwrap_or_default()),
        databases: sources::databases(&mut reader, file.databases.as_deref().unwrap_or_default()),
        files: sources::files(&mut reader, file.files.as_deref().unwrap_or_default()),
        dokku: sources::dokku(&mut reader, file.dokku.as_deref().unwrap_or_default()),
        verify: proofs::proofs(&mut reader, file),
        services: proofs::services(&mut reader, file),
        alerts: file.alerts.as_ref().map(|alerts| alerts::alerts(&mut reader, alerts)),
        postgresql: file.postgresql.as_ref().and_then(|file| postgresql(&mut reader, file)),
        couchdb: file.couchdb.as_ref().and_then(|file| tree(&mut reader, "couchdb", file)),
        blobdb: file.blobdb.as_ref().and_then(|file| tree(&mut reader, "blobdb", file)),
        elasticsearch: file.elasticsearch.as_ref().and_then(|file| elasticsearch(&mut reader, file)),
    };
    names::told_twice(&mut reader, file);
    (declared, reader.problems)
}

/// Where mistakes go, with the places that they point at.
pub(super) struct Reader<'a> {
    source: &'a Source,
    places: &'a Places,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(super) fn problem(
        &mut self,
        check: Check,
        path: &[&str],
        message: impl Into<String>,
    ) -> &mut Problem {
        let mark = self.places.value(path);
        self.at(check, &mark, path, message.into())
    }

    /// Whether some of what is below a path was wrong, so that the whole says nothing.
    pub(super) fn is_partial(&self, path: &[&str]) -> bool {
        self.places.is_partial(path)
    }

    /// Where a value stands.
    pub(super) fn place(&self, path: &[&str]) -> Place {
        self.source.place(&self.places.value(path))
    }

    /// The line of a value.
    pub(super) fn line(&self, path: &[&str]) -> u32 {
        self.places.value(path).line
    }

    fn at(&mut self, check: Check, mark: &Mark, path: &[&str], message: String) -> &mut Problem {
        let key = format!("backups.{}", path.join("."));
        self.problems.push(self.source.problem(check, mark, message).at_key(key));
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    fn mistake(&mut self, path: &[&str], mistake: Mistake) {
        let problem = self.problem(mistake.check, path, mistake.message);
        problem.label = mistake.label;
        problem.help = mistake.help;
    }

    /// A name of one of the checked kinds.
    pub(super) fn name<T>(&mut self, check: Check, path: &[&str], text: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        match text.trim().parse() {
            Ok(name) => Some(name),
            Err(why) => {
                self.problem(check, path, format!("`{}` cannot be used: {why}", shown(text)));
                None
            }
        }
    }

    pub(super) fn bucket(&mut self, path: &[&str], text: &str) -> Option<BucketName> {
        self.name(table::BAD_BUCKET_NAME, path, text)
    }

    pub(super) fn path(&mut self, path: &[&str], text: &str) -> Option<String> {
        match values::path(text.trim()) {
            Ok(value) => value.as_text().map(str::to_owned),
            Err(mistake) => {
                self.mistake(path, mistake);
                None
            }
        }
    }

    pub(super) fn addresses(&mut self, path: &[&str], text: &str) -> Vec<String> {
        match values::addresses(text) {
            Ok(value) => {
                value.as_text().map_or_else(Vec::new, |text| text.split(',').map(str::to_owned).collect())
            }
            Err(mistake) => {
                self.mistake(path, mistake);
                Vec::new()
            }
        }
    }

    /// Five fields that fire on some day.
    pub(super) fn schedule(&mut self, path: &[&str], text: &str) -> Option<Schedule> {
        let schedule: Schedule = match text.parse() {
            Ok(schedule) => schedule,
            Err(why) => {
                let problem = self.problem(table::BAD_SCHEDULE, path, one_line(&why.to_string()));
                problem.help = clock_time(text)
                    .map(|(hour, minute)| format!("every day at that time is \"{minute} {hour} * * *\""));
                return None;
            }
        };
        // Any instant will do: the calendar repeats, and leap years come within eight years.
        let from = chrono::DateTime::from_timestamp(1_700_000_000, 0)?;
        if schedule.next(from, chrono_tz::Tz::UTC, 1).is_empty() {
            self.problem(
                table::NEVER_FIRES,
                path,
                format!("`{schedule}` names a day that never comes, so nothing would ever run"),
            );
            return None;
        }
        Some(schedule)
    }

    /// Groups or hosts; words, at least one.
    pub(super) fn hosts(&mut self, path: &[&str], hosts: &[String]) -> Vec<String> {
        let mut read = Vec::new();
        for (index, host) in hosts.iter().enumerate() {
            let index = index.to_string();
            let path: Vec<&str> = path.iter().copied().chain([index.as_str()]).collect();
            let is_word = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
            if host.is_empty() || !host.chars().all(is_word) {
                self.problem(table::BAD_NAME, &path, format!("`{}` is no group and no host", shown(host)));
            } else {
                read.push(host.clone());
            }
        }
        read
    }
}

/// Messages are one line; a library may have more to say.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `16:30` as hour and minute.
fn clock_time(text: &str) -> Option<(u32, u32)> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}

/// A duration of the right shape.
fn duration(text: &backups::Duration) -> Option<chrono::TimeDelta> {
    let (count, unit) = text.0.split_at_checked(text.0.len().checked_sub(1)?)?;
    let count = count.parse::<i64>().ok()?;
    match unit {
        "m" => chrono::TimeDelta::try_minutes(count),
        "h" => chrono::TimeDelta::try_hours(count),
        "d" => chrono::TimeDelta::try_days(count),
        _ => chrono::TimeDelta::try_weeks(count),
    }
}

pub(super) fn objectives(file: Option<&backups::Objectives>) -> Objectives {
    let Some(file) = file else { return Objectives::default() };
    Objectives {
        recovery_point: file.recovery_point.as_ref().and_then(duration),
        verified_within: file.verified_within.as_ref().and_then(duration),
    }
}

fn postgresql(reader: &mut Reader<'_>, file: &backups::DirectPostgresql) -> Option<Direct> {
    let parts = Parts {
        dir: file.dir.as_deref(),
        source: None,
        keep: file.keep,
        schedule: file.schedule.as_ref().map(|schedule| schedule.0.as_str()),
        bucket: file.bucket.as_deref(),
    };
    let method = match file.method {
        MethodFile::Plain => Method::Plain,
        MethodFile::Dump => Method::Dump,
    };
    let direct = direct(reader, "postgresql", &file.hosts, &parts)?;
    Some(Direct { method: Some(method), objectives: objectives(file.objectives.as_ref()), ..direct })
}

fn tree(reader: &mut Reader<'_>, name: &str, file: &backups::DirectTree) -> Option<Direct> {
    let parts = Parts {
        dir: file.dir.as_deref(),
        source: file.source.as_deref(),
        keep: file.keep,
        schedule: file.schedule.as_ref().map(|schedule| schedule.0.as_str()),
        bucket: file.bucket.as_deref(),
    };
    let direct = direct(reader, name, &file.hosts, &parts)?;
    Some(Direct { objectives: objectives(file.objectives.as_ref()), ..direct })
}

struct Parts<'a> {
    dir: Option<&'a str>,
    source: Option<&'a str>,
    keep: KeepLocally,
    schedule: Option<&'a str>,
    bucket: Option<&'a str>,
}

/// `None` where a part is wrong.
fn direct(reader: &mut Reader<'_>, name: &str, hosts: &[String], parts: &Parts<'_>) -> Option<Direct> {
    let before = reader.problems.len();
    let KeepLocally { hourly, daily, weekly } = parts.keep;
    let direct = Direct {
        hosts: reader.hosts(&[name, "hosts"], hosts),
        method: None,
        source: parts.source.and_then(|path| reader.path(&[name, "source"], path)),
        directory: parts.dir.and_then(|path| reader.path(&[name, "dir"], path)),
        hours: hourly,
        days: daily,
        weeks: weekly,
        at: parts.schedule.and_then(|schedule| time_of_day(reader, &[name, "schedule"], schedule)),
        bucket: parts.bucket.and_then(|bucket| reader.bucket(&[name, "bucket"], bucket)),
        objectives: Objectives::default(),
    };
    (reader.problems.len() == before).then_some(direct)
}

/// The tiers have their days already: daily from Monday to Saturday, weekly on Sunday.
fn time_of_day(reader: &mut Reader<'_>, path: &[&str], text: &str) -> Option<(u32, u32)> {
    let schedule = reader.schedule(path, text)?;
    let daily = match schedule.as_str() {
        "@daily" | "@midnight" => "0 0 * * *",
        other => other,
    };
    let fields: Vec<&str> = daily.split(' ').collect();
    if let [minute, hour, "*", "*", "*"] = fields.as_slice()
        && let (Ok(minute), Ok(hour)) = (minute.parse(), hour.parse())
    {
        return Some((minute, hour));
    }
    let message = "the daily backup runs from Monday to Saturday and the weekly one on Sunday, \
                   so only a minute and an hour can be chosen";
    reader.problem(table::BAD_SCHEDULE, path, message).label = Some("such as \"30 16 * * *\"".to_owned());
    None
}

fn elasticsearch(
    reader: &mut Reader<'_>,
    file: &backups::DirectElasticsearch,
) -> Option<DirectElasticsearch> {
    let name = "elasticsearch";
    let hosts = reader.hosts(&[name, "hosts"], &file.hosts);
    let bucket = reader.bucket(&[name, "bucket"], &file.bucket);
    let schedule = match &file.schedule {
        Some(schedule) => Some(reader.schedule(&[name, "schedule"], &schedule.0)?),
        None => None,
    };
    Some(DirectElasticsearch {
        hosts,
        bucket: bucket?,
        url: file.url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
        repository: file.repository.clone(),
        keep_days: file.keep_days,
        schedule,
        objectives: objectives(file.objectives.as_ref()),
    })
}
