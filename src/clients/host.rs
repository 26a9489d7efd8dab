//! Files on a host: this machine's own, or a folder that plays a host in the sandbox.
//!
//! Writes are atomic: a temporary file beside the target, synced, renamed, and the directory synced. Symbolic links are
//! never followed at the last step: what is not a plain file or directory is told as such.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use nix::unistd::{Gid, Group, Uid, User};
use serde::{Deserialize, Serialize};

/// Who owns a file and what its permission bits are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    pub owner: String,
    pub group: String,
    pub mode: u32,
}

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: EntryKind,
    pub access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Directory,
    /// A link, a device, a pipe: never written over.
    Other,
}

/// What could not be done on a host, for people.
#[derive(Debug, thiserror::Error)]
#[error("{what} {path}: {why}")]
pub struct HostError {
    what: &'static str,
    path: String,
    why: String,
}

/// Called before and after every write, so that tests can stop the program at any of them.
pub type Tripwire = Arc<dyn Fn(Moment) -> Result<(), String> + Send + Sync>;

/// A moment around a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

/// The file system of a host.
#[derive(Clone)]
pub struct HostFiles {
    root: Root,
    tripwire: Option<Tripwire>,
}

#[derive(Clone)]
enum Root {
    /// This machine.
    Local,
    /// A folder whose files are those of a host. Owners and modes are kept beside it, because only root may give
    /// files away.
    Folder { root: PathBuf },
}

/// More than any file that this program manages.
const MOST_BYTES: u64 = 4 << 20;

impl HostFiles {
    pub fn local() -> Self {
        HostFiles { root: Root::Local, tripwire: None }
    }

    /// The host that the folder `root` plays.
    pub fn folder(root: PathBuf, tripwire: Option<Tripwire>) -> Self {
        HostFiles { root: Root::Folder { root }, tripwire }
    }

    /// Where a path of the host lies on this machine.
    pub fn locate(&self, path: &str) -> Result<PathBuf, HostError> {
        let plain = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !path.starts_with('/') || !plain {
            return Err(error("cannot use", path, "it is not an absolute path without `..`"));
        }
        Ok(match &self.root {
            Root::Local => PathBuf::from(path),
            Root::Folder { root } => root.join(path.trim_start_matches('/')),
        })
    }

    /// What lies at a path, if anything does.
    pub fn entry(&self, path: &str) -> Result<Option<Entry>, HostError> {
        let real = self.locate(path)?;
        let metadata = match fs::symlink_metadata(&real) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(io_error("cannot look at", path, &cause)),
        };
        let kind = match metadata.file_type() {
            kind if kind.is_file() => EntryKind::File,
            kind if kind.is_dir() => EntryKind::Directory,
            _ => EntryKind::Other,
        };
        let mode = metadata.permissions().mode() & 0o7777;
        let access = match &self.root {
            Root::Local => {
                Access { owner: user_name(metadata.uid()), group: group_name(metadata.gid()), mode }
            }
            Root::Folder { root } => Owners::of(root).read()?.remove(path).unwrap_or(Access {
                owner: "root".to_owned(),
                group: "root".to_owned(),
                mode,
            }),
        };
        Ok(Some(Entry { kind, access }))
    }

    /// How many bytes a plain file has and when it was written; `None` where there is none.
    pub fn size_and_time(&self, path: &str) -> Result<Option<(u64, SystemTime)>, HostError> {
        let looked = fs::symlink_metadata(self.locate(path)?)
            .and_then(|found| Ok(found.is_file().then_some((found.len(), found.modified()?))));
        match looked {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            looked => looked.map_err(|cause| io_error("cannot look at", path, &cause)),
        }
    }

    /// The bytes of a plain file of moderate size; `None` where there is none.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        let real = self.locate(path)?;
        read_plain(&real).map_err(|why| error("cannot read", path, why))
    }

    /// The names in a directory, sorted; none where there is no directory.
    pub fn list(&self, path: &str) -> Result<Vec<String>, HostError> {
        let entries = match fs::read_dir(self.locate(path)?) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(io_error("cannot list", path, &cause)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|cause| io_error("cannot list", path, &cause))?;
            // A name that is not text is none of ours.
            names.extend(entry.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }

    /// Replaces a file, whole, or leaves it as it was.
    pub fn write(&self, path: &str, bytes: &[u8], access: &Access) -> Result<(), HostError> {
        let real = self.locate(path)?;
        let directory = real.parent().unwrap_or(Path::new("/"));
        self.trip(path, Moment::Before)?;
        let write = || -> io::Result<()> {
            if let Root::Folder { root } = &self.root {
                // What every machine with a cron has.
                fs::create_dir_all(root.join("etc/cron.d"))?;
            }
            let mut file = tempfile::Builder::new().prefix(".reconcile-").tempfile_in(directory)?;
            file.write_all(bytes)?;
            self.give(file.as_file(), access)?;
            file.as_file().sync_all()?;
            file.persist(&real).map_err(|error| error.error)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|cause| io_error("cannot write", path, &cause))?;
        self.note(path, Some(access))?;
        self.trip(path, Moment::After)
    }

    /// Makes a directory, and those above it, which belong to root and are open to pass whatever the umask: whoever owns
    /// the last one must be able to get there.
    pub fn make_directory(&self, path: &str, access: &Access) -> Result<(), HostError> {
        let real = self.locate(path)?;
        self.trip(path, Moment::Before)?;
        let make = || -> io::Result<()> {
            let missing: Vec<&Path> = real.ancestors().take_while(|path| !path.exists()).collect();
            for path in missing.into_iter().rev() {
                match fs::create_dir(path) {
                    Ok(()) if path != real => fs::set_permissions(path, fs::Permissions::from_mode(0o755))?,
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
                File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
            }
            // Not by its name: a link may take its place between two looks where somebody else owns the folder above.
            let flags = nix::libc::O_DIRECTORY | nix::libc::O_NOFOLLOW;
            self.give(&fs::OpenOptions::new().read(true).custom_flags(flags).open(&real)?, access)
        };
        make().map_err(|cause| io_error("cannot make", path, &cause))?;
        self.note(path, Some(access))?;
        self.trip(path, Moment::After)
    }

    /// Removes a file that may already be gone.
    pub fn remove(&self, path: &str) -> Result<(), HostError> {
        let real = self.locate(path)?;
        self.trip(path, Moment::Before)?;
        match fs::remove_file(&real) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(io_error("cannot remove", path, &cause)),
        }
        self.note(path, None)?;
        self.trip(path, Moment::After)
    }

    fn give(&self, file: &File, access: &Access) -> io::Result<()> {
        if matches!(self.root, Root::Local) {
            let (user, group) = ids(access)?;
            // Nothing to give away is nothing that only root may do.
            let metadata = file.metadata()?;
            if metadata.uid() != user.as_raw() || metadata.gid() != group.as_raw() {
                std::os::unix::fs::fchown(file, Some(user.as_raw()), Some(group.as_raw()))?;
            }
            return file.set_permissions(fs::Permissions::from_mode(access.mode));
        }
        // In the sandbox the person who tries things out must still be able to read and remove them.
        file.set_permissions(fs::Permissions::from_mode(access.mode | 0o600 | (access.mode & 0o100)))
    }

    fn note(&self, path: &str, access: Option<&Access>) -> Result<(), HostError> {
        match &self.root {
            Root::Local => Ok(()),
            Root::Folder { root } => Owners::of(root).note(path, access),
        }
    }

    fn trip(&self, path: &str, moment: Moment) -> Result<(), HostError> {
        match &self.tripwire {
            Some(tripwire) => tripwire(moment).map_err(|why| error("stopped at", path, why)),
            None => Ok(()),
        }
    }
}

/// The bytes of a plain file of moderate size; `None` where there is none.
fn read_plain(path: &Path) -> Result<Option<Vec<u8>>, String> {
    // Without NONBLOCK a pipe in the file's place would be waited for; without NOFOLLOW a link would be followed.
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW;
    let file = match fs::OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(with_help(&cause)),
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|cause| with_help(&cause))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err("it is larger than 4 MiB, which no file of this program is".to_owned());
    }
    Ok(Some(bytes))
}

/// A file of this machine that a person named, whole.
pub fn read_small(path: &Path) -> Result<Vec<u8>, String> {
    read_plain(path)?.ok_or_else(|| "there is no such file".to_owned())
}

/// Owners and modes of a sandbox host's files, in one JSON file beside its folder.
struct Owners {
    file: PathBuf,
}

impl Owners {
    fn of(root: &Path) -> Self {
        let mut name = root.as_os_str().to_owned();
        name.push(".owners.json");
        Owners { file: PathBuf::from(name) }
    }

    fn read(&self) -> Result<BTreeMap<String, Access>, HostError> {
        let path = self.file.display().to_string();
        match fs::read(&self.file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|cause| {
                error("cannot read", &path, format!("{cause}; `sandbox reset` makes it anew"))
            }),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(cause) => Err(io_error("cannot read", &path, &cause)),
        }
    }

    /// Two changes on one host may be under way at once, in this process or another: the lock orders them.
    fn note(&self, path: &str, access: Option<&Access>) -> Result<(), HostError> {
        let own = self.file.display().to_string();
        let fail = |cause: io::Error| io_error("cannot write", &own, &cause);
        let directory = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory).map_err(fail)?;
        let lock = File::create(self.file.with_extension("lock")).map_err(fail)?;
        lock.lock().map_err(fail)?;
        let mut owners = self.read()?;
        match access {
            Some(access) => owners.insert(path.to_owned(), access.clone()),
            None => owners.remove(path),
        };
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".reconcile-").tempfile_in(directory)?;
            file.write_all(&serde_json::to_vec_pretty(&owners)?)?;
            file.as_file().sync_all()?;
            file.persist(&self.file).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(fail)
    }
}

fn ids(access: &Access) -> io::Result<(Uid, Gid)> {
    let missing = |what: &str, name: &str| {
        io::Error::other(format!(
            "there is no {what} `{name}` on this host; install what makes it, then apply again"
        ))
    };
    let user = User::from_name(&access.owner)?.ok_or_else(|| missing("user", &access.owner))?;
    let group = Group::from_name(&access.group)?.ok_or_else(|| missing("group", &access.group))?;
    Ok((user.uid, group.gid))
}

fn user_name(id: u32) -> String {
    let found = User::from_uid(Uid::from_raw(id)).ok().flatten();
    found.map_or_else(|| id.to_string(), |user| user.name)
}

fn group_name(id: u32) -> String {
    let found = Group::from_gid(Gid::from_raw(id)).ok().flatten();
    found.map_or_else(|| id.to_string(), |group| group.name)
}

fn error(what: &'static str, path: &str, why: impl Into<String>) -> HostError {
    HostError { what, path: path.to_owned(), why: why.into() }
}

fn io_error(what: &'static str, path: &str, cause: &io::Error) -> HostError {
    error(what, path, with_help(cause))
}

/// What the system says, and what to do about it.
fn with_help(cause: &io::Error) -> String {
    let help = match cause.kind() {
        io::ErrorKind::PermissionDenied => "; run as root",
        io::ErrorKind::StorageFull => "; free some space, nothing was changed",
        io::ErrorKind::ReadOnlyFilesystem => "; the disk is mounted read-only, nothing was changed",
        _ => "",
    };
    format!("{cause}{help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(mode: u32) -> Access {
        Access { owner: "postgres".to_owned(), group: "postgres".to_owned(), mode }
    }

    #[test]
    fn a_sandbox_host_keeps_files_owners_and_modes() {
        let base = tempfile::tempdir().expect("a directory");
        let host = HostFiles::folder(base.path().join("db1"), None);
        host.make_directory("/etc/reconcile/p", &access(0o755)).expect("made");
        host.write("/etc/reconcile/p/x.json", b"{}", &access(0o600)).expect("written");
        let entry = host.entry("/etc/reconcile/p/x.json").expect("seen").expect("present");
        assert_eq!(entry, Entry { kind: EntryKind::File, access: access(0o600) });
        assert_eq!(host.read("/etc/reconcile/p/x.json").expect("read"), Some(b"{}".to_vec()));
        assert_eq!(host.list("/etc/reconcile/p").expect("listed"), ["x.json"]);
        host.remove("/etc/reconcile/p/x.json").expect("removed");
        assert_eq!(host.entry("/etc/reconcile/p/x.json").expect("seen"), None);
        assert_eq!(host.list("/nowhere").expect("listed"), Vec::<String>::new());
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary_one() {
        let base = tempfile::tempdir().expect("a directory");
        let root = base.path().join("db1");
        let host = HostFiles::folder(root.clone(), None);
        host.make_directory("/srv", &access(0o755)).expect("made");
        host.write("/srv/x", b"old", &access(0o644)).expect("written");
        let stopped = HostFiles::folder(root, Some(Arc::new(|_| Err("stopped".to_owned()))));
        assert!(stopped.write("/srv/x", b"new", &access(0o644)).is_err());
        // A directory in the file's place cannot be replaced by a file.
        host.make_directory("/srv/d", &access(0o755)).expect("made");
        assert!(host.write("/srv/d", b"new", &access(0o644)).is_err());
        assert_eq!(host.read("/srv/x").expect("read"), Some(b"old".to_vec()));
        assert_eq!(host.list("/srv").expect("listed"), ["d", "x"]);
    }

    #[test]
    fn this_machine_keeps_owners_and_modes_itself() {
        let base = tempfile::tempdir().expect("a directory");
        let own = |mode| Access {
            owner: user_name(nix::unistd::geteuid().as_raw()),
            group: group_name(nix::unistd::getegid().as_raw()),
            mode,
        };
        let host = HostFiles::local();
        let directory = base.path().join("a/b").display().to_string();
        host.make_directory(&directory, &own(0o700)).expect("made");
        let file = format!("{directory}/x.json");
        host.write(&file, b"{}", &own(0o600)).expect("written");
        let entry = host.entry(&file).expect("seen").expect("present");
        assert_eq!(entry, Entry { kind: EntryKind::File, access: own(0o600) });
        assert_eq!(host.entry(&directory).expect("seen").map(|entry| entry.access.mode), Some(0o700));
        let nobody = Access { owner: "no-such-user-here".to_owned(), ..own(0o600) };
        let error = host.write(&file, b"new", &nobody).expect_err("no such user").to_string();
        assert!(error.contains("no user `no-such-user-here`"), "{error}");
        assert_eq!(host.read(&file).expect("read"), Some(b"{}".to_vec()));
    }

    #[test]
    fn links_pipes_and_ways_out_are_refused() {
        let base = tempfile::tempdir().expect("a directory");
        let host = HostFiles::folder(base.path().join("db1"), None);
        host.make_directory("/etc", &access(0o755)).expect("made");
        std::os::unix::fs::symlink("/etc/passwd", base.path().join("db1/etc/link")).expect("linked");
        assert!(host.read("/etc/link").is_err());
        assert_eq!(host.entry("/etc/link").expect("seen").map(|entry| entry.kind), Some(EntryKind::Other));
        for path in ["/etc/../../x", "etc", "", "/./x/.."] {
            assert!(host.locate(path).is_err(), "{path}");
        }
    }
}
