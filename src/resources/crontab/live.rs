//! Reads and writes one file in `/etc/cron.d`.

use super::{Crontab, DIRECTORY, Lines, file_name, mark, parse};
use crate::clients::host::{Access, EntryKind, HostError, HostFiles};
use crate::resources::Found;
use crate::resources::host_directory::live::{access, name};
use crate::vocab::{Environment, Id};

/// Where the entries of an id lie.
pub fn path(environment: &Environment, id: &Id) -> String {
    format!("{DIRECTORY}/{}", file_name(environment, id.name()))
}

/// The file at `path`, with the mark that it carries.
pub fn read(host: &HostFiles, path: &str) -> Result<Option<Found<Crontab>>, String> {
    let Some(entry) = host.entry(path).map_err(|error| error.to_string())? else { return Ok(None) };
    if entry.kind != EntryKind::File {
        return Err(format!(
            "{path} is not a plain file; cron does not read it: move it away, then plan again"
        ));
    }
    let Some(bytes) = host.read(path).map_err(|error| error.to_string())? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let Lines { variables, entries, other } = parse(&text);
    let Access { owner, group, mode } = entry.access;
    let thing = Crontab {
        owner: name(&owner)?,
        group: name(&group)?,
        mode,
        variables,
        entries,
        other,
        old: Vec::new(),
    };
    Ok(Some(Found { mark: mark(&text).map(|mark| mark.environment), thing }))
}

/// Replaces the file, whole.
pub fn write(
    host: &HostFiles,
    environment: &Environment,
    id: &Id,
    wanted: &Crontab,
) -> Result<(), HostError> {
    let text = wanted.render(environment, id);
    let access = access(&wanted.owner, &wanted.group, wanted.mode);
    host.write(&path(environment, id), text.as_bytes(), &access)
}

/// Removes the file.
pub fn remove(host: &HostFiles, environment: &Environment, id: &Id) -> Result<(), HostError> {
    host.remove(&path(environment, id))
}
