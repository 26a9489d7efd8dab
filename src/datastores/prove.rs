//! What is found in a restored backup, and the judgement over it. Pure: whoever asked hands over what was answered.
//!
//! A backup can be whole to the byte and worthless: of an empty server, without its rows, of the wrong one. What proven
//! backups held is the measure; a table that a release dropped is told and not taken for a loss. The measure rises with
//! every proof and never falls, so that a loss in small steps is a loss: only somebody who accepts it lowers it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How much there is, by place and thing: rows by database and table; files and bytes of a tree.
pub type Counts = BTreeMap<String, BTreeMap<String, u64>>;

fn total(counts: &Counts) -> u64 {
    counts.values().flat_map(BTreeMap::values).fold(0, |sum, n| sum.saturating_add(*n))
}

/// What a backup is measured by: what those held that were proven since somebody last accepted a loss.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// The most that one of them held in all.
    pub total: u64,
    /// The most that each thing held, as long as it was there.
    pub held: Counts,
}

impl Measure {
    /// By one backup alone.
    pub fn of(counts: &Counts) -> Measure {
        Measure { total: total(counts), held: counts.clone() }
    }

    /// By one more that was proven. What is gone from it was small, and was told: it is not missed again, and stays in the
    /// total.
    pub fn raised(&self, counts: &Counts) -> Measure {
        let most = |place: &String, thing: &String, now: u64| {
            let before =
                self.held.get(place).and_then(|things| things.get(thing)).copied().unwrap_or_default();
            if now == 0 { 0 } else { now.max(before) }
        };
        let things = |place: &String, things: &BTreeMap<String, u64>| {
            things.iter().map(|(thing, now)| (thing.clone(), most(place, thing, *now))).collect()
        };
        let held = counts.iter().map(|(place, all)| (place.clone(), things(place, all))).collect();
        Measure { total: self.total.max(total(counts)), held }
    }
}

/// SQL that must answer `true`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlCheck {
    /// The database to ask; where `None`, the only one there is besides `postgres`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    pub sql: String,
}

/// What became of a declared check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    pub sql: String,
    pub database: Option<String>,
    /// `None`: it holds.
    pub wrong: Option<String>,
}

/// Why a backup is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is nothing in it.
    Empty,
    /// There are so many tables, and not one row.
    NoRows { tables: usize },
    /// There is far less than a proven one held.
    Shrunk { before: u64, now: u64 },
    /// Something that held much of everything is gone or empty.
    Lost { what: String, before: u64, gone: bool },
}

impl Reason {
    /// Whether it only says that there was more before: somebody may know why.
    pub fn is_loss(&self) -> bool {
        matches!(self, Reason::Shrunk { .. } | Reason::Lost { .. })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Empty => f.write_str("it holds nothing: no table in any database, no file in the tree"),
            Reason::NoRows { tables } => {
                let things = if *tables == 1 { "1 table".to_owned() } else { format!("{tables} tables") };
                write!(f, "it holds {things} and not one row: the structure without its content")
            }
            Reason::Shrunk { before, now } => {
                write!(f, "it holds {now} where a proven backup held {before}")
            }
            Reason::Lost { what, before, gone: true } => {
                write!(f, "{what} is gone, which held {before} in a proven backup")
            }
            Reason::Lost { what, before, gone: false } => {
                write!(f, "{what} is empty, and held {before} in a proven backup")
            }
        }
    }
}

/// The judgement: what condemns the backup, and what only a person can judge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub reasons: Vec<Reason>,
    pub notes: Vec<Reason>,
}

/// A table that held this share of all rows is not dropped in passing: one in so many.
const LARGE: u64 = 10;

/// Judges what is there by itself, and by the measure.
pub fn judge(now: &Counts, measure: Option<&Measure>) -> Verdict {
    let mut verdict = Verdict::default();
    let things = now.values().map(BTreeMap::len).sum::<usize>();
    let rows = total(now);
    match (things, rows) {
        (0, _) => verdict.reasons.push(Reason::Empty),
        (tables, 0) => verdict.reasons.push(Reason::NoRows { tables }),
        _ => {}
    }
    let Some(Measure { total: before, held }) = measure else { return verdict };
    let before = *before;
    if rows > 0 && rows < before / 2 {
        verdict.reasons.push(Reason::Shrunk { before, now: rows });
    }
    for (place, things) in held {
        for (thing, held) in things.iter().filter(|(_, held)| **held > 0) {
            let present = now.get(place).and_then(|things| things.get(thing));
            if present.is_some_and(|rows| *rows > 0) {
                continue;
            }
            let lost =
                Reason::Lost { what: format!("{place}: {thing}"), before: *held, gone: present.is_none() };
            match held.saturating_mul(LARGE) >= before {
                true => verdict.reasons.push(lost),
                false => verdict.notes.push(lost),
            }
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(tables: &[(&str, u64)]) -> Counts {
        let tables = tables.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect();
        Counts::from([("app".to_owned(), tables)])
    }

    #[test]
    fn what_is_empty_or_has_no_rows_is_no_backup() {
        assert_eq!(judge(&Counts::new(), None).reasons, [Reason::Empty]);
        assert_eq!(judge(&counts(&[]), None).reasons, [Reason::Empty]);
        assert_eq!(judge(&counts(&[("a", 0), ("b", 0)]), None).reasons, [Reason::NoRows { tables: 2 }]);
        assert_eq!(judge(&counts(&[("a", 0), ("b", 1)]), None), Verdict::default());
    }

    #[test]
    fn a_large_loss_condemns_and_a_small_one_is_told() {
        let before = counts(&[("people", 1000), ("cache", 5), ("flags", 3)]);
        let dropped = judge(&counts(&[("people", 1010), ("flags", 0)]), Some(&Measure::of(&before)));
        assert_eq!(dropped.reasons, []);
        assert_eq!(dropped.notes.len(), 2, "{dropped:?}");
        let lost = judge(&counts(&[("people", 0), ("cache", 5), ("flags", 3)]), Some(&Measure::of(&before)));
        assert!(
            lost.reasons.contains(&Reason::Lost {
                what: "app: people".to_owned(),
                before: 1000,
                gone: false
            }),
            "{lost:?}"
        );
        let shrunk =
            judge(&counts(&[("people", 400), ("cache", 5), ("flags", 3)]), Some(&Measure::of(&before)));
        assert_eq!(shrunk.reasons, [Reason::Shrunk { before: 1008, now: 408 }]);
    }

    #[test]
    fn a_loss_in_small_steps_is_a_loss_and_only_accepting_it_lowers_the_measure() {
        let mut measure = Measure::of(&counts(&[("people", 1000), ("log", 100)]));
        let mut rows = 1000;
        while judge(&counts(&[("people", rows), ("log", 100)]), Some(&measure)).reasons.is_empty() {
            measure = measure.raised(&counts(&[("people", rows), ("log", 100)]));
            rows -= 100;
        }
        assert_eq!(rows, 400, "less than half of what there was once");
        let verdict = judge(&counts(&[("people", rows), ("log", 100)]), Some(&measure));
        assert!(verdict.reasons.iter().all(Reason::is_loss));
        let accepted = Measure::of(&counts(&[("people", rows), ("log", 100)]));
        assert_eq!(judge(&counts(&[("people", rows), ("log", 100)]), Some(&accepted)), Verdict::default());
    }

    #[test]
    fn what_a_release_dropped_is_told_once() {
        let measure = Measure::of(&counts(&[("people", 1000), ("cache", 5), ("flags", 3)]));
        let now = counts(&[("people", 1000), ("flags", 0)]);
        assert_eq!(judge(&now, Some(&measure)).notes.len(), 2);
        let measure = measure.raised(&now);
        assert_eq!((measure.total, judge(&now, Some(&measure))), (1008, Verdict::default()));
    }

    proptest! {
        /// Whatever is proven, the total never falls, and what was just proven is proven again.
        #[test]
        fn proofs_never_lower_the_measure(all in prop::collection::vec(prop::collection::btree_map("[a-c]", 0u64..100, 1..4), 1..9)) {
            let mut measure = Measure::default();
            for tables in all {
                let now = Counts::from([("app".to_owned(), tables)]);
                let raised = measure.raised(&now);
                prop_assert!(raised.total >= measure.total && raised.total >= total(&now));
                if judge(&now, Some(&measure)).reasons.is_empty() {
                    prop_assert!(judge(&now, Some(&raised)).reasons.is_empty());
                    measure = raised;
                }
            }
        }

        /// What only grew is never condemned, and what was lost whole always is.
        #[test]
        fn growth_is_good_and_nothing_is_not(rows in prop::collection::btree_map("[a-z]{1,5}", 1u64..1000, 1..20), more in 0u64..1000) {
            let before = Counts::from([("app".to_owned(), rows.clone())]);
            let grown = Counts::from([("app".to_owned(), rows.iter().map(|(name, n)| (name.clone(), n + more)).collect())]);
            prop_assert_eq!(judge(&grown, Some(&Measure::of(&before))), Verdict::default());
            let emptied = Counts::from([("app".to_owned(), rows.keys().map(|name| (name.clone(), 0)).collect())]);
            prop_assert!(!judge(&emptied, Some(&Measure::of(&before))).reasons.is_empty());
        }
    }
}
