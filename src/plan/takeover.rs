//! What a plan has to say of entries that older tools left: what is taken over and why, what becomes of the backups
//! that they made, and what stays because it cannot be told whose it is.

use super::between::Comparison;
use super::losses::local_keep;
use super::{Action, FieldChange, LocalKeep, Reason};
use crate::resources::Resource;
use crate::resources::crontab::OLD;
use crate::resources::crontab::old::{Keeps, OldLine};
use crate::state::HeldCode;
use crate::vocab::{Id, Kind, Risk, Tier};

impl LocalKeep {
    /// More days than anybody may ask for; `find` was given no number that it takes.
    pub const FOR_EVER: u32 = 36_500;
}

impl Comparison<'_> {
    /// Why entries of older tools go, and what goes with them. Fields that make backups live shorter are destructive.
    pub(super) fn takes_over(
        &self,
        id: &Id,
        action: Action,
        present: Option<&Resource>,
        wanted: &Resource,
        changes: &mut [FieldChange],
    ) -> Vec<Reason> {
        let Some(Resource::Crontab(present)) = present else { return Vec::new() };
        let Resource::Crontab(wanted) = wanted else { return Vec::new() };
        if present.old.is_empty() {
            return Vec::new();
        }
        let mut reasons = match action {
            Action::Adopt => vec![Reason::TakesOver],
            _ if changes.iter().any(|change| change.field != OLD) => vec![Reason::Differs, Reason::Returned],
            _ => vec![Reason::Returned],
        };
        let undone = wanted.leaves_undone(&present.old);
        if !undone.is_empty() {
            reasons.push(Reason::LeavesUndone(undone));
        }
        if let Some((old, new)) = self.keeps_less(id, &present.old) {
            for change in changes.iter_mut().filter(|change| change.field == OLD) {
                change.risk = Risk::Destructive;
            }
            reasons.push(Reason::KeepsLess { old, new });
        }
        reasons
    }

    /// How long old entries keep local backups and how long our job will, where that is less: the job finds theirs in its
    /// directory and judges them as its own.
    fn keeps_less(&self, id: &Id, lines: &[OldLine]) -> Option<(LocalKeep, LocalKeep)> {
        let job_file = Id::on_host(Kind::HostFile, id.host()?.clone(), id.name());
        let Resource::HostFile(job_file) = &self.desired.resources.get(&job_file)?.resource else {
            return None;
        };
        let new = local_keep(job_file)?;
        // Two entries for one tier remove each other's: the shorter life is the life.
        let of = |tier: Tier, kept: u32| {
            let lines = lines.iter().filter(|line| line.tier == Some(tier));
            let old = lines.filter_map(|line| counted(line.keeps, tier)).min();
            old.map_or(kept, |old| old.max(kept))
        };
        let old = LocalKeep {
            days: of(Tier::Daily, new.days),
            weeks: of(Tier::Weekly, new.weeks),
            hours: of(Tier::Hourly, new.hours),
            ..new.clone()
        };
        (old != new).then_some((old, new))
    }

    /// Says which lines stay: they make the same backups as ours, and nobody else will tell.
    pub(super) fn hold_doubtful(&mut self, id: &Id) {
        if id.kind() != Kind::Crontab {
            return;
        }
        let doubtful = id.host().and_then(|host| self.observed.doubtful.get(host)).into_iter().flatten();
        let told: Vec<String> = doubtful
            .filter(|line| line.datastore.as_str() == id.name())
            .map(|line| format!("line {} of {}, since {}", line.line, line.table, line.doubt))
            .collect();
        if !told.is_empty() {
            let what = "an old entry names the same backups and stays";
            let why = format!(
                "{what}: {}; look at it, and take out by hand what is no longer needed",
                told.join("; ")
            );
            self.hold(id, HeldCode::Unsupported, why);
        }
    }
}

/// In the unit of its tier in job files, rounded up; `None` where the line does not tell.
fn counted(keeps: Keeps, tier: Tier) -> Option<u32> {
    let per = match (keeps, tier) {
        (Keeps::AsScripted, _) => return None,
        (Keeps::ForEver, _) => return Some(LocalKeep::FOR_EVER),
        (Keeps::Days(days), Tier::Weekly) => days.div_ceil(7),
        (Keeps::Days(days), Tier::Daily) => days,
        (Keeps::Days(days), Tier::Hourly) => days.saturating_mul(24),
        (Keeps::Minutes(minutes), _) => minutes.div_ceil(60),
    };
    Some(per.min(LocalKeep::FOR_EVER))
}
