//! Databases, directory trees and services of dokku.

use super::read::{Reader, objectives};
use super::{Database, Dokku, Files, LongTerm, OffSystem, Window};
use crate::settings::backups;
use crate::settings::checks::table;
use crate::settings::values::shown;
use crate::vocab::{BucketName, Tier};

/// A backup window of RDS is at least this long
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.BackupWindow.html>).
const LEAST_MINUTES: u32 = 30;
const DAY: u32 = 24 * 60;

pub(super) fn databases(reader: &mut Reader<'_>, list: &[backups::Database]) -> Vec<Database> {
    let one = |(at, file): (usize, &backups::Database)| {
        let index = at.to_string();
        let path = |member: &'static str| ["databases", &index, member].map(str::to_owned);
        identifier(reader, &path("identifier"), &file.identifier);
        let window = file.window.as_deref().and_then(|text| window(reader, &refs(&path("window")), text));
        let long_term = file.long_term.as_ref().map(|file| LongTerm {
            weekly: file.weekly,
            monthly: file.monthly,
            region: file.region.as_deref().and_then(|region| {
                reader.name(table::BAD_REGION, &["databases", &index, "long_term", "region"], region)
            }),
        });
        let off_system = file.off_system.as_ref().and_then(|file| off_system(reader, &index, file));
        Database {
            at,
            identifier: file.identifier.clone(),
            window,
            retention_days: file.retention_days,
            deletion_protection: file.deletion_protection,
            copy_tags: file.copy_tags,
            long_term,
            off_system,
            objectives: objectives(file.objectives.as_ref()),
        }
    };
    list.iter().enumerate().map(one).collect()
}

fn refs(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>: 1 to 63 letters, digits and
/// hyphens, a letter first, no hyphen at the end and no two in a row.
fn identifier(reader: &mut Reader<'_>, path: &[String], text: &str) {
    let is_good = (1..=63).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with('-')
        && !text.contains("--");
    if !is_good {
        let message = format!("`{}` cannot be a database of RDS", shown(text));
        let problem = reader.problem(table::BAD_NAME, &refs(path), message);
        problem.label = Some("must be letters, digits and single hyphens, a letter first".to_owned());
    }
}

fn window(reader: &mut Reader<'_>, path: &[&str], text: &str) -> Option<Window> {
    let minute = |text: &str| -> Option<u32> {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let ends = text.trim().split_once('-').map(|(start, end)| (minute(start), minute(end)));
    let Some((Some(start), Some(end))) = ends else {
        let message = format!("`{}` is no time of day, so AWS would refuse it", shown(text));
        reader.problem(table::BAD_WINDOW, path, message).label = Some("hours are 00 to 23".to_owned());
        return None;
    };
    let length = (end + DAY - start) % DAY;
    if length < LEAST_MINUTES {
        let message = format!("a window of {length} minutes is too short: AWS refuses less than 30");
        let later = (start + LEAST_MINUTES) % DAY;
        let time = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        reader.problem(table::BAD_WINDOW, path, message).label =
            Some(format!("such as \"{}-{}\"", time(start), time(later)));
        return None;
    }
    Some(Window { start, end })
}

fn off_system(reader: &mut Reader<'_>, index: &str, file: &backups::OffSystem) -> Option<OffSystem> {
    let around = ["databases", index, "off_system"];
    let at = |members: &[&'static str]| -> Vec<String> {
        around.iter().chain(members).map(|part| (*part).to_owned()).collect()
    };
    let schedule = reader.schedule(&refs(&at(&["schedule"])), &file.schedule.0);
    let hosts = reader.hosts(&refs(&at(&["hosts"])), &file.hosts);
    let ssh = file.reach.as_ref().and_then(|reach| reach.ssh.as_deref());
    let reach_over = ssh.and_then(|host| reader.name(table::BAD_NAME, &refs(&at(&["reach", "ssh"])), host));
    let copy_to = file.copy_to.as_ref().and_then(|copy| {
        let bucket: BucketName = reader.bucket(&refs(&at(&["copy_to", "bucket"])), &copy.bucket)?;
        Some((bucket, copy.credentials.clone()))
    });
    Some(OffSystem {
        hosts,
        schedule: schedule?,
        reach_over,
        instance_class: file.instance_class.clone(),
        keep_days: file.keep_days,
        exclude_table_data: file.exclude_table_data.clone(),
        copy_to,
        checks: file.verify.as_ref().map(|verify| verify.checks.clone()).unwrap_or_default(),
    })
}

pub(super) fn files(reader: &mut Reader<'_>, list: &[backups::Files]) -> Vec<Files> {
    let one = |(at, file): (usize, &backups::Files)| {
        let index = at.to_string();
        let around = ["files", index.as_str()];
        let path = |member: &'static str| [around[0], around[1], member];
        let hosts = reader.hosts(&path("hosts"), &file.hosts);
        let (host, source) = file.tree();
        let source_host =
            host.and_then(|host| reader.name(table::BAD_NAME, &["files", &index, "source", "host"], host));
        let source = match host {
            None => reader.path(&path("source"), source),
            Some(_) => reader.path(&["files", &index, "source", "path"], source),
        };
        let bucket = file.bucket.as_deref().and_then(|bucket| reader.bucket(&path("bucket"), bucket));
        let schedule = reader.schedule(&path("schedule"), &file.schedule.0);
        let directory = file.dir.as_deref().and_then(|dir| reader.path(&path("dir"), dir));
        let user = file.user.as_deref().and_then(|user| reader.name(table::BAD_NAME, &path("user"), user));
        tree_name(reader, &path("name"), &file.name);
        exclusions(reader, &index, &file.exclude);
        Some(Files {
            at,
            name: file.name.clone(),
            hosts,
            source_host,
            source: source?,
            exclude: file.exclude.clone(),
            schedule: schedule?,
            keep_days: file.keep_days,
            bucket,
            directory,
            user,
            objectives: objectives(file.objectives.as_ref()),
        })
    };
    list.iter().enumerate().filter_map(one).collect()
}

/// `files-a_daily` would read the backups of `files-a` as its own.
fn tree_name(reader: &mut Reader<'_>, path: &[&str], name: &str) {
    if let Some(tier) = Tier::ALL.iter().find(|tier| name.ends_with(&format!("_{tier}"))) {
        let message = format!("`{}` ends as the names of {tier} backups go on", shown(name));
        reader.problem(table::BAD_NAME, path, message).label = Some("such as media".to_owned());
    }
}

/// What could mean nothing in the tree, or something outside of it.
fn exclusions(reader: &mut Reader<'_>, index: &str, exclude: &[String]) {
    for (at, text) in exclude.iter().enumerate() {
        let at = at.to_string();
        let why = match text.trim_matches('/') {
            "" => "it names the whole tree, or nothing",
            _ if text.chars().any(char::is_control) => "it holds a control character",
            inner if inner.split('/').any(|part| matches!(part, "" | "." | "..")) => {
                "it must be a path below the source as it is, without `.`, `..` and `//`"
            }
            _ => continue,
        };
        let message = format!("`{}` cannot be left out: {why}", shown(text));
        reader.problem(table::BAD_PATH, &["files", index, "exclude", &at], message).label =
            Some("such as /cache".to_owned());
    }
}

pub(super) fn dokku(reader: &mut Reader<'_>, list: &[backups::Dokku]) -> Vec<Dokku> {
    let one = |(at, file): (usize, &backups::Dokku)| {
        let index = at.to_string();
        let path = |member: &'static str| ["dokku".to_owned(), index.clone(), member.to_owned()];
        let hosts = reader.hosts(&refs(&path("hosts")), &file.hosts);
        let schedule = reader.schedule(&refs(&path("schedule")), &file.schedule.0);
        let bucket = reader.bucket(&refs(&path("bucket")), &file.bucket);
        Some(Dokku {
            at,
            service: file.service.clone(),
            hosts,
            schedule: schedule?,
            bucket: bucket?,
            use_iam: file.use_iam.unwrap_or(false),
            objectives: objectives(file.objectives.as_ref()),
        })
    };
    list.iter().enumerate().filter_map(one).collect()
}
