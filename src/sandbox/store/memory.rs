//! The store that ends with its process.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};

use super::{Access, BlobWriter, Lock, Piece, Store};
use crate::sandbox::records::{Blob, Bucket, Part, Upload, Version, fresh_id};

/// Locks of buckets that happen to share a stripe exclude each other, which costs a little and harms nothing.
const STRIPES: usize = 64;

/// Buckets, objects and bytes in memory.
#[derive(Debug)]
pub struct MemoryStore {
    stripes: Vec<RwLock<()>>,
    buckets: RwLock<BTreeMap<String, Contents>>,
    blobs: Arc<RwLock<HashMap<String, Bytes>>>,
}

#[derive(Debug)]
struct Contents {
    bucket: Arc<Bucket>,
    /// Per key from the newest to the oldest.
    versions: BTreeMap<String, Vec<Arc<Version>>>,
    uploads: BTreeMap<String, UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    upload: Arc<Upload>,
    parts: BTreeMap<u16, Arc<Part>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore {
            stripes: (0..STRIPES).map(|_| RwLock::default()).collect(),
            buckets: RwLock::default(),
            blobs: Arc::default(),
        }
    }
}

/// No code panics while it holds one of these locks, and the records would be whole even then.
fn reading<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn writing<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn gone(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("the sandbox lost {what}"))
}

impl MemoryStore {
    fn look<T>(&self, bucket: &str, look: impl FnOnce(&Contents) -> T) -> Option<T> {
        reading(&self.buckets).get(bucket).map(look)
    }

    fn change<T>(&self, bucket: &str, change: impl FnOnce(&mut Contents) -> T) -> io::Result<T> {
        writing(&self.buckets).get_mut(bucket).map(change).ok_or_else(|| gone(bucket))
    }
}

impl Store for MemoryStore {
    fn blocks(&self) -> bool {
        false
    }

    fn lock(&self, bucket: &str, access: Access) -> io::Result<Box<dyn Lock + '_>> {
        let mut hasher = DefaultHasher::new();
        bucket.hash(&mut hasher);
        let stripe = &self.stripes[(hasher.finish() % STRIPES as u64) as usize];
        Ok(match access {
            Access::Read => Box::new(reading(stripe)),
            Access::Change => Box::new(writing(stripe)),
        })
    }

    fn buckets(&self) -> io::Result<Vec<String>> {
        Ok(reading(&self.buckets).keys().cloned().collect())
    }

    fn bucket(&self, name: &str) -> io::Result<Option<Arc<Bucket>>> {
        Ok(self.look(name, |contents| contents.bucket.clone()))
    }

    fn put_bucket(&self, name: &str, bucket: Bucket) -> io::Result<()> {
        let bucket = Arc::new(bucket);
        writing(&self.buckets)
            .entry(name.to_owned())
            .and_modify(|contents| contents.bucket = bucket.clone())
            .or_insert_with(|| Contents {
                bucket: bucket.clone(),
                versions: BTreeMap::new(),
                uploads: BTreeMap::new(),
            });
        Ok(())
    }

    fn remove_bucket(&self, name: &str) -> io::Result<()> {
        writing(&self.buckets).remove(name);
        Ok(())
    }

    fn keys(&self, bucket: &str) -> io::Result<Vec<String>> {
        Ok(self.look(bucket, |contents| contents.versions.keys().cloned().collect()).unwrap_or_default())
    }

    fn versions(&self, bucket: &str, key: &str) -> io::Result<Vec<Arc<Version>>> {
        Ok(self.look(bucket, |contents| contents.versions.get(key).cloned()).flatten().unwrap_or_default())
    }

    fn put_version(&self, bucket: &str, version: Version) -> io::Result<()> {
        self.change(bucket, |contents| {
            let versions = contents.versions.entry(version.key.clone()).or_default();
            versions.retain(|kept| kept.order != version.order);
            versions.push(Arc::new(version));
            versions.sort_by_key(|version| std::cmp::Reverse(version.order));
        })
    }

    fn remove_version(&self, bucket: &str, version: &Version) -> io::Result<()> {
        self.change(bucket, |contents| {
            if let Some(versions) = contents.versions.get_mut(&version.key) {
                versions.retain(|kept| kept.order != version.order);
                if versions.is_empty() {
                    contents.versions.remove(&version.key);
                }
            }
        })
    }

    fn uploads(&self, bucket: &str) -> io::Result<Vec<Arc<Upload>>> {
        let uploads = |contents: &Contents| {
            contents.uploads.values().map(|under_way| under_way.upload.clone()).collect()
        };
        Ok(self.look(bucket, uploads).unwrap_or_default())
    }

    fn upload(&self, bucket: &str, id: &str) -> io::Result<Option<Arc<Upload>>> {
        Ok(self
            .look(bucket, |contents| contents.uploads.get(id).map(|under_way| under_way.upload.clone()))
            .flatten())
    }

    fn put_upload(&self, bucket: &str, upload: Upload) -> io::Result<()> {
        self.change(bucket, |contents| {
            let id = upload.id.clone();
            contents.uploads.insert(id, UnderWay { upload: Arc::new(upload), parts: BTreeMap::new() });
        })
    }

    fn parts(&self, bucket: &str, upload: &str) -> io::Result<Vec<Arc<Part>>> {
        let parts = |contents: &Contents| {
            contents.uploads.get(upload).map(|under_way| under_way.parts.values().cloned().collect())
        };
        Ok(self.look(bucket, parts).flatten().unwrap_or_default())
    }

    fn put_part(&self, bucket: &str, upload: &str, part: Part) -> io::Result<()> {
        self.change(bucket, |contents| {
            if let Some(under_way) = contents.uploads.get_mut(upload) {
                under_way.parts.insert(part.number, Arc::new(part));
            }
        })
    }

    fn remove_upload(&self, bucket: &str, id: &str) -> io::Result<()> {
        self.change(bucket, |contents| {
            contents.uploads.remove(id);
        })
    }

    fn new_blob(&self) -> io::Result<Box<dyn BlobWriter>> {
        Ok(Box::new(MemoryWriter { blobs: self.blobs.clone(), chunks: Vec::new() }))
    }

    fn remove_blob(&self, blob: &Blob) -> io::Result<()> {
        writing(&self.blobs).remove(&blob.id);
        Ok(())
    }

    fn read(&self, pieces: Vec<Piece>) -> io::Result<SdkBody> {
        let blobs = reading(&self.blobs);
        let mut slices = pieces.iter().map(|piece| {
            let bytes = blobs.get(&piece.blob.id).ok_or_else(|| gone("an object's bytes"))?;
            Ok(bytes.slice(piece.from as usize..(piece.from + piece.len) as usize))
        });
        match (slices.next(), slices.len()) {
            (None, _) => Ok(SdkBody::empty()),
            (Some(only), 0) => only.map(SdkBody::from),
            (Some(first), _) => {
                let mut whole = BytesMut::from(first?);
                for slice in slices {
                    let slice: io::Result<Bytes> = slice;
                    whole.extend_from_slice(&slice?);
                }
                Ok(SdkBody::from(whole.freeze()))
            }
        }
    }

    fn reset(&self) -> io::Result<()> {
        writing(&self.buckets).clear();
        writing(&self.blobs).clear();
        Ok(())
    }
}

struct MemoryWriter {
    blobs: Arc<RwLock<HashMap<String, Bytes>>>,
    chunks: Vec<Bytes>,
}

impl BlobWriter for MemoryWriter {
    fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.chunks.push(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Blob> {
        let bytes = match self.chunks.as_slice() {
            // One chunk may be a view into something larger or borrowed from the caller; it is kept as it is.
            [only] => only.clone(),
            chunks => chunks.concat().into(),
        };
        let blob = Blob { id: fresh_id(), size: bytes.len() as u64 };
        writing(&self.blobs).insert(blob.id.clone(), bytes);
        Ok(blob)
    }
}
