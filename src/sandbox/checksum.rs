//! The checksums that S3 verifies and keeps
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use serde::{Deserialize, Serialize};
use sha2::Digest;

/// An algorithm as S3 names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64nvme,
    Sha1,
    Sha256,
}

/// Whether a checksum is of the object's bytes, or of the checksums of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChecksumKind {
    FullObject,
    Composite,
}

/// The checksum of a stored object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectChecksum {
    pub algorithm: Algorithm,
    pub kind: ChecksumKind,
    /// In base64; a composite one ends with `-` and the number of parts.
    pub value: String,
}

/// What checksum an upload will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadChecksum {
    pub algorithm: Algorithm,
    pub kind: ChecksumKind,
    /// False where S3 chose by itself; then parts and answers do not speak of it.
    pub asked: bool,
}

impl Algorithm {
    pub const ALL: [Algorithm; 5] =
        [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64nvme, Algorithm::Sha1, Algorithm::Sha256];

    /// As in `x-amz-checksum-algorithm`.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Crc32c => "CRC32C",
            Algorithm::Crc64nvme => "CRC64NVME",
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The header that carries a value.
    pub fn header(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "x-amz-checksum-crc32",
            Algorithm::Crc32c => "x-amz-checksum-crc32c",
            Algorithm::Crc64nvme => "x-amz-checksum-crc64nvme",
            Algorithm::Sha1 => "x-amz-checksum-sha1",
            Algorithm::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The element that carries a value.
    pub fn element(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "ChecksumCRC32",
            Algorithm::Crc32c => "ChecksumCRC32C",
            Algorithm::Crc64nvme => "ChecksumCRC64NVME",
            Algorithm::Sha1 => "ChecksumSHA1",
            Algorithm::Sha256 => "ChecksumSHA256",
        }
    }

    /// How long a value is, in bytes before base64.
    pub fn len(self) -> usize {
        match self {
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64nvme => 8,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
        }
    }

    /// What a multipart upload has where the writer does not say.
    pub fn default_kind(self) -> ChecksumKind {
        match self {
            Algorithm::Crc64nvme => ChecksumKind::FullObject,
            _ => ChecksumKind::Composite,
        }
    }

    /// Only the linear ones can be put together from those of the parts, and CRC-64/NVME only so.
    pub fn allows(self, kind: ChecksumKind) -> bool {
        match kind {
            ChecksumKind::FullObject => self.crc().is_some(),
            ChecksumKind::Composite => self != Algorithm::Crc64nvme,
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Algorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Algorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Algorithm::Crc64nvme => Some(CrcAlgorithm::Crc64Nvme),
            Algorithm::Sha1 | Algorithm::Sha256 => None,
        }
    }

    fn encode_crc(self, value: u64) -> String {
        let bytes = value.to_be_bytes();
        STANDARD.encode(&bytes[bytes.len() - self.len()..])
    }

    /// The checksum of a whole object out of those of its parts: each value in base64, each size in bytes.
    /// `None` where a value is not one of this algorithm.
    pub fn combine(self, kind: ChecksumKind, parts: &[(&str, u64)]) -> Option<ObjectChecksum> {
        let raw: Vec<Vec<u8>> = parts
            .iter()
            .map(|(value, _)| STANDARD.decode(value).ok().filter(|bytes| bytes.len() == self.len()))
            .collect::<Option<_>>()?;
        let value = match (kind, self.crc()) {
            (ChecksumKind::FullObject, Some(crc)) => {
                let value = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
                let (first, rest) = raw.split_first()?;
                let whole = rest.iter().zip(parts.iter().skip(1)).fold(value(first), |sum, (bytes, part)| {
                    crc_fast::checksum_combine(crc, sum, value(bytes), part.1)
                });
                self.encode_crc(whole)
            }
            (ChecksumKind::FullObject, None) => return None,
            (ChecksumKind::Composite, _) => {
                let mut hasher = Hasher::new(self);
                raw.iter().for_each(|bytes| hasher.update(bytes));
                format!("{}-{}", hasher.finish(), parts.len())
            }
        };
        Some(ObjectChecksum { algorithm: self, kind, value })
    }
}

impl ChecksumKind {
    pub fn name(self) -> &'static str {
        match self {
            ChecksumKind::FullObject => "FULL_OBJECT",
            ChecksumKind::Composite => "COMPOSITE",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [ChecksumKind::FullObject, ChecksumKind::Composite].into_iter().find(|kind| kind.name() == name)
    }
}

/// A checksum being computed.
pub enum Hasher {
    Crc(Algorithm, Box<crc_fast::Digest>),
    Sha1(Box<sha1::Sha1>),
    Sha256(Box<sha2::Sha256>),
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        match (algorithm, algorithm.crc()) {
            (_, Some(crc)) => Hasher::Crc(algorithm, Box::new(crc_fast::Digest::new(crc))),
            (Algorithm::Sha1, None) => Hasher::Sha1(Box::default()),
            (_, None) => Hasher::Sha256(Box::default()),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Crc(_, digest) => digest.update(bytes),
            Hasher::Sha1(digest) => digest.update(bytes),
            Hasher::Sha256(digest) => digest.update(bytes),
        }
    }

    /// In base64.
    pub fn finish(self) -> String {
        match self {
            Hasher::Crc(algorithm, digest) => algorithm.encode_crc(digest.finalize()),
            Hasher::Sha1(digest) => STANDARD.encode(digest.finalize()),
            Hasher::Sha256(digest) => STANDARD.encode(digest.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The check values of the catalogue of parametrised CRC algorithms, and of FIPS 180, for "123456789".
    #[test]
    fn the_check_values_of_the_standards_come_out() {
        let hex = |text: &str| STANDARD.encode(hex::decode(text).expect("hex"));
        let known = [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Crc32c, "e3069283"),
            (Algorithm::Crc64nvme, "ae8b14860a799888"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ];
        for (algorithm, expected) in known {
            assert_eq!(of(algorithm, b"123456789"), hex(expected), "{}", algorithm.name());
        }
    }

    proptest! {
        #[test]
        fn parts_put_together_have_the_checksum_of_the_whole(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 1..6),
        ) {
            for algorithm in Algorithm::ALL {
                let sums: Vec<(String, u64)> =
                    parts.iter().map(|part| (of(algorithm, part), part.len() as u64)).collect();
                let sums: Vec<(&str, u64)> = sums.iter().map(|(sum, size)| (sum.as_str(), *size)).collect();
                let whole = algorithm.combine(ChecksumKind::FullObject, &sums).map(|sum| sum.value);
                let expected = algorithm.allows(ChecksumKind::FullObject).then(|| of(algorithm, &parts.concat()));
                prop_assert_eq!(whole, expected);
            }
        }
    }
}
