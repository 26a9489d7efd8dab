//! Checks about directories that are used twice.

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
    for store in stores {
        let Some((directory, spot)) = &store.directory else { continue };
        let around = stores.iter().find_map(|other| {
            let (source, _) = other.source.as_ref()?;
            let shares_a_host = other.hosts.iter().any(|host| store.hosts.contains(host));
            let is_below = directory.starts_with(&format!("{}/", source.trim_end_matches('/')));
            // A job leaves its own backup directory out.
            let is_read = match other.name == store.name {
                true => directory == source,
                false => directory == source || is_below,
            };
            (shares_a_host && is_read && !excluded(context, &other.name, source, directory))
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
