//! How fresh backups are: `reconcile.status/1`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::freshness::{Finding, Matter, Place, State, TierFreshness};
use crate::jobs::CheckReport;
use crate::jobs::verify::Standing;
use crate::report::status;
use crate::report::text::rfc3339;

pub const FORMAT: &str = "reconcile.status/1";

/// How fresh the backups of an environment are, here and in the buckets
#[derive(Debug, Serialize, JsonSchema)]
pub struct Status {
    pub format: &'static str,
    pub environment: String,
    /// RFC 3339, UTC, as all times here
    pub at: String,
    /// Whether everything could be seen
    pub complete: bool,
    /// Whether everything that could be seen is as it should be
    pub good: bool,
    /// In the order of hosts and datastores
    pub backups: Vec<Backups>,
}

/// A datastore on a host
#[derive(Debug, Serialize, JsonSchema)]
pub struct Backups {
    pub host: String,
    pub datastore: String,
    pub good: bool,
    /// What could not be seen, and why
    pub unseen: Vec<String>,
    pub bucket: Option<String>,
    /// The host's time zone, in which its schedules are
    pub zone: Option<String>,
    pub tiers: Vec<Tier>,
    pub findings: Vec<Problem>,
    /// When a backup was last restored and found good
    pub verified: Option<String>,
    /// How it stands with what was restored and checked; null where the host could not be asked
    pub proofs: Option<Proofs>,
    /// Null where the host could not be asked
    pub alerts: Option<Alerts>,
}

/// What was restored and checked
#[derive(Debug, Serialize, JsonSchema)]
pub struct Proofs {
    /// The last backup that was found good; null where there never was one
    pub proven: Option<Proven>,
    /// The last that was not, where none as new was proven since
    pub condemned: Option<Condemned>,
    /// Why the last verification by cron could not be made, where none was since
    pub unmade: Option<String>,
}

/// A backup that was restored and found good
#[derive(Debug, Serialize, JsonSchema)]
pub struct Proven {
    pub at: String,
    /// How long ago that was
    pub age_seconds: i64,
    /// The backup
    pub name: String,
    /// When it was whole
    pub taken: Option<String>,
    /// How long restoring and asking took
    pub seconds: i64,
}

/// A backup that was restored and is not what it should be
#[derive(Debug, Serialize, JsonSchema)]
pub struct Condemned {
    pub at: String,
    pub name: String,
    pub tier: String,
    pub taken: Option<String>,
    /// The first of them; the evidence beside the backup has all
    pub reasons: Vec<String>,
    /// Whether all of them are losses that an operator may accept
    pub acceptable: bool,
}

/// One tier
#[derive(Debug, Serialize, JsonSchema)]
pub struct Tier {
    pub tier: String,
    pub schedule: String,
    /// The last run whose backup must be there by now; null before the first
    pub due: Option<String>,
    pub next: Option<String>,
    /// When the next run's backup will be missed
    pub limit: Option<String>,
    pub places: Vec<Where>,
}

/// One tier in one place
#[derive(Debug, Serialize, JsonSchema)]
pub struct Where {
    pub place: Which,
    pub state: How,
    pub newest: Option<Newest>,
}

/// Where copies lie
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// In the backup directory of the host
    Here,
    /// In the bucket
    Remote,
}

/// How it stands with a tier in a place
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    Fresh,
    /// No run was due yet
    Awaited,
    /// A run is under way
    Running,
    /// A run that was due left no backup
    Missing,
    /// The newest is far smaller than the last ones of its format, or does not have the size that was written
    Small,
    /// A delete marker stands above the newest
    Hidden,
    /// A clock was wrong: it lies in the future
    Ahead,
    /// Nobody could look
    Unseen,
}

/// The newest backup
#[derive(Debug, Serialize, JsonSchema)]
pub struct Newest {
    /// The file or the key
    pub name: String,
    pub ended: String,
    pub bytes: u64,
}

/// Something that is not as it should be
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problem {
    pub matter: Kind,
    pub text: String,
    /// What to do
    pub help: String,
}

/// What kind of problem it is
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A backup failed, did not come, or is older than the goal
    Late,
    Small,
    Hidden,
    Lost,
    /// A copy is under its dated key, since the bucket keeps no versions
    Unversioned,
    Clock,
    /// No backup was restored and checked in time
    Unproven,
    /// Entries of an older tool make the same backups
    OldEntries,
    Unseen,
    /// A backup was restored and is not what it should be
    Condemned,
    /// A verification that was due could not be made
    Unverified,
}

/// Who is told
#[derive(Debug, Serialize, JsonSchema)]
pub struct Alerts {
    /// By which ways, in words; empty: nobody is
    pub channels: Vec<String>,
    /// Whether a service elsewhere waits for this host's word, and for nobody else's at the same URL
    pub ping: bool,
    /// Since when something is wrong that was told, or should have been
    pub incident: Option<String>,
    /// Letters that nobody has taken
    pub waiting: usize,
    /// Why
    pub untold: Option<String>,
    /// When cron last ran a check on the host
    pub checked: Option<String>,
    /// When a person last said that a test arrived
    pub confirmed: Option<String>,
}

/// The document of a status.
pub fn of(status: &status::Status) -> Status {
    let backups: Vec<Backups> =
        status.hosts.iter().map(|host| backups(host, status.sharing(host) == 0)).collect();
    Status {
        format: FORMAT,
        environment: status.environment.to_string(),
        at: rfc3339(status.at),
        complete: backups.iter().all(|one| one.unseen.is_empty()),
        good: backups.iter().all(|one| one.good),
        backups,
    }
}

/// `alone`: nobody else says that all is well where this one does.
fn backups(host: &status::Host, alone: bool) -> Backups {
    let (name, datastore) = (host.host.to_string(), host.datastore.to_string());
    let report = match &host.report {
        Ok(report) => report,
        Err(why) => {
            return Backups {
                host: name,
                datastore,
                good: false,
                unseen: vec![why.clone()],
                bucket: None,
                zone: None,
                tiers: Vec::new(),
                findings: Vec::new(),
                verified: None,
                proofs: None,
                alerts: None,
            };
        }
    };
    let unseen = report.freshness.unseen();
    let hidden = unseen.contains_key(&Place::Here);
    Backups {
        host: name,
        datastore,
        good: report.is_good(),
        alerts: (!hidden).then(|| Alerts { ping: report.watch.ping && alone, ..alerts(report) }),
        unseen: unseen.into_iter().map(|(place, why)| format!("what is {place}: {why}")).collect(),
        bucket: report.bucket.as_ref().map(ToString::to_string),
        zone: Some(report.zone.clone()),
        tiers: report.freshness.tiers.iter().map(tier).collect(),
        findings: findings(report),
        verified: report.verified().map(rfc3339),
        proofs: (!hidden).then(|| proofs(report)),
    }
}

fn proofs(report: &CheckReport) -> Proofs {
    let Standing { proven, condemned, .. } = &report.proofs;
    Proofs {
        proven: proven.as_ref().map(|proven| Proven {
            at: rfc3339(proven.at),
            age_seconds: (report.at - proven.at).num_seconds(),
            name: proven.name.clone(),
            taken: proven.taken.map(rfc3339),
            seconds: proven.seconds,
        }),
        condemned: condemned.as_ref().map(|condemned| Condemned {
            at: rfc3339(condemned.at),
            name: condemned.name.clone(),
            tier: condemned.tier.to_string(),
            taken: condemned.taken.map(rfc3339),
            reasons: condemned.reasons.clone(),
            acceptable: condemned.acceptable,
        }),
        unmade: report.proofs.words_of_unmade(),
    }
}

fn tier(tier: &TierFreshness) -> Tier {
    let at = |at: Option<DateTime<Utc>>| at.map(rfc3339);
    let places = tier.places.iter().map(|one| Where {
        place: match one.place {
            Place::Here => Which::Here,
            Place::Remote => Which::Remote,
        },
        state: match one.state {
            State::Fresh => How::Fresh,
            State::Awaited => How::Awaited,
            State::Running { .. } => How::Running,
            State::Missing { .. } => How::Missing,
            State::Small { .. } | State::Cut { .. } => How::Small,
            State::Hidden { .. } => How::Hidden,
            State::Ahead { .. } => How::Ahead,
            State::Unseen { .. } => How::Unseen,
        },
        newest: one.newest.as_ref().map(|newest| Newest {
            name: newest.name.clone(),
            ended: rfc3339(newest.ended),
            bytes: newest.bytes,
        }),
    });
    Tier {
        tier: tier.tier.to_string(),
        schedule: tier.schedule.to_string(),
        due: at(tier.due),
        next: at(tier.next),
        limit: at(tier.limit),
        places: places.collect(),
    }
}

fn findings(report: &CheckReport) -> Vec<Problem> {
    let problem = |matter: Matter, text: String| Problem {
        matter: match matter {
            Matter::Late => Kind::Late,
            Matter::Small => Kind::Small,
            Matter::Hidden => Kind::Hidden,
            Matter::Lost => Kind::Lost,
            Matter::Unversioned => Kind::Unversioned,
            Matter::Clock => Kind::Clock,
            Matter::Unproven => Kind::Unproven,
            Matter::OldEntries => Kind::OldEntries,
            Matter::Unseen => Kind::Unseen,
            Matter::Condemned => Kind::Condemned,
            Matter::Unverified => Kind::Unverified,
        },
        text,
        help: matter.help().to_owned(),
    };
    let found = report.freshness.findings();
    let found = found.iter().map(|finding: &Finding<'_>| problem(finding.matter(), finding.to_string()));
    let old = report.old_entries.iter();
    let old = old.map(|entry| problem(Matter::OldEntries, entry.clone()));
    let lost = report.lost.iter().map(|lost| problem(Matter::Lost, lost.clone()));
    let unversioned = report.unversioned.values().map(|text| problem(Matter::Unversioned, text.clone()));
    let proofs = report.proofs.wrong().into_iter().map(|(matter, text)| problem(matter, text));
    let failed = report.failure().map(|failure| Problem {
        help: failure.help.clone().unwrap_or_else(|| Matter::Late.help().to_owned()),
        ..problem(Matter::Late, failure.to_string())
    });
    found.chain(failed).chain(lost).chain(unversioned).chain(old).chain(proofs).collect()
}

fn alerts(report: &CheckReport) -> Alerts {
    let watch = &report.watch;
    Alerts {
        channels: watch.channels.clone(),
        ping: watch.ping,
        incident: watch.incident.map(rfc3339),
        waiting: watch.waiting,
        untold: watch.untold.clone(),
        checked: watch.checked.map(rfc3339),
        confirmed: watch.confirmed.as_ref().map(|confirmed| rfc3339(confirmed.at)),
    }
}
