//! Where the sandbox keeps its identities: in memory, or one small file each in a folder.
//!
//!     iam/users/NAME.json, groups/, roles/, policies/, instance-profiles/     NAME in lower case, percent-encoded
//!     iam/access-keys/ID.json, iam/sessions/ID.json
//!     iam/incoming/                                                            records on their way in
//!     iam/lock                                                                 advisory lock (flock(2))
//!
//! Knows nothing of IAM's rules. A request holds the one lock while it works; every file comes into its place by
//! rename, so that a process that ends anywhere leaves old or new, never half.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use super::records::{AccessKey, Group, InstanceProfile, ManagedPolicy, Role, Session, User};
use crate::sandbox::store::{Access, Lock, encode, names, read_record};

const INCOMING: &str = "incoming";

/// Everything that IAM knows.
#[derive(Debug)]
pub struct Directory {
    pub users: Shelf<User>,
    pub groups: Shelf<Group>,
    pub roles: Shelf<Role>,
    pub policies: Shelf<ManagedPolicy>,
    pub profiles: Shelf<InstanceProfile>,
    pub keys: Shelf<AccessKey>,
    pub sessions: Shelf<Session>,
    turn: Turn,
}

/// Records of one kind by name. Names that differ in case alone are one, as IAM has it
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).
#[derive(Debug)]
pub enum Shelf<T> {
    Memory(RwLock<BTreeMap<String, Arc<T>>>),
    Folder(PathBuf),
}

#[derive(Debug)]
enum Turn {
    Memory(RwLock<()>),
    File(PathBuf),
}

impl Directory {
    pub fn memory() -> Self {
        Directory {
            users: Shelf::memory(),
            groups: Shelf::memory(),
            roles: Shelf::memory(),
            policies: Shelf::memory(),
            profiles: Shelf::memory(),
            keys: Shelf::memory(),
            sessions: Shelf::memory(),
            turn: Turn::Memory(RwLock::default()),
        }
    }

    /// Opens or makes the directory below `root`.
    pub fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root.join(INCOMING))?;
        Ok(Directory {
            users: Shelf::Folder(root.join("users")),
            groups: Shelf::Folder(root.join("groups")),
            roles: Shelf::Folder(root.join("roles")),
            policies: Shelf::Folder(root.join("policies")),
            profiles: Shelf::Folder(root.join("instance-profiles")),
            keys: Shelf::Folder(root.join("access-keys")),
            sessions: Shelf::Folder(root.join("sessions")),
            turn: Turn::File(root.join("lock")),
        })
    }

    /// Whether calls wait for a disk or another process.
    pub fn blocks(&self) -> bool {
        matches!(self.turn, Turn::File(_))
    }

    /// Waits until nobody else changes the directory (`Read`) or looks at it (`Change`).
    pub fn lock(&self, access: Access) -> io::Result<Box<dyn Lock + '_>> {
        Ok(match (&self.turn, access) {
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

    /// Whether no role was ever made here.
    pub fn is_new(&self) -> io::Result<bool> {
        match &self.roles {
            Shelf::Memory(roles) => Ok(roles.read().unwrap_or_else(PoisonError::into_inner).is_empty()),
            Shelf::Folder(folder) => Ok(!folder.try_exists()?),
        }
    }

    /// Forgets everything.
    pub fn reset(&self) -> io::Result<()> {
        self.users.clear()?;
        self.groups.clear()?;
        self.roles.clear()?;
        self.policies.clear()?;
        self.profiles.clear()?;
        self.keys.clear()?;
        self.sessions.clear()
    }
}

impl<T: Clone + Serialize + DeserializeOwned> Shelf<T> {
    fn memory() -> Self {
        Shelf::Memory(RwLock::default())
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

    fn clear(&self) -> io::Result<()> {
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
