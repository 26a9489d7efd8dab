//! The store that is a folder: one small JSON file per bucket, object version, upload and part, bytes beside them.
//!
//!     s3/buckets/NAME/bucket.json
//!     s3/buckets/NAME/objects/KEY/ORDER.json       KEY percent-encoded; the greatest ORDER is current
//!     s3/buckets/NAME/uploads/ID/upload.json, NUMBER.json
//!     s3/blobs/ID                                  bytes; never changed once named
//!     s3/incoming/                                 bytes and records on their way in
//!     s3/locks/NAME                                advisory locks (flock(2)); their content means nothing
//!
//! Every file comes into its place by rename, so that a process that ends anywhere leaves old or new, never half.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{Access, BlobWriter, Lock, Piece, Store};
use crate::sandbox::records::{Blob, Bucket, Part, Upload, Version, fresh_id};

/// How much of a blob is in memory at once when it is read.
const CHUNK: u64 = 128 * 1024;

/// Letters, digits, `-` and `_` stay; a dot does only inside, see [`encode`].
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// File names end at 255 bytes; a longer encoded key is cut here and told apart by its digest.
const LONGEST_NAME: usize = 240;

/// Buckets, objects and bytes in a folder, shared by processes.
#[derive(Debug)]
pub struct DiskStore {
    root: PathBuf,
}

impl DiskStore {
    /// Opens or makes the store below `root`.
    pub fn open(root: &Path) -> io::Result<Self> {
        for folder in ["buckets", "blobs", "incoming", "locks"] {
            fs::create_dir_all(root.join(folder))?;
        }
        Ok(DiskStore { root: root.to_owned() })
    }

    fn bucket_dir(&self, bucket: &str) -> PathBuf {
        self.root.join("buckets").join(encode(bucket))
    }

    fn key_dir(&self, bucket: &str, key: &str) -> PathBuf {
        self.bucket_dir(bucket).join("objects").join(encode(key))
    }

    fn version_file(&self, bucket: &str, version: &Version) -> PathBuf {
        self.key_dir(bucket, &version.key).join(format!("{:012}.json", version.order))
    }

    fn upload_dir(&self, bucket: &str, id: &str) -> PathBuf {
        self.bucket_dir(bucket).join("uploads").join(encode(id))
    }

    /// Puts a record into its place whole.
    fn write<T: Serialize>(&self, file: &Path, record: &T) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut incoming = NamedTempFile::new_in(self.root.join("incoming"))?;
        incoming.write_all(&serde_json::to_vec_pretty(record)?)?;
        incoming.persist(file)?;
        Ok(())
    }
}

/// A name of a file for any key: readable where it can be, never `.`, `..`, hidden or too long.
pub fn encode(key: &str) -> String {
    let mut name = utf8_percent_encode(key, ESCAPED).to_string();
    if let Some(rest) = name.strip_prefix('.') {
        name = format!("%2E{rest}");
    }
    if name.len() > LONGEST_NAME {
        // `+` is always escaped, so no short key can have this name.
        name = format!("{}+{}", &name[..LONGEST_NAME - 65], hex::encode(Sha256::digest(key.as_bytes())));
    }
    name
}

/// The key of a name, unless the name was too long to hold it.
fn decode(name: &str) -> Option<String> {
    if name.contains('+') {
        return None;
    }
    percent_decode_str(name).decode_utf8().ok().map(|key| key.into_owned())
}

/// A record of a file; none where there is no file.
pub fn read_record<T: DeserializeOwned>(file: &Path) -> io::Result<Option<T>> {
    match fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is damaged: {error}; `reconcile sandbox reset` starts anew", file.display()),
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The names in a folder in order; none where there is no folder.
pub fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

impl Store for DiskStore {
    fn blocks(&self) -> bool {
        true
    }

    fn lock(&self, bucket: &str, access: Access) -> io::Result<Box<dyn Lock + '_>> {
        let path = self.root.join("locks").join(encode(bucket));
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match access {
            Access::Read => file.lock_shared()?,
            Access::Change => file.lock()?,
        }
        Ok(Box::new(file))
    }

    fn buckets(&self) -> io::Result<Vec<String>> {
        let folder = self.root.join("buckets");
        let whole = |name: &String| folder.join(name).join("bucket.json").exists();
        let mut buckets: Vec<String> =
            names(&folder)?.into_iter().filter(whole).filter_map(|name| decode(&name)).collect();
        buckets.sort_unstable();
        Ok(buckets)
    }

    fn bucket(&self, name: &str) -> io::Result<Option<Arc<Bucket>>> {
        Ok(read_record(&self.bucket_dir(name).join("bucket.json"))?.map(Arc::new))
    }

    fn put_bucket(&self, name: &str, bucket: Bucket) -> io::Result<()> {
        self.write(&self.bucket_dir(name).join("bucket.json"), &bucket)
    }

    fn remove_bucket(&self, name: &str) -> io::Result<()> {
        let folder = self.bucket_dir(name);
        // Without this file there is no bucket, whatever else is still there.
        absent_is_fine(fs::remove_file(folder.join("bucket.json")))?;
        absent_is_fine(fs::remove_dir_all(folder))
    }

    fn keys(&self, bucket: &str) -> io::Result<Vec<String>> {
        let folder = self.bucket_dir(bucket).join("objects");
        let mut keys = Vec::new();
        for name in names(&folder)? {
            let key = match decode(&name) {
                Some(key) => Some(key),
                None => match names(&folder.join(&name))?.first() {
                    Some(file) => {
                        read_record::<Version>(&folder.join(&name).join(file))?.map(|version| version.key)
                    }
                    None => None,
                },
            };
            keys.extend(key);
        }
        keys.sort_unstable();
        Ok(keys)
    }

    fn versions(&self, bucket: &str, key: &str) -> io::Result<Vec<Arc<Version>>> {
        let folder = self.key_dir(bucket, key);
        let mut versions = Vec::new();
        for name in names(&folder)?.iter().rev() {
            versions.extend(read_record::<Version>(&folder.join(name))?.map(Arc::new));
        }
        Ok(versions)
    }

    fn put_version(&self, bucket: &str, version: Version) -> io::Result<()> {
        self.write(&self.version_file(bucket, &version), &version)
    }

    fn remove_version(&self, bucket: &str, version: &Version) -> io::Result<()> {
        absent_is_fine(fs::remove_file(self.version_file(bucket, version)))?;
        // Fails while the key has other versions, which is what should happen.
        let _ = fs::remove_dir(self.key_dir(bucket, &version.key));
        Ok(())
    }

    fn uploads(&self, bucket: &str) -> io::Result<Vec<Arc<Upload>>> {
        let folder = self.bucket_dir(bucket).join("uploads");
        let mut uploads = Vec::new();
        for name in names(&folder)? {
            uploads.extend(read_record::<Upload>(&folder.join(name).join("upload.json"))?.map(Arc::new));
        }
        Ok(uploads)
    }

    fn upload(&self, bucket: &str, id: &str) -> io::Result<Option<Arc<Upload>>> {
        Ok(read_record(&self.upload_dir(bucket, id).join("upload.json"))?.map(Arc::new))
    }

    fn put_upload(&self, bucket: &str, upload: Upload) -> io::Result<()> {
        self.write(&self.upload_dir(bucket, &upload.id).join("upload.json"), &upload)
    }

    fn parts(&self, bucket: &str, upload: &str) -> io::Result<Vec<Arc<Part>>> {
        let folder = self.upload_dir(bucket, upload);
        let mut parts = Vec::new();
        for name in names(&folder)?.iter().filter(|name| *name != "upload.json") {
            parts.extend(read_record::<Part>(&folder.join(name))?.map(Arc::new));
        }
        Ok(parts)
    }

    fn put_part(&self, bucket: &str, upload: &str, part: Part) -> io::Result<()> {
        self.write(&self.upload_dir(bucket, upload).join(format!("{:05}.json", part.number)), &part)
    }

    fn remove_upload(&self, bucket: &str, id: &str) -> io::Result<()> {
        absent_is_fine(fs::remove_dir_all(self.upload_dir(bucket, id)))
    }

    fn new_blob(&self) -> io::Result<Box<dyn BlobWriter>> {
        let incoming = NamedTempFile::new_in(self.root.join("incoming"))?;
        Ok(Box::new(DiskWriter { blobs: self.root.join("blobs"), incoming, size: 0 }))
    }

    fn remove_blob(&self, blob: &Blob) -> io::Result<()> {
        absent_is_fine(fs::remove_file(self.root.join("blobs").join(&blob.id)))
    }

    fn read(&self, pieces: Vec<Piece>) -> io::Result<SdkBody> {
        let left = pieces.iter().map(|piece| piece.len).sum();
        let mut pieces: VecDeque<Piece> = pieces.into_iter().filter(|piece| piece.len > 0).collect();
        let mut body =
            PiecesBody { blobs: self.root.join("blobs"), open: None, pieces: VecDeque::new(), left };
        // Opened under the lock: removing the version later does not take these bytes away.
        if let Some(first) = pieces.pop_front() {
            body.open = Some(body.open(&first)?);
        }
        body.pieces = pieces;
        Ok(SdkBody::from_body_1_x(body))
    }

    fn reset(&self) -> io::Result<()> {
        absent_is_fine(fs::remove_dir_all(&self.root))?;
        DiskStore::open(&self.root).map(drop)
    }
}

struct DiskWriter {
    blobs: PathBuf,
    incoming: NamedTempFile,
    size: u64,
}

impl BlobWriter for DiskWriter {
    fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.incoming.write_all(&bytes)
    }

    fn finish(self: Box<Self>) -> io::Result<Blob> {
        let blob = Blob { id: fresh_id(), size: self.size };
        self.incoming.persist(self.blobs.join(&blob.id))?;
        Ok(blob)
    }
}

/// Blobs read one after another, a chunk at a time. The reads are of local files and short, so they happen where
/// the body is polled.
struct PiecesBody {
    blobs: PathBuf,
    open: Option<(File, u64)>,
    pieces: VecDeque<Piece>,
    left: u64,
}

impl PiecesBody {
    fn open(&self, piece: &Piece) -> io::Result<(File, u64)> {
        let mut file = File::open(self.blobs.join(&piece.blob.id))?;
        file.seek(SeekFrom::Start(piece.from))?;
        Ok((file, piece.len))
    }

    fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some((file, left)) = &mut self.open
                && *left > 0
            {
                let mut chunk = vec![0; CHUNK.min(*left) as usize];
                file.read_exact(&mut chunk)?;
                *left -= chunk.len() as u64;
                self.left -= chunk.len() as u64;
                return Ok(Some(chunk.into()));
            }
            match self.pieces.pop_front() {
                Some(piece) => self.open = Some(self.open(&piece)?),
                None => return Ok(None),
            }
        }
    }
}

impl http_body::Body for PiecesBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(self.get_mut().next().transpose().map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_has_a_file_name_of_its_own(key in ".{1,300}", other in ".{1,300}") {
            let name = encode(&key);
            prop_assert!(name.len() <= 255 && !name.contains('/') && !name.starts_with('.'));
            prop_assert!(decode(&name).is_none_or(|decoded| decoded == key));
            prop_assert_eq!(name == encode(&other), key == other);
        }
    }
}
