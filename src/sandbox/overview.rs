//! What a sandbox holds, for people: `sandbox show`.

use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::iam::Directory;
use super::records::Version;
use super::store::{Access, Store};
use crate::vocab::Versioning;

/// Buckets, hosts and identities, each by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Overview {
    pub buckets: Vec<BucketOverview>,
    pub hosts: Vec<HostOverview>,
    /// Names of IAM's users.
    pub users: Vec<String>,
    /// Names of IAM's roles.
    pub roles: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BucketOverview {
    pub name: String,
    pub region: String,
    pub versioning: Versioning,
    pub object_lock: bool,
    /// Uploads begun and not ended.
    pub uploads: usize,
    /// By key, the newest of each first.
    pub versions: Vec<VersionOverview>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionOverview {
    pub key: String,
    pub version: String,
    pub modified: DateTime<Utc>,
    /// In bytes; `None` for a delete marker.
    pub size: Option<u64>,
    /// Whether this is the key's newest version.
    pub current: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostOverview {
    pub name: String,
    /// By path.
    pub files: Vec<FileOverview>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FileOverview {
    /// As the host sees it.
    pub path: String,
    /// In bytes.
    pub size: u64,
}

pub(super) fn of(store: &dyn Store, directory: &Directory, hosts: &Path) -> io::Result<Overview> {
    let mut overview = Overview::default();
    for name in store.buckets()? {
        let _lock = store.lock(&name, Access::Read)?;
        let Some(bucket) = store.bucket(&name)? else { continue };
        let mut versions = Vec::new();
        for key in store.keys(&name)? {
            let of_key = store.versions(&name, &key)?;
            versions.extend(of_key.iter().enumerate().map(|(at, version)| describe(version, at == 0)));
        }
        overview.buckets.push(BucketOverview {
            region: bucket.region.clone(),
            versioning: bucket.versioning,
            object_lock: bucket.object_lock,
            uploads: store.uploads(&name)?.len(),
            versions,
            name,
        });
    }
    {
        let _lock = directory.lock(Access::Read)?;
        overview.users = directory.users.all()?.iter().map(|user| user.name.clone()).collect();
        overview.roles = directory.roles.all()?.iter().map(|role| role.name.clone()).collect();
    }
    overview.users.sort_unstable();
    overview.roles.sort_unstable();
    for entry in entries(hosts)? {
        if entry.file_type()?.is_dir() {
            let mut files = Vec::new();
            walk(&entry.path(), "", &mut files)?;
            files.sort_unstable();
            overview
                .hosts
                .push(HostOverview { name: entry.file_name().to_string_lossy().into_owned(), files });
        }
    }
    overview.hosts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(overview)
}

fn describe(version: &Version, current: bool) -> VersionOverview {
    VersionOverview {
        key: version.key.clone(),
        version: version.id.clone(),
        modified: version.modified,
        size: version.content.as_ref().map(|content| content.size),
        current,
    }
}

fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Symbolic links are shown, not followed: a host's link may point anywhere.
fn walk(folder: &Path, path: &str, files: &mut Vec<FileOverview>) -> io::Result<()> {
    for entry in entries(folder)? {
        let path = format!("{path}/{}", entry.file_name().to_string_lossy());
        let about = entry.metadata()?;
        if about.is_dir() {
            walk(&entry.path(), &path, files)?;
        } else {
            files.push(FileOverview { path, size: about.len() });
        }
    }
    Ok(())
}
