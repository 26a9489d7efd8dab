//! Bodies that come in frames, a checksum behind them.

use bytes::{Buf, Bytes};

use super::http::Refusal;
use super::receive::invalid;

/// The frames of `aws-chunked`: `SIZE[;extension]\r\n DATA \r\n ... 0\r\n TRAILER: VALUE\r\n ... \r\n`. Signatures
/// of chunks are not judged, as those of requests are not.
#[derive(Default)]
pub struct Framing {
    state: Frame,
    line: Vec<u8>,
    trailer: Trailer,
}

/// Names in lower case, and values.
pub type Trailer = Vec<(String, String)>;

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Frame {
    #[default]
    Size,
    Data(u64),
    /// The line end behind the data.
    End,
    Trailer,
    Done,
}

impl Framing {
    /// The longest line of a frame: a signature or a checksum.
    const LONGEST_LINE: usize = 1024;

    /// Takes from `bytes` until data comes out or nothing is left.
    pub fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Bytes>, Refusal> {
        let malformed = || invalid("The body is not well formed aws-chunked content");
        while bytes.has_remaining() {
            if let Frame::Data(left) = self.state {
                let data = bytes.split_to(left.min(bytes.len() as u64) as usize);
                let left = left - data.len() as u64;
                self.state = if left == 0 { Frame::End } else { Frame::Data(left) };
                return Ok(Some(data));
            }
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                self.line.extend_from_slice(bytes);
                bytes.clear();
                return if self.line.len() > Self::LONGEST_LINE { Err(malformed()) } else { Ok(None) };
            };
            self.line.extend_from_slice(&bytes.split_to(end + 1));
            let line = std::mem::take(&mut self.line);
            let line = std::str::from_utf8(&line).ok().and_then(|line| line.strip_suffix("\r\n"));
            let line = line.ok_or_else(malformed)?;
            self.state = match self.state {
                Frame::Size => {
                    let size = line.split(';').next().unwrap_or_default();
                    match u64::from_str_radix(size, 16).map_err(|_| malformed())? {
                        0 => Frame::Trailer,
                        size => Frame::Data(size),
                    }
                }
                Frame::End if line.is_empty() => Frame::Size,
                Frame::Trailer if line.is_empty() => Frame::Done,
                Frame::Trailer => {
                    let (name, value) = line.split_once(':').ok_or_else(malformed)?;
                    self.trailer.push((name.trim().to_lowercase(), value.trim().to_owned()));
                    Frame::Trailer
                }
                Frame::End | Frame::Data(_) | Frame::Done => return Err(malformed()),
            };
        }
        Ok(None)
    }

    pub fn finish(self) -> Result<Trailer, Refusal> {
        match self.state {
            Frame::Done => Ok(self.trailer),
            // The last empty line may be missing when there is no trailer.
            Frame::Trailer if self.line.is_empty() => Ok(self.trailer),
            _ => Err(invalid("The aws-chunked body ended before its last chunk")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unframe(pieces: &[Bytes]) -> Result<(Vec<u8>, Trailer), Refusal> {
        let mut framing = Framing::default();
        let mut data = Vec::new();
        for piece in pieces {
            let mut piece = piece.clone();
            while let Some(bytes) = framing.next(&mut piece)? {
                data.extend_from_slice(&bytes);
            }
        }
        framing.finish().map(|trailer| (data, trailer))
    }

    proptest! {
        #[test]
        fn frames_come_apart_wherever_the_network_cuts_them(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..5),
            cut in 1usize..30,
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend(format!("{:x};chunk-signature=ab\r\n", chunk.len()).bytes());
                wire.extend(chunk);
                wire.extend(b"\r\n");
            }
            wire.extend(b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
            let pieces: Vec<Bytes> = wire.chunks(cut).map(Bytes::copy_from_slice).collect();
            let (data, trailer) = unframe(&pieces).expect("well formed");
            prop_assert_eq!(data, chunks.concat());
            prop_assert_eq!(trailer, [("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned())]);
        }

        #[test]
        fn nothing_is_whole_without_a_last_chunk(wire in prop::collection::vec(any::<u8>(), 0..200)) {
            let answer = unframe(&[Bytes::from(wire.clone())]);
            prop_assert!(answer.is_err() || wire.contains(&b'0'));
        }
    }

    #[test]
    fn a_cut_body_is_noticed() {
        for wire in ["", "5\r\nabc", "3\r\nabc\r\n", "3\r\nabcd\r\n", "x\r\n", "0\r\nname"] {
            assert!(unframe(&[Bytes::from(wire)]).is_err(), "{wire:?}");
        }
    }
}
