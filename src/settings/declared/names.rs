//! Names that stand twice: one name is one job file, one cron entry, one place in the bucket. Judged on what is
//! written, also where an item has other mistakes.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::read::Reader;
use super::{Adopted, Previous};
use crate::settings::backups::{BackupsFile, Identity};
use crate::settings::checks::table;
use crate::settings::values::shown;
use crate::vocab::Check;

pub(super) fn told_twice(reader: &mut Reader<'_>, file: &BackupsFile) {
    let files = file.files.iter().flatten().map(|one| one.name.clone());
    list(reader, "files", "name", "the directory tree", files);
    // RDS takes no notice of case.
    let databases = file.databases.iter().flatten().map(|one| one.identifier.to_lowercase());
    list(reader, "databases", "identifier", "the database", databases);
    let dokku = file.dokku.iter().flatten().map(|one| one.service.clone());
    list(reader, "dokku", "service", "the service", dokku);
    let identities = || file.identities.iter().flatten();
    let named = |name: fn(&Identity) -> Option<&String>| {
        identities().map(move |one| name(one).cloned().unwrap_or_default()).collect::<Vec<_>>()
    };
    list(reader, "identities", "role", "the role", named(|one| one.role.as_ref()));
    list(reader, "identities", "user", "the user", named(|one| one.user.as_ref()));
}

/// The words of `adopt`, each once.
pub(super) fn adopted(reader: &mut Reader<'_>, file: &BackupsFile) -> BTreeMap<&'static str, Adopted> {
    let mut adopted: BTreeMap<&'static str, Adopted> = BTreeMap::new();
    for (at, name) in file.adopt.iter().flatten().map(|adopt| adopt.name()).enumerate() {
        let index = at.to_string();
        let path = ["adopt", index.as_str()];
        let Some(first) = adopted.get(name) else {
            adopted.insert(name, Adopted { at, place: reader.place(&path) });
            continue;
        };
        let line = first.place.line;
        let message = format!("{name} is adopted twice, and once is enough");
        reader.problem(table::DUPLICATE_NAME, &path, message).label =
            Some(format!("first named on line {line}"));
    }
    adopted
}

/// What something was called before, each name once.
pub(super) fn previous<T>(
    reader: &mut Reader<'_>,
    list: &'static str,
    check: Check,
    names: &[String],
) -> Vec<Previous<T>>
where
    T: FromStr + PartialEq,
    T::Err: std::fmt::Display,
{
    let mut read: Vec<Previous<T>> = Vec::new();
    for (at, text) in names.iter().enumerate() {
        let index = at.to_string();
        let path = [list, index.as_str()];
        let Some(name) = reader.name::<T>(check, &path, text) else { continue };
        let Some(first) = read.iter().find(|one| one.name == name) else {
            read.push(Previous { at, name });
            continue;
        };
        let line = reader.line(&[list, &first.at.to_string()]);
        let message = format!("`{}` is named twice, and once is enough", shown(text));
        reader.problem(table::DUPLICATE_NAME, &path, message).label =
            Some(format!("first named on line {line}"));
    }
    read
}

fn list(
    reader: &mut Reader<'_>,
    list: &'static str,
    member: &'static str,
    what: &str,
    names: impl IntoIterator<Item = String>,
) {
    let mut first: BTreeMap<String, usize> = BTreeMap::new();
    for (index, name) in names.into_iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let Some(before) = first.get(&name) else {
            first.insert(name, index);
            continue;
        };
        let line = reader.line(&[list, &before.to_string(), member]);
        let message =
            format!("{what} `{}` is declared twice, and one would overwrite the other", shown(&name));
        let path = [list, &index.to_string(), member];
        reader.problem(table::DUPLICATE_NAME, &path, message).label =
            Some(format!("first declared on line {line}"));
    }
}
