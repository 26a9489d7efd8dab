//! Reads and writes one file in `/etc/cron.d`.

use super::{Crontab, DIRECTORY, Lines, file_name, mark, parse};
use crate::clients::host::{Access, EntryKind, Host, HostError, Seen, View};
use crate::resources::Found;
use crate::resources::host_directory::live::{access, name};
use crate::vocab::{Environment, Id};

/// Where the entries of an id lie.
pub fn path(environment: &Environment, id: &Id) -> String {
    match id.earlier() {
        Some((name, earlier)) => format!("{DIRECTORY}/{}", file_name(&earlier, name)),
        None => format!("{DIRECTORY}/{}", file_name(environment, id.name())),
    }
}

/// The file at `path`, with the mark that it carries.
pub fn read(view: &View, path: &str) -> Result<Option<Found<Crontab>>, String> {
    let Some(seen) = view.at(path).map_err(|error| error.to_string())? else { return Ok(None) };
    let Seen { kind: EntryKind::File, access: Access { owner, group, mode }, bytes } = seen else {
        return Err(format!(
            "{path} is not a plain file; cron does not read it: move it away, then plan again"
        ));
    };
    let text = String::from_utf8_lossy(bytes);
    let Lines { variables, entries, other } = parse(&text);
    let thing = Crontab {
        owner: name(owner)?,
        group: name(group)?,
        mode: *mode,
        variables,
        entries,
        other,
        old: Vec::new(),
    };
    Ok(Some(Found { mark: mark(&text).map(|mark| mark.environment), thing }))
}

/// Replaces the file, whole.
pub async fn write(
    host: &Host,
    environment: &Environment,
    id: &Id,
    wanted: &Crontab,
) -> Result<(), HostError> {
    let text = wanted.render(environment, id);
    let access = access(&wanted.owner, &wanted.group, wanted.mode);
    host.write(&path(environment, id), text.as_bytes(), &access).await
}

/// Removes the file.
pub async fn remove(host: &Host, environment: &Environment, id: &Id) -> Result<(), HostError> {
    host.remove(&path(environment, id)).await
}
