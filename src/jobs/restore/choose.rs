//! Which backup is restored: the newest, one by its name, or the last that was whole before an instant. What a person
//! labelled is one of them; only where the schedules' own backups are to be proven it is not.
//!
//! After an incident the instant decides everything: a backup that ended a moment later may hold the damage. So where it
//! cannot be known when a backup ended, it is passed over and told, never taken. So is another host's, one that a
//! verification condemned, and one whose clock was wrong: only who names such a backup gets it, and is told what it is.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::fetch::{Known, Object, Origin};
use crate::datastores::names::Name;
use crate::datastores::restore::Parcel;
use crate::jobs::beside::Beside;
use crate::jobs::context::Context;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::list::{self, Earlier, Keep, Looked, Row};
use crate::jobs::manifest::Manifest;
use crate::jobs::remote;
use crate::jobs::verify::{Evidence, standing};
use crate::vocab::words;

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
    /// What speaks against this one, or may be newer and could not be seen.
    pub doubts: Vec<String>,
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
        match Box::pin(candidate(context, &looked, row, wanted)).await {
            Err(why) => passed.push(format!("{}: {why}", row.name)),
            Ok(mut found) => {
                passed.append(&mut found.passed);
                let mut doubts = doubts(context, row, &found);
                if *wanted == Wanted::NewestScheduled {
                    // It is looked at anew.
                    doubts.retain(|doubt| !matches!(doubt, Doubt::Condemned(_)));
                }
                let mut doubts: Vec<String> = doubts.iter().map(ToString::to_string).collect();
                if matches!(wanted, Wanted::Named(_)) {
                    let is_here = matches!(found.origin, Origin::Here(_));
                    if let Some(why) = changed_here(context, row, &found).filter(|_| is_here)
                        && let Some(copy) = &row.remote
                    {
                        doubts.retain(|doubt| *doubt != why);
                        doubts.push(format!("{why}; its copy in the bucket is {}", copy.address()));
                    }
                    return Ok(Chosen { passed, doubts, ..found });
                }
                let too_late = match wanted {
                    Wanted::Before(instant) => is_after(row, &found, *instant),
                    _ => Time::Good,
                };
                match too_late {
                    Time::Good if doubts.is_empty() => {
                        let newer = |why: &String| format!("{why}: there may be a newer one");
                        let doubts = listing.unseen.iter().map(newer).collect();
                        return Ok(Chosen { passed, doubts, ..found });
                    }
                    Time::Good => {
                        passed.push(format!(
                            "{}: {}; who wants it all the same names it",
                            row.name,
                            doubts.join("; ")
                        ));
                    }
                    Time::After => {}
                    Time::Unclear(why) => {
                        passed.push(format!("{}: {why}; ask for it by its name if you know", row.name));
                    }
                }
            }
        }
    }
    let what = match wanted {
        Wanted::Newest | Wanted::NewestScheduled => "there is no backup to restore".to_owned(),
        Wanted::Named(name) => format!("there is no backup {name}"),
        Wanted::Before(instant) => {
            format!("there is no backup that was whole before {}", words::second(*instant))
        }
    };
    let also: Vec<String> = passed.into_iter().chain(listing.unseen).collect();
    let also = if also.is_empty() { String::new() } else { format!(" ({})", also.join("; ")) };
    Err(JobError::new(Stage::Choose, format!("{what}{also}"))
        .help(format!("`reconcile list {} -v` shows what there is", context.job.datastore)))
}

/// How far a clock may be ahead, and nobody minds.
const SKEW: TimeDelta = TimeDelta::minutes(15);

/// What speaks against a backup, unless a person names it.
#[derive(Debug)]
enum Doubt {
    /// No job wrote it: nobody knows when it was whole.
    NotOurs,
    /// It is of another host.
    Foreign(String),
    /// By the clock that dated it, it is still to come.
    Ahead(DateTime<Utc>),
    /// It was restored, and is not what it should be.
    Condemned(String),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::NotOurs => f.write_str("no job wrote this file: somebody put it there"),
            Doubt::Foreign(host) => write!(f, "it is of another host, {host}"),
            Doubt::Ahead(ended) => write!(
                f,
                "it says that it was whole at {}, which is still to come: a clock was wrong when it was made, or is now",
                words::minute(*ended)
            ),
            Doubt::Condemned(words) => write!(f, "it {words}"),
        }
    }
}

fn doubts(context: &Context, row: &Row, found: &Chosen) -> Vec<Doubt> {
    // Also here: the directory may hold the second copies of another host, under the names that its own would have.
    let foreign = || match &found.manifest {
        Some(manifest) => {
            (manifest.host != context.job.host).then(|| Doubt::Foreign(manifest.host.to_string()))
        }
        None => {
            let host = found.parsed.host()?;
            (!found.parsed.is_of_host(&context.hostname)).then(|| Doubt::Foreign(host.to_owned()))
        }
    };
    let ahead = || {
        let ended = found.manifest.as_ref()?.ended;
        (ended > context.clock.now() + SKEW).then_some(Doubt::Ahead(ended))
    };
    let condemned = || {
        let last = last_evidence(context, row, found)?;
        (!last.is_proof()).then(|| Doubt::Condemned(standing::words(&last)))
    };
    let not_ours = row.here.filter(|here| here.keep == Keep::NotOurs).map(|_| Doubt::NotOurs);
    [not_ours, foreign(), ahead(), condemned()].into_iter().flatten().collect()
}

/// What was last found in a backup.
fn last_evidence(context: &Context, row: &Row, found: &Chosen) -> Option<Evidence> {
    let place = context.directory();
    // What was found here lies under the name that the backup had here, which is not its key; of both the last counts.
    let here = found.manifest.as_ref().map(|manifest| manifest.name.as_str());
    let names = here.filter(|name| !name.contains('/')).into_iter().chain([row.name.as_str()]);
    // A name may have been another backup's before; and a file that a disk or a person changed says nothing of its copy.
    let is_here = matches!(found.origin, Origin::Here(_));
    let of = |evidence: &Evidence| {
        evidence.taken == found.ended && (is_here || !is_of_other_bytes(evidence, found))
    };
    let evidence = names.filter_map(|name| Evidence::read(&place, name).filter(of));
    evidence.max_by_key(|evidence| evidence.ended)
}

/// Whether what was looked at was not what the job had written.
fn is_of_other_bytes(evidence: &Evidence, found: &Chosen) -> bool {
    let written = found.manifest.as_ref().map(|manifest| manifest.sha256.as_str());
    !evidence.sha256.is_empty() && written.is_some_and(|written| written != evidence.sha256)
}

/// Why the file on this disk is not what was written, where that is known already.
fn changed_here(context: &Context, row: &Row, found: &Chosen) -> Option<String> {
    found.is_cut().err().or_else(|| {
        let last = last_evidence(context, row, found).filter(|last| is_of_other_bytes(last, found))?;
        Some(format!("it {}", standing::words(&last)))
    })
}

/// Whether a backup was whole before an instant.
enum Time {
    Good,
    After,
    Unclear(String),
}

/// By the host's clock and by the storage's: either may have been behind, and the later one is never too late.
fn is_after(row: &Row, found: &Chosen, instant: DateTime<Utc>) -> Time {
    let stored = row.remote.as_ref().map(|copy| copy.modified);
    match (found.ended, stored) {
        (None, _) => Time::Unclear("nobody noted when it was whole, so it may be of after that".to_owned()),
        (Some(ended), _) if ended >= instant => Time::After,
        (Some(ended), Some(stored)) if stored >= instant => Time::Unclear(format!(
            "it says that it was whole at {}, and the storage took it at {}: if the host's clock was behind, it may be of \
             after that",
            words::second(ended),
            words::second(stored)
        )),
        (Some(_), _) => Time::Good,
    }
}

/// Whether a person means this one.
fn is_named(row: &Row, name: &str) -> bool {
    row.name == name || is_version(row, name)
}

/// Whether its copy in the bucket is the version that a person means.
fn is_version(row: &Row, name: &str) -> bool {
    row.remote.as_ref().is_some_and(|copy| copy.address() == name)
}

/// The backup behind a row; the reason where it cannot be read. The file on this disk is taken, but where a person means
/// the version in the bucket, or where it is known to be no longer what was written and has a copy there.
async fn candidate(
    context: &Context,
    looked: &[Looked],
    row: &Row,
    wanted: &Wanted,
) -> Result<Chosen, String> {
    let is_version = matches!(wanted, Wanted::Named(name) if row.name != *name && is_version(row, name));
    if row.here.is_none() || is_version {
        return Box::pin(there(context, looked, row)).await;
    }
    let found = here(context, row)?;
    // A verification, and who names it, is after this very file.
    let is_meant = matches!(wanted, Wanted::NewestScheduled | Wanted::Named(_)) || row.remote.is_none();
    let Some(why) = changed_here(context, row, &found).filter(|_| !is_meant) else { return Ok(found) };
    match Box::pin(there(context, looked, row)).await {
        Ok(mut copy) => {
            copy.passed.push(format!("{} on this disk: {why}; its copy in the bucket is taken", row.name));
            Ok(copy)
        }
        Err(_) => Ok(found),
    }
}

/// What is known of a row's backup, wherever it is read.
fn chosen(
    row: &Row,
    parsed: Name,
    ended: Option<DateTime<Utc>>,
    origin: Origin,
    known: Known,
    manifest: Option<Manifest>,
) -> Chosen {
    let bytes = match (&origin, &known.bytes) {
        // A row's size is that of the file here.
        (Origin::There(_), Some(bytes)) if row.here.is_some() => *bytes,
        _ => row.bytes,
    };
    let (passed, doubts) = (Vec::new(), Vec::new());
    Chosen { name: row.name.clone(), parsed, ended, bytes, origin, known, manifest, passed, doubts }
}

fn parsed(context: &Context, text: &str) -> Result<Name, String> {
    let found = context.all_series().iter().find_map(|series| series.parse(text));
    found.ok_or_else(|| "its name is not understood".to_owned())
}

/// The file on this disk.
fn here(context: &Context, row: &Row) -> Result<Chosen, String> {
    let place = context.directory();
    let parsed = parsed(context, &row.name)?;
    let manifest = Manifest::read(&place, &row.name);
    let known = manifest.as_ref().map(Known::of_manifest).unwrap_or_default();
    // Where nobody wrote a manifest the file's time is that of its last byte.
    Ok(chosen(row, parsed, Some(row.taken), Origin::Here(place.join(&row.name)), known, manifest))
}

/// The copy in a bucket.
async fn there(context: &Context, looked: &[Looked], row: &Row) -> Result<Chosen, String> {
    let Some(copy) = &row.remote else { return Err("it is nowhere".to_owned()) };
    let parsed = parsed(context, &copy.key)?;
    let own = context.job.upload.as_ref().map(|upload| &upload.bucket);
    let Some(bucket) = copy.earlier_bucket.as_ref().or(own) else {
        return Err("it is nowhere".to_owned());
    };
    let Some(there) = looked.iter().find(|looked| looked.bucket == *bucket) else {
        return Err(format!("the bucket {bucket} cannot be seen"));
    };
    let object = Object {
        store: there.store.clone(),
        bucket: bucket.clone(),
        key: copy.key.clone(),
        version_id: copy.version_id.clone(),
    };
    let mut plain = copy.clone();
    plain.earlier_bucket = None;
    let manifest = remote::manifest_of(&there.store, bucket, &there.found, &plain).await;
    let manifest = manifest.map_err(|why| format!("its manifest cannot be read: {why}"))?;
    if let Some(manifest) = manifest {
        let known = Known::of_manifest(&manifest);
        return Ok(chosen(row, parsed, Some(manifest.ended), Origin::There(object), known, Some(manifest)));
    }
    let head = object.head().await.map_err(|why| format!("it cannot be read: {why}"))?;
    // This program uploads while it dumps, so that the storage's date may be the beginning; others upload what is whole.
    let ours = head.metadata().is_some_and(|metadata| metadata.contains_key("reconcile-environment"));
    let ended = (!ours).then_some(row.taken);
    Ok(chosen(row, parsed, ended, Origin::There(object), Known::of_head(&head), None))
}
