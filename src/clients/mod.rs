//! The edges of the program: built, time-limited, their errors named. No decisions are taken here.
//!
//! Place on the data's path: under every module that touches the world. Must never know what a resource, a plan or
//! a datastore is, and must never print.

pub mod aws;
pub mod aws_error;
pub mod elasticsearch;
pub mod host;
pub mod http;
pub mod journal;
pub mod machine;
pub mod mail;
pub mod ping;
pub mod process;
