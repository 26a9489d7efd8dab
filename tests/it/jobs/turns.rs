//! Who tells while whom: one job at a time, also where root told before.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use nix::unistd::{Gid, Uid, geteuid, setfsgid, setfsuid};
use reconcile::datastores::postgresql::settings::Method;
use reconcile::jobs::{check, tell};

use super::host::Host;

const LOCK: &str = ".reconcile-production-postgresql.tell.lock";
/// Anybody's number but root's.
const OWNER: u32 = 65_534;

/// A host whose backup directory is not root's, seen by root; `None` where nobody here may be root.
fn host() -> Option<Host> {
    if !geteuid().is_root() {
        eprintln!("skipped: a job of root and one of another user: needs root");
        return None;
    }
    let host = Host::new(Method::Plain);
    fs::set_permissions(&host.context.root, Permissions::from_mode(0o755)).expect("may be passed");
    chown(host.context.directory(), Some(OWNER), Some(OWNER)).expect("given away");
    Some(host)
}

/// What a check by cron could not tell.
async fn checked(host: &Host) -> Vec<String> {
    let report = check::look(&host.context, &[]).await;
    tell::checked(&host.context, &report).await
}

/// The same as the directory's owner does it: of this thread alone, files are another user's matter (setfsuid(2)).
async fn checked_by_the_owner(host: &Host) -> Vec<String> {
    let back = (setfsgid(Gid::from_raw(OWNER)), setfsuid(Uid::from_raw(OWNER)));
    let troubles = checked(host).await;
    setfsuid(back.1);
    setfsgid(back.0);
    troubles
}

fn owner(path: &Path) -> u32 {
    path.metadata().expect("there").uid()
}

#[tokio::test]
async fn what_root_told_does_not_keep_the_owner_from_telling() {
    let Some(host) = host() else { return };
    assert_eq!(checked(&host).await, Vec::<String>::new());
    assert_eq!(owner(&host.path(LOCK)), OWNER, "root gave it to whose directory it is");
    assert_eq!(checked_by_the_owner(&host).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_lock_that_stayed_roots_serves_the_owner() {
    let Some(host) = host() else { return };
    let path = host.path(LOCK);
    File::create(&path).expect("made");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("as a job of root left it");
    assert_eq!(checked_by_the_owner(&host).await, Vec::<String>::new());
    assert_eq!(owner(&path), 0);
    // Root's next job gives it away.
    assert_eq!(checked(&host).await, Vec::<String>::new());
    assert_eq!(owner(&path), OWNER);
}

#[tokio::test]
async fn root_gives_away_no_file_behind_a_link() {
    let Some(host) = host() else { return };
    let another = host.context.root.join("another");
    File::create(&another).expect("made");
    symlink(&another, host.path(LOCK)).expect("linked");
    let troubles = checked(&host).await;
    assert!(troubles.iter().any(|trouble| trouble.contains(LOCK)), "{troubles:?}");
    assert_eq!(owner(&another), 0);
    // Nor one under two names.
    fs::remove_file(host.path(LOCK)).expect("removed");
    fs::hard_link(&another, host.path(LOCK)).expect("linked");
    assert_eq!(checked(&host).await, Vec::<String>::new());
    assert_eq!(owner(&another), 0);
}
