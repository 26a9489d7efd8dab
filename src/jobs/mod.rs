//! Jobs: what cron calls. The sequence of a backup, written once over [`crate::datastores::dump::Dump`], and the list
//! of what it made.
//!
//! Place on the data's path: beside it, on the hosts, long after `apply`. A job needs its job file and nothing else.
//! Must never prune before the new backup is proven, never give a partial file a final name, never end quietly
//! after a failure, and never print: results and errors are data.
//!
//!     lock -> dump -> seal -> upload -> read back -> record -> copy -> expire -> tell

mod beside;
pub mod check;
mod compress;
mod context;
mod copy;
mod directory;
mod error;
mod expire;
mod failure;
pub mod job_file;
mod list;
mod lock;
pub mod log;
mod manifest;
mod preflight;
mod remote;
pub mod restore;
pub mod room;
mod sequence;
mod slice;
pub mod snapshot;
mod stop;
mod stream;
pub mod tell;
mod upload;
pub mod verify;

pub use check::CheckReport;
pub use context::{Channels, Context, Store};
pub use error::{JobError, Stage};
pub use expire::{Expired, Stays, Swept};
pub use failure::LastFailure;
pub use list::{Copy, Earlier, Here, Keep, Listing, Row, list};
pub use manifest::{Manifest, Remote};
pub use preflight::{Check, preflight};
pub use remote::Hidden;
pub use sequence::{BackupReport, backup, backup_with};
pub use stop::{PATIENCE, Stop};

/// Runs what blocks where it holds up nobody.
async fn blocking<T: Send + 'static>(
    stage: Stage,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JobError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| JobError::new(stage, format!("the job broke off: {error}")))
}
