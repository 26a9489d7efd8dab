//! Datastores whose jobs this version cannot run yet: their buckets are prepared, and their cron entries held, since an
//! entry that can only fail is worse than none.

use super::Derivation;
use crate::settings::summary::DatastoreSummary;
use crate::state::{HeldBefore, HeldCode};
use crate::vocab::{Datastore, HostName, Id, Kind, Place};

impl Derivation<'_> {
    pub(super) fn awaiting(&mut self, summary: &DatastoreSummary) {
        let (true, Ok(datastore)) = (summary.enabled, summary.name.parse::<Datastore>()) else { return };
        let switch = summary.switch.clone();
        if summary.hosts.is_empty() {
            self.no_host(&datastore, switch.as_ref(), &summary.hosts_from);
        }
        let bucket = summary.bucket.as_ref().filter(|_| summary.s3);
        if let Some(bucket) = bucket.and_then(|bucket| bucket.parse().ok()) {
            self.bucket(&bucket, Some(&datastore), switch.clone());
        }
        for host in &summary.hosts {
            self.entry_without_job(host, &datastore);
        }
    }

    /// Nobody runs what is switched on.
    pub(super) fn no_host(&mut self, datastore: &Datastore, switch: Option<&Place>, hosts_from: &str) {
        let since = switch.map(|place| format!(" since {place}")).unwrap_or_default();
        self.held.push(HeldBefore {
            id: Id::cloud(Kind::Datastore, datastore.as_str()),
            code: HeldCode::NoHost,
            why: format!("on{since}, but no host is in {hosts_from}: nothing is backed up"),
            datastore: Some(datastore.clone()),
        });
    }

    fn entry_without_job(&mut self, host: &HostName, datastore: &Datastore) {
        self.held.push(HeldBefore {
            id: Id::on_host(Kind::Crontab, host.clone(), datastore.as_str()),
            code: HeldCode::NotReady,
            why: format!("this version cannot back up {datastore} yet: keep the backups that you have"),
            datastore: Some(datastore.clone()),
        });
    }
}
