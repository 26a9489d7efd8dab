//! Shelves of the sandbox's directories: records of one kind, in memory or one small file each in a folder, and the one
//! lock that a request holds while it works.
//!
//!     DIR/KIND/NAME.json   NAME in lower case, percent-encoded
//!     DIR/incoming/        records on their way in
//!     DIR/lock             advisory lock (flock(2))
//!
//! Knows no service's rules. Every file comes into its place by rename, so that a process that ends anywhere leaves old
//! or new, never half.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use super::store::{Access, Lock, encode, names, read_record};

const INCOMING: &str = "incoming";

/// Records of one kind by name. Names that differ in case alone are one, as IAM has it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).
#[derive(Debug)]
pub enum Shelf<T> {
    Memory(RwLock<BTreeMap<String, Arc<T>>>),
    Folder(PathBuf),
}

/// Whose turn it is in a directory.
#[derive(Debug)]
pub enum Turn {
    Memory(RwLock<()>),
    File(PathBuf),
}

impl Turn {
    pub fn memory() -> Self {
        Turn::Memory(RwLock::default())
    }

    /// Opens or makes the directory.
    pub fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root.join(INCOMING))?;
        Ok(Turn::File(root.join("lock")))
    }

    /// Whether calls wait for a disk or another process.
    pub fn blocks(&self) -> bool {
        matches!(self, Turn::File(_))
    }

    /// Waits until nobody else changes the directory (`Read`) or looks at it (`Change`).
    pub fn take(&self, access: Access) -> io::Result<Box<dyn Lock + '_>> {
        Ok(match (self, access) {
            (Turn::Memory(turn), Access::Read) => {
                Box::new(turn.read().unwrap_or_else(PoisonError::into_inner))
            }
            (Turn::Memory(turn), Access::Change) => {
                Box::new(turn.write().unwrap_or_else(PoisonError::into_inner))
            }
            (Turn::File(path), access) => {
                let file = File::options().create(true).truncate(false).write(true).open(path)?;
                match access {
                    Access::Read => file.lock_shared()?,
                    Access::Change => file.lock()?,
                }
                Box::new(file)
            }
        })
    }
}

impl<T: Clone + Serialize + DeserializeOwned> Shelf<T> {
    pub fn memory() -> Self {
        Shelf::Memory(RwLock::default())
    }

    /// A shelf below the directory that [`Turn::open`] made.
    pub fn folder(root: &Path, name: &str) -> Self {
        Shelf::Folder(root.join(name))
    }

    /// Whether nothing was ever put here.
    pub fn is_untouched(&self) -> io::Result<bool> {
        match self {
            Shelf::Memory(records) => Ok(records.read().unwrap_or_else(PoisonError::into_inner).is_empty()),
            Shelf::Folder(folder) => Ok(!folder.try_exists()?),
        }
    }

    pub fn get(&self, name: &str) -> io::Result<Option<Arc<T>>> {
        let name = name.to_lowercase();
        match self {
            Shelf::Memory(records) => {
                Ok(records.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned())
            }
            Shelf::Folder(folder) => {
                Ok(read_record(&folder.join(format!("{}.json", encode(&name))))?.map(Arc::new))
            }
        }
    }

    pub fn put(&self, name: &str, record: T) -> io::Result<()> {
        let name = name.to_lowercase();
        match self {
            Shelf::Memory(records) => {
                records.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(record));
                Ok(())
            }
            Shelf::Folder(folder) => {
                fs::create_dir_all(folder)?;
                let incoming = folder.with_file_name(INCOMING);
                let mut file = NamedTempFile::new_in(incoming)?;
                file.write_all(&serde_json::to_vec_pretty(&record)?)?;
                file.persist(folder.join(format!("{}.json", encode(&name))))?;
                Ok(())
            }
        }
    }

    pub fn remove(&self, name: &str) -> io::Result<()> {
        let name = name.to_lowercase();
        match self {
            Shelf::Memory(records) => {
                records.write().unwrap_or_else(PoisonError::into_inner).remove(&name);
                Ok(())
            }
            Shelf::Folder(folder) => {
                absent_is_fine(fs::remove_file(folder.join(format!("{}.json", encode(&name)))))
            }
        }
    }

    /// Every record, in the order of names.
    pub fn all(&self) -> io::Result<Vec<Arc<T>>> {
        match self {
            Shelf::Memory(records) => {
                Ok(records.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect())
            }
            Shelf::Folder(folder) => {
                let mut records = Vec::new();
                for file in names(folder)? {
                    records.extend(read_record(&folder.join(file))?.map(Arc::new));
                }
                Ok(records)
            }
        }
    }

    pub fn clear(&self) -> io::Result<()> {
        match self {
            Shelf::Memory(records) => {
                records.write().unwrap_or_else(PoisonError::into_inner).clear();
                Ok(())
            }
            Shelf::Folder(folder) => absent_is_fine(fs::remove_dir_all(folder)),
        }
    }
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
