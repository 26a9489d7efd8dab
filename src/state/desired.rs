//! What should be, and which part of it one run looks at.

use std::collections::{BTreeMap, BTreeSet};

use super::HeldCode;
use crate::resources::Resource;
use crate::resources::bucket::VersioningLock;
use crate::resources::identity::Stakes;
use crate::resources::program::Offers;
use crate::vocab::{AccountId, Datastore, Environment, HostName, Id, Kind, Place};

/// Everything that settings ask for, in its normal form.
#[derive(Clone, Debug)]
pub struct Desired {
    pub environment: Environment,
    /// Whether a file states the environment's name; a directory's name alone is not enough to apply.
    pub environment_written: bool,
    /// The only account that may be touched.
    pub account: Option<AccountId>,
    /// The S3-compatible store in place of AWS's.
    pub endpoint: Option<String>,
    pub resources: BTreeMap<Id, Wanted>,
    /// Settings that lead to no resource, and why.
    pub held: Vec<HeldBefore>,
    /// Every id that settings lead to, held or not, selected or not: what is not among them may be removed.
    pub declared: BTreeSet<Id>,
    /// Every host of the inventory: looked at for what we left there.
    pub hosts: BTreeSet<HostName>,
    /// Hosts that back nothing up any more: whether they are clear must not stay unknown.
    pub retired: BTreeSet<HostName>,
    /// ARNs of the roles that may break the glass: looked up before a versioning lock spares them.
    pub break_glass: BTreeSet<String>,
    /// Every bucket that these settings use, whatever part of them is selected: what access would destroy.
    pub stakes: Stakes,
    /// What could be copied to hosts.
    pub offers: Offers,
    /// Digest of the vault's ciphertext: a plan made with another vault is another plan.
    pub vault_digest: Option<String>,
}

/// One thing that should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub resource: Resource,
    /// Whose backups need it.
    pub datastores: BTreeSet<Datastore>,
    /// Where settings ask for it.
    pub declared: Option<Place>,
    /// What must be in place first.
    pub needs: BTreeSet<Id>,
    /// Names of PostgreSQL's programs without which the host cannot do the job.
    pub programs: BTreeSet<String>,
}

/// Something that is held whatever reality looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBefore {
    pub id: Id,
    pub code: HeldCode,
    pub why: String,
    /// The datastore that it concerns, for `--tags`.
    pub datastore: Option<Datastore>,
}

/// The part of an environment that one run is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub tags: BTreeSet<Tag>,
    /// Narrows what lies on hosts only.
    pub limit: BTreeSet<HostName>,
}

/// A word behind `--tags`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    Backups,
    Buckets,
    /// Roles and users.
    Access,
    Schedules,
    Hosts,
    Datastore(Datastore),
}

/// A word behind `--tags` that means nothing here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no tag: one of {known} is")]
pub struct TagError {
    word: String,
    known: String,
}

impl Tag {
    pub fn name(&self) -> &str {
        match self {
            Tag::Backups => "backups",
            Tag::Buckets => "buckets",
            Tag::Access => "access",
            Tag::Schedules => "schedules",
            Tag::Hosts => "hosts",
            Tag::Datastore(name) => name.as_str(),
        }
    }
}

/// What to look at: the wanted things in scope, and the hosts to search for what we left there.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    pub environment: &'a Environment,
    pub account: Option<&'a AccountId>,
    pub wanted: BTreeMap<&'a Id, &'a Resource>,
    pub hosts: BTreeSet<&'a HostName>,
    /// ARNs of roles to look up: none where nothing in scope depends on them.
    pub break_glass: BTreeSet<&'a str>,
}

impl Desired {
    /// Reads the words behind `--tags`; the datastores of these settings are tags too.
    pub fn tag(&self, word: &str) -> Result<Tag, TagError> {
        let fixed = [Tag::Backups, Tag::Buckets, Tag::Access, Tag::Schedules, Tag::Hosts];
        let own = self.resources.values().flat_map(|wanted| wanted.datastores.iter()).cloned();
        let held = self.held.iter().filter_map(|held| held.datastore.clone());
        let datastores: BTreeSet<Tag> = own.chain(held).map(Tag::Datastore).collect();
        let known: Vec<Tag> = fixed.into_iter().chain(datastores).collect();
        known.iter().find(|tag| tag.name() == word).cloned().ok_or_else(|| TagError {
            word: word.to_owned(),
            known: known.iter().map(Tag::name).collect::<Vec<_>>().join(", "),
        })
    }

    /// The part of it that a run is about. What a chosen thing needs is chosen too: a cron entry without its job
    /// file is no schedule.
    pub fn select(&self, selection: &Selection) -> Desired {
        let by_tag = |id: &Id, wanted: &Wanted| {
            selection.tags.iter().any(|tag| match tag {
                Tag::Backups => true,
                Tag::Buckets => id.kind() == Kind::Bucket,
                Tag::Access => matches!(id.kind(), Kind::Role | Kind::User),
                Tag::Schedules => id.kind() == Kind::Crontab,
                Tag::Hosts => id.kind().on_host(),
                Tag::Datastore(name) => wanted.datastores.contains(name),
            })
        };
        let in_limit = |id: &Id| selection.on(id.host());
        let mut chosen: BTreeSet<Id> = self
            .resources
            .iter()
            .filter(|(id, wanted)| in_limit(id) && by_tag(id, wanted))
            .map(|(id, _)| id.clone())
            .collect();
        let mut open: Vec<Id> = chosen.iter().cloned().collect();
        while let Some(id) = open.pop() {
            let Some(wanted) = self.resources.get(&id) else { continue };
            open.extend(wanted.needs.iter().filter(|need| chosen.insert((*need).clone())).cloned());
        }
        let mut selected = self.clone();
        selected.resources.retain(|id, _| chosen.contains(id));
        selected.held.retain(|held| {
            selection.on(held.id.host())
                && (selection.covers(&held.id)
                    // A chosen thing says why it waits.
                    || selected.resources.values().any(|wanted| wanted.needs.contains(&held.id))
                    || held.datastore.as_ref().is_some_and(|name| {
                        selection.tags.iter().any(|tag| matches!(tag, Tag::Datastore(own) if own == name))
                    }))
        });
        selected.hosts.retain(|host| selection.on(Some(host)));
        selected.retired.retain(|host| selection.on(Some(host)));
        if !selection.tags.iter().any(|tag| !matches!(tag, Tag::Buckets | Tag::Access)) {
            selected.hosts.clear();
            selected.retired.clear();
        }
        selected
    }

    /// Whether a versioning lock is among what is wanted.
    fn locks(&self) -> bool {
        self.resources.values().any(|wanted| match &wanted.resource {
            Resource::Bucket(bucket) => {
                matches!(bucket.versioning_lock, Some(VersioningLock::Denies { .. }))
            }
            _ => false,
        })
    }

    pub fn scope(&self) -> Scope<'_> {
        Scope {
            environment: &self.environment,
            account: self.account.as_ref(),
            wanted: self.resources.iter().map(|(id, wanted)| (id, &wanted.resource)).collect(),
            hosts: self.hosts.iter().collect(),
            break_glass: self.break_glass.iter().filter(|_| self.locks()).map(String::as_str).collect(),
        }
    }
}

impl Selection {
    /// Everything: what `plan` looks at without a word about it.
    pub fn all() -> Self {
        Selection { tags: BTreeSet::from([Tag::Backups]), limit: BTreeSet::new() }
    }

    /// Whether the limit lets a thing on this host through; what is on no host passes.
    fn on(&self, host: Option<&HostName>) -> bool {
        host.is_none_or(|host| self.limit.is_empty() || self.limit.contains(host))
    }

    /// Whether something that is declared nowhere, found by its mark, falls into this part.
    pub fn covers(&self, id: &Id) -> bool {
        self.on(id.host())
            && self.tags.iter().any(|tag| match tag {
                Tag::Backups => true,
                Tag::Buckets => id.kind() == Kind::Bucket,
                Tag::Access => matches!(id.kind(), Kind::Role | Kind::User),
                Tag::Schedules => id.kind() == Kind::Crontab,
                Tag::Hosts => id.kind().on_host(),
                Tag::Datastore(name) => {
                    id.earlier().map_or(id.name() == name.as_str(), |(own, _)| own == name.as_str())
                }
            })
    }
}
