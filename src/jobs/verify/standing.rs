//! How it stands with the proofs of a datastore: what its evidence and what its jobs remember come to. Pure but for
//! [`of`], which reads them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::evidence::{self, Evidence};
use crate::freshness::Matter;
use crate::jobs::context::Context;
use crate::jobs::tell::memory::Failed;
use crate::vocab::{Tier, words};

/// How many reasons are carried along; the evidence beside the backup has all.
const REASONS: usize = 5;

/// What is known of the proofs of a datastore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The last proof.
    pub proven: Option<Proven>,
    /// The last backup that was restored and is none, where none as new was proven since.
    pub condemned: Option<Condemned>,
    /// The last verification by cron that could not be made, where none was since.
    pub unmade: Option<Failed>,
}

/// A backup that was restored and found good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// When that was.
    pub at: DateTime<Utc>,
    /// The backup.
    pub name: String,
    /// When it was whole.
    pub taken: Option<DateTime<Utc>>,
    /// How long restoring and asking took.
    pub seconds: i64,
}

/// A backup that was restored and is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condemned {
    pub at: DateTime<Utc>,
    pub name: String,
    pub tier: Tier,
    pub taken: Option<DateTime<Utc>>,
    /// The first of them.
    pub reasons: Vec<String>,
    /// How many more there are.
    pub more: usize,
    /// Whether all of them are losses that an operator may accept.
    pub acceptable: bool,
}

impl Condemned {
    /// What is wrong, one sentence without a full stop.
    pub fn words(&self) -> String {
        format!("{} {}", self.name, told(self.at, &self.reasons, self.more))
    }
}

/// The same of evidence that is no proof, for behind its name.
pub fn words(evidence: &Evidence) -> String {
    let (shown, more) = evidence.reasons.split_at(evidence.reasons.len().min(REASONS));
    told(evidence.ended, shown, more.len())
}

fn told(at: DateTime<Utc>, reasons: &[String], more: usize) -> String {
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let at = words::minute(at);
    format!("was restored {at} and is not what it should be: {}{more}", reasons.join("; "))
}

impl Standing {
    /// What evidence says, whatever its order.
    pub fn of(evidence: &[Evidence], unmade: Option<&Failed>) -> Standing {
        // Of the schedules' alone: who labelled a backup proves it by hand, and looks at what comes of it.
        let evidence: Vec<&Evidence> = evidence.iter().filter(|one| one.label.is_none()).collect();
        let newest = |good: bool| {
            let of = evidence.iter().copied().filter(|one| one.is_proof() == good);
            of.max_by_key(|one| (one.ended, &one.name))
        };
        let proof = newest(true);
        let answers = |failed: &Evidence, proof: &Evidence| {
            // An older backup that is good says nothing of a newer one.
            proof.ended > failed.ended
                && failed.taken.is_none_or(|taken| proof.taken.is_some_and(|of| of >= taken))
        };
        let condemned = newest(false).filter(|failed| {
            !evidence.iter().filter(|one| one.is_proof()).any(|proof| answers(failed, proof))
        });
        let last = evidence.iter().map(|one| one.ended).max();
        Standing {
            proven: proof.map(|one| Proven {
                at: one.ended,
                name: one.name.clone(),
                taken: one.taken,
                seconds: (one.ended - one.began).num_seconds(),
            }),
            condemned: condemned.and_then(|one| {
                Some(Condemned {
                    at: one.ended,
                    name: one.name.clone(),
                    tier: one.tier?,
                    taken: one.taken,
                    reasons: one.reasons.iter().take(REASONS).cloned().collect(),
                    more: one.reasons.len().saturating_sub(REASONS),
                    acceptable: one.is_acceptable(),
                })
            }),
            unmade: unmade.filter(|failed| last.is_none_or(|last| last < failed.at)).cloned(),
        }
    }

    /// The backups whose evidence stays when they go: the last proven, and the one that was condemned since.
    pub fn names(&self) -> Vec<String> {
        let proven = self.proven.iter().map(|one| one.name.clone());
        proven.chain(self.condemned.iter().map(|one| one.name.clone())).collect()
    }

    /// Takes the evidence of a backup out of all that there is, and answers whether it could go: when a backup was last proven,
    /// and what was condemned since, is told however long they are gone, and what is over does not begin anew.
    pub fn take(evidence: &mut Vec<Evidence>, name: &str) -> bool {
        let Some(at) = evidence.iter().position(|one| one.name == name) else { return true };
        let before = Standing::of(evidence, None);
        let one = evidence.swap_remove(at);
        let is_told = Standing::of(evidence, None) != before;
        if is_told {
            evidence.push(one);
        }
        !is_told
    }

    /// Whether nothing is wrong with the proofs that there are.
    pub fn is_good(&self) -> bool {
        self.condemned.is_none() && self.unmade.is_none()
    }

    /// Everything that is wrong, and in words.
    pub fn wrong(&self) -> Vec<(Matter, String)> {
        let condemned = self.condemned.iter().map(|condemned| (Matter::Condemned, condemned.words()));
        condemned.chain(self.words_of_unmade().map(|words| (Matter::Unverified, words))).collect()
    }

    /// What could not be made, one sentence without a full stop.
    pub fn words_of_unmade(&self) -> Option<String> {
        let Failed { at, stage, message, help } = self.unmade.as_ref()?;
        let help = help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        let at = words::minute(*at);
        Some(format!("the verification of {at} could not be made, at {stage}: {message}{help}"))
    }
}

/// What the evidence here says of the job's datastore.
pub fn of(context: &Context, unmade: Option<&Failed>) -> Standing {
    let mut evidence = evidence::all(&context.directory()).unwrap_or_default();
    // What a person labelled no schedule promised.
    evidence
        .retain(|one| one.tier.is_some() && one.concerns(&context.job.environment, &context.job.datastore));
    Standing::of(&evidence, unmade)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::datastores::prove::Counts;
    use crate::jobs::beside::Beside;

    fn day(day: i64) -> DateTime<Utc> {
        let first: DateTime<Utc> = "2026-11-01T00:00:00Z".parse().expect("an instant");
        first + TimeDelta::days(day)
    }

    /// Evidence of one day on the backup of another.
    fn evidence(at: i64, taken: i64, reasons: &[&str]) -> Evidence {
        Evidence {
            format: Evidence::FORMAT.to_owned(),
            version: "0".to_owned(),
            name: format!("backup-{taken}"),
            environment: "production".parse().expect("a name"),
            host: "db1".parse().expect("a name"),
            datastore: "postgresql".parse().expect("a name"),
            tier: Some(Tier::Daily),
            label: None,
            sha256: String::new(),
            taken: Some(day(taken)),
            began: day(at) - TimeDelta::minutes(4),
            ended: day(at),
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
            losses: Vec::new(),
            accepted: None,
            notes: Vec::new(),
            counts: Counts::new(),
            checks: Vec::new(),
        }
    }

    #[test]
    fn a_condemned_backup_stays_one_until_one_as_new_is_proven() {
        let good = evidence(1, 1, &[]);
        let bad = evidence(8, 8, &["it is empty"]);
        let names = |all: &[&Evidence]| {
            let all: Vec<Evidence> = all.iter().map(|one| (*one).clone()).collect();
            let standing = Standing::of(&all, None);
            (standing.proven.map(|one| one.name), standing.condemned.map(|one| one.name))
        };
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(names(&[]), (None, None));
        assert_eq!(names(&[&good]), (some("backup-1"), None));
        assert_eq!(names(&[&bad, &good]), (some("backup-1"), some("backup-8")));
        // An older one that is good is a comfort, and not the end of it.
        assert_eq!(names(&[&bad, &evidence(9, 3, &[]), &good]), (some("backup-3"), some("backup-8")));
        assert_eq!(names(&[&bad, &evidence(9, 9, &[]), &good]), (some("backup-9"), None));
        // Proven first, and damaged since.
        assert_eq!(
            names(&[&evidence(2, 2, &[]), &evidence(3, 1, &["changed"])]),
            (some("backup-2"), some("backup-1"))
        );
    }

    #[test]
    fn what_could_not_be_made_is_over_with_the_next_that_was() {
        let failed = Failed {
            at: day(5),
            stage: crate::jobs::Stage::Space,
            message: "no room".to_owned(),
            help: None,
        };
        let unmade = |evidence: &[Evidence]| Standing::of(evidence, Some(&failed)).words_of_unmade();
        let told = unmade(&[evidence(1, 1, &[])]).expect("told");
        assert_eq!(told, "the verification of 2026-11-06 00:00 UTC could not be made, at space: no room");
        assert_eq!(unmade(&[evidence(6, 6, &["bad"])]), None);
    }

    #[test]
    fn evidence_goes_where_nothing_is_told_otherwise_without_it() {
        // The second is condemned, the third answers it, and an older one was proven last.
        let all = || {
            vec![
                evidence(2, 2, &["it is empty"]),
                evidence(3, 3, &[]),
                evidence(4, 1, &[]),
                evidence(1, 0, &[]),
            ]
        };
        let goes = |names: &[&str]| {
            let mut all = all();
            names.iter().map(|name| Standing::take(&mut all, name)).collect::<Vec<_>>()
        };
        assert_eq!(goes(&["backup-1", "backup-0", "backup-9"]), [false, true, true]);
        assert_eq!(goes(&["backup-3"]), [false], "the incident would begin anew");
        assert_eq!(goes(&["backup-2", "backup-3"]), [true, true]);
    }

    #[test]
    fn many_reasons_are_counted() {
        let reasons: Vec<String> = (0..9).map(|n| format!("table {n} is gone")).collect();
        let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
        let standing = Standing::of(&[evidence(1, 1, &reasons)], None);
        let words = standing.condemned.expect("condemned").words();
        assert!(words.ends_with("table 4 is gone; and 4 more"), "{words}");
    }
}
