//! What the backup sequence asks of a datastore: a stream of bytes, and at its end a word on whether it is whole.
//!
//! `jobs` is written once over [`Dump`]; each datastore's `job.rs` implements it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use super::job_file::Compression;
use super::names::Content;

/// Why a dump cannot begin or is not whole: what is wrong and where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DumpError {
    pub message: String,
    pub help: Option<String>,
    /// This machine lacks what it takes; it says nothing of the backup.
    pub is_lack: bool,
}

impl DumpError {
    pub fn new(message: impl Into<String>) -> Self {
        DumpError { message: message.into(), help: None, is_lack: false }
    }

    pub fn lack(self) -> Self {
        DumpError { is_lack: true, ..self }
    }

    pub fn help(self, help: impl Into<String>) -> Self {
        DumpError { help: Some(help.into()), ..self }
    }
}

/// What is known of a dump before its first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// How it is made, such as `plain`.
    pub method: String,
    pub content: Content,
    /// The server's version as it names itself.
    pub server_version: Option<String>,
    /// What a restore needs to know of the source, by names of the datastore's own.
    pub source: BTreeMap<String, String>,
    /// What somebody who restores must know.
    pub notes: Vec<String>,
}

/// A dump that is under way. Dropped before its end, it stops and leaves nothing behind.
pub trait Dump: Send {
    fn facts(&self) -> Facts;

    /// The folder in which the dump gathers what it has before its first byte comes, where it does: what grows there is
    /// progress.
    fn gathers_in(&self) -> Option<PathBuf> {
        None
    }

    /// The bytes; asked for once. A reader that ends early says so as an error or in [`Dump::finish`].
    fn stream(&mut self) -> Result<Box<dyn Read + Send>, DumpError>;

    /// Whether the bytes were all of it, and what somebody who restores must know that only showed meanwhile. `last` holds
    /// the last bytes of the stream, at most [`LAST_BYTES`].
    fn finish(self: Box<Self>, last: &[u8]) -> Result<Vec<String>, DumpError>;

    /// How to restore the file `name` with ordinary tools, line by line.
    fn restore(&self, name: &str, compression: Compression) -> Vec<String>;
}

/// How many bytes of the end of a stream [`Dump::finish`] sees.
pub const LAST_BYTES: usize = 1024;

/// Where a dump may keep files while it runs: inside the backup directory, removed afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scratch(pub PathBuf);

/// The program that unpacks to standard output.
pub fn unpacker(compression: Compression) -> &'static str {
    match compression {
        Compression::Gzip => "gzip -dc",
        Compression::Zstd => "zstd -dc",
    }
}
