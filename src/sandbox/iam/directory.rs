//! Where the sandbox keeps its identities: in memory, or one small file each in a folder.
//!
//!     iam/users/NAME.json, groups/, roles/, policies/, instance-profiles/     NAME in lower case, percent-encoded
//!     iam/access-keys/ID.json, iam/sessions/ID.json
//!     iam/incoming/                                                            records on their way in
//!     iam/lock                                                                 advisory lock (flock(2))
//!
//! Knows nothing of IAM's rules. A request holds the one lock while it works; every file comes into its place by
//! rename, so that a process that ends anywhere leaves old or new, never half.

use std::io;
use std::path::Path;

use super::records::{AccessKey, Group, InstanceProfile, ManagedPolicy, Role, Session, User};
use crate::sandbox::shelf::{Shelf, Turn};
use crate::sandbox::store::{Access, Lock};

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
            turn: Turn::memory(),
        }
    }

    /// Opens or makes the directory below `root`.
    pub fn open(root: &Path) -> io::Result<Self> {
        let turn = Turn::open(root)?;
        Ok(Directory {
            users: Shelf::folder(root, "users"),
            groups: Shelf::folder(root, "groups"),
            roles: Shelf::folder(root, "roles"),
            policies: Shelf::folder(root, "policies"),
            profiles: Shelf::folder(root, "instance-profiles"),
            keys: Shelf::folder(root, "access-keys"),
            sessions: Shelf::folder(root, "sessions"),
            turn,
        })
    }

    /// Whether calls wait for a disk or another process.
    pub fn blocks(&self) -> bool {
        self.turn.blocks()
    }

    /// Waits until nobody else changes the directory (`Read`) or looks at it (`Change`).
    pub fn lock(&self, access: Access) -> io::Result<Box<dyn Lock + '_>> {
        self.turn.take(access)
    }

    /// Whether no role was ever made here.
    pub fn is_new(&self) -> io::Result<bool> {
        self.roles.is_untouched()
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
