//! What is: one sighting per thing, and who is looking.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::resources::Resource;
use crate::resources::crontab::old::Doubtful;
use crate::vocab::{AccountId, Datastore, Environment, HostName, Id, Principal, RegionName};

/// Reality as far as it could be seen. Never fails whole: what could not be seen is `Unknown`.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    pub caller: Caller,
    pub sightings: BTreeMap<Id, Sighting>,
    pub hosts: BTreeMap<HostName, HostSighting>,
    /// Whether the roles that may break the glass exist, by their ARNs.
    pub break_glass: BTreeMap<String, Presence>,
    /// Whose key the jobs upload with.
    pub job_key: JobKey,
    /// Lines of each host that name an old script, and of which it cannot be told that they are for a backup alone.
    pub doubtful: BTreeMap<HostName, Vec<Doubtful>>,
    /// Jobs whose last run failed: not configuration, and yet nobody should have to look elsewhere.
    pub failures: Vec<JobFailure>,
}

/// Whose the access key in the vault is: that identity's rights are the jobs', whatever identities are declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum JobKey {
    /// There is none, or nobody asked.
    #[default]
    NotAsked,
    Of(Principal),
    /// The account's root.
    Root,
    /// A principal of another account.
    Elsewhere(String),
    /// AWS does not know it, or no longer takes it.
    Refused(String),
    /// Could not be told, and why.
    Unknown(String),
}

impl JobKey {
    /// The setting that holds it.
    pub const SETTING: &str = "AMAZON_S3_ACCESS_KEY";
}

/// Whether a principal is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    Exists,
    /// It is not, and why that is sure.
    Absent(String),
    /// It could not be looked up, and why, for people.
    Unknown(String),
}

/// A job that failed and has not succeeded since.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobFailure {
    pub host: HostName,
    pub datastore: Datastore,
    pub at: DateTime<Utc>,
    /// What went wrong, for people.
    pub message: String,
}

/// Who looks, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The account, as STS tells it; `None` where there is no STS or it did not answer.
    pub account: Option<AccountId>,
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: Option<String>,
    /// The identity without the account: `role/backup-operator`, `user/x`, `root`.
    pub identity: Option<String>,
    /// The S3-compatible store in place of AWS's.
    pub endpoint: Option<String>,
    /// Where a bucket goes whose settings name no region.
    pub region: Option<RegionName>,
    /// Why STS did not answer.
    pub unknown: Option<String>,
}

/// What was seen of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Carries our mark, or is of a kind that cannot carry one.
    Ours(Resource),
    /// Named literally in settings, in our account, with nobody's mark: may be adopted, never removed. On a host: there is
    /// no file of ours, and older tools' entries for the same backups.
    Unmarked(Resource),
    /// Another environment's mark, or another account: never touched.
    Foreign(Owner),
    /// Not there; said only where the listing was complete.
    Absent,
    /// Could not be seen, and why, for people.
    Unknown(String),
}

/// Whose a thing is that is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    Environment(Environment),
    /// Another account, or nobody who lets us look.
    Account,
    /// A file at our path that this program did not write.
    Unmarked,
}

/// What was seen of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostSighting {
    Reached(HostFacts),
    /// Why it could not be looked at.
    Unreachable(String),
}

/// What the plan must know of a host. What is `None` nobody could tell: a host of the sandbox has no machine behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// The zone in which its cron fires.
    pub zone: Tz,
    pub cron: Cron,
    /// The machine's own name.
    pub hostname: Option<String>,
    /// As `uname -m` has it.
    pub architecture: Option<String>,
    /// Seconds that its clock is ahead of ours.
    pub clock_ahead: Option<i64>,
    /// What no two machines have in common while they run.
    pub identity: Option<String>,
    /// Which of the users that jobs need there are.
    pub users: Option<BTreeSet<String>>,
    /// Versions of PostgreSQL's programs, by program.
    pub postgresql: Option<BTreeMap<String, Vec<String>>>,
    /// Whether there is a `curl`, by which services of the host are asked.
    pub curl: Option<bool>,
    /// Room where backups lie, in bytes, by directory.
    pub space: BTreeMap<String, Room>,
}

/// What would start jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cron {
    /// Whoever plays in the sandbox.
    Played,
    /// The daemon of that name.
    Runs(String),
    /// Nothing would, and why, for people.
    Missing(String),
}

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub free: u64,
    pub total: u64,
}

impl HostFacts {
    /// A host that is played: everything that jobs need is there.
    pub fn played(zone: Tz) -> Self {
        HostFacts {
            zone,
            cron: Cron::Played,
            hostname: None,
            architecture: None,
            clock_ahead: None,
            identity: None,
            users: None,
            postgresql: None,
            curl: None,
            space: BTreeMap::new(),
        }
    }
}

impl Caller {
    /// Whether the caller is this role, by its ARN; a session is its role. Names of roles are unique within an account
    /// whatever their paths, and the identity of a session tells no path.
    pub fn is_role(&self, arn: &str) -> bool {
        let mut parts = arn.splitn(6, ':').skip(4);
        let (account, resource) = (parts.next(), parts.next());
        let name = resource.and_then(|resource| resource.strip_prefix("role/")?.rsplit('/').next());
        let own =
            self.identity.as_deref().and_then(|identity| identity.strip_prefix("role/")?.rsplit('/').next());
        account.is_some()
            && account == self.account.as_ref().map(AccountId::as_str)
            && name.is_some()
            && name == own
    }
}

impl Sighting {
    /// The thing itself, where it was seen and may be ours.
    pub fn resource(&self) -> Option<&Resource> {
        match self {
            Sighting::Ours(resource) | Sighting::Unmarked(resource) => Some(resource),
            Sighting::Foreign(_) | Sighting::Absent | Sighting::Unknown(_) => None,
        }
    }
}
