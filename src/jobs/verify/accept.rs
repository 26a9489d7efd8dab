//! A loss that somebody answers for: the only thing that lowers the measure.

use super::evidence::{Accepted, Evidence};
use super::{evidence, keep, measure, note, record, unwritten};
use crate::jobs::beside::Beside;
use crate::jobs::context::Context;
use crate::jobs::directory;
use crate::jobs::error::{JobError, Stage};
use crate::jobs::list::Earlier;
use crate::jobs::lock;
use crate::jobs::restore::{Wanted, choose};
use crate::jobs::snapshot;

/// The backup that is wanted, and what was last found in it, where that is a loss which somebody may accept.
pub async fn acceptable(
    context: &Context,
    earlier: &[Earlier],
    wanted: &Wanted,
) -> Result<Option<Evidence>, JobError> {
    let place = directory::find(context)?;
    if snapshot::is_of(context) {
        return Ok(of_snapshot(context, wanted).filter(Evidence::is_acceptable));
    }
    let chosen = Box::pin(choose(context, earlier, wanted.to_prove())).await?;
    let found = Evidence::read(&place, &chosen.name).filter(|found| {
        let same_bytes = chosen.known.sha256.as_ref().is_none_or(|known| *known == found.sha256);
        found.is_acceptable()
            && same_bytes
            && found.taken == chosen.ended
            && found.concerns(&context.job.environment, &context.job.datastore)
    });
    Ok(found)
}

/// Accepts what a backup has lost: it counts as proven from now on, and what it holds is what the next ones are measured
/// by. `by`: the login name of who answers for it.
///
/// Errors: it is not what was shown, or more is wrong with it than a loss.
pub async fn accept(
    context: &Context,
    earlier: &[Earlier],
    wanted: &Wanted,
    shown: &Evidence,
    by: &str,
) -> Result<Evidence, JobError> {
    let place = directory::find(context)?;
    let title = format!("accept {} of {}", context.job.datastore, context.job.environment);
    let _lock = lock::take(context, &place, lock::VERIFY, title, None)?;
    if !shown.is_acceptable() {
        return Err(JobError::new(
            Stage::Prove,
            "only a loss can be accepted, and this backup is wrong besides",
        )
        .help("see the reasons; restore or prove another backup"));
    }
    let (chosen, is_shown) = match snapshot::is_of(context) {
        true => (None, of_snapshot(context, wanted).is_some_and(|found| found.name == shown.name)),
        false => {
            let chosen = Box::pin(choose(context, earlier, wanted.to_prove())).await?;
            let is_shown = chosen.name == shown.name && chosen.ended == shown.taken;
            (Some(chosen), is_shown)
        }
    };
    if !is_shown || Evidence::read(&place, &shown.name).as_ref() != Some(shown) {
        return Err(JobError::new(Stage::Prove, format!("{} is not what was shown any more", shown.name))
            .help("verify it again, and look at what is found now"));
    }
    let accepted = Accepted { by: by.to_owned(), at: context.clock.now(), reasons: shown.losses.clone() };
    let evidence = Evidence {
        reasons: Vec::new(),
        losses: Vec::new(),
        accepted: Some(accepted.clone()),
        ..shown.clone()
    };
    let kept = measure::read(context);
    let counts = evidence.label.is_none();
    if counts && !kept.as_ref().is_some_and(|kept| measure::is_older(kept, evidence.taken)) {
        keep(context, &measure::accept(&evidence, &accepted))?;
    }
    match &chosen {
        Some(chosen) => record(&place, chosen, &evidence).await?,
        None => {
            let written = evidence.write(&place);
            written.map_err(|error| unwritten(format!("{}: {error}", place.display())))?;
        }
    }
    note(context, &evidence);
    Ok(evidence)
}

/// What was last found in a snapshot: of that name, else in whichever was looked at last. Its bytes are in the repository alone.
fn of_snapshot(context: &Context, wanted: &Wanted) -> Option<Evidence> {
    let mut found = evidence::all(&context.directory()).ok()?;
    found.retain(|one| one.concerns(&context.job.environment, &context.job.datastore));
    found.into_iter().find(|one| match wanted {
        Wanted::Named(name) => one.name == *name,
        _ => true,
    })
}
