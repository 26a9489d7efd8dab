//! Reads and writes a directory on a host.

use super::HostDirectory;
use crate::clients::host::{Access, EntryKind, HostError, HostFiles};
use crate::vocab::OsUser;

/// The directory at the wanted one's path. The outer error is for people: something else lies there, or nobody may look.
pub fn read(host: &HostFiles, like: &HostDirectory) -> Result<Option<HostDirectory>, String> {
    let Some(entry) = host.entry(&like.path).map_err(|error| error.to_string())? else { return Ok(None) };
    if entry.kind != EntryKind::Directory {
        return Err(format!("{} is not a directory; move it away, then plan again", like.path));
    }
    let Access { owner, group, mode } = entry.access;
    Ok(Some(HostDirectory { path: like.path.clone(), owner: name(&owner)?, group: name(&group)?, mode }))
}

/// Makes it so; what is in the directory stays.
pub fn write(host: &HostFiles, wanted: &HostDirectory) -> Result<(), HostError> {
    let HostDirectory { path, owner, group, mode } = wanted;
    host.make_directory(path, &access(owner, group, *mode))
}

pub(in crate::resources) fn access(owner: &OsUser, group: &OsUser, mode: u32) -> Access {
    Access { owner: owner.to_string(), group: group.to_string(), mode }
}

pub(in crate::resources) fn name(text: &str) -> Result<OsUser, String> {
    text.parse().map_err(|error| format!("its owner or group `{text}` cannot be understood: {error}"))
}
