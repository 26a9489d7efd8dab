//! What jobs did and what there is, for people and for scripts.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::text::{ALARM, BOLD, DIM, GREEN, YELLOW, bytes, counted, minute, one_line, styled, wrapped};
use crate::jobs::{
    BackupReport, Check, Copy, Expired, Here, JobError, Keep, LastFailure, Listing, Manifest, Row,
};

/// Every backup, newest first, one line each; with `verbose` a second line says its name and the version in the bucket.
pub fn listing(listing: &Listing, verbose: bool) -> String {
    let mut text = format!("{BOLD}{} on {}{BOLD:#}: {}", listing.datastore, listing.host, listing.directory);
    if let Some(repository) = &listing.repository {
        text.push_str(&format!("\n    and the repository {}", one_line(repository)));
    } else if let Some(bucket) = &listing.bucket {
        text.push_str(&format!("\n    and s3://{bucket}"));
    }
    text.push_str("\n\n");
    if let Some(failure) = &listing.last_failure {
        text.push_str(&last_failure(failure));
    }
    for unseen in &listing.unseen {
        text.push_str(&wrapped(&format!("{} ", styled(YELLOW, "!")), 2, &one_line(unseen)));
        text.push_str("\n\n");
    }
    for hidden in &listing.hidden {
        let what = format!(
            "{} was deleted at {} UTC: its versions are still there, and `restore` finds them by name and version; find out who \
             deleted it",
            one_line(&hidden.key),
            minute(hidden.since)
        );
        text.push_str(&wrapped(&format!("{} ", styled(ALARM, "!")), 2, &what));
        text.push_str("\n\n");
    }
    if listing.backups.is_empty() {
        text.push_str("no backup yet\n");
        return text;
    }
    let head =
        line(["taken (UTC)", "tier", "size", "kept here until", "bucket", "proven"].map(str::to_owned));
    text.push_str(&format!("{DIM}{head}{DIM:#}\n"));
    for row in &listing.backups {
        text.push_str(&shown(row));
        text.push('\n');
        if let Some(label) = &row.label {
            text.push_str(&format!("    {DIM}{label}{}{DIM:#}\n", until(row)));
        }
        if verbose {
            text.push_str(&format!("    {DIM}{}{DIM:#}\n", names(row)));
        }
    }
    let unproven = listing.backups.iter().filter(|row| row.proven == Some(false)).count();
    text.push_str(&format!("\n{}", counted(listing.backups.len(), "backup")));
    if unproven > 0 {
        text.push_str(&styled(ALARM, format_args!(", {unproven} not proven")));
    }
    text.push_str(if verbose { ".\n" } else { "; names and versions with -v.\n" });
    text
}

/// What a backup is called here, and below it its copy in the bucket, each as `restore` and `verify` want it.
fn names(row: &Row) -> String {
    let Some(copy) = &row.remote else { return one_line(&row.name) };
    // Where no versions are kept, what is called as here needs no more.
    let is_plain = copy.version_id.is_none() && copy.key == row.name;
    let address = if is_plain { copy.key.clone() } else { copy.address() };
    let from = copy.earlier_bucket.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
    let there = format!("{}{from}", one_line(&address));
    match row.here.is_some() && there != row.name {
        true => format!("{}\n      {there}", one_line(&row.name)),
        false => there,
    }
}

fn last_failure(failure: &LastFailure) -> String {
    let what = one_line(&failure.to_string());
    let mut text = wrapped(&format!("{} ", styled(ALARM, "!")), 2, &what);
    if let Some(help) = &failure.help {
        text.push('\n');
        text.push_str(&wrapped("  = help: ", 10, &one_line(help)));
    }
    text.push_str("\n\n");
    text
}

/// Until when a person wants it, behind its label.
fn until(row: &Row) -> String {
    row.keep_until.map(|day| format!(", until {day}")).unwrap_or_default()
}

fn shown(row: &Row) -> String {
    let proven = match (row.proven, row.restored) {
        // What is not whole says what it is.
        (Some(false), _) if row.state.is_some() => row.state.as_deref().unwrap_or_default(),
        (Some(false), _) => "NO",
        (_, Some(true)) => "restored",
        (Some(true), _) => "yes",
        (None, _) => "?",
    };
    let text = line([
        minute(row.taken),
        row.tier.map_or_else(|| "label".to_owned(), |tier| tier.to_string()),
        bytes(row.bytes),
        row.here.map_or_else(|| "-".to_owned(), kept),
        row.remote.as_ref().map_or("-", in_bucket).to_owned(),
        proven.to_owned(),
    ]);
    if row.proven == Some(false) { styled(ALARM, text) } else { text }
}

fn kept(here: Here) -> String {
    match (here.keep, here.when) {
        (Keep::Until, Some(when)) => minute(when),
        (Keep::Until, None) => "for ever".to_owned(),
        (Keep::Labelled, Some(when)) => minute(when),
        (Keep::Labelled, None) => "you remove it".to_owned(),
        (Keep::NewestProven, _) => "newer is proven".to_owned(),
        (Keep::NewestOfTier, _) => "one is proven".to_owned(),
        (Keep::FromTheFuture, _) => "clock is right".to_owned(),
        (Keep::NotOurs, _) => "you remove it".to_owned(),
        (Keep::EarlierName, _) => "earlier name".to_owned(),
        (Keep::Due, _) => "next backup".to_owned(),
    }
}

fn in_bucket(copy: &Copy) -> &'static str {
    match copy.latest {
        _ if copy.earlier_bucket.is_some() => "earlier",
        true => "newest",
        false => "version",
    }
}

/// One line of the table: 80 columns at most.
fn line([taken, tier, size, here, bucket, proven]: [String; 6]) -> String {
    format!("{taken:<16}   {tier:<6}   {size:>8}   {here:<16}   {bucket:<7}   {proven}").trim_end().to_owned()
}

/// A backup that was made: what, where, and what it made room for.
pub fn backup(report: &BackupReport) -> String {
    let manifest = &report.manifest;
    let what = match (&manifest.label, manifest.tier) {
        (Some(label), _) => format!("backup {label}"),
        (None, Some(tier)) => format!("{tier} backup"),
        (None, None) => "backup".to_owned(),
    };
    let mut text = format!(
        "{BOLD}{} {what}{BOLD:#}: {} of {}\n    {}\n",
        manifest.datastore,
        bytes(manifest.bytes),
        bytes(manifest.uncompressed_bytes),
        report.path
    );
    if let Some(remote) = &manifest.remote {
        text.push_str(&format!("    s3://{}/{}, read back\n", remote.bucket, remote.key));
        if let Some(version) = &remote.version_id {
            text.push_str(&format!("    {DIM}version {}{DIM:#}\n", one_line(version)));
        }
    }
    if manifest.label.is_some() {
        text.push_str(&format!("    {}\n", stays(manifest)));
    }
    let (labelled, over): (Vec<&Expired>, Vec<&Expired>) =
        report.swept.removed.iter().partition(|gone| gone.label.is_some());
    if !over.is_empty() {
        let names: Vec<&str> = over.iter().map(|gone| gone.name.as_str()).collect();
        text.push_str(&format!("    removed {}: {}\n", counted(over.len(), "older one"), names.join(", ")));
    }
    for gone in labelled {
        text.push_str(&wrapped("    ", 6, &one_line(&gone.to_string())));
        text.push('\n');
    }
    for warning in &report.warnings {
        text.push_str(&wrapped(&format!("{} ", styled(YELLOW, "!")), 2, &one_line(warning)));
        text.push('\n');
    }
    text
}

/// How long a labelled backup stays, and where.
fn stays(manifest: &Manifest) -> String {
    let here = match manifest.keep_until {
        Some(day) => format!("stays here until {day}"),
        None => "stays here until a person removes it".to_owned(),
    };
    match (&manifest.remote, manifest.keep_until) {
        (Some(_), Some(_)) => format!("{here}, in the bucket until a person removes it"),
        (Some(_), None) => format!("{here}, and so in the bucket"),
        (None, _) => here,
    }
}

/// `reconcile.list/1`: the listing as it is.
pub fn listing_json(listing: &Listing) -> Value {
    document("reconcile.list/1", listing)
}

/// `reconcile.backup/1`: the manifest, the path, what expired, warnings.
pub fn backup_json(report: &BackupReport) -> Value {
    document("reconcile.backup/1", report)
}

/// `reconcile.failure/1`: why a job failed.
pub fn preflight_json(checks: &[Check]) -> Value {
    json!({"format": "reconcile.preflight/1", "checks": checks})
}

/// A line for each thing that a job needs; what is wrong stands out.
pub fn preflight(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let (glyph, words) = match (&check.wrong, &check.found) {
            (Some(wrong), _) => (styled(ALARM, "!"), wrong.as_str()),
            (None, found) => (styled(GREEN, "+"), found.as_deref().unwrap_or_default()),
        };
        text.push_str(&wrapped(&format!("{glyph} {:<10}", check.name), 12, &one_line(words)));
        text.push('\n');
    }
    text
}

pub fn failure_json(error: &JobError) -> Value {
    let mut members = Map::new();
    members.insert("format".to_owned(), "reconcile.failure/1".into());
    members.insert("stage".to_owned(), error.stage.to_string().into());
    members.insert("message".to_owned(), error.message.clone().into());
    members.insert("help".to_owned(), error.help.clone().into());
    Value::Object(members)
}

pub(super) fn document(format: &str, content: &impl Serialize) -> Value {
    let mut members = Map::new();
    members.insert("format".to_owned(), format.into());
    // The result types are plain data with names for keys: they always have a JSON form.
    if let Ok(Value::Object(content)) = serde_json::to_value(content) {
        members.extend(content);
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::jobs::Stage;
    use crate::vocab::Tier;

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().expect("instant")
    }

    fn example() -> Listing {
        let copy = |latest| Copy {
            earlier_bucket: None,
            key: "postgres_daily_db1.tar.gz".to_owned(),
            version_id: Some("3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo".to_owned()),
            latest,
            modified: instant("2026-11-21T00:14:00Z"),
        };
        let row = |taken: &str, here, remote, proven| Row {
            name: format!("postgres_production_daily_{}.tar.gz", taken[..10].replace('-', "_")),
            tier: Some(Tier::Daily),
            label: None,
            keep_until: None,
            taken: instant(taken),
            bytes: 536_870_912,
            here,
            remote,
            earlier_name: None,
            proven,
            state: None,
            restored: None,
        };
        let here = |keep, when: Option<&str>| Some(Here { keep, when: when.map(instant) });
        Listing {
            datastore: "postgresql".parse().expect("name"),
            host: "db1".parse().expect("name"),
            directory: "/opt/data/backups/postgresql".to_owned(),
            bucket: Some("dimagi-production-postgres-backups".parse().expect("name")),
            repository: None,
            backups: vec![
                row("2026-11-21T00:14:00Z", here(Keep::Until, Some("2026-11-24T00:14:00Z")), None, Some(false)),
                row("2026-11-20T00:14:00Z", here(Keep::NewestProven, None), Some(copy(true)), Some(true)),
                row("2026-11-16T00:14:00Z", None, Some(copy(false)), None),
            ],
            last_failure: Some(LastFailure {
                environment: "production".parse().expect("name"),
                host: "db1".parse().expect("name"),
                datastore: "postgresql".parse().expect("name"),
                tier: Tier::Daily,
                at: instant("2026-11-21T00:14:00Z"),
                stage: Stage::Upload,
                message: "part 3 of the upload to s3://dimagi-production-postgres-backups/postgres_daily_db1.tar.gz \
                          failed: SlowDown: Please reduce your request rate"
                    .to_owned(),
                help: Some("the next run uploads again".to_owned()),
                run: String::new(),
            }),
            hidden: Vec::new(),
            unseen: Vec::new(),
        }
    }

    #[test]
    fn a_list_says_what_is_kept_until_when_and_what_went_wrong() {
        let plain = anstream::adapter::strip_str(&listing(&example(), false)).to_string();
        insta::assert_snapshot!(plain, @"
        postgresql on db1: /opt/data/backups/postgresql
            and s3://dimagi-production-postgres-backups

        ! the last daily backup failed at upload, 2026-11-21 00:14 UTC: part 3 of the
          upload to s3://dimagi-production-postgres-backups/postgres_daily_db1.tar.gz
          failed: SlowDown: Please reduce your request rate
          = help: the next run uploads again

        taken (UTC)        tier         size   kept here until    bucket    proven
        2026-11-21 00:14   daily     512 MiB   2026-11-24 00:14   -         NO
        2026-11-20 00:14   daily     512 MiB   newer is proven    newest    yes
        2026-11-16 00:14   daily     512 MiB   -                  version   ?

        3 backups, 1 not proven; names and versions with -v.
        ");
        let wide = anstream::adapter::strip_str(&listing(&example(), true)).to_string();
        let named: Vec<&str> =
            wide.lines().filter(|line| line.starts_with("    ")).skip(1).map(str::trim).collect();
        let version = "?versionId=3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo";
        let key = format!("postgres_daily_db1.tar.gz{version}");
        assert_eq!(
            named,
            [
                "postgres_production_daily_2026_11_21.tar.gz",
                "postgres_production_daily_2026_11_20.tar.gz",
                &key,
                &key
            ]
        );
        assert!(plain.lines().all(|line| line.chars().count() <= 80), "{plain}");
    }

    #[test]
    fn a_labelled_backup_shows_its_label_and_its_date() {
        let mut listing = example();
        listing.last_failure = None;
        let labelled = |row: &Row, keep_until: Option<&str>, here| Row {
            tier: None,
            label: Some("before-upgrade".parse().expect("a label")),
            keep_until: keep_until.map(|day| day.parse().expect("a day")),
            name: "postgres_production_label_before-upgrade_db1_2026_11_20_0014.tar.gz".to_owned(),
            here: Some(here),
            ..row.clone()
        };
        let until = Here { keep: Keep::Labelled, when: Some(instant("2027-01-01T00:00:00Z")) };
        let dated = labelled(&listing.backups[1], Some("2026-12-31"), until);
        let kept = labelled(&listing.backups[1], None, Here { keep: Keep::Labelled, when: None });
        listing.backups = vec![dated, kept];
        let plain = anstream::adapter::strip_str(&super::listing(&listing, false)).to_string();
        insta::assert_snapshot!(plain.split_once("\n\n").expect("a table").1, @"
        taken (UTC)        tier         size   kept here until    bucket    proven
        2026-11-20 00:14   label     512 MiB   2027-01-01 00:00   newest    yes
            before-upgrade, until 2026-12-31
        2026-11-20 00:14   label     512 MiB   you remove it      newest    yes
            before-upgrade

        2 backups; names and versions with -v.
        ");
        let json = listing_json(&listing);
        assert_eq!(json["backups"][0]["tier"], Value::Null);
        assert_eq!(json["backups"][0]["label"], "before-upgrade");
        assert_eq!(json["backups"][0]["keep_until"], "2026-12-31");
    }

    #[test]
    fn json_begins_with_its_format() {
        let json = listing_json(&example()).to_string();
        assert!(json.starts_with(r#"{"format":"reconcile.list/1","datastore":"postgresql""#), "{json}");
        assert!(json.contains(r#""here":{"keep":"until","when":"2026-11-24T00:14:00Z"}"#), "{json}");
        let error = JobError::new(Stage::ReadBack, "the copy could not be proven");
        assert_eq!(failure_json(&error)["stage"], "read back");
    }
}
