//! Files that the vault's verbs read and replace: whole, wiped from memory, and never half written.
//!
//! A replaced file is proven before it takes the old one's place. Must never touch the old one unless all of that went
//! well.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::signal::{SigSet, Signal};
use zeroize::Zeroizing;

/// Plain text above this many bytes is refused: a vault holds settings and small files, four times over in memory.
pub const MAX_PLAIN: usize = 16 << 20;
/// The most that a vault of so much plain text takes: each byte four digits, a newline per 80, a header and a salt.
pub const MAX_SEALED: usize = MAX_PLAIN * 4 / 80 * 81 + (64 << 10);

/// What was read, and what it was then.
pub struct Input {
    /// As a person names it.
    pub name: String,
    pub bytes: Zeroizing<Vec<u8>>,
    /// `None` for standard input.
    pub file: Option<Existing>,
}

/// A file as it was found, links followed.
pub struct Existing {
    path: PathBuf,
    metadata: Metadata,
}

/// Where a text goes.
pub enum Target<'a> {
    /// In the place of what was read.
    Same(&'a Existing),
    /// A file that may be there or not.
    Other(&'a Path),
}

impl Input {
    /// Reads a regular file, or standard input for `-`.
    pub fn read(path: &Path, most: usize) -> Result<Input, String> {
        if path == Path::new("-") {
            let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from);
            let bytes = stdin.and_then(|stdin| whole(stdin, 64 << 10, most));
            let name = "standard input".to_owned();
            let bytes = bytes.map_err(|error| format!("{name} cannot be read: {error}"))?;
            return Ok(Input { bytes: bytes.ok_or_else(|| too_large(&name, most))?, name, file: None });
        }
        let name = path.display().to_string();
        let cannot = |error: io::Error| format!("{name} cannot be read: {error}");
        // Without blocking: opening a pipe that nobody writes to would wait for ever.
        let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
        let file = file.map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if !metadata.is_file() {
            return Err(format!("{name} is no regular file; `-` reads standard input"));
        }
        let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        let bytes = if size > most { None } else { whole(file, size + 1, most).map_err(cannot)? };
        let bytes = bytes.ok_or_else(|| too_large(&name, most))?;
        let real = fs::canonicalize(path).map_err(cannot)?;
        Ok(Input { name, bytes, file: Some(Existing { path: real, metadata }) })
    }
}

impl Existing {
    /// Others than the owner may read it.
    pub fn is_open_to_others(&self) -> bool {
        self.metadata.mode() & 0o077 != 0
    }

    /// Whether it is still what was read.
    fn is_unchanged(&self) -> bool {
        let of = |metadata: &Metadata| {
            (metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
        };
        fs::metadata(&self.path).is_ok_and(|now| of(&now) == of(&self.metadata))
    }
}

fn too_large(name: &str, most: usize) -> String {
    format!("{name} is larger than {} MiB, which is the most that is read here", most >> 20)
}

/// Everything that a reader gives; `None` where that is more than `most`. Nothing of it stays behind in memory, as it
/// would in a vector that grows.
fn whole(mut from: impl Read, expected: usize, most: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(expected.max(1)));
    loop {
        let room = text.capacity() - text.len();
        let read = from.by_ref().take(room as u64).read_to_end(&mut text)?;
        if text.len() > most {
            return Ok(None);
        }
        if read < room {
            return Ok(Some(text));
        }
        let mut larger = Zeroizing::new(Vec::with_capacity(text.capacity() * 2));
        larger.extend_from_slice(&text);
        text = larger;
    }
}

/// Puts a file in place, whole or not at all: mode and owner of the one that it replaces, 0600 where there is none.
/// `proof` is asked about the bytes as they were read back from the disk.
///
/// A link stays a link: what it points at is replaced, as `ansible-vault` has it.
pub fn replace(target: &Target<'_>, bytes: &[u8], proof: impl Fn(&[u8]) -> bool) -> Result<(), String> {
    let found;
    let (path, old) = match target {
        Target::Same(existing) => (existing.path.as_path(), Some(*existing)),
        Target::Other(path) => {
            found = existing(path)?;
            (found.as_ref().map_or(*path, |existing| existing.path.as_path()), found.as_ref())
        }
    };
    let name = path.display();
    if let Some(old) = old
        && old.metadata.nlink() > 1
    {
        return Err(format!(
            "{name} has {} names (hard links), and the others would keep what it holds now: nothing was written",
            old.metadata.nlink()
        ));
    }
    let cannot = |error: io::Error| format!("{name} cannot be written, and is as it was: {error}");
    // A limit on the size of files should be an error here, and not the end of the program in the middle of it.
    let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".vault-").tempfile_in(directory).map_err(cannot)?;
    file.write_all(bytes).map_err(cannot)?;
    if let Some(old) = old {
        as_before(file.as_file(), &old.metadata).map_err(cannot)?;
    }
    file.as_file().sync_all().map_err(cannot)?;
    file.rewind().map_err(cannot)?;
    let again = file.as_file().try_clone().and_then(|file| whole(file, bytes.len() + 1, bytes.len()));
    if !again.map_err(cannot)?.is_some_and(|again| proof(&again)) {
        return Err(format!("{name} is as it was: what was to replace it was read back wrong from the disk"));
    }
    if old.is_some_and(|old| !old.is_unchanged()) {
        return Err(format!("{name} was changed by somebody else meanwhile, and is as they left it"));
    }
    match old {
        Some(_) => file.persist(path).map_err(|error| cannot(error.error))?,
        None => file.persist_noclobber(path).map_err(|error| cannot(error.error))?,
    };
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| format!("{name} was written, and may be lost if the power fails now: {error}"))
}

/// What stands at a path, links followed.
fn existing(path: &Path) -> Result<Option<Existing>, String> {
    let name = path.display();
    let cannot = |error: io::Error| format!("{name} cannot be written: {error}");
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(cannot)?,
    };
    let real =
        fs::canonicalize(path).map_err(|error| format!("{name} is a link that leads nowhere: {error}"))?;
    let metadata = fs::metadata(&real).map_err(cannot)?;
    if !metadata.is_file() {
        return Err(format!("{name} is no regular file, so it is not replaced; `-` is standard output"));
    }
    Ok(Some(Existing { path: real, metadata }))
}

/// Owner before mode: giving a file away takes bits from its mode.
fn as_before(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))
}
