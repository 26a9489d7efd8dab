//! What each datastore's settings come to, in one shape for all of them: for `show settings`, so that a person sees
//! what would run where, also of datastores that this version does not carry out.

use super::Settings;
use crate::datastores::backed::Backed;
use crate::datastores::tree::settings::TreeSource;
use crate::vocab::{HostName, Place, Tier};

/// One datastore's effective settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatastoreSummary {
    pub name: String,
    pub enabled: bool,
    /// Where it is switched on.
    pub switch: Option<Place>,
    /// What names its hosts: a group such as `[pg_backup]`, or the key that lists them.
    pub hosts_from: String,
    pub hosts: Vec<HostName>,
    /// How PostgreSQL is dumped; the others have one way.
    pub method: Option<&'static str>,
    pub user: String,
    /// The backup directory; snapshots of Elasticsearch have none.
    pub dir: Option<String>,
    /// What is backed up, as `HOST:PATH` where it lies on another host.
    pub source_dir: Option<String>,
    pub s3: bool,
    /// Where the second copy goes, or would.
    pub bucket: Option<String>,
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

impl Settings {
    /// Every datastore that a host makes backups of: those of the flat keys in the order of their names in the
    /// documentation, then trees.
    pub fn datastores(&self) -> Vec<DatastoreSummary> {
        let flat = [
            DatastoreSummary {
                method: self.postgresql.backed.on.then(|| self.postgresql.method.name()),
                ..summary(&self.postgresql.backed)
            },
            DatastoreSummary {
                source_dir: Some(self.couchdb.source.data_dir.clone()),
                ..summary(&self.couchdb.backed)
            },
            DatastoreSummary {
                source_dir: Some(self.blobdb.source.path.clone()),
                ..summary(&self.blobdb.backed)
            },
            self.summary_of_elasticsearch(),
        ];
        let files = self.files.iter().map(|own| {
            let TreeSource { path, host, .. } = &own.source;
            let common = summary(&own.backed);
            DatastoreSummary {
                source_dir: Some(host.as_ref().map_or_else(|| path.clone(), |host| format!("{host}:{path}"))),
                weeks: None,
                hours: None,
                // Days whichever tier the schedule makes.
                tiers: common
                    .tiers
                    .into_iter()
                    .map(|tier| TierSummary { keep: kept(Tier::Daily, common.days, 0, 0), ..tier })
                    .collect(),
                ..common
            }
        });
        flat.into_iter().chain(files).collect()
    }

    /// Its directory holds what is known of snapshots, and none of them.
    fn summary_of_elasticsearch(&self) -> DatastoreSummary {
        DatastoreSummary {
            dir: None,
            source_dir: Some(self.text("elasticsearch_data_dir")),
            weeks: None,
            hours: None,
            ..summary(&self.elasticsearch.backed)
        }
    }

    fn text(&self, key: &str) -> String {
        self.flat.get(key).and_then(|one| one.value.as_text()).unwrap_or_default().to_owned()
    }
}

/// What datastores have in common.
fn summary(own: &Backed) -> DatastoreSummary {
    let (days, weeks, hours) = (own.keep.days, own.keep.weeks, own.keep.hours);
    let tiers = own.schedules.iter().map(|(tier, schedule)| TierSummary {
        tier: *tier,
        schedule: schedule.to_string(),
        keep: kept(*tier, days, weeks, hours),
    });
    DatastoreSummary {
        name: own.datastore.to_string(),
        enabled: own.on,
        switch: own.switch.clone(),
        hosts_from: own.hosts_from.clone(),
        hosts: own.hosts.clone(),
        method: None,
        user: own.user.to_string(),
        dir: Some(own.directory.clone()),
        source_dir: None,
        s3: own.s3,
        bucket: own.bucket.as_ref().map(ToString::to_string),
        days,
        weeks: Some(weeks),
        hours: Some(hours),
        hourly: own.schedules.contains_key(&Tier::Hourly),
        tiers: tiers.collect(),
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
