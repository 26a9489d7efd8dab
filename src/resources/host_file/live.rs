//! Reads and writes a job file on a host. Secrets pass through here, from the vault into the file, and nowhere else.

use super::{HostFile, parse};
use crate::clients::host::{Access, EntryKind, Host, Seen, View};
use crate::resources::Found;
use crate::resources::host_directory::live::{access, name};
use crate::vocab::{Environment, Id, Secret, SecretDigest};

/// The file at `path`, with the mark that it carries.
pub fn read(view: &View, path: &str) -> Result<Option<Found<HostFile>>, String> {
    let Some(seen) = view.at(path).map_err(|error| error.to_string())? else { return Ok(None) };
    let Seen { kind: EntryKind::File, access: Access { owner, group, mode }, bytes } = seen else {
        return Err(format!("{path} is not a plain file; move it away, then plan again"));
    };
    let (mark, body) = parse(&String::from_utf8_lossy(bytes));
    let thing =
        HostFile { path: path.to_owned(), owner: name(owner)?, group: name(group)?, mode: *mode, body };
    Ok(Some(Found { mark, thing }))
}

/// Replaces the file, secrets filled in.
pub async fn write(
    host: &Host,
    environment: &Environment,
    id: &Id,
    wanted: &HostFile,
    secret: impl Fn(&SecretDigest) -> Option<Secret>,
) -> Result<(), String> {
    let Some(text) = wanted.render(environment, id, secret) else {
        return Err("a secret that it needs is not in the vault any more; plan again".to_owned());
    };
    let access = access(&wanted.owner, &wanted.group, wanted.mode);
    host.write(&wanted.path, text.as_bytes(), &access).await.map_err(|error| error.to_string())
}
