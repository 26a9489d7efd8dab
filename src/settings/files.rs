//! The files of an environment, opened with suspicion: a settings file may be a pipe that never ends, a directory,
//! a gigabyte, or Latin-1.
//!
//! The only part of `settings` that reads the disk; everything after it is a function of texts.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::checks::table;
use super::source::Source;
use super::variable_files::{Folder, Room};
use super::vault::{DEFAULT_LABEL, Keyring, VaultPassword};
use crate::vocab::Problem;

/// Files above this many bytes are refused before they are parsed; real ones stay below 100 KiB.
pub const MAX_BYTES: u64 = 4 << 20;

/// What to load settings from.
#[derive(Debug)]
pub struct Sources {
    pub at: Location,
    /// Opens what is encrypted; an empty one leaves it locked.
    pub keyring: Keyring,
}

/// Where the settings are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// An environment: `public.yml`, and optionally `meta.yml`, an inventory, `vault.yml`.
    Directory(PathBuf),
    /// A single `public.yml`, judged by itself: no inventory, no vault.
    File(PathBuf),
}

impl Sources {
    /// An environment's directory, its vault left locked.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Sources { at: Location::Directory(path.into()), keyring: Keyring::default() }
    }

    /// A single settings file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Sources { at: Location::File(path.into()), keyring: Keyring::default() }
    }

    pub fn with_keyring(mut self, keyring: Keyring) -> Self {
        self.keyring = keyring;
        self
    }

    /// One password without a label, or none.
    pub fn with_vault_password(mut self, password: Option<VaultPassword>) -> Self {
        password.into_iter().for_each(|password| self.keyring.add(DEFAULT_LABEL, password));
        self
    }

    /// Whether a whole environment is read, rather than a single file judged by itself.
    pub fn is_environment(&self) -> bool {
        matches!(self.at, Location::Directory(_))
    }

    /// What was read, as a person names it.
    pub fn name(&self) -> String {
        let (Location::Directory(path) | Location::File(path)) = &self.at;
        path.display().to_string()
    }

    /// `public.yml`.
    pub(super) fn public(&self) -> PathBuf {
        match &self.at {
            Location::Directory(directory) => in_directory(directory, "public.yml"),
            Location::File(file) => file.clone(),
        }
    }

    /// A file beside `public.yml`; `None` where a single file is judged by itself.
    pub(super) fn beside(&self, name: &str) -> Option<PathBuf> {
        match &self.at {
            Location::Directory(directory) => Some(in_directory(directory, name)),
            Location::File(_) => None,
        }
    }

    /// The files that Ansible reads for the group `all`, the one that wins first. What is wrong with them is told where
    /// the inventory is read.
    pub(super) fn group_vars_of_all(&self) -> Vec<PathBuf> {
        let Some(folder) = self.beside("group_vars") else { return Vec::new() };
        let mut told_elsewhere = Vec::new();
        let folder = Folder::open(folder, &mut told_elsewhere);
        let mut files = folder.files("all", &mut Room::default(), &mut told_elsewhere);
        // What is read later wins.
        files.reverse();
        files
    }

    /// The last name of the directory, which names an environment that names itself nowhere.
    pub(super) fn directory_name(&self) -> Option<String> {
        let directory = match &self.at {
            Location::Directory(directory) => directory.canonicalize().ok()?,
            Location::File(file) => file.canonicalize().ok()?.parent()?.to_path_buf(),
        };
        Some(directory.file_name()?.to_str()?.to_owned())
    }
}

/// `.` adds nothing to a name that a person reads.
fn in_directory(directory: &Path, name: &str) -> PathBuf {
    if directory == Path::new(".") { PathBuf::from(name) } else { directory.join(name) }
}

/// Reads a text file; `None` where there is none.
///
/// Errors: not a regular file, too large, unreadable, not UTF-8 (with the place of the first wrong byte). A leading
/// byte order mark is dropped, as YAML wants it.
pub fn read(path: &Path) -> Result<Option<Source>, Box<Problem>> {
    let name = path.display().to_string();
    let Some(bytes) = bytes(path, &name)? else { return Ok(None) };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Some(Source::new(&name, text))),
        Err(error) => Err(Box::new(not_utf8(&name, bytes, error.valid_up_to()))),
    }
}

/// As `read`, but bytes that are not UTF-8 become U+FFFD: for inventories in INI, where Ansible lets them stand.
pub(super) fn read_loosely(path: &Path) -> Result<Option<Source>, Box<Problem>> {
    let name = path.display().to_string();
    let Some(bytes) = bytes(path, &name)? else { return Ok(None) };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    Ok(Some(Source::new(&name, &String::from_utf8_lossy(bytes))))
}

/// What a path leads to, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Absent,
    File,
    Directory,
    /// A pipe, a socket, a device, or what this user may not look at.
    Other,
}

pub(super) fn kind(path: &Path) -> Kind {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Kind::File,
        Ok(metadata) if metadata.is_dir() => Kind::Directory,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kind::Absent,
        _ => Kind::Other,
    }
}

/// Most names that a directory of variables may hold.
const MAX_NAMES: usize = 20_000;

/// The names in a directory, sorted; those that are not UTF-8 are left out, since no group has such a name.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, Box<Problem>> {
    let shown = directory.display().to_string();
    let cannot = |error: std::io::Error| {
        let message = format!("cannot be read: {}", reason(&error));
        Box::new(
            Problem::of_file(table::UNREADABLE_FILE, &shown, message)
                .helped("check that this user may read the directory"),
        )
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(cannot)?.take(MAX_NAMES + 1) {
        names.extend(entry.map_err(cannot)?.file_name().into_string().ok());
    }
    if names.len() > MAX_NAMES {
        let message = format!("holds more than {MAX_NAMES} files, so it is not read");
        return Err(Box::new(Problem::of_file(table::TOO_LARGE, &shown, message)));
    }
    names.sort_unstable();
    Ok(names)
}

pub(super) fn bytes(path: &Path, name: &str) -> Result<Option<Vec<u8>>, Box<Problem>> {
    let problem = |message: String| Box::new(Problem::of_file(table::UNREADABLE_FILE, name, message));
    let cannot = |error: std::io::Error| {
        problem(format!("cannot be read: {}", reason(&error)))
            .helped("check that the path is right and that this user may read the file")
    };
    // Without blocking: opening a pipe that nobody writes to would wait for ever.
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path);
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Box::new(cannot(error))),
    };
    let metadata = file.metadata().map_err(|error| Box::new(cannot(error)))?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(problem(format!("is {what}, and a regular file is needed")));
    }
    if metadata.len() > MAX_BYTES {
        return Err(Box::new(too_large(name)));
    }
    let text = read_at_most(file).map_err(|error| Box::new(cannot(error)))?;
    if text.len() as u64 > MAX_BYTES { Err(Box::new(too_large(name))) } else { Ok(Some(text)) }
}

/// One byte above the limit shows a file that grew since it was measured.
fn read_at_most(file: File) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn too_large(name: &str) -> Problem {
    Problem::of_file(
        table::TOO_LARGE,
        name,
        format!("is larger than {} MiB, so it is not read", MAX_BYTES >> 20),
    )
    .helped("settings are a few kilobytes; is this the right file?")
}

fn not_utf8(name: &str, bytes: &[u8], valid: usize) -> Problem {
    let good = std::str::from_utf8(bytes.get(..valid).unwrap_or_default()).unwrap_or_default();
    // The last characters of the good part stand in for the wrong byte, which cannot be shown.
    let source = Source::new(name, good);
    let mark = source.mark_at(valid, valid);
    let byte = bytes.get(valid).copied().unwrap_or_default();
    let mut problem = source
        .problem(
            table::NOT_UTF8,
            &mark,
            format!("the byte 0x{byte:02x} is not UTF-8, so the file cannot be read as text"),
        )
        .helped("save the file as UTF-8: iconv -f latin1 -t utf-8");
    problem.span = None;
    problem
}

/// The operating system's words without Rust's `(os error N)`.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: &Path) -> String {
        read(path).expect_err("refused").message
    }

    #[test]
    fn what_is_no_regular_file_is_named_and_never_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(message(folder.path()).contains("a directory"));
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert!(message(&pipe).contains("a pipe"));
        let looped = folder.path().join("loop");
        std::os::unix::fs::symlink(&looped, &looped).expect("a link");
        assert!(message(&looped).starts_with("cannot be read: "));
    }

    #[test]
    fn a_missing_file_is_none_and_a_large_one_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("public.yml");
        assert!(read(&path).expect("no error").is_none());
        let file = File::create(&path).expect("created");
        file.set_len(MAX_BYTES + 1).expect("grown");
        assert!(message(&path).contains("larger than 4 MiB"));
    }

    #[test]
    fn a_wrong_byte_has_a_place_and_a_byte_order_mark_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("public.yml");
        std::fs::write(&path, b"a: 1\nb: \xe4\n").expect("written");
        let problem = read(&path).expect_err("refused");
        assert_eq!(problem.place.map(|place| (place.line, place.column)), Some((2, 4)));
        std::fs::write(&path, b"\xef\xbb\xbfa: 1\n").expect("written");
        assert_eq!(&*read(&path).expect("read").expect("there").text, "a: 1\n");
    }
}
