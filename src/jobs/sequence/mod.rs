//! The sequence of a backup: lock -> dump -> seal -> upload -> read back -> record -> copy -> expire -> tell.
//!
//! Until the dump is whole its file has a partial name and its upload is not completed. Where the upload fails, the
//! local backup stays, sealed and not proven, and nothing older is removed: but for the place of a proven one of the same
//! name, which it takes only when it is proven itself.
//!
//! A backup that a person labels goes the same way, but removes nothing and is no news: no schedule waits for it, and the
//! person is there.

mod seal;
mod writing;

use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::sync::mpsc::unbounded_channel;

use super::beside::Beside;
use super::blocking;
use super::context::Context;
use super::error::{JobError, Stage};
use super::expire::{self, Swept};
use super::log::Level;
use super::manifest::Manifest;
use super::upload::{self, Target, Uploaded};
use super::{copy, directory, failure, lock, log, tell};
use crate::datastores::dump::{Dump, DumpError, Scratch};
use crate::datastores::job;
use crate::datastores::names::{Content, Name, Series};
use crate::vocab::{Occasion, words};
use seal::{Partial, Record, Sealed, remote, unwritten};
use writing::{Written, write};

/// What a backup came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    pub manifest: Manifest,
    /// The file, as the job file's host names it.
    pub path: String,
    /// What became of the local ones; nothing is said after one that a person labelled.
    #[serde(flatten)]
    pub swept: Swept,
    /// What went otherwise than the settings asked, while the backup is good.
    pub warnings: Vec<String>,
}

/// Makes one backup of the job file's datastore. Whatever fails is written down beside the backups; a success clears
/// that note.
pub async fn backup(context: &Context, occasion: impl Into<Occasion>) -> Result<BackupReport, JobError> {
    let (source, around) = (context.job.source.clone(), context.around());
    backup_with(context, occasion, move |scratch| job::open(&source, &around, scratch)).await
}

/// [`backup`] with a dump of the caller's choice.
pub async fn backup_with<O>(
    context: &Context,
    occasion: impl Into<Occasion>,
    open: O,
) -> Result<BackupReport, JobError>
where
    O: FnOnce(Scratch) -> Result<Box<dyn Dump>, DumpError> + Send + 'static,
{
    let occasion = &occasion.into();
    note(context, occasion, Level::Info, "began");
    let result = Box::pin(attempt(context, occasion, open)).await.map_err(|error| stopped(context, error));
    match (&result, occasion) {
        (Ok(report), _) => {
            for reason in report.swept.reasons() {
                note(context, occasion, Level::Info, &reason);
            }
            note(context, occasion, Level::Info, &done(report));
        }
        // The job that holds the lock is about to say how it went; this one has nothing to add.
        (Err(error), _) if error.is_refusal() => {
            note(context, occasion, Level::Info, &format!("refused: {error}"));
        }
        (Err(error), Occasion::Label { .. }) => {
            note(context, occasion, Level::Error, &format!("failed at {}: {error}", error.stage));
        }
        (Err(error), Occasion::Tier(tier)) => {
            failure::record(context, *tier, error);
            Box::pin(tell::failed(context, *tier, error)).await;
        }
    }
    // A person's own backup says nothing of those that a schedule promised.
    if let (Ok(report), Occasion::Tier(tier)) = (&result, occasion) {
        failure::clear(context, *tier);
        Box::pin(tell::succeeded(context, *tier, &report.manifest)).await;
    }
    result
}

/// What happens to a run stands in the log from its beginning to its end: under cron nobody sees it otherwise.
fn note(context: &Context, occasion: &Occasion, level: Level, what: &str) {
    log::line(context, occasion.tier(), level, &format!("{}: {what}", context.title(occasion)));
}

/// What fails after the job was told to end fails because of that.
fn stopped(context: &Context, error: JobError) -> JobError {
    match context.stop.why() {
        // That there is too little room says more than that the job was told so.
        Some(why) if !error.is_refusal() && error.stage != Stage::Space => JobError::new(
            error.stage,
            format!("the job was stopped: {why}; nothing partial is left, and earlier backups are untouched"),
        )
        .help("the next run begins anew"),
        _ => error,
    }
}

fn done(report: &BackupReport) -> String {
    let Manifest { name, bytes, remote, .. } = &report.manifest;
    let copy = remote.as_ref().map(|remote| format!(", and s3://{}/{}", remote.bucket, remote.key));
    let gone = match report.swept.removed.len() {
        0 => String::new(),
        count => format!("; {count} older removed"),
    };
    format!("done: {name}, {}{}{gone}", words::bytes(*bytes), copy.unwrap_or_default())
}

async fn attempt<O>(context: &Context, occasion: &Occasion, open: O) -> Result<BackupReport, JobError>
where
    O: FnOnce(Scratch) -> Result<Box<dyn Dump>, DumpError> + Send + 'static,
{
    let place = directory::find(context)?;
    directory::check_user(&place)?;
    let _lock = lock::take(context, &place, lock::BACKUP, context.title(occasion), occasion.tier())?;
    let series = context.series();
    seal::complete(&place, &series).and_then(|()| directory::clean(&place, &series)).map_err(|error| {
        let message = format!("what an earlier job left in {} cannot be removed: {error}", place.display());
        JobError::new(Stage::Prepare, message)
    })?;
    directory::check_space(context, &place, &series)?;

    let began = context.clock.now();
    let named = |content| {
        Name::of(occasion, &context.hostname, began, context.zone, content, context.job.compression)
    };
    // A name that `clean` knows, before the dump has told what it contains.
    let scratch_name = series.render(&named(Content::Archive));
    let scratch = Scratch(place.join(format!("{scratch_name}{}", directory::SCRATCH)));
    let dump = blocking(Stage::Dump, move || open(scratch)).await??;
    let facts = dump.facts();
    let name = named(facts.content);
    let file = series.render(&name);
    if name.label().is_some() && place.join(&file).exists() {
        return Err(JobError::new(Stage::Prepare, format!("{file} is there already, and stays as it is"))
            .help("choose another label, or wait for the next minute"));
    }
    let restore = dump.restore(&file, context.job.compression);
    let target = match (&context.store, &context.job.upload) {
        (Some(store), Some(upload)) => Some(upload::target(context, store, upload, &name).await),
        _ => None,
    };

    let earlier = Manifest::read(&place, &file);
    // A key that is never written twice may hold what a killed run completed and did not write down.
    if let Some(target) = target.as_ref()
        && let Some(left) = earlier.clone().filter(|earlier| !earlier.proven())
        && let Some(manifest) = recovered(target, &place, left).await?
    {
        let warnings = target.alarm.iter().cloned().collect();
        return Box::pin(finish(context, occasion, place, manifest, warnings)).await;
    }

    // A run of the same day: the proven one keeps its name until this one is proven too.
    let replaces = target.is_some() && earlier.is_some_and(|earlier| earlier.proven());
    let target = target.map(|target| if replaces { target.beside_an_earlier_one() } else { target });
    let partial = Partial::create(&place, &file)?;
    let (tell, words) = unbounded_channel();
    let (written, read) = (partial.handle.clone(), partial.handle.clone());
    let writing = write(context, dump, written, place.clone(), tell);
    let uploading = async {
        match &target {
            Some(target) => upload::follow(target, read, words, &context.stop).await,
            None => Ok(None),
        }
    };
    let seal = async {
        let Written { flow, sure, mut notes } = writing.await?;
        let mut facts = facts;
        facts.notes.append(&mut notes);
        let record = Record { context, occasion, facts, flow, began, restore, file, target: target.as_ref() };
        let mut sealed = record.of(partial);
        if !replaces {
            sealed.settle(&place)?;
        }
        // Only now may the upload be completed: the bucket never holds what this host does not.
        sure.say(&sealed.flow);
        Ok::<_, JobError>(sealed)
    };
    let (sealed, uploaded) = tokio::join!(seal, uploading);
    let mut sealed = sealed?;
    let mut warnings = Vec::new();
    if let Some(target) = &target {
        if let Err(error) = Box::pin(prove(target, uploaded, &mut sealed, &place)).await {
            // Where the file has its place here it is whole: another host may have it although the bucket does not.
            if let Some(second) = copy::Second::of(context).filter(|_| sealed.partial.is_none())
                && let Err(also) = send(second, &place, &series).await
            {
                note(context, occasion, Level::Warning, &also.to_string());
            }
            return Err(error);
        }
        warnings.extend(target.alarm.clone());
    }
    let Sealed { manifest, warnings: mut told, .. } = sealed;
    warnings.append(&mut told);
    Box::pin(finish(context, occasion, place, manifest, warnings)).await
}

/// The manifest of a backup here whose copy stands under a key that is never written twice, and that no run recorded: it is
/// recorded now. `None` where there is none.
async fn recovered(
    target: &Target,
    place: &Path,
    mut manifest: Manifest,
) -> Result<Option<Manifest>, JobError> {
    let there = place.join(&manifest.name).metadata();
    if !there.is_ok_and(|there| there.len() == manifest.bytes) {
        return Ok(None);
    }
    let Some(uploaded) = target.holds(&manifest).await else { return Ok(None) };
    manifest.remote = Some(remote(target, Some(uploaded)));
    target.describe(&manifest).await?;
    manifest.write(place).map_err(|error| unwritten(Stage::Record, place, &error))?;
    Ok(Some(manifest))
}

/// What follows once a backup is proven: said, copied, and older ones let go.
async fn finish(
    context: &Context,
    occasion: &Occasion,
    place: PathBuf,
    manifest: Manifest,
    warnings: Vec<String>,
) -> Result<BackupReport, JobError> {
    let series = context.series();
    for warning in &warnings {
        tracing::warn!("{warning}");
        note(context, occasion, Level::Warning, warning);
    }

    let second = copy::Second::of(context);
    if let Some(second) = second.clone() {
        send(second, &place, &series).await?;
    }
    let swept = match occasion {
        Occasion::Tier(_) => sweep(context, place, &series, second).await?,
        Occasion::Label { .. } => Swept::default(),
    };
    let path = format!("{}/{}", context.job.directory.trim_end_matches('/'), manifest.name);
    Ok(BackupReport { manifest, path, swept, warnings })
}

/// Hears from the bucket that the copy is whole, and writes that down.
async fn prove(
    target: &Target,
    uploaded: Result<Option<Uploaded>, JobError>,
    sealed: &mut Sealed,
    place: &Path,
) -> Result<(), JobError> {
    let uploaded = uploaded?.ok_or_else(|| {
        JobError::new(Stage::Upload, "the upload ended before the dump did: nothing is in the bucket")
    })?;
    target.read_back(&uploaded, &sealed.flow).await?;
    sealed.manifest.remote = Some(remote(target, Some(uploaded)));
    target.describe(&sealed.manifest).await?;
    match sealed.partial {
        Some(_) => sealed.settle(place),
        None => sealed.manifest.write(place).map_err(|error| unwritten(Stage::Record, place, &error)),
    }
}

/// Sends what is here to the second place.
async fn send(second: copy::Second, place: &Path, series: &Series) -> Result<(), JobError> {
    let (place, series) = (place.to_owned(), series.clone());
    blocking(Stage::Copy, move || second.send(&place, &series)).await?
}

/// Removes what is over, here and in the second place.
async fn sweep(
    context: &Context,
    place: PathBuf,
    series: &Series,
    second: Option<copy::Second>,
) -> Result<Swept, JobError> {
    let swept = expire::run(&place, series, context).map_err(|error| {
        let message =
            format!("the new backup is good, but old ones in {} cannot be removed: {error}", place.display());
        JobError::new(Stage::Expire, message)
            .help("see who owns them: the job's user must be able to remove them")
    })?;
    for reason in swept.reasons() {
        tracing::info!("{reason}");
    }
    if let Some(second) = second {
        let (series, now) = (series.clone(), context.clock.now());
        blocking(Stage::Expire, move || second.expire(&place, &series, now)).await??;
    }
    Ok(swept)
}
