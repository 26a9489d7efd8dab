//! Datastores that `backups:` declares directly: the same settings as the flat keys give, from the other layer.

use std::collections::BTreeMap;

use super::Inventory;
use super::declared::Declared;
use super::flat::Flat;
use super::shape::Places;
use super::source::Source;
use crate::datastores::job_file::KeepLocal;
use crate::datastores::postgresql::desired::NAME;
use crate::datastores::postgresql::settings::{Method, Postgresql};
use crate::vocab::{HostName, Schedule, Tier};

/// PostgreSQL's settings where they are adopted: switched on, and as plain as commcare-cloud's own default where the flat
/// switch says nothing else.
pub fn adopted(own: Postgresql, declared: &Declared) -> Postgresql {
    match declared.adopt.get(NAME).filter(|_| own.method.is_none()) {
        Some(adopted) => {
            Postgresql { method: Some(Method::Plain), switch: Some(adopted.place.clone()), ..own }
        }
        None => own,
    }
}

/// PostgreSQL's settings with what `backups.postgresql` says in place of the flat keys. Both at once is a problem of
/// its own (`declared-twice`).
pub fn postgresql(
    own: Postgresql,
    flat: &Flat,
    declared: &Declared,
    inventory: &Inventory,
    (source, places): (&Source, &Places),
    read_from: &mut dyn FnMut(&[HostName]) -> BTreeMap<HostName, HostName>,
) -> Postgresql {
    let Some(direct) = &declared.postgresql else { return own };
    let hosts = inventory.members(&direct.hosts);
    let mut schedules = match direct.at {
        Some((minute, hour)) => at(minute, hour).unwrap_or(own.schedules),
        None => own.schedules,
    };
    // Hourly backups are made where it is said how long they stay.
    schedules.remove(&Tier::Hourly);
    if direct.hours.is_some() {
        let every = flat.count("nadir_hour_frequency").unwrap_or(3);
        let schedule = format!("15 */{every} * * 1,2,3,4,5,6").parse().ok();
        schedules.extend(schedule.map(|schedule| (Tier::Hourly, schedule)));
    }
    Postgresql {
        method: direct.method,
        switch: Some(source.place(&places.key(&["postgresql"]))),
        hosts_from: "backups.postgresql.hosts",
        read_from: read_from(&hosts),
        hosts,
        user: own.user,
        directory: direct.directory.clone().unwrap_or(own.directory),
        keep: KeepLocal {
            days: direct.days.unwrap_or(own.keep.days),
            weeks: direct.weeks.unwrap_or(own.keep.weeks),
            hours: direct.hours.unwrap_or(own.keep.hours),
        },
        schedules,
        s3: direct.bucket.is_some(),
        bucket: direct.bucket.clone().unwrap_or(own.bucket),
    }
}

fn at(minute: u32, hour: u32) -> Option<BTreeMap<Tier, Schedule>> {
    Some(BTreeMap::from([
        (Tier::Daily, format!("{minute} {hour} * * 1,2,3,4,5,6").parse().ok()?),
        (Tier::Weekly, format!("{minute} {hour} * * 0").parse().ok()?),
    ]))
}
