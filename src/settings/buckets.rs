//! From the shape of `backups:` to what it means: account and buckets, their names and regions checked, defaults
//! filled in; and what this version leaves undone.

use std::collections::BTreeMap;

use super::backups::{BackupsFile, BucketFile, PublicAccessFile, VersioningFile};
use super::checks::table;
use super::scalar::{Meaning, Style};
use super::shape::Places;
use super::source::Source;
use super::tree::Entry;
use super::values::shown;
use super::{Backups, BucketSettings, Unsupported, declared};
use crate::vocab::{AccountId, BucketName, Encryption, ObjectLock, Problem, RegionName, Tier, Value};

/// Days after which the parts of an unfinished upload go, where nothing is written.
const ABORT_AFTER_DAYS: u32 = 7;

/// What `backups:` says.
#[derive(Debug, Default)]
pub struct Read {
    pub backups: Backups,
    pub unsupported: Vec<Unsupported>,
    pub problems: Vec<Problem>,
}

/// Reads a tree of the right shape.
pub fn read(source: &Source, file: &BackupsFile, places: &Places) -> Read {
    let mut read = Read::default();
    read.backups.account = account(source, file, places, &mut read.problems);
    for (name, bucket) in &file.buckets {
        let path = ["buckets", name.as_str()];
        // What cannot be a bucket is told by `bad_names`.
        if let Ok(name) = name.parse::<BucketName>() {
            let settings = self::bucket(source, bucket, &path, places, &mut read);
            read.backups.buckets.insert(name, settings);
        }
    }
    let (declared, mistakes) = declared::read(source, file, places);
    read.backups.declared = declared;
    read.problems.extend(mistakes);
    for (key, why) in file.unsupported() {
        read.unsupported.push(Unsupported {
            key: format!("backups.{key}"),
            place: source.place(&places.key(&[key])),
            why: why.to_owned(),
        });
    }
    read
}

/// What holds for each bucket where nothing is written, by its path.
pub fn defaults(buckets: &BTreeMap<BucketName, BucketSettings>) -> Vec<(String, Value)> {
    let of = |(name, bucket): (&BucketName, &BucketSettings)| {
        let fields = [
            ("region", bucket.region.as_ref().map(|region| Value::text(region.as_str()))),
            ("versioning", Some(Value::text(if bucket.versioned { "enabled" } else { "unmanaged" }))),
            ("abort_uploads_after", Some(Value::text(format!("{}d", bucket.abort_uploads_after_days)))),
            ("encryption", Some(Value::text("AES256"))),
            (
                "public_access",
                Some(Value::text(if bucket.block_public_access { "blocked" } else { "unmanaged" })),
            ),
            ("tls_only", Some(Value::Bool(bucket.tls_only))),
            ("versioning_lock", Some(Value::Bool(bucket.versioning_lock))),
        ];
        let fields = fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?)));
        let forever = Tier::ALL.into_iter().filter(|tier| !bucket.keep_versions.contains_key(tier));
        let tiers = forever.map(|tier| (format!("keep_versions.{tier}"), Value::text("for ever")));
        fields
            .chain(tiers)
            .map(|(field, value)| (format!("backups.buckets.{name}.{field}"), value))
            .collect::<Vec<_>>()
    };
    buckets.iter().flat_map(of).collect()
}

/// Names of buckets that S3 does not allow; told also where the shape around them is wrong.
pub fn bad_names(source: &Source, backups: &Entry) -> Vec<Problem> {
    let buckets = backups.value.as_map().and_then(|backups| backups.get("buckets"));
    let entries = buckets.and_then(|buckets| buckets.value.as_map()).into_iter().flat_map(|map| &map.entries);
    let problem = |entry: &Entry| {
        let why = entry.key.parse::<BucketName>().err()?;
        let message = format!("`{}` cannot be a bucket: {why}", shown(&entry.key));
        Some(source.problem(table::BAD_BUCKET_NAME, &entry.key_mark, message).at_key("backups.buckets"))
    };
    entries.filter_map(problem).collect()
}

/// The schema has seen to the twelve digits; what is left is whether another reader of YAML would see them too.
fn account(
    source: &Source,
    file: &BackupsFile,
    places: &Places,
    problems: &mut Vec<Problem>,
) -> Option<AccountId> {
    let text = file.account.as_ref()?;
    let path = ["account"];
    let is_number = places
        .word(&path)
        .is_some_and(|word| word.style == Style::Plain && matches!(word.meaning(), Meaning::Int(_)));
    if is_number {
        problems.push(
            source
                .problem(
                    table::UNQUOTED_NUMBER,
                    &places.value(&path),
                    "an account without quotes is a number, and loses zeros at its front",
                )
                .labelled(format!("write \"{text}\""))
                .at_key("backups.account"),
        );
    }
    text.parse().ok()
}

fn bucket(
    source: &Source,
    file: &BucketFile,
    path: &[&str; 2],
    places: &Places,
    read: &mut Read,
) -> BucketSettings {
    let key = |member: &str| format!("backups.{}.{}.{member}", path[0], path[1]);
    let at = |member| [path[0], path[1], member];
    let region = match file.region.as_deref().map(str::parse::<RegionName>) {
        None => None,
        Some(Ok(region)) => Some(region),
        Some(Err(why)) => {
            read.problems.push(
                source
                    .problem(table::BAD_REGION, &places.value(&at("region")), why.to_string())
                    .at_key(key("region")),
            );
            None
        }
    };
    BucketSettings {
        place: source.place(&places.key(path)),
        region,
        versioned: file.versioning == VersioningFile::Enabled,
        keep_versions: file.keep_versions.by_tier(),
        abort_uploads_after_days: file
            .abort_uploads_after
            .as_deref()
            .and_then(|days| days.trim_end_matches('d').parse().ok())
            .unwrap_or(ABORT_AFTER_DAYS),
        encryption: file.encryption.as_ref().map_or(Encryption::Aes256, |encryption| encryption.encryption()),
        block_public_access: file.public_access == PublicAccessFile::Blocked,
        tls_only: file.tls_only.unwrap_or(true),
        versioning_lock: file.versioning_lock.unwrap_or(true),
        object_lock: file.object_lock.map(|lock| ObjectLock { mode: lock.mode, days: lock.days }),
    }
}
