//! The policy language of IAM, and what in it destroys backups. Pure.
//!
//! Place on the data's path: below everything that asks who may do what. Must never answer "denied" or "safe" of what
//! it does not understand.

pub mod destroyers;
