//! The sequence of a backup: lock -> dump -> seal -> upload -> read back -> record -> copy -> expire -> tell.
//!
//! Until the dump is whole its file has a partial name and its upload is not completed. Where the upload fails, the
//! local backup stays, sealed and not proven, and nothing older is removed: but for the place of a proven one of the same
//! name, which it takes only when it is proven itself.
//!
//! A backup that a person labels goes the same way, but removes nothing and is no news: no schedule waits for it, and the
//! person is there.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::beside::Beside;
use super::blocking;
use super::context::Context;
use super::error::{JobError, Stage};
use super::expire::{self, Swept};
use super::log::Level;
use super::manifest::{Manifest, Remote};
use super::room::Shortage;
use super::stop::Progress;
use super::stream::{self, Flow, FlowError};
use super::upload::{self, Target, Uploaded, Word};
use super::{copy, directory, failure, lock, log, tell};
use crate::datastores::dump::{Dump, DumpError, Facts, Scratch};
use crate::datastores::job;
use crate::datastores::names::{Content, Name, Series};
use crate::vocab::Occasion;

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
        failure::clear(context);
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
    format!("done: {name}, {}{}{gone}", directory::size(*bytes), copy.unwrap_or_default())
}

async fn attempt<O>(context: &Context, occasion: &Occasion, open: O) -> Result<BackupReport, JobError>
where
    O: FnOnce(Scratch) -> Result<Box<dyn Dump>, DumpError> + Send + 'static,
{
    let place = directory::find(context)?;
    directory::check_user(&place)?;
    let _lock = lock::take(context, &place, lock::BACKUP, context.title(occasion), occasion.tier())?;
    let series = context.series();
    directory::clean(&place, &series).map_err(|error| {
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

    // A key that is never written twice may hold what a killed run completed and did not write down.
    if let Some(target) = target.as_ref()
        && let Some(manifest) = recovered(target, &place, &file).await?
    {
        let warnings = target.alarm.iter().cloned().collect();
        return Box::pin(finish(context, occasion, place, manifest, warnings)).await;
    }

    // A run of the same day: the proven one keeps its name until this one is proven too.
    let replaces =
        target.is_some() && Manifest::read(&place, &file).is_some_and(|manifest| manifest.proven());
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
async fn recovered(target: &Target, place: &Path, file: &str) -> Result<Option<Manifest>, JobError> {
    let there = place.join(file).metadata().map(|metadata| metadata.len()).ok();
    let left = Manifest::read(place, file).filter(|left| !left.proven() && Some(left.bytes) == there);
    let Some(mut manifest) = left else { return Ok(None) };
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

/// The right to have the upload completed; dropped unsaid, the upload is broken off.
struct Sure(UnboundedSender<Word>);

impl Sure {
    fn say(self, flow: &Flow) {
        // An upload that failed meanwhile tells so itself.
        let _ = self.0.send(Word::Whole { bytes: flow.bytes, crc64nvme: flow.crc64nvme });
    }
}

/// A dump that is whole and on the disk.
struct Written {
    flow: Flow,
    sure: Sure,
    /// What the dump had to say at its end.
    notes: Vec<String>,
}

/// Lets the dump flow into the file and hears from the dump whether it is whole.
async fn write(
    context: &Context,
    mut dump: Box<dyn Dump>,
    file: Arc<File>,
    place: PathBuf,
    tell: UnboundedSender<Word>,
) -> Result<Written, JobError> {
    let (compression, threads) = (context.job.compression, context.threads);
    let progress = Progress::of(dump.gathers_in());
    let (watched, stop) = (progress.clone(), context.stop.clone());
    let (room, around) = (context.room.clone(), place.clone());
    let writing = blocking(Stage::Dump, move || {
        let stream = watched.watch(dump.stream()?);
        // Told before its program ran, nobody told the program; told from now on, it is among those that are.
        if let Some(why) = stop.why() {
            return Err(JobError::new(Stage::Dump, why.to_owned()));
        }
        let (flow, settled) = settling(&file, |settle| {
            let on_part = |part| {
                // An upload that failed meanwhile tells so itself; the dump goes on.
                let _ = tell.send(Word::Part(part));
                settle();
            };
            let watched = room.watch(&*file, &place);
            stream::flow(stream, watched, compression, threads, upload::part_size, on_part)
        });
        let flow = match flow {
            Ok(flow) => flow,
            Err(FlowError::Write(error)) if let Some(shortage) = shortage(&error) => return Err(shortage),
            Err(error @ FlowError::Write(_)) => return Err(unwritten(Stage::Dump, &place, &error)),
            Err(error) => return Err(JobError::new(Stage::Dump, error.to_string())),
        };
        let notes = dump.finish(&flow.last)?;
        settled.and_then(|()| file.sync_all()).map_err(|error| unwritten(Stage::Seal, &place, &error))?;
        Ok(Written { flow, sure: Sure(tell), notes })
    });
    tokio::pin!(writing);
    tokio::select! {
        written = &mut writing => return written?,
        // Its programs were told to end, and with them the dump does.
        () = progress.guard(&context.stop, context.patience) => {}
        short = context.room.guard(&around, &context.stop) => {
            // Whoever notices first, it is the room that was lacking.
            return writing.await?.map_err(|_| too_little(&short));
        }
    }
    writing.await?
}

/// Does `work`, which writes to `file`, while what is written goes to the disk whenever `work` says so: otherwise all
/// of it would at the end, with everything waiting. A disk tells an error once (fsync(2)), so the answer must be heard.
fn settling<T>(file: &File, work: impl FnOnce(&dyn Fn()) -> T) -> (T, std::io::Result<()>) {
    let (say, said) = sync_channel(1);
    std::thread::scope(|scope| {
        let settler = scope.spawn(move || said.iter().try_for_each(|()| file.sync_data()));
        // Where one settling is waiting already, it will see to this as well.
        let done = work(&|| {
            let _ = say.try_send(());
        });
        drop(say);
        let settled =
            settler.join().unwrap_or_else(|_| Err(std::io::Error::other("writing to the disk broke off")));
        (done, settled)
    })
}

/// What a file that was not to grow further says.
fn shortage(error: &std::io::Error) -> Option<JobError> {
    error.get_ref()?.downcast_ref::<Shortage>().map(too_little)
}

fn too_little(shortage: &Shortage) -> JobError {
    let message = format!(
        "{shortage}: the backup was broken off before the disk is full; earlier backups are untouched"
    );
    JobError::new(Stage::Space, message)
        .help("make room or enlarge the volume; older backups are removed only after a new one is proven")
}

fn unwritten(stage: Stage, place: &Path, error: &dyn std::error::Error) -> JobError {
    JobError::new(
        stage,
        format!(
            "the backup cannot be written to {}: {error}; earlier backups are untouched",
            place.display()
        ),
    )
    .help("see that the volume has room and is writable")
}

/// The file while it has no final name; dropped before it gets one, it is removed.
struct Partial {
    handle: Arc<File>,
    path: PathBuf,
    sealed: bool,
}

impl Partial {
    fn create(place: &Path, file: &str) -> Result<Self, JobError> {
        let path = place.join(format!("{file}{}", directory::PARTIAL));
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(0o600);
        let handle = options.open(&path).map_err(|error| unwritten(Stage::Dump, place, &error))?;
        Ok(Partial { handle: Arc::new(handle), path, sealed: false })
    }

    fn rename(mut self, to: &Path) -> std::io::Result<()> {
        std::fs::rename(&self.path, to)?;
        self.sealed = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.sealed {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What is known of a dump that is whole.
struct Record<'a> {
    context: &'a Context,
    occasion: &'a Occasion,
    facts: Facts,
    flow: Flow,
    began: DateTime<Utc>,
    restore: Vec<String>,
    file: String,
    target: Option<&'a Target>,
}

struct Sealed {
    manifest: Manifest,
    flow: Flow,
    warnings: Vec<String>,
    /// Until it has its final name.
    partial: Option<Partial>,
}

impl Sealed {
    /// Gives the file its final name and its manifest.
    fn settle(&mut self, place: &Path) -> Result<(), JobError> {
        let unsealed = |error: std::io::Error| unwritten(Stage::Seal, place, &error);
        let Some(partial) = self.partial.take() else { return Ok(()) };
        // A backup of the same name is replaced; its manifest goes first, so that it never speaks of another file.
        directory::remove(&place.join(Manifest::file(&self.manifest.name))).map_err(unsealed)?;
        partial.rename(&place.join(&self.manifest.name)).map_err(unsealed)?;
        directory::sync(place).map_err(unsealed)?;
        self.manifest.write(place).map_err(unsealed)
    }
}

impl Record<'_> {
    /// What the manifest will say; a copy that is wanted is not proven yet.
    fn of(self, partial: Partial) -> Sealed {
        let job = &self.context.job;
        let mut notes = self.facts.notes.clone();
        let alarm = self.target.and_then(|target| target.alarm.clone());
        notes.extend(alarm.clone());
        let manifest = Manifest {
            format: Manifest::FORMAT.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: self.file,
            environment: job.environment.clone(),
            host: job.host.clone(),
            datastore: job.datastore.clone(),
            tier: self.occasion.tier(),
            label: self.occasion.label().cloned(),
            keep_until: self.occasion.keep_until(),
            method: self.facts.method,
            began: self.began,
            ended: self.context.clock.now(),
            bytes: self.flow.bytes,
            uncompressed_bytes: self.flow.uncompressed,
            sha256: hex::encode(self.flow.sha256),
            crc64nvme: upload::base64(self.flow.crc64nvme),
            compression: job.compression,
            server_version: self.facts.server_version,
            source: self.facts.source,
            remote: self.target.map(|target| remote(target, None)),
            restore: self.restore,
            notes,
            alarm,
            run: self.context.run.clone(),
        };
        Sealed { manifest, flow: self.flow, warnings: self.facts.notes, partial: Some(partial) }
    }
}

fn remote(target: &Target, uploaded: Option<Uploaded>) -> Remote {
    let proven = uploaded.is_some();
    let version_id = uploaded.and_then(|uploaded| uploaded.version_id);
    Remote { bucket: target.bucket.clone(), key: target.key.clone(), version_id, proven }
}
