//! The measure of a datastore's backups, `.reconcile-ENV-DATASTORE.measure.json` beside them: what proven ones held.
//!
//! Kept by itself, since evidence goes with its backup and is written anew with every look at it. Only [`accept`] lowers it.

use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::evidence::{self, Accepted, Evidence};
use crate::datastores::prove::Measure;
use crate::jobs::context::Context;
use crate::jobs::directory;

const FORMAT: &str = "reconcile.measure/1";
/// The most that it may hold: some hundred thousand tables.
const LIMIT: u64 = 32 << 20;

/// The measure, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    format: String,
    /// The newest backup that it is of, and when that was whole.
    pub name: String,
    pub taken: Option<DateTime<Utc>>,
    /// Who last lowered it.
    pub accepted: Option<Accepted>,
    pub measure: Measure,
}

fn file(context: &Context) -> String {
    format!(".reconcile-{}-{}.measure.json", context.job.environment, context.job.datastore)
}

/// What is kept; where nothing is, what the evidence comes to.
pub fn read(context: &Context) -> Option<Kept> {
    let place = context.directory();
    kept(&place.join(file(context))).or_else(|| {
        let mut proofs = evidence::all(&place).ok()?;
        proofs.retain(|one| {
            one.is_proof()
                && one.label.is_none()
                && one.concerns(&context.job.environment, &context.job.datastore)
        });
        proofs.sort_by_key(|one| one.ended);
        proofs.iter().fold(None, |kept, proof| Some(raised(kept.as_ref(), proof)))
    })
}

fn kept(path: &Path) -> Option<Kept> {
    let metadata = fs::symlink_metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > LIMIT {
        return None;
    }
    let kept: Kept = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (kept.format == FORMAT).then_some(kept)
}

/// The measure of a backup that was whole at `taken`. An old one is measured by those before it alone: what came later it
/// cannot hold.
pub fn measure_of(context: &Context, kept: Option<&Kept>, taken: Option<DateTime<Utc>>) -> Option<Measure> {
    let kept = kept?;
    if !is_older(kept, taken) {
        return Some(kept.measure.clone());
    }
    let mut before = evidence::all(&context.directory()).ok()?;
    before.retain(|one| {
        one.is_proof()
            && one.label.is_none()
            && one.concerns(&context.job.environment, &context.job.datastore)
            && one.taken.zip(taken).is_some_and(|(of, taken)| of < taken)
    });
    before.iter().max_by_key(|one| one.taken).map(|one| Measure::of(&one.counts))
}

/// Whether a backup is older than the newest that the measure is of.
pub fn is_older(kept: &Kept, taken: Option<DateTime<Utc>>) -> bool {
    kept.taken.zip(taken).is_some_and(|(newest, taken)| taken < newest)
}

/// By one more proof.
pub fn raised(kept: Option<&Kept>, proof: &Evidence) -> Kept {
    let accepted = match &proof.accepted {
        Some(accepted) => return accept(proof, accepted),
        None => kept.and_then(|kept| kept.accepted.clone()),
    };
    let measure = match kept {
        Some(kept) => kept.measure.raised(&proof.counts),
        None => Measure::of(&proof.counts),
    };
    Kept { format: FORMAT.to_owned(), name: proof.name.clone(), taken: proof.taken, accepted, measure }
}

/// What somebody accepted is the measure from now on.
pub fn accept(proof: &Evidence, accepted: &Accepted) -> Kept {
    Kept {
        format: FORMAT.to_owned(),
        name: proof.name.clone(),
        taken: proof.taken,
        accepted: Some(accepted.clone()),
        measure: Measure::of(&proof.counts),
    }
}

pub fn write(context: &Context, kept: &Kept) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(kept).map_err(io::Error::other)?;
    text.push(b'\n');
    directory::write(&context.directory(), &file(context), &text)
}
