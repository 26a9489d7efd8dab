//! How backups are proven and taken back: by the names of datastores.

use std::collections::BTreeMap;

use super::read::Reader;
use super::{Proof, Service};
use crate::settings::backups::{self, BackupsFile};
use crate::settings::checks::table;
use crate::settings::values::shown;
use crate::vocab::Datastore;

/// A setting in a library's place would be read as one: names as PostgreSQL's own.
fn is_library(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.$/".contains(c))
}

pub(super) fn proofs(reader: &mut Reader<'_>, file: &BackupsFile) -> BTreeMap<Datastore, Proof> {
    let mut proofs = BTreeMap::new();
    for (name, proof) in &file.verify {
        let Some(datastore) = datastore(reader, "verify", name) else { continue };
        let backups::Proof { schedule, checks, database, preload, scratch } = proof;
        let schedule =
            schedule.as_ref().and_then(|text| reader.schedule(&["verify", name, "schedule"], &text.0));
        let scratch = scratch.as_ref().and_then(|text| reader.path(&["verify", name, "scratch"], text));
        for (at, library) in preload.iter().flatten().enumerate().filter(|(_, library)| !is_library(library))
        {
            let message = format!("`{}` is no name of a library", shown(library));
            let at = at.to_string();
            reader.problem(table::BAD_NAME, &["verify", name, "preload", &at], message).label =
                Some("such as timescaledb".to_owned());
        }
        proofs.insert(
            datastore,
            Proof {
                schedule,
                checks: checks.clone().unwrap_or_default(),
                database: database.clone(),
                preload: preload.clone().unwrap_or_default(),
                scratch,
            },
        );
    }
    proofs
}

pub(super) fn services(reader: &mut Reader<'_>, file: &BackupsFile) -> BTreeMap<Datastore, Service> {
    let mut services = BTreeMap::new();
    for (name, service) in &file.services {
        let Some(datastore) = datastore(reader, "services", name) else { continue };
        let backups::Service { stop, start } = service;
        services.insert(datastore, Service { stop: stop.clone(), start: start.clone() });
    }
    services
}

/// A datastore that hosts back up.
fn datastore(reader: &mut Reader<'_>, list: &'static str, name: &str) -> Option<Datastore> {
    let datastore = reader.name::<Datastore>(table::BAD_NAME, &[list, name], name)?;
    let is_known =
        ["postgresql", "couchdb", "blobdb", "elasticsearch"].contains(&name) || name.starts_with("files-");
    if is_known {
        return Some(datastore);
    }
    let message = format!("`{}` is no datastore that hosts back up", shown(name));
    reader.problem(table::BAD_NAME, &[list, name], message).label =
        Some("postgresql, couchdb, blobdb, elasticsearch, files-NAME".to_owned());
    None
}
