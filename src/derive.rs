//! Settings -> Desired: what should be, in its normal form. Pure.
//!
//! Place on the data's path: between settings and plan. Must never look at reality: the same settings give the same
//! ids and resources, on whatever day and machine.

mod identities;
pub mod permissions;
mod watching;

use std::collections::{BTreeMap, BTreeSet};

use crate::datastores::names::remote_prefix;
use crate::datastores::prove::SqlCheck;
use crate::datastores::{BackedUp, JobTerms, Piece, job_file};
use crate::resources::bucket::{
    AbortUploads, Bucket, BucketObjectLock, PublicAccess, VersionRule, VersioningLock,
};
use crate::resources::identity::Stake;
use crate::resources::program::{self, Offers};
use crate::resources::{Program, Resource};
use crate::settings::declared::{Proof, Service};
use crate::settings::{BucketSettings, Secrets, Settings, Vault};
use crate::state::{Desired, HeldBefore, HeldCode, Wanted};
use crate::vocab::{
    BucketName, Datastore, Encryption, HostName, Id, Kind, Place, RegionName, Schedule, SecretDigest, Tier,
    Versioning,
};

/// What the settings ask for, and what they ask for in vain.
pub fn desired(settings: &Settings) -> Desired {
    let mut derivation = Derivation { settings, resources: BTreeMap::new(), held: Vec::new() };
    derivation.hold_unsupported();
    for datastore in settings.backed_up() {
        derivation.backed_up(datastore);
    }
    derivation.declared_buckets();
    derivation.identities();
    let Derivation { resources, held, .. } = derivation;
    let stakes = resources.iter().filter_map(|(id, wanted)| stake(id, &wanted.resource)).collect();
    let vault_digest = match &settings.vault {
        Vault::Absent => None,
        Vault::Locked { digest, .. } | Vault::Open { digest, .. } => Some(digest.clone()),
    };
    Desired {
        environment: settings.environment.clone(),
        environment_written: settings.environment_written,
        account: settings.backups.account.clone(),
        endpoint: settings.storage.endpoint.clone(),
        declared: resources.keys().cloned().chain(held.iter().map(|held| held.id.clone())).collect(),
        resources,
        held,
        hosts: settings.inventory.hosts.keys().cloned().collect(),
        retired: settings.inventory.retired().iter().cloned().collect(),
        break_glass: settings.backups.declared.break_glass.iter().map(|role| role.arn.clone()).collect(),
        stakes,
        offers: Offers::default(),
        vault_digest,
    }
}

struct Derivation<'a> {
    settings: &'a Settings,
    resources: BTreeMap<Id, Wanted>,
    held: Vec<HeldBefore>,
}

impl Derivation<'_> {
    fn hold_unsupported(&mut self) {
        for unsupported in &self.settings.unsupported {
            self.held.push(HeldBefore {
                id: Id::cloud(Kind::Setting, &unsupported.key),
                code: HeldCode::Unsupported,
                why: format!("{} ({})", unsupported.why, unsupported.place),
                datastore: None,
            });
        }
    }

    fn backed_up(&mut self, datastore: BackedUp<'_>) {
        let backed = datastore.backed();
        if !backed.on {
            return;
        }
        if backed.hosts.is_empty() {
            self.no_host(&backed.datastore, backed.switch.as_ref(), &backed.hosts_from);
        }
        if let Some(bucket) = backed.upload() {
            self.bucket(bucket, Some(&backed.datastore), backed.switch.clone());
        }
        let regions = self.regions();
        let pieces = datastore.pieces(&self.terms(&regions));
        for piece in pieces {
            self.piece(piece, &backed.datastore, backed.switch.clone());
        }
    }

    /// Nobody runs what is switched on.
    fn no_host(&mut self, datastore: &Datastore, switch: Option<&Place>, hosts_from: &str) {
        let since = switch.map(|place| format!(" since {place}")).unwrap_or_default();
        self.held.push(HeldBefore {
            id: Id::cloud(Kind::Datastore, datastore.as_str()),
            code: HeldCode::NoHost,
            why: format!("on{since}, but no host is in {hosts_from}: nothing is backed up"),
            datastore: Some(datastore.clone()),
        });
    }

    fn terms<'a>(&'a self, regions: &'a BTreeMap<BucketName, RegionName>) -> JobTerms<'a> {
        let declared = &self.settings.backups.declared;
        JobTerms {
            environment: &self.settings.environment,
            compression: self.settings.storage.compression,
            endpoint: self.settings.storage.endpoint.as_deref(),
            account: self.settings.backups.account.as_ref(),
            versioned_keys: self.settings.storage.versioned_keys,
            regions,
            verify: declared.verify.iter().map(|(name, proof)| (name.clone(), proven(proof))).collect(),
            services: declared
                .services
                .iter()
                .map(|(name, service)| (name.clone(), served(service)))
                .collect(),
            previous_names: declared.previous_names.iter().map(|one| one.name.clone()).collect(),
            previous_buckets: declared.previous_buckets.iter().map(|one| one.name.clone()).collect(),
            secrets: secret_digests(&self.settings.vault),
            logins: login_digests(&self.settings.vault),
            watching: watching::watching(self.settings),
        }
    }

    /// The region of every bucket that is used.
    fn regions(&self) -> BTreeMap<BucketName, RegionName> {
        let used = self.settings.backed_up().filter_map(|one| one.backed().bucket.as_ref());
        used.chain(self.settings.backups.buckets.keys())
            .filter_map(|name| Some((name.clone(), self.region(name)?.clone())))
            .collect()
    }

    /// A bucket's own region, or the environment's.
    fn region(&self, name: &BucketName) -> Option<&RegionName> {
        let own = self.settings.backups.buckets.get(name).and_then(|bucket| bucket.region.as_ref());
        own.or(self.settings.storage.region.as_ref())
    }

    fn piece(&mut self, piece: Piece, datastore: &Datastore, declared: Option<Place>) {
        let Piece { id, resource, mut needs, secret, programs } = piece;
        if secret && let Vault::Locked { file, .. } = &self.settings.vault {
            self.held.push(HeldBefore {
                id,
                code: HeldCode::VaultLocked,
                why: format!(
                    "it holds the secrets of its job, and {file} is locked: open it with --vault-password-file FILE"
                ),
                datastore: Some(datastore.clone()),
            });
            return;
        }
        if let Some(host) = id.host().filter(|_| id.kind() == Kind::Crontab) {
            needs.insert(self.program(host.clone(), datastore, declared.clone()));
        }
        let wanted = self.resources.entry(id).or_insert_with(|| Wanted {
            resource,
            datastores: BTreeSet::new(),
            declared,
            needs,
            programs: programs.iter().map(|name| (*name).to_owned()).collect(),
        });
        wanted.datastores.insert(datastore.clone());
    }

    /// What the entries of a host call.
    fn program(&mut self, host: HostName, datastore: &Datastore, declared: Option<Place>) -> Id {
        let id = Id::on_host(Kind::Program, host, program::NAME);
        let wanted = self.resources.entry(id.clone()).or_insert_with(|| Wanted {
            resource: Resource::Program(Program::own()),
            datastores: BTreeSet::new(),
            declared,
            needs: BTreeSet::new(),
            programs: BTreeSet::new(),
        });
        wanted.datastores.insert(datastore.clone());
        id
    }

    fn declared_buckets(&mut self) {
        let declared: Vec<(BucketName, Place)> = self
            .settings
            .backups
            .buckets
            .iter()
            .map(|(name, bucket)| (name.clone(), bucket.place.clone()))
            .collect();
        for (name, place) in declared {
            self.bucket(&name, None, Some(place));
        }
    }

    /// A bucket that a datastore writes to, or that is declared, or both.
    fn bucket(&mut self, name: &BucketName, datastore: Option<&Datastore>, declared: Option<Place>) {
        let region = self.region(name).cloned();
        let own = self.settings.backups.buckets.get(name);
        let id = Id::cloud(Kind::Bucket, name.as_str());
        let mut datastores: BTreeSet<Datastore> =
            self.resources.get(&id).map(|w| w.datastores.clone()).unwrap_or_default();
        datastores.extend(datastore.cloned());
        let bucket = match own {
            Some(own) => self.declared_bucket(own, region, &datastores),
            None => Bucket {
                owner: Some(Some(self.settings.environment.clone())),
                region,
                versioning: self.settings.storage.versioned_keys.then_some(Versioning::Enabled),
                keep_versions: None,
                abort_uploads: None,
                encryption: None,
                public_access: Some(PublicAccess::BLOCKED),
                tls_only: None,
                object_lock: None,
                versioning_lock: None,
            },
        };
        let declared = own.map(|own| own.place.clone()).or(declared);
        let wanted = Wanted {
            resource: Resource::Bucket(bucket),
            datastores,
            declared,
            needs: BTreeSet::new(),
            programs: BTreeSet::new(),
        };
        self.resources.insert(id, wanted);
    }

    /// The lock, as far as settings know: which of the roles exist is looked up later.
    fn versioning_lock(&self, own: &BucketSettings) -> VersioningLock {
        let roles = self.settings.backups.declared.break_glass.iter().map(|role| role.arn.clone());
        match own.versioning_lock {
            true => VersioningLock::complete(roles.collect()),
            false => VersioningLock::None,
        }
    }

    fn declared_bucket(
        &self,
        own: &BucketSettings,
        region: Option<RegionName>,
        datastores: &BTreeSet<Datastore>,
    ) -> Bucket {
        let rule = |datastore: &Datastore, tier: Tier| {
            let keep = own.keep_versions.get(&tier)?;
            Some((remote_prefix(datastore, tier), VersionRule::Keep(*keep)))
        };
        let rules = datastores.iter().flat_map(|datastore| {
            Tier::ALL.into_iter().filter_map(|tier| rule(datastore, tier)).collect::<Vec<_>>()
        });
        Bucket {
            owner: Some(Some(self.settings.environment.clone())),
            region,
            versioning: own.versioned.then_some(Versioning::Enabled),
            keep_versions: Some(rules.collect()),
            abort_uploads: Some(AbortUploads::AfterDays(own.abort_uploads_after_days)),
            encryption: Some(own.encryption.clone()),
            public_access: own.block_public_access.then_some(PublicAccess::BLOCKED),
            tls_only: Some(own.tls_only),
            object_lock: own.object_lock.map(BucketObjectLock::Holds),
            versioning_lock: Some(self.versioning_lock(own)),
        }
    }
}

/// What access to a bucket could destroy, as far as settings tell.
fn stake(id: &Id, resource: &Resource) -> Option<(BucketName, Stake)> {
    let Resource::Bucket(bucket) = resource else { return None };
    let key = match &bucket.encryption {
        Some(Encryption::Kms(key) | Encryption::KmsDouble(key)) => key.clone(),
        _ => None,
    };
    let stake = Stake {
        versioned: bucket.versioning == Some(Versioning::Enabled),
        object_lock: bucket.object_lock.is_some(),
        key,
    };
    Some((id.name().parse().ok()?, stake))
}

/// How jobs prove backups, and when.
fn proven(proof: &Proof) -> (job_file::Verify, Option<Schedule>) {
    let Proof { schedule, checks, database, preload, scratch } = proof;
    let check = |sql: &String| SqlCheck { database: database.clone(), sql: sql.clone() };
    let verify = job_file::Verify {
        checks: checks.iter().map(check).collect(),
        preload: preload.clone(),
        scratch: scratch.clone(),
    };
    (verify, schedule.clone())
}

fn served(service: &Service) -> job_file::Services {
    let Service { stop, start } = service;
    job_file::Services { stop: stop.clone(), start: start.clone() }
}

/// Digests of the secrets that go into job files.
fn login_digests(vault: &Vault) -> BTreeMap<String, SecretDigest> {
    let Vault::Open { secrets: Secrets { logins, .. }, .. } = vault else { return BTreeMap::new() };
    let named = [
        (job_file::SECRET_BACKUP_USERNAME, job_file::SECRET_BACKUP_PASSWORD, &logins.backup),
        (job_file::SECRET_REPLICATION_USERNAME, job_file::SECRET_REPLICATION_PASSWORD, &logins.replication),
        (job_file::SECRET_COUCH_USERNAME, job_file::SECRET_COUCH_PASSWORD, &logins.couch),
        (
            job_file::SECRET_ELASTICSEARCH_USERNAME,
            job_file::SECRET_ELASTICSEARCH_PASSWORD,
            &logins.elasticsearch,
        ),
    ];
    let pairs = named.into_iter().filter_map(|(username, password, login)| {
        let login = login.as_ref()?;
        Some([(username, login.username.digest()), (password, login.password.digest())])
    });
    pairs.flatten().map(|(name, digest)| (name.to_owned(), digest)).collect()
}

fn secret_digests(vault: &Vault) -> BTreeMap<String, SecretDigest> {
    let Vault::Open { secrets: Secrets { s3: Some(keys), .. }, .. } = vault else { return BTreeMap::new() };
    BTreeMap::from([
        (job_file::SECRET_ACCESS_KEY.to_owned(), keys.access_key.digest()),
        (job_file::SECRET_SECRET_KEY.to_owned(), keys.secret_key.digest()),
    ])
}
