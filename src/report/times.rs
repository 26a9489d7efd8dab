//! Times: what a retention policy keeps, when a schedule fires, what an environment runs when.

use chrono::{DateTime, FixedOffset, Utc};
use chrono_tz::Tz;
use serde_json::{Value as Json, json};

use super::text::{BOLD, GREEN, RED, YELLOW, counted, one_line, rfc3339, styled, wrapped};
use crate::retention::calendar::Kept;
use crate::settings::timeline::{DAYS, Meeting, Timeline};
use crate::vocab::Tier;

/// One backup with the reasons that keep it; without one it goes.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// The time as it was given.
    pub written: &'a str,
    pub at: DateTime<FixedOffset>,
    pub because: &'a [Kept],
}

impl Decided<'_> {
    fn reasons(&self) -> Vec<String> {
        self.because.iter().map(ToString::to_string).collect()
    }
}

/// `reconcile.retention/1`, in the order given.
pub fn retention_json(backups: &[Decided<'_>]) -> Json {
    let (kept, removed): (Vec<&Decided<'_>>, Vec<&Decided<'_>>) =
        backups.iter().partition(|one| !one.because.is_empty());
    let kept = kept.iter().map(|one| json!({"timestamp": one.written, "because": one.reasons()}));
    json!({
        "format": "reconcile.retention/1",
        "kept": kept.collect::<Vec<_>>(),
        "removed": removed.iter().map(|one| one.written).collect::<Vec<_>>(),
    })
}

/// The same for people, the newest first.
pub fn retention(backups: &[Decided<'_>]) -> String {
    let mut newest_first: Vec<&Decided<'_>> = backups.iter().collect();
    newest_first.sort_by_key(|one| std::cmp::Reverse(one.at));
    let column = backups.iter().map(|one| one.written.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for one in newest_first {
        let written = one_line(one.written);
        if one.because.is_empty() {
            text.push_str(&format!("{}  {written}\n", styled(RED, "- remove")));
        } else {
            let reasons = one.reasons().join(", ");
            text.push_str(&format!("{}  {written:<column$}  {reasons}\n", styled(GREEN, "  keep  ")));
        }
    }
    let kept = backups.iter().filter(|one| !one.because.is_empty()).count();
    text.push_str(&format!("\n{kept} kept, {} to remove.\n", backups.len() - kept));
    text
}

/// One instant a line.
pub fn runs(runs: &[DateTime<Utc>]) -> String {
    runs.iter().map(|at| rfc3339(*at) + "\n").collect()
}

/// `reconcile.runs/1`.
pub fn runs_json(runs: &[DateTime<Utc>]) -> Json {
    json!({"format": "reconcile.runs/1", "runs": runs.iter().map(|at| rfc3339(*at)).collect::<Vec<_>>()})
}

/// `reconcile.runs/1` with what runs at each instant, and what begins on one host in one minute.
pub fn timeline_json(timeline: &Timeline) -> Json {
    let run = |datastore: &str, tier: Tier| json!({"datastore": datastore, "tier": tier.name()});
    let timed = |at: DateTime<Utc>, host: &str, more: Json| {
        let mut one = json!({"at": rfc3339(at), "host": host});
        one.as_object_mut()
            .into_iter()
            .zip(more.as_object())
            .for_each(|(one, more)| one.extend(more.clone()));
        one
    };
    let runs = timeline.runs.iter();
    let planned = runs.clone().map(|one| timed(one.at, one.host.as_str(), run(&one.datastore, one.tier)));
    let conflicts = timeline.meetings.iter().map(|one| {
        let both: Vec<Json> = one.runs.iter().map(|(datastore, tier)| run(datastore, *tier)).collect();
        timed(one.at, one.host.as_str(), json!({"times": one.times, "runs": both}))
    });
    json!({
        "format": "reconcile.runs/1",
        "runs": runs.map(|one| rfc3339(one.at)).collect::<Vec<_>>(),
        "timeline": planned.collect::<Vec<_>>(),
        "conflicts": conflicts.collect::<Vec<_>>(),
    })
}

/// The timeline for people.
pub fn timeline(timeline: &Timeline, zone: Tz) -> String {
    if timeline.runs.is_empty() {
        return "Nothing is switched on that a host would run.\n".to_owned();
    }
    let mut text = format!("{}\n", styled(BOLD, format_args!("next runs ({zone})")));
    let column = timeline.runs.iter().map(|run| run.host.as_str().chars().count()).max().unwrap_or_default();
    for run in &timeline.runs {
        let host = run.host.as_str();
        text.push_str(&format!(
            "  {}  {host:<column$}  {} {}\n",
            local(run.at, zone),
            run.datastore,
            run.tier
        ));
    }
    if !timeline.meetings.is_empty() {
        text.push_str(&format!("\n{}\n", styled(BOLD, "begin together")));
    }
    for meeting in &timeline.meetings {
        text.push_str(&together(meeting, zone));
    }
    text
}

fn together(meeting: &Meeting, zone: Tz) -> String {
    let [(one, its), (other, others)] = &meeting.runs;
    let what = format!(
        "{} on {}: {one} {its} and {other} {others} begin in one minute and compete for its disk; {} in the next {DAYS} days",
        local(meeting.at, zone),
        meeting.host,
        counted(meeting.times, "time"),
    );
    wrapped(&format!("{} ", styled(YELLOW, "!")), 4, &what) + "\n"
}

fn local(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M").to_string()
}
