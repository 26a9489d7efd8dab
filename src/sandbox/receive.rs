//! The bodies of requests: framed or plain, verified, and kept without ever being whole in memory.
//!
//! S3 verifies what the writer claims of the bytes before it stores them: their length, `Content-MD5`, the
//! signature's SHA-256, and a checksum that stands in a header or, behind the body, in a trailer
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>).

use aws_smithy_types::body::SdkBody;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::checksum::{Algorithm, Hasher};
use super::framing::Framing;
use super::http::{Call, Refusal};
use super::records::Blob;
use super::store::{BlobWriter, Store};

/// The largest document: the keys of a DeleteObjects call.
const LARGEST_DOCUMENT: usize = 4 * 1024 * 1024;

/// The largest body of one put (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
const LARGEST_PUT: u64 = 5 * 1024 * 1024 * 1024;

/// A frame that is worth a thread of its own to hash and write.
const LARGE_FRAME: usize = 64 * 1024;

/// What an operation expects behind its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expects {
    Nothing,
    /// XML or JSON, kept in memory.
    Document,
    /// A document beside headers whose checksum is of something else: the object that the upload becomes.
    Completion,
    /// The bytes of an object or a part.
    Data,
}

/// A verified body.
#[derive(Debug)]
pub enum Received {
    Nothing,
    Document(Bytes),
    Data(Data),
}

/// Bytes that lie in the store, named by nothing yet.
#[derive(Debug)]
pub struct Data {
    pub blob: Blob,
    /// MD5 in hexadecimal.
    pub etag: String,
    pub algorithm: Algorithm,
    /// In base64.
    pub checksum: String,
    /// Whether the writer sent the checksum; else S3 computed it.
    pub claimed: bool,
}

impl Received {
    /// The bytes that lie in the store because of it.
    pub fn blob(&self) -> Option<Blob> {
        match self {
            Received::Data(data) => Some(data.blob.clone()),
            Received::Nothing | Received::Document(_) => None,
        }
    }

    pub fn document(&self) -> &[u8] {
        match self {
            Received::Document(bytes) => bytes,
            Received::Nothing | Received::Data(_) => &[],
        }
    }
}

/// What the headers claim.
struct Claims {
    md5: Option<String>,
    sha256: Option<String>,
    checksum: Option<(Algorithm, Option<String>)>,
    framed: bool,
    length: Option<u64>,
}

impl Claims {
    fn read(call: &Call) -> Result<Self, Refusal> {
        let payload = call.header("x-amz-content-sha256");
        let framed = payload.is_some_and(|payload| payload.starts_with("STREAMING-"));
        let mut values = Algorithm::ALL
            .into_iter()
            .filter_map(|known| Some((known, call.header(known.header())?.to_owned())));
        let (in_header, second) = (values.next(), values.next());
        if second.is_some() {
            return Err(invalid(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
        let trailer = call.header("x-amz-trailer").map(|name| {
            Algorithm::ALL
                .into_iter()
                .find(|known| known.header() == name)
                .ok_or_else(|| invalid("The value specified in the x-amz-trailer header is not supported"))
        });
        let checksum = match (in_header, trailer.transpose()?) {
            (Some(_), Some(_)) => return Err(invalid("a checksum in a header and another in the trailer")),
            (Some((algorithm, value)), None) => {
                if STANDARD.decode(&value).is_ok_and(|bytes| bytes.len() == algorithm.len()) {
                    Some((algorithm, Some(value)))
                } else {
                    return Err(invalid(&format!("Value for {} header is invalid.", algorithm.header())));
                }
            }
            (None, trailer) => trailer.map(|algorithm| (algorithm, None)),
        };
        let length = call.header(if framed { "x-amz-decoded-content-length" } else { "content-length" });
        if framed && length.is_none() {
            return Err(Refusal::new(
                411,
                "MissingContentLength",
                "You must provide the Content-Length HTTP header.",
            ));
        }
        let md5 = call.header("content-md5").map(str::to_owned);
        if md5.as_ref().is_some_and(|md5| STANDARD.decode(md5).is_ok_and(|bytes| bytes.len() != 16)) {
            return Err(Refusal::new(400, "InvalidDigest", "The Content-MD5 you specified was invalid."));
        }
        Ok(Claims {
            md5,
            sha256: payload.filter(|payload| payload.len() == 64).map(str::to_owned),
            checksum,
            framed,
            length: length.and_then(|length| length.parse().ok()),
        })
    }
}

pub(super) fn invalid(message: &str) -> Refusal {
    Refusal::new(400, "InvalidRequest", message)
}

/// Takes a body in.
pub async fn receive(
    expects: Expects,
    call: &Call,
    body: SdkBody,
    store: &dyn Store,
) -> Result<Received, Refusal> {
    let mut claims = Claims::read(call)?;
    if expects == Expects::Completion {
        claims.checksum = None;
    }
    match expects {
        Expects::Nothing => Ok(Received::Nothing),
        Expects::Document | Expects::Completion => {
            let intake = take(Intake::new(&claims, Sink::Document(BytesMut::new())), body).await?;
            let (sink, _) = intake.verified(&claims)?;
            match sink {
                Sink::Document(bytes) => Ok(Received::Document(bytes.freeze())),
                Sink::Blob(_) => Ok(Received::Nothing),
            }
        }
        Expects::Data => {
            let intake = take(Intake::new(&claims, Sink::Blob(store.new_blob()?)), body).await?;
            let (sink, sums) = intake.verified(&claims)?;
            match sink {
                Sink::Blob(writer) => Ok(Received::Data(Data {
                    blob: writer.finish()?,
                    etag: sums.etag,
                    algorithm: sums.algorithm,
                    checksum: sums.checksum,
                    claimed: claims.checksum.is_some(),
                })),
                Sink::Document(_) => Ok(Received::Nothing),
            }
        }
    }
}

/// Reads frames into the intake; the heavy ones on a thread that may be busy.
async fn take(mut intake: Box<Intake>, mut body: SdkBody) -> Result<Box<Intake>, Refusal> {
    let broken = |error: &dyn std::fmt::Display| {
        Refusal::new(400, "IncompleteBody", format!("The request body terminated unexpectedly: {error}"))
    };
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        intake = if bytes.len() < LARGE_FRAME {
            intake.push(bytes)?;
            intake
        } else {
            let busy = tokio::task::spawn_blocking(move || intake.push(bytes).map(|()| intake));
            busy.await.map_err(|error| broken(&error))??
        };
    }
    Ok(intake)
}

enum Sink {
    Document(BytesMut),
    Blob(Box<dyn BlobWriter>),
}

/// A body on its way in.
struct Intake {
    framing: Option<Framing>,
    sink: Sink,
    size: u64,
    md5: Md5,
    sha256: Option<Sha256>,
    algorithm: Algorithm,
    hasher: Hasher,
}

/// What the bytes turned out to be.
struct Sums {
    etag: String,
    algorithm: Algorithm,
    checksum: String,
}

impl Intake {
    fn new(claims: &Claims, sink: Sink) -> Box<Self> {
        // S3 gives CRC-64/NVME to what comes without a checksum.
        let algorithm = claims.checksum.as_ref().map_or(Algorithm::Crc64nvme, |(algorithm, _)| *algorithm);
        Box::new(Intake {
            framing: claims.framed.then(Framing::default),
            sink,
            size: 0,
            md5: Md5::new(),
            sha256: claims.sha256.as_ref().map(|_| Sha256::new()),
            algorithm,
            hasher: Hasher::new(algorithm),
        })
    }

    fn push(&mut self, mut bytes: Bytes) -> Result<(), Refusal> {
        match self.framing.take() {
            None => self.data(bytes),
            Some(mut framing) => {
                while let Some(data) = framing.next(&mut bytes)? {
                    self.data(data)?;
                }
                self.framing = Some(framing);
                Ok(())
            }
        }
    }

    fn data(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        self.size += bytes.len() as u64;
        self.md5.update(&bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(&bytes);
        }
        self.hasher.update(&bytes);
        match &mut self.sink {
            Sink::Document(document) => {
                if document.len() + bytes.len() > LARGEST_DOCUMENT {
                    return Err(Refusal::new(400, "MaxMessageLengthExceeded", "Your request was too large."));
                }
                document.extend_from_slice(&bytes);
            }
            Sink::Blob(writer) => {
                if self.size > LARGEST_PUT {
                    return Err(Refusal::new(
                        400,
                        "EntityTooLarge",
                        "Your proposed upload exceeds the maximum allowed size",
                    ));
                }
                writer.write(bytes)?;
            }
        }
        Ok(())
    }

    /// The bytes and their sums, if they are what the writer said they would be.
    fn verified(self, claims: &Claims) -> Result<(Sink, Sums), Refusal> {
        let trailer = match self.framing {
            Some(framing) => framing.finish()?,
            None => Vec::new(),
        };
        if claims.length.is_some_and(|length| length != self.size) {
            return Err(Refusal::new(
                400,
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header",
            ));
        }
        let md5 = self.md5.finalize();
        if claims.md5.as_ref().is_some_and(|claimed| *claimed != STANDARD.encode(md5)) {
            return Err(Refusal::new(
                400,
                "BadDigest",
                "The Content-MD5 you specified did not match what we received.",
            ));
        }
        if let (Some(sha256), Some(claimed)) = (self.sha256, &claims.sha256)
            && !hex::encode(sha256.finalize()).eq_ignore_ascii_case(claimed)
        {
            return Err(Refusal::new(
                400,
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            ));
        }
        let checksum = self.hasher.finish();
        if let Some((algorithm, in_header)) = &claims.checksum {
            let in_trailer =
                trailer.iter().find(|(name, _)| name == algorithm.header()).map(|(_, value)| value);
            match in_header.as_ref().or(in_trailer) {
                None => return Err(invalid("The trailer that x-amz-trailer announces is missing")),
                Some(claimed) if *claimed != checksum => {
                    return Err(Refusal::new(
                        400,
                        "BadDigest",
                        format!(
                            "The {} you specified did not match the calculated checksum.",
                            algorithm.name()
                        ),
                    ));
                }
                Some(_) => {}
            }
        }
        Ok((self.sink, Sums { etag: hex::encode(md5), algorithm: self.algorithm, checksum }))
    }
}
