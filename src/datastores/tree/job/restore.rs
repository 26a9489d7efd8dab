//! How a tree comes back: unpacked beside the living one, whoever packed it.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::datastores::dump::DumpError;
use crate::datastores::job::archive;
use crate::datastores::prove::Counts;
use crate::datastores::restore::{Built, Restore, Services};

/// How many things at the top of a tree are counted each by itself.
const COUNTED: usize = 1000;
/// How much of an archive is looked at to see how it was packed: its first header, with the longest name and attributes.
const HEAD: u64 = 256 << 10;

/// A tree as it is to be again.
#[derive(Clone, Debug)]
pub struct TreeRestore {
    /// The tree's path as the job file names it, and as older tools packed it.
    pub path: String,
    /// Where it really lies; `None` where that is another host.
    pub home: Option<PathBuf>,
    /// A name that lies in the tree itself, where every such tree has it: tells it from the directories around it.
    pub marker: Option<&'static str>,
}

impl Restore for TreeRestore {
    fn home(&self) -> Option<PathBuf> {
        self.home.clone()
    }

    /// Files can be read by anybody: only a person knows by whom.
    fn in_use(&self, _home: &Path) -> Option<String> {
        None
    }

    fn services(&self, _home: &Path) -> Services {
        Services::default()
    }

    fn build(
        &mut self,
        bytes: &mut (dyn Read + Send),
        staging: &Path,
        home: &Path,
    ) -> Result<(Vec<Built>, Vec<String>), DumpError> {
        let built = self.unpack(bytes, staging)?;
        archive::settle(&built).map_err(unusable)?;
        Ok((vec![Built { built, home: home.to_owned() }], Vec::new()))
    }
}

fn unusable(error: io::Error) -> DumpError {
    DumpError::new(format!("what was unpacked cannot be used: {error}"))
}

impl TreeRestore {
    /// Unpacks a backup and answers with the directory that is the tree.
    pub fn unpack(&self, bytes: &mut (dyn Read + Send), staging: &Path) -> Result<PathBuf, DumpError> {
        let raw = staging.join("unpacked");
        fs::create_dir(&raw).map_err(unusable)?;
        let mut head = Vec::new();
        let read = (&mut *bytes).take(HEAD).read_to_end(&mut head);
        read.map_err(|error| DumpError::new(format!("the backup cannot be read: {error}")))?;
        let from_within = begins_within(&head);
        archive::unpack(&mut io::Cursor::new(head).chain(bytes), &raw, None, archive::Attributes::All)?;
        match self.marker {
            None if from_within => Ok(raw),
            None => Ok(only(&raw, Path::new(&self.path)).map_err(unusable)?.unwrap_or(raw)),
            Some(marker) => {
                archive::find(&raw, |path| path.join(marker).exists()).map_err(unusable)?.ok_or_else(|| {
                    DumpError::new(format!("the archive holds no `{marker}`: it is of something else"))
                })
            }
        }
    }
}

/// Whether an archive begins with the directory itself that was packed: so this program packs, whatever lies in the tree, a
/// directory of the tree's own name included.
fn begins_within(head: &[u8]) -> bool {
    let mut archive = tar::Archive::new(head);
    let first = archive.entries().ok().and_then(|mut entries| entries.next()?.ok());
    first.is_some_and(|first| matches!(first.path_bytes().as_ref(), b"." | b"./"))
}

/// The directory below `top` that `path` leads to, where nothing else lies there: so the scripts of commcare-cloud pack, by
/// the whole path, whose slash tar takes away. Beside anything else it is a part of the tree.
fn only(top: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    let mut at = top.to_owned();
    for part in path.components() {
        let Component::Normal(part) = part else { continue };
        let mut entries = fs::read_dir(&at)?;
        let leads_on = match (entries.next().transpose()?, entries.next()) {
            (Some(entry), None) => entry.file_name() == part && entry.file_type()?.is_dir(),
            _ => false,
        };
        if !leads_on {
            return Ok(None);
        }
        at.push(part);
    }
    Ok(Some(at))
}

/// How many bytes lie in and below each thing at the top of a tree. Empty where there is no file at all.
pub fn count(tree: &Path) -> io::Result<Counts> {
    let mut top = std::collections::BTreeMap::new();
    let mut files = 0u64;
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        let (bytes, found) = weigh(&entry.path())?;
        files += found;
        let name = match top.len() < COUNTED {
            true => entry.file_name().to_string_lossy().into_owned(),
            false => "(others)".to_owned(),
        };
        *top.entry(name).or_insert(0u64) += bytes;
    }
    Ok(match files {
        0 => Counts::new(),
        _ => Counts::from([("bytes".to_owned(), top)]),
    })
}

/// Bytes and number of the files in and below a path; links are not followed.
fn weigh(path: &Path) -> io::Result<(u64, u64)> {
    let (mut bytes, mut files) = (0u64, 0u64);
    let mut left = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        } else if metadata.is_file() {
            bytes += metadata.len();
            files += 1;
        }
    }
    Ok((bytes, files))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// A tree's files, packed by `words` of tar in `directory`, and what comes back of them.
    fn comes_back(path: &str, directory: &Path, words: &[&str]) -> BTreeSet<PathBuf> {
        let packed = Command::new("tar").arg("-C").arg(directory).args(["-cf", "-"]).args(words).output();
        let packed = packed.expect("tar runs");
        assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
        let staging = tempfile::tempdir().expect("a directory");
        let restore = TreeRestore { path: path.to_owned(), home: None, marker: None };
        let back = restore.unpack(&mut packed.stdout.as_slice(), staging.path()).expect("unpacked");
        files(&back)
    }

    /// The files of a tree, as seen from there.
    fn files(tree: &Path) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut left = vec![tree.to_owned()];
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(directory).expect("there") {
                let entry = entry.expect("an entry");
                match entry.file_type().expect("a type").is_dir() {
                    true => left.push(entry.path()),
                    false => {
                        found.insert(entry.path().strip_prefix(tree).expect("below").to_owned());
                    }
                }
            }
        }
        found
    }

    fn tree(at: &Path, names: &[&str]) -> BTreeSet<PathBuf> {
        for name in names {
            let path = at.join(name);
            fs::create_dir_all(path.parent().expect("one")).expect("made");
            fs::write(path, *name).expect("written");
        }
        files(at)
    }

    #[test]
    fn a_directory_of_the_trees_own_name_is_a_part_of_it() {
        for names in [["data/a", "other/b"].as_slice(), &["data/a"], &["data/data/a", "data/b"]] {
            let root = tempfile::tempdir().expect("a directory");
            let held = tree(&root.path().join("data"), names);
            assert_eq!(comes_back("/data", &root.path().join("data"), &["."]), held, "ours: {names:?}");
            assert_eq!(comes_back("/data", root.path(), &["data"]), held, "by the whole path: {names:?}");
        }
        // By hand, from within and name by name.
        let root = tempfile::tempdir().expect("a directory");
        let held = tree(root.path(), &["data/a", "other/b"]);
        assert_eq!(comes_back("/data", root.path(), &["data", "other"]), held);
        // A link of that name leads anywhere.
        std::os::unix::fs::symlink("/", root.path().join("srv")).expect("linked");
        assert_eq!(comes_back("/srv", root.path(), &["srv"]), BTreeSet::from([PathBuf::from("srv")]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Whatever lies in it, and whatever it is called.
        #[test]
        fn a_tree_comes_back_whole(
            path in prop::sample::select(vec!["/data", "/data/srv", "/srv/data/data"]),
            names in prop::collection::btree_set(
                prop::collection::vec(prop::sample::select(vec!["data", "srv", "other"]), 0..4), 1..6),
        ) {
            let root = tempfile::tempdir().expect("a directory");
            let below = path.trim_start_matches('/');
            let names: Vec<String> = names.iter().map(|parts| format!("{}file", parts.iter().map(|part| format!("{part}/")).collect::<String>())).collect();
            let held = tree(&root.path().join(below), &names.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert_eq!(comes_back(path, &root.path().join(below), &["."]), held.clone());
            prop_assert_eq!(comes_back(path, root.path(), &[below]), held);
        }
    }

    #[test]
    fn what_lies_at_the_top_is_weighed() {
        let tree = tempfile::tempdir().expect("a directory");
        assert_eq!(count(tree.path()).expect("read"), Counts::new());
        fs::create_dir_all(tree.path().join("a/b")).expect("made");
        assert_eq!(count(tree.path()).expect("read"), Counts::new(), "directories alone are nothing");
        fs::write(tree.path().join("a/b/file"), "12345").expect("written");
        fs::write(tree.path().join("c"), "1").expect("written");
        std::os::unix::fs::symlink("/", tree.path().join("a/link")).expect("linked");
        let counts = count(tree.path()).expect("read");
        assert_eq!((counts["bytes"]["a"], counts["bytes"]["c"]), (5, 1));
    }
}
