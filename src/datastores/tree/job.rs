//! How a directory tree is archived: by GNU tar of the system, which knows sparse files, hard and symbolic links,
//! ownership, long names, ACLs and extended attributes, and which everybody has at hand who must restore.
//!
//! The tree may be read where the job runs, or on another host over ssh: tar then runs there, and its archive comes over
//! the connection. What tar says and what it writes are both followed: a file that changes or goes is told, one that
//! cannot be read is a failure, and an archive that does not come to its end is none, whatever anybody's exit code.

mod far;
mod restore;
mod told;
pub mod walk;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use far::{Elsewhere, Way, unreachable};
pub use restore::{TreeRestore, count};
pub use told::Flavour;
use told::Told;
use walk::{Followed, Walk};

use super::settings::TreeSource;
use crate::clients::process::{ProcessError, Program, Running, Talk};
use crate::datastores::dump::{Dump, DumpError, Facts, unpacker};
use crate::datastores::job::{Around, below};
use crate::datastores::job_file::Compression;
use crate::datastores::names::Content;
use crate::vocab::HostName;

/// How long a question may take that is asked before anything is read.
const QUESTION: Duration = Duration::from_secs(60);

/// The exit codes of ssh where it fails itself, and of a shell that does not find a program.
const SSH_FAILED: i32 = 255;
const NO_PROGRAM: i32 = 127;

/// The form of every archive. pax(1)'s own knows names and files of any length and attributes of any kind; without times
/// to the nanosecond it needs no second header for each file. Its records are as long as every tar reads them: one that
/// stops at the archive's end would otherwise leave some of the last one unread, and its unpacker with a broken pipe.
const FORM: [&str; 7] = [
    "--create",
    "--file=-",
    "--format=posix",
    "--pax-option=delete=atime,delete=ctime,delete=mtime",
    "--sparse",
    "--acls",
    "--xattrs",
];

/// Looks whether the tree is there, and makes ready to read it.
pub fn open(source: &TreeSource, around: &Around) -> Result<Box<dyn Dump>, DumpError> {
    let left_out = exclusions(&source.exclude);
    let archive = match &source.host {
        None => here(&source.path, &around.inside(&source.path), around, &left_out)?,
        Some(host) => match around.elsewhere.way(host) {
            Way::Folder(root) => {
                let path = below(&root, &source.path);
                Archive::of(tar_in(&path, &left_out, None), shown(source), Flavour::Plain).checked(&path)?
            }
            Way::Ssh(ssh) => {
                let mut words: Vec<String> = ["LC_ALL=C", "exec", "tar"].map(str::to_owned).to_vec();
                words.extend(FORM.map(str::to_owned));
                words.push("--xattrs-include=*".to_owned());
                words.push(format!("--directory={}", source.path));
                words.extend(left_out);
                words.extend(["--", "."].map(str::to_owned));
                let mut archive = Archive::of(ssh.program(&line(&words)?), shown(source), Flavour::Plain);
                archive.host = Some(host.clone());
                archive
            }
        },
    };
    Ok(Box::new(archive))
}

/// Whether a backup could begin: the tree is there and holds something, and tar is that of GNU.
pub fn try_out(source: &TreeSource, around: &Around) -> Result<String, DumpError> {
    let place = shown(source);
    match &source.host {
        None => {
            look_at(&around.inside(&source.path), &place)?;
            gnu(tar_version(), None)?;
        }
        Some(host) => match around.elsewhere.way(host) {
            Way::Folder(root) => look_at(&below(&root, &source.path), &place)?,
            Way::Ssh(ssh) => {
                // One connection for all of it; what stands in quotes is data.
                let path = quoted(&source.path)?;
                let ask = format!(
                    "cd {path} && {{ test -r . || {{ echo 'it is not readable' >&2; false; }}; }} && tar --version | head -n 1 \
                     && {{ ls -A . | head -n 1 | grep -q . || echo empty; }}"
                );
                let answer =
                    ssh.program(&ask).output(QUESTION).map_err(|error| far_failure(host, &place, &error))?;
                gnu(Ok(answer.clone()), Some(host))?;
                if answer.lines().any(|line| line == "empty") {
                    return Err(empty(&place));
                }
            }
        },
    }
    Ok(format!("{place} is there, and tar"))
}

/// A tree where the job runs: its own backup directory is left out where that lies in it.
fn here(path: &str, real: &Path, around: &Around, left_out: &[String]) -> Result<Archive, DumpError> {
    look_at(real, path)?;
    let backups = around.inside(&around.directory);
    let inner = own_backups(path, real, &backups)?;
    Ok(Archive::of(tar_in(real, left_out, inner.as_deref()), path.to_owned(), Flavour::Plain))
}

/// The backup directory below the tree, as seen from there, if that is where it lies.
pub fn own_backups(shown: &str, tree: &Path, backups: &Path) -> Result<Option<PathBuf>, DumpError> {
    // Links may lead anywhere; a directory that cannot be resolved is taken by its name.
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let (tree, backups) = (real(tree), real(backups));
    if tree.starts_with(&backups) {
        return Err(DumpError::new(format!(
            "{shown} is the backup directory itself, or lies in it: each backup would hold all those before it"
        ))
        .help("choose a backup directory outside of what is backed up"));
    }
    Ok(backups.strip_prefix(&tree).ok().map(Path::to_owned))
}

/// tar in a directory, whose names are all told from there (`./a`).
fn tar_in(directory: &Path, left_out: &[String], inner: Option<&Path>) -> Program {
    tar(directory, left_out, inner).args(["--", "."])
}

/// The same without the names.
pub fn tar(directory: &Path, left_out: &[String], inner: Option<&Path>) -> Program {
    let mut literal = vec![OsString::from("--xattrs-include=*")];
    if let Some(inner) = inner {
        literal.extend(["--anchored", "--no-wildcards"].map(OsString::from));
        let mut word = OsString::from("--exclude=./");
        word.push(inner);
        literal.push(word);
    }
    Program::new("tar").args(FORM).args(literal).arg_path("--directory", directory).args(left_out)
}

/// What is left out, in the words of tar: a path as seen from the tree, or a name anywhere in it. A `*` is never a `/`.
fn exclusions(exclude: &[String]) -> Vec<String> {
    let mut words = vec!["--wildcards".to_owned(), "--no-wildcards-match-slash".to_owned()];
    for text in exclude {
        let text = text.trim_end_matches('/');
        let path = text.trim_start_matches('/');
        if text.contains('/') {
            words.extend(["--anchored".to_owned(), format!("--exclude=./{path}")]);
        } else {
            words.extend(["--no-anchored".to_owned(), format!("--exclude={path}")]);
        }
    }
    words
}

/// Whether a directory can be read here and holds anything.
pub fn look_at(path: &Path, shown: &str) -> Result<(), DumpError> {
    let unreadable = |error: &io::Error| {
        DumpError::new(format!("{shown} cannot be read: {error}")).help(match error.kind() {
            io::ErrorKind::NotFound => "see that its volume is mounted, or mend the path in the settings",
            io::ErrorKind::PermissionDenied => {
                "let the job's user read it, or let another user make these backups"
            }
            _ => "it must be a directory",
        })
    };
    let mut entries = fs::read_dir(path).map_err(|error| unreadable(&error))?;
    match entries.next() {
        None => Err(empty(shown)),
        Some(first) => first.map(drop).map_err(|error| unreadable(&error)),
    }
}

fn empty(shown: &str) -> DumpError {
    DumpError::new(format!("{shown} is empty: is its volume mounted?"))
        .help("where it is meant to be empty, put a file into it that says so, such as .keep")
}

fn tar_version() -> Result<String, ProcessError> {
    Program::new("tar").args(["--version"]).output(QUESTION)
}

/// Whether tar is that of GNU; the others know other options.
fn gnu(version: Result<String, ProcessError>, host: Option<&HostName>) -> Result<(), DumpError> {
    match version {
        Ok(text) if text.contains("GNU tar") => Ok(()),
        Ok(text) => {
            let other = text.lines().next().unwrap_or_default().trim();
            Err(no_gnu_tar(&format!("tar is `{other}`"), host))
        }
        Err(error) => Err(no_gnu_tar(&format!("tar cannot be used ({error})"), host)),
    }
}

fn no_gnu_tar(what: &str, host: Option<&HostName>) -> DumpError {
    let place = host.map_or_else(|| "here".to_owned(), |host| format!("on {host}"));
    DumpError::new(format!("{what} {place}, and trees are archived by GNU tar"))
        .help("install it, on Debian and its relatives `apt install tar`")
}

pub fn here_is_gnu_tar() -> Result<(), DumpError> {
    gnu(tar_version(), None)
}

/// Why a question over ssh was not answered.
fn far_failure(host: &HostName, place: &str, error: &ProcessError) -> DumpError {
    match error {
        ProcessError::Failed { code: Some(SSH_FAILED) | None, stderr, .. } => unreachable(host, stderr),
        ProcessError::Failed { stderr, .. } => {
            let said = stderr.lines().next_back().unwrap_or("its shell said nothing of why").trim();
            DumpError::new(format!("{place} cannot be read: {said}"))
                .help(format!("see on {host} that it is there, and that the user who logs in may read it"))
        }
        other => unreachable(host, &other.to_string()),
    }
}

/// The tree as people name it: `web:/srv/media`.
fn shown(source: &TreeSource) -> String {
    match &source.host {
        Some(host) => format!("{host}:{}", source.path),
        None => source.path.clone(),
    }
}

/// Words as a line of `sh`; the first two are the shell's own.
fn line(words: &[String]) -> Result<String, DumpError> {
    let own = 2;
    let quoted: Result<Vec<_>, _> = words.iter().skip(own).map(|word| quoted(word)).collect();
    let own = words.iter().take(own).cloned();
    Ok(own.chain(quoted?).collect::<Vec<_>>().join(" "))
}

fn quoted(word: &str) -> Result<String, DumpError> {
    let quoted = shlex::try_quote(word).map(|word| word.into_owned());
    quoted.map_err(|_| DumpError::new("a path with a zero byte cannot be handed to another host"))
}

/// An archive that is being made.
pub struct Archive {
    /// As people name it.
    pub shown: String,
    /// Where tar runs, if not here.
    pub host: Option<HostName>,
    /// Names that are read before all others, one after the other, handed over tar's input.
    pub names: Option<Vec<OsString>>,
    /// What to know of a restore besides unpacking, line by line.
    pub restore_notes: Vec<String>,
    program: Option<Program>,
    told: Arc<Mutex<Told>>,
    walk: Arc<Mutex<Walk>>,
    running: Option<Running>,
}

impl Archive {
    /// What `program`, a tar that writes to its standard output, makes.
    pub fn of(program: Program, shown: String, flavour: Flavour) -> Self {
        let told = Arc::new(Mutex::new(Told::of(flavour)));
        let hears = Arc::clone(&told);
        let program = program.listen(move |line| {
            hears.lock().unwrap_or_else(PoisonError::into_inner).line(line);
        });
        Archive {
            shown,
            host: None,
            names: None,
            restore_notes: Vec::new(),
            program: Some(program),
            told,
            walk: Arc::default(),
            running: None,
        }
    }

    fn checked(self, path: &Path) -> Result<Self, DumpError> {
        look_at(path, &self.shown).map(|()| self)
    }

    fn failed(&self, why: &str) -> DumpError {
        DumpError::new(format!("{} could not be archived whole: {why}", self.shown))
    }
}

impl Dump for Archive {
    fn facts(&self) -> Facts {
        Facts {
            method: "tree".to_owned(),
            content: Content::Archive,
            server_version: None,
            source: std::collections::BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    fn stream(&mut self) -> Result<Box<dyn Read + Send>, DumpError> {
        let program = self.program.take().ok_or_else(|| DumpError::new("the tree was already read"))?;
        let talk = if self.names.is_some() { Talk::Both } else { Talk::Listen };
        let mut running = program.start(talk).map_err(|error| self.failed(&error.to_string()))?;
        let archive =
            running.wide_stdout().ok_or_else(|| DumpError::new("tar's output was already taken"))?;
        if let (Some(names), Some(mut input)) = (self.names.take(), running.stdin()) {
            // In a thread of its own: tar may write before it has read them all. A tar that ended tells why itself.
            std::thread::spawn(move || {
                for name in names {
                    if input.write_all(name.as_bytes()).and_then(|()| input.write_all(b"\0")).is_err() {
                        break;
                    }
                }
            });
        }
        self.running = Some(running);
        Ok(Box::new(Followed::new(archive, Arc::clone(&self.walk), "; a login script that prints does this")))
    }

    fn finish(mut self: Box<Self>, _last: &[u8]) -> Result<Vec<String>, DumpError> {
        let ended = match self.running.take() {
            Some(running) => running.end().map_err(|error| self.failed(&error.to_string()))?,
            None => return Err(self.failed("it was never read")),
        };
        match (&self.host, ended.code) {
            (Some(host), Some(SSH_FAILED) | None) => return Err(unreachable(host, &ended.stderr)),
            (Some(host), Some(NO_PROGRAM)) => return Err(no_gnu_tar("there is no tar", Some(host))),
            _ => {}
        }
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let notes = told.judge(ended.code).map_err(|why| {
            self.failed(&format!("tar {}: {why}", ended.status)).help(
                "let the job's user read every file of it, or leave out what cannot be read; a backup without them would \
                 look whole",
            )
        })?;
        let walk = self.walk.lock().unwrap_or_else(PoisonError::into_inner);
        match walk.end() {
            Err(why) => Err(self.failed(&format!("tar reported success, but of its archive {why}")).help(
                "whatever stands between tar and this job changed it; a backup of it could not be restored",
            )),
            // The tree itself is the first member.
            Ok(0 | 1) => Err(empty(&self.shown)),
            Ok(_) => Ok(notes),
        }
    }

    fn restore(&self, name: &str, compression: Compression) -> Vec<String> {
        let unpack = unpacker(compression);
        let mut lines = vec![
            "as root, with what uses the tree stopped, and an empty directory DIR in its place:".to_owned(),
            "mkdir -p DIR".to_owned(),
            format!("{unpack} {name} | tar -x -p --acls --xattrs --xattrs-include='*' -C DIR"),
            format!("it was {}", self.shown),
        ];
        lines.extend(self.restore_notes.iter().cloned());
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_slash_is_a_path_and_what_has_none_a_name() {
        let words = exclusions(&["/a/b/".to_owned(), "c/*.tmp".to_owned(), "*.log".to_owned()]);
        assert_eq!(
            words[2..],
            [
                "--anchored",
                "--exclude=./a/b",
                "--anchored",
                "--exclude=./c/*.tmp",
                "--no-anchored",
                "--exclude=*.log"
            ]
        );
    }

    #[test]
    fn a_backup_directory_is_found_in_its_tree_and_refused_around_it() {
        let folder = tempfile::tempdir().expect("a directory");
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("backups/own")).expect("made");
        std::os::unix::fs::symlink(tree.join("backups"), folder.path().join("link")).expect("made");
        let found = |backups: &str| own_backups("tree", &tree, &folder.path().join(backups));
        assert_eq!(found("tree/backups/own"), Ok(Some(PathBuf::from("backups/own"))));
        assert_eq!(found("link/own"), Ok(Some(PathBuf::from("backups/own"))));
        assert_eq!(found("elsewhere"), Ok(None));
        assert!(found("tree").is_err() && own_backups("t", &tree.join("backups/own"), &tree).is_err());
    }

    #[test]
    fn an_empty_tree_is_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        let error = look_at(folder.path(), "/srv/media").expect_err("empty");
        assert_eq!(error.message, "/srv/media is empty: is its volume mounted?");
        fs::write(folder.path().join(".keep"), "").expect("written");
        assert_eq!(look_at(folder.path(), "/srv/media"), Ok(()));
    }

    #[test]
    fn words_reach_another_host_as_they_are() {
        let words = ["LC_ALL=C", "exec", "tar", "--exclude=./it's", "a b"].map(str::to_owned);
        assert_eq!(line(&words).expect("a line"), "LC_ALL=C exec tar \"--exclude=./it's\" 'a b'");
    }
}
