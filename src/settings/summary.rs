//! What each datastore's settings come to, in one shape for all of them: for `show settings`, so that a person sees
//! what would run where, also of datastores that this version does not carry out.

use super::{Origin, Settings};
use crate::vocab::{HostName, Place, Tier};

/// One datastore's effective settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatastoreSummary {
    pub name: &'static str,
    pub enabled: bool,
    /// Where it is switched on.
    pub switch: Option<Place>,
    /// The group of the inventory whose hosts run it.
    pub group: &'static str,
    pub hosts: Vec<HostName>,
    /// How PostgreSQL is dumped; the others have one way.
    pub method: Option<&'static str>,
    pub user: String,
    /// The backup directory; snapshots of Elasticsearch have none.
    pub dir: Option<String>,
    pub source_dir: Option<String>,
    pub s3: bool,
    pub bucket: String,
    pub days: u32,
    pub weeks: Option<u32>,
    pub hours: Option<u32>,
    pub hourly: bool,
    pub tiers: Vec<TierSummary>,
}

/// One tier: when it runs, how long its backups stay in the backup directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierSummary {
    pub tier: Tier,
    pub schedule: String,
    pub keep: String,
}

impl DatastoreSummary {
    /// Switched on, and nobody runs it.
    pub fn has_no_host(&self) -> bool {
        self.enabled && self.hosts.is_empty()
    }
}

/// What a datastore of commcare-cloud's kind calls its keys.
struct Names {
    name: &'static str,
    group: &'static str,
    switch: &'static str,
    dir: &'static str,
    source_dir: &'static str,
    /// `couchdb` of `couchdb_backup_days`.
    keep: &'static str,
    s3: &'static str,
    bucket: &'static str,
    hourly: &'static str,
    /// The minute of hourly backups.
    minute: u32,
}

const COUCHDB: Names = Names {
    name: "couchdb",
    group: "couchdb2",
    switch: "backup_couch",
    dir: "couch_backup_dir",
    source_dir: "couch_data_dir",
    keep: "couchdb",
    s3: "couch_s3",
    bucket: "couchdb_snapshot_bucket",
    hourly: "couch_backup_hourly",
    minute: 0,
};

const BLOBDB: Names = Names {
    name: "blobdb",
    group: "shared_dir_host",
    switch: "backup_blobdb",
    dir: "blobdb_backup_dir",
    source_dir: "blobdb_dir_path",
    keep: "blobdb",
    s3: "blobdb_s3",
    bucket: "blobdb_snapshot_bucket",
    hourly: "blobdb_backup_hourly",
    minute: 15,
};

impl Settings {
    /// Every datastore of the flat keys, in the order of their names in the documentation.
    pub fn datastores(&self) -> Vec<DatastoreSummary> {
        vec![
            self.summary_of_postgresql(),
            self.summary_of(&COUCHDB, "couchdb".to_owned()),
            self.summary_of(&BLOBDB, self.text("blobdb_user")),
            self.summary_of_elasticsearch(),
        ]
    }

    fn summary_of_postgresql(&self) -> DatastoreSummary {
        let own = &self.postgresql;
        let (days, weeks, hours) = (own.keep.days, own.keep.weeks, own.keep.hours);
        let tiers = own.schedules.iter().map(|(tier, schedule)| TierSummary {
            tier: *tier,
            schedule: schedule.to_string(),
            keep: kept(*tier, days, weeks, hours),
        });
        DatastoreSummary {
            name: "postgresql",
            enabled: own.method.is_some(),
            switch: own.switch.clone(),
            group: "pg_backup",
            hosts: own.hosts.clone(),
            method: own.method.map(|method| method.name()),
            user: own.user.to_string(),
            dir: Some(own.directory.clone()),
            source_dir: None,
            s3: own.s3,
            bucket: own.bucket.to_string(),
            days,
            weeks: Some(weeks),
            hours: Some(hours),
            hourly: own.schedules.contains_key(&Tier::Hourly),
            tiers: tiers.collect(),
        }
    }

    fn summary_of(&self, names: &Names, user: String) -> DatastoreSummary {
        let keep = |unit: &str| self.count(&format!("{}_backup_{unit}", names.keep));
        let (days, weeks, hours) = (keep("days"), keep("weeks"), keep("hours"));
        let (hour, every) = (self.count("nadir_hour"), self.count("nadir_hour_frequency"));
        let hourly = self.is_on(names.hourly);
        let mut tiers = vec![
            (Tier::Daily, format!("0 {hour} * * 1,2,3,4,5,6")),
            (Tier::Weekly, format!("0 {hour} * * 0")),
        ];
        if hourly {
            tiers.insert(0, (Tier::Hourly, format!("{} */{every} * * 1,2,3,4,5,6", names.minute)));
        }
        let tier = |(tier, schedule)| TierSummary { tier, schedule, keep: kept(tier, days, weeks, hours) };
        DatastoreSummary {
            name: names.name,
            enabled: self.is_on(names.switch) || self.adopted(names.name).is_some(),
            switch: self.switch(names.name, names.switch),
            group: names.group,
            hosts: self.inventory.hosts_of(names.group),
            method: None,
            user,
            dir: Some(self.text(names.dir)),
            source_dir: Some(self.text(names.source_dir)),
            s3: self.is_on(names.s3),
            bucket: self.text(names.bucket),
            days,
            weeks: Some(weeks),
            hours: Some(hours),
            hourly,
            tiers: tiers.into_iter().map(tier).collect(),
        }
    }

    /// Snapshots are made by the store itself, so one host asks for all.
    fn summary_of_elasticsearch(&self) -> DatastoreSummary {
        let days = self.count("elasticsearch_backup_days");
        let hour = (self.count("nadir_hour") + 4) % 24;
        let schedule = format!("0 {hour} * * *");
        let name = "elasticsearch";
        let is_on = self.is_on("backup_es_s3") || self.is_on("es_local_repo");
        DatastoreSummary {
            name,
            enabled: is_on || self.adopted(name).is_some(),
            switch: self
                .switch(name, if self.is_on("backup_es_s3") { "backup_es_s3" } else { "es_local_repo" }),
            group: "elasticsearch",
            hosts: self.inventory.hosts_of("elasticsearch").into_iter().take(1).collect(),
            method: None,
            user: "root".to_owned(),
            dir: None,
            source_dir: Some(self.text("elasticsearch_data_dir")),
            s3: self.is_on("backup_es_s3"),
            bucket: self.text("es_snapshot_bucket"),
            days,
            weeks: None,
            hours: None,
            hourly: false,
            tiers: vec![TierSummary { tier: Tier::Daily, schedule, keep: kept(Tier::Daily, days, 0, 0) }],
        }
    }

    /// Where it says that a datastore is ours whatever its flat switch says.
    fn adopted(&self, name: &str) -> Option<Place> {
        self.backups.declared.adopt.get(name).map(|adopted| adopted.place.clone())
    }

    /// Where a datastore is switched on.
    fn switch(&self, name: &str, key: &str) -> Option<Place> {
        match self.is_on(key) {
            true => self.place(key),
            false => self.adopted(name).or_else(|| self.place(key)),
        }
    }

    fn is_on(&self, key: &str) -> bool {
        self.flat.get(key).is_some_and(|one| one.value == true.into())
    }

    fn place(&self, key: &str) -> Option<Place> {
        match &self.flat.get(key)?.from {
            Origin::Written(place) => Some(place.clone()),
            Origin::Default => None,
        }
    }

    fn text(&self, key: &str) -> String {
        self.flat.get(key).and_then(|one| one.value.as_text()).unwrap_or_default().to_owned()
    }

    fn count(&self, key: &str) -> u32 {
        let number = self.flat.get(key).and_then(|one| one.value.as_number());
        number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
    }
}

/// How long a tier's backups stay, in words.
fn kept(tier: Tier, days: u32, weeks: u32, hours: u32) -> String {
    let (count, unit) = match tier {
        Tier::Hourly => (hours, "hour"),
        Tier::Daily => (days, "day"),
        Tier::Weekly => (weeks, "week"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
