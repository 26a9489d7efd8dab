//! Compressing in blocks, each on its own: blocks side by side on several threads, one after the other in the file.
//!
//! Both formats allow it: several gzip members (RFC 1952, 2.2) or zstd frames (RFC 8878, 3) in a row unpack to the
//! concatenation of what they hold, with every ordinary tool. Memory depends on the number of threads alone.

use std::io;

use crate::datastores::job_file::Compression;

/// pigz's and gzip's default.
const GZIP_LEVEL: u32 = 6;
/// zstd's default.
const ZSTD_LEVEL: i32 = 3;

/// How many bytes are compressed as one: large enough that beginning afresh costs well under a percent of size.
pub fn block_size(compression: Compression) -> usize {
    match compression {
        Compression::Gzip => 1 << 20,
        // The window of level 3.
        Compression::Zstd => 2 << 20,
    }
}

/// One thread's compressor, used for block after block.
pub enum Compressor {
    Gzip(flate2::Compress),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Compressor {
    pub fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            // 15 bits of window: the format's most, and what gzip uses.
            Compression::Gzip => {
                Compressor::Gzip(flate2::Compress::new_gzip(flate2::Compression::new(GZIP_LEVEL), 15))
            }
            Compression::Zstd => {
                let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
                compressor.include_checksum(true)?;
                Compressor::Zstd(compressor)
            }
        })
    }

    /// Makes of `out` a whole gzip member or zstd frame that holds `block`. What `out` held is gone, its memory is used
    /// again: where data does not shrink, getting fresh memory would take longer than compressing.
    pub fn compress(&mut self, block: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        match self {
            Compressor::Gzip(gzip) => {
                gzip.reset();
                // Dumps shrink to a third or less; what does not fit grows the buffer below.
                out.reserve(block.len() / 3 + 1024);
                loop {
                    let done = usize::try_from(gzip.total_in()).unwrap_or(usize::MAX);
                    let rest = block.get(done..).unwrap_or_default();
                    match gzip.compress_vec(rest, out, flate2::FlushCompress::Finish)? {
                        flate2::Status::StreamEnd => return Ok(()),
                        flate2::Status::Ok | flate2::Status::BufError => out.reserve(block.len() / 8 + 1024),
                    }
                }
            }
            Compressor::Zstd(zstd) => {
                out.reserve(zstd::zstd_safe::compress_bound(block.len()));
                zstd.compress_to_buffer(block, out).map(|_| ())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn unpack(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match compression {
            Compression::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out),
            Compression::Zstd => {
                zstd::stream::read::Decoder::new(bytes).expect("decoder").read_to_end(&mut out)
            }
        }
        .expect("unpacks");
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn blocks_in_a_row_unpack_to_their_concatenation(
            blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 1..4),
        ) {
            for compression in [Compression::Gzip, Compression::Zstd] {
                let mut compressor = Compressor::new(compression).expect("compressor");
                let (mut packed, mut out) = (Vec::new(), b"what was there before".to_vec());
                for block in &blocks {
                    compressor.compress(block, &mut out).expect("compresses");
                    packed.extend_from_slice(&out);
                }
                prop_assert_eq!(unpack(compression, &packed), blocks.concat());
            }
        }
    }
}
