//! `show settings`: every flat key with its effective value and where that came from, and what each datastore's
//! settings come to.

use serde_json::Value as Json;

use super::documents;
use super::documents::settings::{Datastore, Setting, TierDocument};
use super::text::{BOLD, DIM, WIDTH, broken, harmless, one_line, styled};
use crate::settings::summary::{DatastoreSummary, TierSummary};
use crate::settings::{Effective, Origin, Settings, Unsupported};
use crate::vocab::Value;

/// As wide as the longest key, `elasticsearch_backup_days`.
const KEY_COLUMN: usize = 25;
/// Members of a bucket have longer names.
const WIDE_COLUMN: usize = 29;
/// Where places begin, unless a long value pushes them on.
const PLACE_COLUMN: usize = 63;

/// `reconcile.settings/1`.
pub fn json(settings: &Settings) -> Json {
    let flat = settings.flat.iter().map(|(name, one)| ((*name).to_owned(), one));
    let below = settings.backups.values.iter().map(|(path, one)| (path.clone(), one));
    let datastores = settings.datastores();
    documents::json(&documents::settings::Settings {
        format: documents::settings::FORMAT,
        environment: settings.environment.to_string(),
        settings: flat
            .chain(below)
            .map(|(name, one)| (name, Setting { value: one.value.to_json(), from: from(one) }))
            .collect(),
        datastores: datastores.iter().map(|one| (one.name.clone(), datastore(one))).collect(),
    })
}

fn from(one: &Effective) -> String {
    match &one.from {
        Origin::Written(place) => place.to_string(),
        Origin::Default => "default".to_owned(),
    }
}

fn datastore(one: &DatastoreSummary) -> Datastore {
    let tier = |tier: &TierSummary| TierDocument {
        tier: tier.tier,
        schedule: tier.schedule.clone(),
        keep: tier.keep.clone(),
    };
    Datastore {
        enabled: one.enabled,
        hosts: one.hosts.iter().map(ToString::to_string).collect(),
        method: one.method,
        user: one.user.clone(),
        dir: one.dir.clone(),
        source_dir: one.source_dir.clone(),
        s3: one.s3,
        bucket: one.bucket.clone(),
        days: one.days,
        weeks: one.weeks,
        hours: one.hours,
        hourly: one.hourly,
        tiers: one.tiers.iter().map(tier).collect(),
        problems: if one.has_no_host() { vec!["no-host"] } else { Vec::new() },
    }
}

/// The same for people: what runs where first, then every key that is written, then the defaults.
pub fn text(settings: &Settings) -> String {
    let mut text = format!("environment {}\n", styled(BOLD, &settings.environment));
    let (on, off): (Vec<_>, Vec<_>) = settings.datastores().into_iter().partition(|one| one.enabled);
    on.iter().for_each(|one| text.push_str(&summary(one)));
    if !off.is_empty() {
        let names: Vec<&str> = off.iter().map(|one| one.name.as_str()).collect();
        text.push_str(&format!("\n{:<14} {}\n", "off", names.join(", ")));
    }
    let flat = settings.flat.iter().map(|(name, one)| (*name, one));
    let (written, defaults): (Vec<_>, Vec<_>) = flat.partition(|(_, one)| one.from != Origin::Default);
    if !written.is_empty() {
        text.push_str(&format!("\n{}\n", styled(BOLD, "written")));
        text.push_str(&table(&written, KEY_COLUMN));
    }
    if !settings.backups.values.is_empty() {
        text.push_str(&format!("\n{}\n", styled(BOLD, "below backups")));
        text.push_str(&below_backups(settings));
    }
    text.push_str(&format!("\n{}\n", styled(BOLD, "by default")));
    text.push_str(&table(&defaults, KEY_COLUMN));
    if !settings.unsupported.is_empty() {
        text.push('\n');
        text.push_str(&unsupported(&settings.unsupported));
    }
    text
}

/// The values below `backups:`, those of one bucket or one other key under their common path.
fn below_backups(settings: &Settings) -> String {
    let mut text = String::new();
    let (mut last, mut rows) = ("", Vec::new());
    for (path, one) in &settings.backups.values {
        let path = path.strip_prefix("backups.").unwrap_or(path);
        let (group, name) = grouped(path, settings);
        if group != last {
            text.push_str(&table(&std::mem::take(&mut rows), WIDE_COLUMN));
            text.push_str(&format!("  {}\n", one_line(group)));
            last = group;
        }
        let indent = if group.is_empty() { "" } else { "  " };
        rows.push((format!("{indent}{name}"), one));
    }
    text + &table(&rows, WIDE_COLUMN)
}

/// `buckets.NAME` and the rest, `alerts` and the rest; nothing and the whole where there is one word.
fn grouped<'a>(path: &'a str, settings: &Settings) -> (&'a str, &'a str) {
    // A bucket's name may hold dots, and begin like another's.
    let bucket = path.strip_prefix("buckets.").and_then(|rest| {
        let names = settings.backups.buckets.keys().map(|name| name.as_str());
        let is_it = |name: &&str| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        names.filter(is_it).map(|name| "buckets.".len() + name.len()).max()
    });
    let end = bucket.or_else(|| path.find('.'));
    match end.and_then(|end| Some((path.get(..end)?, path.get(end + 1..)?))) {
        Some(parts) => parts,
        None => ("", path),
    }
}

/// Settings that are understood and not carried out; empty where there are none.
pub fn unsupported(list: &[Unsupported]) -> String {
    if list.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", styled(BOLD, "not carried out by this version"));
    for one in list {
        let place = harmless(&one.place.to_string());
        text.push_str(&format!(
            "  {:<27} {place}\n      {}\n",
            harmless(&one.key),
            broken(&one.why, 6, 6).replace('\n', "\n      ")
        ));
    }
    text
}

fn summary(one: &DatastoreSummary) -> String {
    let hosts = match one.hosts.as_slice() {
        [] => ", but no host runs it".to_owned(),
        hosts => " on ".to_owned() + &hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let method = one.method.map_or_else(String::new, |method| format!("{method}, "));
    let mut text = format!("\n{:<14} {method}as {}{hosts}\n", one.name, one.user);
    if let Some(dir) = &one.dir {
        if let Some(source) = &one.source_dir {
            text.push_str(&format!("  {:<12} {source}\n", "source"));
        }
        text.push_str(&format!("  {:<12} {dir}\n", "directory"));
    }
    let used = one.bucket.as_deref().filter(|_| one.s3);
    let bucket = used.unwrap_or("none: the backups stay on the host alone");
    text.push_str(&format!("  {:<12} {bucket}\n", "bucket"));
    for tier in &one.tiers {
        text.push_str(&format!("  {:<12} {:<24} kept {}\n", tier.tier.name(), tier.schedule, tier.keep));
    }
    text
}

/// Keys, values and places in columns. All places lie in the environment's folder, so their file's name is enough.
fn table<N: AsRef<str>>(rows: &[(N, &Effective)], column: usize) -> String {
    let row = |(name, one): &(N, &Effective)| {
        let (name, mut text) = (one_line(name.as_ref()), String::new());
        let mut line = format!("  {name:<column$} {}", one_line(&shown(&one.value)));
        // A long path stands alone, its value in the column of the others.
        if name.chars().count() > column {
            text = format!("  {name}\n");
            line = format!("  {:<column$} {}", "", one_line(&shown(&one.value)));
        }
        if let Origin::Written(place) = &one.from {
            let place = one_line(&place.to_string());
            let place = place.rsplit('/').next().unwrap_or(&place);
            // At the right edge; below a value that leaves no room.
            let taken = line.chars().count();
            let needed = place.chars().count() + 2;
            let gap = match WIDTH.checked_sub(needed) {
                Some(free) if taken <= free => (PLACE_COLUMN.min(free + 2)).max(taken + 2) - taken,
                _ => {
                    line.push('\n');
                    PLACE_COLUMN
                }
            };
            line.push_str(&format!("{}{}", " ".repeat(gap), styled(DIM, place)));
        }
        text + &line + "\n"
    };
    rows.iter().map(row).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Text(text) => text.clone(),
        other => other.to_json().to_string(),
    }
}
