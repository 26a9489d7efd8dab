//! Reads and writes a directory on a host.

use super::HostDirectory;
use crate::clients::host::{Access, EntryKind, Host, HostError, Seen, View};
use crate::vocab::OsUser;

/// The directory at the wanted one's path. The outer error is for people: something else lies there, or nobody may look.
pub fn read(view: &View, like: &HostDirectory) -> Result<Option<HostDirectory>, String> {
    let Some(seen) = view.at(&like.path).map_err(|error| error.to_string())? else { return Ok(None) };
    let Seen { kind: EntryKind::Directory, access: Access { owner, group, mode }, .. } = seen else {
        return Err(format!("{} is not a directory; move it away, then plan again", like.path));
    };
    Ok(Some(HostDirectory { path: like.path.clone(), owner: name(owner)?, group: name(group)?, mode: *mode }))
}

/// Makes it so; what is in the directory stays.
pub async fn write(host: &Host, wanted: &HostDirectory) -> Result<(), HostError> {
    let HostDirectory { path, owner, group, mode } = wanted;
    host.make_directory(path, &access(owner, group, *mode)).await
}

pub(in crate::resources) fn access(owner: &OsUser, group: &OsUser, mode: u32) -> Access {
    Access { owner: owner.to_string(), group: group.to_string(), mode }
}

pub(in crate::resources) fn name(text: &str) -> Result<OsUser, String> {
    text.parse().map_err(|error| format!("its owner or group `{text}` cannot be understood: {error}"))
}
