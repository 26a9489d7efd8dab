//! How a tree comes back: unpacked beside the living one, whoever packed it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::datastores::dump::DumpError;
use crate::datastores::job::archive;
use crate::datastores::prove::Counts;
use crate::datastores::restore::{Built, Restore, Services};

/// How many things at the top of a tree are counted each by itself.
const COUNTED: usize = 1000;

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
        archive::unpack(bytes, &raw, None, archive::Attributes::All)?;
        // As the scripts of commcare-cloud pack: by the whole path, whose slash tar takes away.
        let whole = raw.join(self.path.trim_start_matches('/'));
        match self.marker {
            None if whole.is_dir() => Ok(whole),
            None => Ok(raw),
            Some(marker) => {
                archive::find(&raw, |path| path.join(marker).exists()).map_err(unusable)?.ok_or_else(|| {
                    DumpError::new(format!("the archive holds no `{marker}`: it is of something else"))
                })
            }
        }
    }
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
    use super::*;

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
