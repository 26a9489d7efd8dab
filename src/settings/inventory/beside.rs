//! `group_vars/` and `host_vars/` beside an inventory: for each group and host the one file or directory of its name
//! (<https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#organizing-host-and-group-variables>;
//! the rules are those of ansible-core's `DataLoader.find_vars_files`).
//!
//! What stays encrypted is left out. Must never wait for a pipe or follow links for ever.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::opener::{self, Opener, Text};
use super::scope::{Layer, Variable};
use crate::settings::checks::table;
use crate::settings::files::{self, Kind, Sources};
use crate::settings::source::Source;
use crate::settings::tree;
use crate::vocab::Problem;

/// Endings of a file of variables, in the order in which Ansible looks for them: the first that is there hides the rest.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];
/// How deep directories may nest: more is a loop of links.
const MAX_DEPTH: usize = 8;
/// Files and directories that are looked at, for all groups and hosts together.
const MAX_ENTRIES: usize = 5_000;
/// Bytes that are read, for all groups and hosts together.
const MAX_BYTES: usize = 64 << 20;

/// The two folders, and what reading them has cost so far.
pub struct Beside<'a> {
    pub problems: &'a mut Vec<Problem>,
    /// What was read and was not encrypted.
    pub sources: Vec<Source>,
    opener: Opener<'a>,
    groups: Folder,
    hosts: Folder,
    entries: usize,
    bytes: usize,
    is_full: bool,
}

/// A folder and the names in it.
struct Folder {
    path: PathBuf,
    names: BTreeSet<String>,
}

impl<'a> Beside<'a> {
    pub fn new(sources: &Sources, opener: Opener<'a>, problems: &'a mut Vec<Problem>) -> Self {
        let mut folder = |name: &str| {
            let path = sources.beside(name).unwrap_or_default();
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
        };
        let (groups, hosts) = (folder("group_vars"), folder("host_vars"));
        let sources = Vec::new();
        Beside { problems, sources, opener, groups, hosts, entries: 0, bytes: 0, is_full: false }
    }

    /// The variables of a group; `matters` where its hosts back something up.
    pub fn group(&mut self, name: &str, matters: bool) -> Layer {
        let files = self.files(|own| &own.groups, name);
        self.layer(&files, matters)
    }

    /// The variables of a host.
    pub fn host(&mut self, name: &str, matters: bool) -> Layer {
        let files = self.files(|own| &own.hosts, name);
        self.layer(&files, matters)
    }

    /// The files for a name, the strongest last.
    fn files(&mut self, folder: fn(&Self) -> &Folder, name: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        // A name may not lead out of the folder.
        if name.contains('/') || [".", ".."].contains(&name) {
            return files;
        }
        for ending in ENDINGS {
            let name = format!("{name}{ending}");
            let Folder { path, names } = folder(self);
            let path = path.join(&name);
            if !names.contains(&name) {
                continue;
            }
            match files::kind(&path) {
                // A link to nowhere.
                Kind::Absent => continue,
                Kind::Directory => self.below(&path, 0, &mut files),
                _ => files.push(path),
            }
            break;
        }
        files
    }

    /// The files of a directory by name, those of directories in it where they stand; hidden ones and backups of
    /// editors are none, nor is what has another ending.
    fn below(&mut self, directory: &Path, depth: usize, files: &mut Vec<PathBuf>) {
        if depth > MAX_DEPTH {
            let message =
                format!("directories nest deeper than {MAX_DEPTH} levels here, so they are not read");
            let problem = Problem::of_file(table::TOO_LARGE, &directory.display().to_string(), message);
            return self
                .problems
                .push(problem.helped("is there a link that leads back to a directory above it?"));
        }
        let names = match files::names(directory) {
            Ok(names) => names,
            Err(problem) => return self.problems.push(*problem),
        };
        for name in names.iter().filter(|name| !name.starts_with('.') && !name.ends_with('~')) {
            if !self.has_room(directory, 1, 0) {
                return;
            }
            let ending = name.rfind('.').and_then(|dot| name.get(dot..)).unwrap_or_default();
            let path = directory.join(name);
            match files::kind(&path) {
                Kind::Directory if ending.is_empty() => self.below(&path, depth + 1, files),
                Kind::File if ENDINGS.contains(&ending) => files.push(path),
                _ => {}
            }
        }
    }

    /// Counts what is read; more than any environment has is told once.
    fn has_room(&mut self, at: &Path, entries: usize, bytes: usize) -> bool {
        self.entries += entries;
        self.bytes += bytes;
        if (self.entries > MAX_ENTRIES || self.bytes > MAX_BYTES) && !self.is_full {
            self.is_full = true;
            let most = format!("{MAX_ENTRIES} files or {} MiB", MAX_BYTES >> 20);
            let message =
                format!("group_vars and host_vars hold more than {most}; from here on they are not read");
            self.problems.push(Problem::of_file(table::TOO_LARGE, &at.display().to_string(), message));
        }
        !self.is_full
    }

    fn layer(&mut self, files: &[PathBuf], matters: bool) -> Layer {
        let mut layer = Layer::default();
        for path in files {
            if self.is_full {
                break;
            }
            let (source, is_secret) = match self.opener.read(path) {
                Ok(Text::Plain(source)) => (source, false),
                Ok(Text::Opened(source)) => (source, true),
                Ok(Text::Closed(name)) => {
                    if matters {
                        let message =
                            "is encrypted and stays closed: settings of backups in it are not known";
                        self.problems.push(opener::closed(&name, message));
                    }
                    continue;
                }
                Ok(Text::Absent) => continue,
                Err(problem) => {
                    self.problems.push(*problem);
                    continue;
                }
            };
            if !self.has_room(path, 1, source.text.len()) {
                break;
            }
            let parsed = tree::parse_vars(&source);
            let told = parsed.problems.into_iter();
            if is_secret {
                self.problems.extend(told.map(opener::anonymous));
            } else {
                self.problems.extend(told);
                self.sources.push(source.clone());
            }
            for entry in parsed.map.entries {
                let variable = Variable { source: source.clone(), mark: entry.key_mark, node: entry.value };
                layer.insert(entry.key, variable);
            }
        }
        layer
    }
}
