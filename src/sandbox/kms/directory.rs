//! Where the sandbox keeps its keys: in memory, or one small file each in a folder.
//!
//!     kms/keys/ID.json
//!     kms/incoming/      records on their way in
//!     kms/lock           advisory lock (flock(2))
//!
//! Knows nothing of KMS' rules. A request holds the one lock while it works.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::records::Key;
use crate::sandbox::shelf::{Shelf, Turn};
use crate::sandbox::store::{Access, Lock};

/// Everything that KMS knows.
#[derive(Debug)]
pub struct Directory {
    keys: Shelf<Key>,
    turn: Turn,
}

impl Directory {
    pub fn memory() -> Self {
        Directory { keys: Shelf::memory(), turn: Turn::memory() }
    }

    /// Opens or makes the directory below `root`.
    pub fn open(root: &Path) -> io::Result<Self> {
        let turn = Turn::open(root)?;
        Ok(Directory { keys: Shelf::folder(root, "keys"), turn })
    }

    /// Waits until nobody else changes the directory (`Read`) or looks at it (`Change`).
    pub fn lock(&self, access: Access) -> io::Result<Box<dyn Lock + '_>> {
        self.turn.take(access)
    }

    /// The key of an ID, in whichever region it is.
    pub(super) fn key(&self, id: &str) -> io::Result<Option<Arc<Key>>> {
        self.keys.get(id)
    }

    pub(super) fn put(&self, key: Key) -> io::Result<()> {
        self.keys.put(&key.id.clone(), key)
    }

    /// The keys of a region.
    pub(super) fn of_region(&self, region: &str) -> io::Result<Vec<Arc<Key>>> {
        Ok(self.keys.all()?.into_iter().filter(|key| key.region == region).collect())
    }

    /// Forgets everything.
    pub fn reset(&self) -> io::Result<()> {
        self.keys.clear()
    }
}
