//! The variables in `group_vars/` and `host_vars/` beside an inventory.
//!
//! What stays encrypted is left out. Must never wait for a pipe.

use std::path::PathBuf;

use super::opener::{self, Opener, Text};
use super::scope::{Layer, Variable};
use crate::settings::files::Sources;
use crate::settings::source::Source;
use crate::settings::tree;
use crate::settings::variable_files::{Folder, Room};
use crate::vocab::Problem;

/// The two folders, and what reading them has cost so far.
pub struct Beside<'a> {
    pub problems: &'a mut Vec<Problem>,
    /// What was read and was not encrypted.
    pub sources: Vec<Source>,
    opener: Opener<'a>,
    groups: Folder,
    hosts: Folder,
    room: Room,
}

impl<'a> Beside<'a> {
    pub fn new(sources: &Sources, opener: Opener<'a>, problems: &'a mut Vec<Problem>) -> Self {
        let mut folder = |name: &str| Folder::open(sources.beside(name).unwrap_or_default(), problems);
        let (groups, hosts) = (folder("group_vars"), folder("host_vars"));
        Beside { problems, sources: Vec::new(), opener, groups, hosts, room: Room::default() }
    }

    /// The variables of a group; `matters` where its hosts back something up.
    pub fn group(&mut self, name: &str, matters: bool) -> Layer {
        let files = self.groups.files(name, &mut self.room, self.problems);
        self.layer(&files, matters)
    }

    /// The variables of a host.
    pub fn host(&mut self, name: &str, matters: bool) -> Layer {
        let files = self.hosts.files(name, &mut self.room, self.problems);
        self.layer(&files, matters)
    }

    fn layer(&mut self, files: &[PathBuf], matters: bool) -> Layer {
        let mut layer = Layer::default();
        for path in files {
            if self.room.is_full() {
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
            if !self.room.take(path, 1, source.text.len(), self.problems) {
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
