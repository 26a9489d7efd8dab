//! A host of the sandbox: a folder that plays a machine's `/`.
//!
//! Owners and modes are kept beside it, because only root may give files away.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use sha2::{Digest, Sha256};

use super::{
    Access, EntryKind, HostError, Installed, Moment, ProgramFile, Question, Ran, Seen, Swapped, Tripwire,
    View, error, io_error, plain, read_plain,
};
use crate::vocab::Clock;

/// The folder that is a host's `/`.
#[derive(Clone)]
pub struct Folder {
    root: PathBuf,
    tripwire: Option<Tripwire>,
    player: Option<Player>,
    clock: Option<Clock>,
    /// What plays its network.
    pub(super) services: Option<SharedHttpConnector>,
}

/// What plays this program on a host of the sandbox: the program itself, told where it is to think it runs.
#[derive(Clone, Debug)]
pub struct Player {
    pub program: PathBuf,
    /// Before the words of the command.
    pub arguments: Vec<OsString>,
    pub environment: Vec<(String, String)>,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Folder {
    /// The host that the folder `root` plays.
    pub fn new(root: PathBuf, tripwire: Option<Tripwire>) -> Self {
        Folder { root, tripwire, player: None, clock: None, services: None }
    }

    /// The same host, whose files are dated by this clock.
    pub fn dated_by(self, clock: Clock) -> Self {
        Folder { clock: Some(clock), ..self }
    }

    /// The same host, whose services this network reaches.
    pub fn served_by(self, network: SharedHttpConnector) -> Self {
        Folder { services: Some(network), ..self }
    }

    /// The same host, on which this program can be run.
    pub fn played_by(self, player: Player) -> Self {
        Folder { player: Some(player), ..self }
    }

    /// Runs this program, whatever its path on the host; there is no other. Whoever plays is every user.
    pub async fn run(&self, words: &[String], limit: Duration) -> Result<Option<Ran>, String> {
        let (Some(player), Some((_, words))) = (&self.player, words.split_first()) else { return Ok(None) };
        let mut command = tokio::process::Command::new(&player.program);
        command
            .env_clear()
            .envs(player.environment.iter().map(|(name, value)| (name, value)))
            .args(&player.arguments)
            .args(words)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        match tokio::time::timeout(limit, command.output()).await {
            Ok(Ok(output)) => {
                let said = [output.stdout, output.stderr].concat();
                let output_text = String::from_utf8_lossy(&said).into_owned();
                Ok(Some(Ran { succeeded: output.status.success(), output: output_text }))
            }
            Ok(Err(error)) => Err(format!("{} cannot be started: {error}", player.program.display())),
            Err(_) => Err(format!("it gave no answer within {} seconds", limit.as_secs())),
        }
    }

    /// What is asked of its files; of the machine itself a folder knows nothing.
    pub fn look(&self, question: &Question) -> Result<View, HostError> {
        let mut view = View::default();
        let owners = Owners::of(&self.root).read()?;
        let mut paths = question.paths.clone();
        for (directory, contents) in &question.directories {
            let names = self.list(directory)?;
            let inside =
                names.iter().filter(|name| !name.starts_with('.') && name.ends_with(contents.ending()));
            paths.extend(inside.map(|name| format!("{directory}/{name}")));
        }
        for path in paths {
            match self.seen(&path, &owners) {
                Ok(Some(seen)) => _ = view.things.insert(path, seen),
                Ok(None) => {}
                Err(HostError { why, .. }) => _ = view.unread.insert(path, why),
            }
        }
        for directory in &question.sizes {
            for name in self.list(directory)? {
                let path = format!("{directory}/{name}");
                if let Some(size) = self.size_and_time(&path)? {
                    view.sizes.insert(path, size);
                }
            }
        }
        for directory in &question.named_after_users {
            // A folder has no users, and so any that somebody writes of.
            let names = self.list(directory)?.into_iter().filter(|name| !name.starts_with('.'));
            view.named_after_users.extend(names.map(|name| format!("{directory}/{name}")));
        }
        if let Some(path) = &question.program
            && let Ok(bytes) = fs::read(self.locate(path)?)
        {
            view.facts.program =
                Some(Installed { sha256: hex::encode(Sha256::digest(&bytes)), banner: banner(&bytes) });
        }
        Ok(view)
    }

    /// Where a path of the host lies on this machine.
    pub fn locate(&self, path: &str) -> Result<PathBuf, HostError> {
        Ok(self.root.join(plain(path)?.trim_start_matches('/')))
    }

    fn seen(&self, path: &str, owners: &BTreeMap<String, Access>) -> Result<Option<Seen>, HostError> {
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
        let access = owners.get(path).cloned().unwrap_or(Access {
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode: metadata.permissions().mode() & 0o7777,
        });
        let bytes = match kind {
            EntryKind::File => {
                read_plain(&real).map_err(|why| error("cannot read", path, why))?.unwrap_or_default()
            }
            EntryKind::Directory | EntryKind::Other => Vec::new(),
        };
        Ok(Some(Seen { kind, access, bytes }))
    }

    /// How many bytes a plain file has and when it was written, in seconds since 1970; `None` where there is none.
    fn size_and_time(&self, path: &str) -> Result<Option<(u64, i64)>, HostError> {
        let found = match fs::symlink_metadata(self.locate(path)?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(|cause| io_error("cannot look at", path, &cause))?,
        };
        let time = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let seconds = time.and_then(|time| i64::try_from(time.as_secs()).ok()).unwrap_or_default();
        Ok(found.is_file().then_some((found.len(), seconds)))
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
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
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
            // What every machine with a cron has.
            fs::create_dir_all(self.root.join("etc/cron.d"))?;
            let mut file = tempfile::Builder::new().prefix(".reconcile-").tempfile_in(directory)?;
            file.write_all(bytes)?;
            self.give(file.as_file(), access)?;
            if let Some(clock) = &self.clock {
                file.as_file().set_modified(clock.now().into())?;
            }
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

    /// Replaces a small file if it still holds `from`; `None` is no file.
    pub fn swap(&self, path: &str, from: Option<&[u8]>, to: Option<&[u8]>) -> Result<Swapped, HostError> {
        let real = self.locate(path)?;
        let fail = |cause: io::Error| io_error("cannot write", path, &cause);
        let directory = real.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory).map_err(fail)?;
        // Released by the kernel with the process that holds it, however that ends.
        // A folder may have two names, as a machine may.
        let mut beside = self.root.canonicalize().map_err(fail)?.into_os_string();
        beside.push(".swap.lock");
        let lock = File::create(PathBuf::from(beside)).map_err(fail)?;
        lock.lock().map_err(fail)?;
        let found = self.read(path)?;
        if found.as_deref() != from {
            return Ok(Swapped::Differs(found));
        }
        self.trip(path, Moment::Before)?;
        match to {
            Some(bytes) => {
                let mut file =
                    tempfile::Builder::new().prefix(".reconcile-").tempfile_in(directory).map_err(fail)?;
                file.write_all(bytes).map_err(fail)?;
                file.persist(&real).map_err(|error| fail(error.error))?;
            }
            None => fs::remove_file(&real).map_err(fail)?,
        }
        self.trip(path, Moment::After)?;
        Ok(Swapped::Done)
    }

    /// Puts a program in its place. Nothing runs in a folder, so nothing is tried.
    pub fn install(&self, path: &str, program: &ProgramFile) -> Result<(), HostError> {
        let access = Access { owner: "root".to_owned(), group: "root".to_owned(), mode: 0o755 };
        let directory = self.locate(path)?.parent().map(Path::to_owned).unwrap_or_default();
        fs::create_dir_all(directory).map_err(|cause| io_error("cannot write", path, &cause))?;
        self.write(path, &program.bytes, &access)
    }

    /// The person who tries things out must still be able to read and remove them.
    fn give(&self, file: &File, access: &Access) -> io::Result<()> {
        file.set_permissions(fs::Permissions::from_mode(access.mode | 0o600 | (access.mode & 0o100)))
    }

    fn note(&self, path: &str, access: Option<&Access>) -> Result<(), HostError> {
        Owners::of(&self.root).note(path, access)
    }

    fn trip(&self, path: &str, moment: Moment) -> Result<(), HostError> {
        match &self.tripwire {
            Some(tripwire) => tripwire(moment).map_err(|why| error("stopped at", path, why)),
            None => Ok(()),
        }
    }
}

/// What the program that stands in for the real one says of its version: its second line, a comment.
fn banner(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\n').nth(1).and_then(|line| line.strip_prefix(b"# "));
    line.map(|line| String::from_utf8_lossy(line).into_owned()).unwrap_or_default()
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
