//! The words that every other module speaks: names, identities of resources, risks, schedules, secrets,
//! problems, job commands.
//!
//! Place on the data's path: below everything. Must never read a clock, a file or the network, and must never
//! use another module of this crate.

mod check;
mod clock;
mod id;
mod job;
mod names;
mod network;
mod occasion;
mod principal;
mod problem;
mod risk;
mod schedule;
mod secret;
mod storage;
mod value;
pub mod words;

pub use check::Check;
pub use clock::Clock;
pub use id::{Id, IdError, Kind};
pub use job::{JobCommand, JobCommandError, JobKind, Tier};
pub use names::{
    AccountId, BucketName, Datastore, Environment, HostName, Label, NameError, OsUser, RegionName,
};
pub use network::{Network, NetworkError};
pub use occasion::Occasion;
pub use principal::Principal;
pub use problem::{Place, Problem, Problems, Severity, Span};
pub use risk::Risk;
pub use schedule::{Schedule, ScheduleError};
pub use secret::{Login, Secret, SecretDigest};
pub use storage::{Encryption, KeepVersions, LockMode, ObjectLock, Versioning};
pub use value::Value;
