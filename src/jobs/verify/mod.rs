//! Proving a backup: it is restored to a scratch place, asked what it holds, and the answer is kept as evidence.
//!
//!     choose -> build in a scratch directory -> compare checksums -> start a server of our own on it -> ask -> judge -> record
//!
//! Must never touch the living data, and never let the scratch server act as the one that was backed up.

mod accept;
mod evidence;
pub(super) mod measure;
pub mod standing;
mod work;

use std::fs::File;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use accept::{accept, acceptable};
pub use evidence::{Accepted, Evidence, Looked, all};
pub use standing::{Condemned, Proven, Standing};
use work::{ELSEWHERE, Why, Work};

use super::beside::Beside;
use super::blocking;
use super::context::Context;
use super::directory;
use super::error::{JobError, Stage};
use super::list::Earlier;
use super::restore::{Chosen, Origin, Staging, Wanted, choose, seen, space};
use super::{lock, log, remote, snapshot};
use crate::datastores::job::below;
use crate::datastores::job_file::Source;
use crate::datastores::postgresql::job as postgresql;
use crate::datastores::prove::{Counts, judge};

/// Proves a backup, or tells why it is none; either is recorded. The newest is that of the schedules: a labelled one is
/// proven by its name, and its proof is not theirs. `scratch`: where it is restored to, in place of the
/// backup directory.
pub async fn verify(
    context: &Context,
    earlier: &[Earlier],
    wanted: &Wanted,
    scratch: Option<PathBuf>,
) -> Result<Evidence, JobError> {
    if snapshot::is_of(context) {
        return Box::pin(snapshot::verify(context, wanted)).await;
    }
    let place = directory::find(context)?;
    let title = format!("verify {} of {}", context.job.datastore, context.job.environment);
    let _lock = lock::take(context, &place, lock::VERIFY, title, None)?;
    let began = context.clock.now();
    let chosen = Box::pin(choose(context, earlier, wanted.to_prove())).await?;
    let around = scratch
        .or_else(|| context.job.verify.scratch.as_ref().map(|path| below(&context.root, path)))
        .unwrap_or_else(|| usual_scratch(&context.job.source, &place));
    let staging = Staging::named(&around, &scratch_name(context, &place, &around))?;
    let (manifest, content) = (chosen.manifest.as_ref(), chosen.parsed.content);
    space::check(&context.room, &staging.0, manifest, content, ELSEWHERE)?;
    let guard = space::Guard::of(&context.room, &staging.0);
    let work = Work::of(context, &chosen, &staging.0, guard.clone());
    let outcome = guard.over(Stage::Prove, ELSEWHERE, move || work.run()).await?;
    drop(staging);
    let outcome = match outcome {
        Err(Why::Unmade(error)) => return Err(error),
        Err(Why::Condemned(reason)) => Err(reason),
        Ok(found) => Ok(found),
    };

    let (tier, label) = (chosen.parsed.tier(), chosen.parsed.label());
    let looked = Looked { name: &chosen.name, tier, label, taken: chosen.ended, began };
    let mut evidence = Evidence::of(context, &looked);
    let passed = chosen.passed.iter().map(|passed| format!("passed over: {passed}"));
    evidence.notes = passed.chain(chosen.doubts.iter().cloned()).collect();
    let kept = measure::read(context);
    match outcome {
        Err(reason) => {
            evidence.reasons.push(reason);
            // Whether a disk changed it or it was never any good: the one says nothing of its copy in the bucket.
            if let Origin::Here(path) = chosen.origin.clone() {
                let seen = blocking(Stage::Prove, move || seen(Box::new(File::open(path)?))).await?;
                evidence.sha256 = seen.map(|seen| seen.sha256).unwrap_or_default();
            }
        }
        Ok((findings, sha256)) => {
            evidence.sha256 = sha256;
            weigh(context, kept.as_ref(), &mut evidence, findings.counts);
            evidence
                .reasons
                .extend(findings.broken.map(|broken| format!("its structure is broken: {broken}")));
            let failed = findings.checks.iter().filter_map(|check| {
                check.wrong.as_ref().map(|wrong| format!("the check `{}` does not hold: {wrong}", check.sql))
            });
            evidence.reasons.extend(failed);
            evidence.notes.extend(findings.notes);
            evidence.checks = findings.checks;
        }
    }
    raise(context, kept.as_ref(), &place, &mut evidence)?;
    record(&place, &chosen, &evidence).await?;
    note(context, &evidence);
    Ok(evidence)
}

/// Judges what a backup holds, beside what those before it held.
pub(super) fn weigh(
    context: &Context,
    kept: Option<&measure::Kept>,
    evidence: &mut Evidence,
    counts: Counts,
) {
    let measure = measure::measure_of(context, kept, evidence.taken);
    let verdict = judge(&counts, measure.as_ref());
    let losses = verdict.reasons.iter().filter(|reason| reason.is_loss());
    evidence.losses = losses.map(ToString::to_string).collect();
    evidence.reasons.extend(verdict.reasons.iter().map(ToString::to_string));
    evidence.notes.extend(verdict.notes.iter().map(ToString::to_string));
    evidence.counts = counts;
}

/// What is proven is the measure of the next.
pub(super) fn raise(
    context: &Context,
    kept: Option<&measure::Kept>,
    place: &Path,
    evidence: &mut Evidence,
) -> Result<(), JobError> {
    if !evidence.is_proof() {
        return Ok(());
    }
    // What was accepted of these very bytes stays known.
    let before = Evidence::read(place, &evidence.name);
    evidence.accepted = before.filter(|before| before.is_same(evidence)).and_then(|before| before.accepted);
    // What a person labelled may be of long ago: nothing is measured by it.
    let counts = evidence.label.is_none();
    if counts && !kept.is_some_and(|kept| measure::is_older(kept, evidence.taken)) {
        keep(context, &measure::raised(kept, evidence))?;
    }
    Ok(())
}

pub(super) fn note(context: &Context, evidence: &Evidence) {
    let title = format!("verify {} of {}", context.job.datastore, context.job.environment);
    let Evidence { name, tier, reasons, .. } = evidence;
    match &evidence.accepted {
        _ if !evidence.is_proof() => {
            let line = format!("{title}: {name} is NOT PROVEN: {}", reasons.join("; "));
            log::line(context, *tier, log::Level::Error, &line);
        }
        Some(Accepted { by, reasons, .. }) => {
            let line = format!("{title}: {name} is accepted by {by}: {}", reasons.join("; "));
            log::line(context, *tier, log::Level::Warning, &line);
        }
        None => log::line(context, *tier, log::Level::Info, &format!("{title}: {name} is proven")),
    }
}

pub(super) fn unwritten(why: String) -> JobError {
    JobError::new(Stage::Record, format!("the evidence cannot be written: {why}"))
        .help("what was found is in the error or the report above; run it again when that is mended")
}

fn keep(context: &Context, kept: &measure::Kept) -> Result<(), JobError> {
    let place = context.directory();
    measure::write(context, kept).map_err(|error| unwritten(format!("{}: {error}", place.display())))
}

/// Where large things are put for a while, by the Filesystem Hierarchy Standard, 5.15.
const VAR_TMP: &str = "/var/tmp";

/// The backup directory has room and is private; but where it is root's alone no server can run in it.
fn usual_scratch(source: &Source, place: &Path) -> PathBuf {
    let server = match source {
        Source::Postgresql(_) => postgresql::server_user(place).ok().flatten(),
        _ => None,
    };
    match server.and_then(|user| postgresql::shut_to(place, user)) {
        Some(_) => PathBuf::from(VAR_TMP),
        None => place.to_owned(),
    }
}

/// What a killed verification left is found again by its name; elsewhere those of other directories lie beside it.
fn scratch_name(context: &Context, place: &Path, around: &Path) -> String {
    let name = format!(".reconcile-verify-{}", context.job.datastore);
    match place == around {
        true => name,
        false => {
            format!("{name}-{}", &hex::encode(Sha256::digest(place.as_os_str().as_encoded_bytes()))[..12])
        }
    }
}

/// Writes the evidence beside the backup: here always, and in the bucket where the backup was read from there.
async fn record(place: &Path, chosen: &Chosen, evidence: &Evidence) -> Result<(), JobError> {
    evidence.write(place).map_err(|error| unwritten(format!("{}: {error}", place.display())))?;
    if let Origin::There(object) = &chosen.origin {
        let text = evidence.render().map_err(|error| unwritten(error.to_string()))?;
        let key = Evidence::file(&object.key);
        let written = remote::put(&object.store, &object.bucket, &key, text).await;
        written.map_err(|why| unwritten(format!("s3://{}/{key}: {why}", object.bucket)))?;
    }
    Ok(())
}
