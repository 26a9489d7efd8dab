//! The bytes of a backup, from this disk or a bucket, hashed while they are read and unpacked.
//!
//! A copy in a bucket is read in one request after the other where the network breaks, each beginning where the last one
//! ended and of the same version, so that a restore of hours does not begin anew.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::head_object::{HeadObjectError, HeadObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use bytes::{Buf, Bytes};
use crc_fast::CrcAlgorithm::Crc64Nvme;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::datastores::job_file::Compression;
use crate::jobs::context::Store;
use crate::jobs::manifest::Manifest;
use crate::jobs::upload::{base64, explain};
use crate::vocab::BucketName;

/// How often a download goes on after it broke without having got any further.
const TRIES: u32 = 5;
/// How long the network may say nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// Where the bytes are.
#[derive(Clone, Debug)]
pub enum Origin {
    Here(PathBuf),
    There(Object),
}

/// One version of an object.
#[derive(Clone, Debug)]
pub struct Object {
    pub store: Store,
    pub bucket: BucketName,
    pub key: String,
    pub version_id: Option<String>,
}

/// What is known of the bytes before they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub bytes: Option<u64>,
    /// In hexadecimal digits.
    pub sha256: Option<String>,
    /// CRC-64/NVME in Base64.
    pub crc64nvme: Option<String>,
}

impl Known {
    pub fn of_manifest(manifest: &Manifest) -> Known {
        Known {
            bytes: Some(manifest.bytes),
            sha256: Some(manifest.sha256.clone()),
            crc64nvme: Some(manifest.crc64nvme.clone()),
        }
    }

    /// What the storage itself tells, of an object that others may have uploaded.
    pub fn of_head(head: &HeadObjectOutput) -> Known {
        let whole = head.checksum_type() == Some(&ChecksumType::FullObject);
        Known {
            bytes: head.content_length().and_then(|length| u64::try_from(length).ok()),
            sha256: None,
            crc64nvme: head.checksum_crc64_nvme().filter(|_| whole).map(str::to_owned),
        }
    }

    /// Compares what was read with what is known. `Ok(false)`: nothing but the size was known.
    pub fn agrees(&self, read: &Seen) -> Result<bool, String> {
        if let Some(bytes) = self.bytes.filter(|bytes| *bytes != read.bytes) {
            return Err(format!("{bytes} bytes were written and {} are there", read.bytes));
        }
        if let Some(sha256) = self.sha256.as_ref().filter(|sha256| **sha256 != read.sha256) {
            return Err(format!("its SHA-256 was {sha256} and is {}", read.sha256));
        }
        if let Some(crc) = self.crc64nvme.as_ref().filter(|crc| **crc != read.crc64nvme) {
            return Err(format!("its CRC-64/NVME was {crc} and is {}", read.crc64nvme));
        }
        Ok(self.sha256.is_some() || self.crc64nvme.is_some())
    }
}

/// What was read, to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub bytes: u64,
    pub sha256: String,
    pub crc64nvme: String,
}

/// Opens the bytes. `handle`: the runtime on which the network is waited for, from a thread that may block.
pub fn open(origin: &Origin, handle: &Handle) -> io::Result<Box<dyn Read + Send>> {
    Ok(match origin {
        Origin::Here(path) => Box::new(File::open(path)?),
        Origin::There(object) => Box::new(Download {
            object: object.clone(),
            handle: handle.clone(),
            body: None,
            chunk: Bytes::new(),
            offset: 0,
            length: None,
            left: TRIES,
        }),
    })
}

/// Unpacks what `bytes` hold while `work` reads it, then reads and hashes the rest.
pub fn unpacked<T, E: From<io::Error>>(
    bytes: Box<dyn Read + Send>,
    compression: Compression,
    work: impl FnOnce(&mut (dyn Read + Send)) -> Result<T, E>,
) -> Result<(T, Seen), E> {
    let mut hashed = Hashed::of(bytes);
    let done = match compression {
        Compression::Gzip => work(&mut flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(
            256 << 10,
            &mut hashed,
        )))?,
        Compression::Zstd => work(&mut zstd::stream::read::Decoder::new(&mut hashed)?)?,
    };
    Ok((done, hashed.read_to_its_end()?))
}

/// Reads bytes to their end and hashes them.
pub fn seen(bytes: Box<dyn Read + Send>) -> io::Result<Seen> {
    Hashed::of(bytes).read_to_its_end()
}

struct Hashed {
    inner: Box<dyn Read + Send>,
    bytes: u64,
    sha256: Sha256,
    crc: crc_fast::Digest,
}

impl Hashed {
    fn of(inner: Box<dyn Read + Send>) -> Hashed {
        Hashed { inner, bytes: 0, sha256: Sha256::new(), crc: crc_fast::Digest::new(Crc64Nvme) }
    }

    /// What all of it is, once the rest is read.
    fn read_to_its_end(mut self) -> io::Result<Seen> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Seen {
            bytes: self.bytes,
            sha256: hex::encode(self.sha256.finalize()),
            crc64nvme: base64(self.crc.finalize()),
        })
    }
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let new = &buffer[..read];
        self.bytes += read as u64;
        self.sha256.update(new);
        self.crc.update(new);
        Ok(read)
    }
}

impl Object {
    /// What the storage says of it.
    pub async fn head(&self) -> Result<HeadObjectOutput, String> {
        self.store.knows_owner()?;
        let asked = self
            .store
            .client
            .head_object()
            .bucket(self.bucket.as_str())
            .key(&self.key)
            .set_version_id(self.version_id.clone())
            .set_expected_bucket_owner(self.store.owner())
            .checksum_mode(ChecksumMode::Enabled);
        let denied = |error: &SdkError<HeadObjectError>| {
            error.raw_response().is_some_and(|answer| answer.status().as_u16() == 403)
        };
        let answered = match asked.clone().send().await {
            // An answer to HEAD has no words. Was it about this host's clock, the client goes by the storage's from now on.
            Err(error) if denied(&error) => asked.send().await,
            answered => answered,
        };
        answered.map_err(|error| explain(&error))
    }
}

/// An object that is read from front to back.
struct Download {
    object: Object,
    handle: Handle,
    body: Option<ByteStream>,
    chunk: Bytes,
    offset: u64,
    length: Option<u64>,
    /// How often it may still go on without having got further.
    left: u32,
}

impl Download {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        if self.length.is_some_and(|length| self.offset >= length) {
            return Ok(None);
        }
        if self.body.is_none() {
            let Object { store, bucket, key, version_id } = &self.object;
            let answer = store
                .client
                .get_object()
                .bucket(bucket.as_str())
                .key(key)
                .set_version_id(version_id.clone())
                .set_expected_bucket_owner(store.owner())
                // An empty object has no range.
                .set_range((self.offset > 0).then(|| format!("bytes={}-", self.offset)))
                .send()
                .await
                .map_err(|error| explain(&error))?;
            let left = u64::try_from(answer.content_length().unwrap_or_default()).unwrap_or_default();
            let length = self.offset + left;
            if self.length.is_some_and(|known| known != length) {
                return Err("the object changed while it was read".to_owned());
            }
            self.length = Some(length);
            // What follows is that version's, whatever is written meanwhile.
            self.object.version_id =
                self.object.version_id.take().or(answer.version_id).filter(|id| id != "null");
            self.body = Some(answer.body);
        }
        let Some(body) = &mut self.body else { return Ok(None) };
        match timeout(SILENCE, body.next()).await {
            Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
            Ok(Some(Err(error))) => Err(error.to_string()),
            Ok(None) => match self.length {
                Some(length) if self.offset < length => {
                    Err("the storage ended its answer too early".to_owned())
                }
                _ => Ok(None),
            },
            Err(_) => Err(format!("the storage said nothing for {} seconds", SILENCE.as_secs())),
        }
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let handle = self.handle.clone();
            match handle.block_on(self.next()) {
                Ok(Some(bytes)) => {
                    self.offset += bytes.len() as u64;
                    self.chunk = bytes;
                    self.left = TRIES;
                }
                Ok(None) => return Ok(0),
                Err(why) if self.left == 0 => return Err(io::Error::other(why)),
                Err(why) => {
                    tracing::info!("reading s3://{}/{} goes on: {why}", self.object.bucket, self.object.key);
                    std::thread::sleep(Duration::from_millis(200) * 2u32.pow(TRIES - self.left));
                    self.left -= 1;
                    self.body = None;
                }
            }
        }
        let taken = self.chunk.len().min(buffer.len());
        self.chunk.copy_to_slice(&mut buffer[..taken]);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_compared_with_everything_that_is_known() {
        let read = Seen { bytes: 3, sha256: "aa".to_owned(), crc64nvme: "bb".to_owned() };
        let known = |bytes, sha256: Option<&str>, crc: Option<&str>| Known {
            bytes,
            sha256: sha256.map(str::to_owned),
            crc64nvme: crc.map(str::to_owned),
        };
        assert_eq!(known(Some(3), Some("aa"), Some("bb")).agrees(&read), Ok(true));
        assert_eq!(known(None, None, Some("bb")).agrees(&read), Ok(true));
        assert_eq!(known(Some(3), None, None).agrees(&read), Ok(false));
        assert!(known(Some(4), None, None).agrees(&read).is_err());
        assert!(known(Some(3), Some("ab"), Some("bb")).agrees(&read).is_err());
        assert!(known(None, None, Some("ba")).agrees(&read).is_err());
    }
}
