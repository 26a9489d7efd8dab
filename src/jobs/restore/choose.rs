//! Which backup is restored: the newest, one by its name, or the last that was whole before an instant. What a person
//! labelled is one of them; only where the schedules' own backups are to be proven it is not.
//!
//! After an incident the instant decides everything: a backup that ended a moment later may hold the damage. So where it
//! cannot be known when a backup ended, it is passed over and told, never taken.

use chrono::{DateTime, Utc};

use super::fetch::{Known, Object, Origin};
use crate::datastores::names::Name;
use crate::datastores::restore::Parcel;
use crate::jobs::beside::Beside;
use crate::jobs::context::Context;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::list::{self, Earlier, Looked, Row};
use crate::jobs::manifest::Manifest;
use crate::jobs::remote;

/// What a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Newest,
    /// The newest that a schedule promised: no labelled one.
    NewestScheduled,
    /// The file's name or key, as `list` shows it; `KEY?versionId=V` is one version of a key.
    Named(String),
    /// The last that was whole before.
    Before(DateTime<Utc>),
}

impl Wanted {
    /// What is proven where nobody names a backup: the newest of the schedules.
    pub(in crate::jobs) fn to_prove(&self) -> &Wanted {
        match self {
            Wanted::Newest => &Wanted::NewestScheduled,
            other => other,
        }
    }

    /// As the command line says it; a name goes before an instant.
    pub fn of(name: Option<&str>, before: Option<DateTime<Utc>>) -> Wanted {
        match (name, before) {
            (Some(name), _) => Wanted::Named(name.to_owned()),
            (None, Some(before)) => Wanted::Before(before),
            (None, None) => Wanted::Newest,
        }
    }
}

/// The backup that was chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// As `list` shows it.
    pub name: String,
    pub parsed: Name,
    /// When it was whole; `None` where nobody noted it.
    pub ended: Option<DateTime<Utc>>,
    pub bytes: u64,
    pub origin: Origin,
    pub known: Known,
    pub manifest: Option<Manifest>,
    /// What was passed over, and why.
    pub passed: Vec<String>,
}

impl Chosen {
    /// What a datastore is told of it.
    pub(in crate::jobs) fn parcel(&self) -> Parcel {
        let manifest = self.manifest.as_ref();
        Parcel {
            content: self.parsed.content,
            server_version: manifest.and_then(|manifest| manifest.server_version.clone()),
            source: manifest.map(|manifest| manifest.source.clone()).unwrap_or_default(),
        }
    }

    /// Why it need not be read at all: its size is not what was written.
    pub(in crate::jobs) fn is_cut(&self) -> Result<(), String> {
        match self.known.bytes {
            Some(written) if written != self.bytes => {
                Err(format!("{written} bytes were written and {} are there", self.bytes))
            }
            _ => Ok(()),
        }
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        match &self.origin {
            Origin::Here(path) => path.display().to_string(),
            Origin::There(Object { bucket, key, version_id, .. }) => {
                let version = version_id.as_ref().map(|id| format!(" version {id}")).unwrap_or_default();
                format!("s3://{bucket}/{key}{version}")
            }
        }
    }
}

/// Chooses among everything that can be seen. A copy on this disk is taken before the one in the bucket.
pub async fn choose(context: &Context, earlier: &[Earlier], wanted: &Wanted) -> Result<Chosen, JobError> {
    let (listing, looked) = Box::pin(list::look(context, earlier)).await?;
    let mut passed = Vec::new();
    for row in &listing.backups {
        if let Wanted::Named(name) = wanted
            && !is_named(row, name)
        {
            continue;
        }
        if *wanted == Wanted::NewestScheduled && row.tier.is_none() {
            continue;
        }
        match Box::pin(candidate(context, &looked, row)).await? {
            Err(why) => passed.push(format!("{}: {why}", row.name)),
            Ok(found) => match wanted {
                Wanted::Newest | Wanted::NewestScheduled | Wanted::Named(_) => return Ok(Chosen { passed, ..found }),
                Wanted::Before(instant) => match found.ended {
                    Some(ended) if ended < *instant => return Ok(Chosen { passed, ..found }),
                    Some(_) => {}
                    None => passed.push(format!(
                        "{}: nobody noted when it was whole, so it may be of after that; ask for it by its name if you know",
                        row.name
                    )),
                },
            },
        }
    }
    let what = match wanted {
        Wanted::Newest | Wanted::NewestScheduled => "there is no backup to restore".to_owned(),
        Wanted::Named(name) => format!("there is no backup {name}"),
        Wanted::Before(instant) => {
            format!("there is no backup that was whole before {}", instant.format("%Y-%m-%d %H:%M:%S UTC"))
        }
    };
    let also: Vec<String> = passed.into_iter().chain(listing.unseen).collect();
    let also = if also.is_empty() { String::new() } else { format!(" ({})", also.join("; ")) };
    Err(JobError::new(Stage::Choose, format!("{what}{also}"))
        .help(format!("`reconcile list {}` shows what there is", context.job.datastore)))
}

/// Whether a person means this one.
fn is_named(row: &Row, name: &str) -> bool {
    let version = || {
        let copy = row.remote.as_ref()?;
        Some(format!("{}?versionId={}", copy.key, copy.version_id.as_deref().unwrap_or("null")))
    };
    row.name == name || version().is_some_and(|version| version == name)
}

/// The backup behind a row; the reason where it cannot be read.
async fn candidate(
    context: &Context,
    looked: &[Looked],
    row: &Row,
) -> Result<Result<Chosen, String>, JobError> {
    let place = context.directory();
    let series = context.all_series();
    let parsed = |text: &str| series.iter().find_map(|series| series.parse(text));
    let chosen = |parsed, ended, origin, known, manifest| Chosen {
        name: row.name.clone(),
        parsed,
        ended,
        bytes: row.bytes,
        origin,
        known,
        manifest,
        passed: Vec::new(),
    };
    if row.here.is_some() {
        let Some(parsed) = parsed(&row.name) else { return Ok(Err("its name is not understood".to_owned())) };
        let manifest = Manifest::read(&place, &row.name);
        let known = manifest.as_ref().map(Known::of_manifest).unwrap_or_default();
        // Where nobody wrote a manifest the file's time is that of its last byte.
        let ended = Some(row.taken);
        return Ok(Ok(chosen(parsed, ended, Origin::Here(place.join(&row.name)), known, manifest)));
    }
    let Some(copy) = &row.remote else { return Ok(Err("it is nowhere".to_owned())) };
    let Some(parsed) = parsed(&copy.key) else { return Ok(Err("its name is not understood".to_owned())) };
    let own = context.job.upload.as_ref().map(|upload| &upload.bucket);
    let Some(bucket) = copy.earlier_bucket.as_ref().or(own) else {
        return Ok(Err("it is nowhere".to_owned()));
    };
    let Some(there) = looked.iter().find(|looked| looked.bucket == *bucket) else {
        return Ok(Err(format!("the bucket {bucket} cannot be seen")));
    };
    let object = Object {
        store: there.store.clone(),
        bucket: bucket.clone(),
        key: copy.key.clone(),
        version_id: copy.version_id.clone(),
    };
    let mut plain = copy.clone();
    plain.earlier_bucket = None;
    let manifest = match remote::manifest_of(&there.store, bucket, &there.found, &plain).await {
        Ok(manifest) => manifest,
        Err(why) => return Ok(Err(format!("its manifest cannot be read: {why}"))),
    };
    if let Some(manifest) = manifest {
        let known = Known::of_manifest(&manifest);
        return Ok(Ok(chosen(parsed, Some(manifest.ended), Origin::There(object), known, Some(manifest))));
    }
    let head = match object.head().await {
        Ok(head) => head,
        Err(why) => return Ok(Err(format!("it cannot be read: {why}"))),
    };
    // This program uploads while it dumps, so that the storage's date may be the beginning; others upload what is whole.
    let ours = head.metadata().is_some_and(|metadata| metadata.contains_key("reconcile-environment"));
    let ended = (!ours).then_some(row.taken);
    Ok(Ok(chosen(parsed, ended, Origin::There(object), Known::of_head(&head), None)))
}
