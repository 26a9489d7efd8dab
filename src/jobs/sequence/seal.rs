//! A whole dump gets its final name, and the manifest beside it that says what it is.
//!
//! Must never leave a file under a final name that is not whole, nor a manifest that speaks of another file.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::datastores::dump::Facts;
use crate::datastores::names::Series;
use crate::jobs::beside::Beside;
use crate::jobs::context::Context;
use crate::jobs::directory;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::manifest::{Manifest, Remote};
use crate::jobs::stream::Flow;
use crate::jobs::upload::{self, Target, Uploaded};
use crate::vocab::Occasion;

/// The file while it has no final name; dropped before it gets one, it is removed.
pub struct Partial {
    pub handle: Arc<File>,
    path: PathBuf,
    sealed: bool,
}

impl Partial {
    pub fn create(place: &Path, file: &str) -> Result<Self, JobError> {
        let path = place.join(format!("{file}{}", directory::PARTIAL));
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(0o600);
        let handle = options.open(&path).map_err(|error| unwritten(Stage::Dump, place, &error))?;
        Ok(Partial { handle: Arc::new(handle), path, sealed: false })
    }

    /// Hands it to whoever gives it its final name.
    fn sealed(mut self, work: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        work(&self.path)?;
        self.sealed = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.sealed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What is known of a dump that is whole.
pub struct Record<'a> {
    pub context: &'a Context,
    pub occasion: &'a Occasion,
    pub facts: Facts,
    pub flow: Flow,
    pub began: DateTime<Utc>,
    pub restore: Vec<String>,
    pub file: String,
    pub target: Option<&'a Target>,
}

pub struct Sealed {
    pub manifest: Manifest,
    pub flow: Flow,
    pub warnings: Vec<String>,
    /// Until it has its final name.
    pub partial: Option<Partial>,
}

impl Sealed {
    /// Gives the file its final name and its manifest, and takes the place of one of the same name. What will be said of it
    /// lies beside it until all of that is done: a run that is killed meanwhile is completed by the next ([`complete`]).
    pub fn settle(&mut self, place: &Path) -> Result<(), JobError> {
        let unsealed = |error: io::Error| unwritten(Stage::Seal, place, &error);
        let Some(partial) = self.partial.take() else { return Ok(()) };
        let name = &self.manifest.name;
        self.manifest
            .render()
            .and_then(|text| directory::write(place, &next(name), &text))
            .map_err(unsealed)?;
        partial.sealed(|path| take_place(place, name, path)).map_err(unsealed)
    }
}

/// What the manifest is called until its backup has its final name.
fn next(name: &str) -> String {
    format!("{}{NEXT}", Manifest::file(name))
}

const NEXT: &str = ".next";

/// The manifest of the one that is replaced goes first, so that none ever speaks of another file.
fn take_place(place: &Path, name: &str, partial: &Path) -> io::Result<()> {
    directory::remove(&place.join(Manifest::file(name)))?;
    fs::rename(partial, place.join(name))?;
    directory::sync(place)?;
    fs::rename(place.join(next(name)), place.join(Manifest::file(name)))?;
    directory::sync(place)
}

/// Completes what a killed run had begun to put in its place. Only under the lock.
pub fn complete(place: &Path, series: &Series) -> io::Result<()> {
    for entry in fs::read_dir(place)? {
        let Ok(file) = entry?.file_name().into_string() else { continue };
        let name = file.strip_suffix(NEXT).and_then(Manifest::backup_of);
        let Some(name) = name.filter(|name| series.parse_file(name).is_some()) else { continue };
        let wanted = Manifest::parse(&fs::read(place.join(&file))?).filter(|wanted| wanted.name == name);
        let is_whole = |path: &Path| {
            let there = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
            there.zip(wanted.as_ref()).is_some_and(|(there, wanted)| there.len() == wanted.bytes)
        };
        let partial = place.join(format!("{name}{}", directory::PARTIAL));
        let manifest = place.join(Manifest::file(name));
        if is_whole(&partial) {
            // It was on the disk before its manifest was written.
            take_place(place, name, &partial)?;
        } else if !partial.exists() && !manifest.exists() && is_whole(&place.join(name)) {
            fs::rename(place.join(&file), manifest)?;
            directory::sync(place)?;
        } else {
            directory::remove(&place.join(&file))?;
        }
    }
    Ok(())
}

impl Record<'_> {
    /// What the manifest will say; a copy that is wanted is not proven yet.
    pub fn of(self, partial: Partial) -> Sealed {
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

pub fn remote(target: &Target, uploaded: Option<Uploaded>) -> Remote {
    let proven = uploaded.is_some();
    let version_id = uploaded.and_then(|uploaded| uploaded.version_id);
    Remote { bucket: target.bucket.clone(), key: target.key.clone(), version_id, proven }
}

pub fn unwritten(stage: Stage, place: &Path, error: &dyn std::error::Error) -> JobError {
    JobError::new(
        stage,
        format!(
            "the backup cannot be written to {}: {error}; earlier backups are untouched",
            place.display()
        ),
    )
    .help("see that the volume has room and is writable")
}
