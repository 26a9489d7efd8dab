//! Jobs: real servers, real files, and a storage that the test can make fail.

mod dump;
mod host;
mod local;
mod postgresql;
mod store;
mod upload;
