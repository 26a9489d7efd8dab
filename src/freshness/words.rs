//! Findings in words: the same in a mail, in a table's notes and in the status file.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{Finding, Goal, Matter, Objective, Place, PlaceFreshness, Running, State};
use crate::vocab::{Tier, words};

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Here => "on the host",
            Place::Remote => "in the bucket",
        })
    }
}

impl fmt::Display for Finding<'_> {
    /// What is wrong, one sentence without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Objective(objective) => objective.fmt(f),
            Finding::Ahead { tier, place, taken } => ahead(f, *tier, *place, *taken),
            Finding::Backup { tier, at: PlaceFreshness { place, newest, state, .. } } => match state {
                State::Missing { since, runs, running } => {
                    write!(f, "no {tier} backup {place} since the run of {}", words::minute(*since))?;
                    if *runs > 1 {
                        write!(f, ": {runs} runs are missing")?;
                    }
                    if let Some(Running { tier: of, began }) = running {
                        let began = words::minute(*began);
                        match of {
                            Some(of) if of == tier => write!(f, ", and one that began {began} is not done"),
                            Some(of) => {
                                write!(f, ", and the {of} backup that began {began} keeps others away")
                            }
                            None => write!(f, ", and a job that began {began} keeps others away"),
                        }?;
                    }
                    match newest {
                        Some(newest) => write!(f, "; the newest is of {}", words::minute(newest.ended)),
                        None => f.write_str("; there is none at all"),
                    }
                }
                State::Small { usual } => {
                    let bytes = newest.as_ref().map_or(0, |newest| newest.bytes);
                    write!(f, "the newest {tier} backup {place} has {}", words::bytes(bytes))?;
                    match usual {
                        0 => Ok(()),
                        usual => write!(f, ", the last ones of its format had {}", words::bytes(*usual)),
                    }
                }
                State::Cut { written } => {
                    let there = newest.as_ref().map_or(0, |newest| newest.bytes);
                    let (has, had) = match (words::bytes(there), words::bytes(*written)) {
                        (has, had) if has == had => (format!("{there} bytes"), format!("{written} bytes")),
                        differ => differ,
                    };
                    write!(f, "the newest {tier} backup {place} has {has}, and {had} were written")
                }
                State::Hidden { since } => write!(
                    f,
                    "the newest {tier} backup {place} is hidden by a delete marker since {}",
                    words::minute(*since)
                ),
                State::Ahead { taken } => ahead(f, *tier, *place, *taken),
                State::Unseen { why } => write!(f, "what is {place} cannot be seen: {why}"),
                State::Running { since } => {
                    write!(f, "the {tier} backup began {} and is not done", words::minute(*since))
                }
                State::Awaited => write!(f, "the first {tier} backup {place} is not due yet"),
                State::Fresh => write!(f, "the newest {tier} backup {place} is as new as it should be"),
            },
        }
    }
}

fn ahead(f: &mut fmt::Formatter<'_>, tier: Tier, place: Place, taken: DateTime<Utc>) -> fmt::Result {
    write!(f, "a {tier} backup {place} is of {}, which is still to come", words::minute(taken))
}

impl Matter {
    /// What to do.
    pub fn help(self) -> &'static str {
        match self {
            Matter::Late => {
                "look at the last failure with `reconcile list`; where there is none, see that cron runs on the host \
                 and that no job hangs"
            }
            Matter::Small => {
                "see whether it is whole, with `reconcile verify`, before the older ones are gone"
            }
            Matter::Hidden => {
                "find out who wrote the marker; the backup is still in the bucket, and comes back without it"
            }
            Matter::Lost => {
                "find out who took it away or changed where the repository leads; if it was you, the next backup settles it, \
                 and removing NAME.snapshot.json in the job's directory at once"
            }
            Matter::Unversioned => {
                "mend what the message names, and find out who changed the bucket; the next backup of the tier settles it"
            }
            Matter::Clock => "set the clock of the host; the backup counts once its time has come",
            Matter::Unproven => "prove one with `reconcile verify`",
            Matter::Condemned => {
                "find out why, and keep an earlier backup until you know; `reconcile verify --accept` accepts what was meant \
                 to go"
            }
            Matter::Unverified => "mend what the message names, and prove one with `reconcile verify`",
            Matter::OldEntries => {
                "`reconcile plan` shows the entries, and `reconcile apply` takes them over again"
            }
            Matter::Unseen => "mend what the message names, and look again with `reconcile check`",
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = span(self.within);
        match (self.goal, self.last) {
            (Goal::RecoveryPoint, Some(last)) => {
                write!(f, "the newest backup is of {}, older than the goal of {within}", words::minute(last))
            }
            (Goal::RecoveryPoint, None) => {
                write!(f, "there is no backup, and the goal is one within {within}")
            }
            (Goal::VerifiedWithin, Some(last)) => {
                write!(
                    f,
                    "a backup was last restored and checked {}, longer ago than {within}",
                    words::minute(last)
                )
            }
            (Goal::VerifiedWithin, None) => {
                write!(f, "no backup was ever restored and checked, and the goal is within {within}")
            }
        }
    }
}

/// The largest unit that leaves two or more: `26 h`, `3 days`.
fn span(seconds: i64) -> String {
    match seconds {
        ..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
