//! `show settings`: every flat key with its effective value and where that came from, and what each datastore's
//! settings come to.

use serde_json::{Map, Value as Json, json};

use super::text::{broken, harmless};
use crate::settings::summary::DatastoreSummary;
use crate::settings::{Effective, Origin, Settings, Unsupported};
use crate::vocab::Value;

/// `reconcile.settings/1`.
pub fn json(settings: &Settings) -> Json {
    let flat = settings
        .flat
        .iter()
        .map(|(name, one)| ((*name).to_owned(), json!({"value": one.value.to_json(), "from": from(one)})));
    let datastores = settings.datastores();
    let datastores = datastores.iter().map(|one| (one.name.to_owned(), datastore(one)));
    json!({
        "format": "reconcile.settings/1",
        "environment": settings.environment.as_str(),
        "settings": flat.collect::<Map<_, _>>(),
        "datastores": datastores.collect::<Map<_, _>>(),
    })
}

fn from(one: &Effective) -> String {
    match &one.from {
        Origin::Written(place) => place.to_string(),
        Origin::Default => "default".to_owned(),
    }
}

fn datastore(one: &DatastoreSummary) -> Json {
    let tiers: Vec<Json> = one
        .tiers
        .iter()
        .map(|tier| json!({"tier": tier.tier.name(), "schedule": tier.schedule, "keep": tier.keep}))
        .collect();
    let problems: &[&str] = if one.has_no_host() { &["no-host"] } else { &[] };
    json!({
        "enabled": one.enabled,
        "hosts": one.hosts,
        "method": one.method,
        "user": one.user,
        "dir": one.dir,
        "source_dir": one.source_dir,
        "s3": one.s3,
        "bucket": one.bucket,
        "days": one.days,
        "weeks": one.weeks,
        "hours": one.hours,
        "hourly": one.hourly,
        "tiers": tiers,
        "problems": problems,
    })
}

/// The same for people: what runs where first, then every key that is written, then the defaults.
pub fn text(settings: &Settings) -> String {
    let bold = anstyle::Style::new().bold();
    let mut text = format!("{bold}environment {}{bold:#}\n", settings.environment);
    for one in settings.datastores() {
        text.push_str(&summary(&one));
    }
    let (written, defaults): (Vec<_>, Vec<_>) =
        settings.flat.iter().partition(|(_, one)| one.from != Origin::Default);
    if !written.is_empty() {
        text.push_str(&format!("\n{bold}written{bold:#}\n"));
        text.push_str(&table(&written));
    }
    text.push_str(&format!("\n{bold}by default{bold:#}\n"));
    text.push_str(&table(&defaults));
    if !settings.unsupported.is_empty() {
        text.push('\n');
        text.push_str(&unsupported(&settings.unsupported));
    }
    text
}

/// Settings that are understood and not carried out; empty where there are none.
pub fn unsupported(list: &[Unsupported]) -> String {
    if list.is_empty() {
        return String::new();
    }
    let bold = anstyle::Style::new().bold();
    let mut text = format!("{bold}not carried out by this version{bold:#}\n");
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
    if !one.enabled {
        return format!("\n{:<14} off\n", one.name);
    }
    let hosts = match one.hosts.as_slice() {
        [] => ", but no host runs it".to_owned(),
        hosts => " on ".to_owned() + &hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let method = one.method.map_or_else(String::new, |method| format!("{method}, "));
    let mut text = format!("\n{:<14} {method}as {}{hosts}\n", one.name, one.user);
    if let Some(dir) = &one.dir {
        text.push_str(&format!("  {:<12} {dir}\n", "directory"));
    }
    let bucket = if one.s3 { one.bucket.as_str() } else { "none: the backups stay on the host alone" };
    text.push_str(&format!("  {:<12} {bucket}\n", "bucket"));
    for tier in &one.tiers {
        text.push_str(&format!("  {:<12} {:<24} kept {}\n", tier.tier.name(), tier.schedule, tier.keep));
    }
    text
}

fn table(rows: &[(&&str, &Effective)]) -> String {
    let row = |(name, one): &(&&str, &Effective)| {
        let from = match &one.from {
            Origin::Written(place) => format!("  {}", harmless(&place.to_string())),
            Origin::Default => String::new(),
        };
        format!("{}\n", format!("  {name:<27} {:<30}{from}", harmless(&shown(&one.value))).trim_end())
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
