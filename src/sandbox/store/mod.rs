//! Where the sandbox keeps its cloud: in memory for tests and measures, in a folder for everything that outlives
//! a process.
//!
//! A store knows nothing of S3's rules; it keeps records and bytes. Every request holds its bucket's lock while it
//! reads and writes records; bytes come in before that and go out after, so that nobody waits for a slow body.

mod disk;
mod memory;

use std::fmt;
use std::io;
use std::sync::Arc;

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

pub use disk::{DiskStore, encode, names, read_record};
pub use memory::MemoryStore;

use super::records::{Blob, Bucket, Part, Upload, Version};

/// What a request does with its bucket's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Change,
}

/// Held for as long as a request works on a bucket's records.
pub trait Lock {}

impl<T> Lock for T {}

/// Records and bytes. Lists come sorted: names by their bytes, versions from the newest to the oldest.
pub trait Store: Send + Sync + fmt::Debug {
    /// Whether calls wait for a disk or another process, and so belong on a thread that may.
    fn blocks(&self) -> bool;

    /// Waits until nobody else changes the bucket (`Read`) or looks at it (`Change`), in this process or another.
    fn lock(&self, bucket: &str, access: Access) -> io::Result<Box<dyn Lock + '_>>;

    fn buckets(&self) -> io::Result<Vec<String>>;
    fn bucket(&self, name: &str) -> io::Result<Option<Arc<Bucket>>>;
    fn put_bucket(&self, name: &str, bucket: Bucket) -> io::Result<()>;
    /// Removes a bucket that holds no versions and no uploads.
    fn remove_bucket(&self, name: &str) -> io::Result<()>;

    /// Keys that have any version, delete markers included.
    fn keys(&self, bucket: &str) -> io::Result<Vec<String>>;
    fn versions(&self, bucket: &str, key: &str) -> io::Result<Vec<Arc<Version>>>;
    /// Adds a version, or puts it into the place of the one with the same order.
    fn put_version(&self, bucket: &str, version: Version) -> io::Result<()>;
    fn remove_version(&self, bucket: &str, version: &Version) -> io::Result<()>;

    fn uploads(&self, bucket: &str) -> io::Result<Vec<Arc<Upload>>>;
    fn upload(&self, bucket: &str, id: &str) -> io::Result<Option<Arc<Upload>>>;
    fn put_upload(&self, bucket: &str, upload: Upload) -> io::Result<()>;
    /// By number.
    fn parts(&self, bucket: &str, upload: &str) -> io::Result<Vec<Arc<Part>>>;
    fn put_part(&self, bucket: &str, upload: &str, part: Part) -> io::Result<()>;
    /// Forgets an upload and its parts, not their bytes.
    fn remove_upload(&self, bucket: &str, id: &str) -> io::Result<()>;

    fn new_blob(&self) -> io::Result<Box<dyn BlobWriter>>;
    fn remove_blob(&self, blob: &Blob) -> io::Result<()>;
    /// The bytes of `pieces` one after another, read as they are asked for.
    fn read(&self, pieces: Vec<Piece>) -> io::Result<SdkBody>;

    /// Forgets everything.
    fn reset(&self) -> io::Result<()>;
}

/// A stretch of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub blob: Blob,
    pub from: u64,
    pub len: u64,
}

/// Takes bytes in. Dropped without `finish`, it leaves nothing behind.
pub trait BlobWriter: Send {
    fn write(&mut self, bytes: Bytes) -> io::Result<()>;
    fn finish(self: Box<Self>) -> io::Result<Blob>;
}
