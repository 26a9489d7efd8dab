//! Which files of `group_vars/` or `host_vars/` hold the variables of a name: the one file or directory that is called
//! so (<https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#organizing-host-and-group-variables>;
//! the rules are those of ansible-core's `DataLoader.find_vars_files`).
//!
//! Must never follow links for ever, nor lead out of the folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::checks::table;
use super::files::{self, Kind};
use crate::vocab::Problem;

/// Endings of a file of variables, in the order in which Ansible looks for them: the first that is there hides the rest.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];
/// How deep directories may nest: more is a loop of links.
const MAX_DEPTH: usize = 8;
/// Files and directories that are looked at, for all groups and hosts together.
const MAX_ENTRIES: usize = 5_000;
/// Bytes that are read, for all groups and hosts together.
const MAX_BYTES: usize = 64 << 20;

/// What looking and reading may still cost.
#[derive(Debug, Default)]
pub struct Room {
    entries: usize,
    bytes: usize,
    is_full: bool,
}

impl Room {
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Counts what is read; more than any environment has is told once.
    pub fn take(&mut self, at: &Path, entries: usize, bytes: usize, problems: &mut Vec<Problem>) -> bool {
        self.entries += entries;
        self.bytes += bytes;
        if (self.entries > MAX_ENTRIES || self.bytes > MAX_BYTES) && !self.is_full {
            self.is_full = true;
            let most = format!("{MAX_ENTRIES} files or {} MiB", MAX_BYTES >> 20);
            let message =
                format!("group_vars and host_vars hold more than {most}; from here on they are not read");
            problems.push(Problem::of_file(table::TOO_LARGE, &at.display().to_string(), message));
        }
        !self.is_full
    }
}

/// `group_vars` or `host_vars`, and the names in it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    names: BTreeSet<String>,
}

impl Folder {
    /// Looks into the folder once; one that is not there holds nothing.
    pub fn open(path: PathBuf, problems: &mut Vec<Problem>) -> Self {
        let names = match files::kind(&path) {
            Kind::Directory => files::names(&path).unwrap_or_else(|problem| {
                problems.push(*problem);
                Vec::new()
            }),
            Kind::Absent => Vec::new(),
            _ => {
                let message = "is no directory, and Ansible skips it";
                let name = path.display().to_string();
                problems.push(Problem::of_file(table::SKIPPED_ENTRY, &name, message));
                Vec::new()
            }
        };
        Folder { path, names: names.into_iter().collect() }
    }

    /// The files for a name, the strongest last.
    pub fn files(&self, name: &str, room: &mut Room, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
        let mut files = Vec::new();
        // A name may not lead out of the folder.
        if name.contains('/') || [".", ".."].contains(&name) {
            return files;
        }
        for ending in ENDINGS {
            let name = format!("{name}{ending}");
            let path = self.path.join(&name);
            if !self.names.contains(&name) {
                continue;
            }
            match files::kind(&path) {
                // A link to nowhere.
                Kind::Absent => continue,
                Kind::Directory => below(&path, 0, room, &mut files, problems),
                _ => files.push(path),
            }
            break;
        }
        files
    }
}

/// The files of a directory by name, those of directories in it where they stand; hidden ones and backups of editors are
/// none, nor is what has another ending.
fn below(
    directory: &Path,
    depth: usize,
    room: &mut Room,
    files: &mut Vec<PathBuf>,
    problems: &mut Vec<Problem>,
) {
    if depth > MAX_DEPTH {
        let message = format!("directories nest deeper than {MAX_DEPTH} levels here, so they are not read");
        let problem = Problem::of_file(table::TOO_LARGE, &directory.display().to_string(), message);
        return problems.push(problem.helped("is there a link that leads back to a directory above it?"));
    }
    let names = match files::names(directory) {
        Ok(names) => names,
        Err(problem) => return problems.push(*problem),
    };
    for name in names.iter().filter(|name| !name.starts_with('.') && !name.ends_with('~')) {
        if !room.take(directory, 1, 0, problems) {
            return;
        }
        let ending = name.rfind('.').and_then(|dot| name.get(dot..)).unwrap_or_default();
        let path = directory.join(name);
        match files::kind(&path) {
            Kind::Directory if ending.is_empty() => below(&path, depth + 1, room, files, problems),
            Kind::File if ENDINGS.contains(&ending) => files.push(path),
            _ => {}
        }
    }
}
