//! Checks about directories and names that are used twice.

use std::collections::BTreeMap;

use super::stores::{Spot, below};
use super::{Context, table};
use crate::vocab::Problem;

/// On one host a directory belongs to one user, and what expires one datastore's backups sees another's.
pub(super) fn directories_of_two_datastores(context: &Context<'_>) -> Vec<Problem> {
    let stores = context.stores();
    let mut problems = Vec::new();
    for (index, store) in stores.iter().enumerate() {
        let Some((directory, spot)) = &store.directory else { continue };
        let other = stores.iter().take(index).find(|other| {
            let shares_a_host = other.hosts.iter().any(|host| store.hosts.contains(host));
            shares_a_host && other.directory.as_ref().is_some_and(|(path, _)| path == directory)
        });
        if let Some(other) = other {
            let message = format!(
                "{directory} is the backup directory of {} and {} on one host, and it can belong to one user only",
                other.name, store.name
            );
            problems
                .push(context.at_spot(table::SHARED_DIRECTORY, spot, message).helped("give each its own"));
        }
    }
    problems
}

/// Backups of backups grow every night.
pub(super) fn directories_inside_of_sources(context: &Context<'_>) -> Vec<Problem> {
    let stores = context.stores();
    let mut problems = Vec::new();
    for store in &stores {
        let Some((directory, spot)) = &store.directory else { continue };
        let around = stores.iter().find_map(|other| {
            let (source, _) = other.source.as_ref()?;
            let shares_a_host = other.hosts.iter().any(|host| store.hosts.contains(host));
            let is_inside = directory == source || directory.starts_with(&format!("{source}/"));
            (shares_a_host && is_inside && !excluded(context, &other.name, source, directory))
                .then_some((other, source))
        });
        if let Some((other, source)) = around {
            let message = format!(
                "the backups of {} lie in {source}, which {}: each would hold all those before it",
                store.name,
                if other.name == store.name {
                    "they are made of".to_owned()
                } else {
                    format!("{} backs up", other.name)
                }
            );
            let problem = context.at_spot(table::DIRECTORY_IN_SOURCE, spot, message);
            problems.push(problem.helped("choose a directory outside of it"));
        }
    }
    problems
}

/// Whether a tree leaves a directory out.
fn excluded(context: &Context<'_>, name: &str, source: &str, directory: &str) -> bool {
    let rest = directory.strip_prefix(source).unwrap_or_default();
    let files = context.settings.backups.declared.files.iter();
    files.filter(|files| format!("files-{}", files.name) == name).flat_map(|files| &files.exclude).any(
        |exclude| {
            let exclude = exclude.trim_end_matches('/');
            rest == exclude || rest.starts_with(&format!("{exclude}/"))
        },
    )
}

/// One name is one job file, one cron entry, one folder in the bucket.
pub(super) fn names_that_stand_twice(context: &Context<'_>) -> Vec<Problem> {
    let declared = &context.settings.backups.declared;
    let mut named: Vec<(String, Spot)> = Vec::new();
    for files in &declared.files {
        let spot = below(&["files", &files.at.to_string(), "name"]);
        named.push((format!("the directory tree `{}`", files.name), spot));
    }
    for database in &declared.databases {
        let spot = below(&["databases", &database.at.to_string(), "identifier"]);
        // RDS takes no notice of case.
        named.push((format!("the database `{}`", database.identifier.to_lowercase()), spot));
    }
    for dokku in &declared.dokku {
        let spot = below(&["dokku", &dokku.at.to_string(), "service"]);
        named.push((format!("the service `{}`", dokku.service), spot));
    }
    for identity in &declared.identities {
        use crate::settings::declared::Who;
        let (kind, name) = match &identity.who {
            Who::Role { name, .. } => ("role", name),
            Who::User { name } => ("user", name),
        };
        let spot = below(&["identities", &identity.at.to_string(), kind]);
        named.push((format!("the {kind} `{name}`"), spot));
    }
    let mut first: BTreeMap<String, Spot> = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, spot) in named {
        if let Some(before) = first.get(&name) {
            let line = context.at_spot(table::DUPLICATE_NAME, before, "").place.map_or(0, |place| place.line);
            let message = format!("{name} is declared twice, and one would overwrite the other");
            let problem = context.at_spot(table::DUPLICATE_NAME, &spot, message);
            problems.push(problem.labelled(format!("first declared on line {line}")));
        } else {
            first.insert(name, spot);
        }
    }
    problems
}
