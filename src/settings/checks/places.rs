//! Checks about directories that are used twice.

use super::stores::Spot;
use super::{Context, table};
use crate::vocab::{HostName, Problem};

/// On one host a directory belongs to one user, and what expires one datastore's backups sees another's.
pub(super) fn directories_of_two_datastores(context: &Context<'_>) -> Vec<Problem> {
    let stores = context.stores();
    let mut problems = Vec::new();
    for (index, store) in stores.iter().enumerate() {
        let Some((directory, spot)) = &store.directory else { continue };
        let other = stores.iter().take(index).find(|other| {
            let shares_a_host = other.hosts.iter().any(|host| store.hosts.contains(host));
            // Two of one name are a problem of their own.
            let is_another = other.name != store.name;
            shares_a_host && is_another && other.directory.as_ref().is_some_and(|(path, _)| path == directory)
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

/// A backup's name holds no host: what several hosts send to one directory, or one host to where another makes its own,
/// overwrites what is there.
pub(super) fn copies_in_one_place(context: &Context<'_>) -> Vec<Problem> {
    let Some(target) = &context.settings.couchdb.source.remote_copy else { return Vec::new() };
    let Some(store) = context.stores().iter().find(|store| store.name == "couchdb") else {
        return Vec::new();
    };
    let inventory = &context.settings.inventory;
    let is_target = |host: &HostName| {
        let address = inventory.hosts.get(host).and_then(|host| host.address.as_ref());
        host == target || address == Some(target)
    };
    let message = match (store.hosts.iter().any(is_target), store.hosts.len()) {
        (true, 1) => format!("{target} would send the copies of its backups to itself"),
        (true, _) => format!(
            "{target} makes {} backups too, and the other hosts would overwrite them with theirs, which have the same \
             names",
            store.whose
        ),
        (false, 0 | 1) => return Vec::new(),
        (false, hosts) => format!(
            "{hosts} hosts would send {} backups under the same names to one directory of {target}, and overwrite each \
             other",
            store.whose
        ),
    };
    let problem = context.at_spot(table::SHARED_COPY, &Spot::Value("remote_couch_backup"), message);
    vec![problem.helped(
        "set it to false and let a bucket take the copies (couch_s3), or let one host make these backups and name another",
    )]
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
            let is_inside =
                directory == source || directory.starts_with(&format!("{}/", source.trim_end_matches('/')));
            (shares_a_host && is_inside && !excluded(context, &other.name, source, directory))
                .then_some((other, source))
        });
        if let Some((other, source)) = around {
            let message = match other.name == store.name && directory != source {
                // A job leaves its own backup directory out.
                true => format!(
                    "the backups of {} lie in {source}, which they are made of: what destroys it takes them along",
                    store.name
                ),
                false => format!(
                    "the backups of {} lie in {source}, which {} backs up: each would hold all those before it",
                    store.name, other.name
                ),
            };
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
