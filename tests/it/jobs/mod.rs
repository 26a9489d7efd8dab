//! Jobs: real servers, real files, and a storage that the test can make fail.

mod host;
mod postgresql;
