//! Which backups a policy keeps, and why.
//!
//! Place on the data's path: beside plan and jobs, which both ask it. Pure: ages are handed over, nothing is read or
//! removed here.

pub mod local;
