//! The datastores that hosts' cron backs up, from both layers: the flat keys, and what `backups:` says in their place.
//! Both at once is a problem of its own (`declared-twice`).

use std::collections::BTreeMap;

use super::declared::{self, Declared, Direct};
use super::flat::{At, Flat};
use super::shape::Places;
use super::source::Source;
use super::{Inventory, Settings};
use crate::datastores::BackedUp;
use crate::datastores::backed::Backed;
use crate::datastores::blobdb::{self, settings::Blobdb};
use crate::datastores::couchdb::settings::{Couchdb, CouchdbSource};
use crate::datastores::elasticsearch::settings::{Elasticsearch, ElasticsearchSource, SnapshotStore};
use crate::datastores::files::settings::{Files, KEEP_DAYS, keep, tier};
use crate::datastores::job_file::KeepLocal;
use crate::datastores::postgresql::settings::{Method, Postgresql};
use crate::datastores::tree::settings::TreeSource;
use crate::datastores::{couchdb, elasticsearch, files, postgresql};
use crate::vocab::{Datastore, HostName, OsUser, Place, Schedule, Tier};

/// What the datastores are read from.
pub(super) struct Inputs<'a> {
    pub flat: &'a Flat,
    pub declared: &'a Declared,
    pub inventory: &'a Inventory,
    pub source: &'a Source,
    pub places: &'a Places,
    /// An S3-compatible store in place of AWS's.
    pub endpoint: Option<&'a str>,
}

/// Every one of them.
pub(super) struct Read {
    pub postgresql: Postgresql,
    pub couchdb: Couchdb,
    pub blobdb: Blobdb,
    pub elasticsearch: Elasticsearch,
    pub files: Vec<Files>,
}

/// `None` where a needed setting was refused. `read_from` says which hosts read from a standby.
pub(super) fn read(
    inputs: &Inputs<'_>,
    read_from: &mut dyn FnMut(&[HostName]) -> BTreeMap<HostName, HostName>,
) -> Option<Read> {
    Some(Read {
        postgresql: inputs.postgresql(read_from)?,
        couchdb: inputs.couchdb()?,
        blobdb: inputs.blobdb()?,
        elasticsearch: inputs.elasticsearch()?,
        files: inputs.declared.files.iter().filter_map(|own| inputs.files(own)).collect(),
    })
}

impl Settings {
    /// Every datastore that hosts' cron backs up, switched on or not, in the order of the documentation.
    pub fn backed_up(&self) -> impl Iterator<Item = BackedUp<'_>> {
        let flat = [
            BackedUp::Postgresql(&self.postgresql),
            BackedUp::Couchdb(&self.couchdb),
            BackedUp::Blobdb(&self.blobdb),
            BackedUp::Elasticsearch(&self.elasticsearch),
        ];
        flat.into_iter().chain(self.files.iter().map(BackedUp::Files))
    }
}

/// What a datastore of commcare-cloud calls its keys.
struct Names {
    name: &'static str,
    group: &'static str,
    switch: &'static str,
    dir: &'static str,
    /// `couchdb` of `couchdb_backup_days`.
    keep: &'static str,
    s3: &'static str,
    bucket: &'static str,
    hourly: &'static str,
    /// The minute of hourly backups.
    minute: u32,
    /// Where hosts are listed in the other layer.
    hosts: &'static str,
}

const POSTGRESQL: Names = Names {
    name: postgresql::desired::NAME,
    group: "pg_backup",
    switch: "backup_postgres",
    dir: "postgresql_backup_dir",
    keep: "postgresql",
    s3: "postgres_s3",
    bucket: "postgres_snapshot_bucket",
    hourly: "postgres_backup_hourly",
    minute: 15,
    hosts: "backups.postgresql.hosts",
};

const COUCHDB: Names = Names {
    name: couchdb::desired::NAME,
    group: "couchdb2",
    switch: "backup_couch",
    dir: "couch_backup_dir",
    keep: "couchdb",
    s3: "couch_s3",
    bucket: "couchdb_snapshot_bucket",
    hourly: "couch_backup_hourly",
    minute: 0,
    hosts: "backups.couchdb.hosts",
};

const BLOBDB: Names = Names {
    name: blobdb::desired::NAME,
    group: "shared_dir_host",
    switch: "backup_blobdb",
    dir: "blobdb_backup_dir",
    keep: "blobdb",
    s3: "blobdb_s3",
    bucket: "blobdb_snapshot_bucket",
    hourly: "blobdb_backup_hourly",
    minute: 15,
    hosts: "backups.blobdb.hosts",
};

impl Inputs<'_> {
    fn postgresql(
        &self,
        read_from: &mut dyn FnMut(&[HostName]) -> BTreeMap<HostName, HostName>,
    ) -> Option<Postgresql> {
        let flat = match self.flat.text("backup_postgres") {
            Some("plain") => Some(Method::Plain),
            Some("dump") => Some(Method::Dump),
            _ => None,
        };
        let direct = self.declared.postgresql.as_ref();
        let backed = self.backed(&POSTGRESQL, "postgres", flat.is_some(), direct)?;
        // As plain as commcare-cloud's own default where nothing else is said.
        let method = direct.and_then(|direct| direct.method).or(flat).unwrap_or(Method::Plain);
        Some(Postgresql { method, read_from: read_from(&backed.hosts), backed })
    }

    fn couchdb(&self) -> Option<Couchdb> {
        let direct = self.declared.couchdb.as_ref();
        let backed = self.backed(&COUCHDB, "couchdb", self.flat.is("backup_couch"), direct)?;
        let data_dir = self.tree("couch_data_dir", direct)?;
        let remote_copy = self.flat.parsed("remote_couch_backup");
        Some(Couchdb { source: CouchdbSource { data_dir, remote_copy }, backed })
    }

    fn blobdb(&self) -> Option<Blobdb> {
        let direct = self.declared.blobdb.as_ref();
        let user = self.flat.text("blobdb_user")?;
        let backed = self.backed(&BLOBDB, user, self.flat.is("backup_blobdb"), direct)?;
        let path = self.tree("blobdb_dir_path", direct)?;
        Some(Blobdb { source: TreeSource { path, exclude: Vec::new(), host: None }, backed })
    }

    /// Snapshots are made by the store itself, so one host asks for all.
    fn elasticsearch(&self) -> Option<Elasticsearch> {
        let name = elasticsearch::desired::NAME;
        let direct = self.declared.elasticsearch.as_ref();
        let adopted = self.declared.adopt.get(name);
        let (s3, local) = (self.flat.is("backup_es_s3"), self.flat.is("es_local_repo"));
        let written = |key| self.flat.at(key).map(|At { source, key, .. }| source.place(key));
        let switch = match direct {
            Some(_) => Some(self.direct_place(name)),
            None if s3 => written("backup_es_s3"),
            None if local => written("es_local_repo"),
            None => adopted.map(|adopted| adopted.place.clone()),
        };
        let (hosts, hosts_from) = match direct {
            Some(direct) => (self.inventory.members(&direct.hosts), "backups.elasticsearch.hosts"),
            None => (self.inventory.hosts_of("elasticsearch"), "[elasticsearch]"),
        };
        let hosts: Vec<HostName> = hosts.into_iter().take(1).collect();
        let repository = direct.and_then(|direct| direct.repository.clone());
        let repository = repository.or_else(|| Some(self.flat.text("es_repository_name")?.to_owned()))?;
        let own_bucket = direct.map(|direct| direct.bucket.clone());
        let bucket = own_bucket.or_else(|| self.flat.parsed("es_snapshot_bucket"));
        let store = match &bucket {
            Some(bucket) if direct.is_some() || s3 => {
                let endpoint = self.endpoint.map(str::to_owned);
                Some(SnapshotStore::S3 { bucket: bucket.clone(), endpoint })
            }
            // As commcare-cloud's script registers it: below the first directory of `path.repo`.
            _ if local => Some(SnapshotStore::Fs { location: repository.clone() }),
            // Ours to make, wherever somebody registered it.
            _ => None,
        };
        let days = direct.and_then(|direct| direct.keep_days);
        let days = days.or_else(|| self.flat.count("elasticsearch_backup_days"))?;
        let hour = (self.flat.count("nadir_hour")? + 4) % 24;
        let schedule = match direct.and_then(|direct| direct.schedule.clone()) {
            Some(schedule) => schedule,
            None => format!("0 {hour} * * *").parse().ok()?,
        };
        let root = self.flat.text("encrypted_root")?;
        let at = match direct.and_then(|direct| direct.url.clone()) {
            Some(url) => vec![url],
            None => self.where_it_listens(hosts.first()),
        };
        let backed = Backed {
            datastore: name.parse().ok()?,
            on: direct.is_some() || s3 || local || adopted.is_some(),
            switch,
            hosts,
            hosts_from: hosts_from.to_owned(),
            user: "root".parse().ok()?,
            directory: format!("{root}/backups/{name}"),
            // There are no others than daily ones.
            keep: KeepLocal { days, weeks: 1, hours: 1 },
            schedules: BTreeMap::from([(Tier::Daily, schedule)]),
            bucket,
            s3: direct.is_some() || s3,
        };
        Some(Elasticsearch { source: ElasticsearchSource { at, repository, store }, backed })
    }

    /// On the host itself; commcare-cloud has it listen on the host's own address alone, by the inventory's name for it.
    fn where_it_listens(&self, host: Option<&HostName>) -> Vec<String> {
        let address =
            host.and_then(|host| self.inventory.hosts.get(host)).and_then(|host| host.address.as_ref());
        let mut names = vec!["127.0.0.1".to_owned()];
        for name in address.into_iter().chain(host) {
            let name = if name.as_str().contains(':') { format!("[{name}]") } else { name.to_string() };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.into_iter().map(|name| format!("http://{name}:9200")).collect()
    }

    /// The directory that is backed up.
    fn tree(&self, key: &str, direct: Option<&Direct>) -> Option<String> {
        let own = direct.and_then(|direct| direct.source.as_deref());
        own.or_else(|| self.flat.text(key)).map(str::to_owned)
    }

    fn files(&self, own: &declared::Files) -> Option<Files> {
        let name = files::desired::name(&own.name);
        let at = own.at.to_string();
        let root = self.flat.text("encrypted_root")?;
        let directory = own.directory.clone().unwrap_or_else(|| format!("{root}/backups/{name}"));
        let user = own.user.clone().or_else(|| "root".parse().ok())?;
        let backed = Backed {
            directory,
            datastore: name.parse().ok()?,
            on: true,
            switch: Some(self.source.place(&self.places.value(&["files", &at]))),
            hosts: self.inventory.members(&own.hosts),
            hosts_from: format!("backups.files.{at}.hosts"),
            user,
            keep: keep(own.keep_days.unwrap_or(KEEP_DAYS)),
            schedules: BTreeMap::from([(tier(&own.schedule), own.schedule.clone())]),
            bucket: own.bucket.clone(),
            s3: own.bucket.is_some(),
        };
        let source = TreeSource {
            path: own.source.clone(),
            exclude: own.exclude.clone(),
            host: own.source_host.clone(),
        };
        Some(Files { at: own.at, source, backed })
    }

    /// What the flat keys say, and `backups:` in their place. `is_on` is the flat switch.
    fn backed(&self, names: &Names, user: &str, is_on: bool, direct: Option<&Direct>) -> Option<Backed> {
        let count = |unit: &str| self.flat.count(&format!("{}_backup_{unit}", names.keep));
        let keep = KeepLocal { days: count("days")?, weeks: count("weeks")?, hours: count("hours")? };
        let flat_switch = || {
            let At { source, key, .. } = self.flat.at(names.switch)?;
            Some(source.place(key))
        };
        let adopted = self.declared.adopt.get(names.name);
        let flat = Backed {
            datastore: names.name.parse::<Datastore>().ok()?,
            on: is_on || adopted.is_some(),
            switch: match is_on {
                true => flat_switch(),
                false => adopted.map(|adopted| adopted.place.clone()),
            },
            hosts: self.inventory.hosts_of(names.group),
            hosts_from: format!("[{}]", names.group),
            user: user.parse::<OsUser>().ok()?,
            directory: self.flat.text(names.dir)?.to_owned(),
            keep,
            schedules: self.schedules(names, None, self.flat.is(names.hourly))?,
            bucket: Some(self.flat.parsed(names.bucket)?),
            s3: self.flat.is(names.s3),
        };
        let Some(direct) = direct else { return Some(flat) };
        Some(Backed {
            on: true,
            switch: Some(self.direct_place(names.name)),
            hosts: self.inventory.members(&direct.hosts),
            hosts_from: names.hosts.to_owned(),
            directory: direct.directory.clone().unwrap_or(flat.directory),
            keep: KeepLocal {
                days: direct.days.unwrap_or(keep.days),
                weeks: direct.weeks.unwrap_or(keep.weeks),
                hours: direct.hours.unwrap_or(keep.hours),
            },
            // Hourly backups are made where it is said how long they stay.
            schedules: self.schedules(names, direct.at, direct.hours.is_some())?,
            s3: direct.bucket.is_some(),
            bucket: direct.bucket.clone().or(flat.bucket),
            ..flat
        })
    }

    fn direct_place(&self, name: &str) -> Place {
        self.source.place(&self.places.key(&[name]))
    }

    /// As commcare-cloud writes them: daily from Monday to Saturday, weekly on Sunday. `at` is another minute and hour.
    fn schedules(
        &self,
        names: &Names,
        at: Option<(u32, u32)>,
        hourly: bool,
    ) -> Option<BTreeMap<Tier, Schedule>> {
        let (minute, hour) = match at {
            Some(at) => at,
            None => (0, self.flat.count("nadir_hour")?),
        };
        let mut schedules = BTreeMap::from([
            (Tier::Daily, format!("{minute} {hour} * * 1,2,3,4,5,6").parse().ok()?),
            (Tier::Weekly, format!("{minute} {hour} * * 0").parse().ok()?),
        ]);
        if hourly {
            let (minute, every) = (names.minute, self.flat.count("nadir_hour_frequency")?);
            schedules.insert(Tier::Hourly, format!("{minute} */{every} * * 1,2,3,4,5,6").parse().ok()?);
        }
        Some(schedules)
    }
}
