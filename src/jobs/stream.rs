//! The pipe of a backup: a dump's bytes are compressed, hashed and written while they come.
//!
//!     dump -> blocks -> compressors (N threads) -> in order -> checksums -> file -> word of each part that is there
//!
//! Memory is a few blocks for each thread, whatever the size. The file is the only copy: the upload follows it part by
//! part, so that a slow network never holds back the dump (and with it the WAL that the server must keep).

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use crc_fast::CrcAlgorithm::Crc64Nvme;
use sha2::{Digest, Sha256};

use super::compress::{Compressor, block_size};
use crate::datastores::dump::LAST_BYTES;
use crate::datastores::job_file::Compression;

/// Where the flow broke.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    #[error("reading the dump failed: {0}")]
    Read(io::Error),
    #[error("compressing failed: {0}")]
    Compress(io::Error),
    #[error("writing the backup failed: {0}")]
    Write(io::Error),
}

/// What flowed, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Bytes before compression.
    pub uncompressed: u64,
    /// Bytes in the file.
    pub bytes: u64,
    pub sha256: [u8; 32],
    pub crc64nvme: u64,
    /// The last bytes before compression, at most [`LAST_BYTES`].
    pub last: Vec<u8>,
}

/// A stretch of the file that is written and will not change. Parts follow one another without gaps, number 1 first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub number: u32,
    pub offset: u64,
    pub length: u64,
    pub crc64nvme: u64,
}

/// Lets `dump` flow into `file`, and says of each part that is written: parts are cut at the sizes that `part_size`
/// gives by number, the last one where the dump ends (an empty file is one empty part).
pub fn flow(
    dump: impl Read + Send,
    file: impl Write,
    compression: Compression,
    threads: NonZeroUsize,
    part_size: impl Fn(u32) -> u64,
    on_part: impl FnMut(Part),
) -> Result<Flow, FlowError> {
    let threads = threads.get();
    // One block in hand for each thread and one waiting: enough that nobody idles.
    let (work, todo) = sync_channel::<Work>(threads);
    let (order, blocks) = sync_channel::<Receiver<io::Result<Memory>>>(2 * threads);
    // Blocks go round: fresh memory for each would cost as much as reading it.
    let (give_back, spare) = channel();
    let todo = Mutex::new(todo);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| compress(&todo, compression));
        }
        let reader = scope.spawn(move || read(dump, block_size(compression), &spare, &work, &order));
        let mut sink = Sink::new(file, part_size, on_part);
        // Whatever stops the sink, its receiver goes with it: the reader then stops, and the compressors after it.
        let written = write(blocks, &mut sink, give_back);
        let read = reader.join().unwrap_or_else(|_| Err(io::Error::other("the reader broke off")));
        written?;
        let Input { uncompressed, last } = read.map_err(FlowError::Read)?;
        let (bytes, sha256, crc64nvme) = sink.finish();
        Ok(Flow { uncompressed, bytes, sha256, crc64nvme, last })
    })
}

/// A block, room for its compressed form, and where that is awaited.
struct Work {
    memory: Memory,
    answer: SyncSender<io::Result<Memory>>,
}

/// What goes round: filled by the reader, compressed, written, and given back.
#[derive(Default)]
struct Memory {
    block: Vec<u8>,
    packed: Vec<u8>,
}

struct Input {
    uncompressed: u64,
    last: Vec<u8>,
}

/// Cuts the dump into blocks and hands each to the compressors; `order` keeps their order.
fn read(
    mut dump: impl Read,
    block_size: usize,
    spare: &Receiver<Memory>,
    work: &SyncSender<Work>,
    order: &SyncSender<Receiver<io::Result<Memory>>>,
) -> io::Result<Input> {
    let mut input = Input { uncompressed: 0, last: Vec::new() };
    loop {
        let mut memory = spare.try_recv().unwrap_or_default();
        let block = &mut memory.block;
        block.clear();
        block.reserve(block_size);
        dump.by_ref().take(block_size as u64).read_to_end(block)?;
        // An empty dump still makes one block: an empty file would not unpack.
        if block.is_empty() && input.uncompressed > 0 {
            return Ok(input);
        }
        let whole = block.len() == block_size;
        input.uncompressed += block.len() as u64;
        keep_last(&mut input.last, block);
        let (answer, answered) = sync_channel(1);
        // A receiver that is gone has an error of its own, which is the one to tell.
        if order.send(answered).is_err() || work.send(Work { memory, answer }).is_err() || !whole {
            return Ok(input);
        }
    }
}

/// Keeps the last bytes of everything seen.
fn keep_last(last: &mut Vec<u8>, block: &[u8]) {
    last.extend_from_slice(&block[block.len().saturating_sub(LAST_BYTES)..]);
    let excess = last.len().saturating_sub(LAST_BYTES);
    last.drain(..excess);
}

fn compress(todo: &Mutex<Receiver<Work>>, compression: Compression) {
    let mut compressor = Compressor::new(compression);
    loop {
        let next = todo.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Work { mut memory, answer }) = next else { return };
        let packed = match &mut compressor {
            Ok(compressor) => compressor.compress(&memory.block, &mut memory.packed),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        // Nobody waits any more where writing has failed, or reading is over.
        let _ = answer.send(packed.map(|()| memory));
    }
}

fn write<W: Write, S: Fn(u32) -> u64, P: FnMut(Part)>(
    blocks: Receiver<Receiver<io::Result<Memory>>>,
    sink: &mut Sink<W, S, P>,
    give_back: Sender<Memory>,
) -> Result<(), FlowError> {
    while let Ok(answered) = blocks.recv() {
        // A reader that stopped between announcing a block and handing it over tells why itself.
        let Ok(done) = answered.recv() else { continue };
        let memory = done.map_err(FlowError::Compress)?;
        sink.put(&memory.packed).map_err(FlowError::Write)?;
        // The reader may be done already.
        let _ = give_back.send(memory);
    }
    Ok(())
}

/// Writes, hashes and cuts into parts.
struct Sink<W, S, P> {
    file: W,
    part_size: S,
    on_part: P,
    sha256: Sha256,
    /// Of the whole parts so far.
    crc: crc_fast::Digest,
    part: Part,
    part_crc: crc_fast::Digest,
}

impl<W: Write, S: Fn(u32) -> u64, P: FnMut(Part)> Sink<W, S, P> {
    fn new(file: W, part_size: S, on_part: P) -> Self {
        let crc = crc_fast::Digest::new(Crc64Nvme);
        let part = Part { number: 1, offset: 0, length: 0, crc64nvme: 0 };
        Sink { file, part_size, on_part, sha256: Sha256::new(), crc, part, part_crc: crc }
    }

    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.sha256.update(bytes);
        while !bytes.is_empty() {
            let room = (self.part_size)(self.part.number).saturating_sub(self.part.length);
            if room == 0 {
                self.cut();
                continue;
            }
            let taken = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(taken);
            self.part_crc.update(now);
            self.part.length += taken as u64;
            bytes = later;
        }
        Ok(())
    }

    /// Tells the part and begins the next.
    fn cut(&mut self) {
        self.crc.combine(&self.part_crc);
        self.part.crc64nvme = self.part_crc.finalize_reset();
        (self.on_part)(self.part);
        let next = self.part.number + 1;
        self.part =
            Part { number: next, offset: self.part.offset + self.part.length, length: 0, crc64nvme: 0 };
    }

    fn finish(mut self) -> (u64, [u8; 32], u64) {
        if self.part.length > 0 || self.part.number == 1 {
            self.cut();
        }
        (self.part.offset, self.sha256.finalize().into(), self.crc.finalize())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that compress neither to nothing nor not at all.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 60) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    fn run(input: &[u8], compression: Compression, threads: usize, part: u64) -> (Vec<u8>, Flow, Vec<Part>) {
        let (mut file, mut parts) = (Vec::new(), Vec::new());
        let threads = NonZeroUsize::new(threads).expect("not zero");
        let flow =
            flow(input, &mut file, compression, threads, |_| part, |part| parts.push(part)).expect("flows");
        (file, flow, parts)
    }

    #[test]
    fn what_flows_is_what_unpacks_and_every_number_agrees() {
        let input = noise(9 << 20);
        for compression in [Compression::Gzip, Compression::Zstd] {
            let (file, flow, parts) = run(&input, compression, 3, 1 << 20);
            let unpacked = match compression {
                Compression::Gzip => io::read_to_string(flate2::read::MultiGzDecoder::new(&file[..]))
                    .expect("unpacks")
                    .into_bytes(),
                Compression::Zstd => zstd::stream::decode_all(&file[..]).expect("unpacks"),
            };
            assert!(unpacked == input, "{compression:?}");
            assert_eq!(flow.uncompressed, input.len() as u64);
            assert_eq!(flow.bytes, file.len() as u64);
            assert_eq!(flow.sha256, <[u8; 32]>::from(Sha256::digest(&file)));
            assert_eq!(flow.crc64nvme, crc_fast::checksum(Crc64Nvme, &file));
            assert_eq!(flow.last, input[input.len() - LAST_BYTES..]);
            for (index, part) in parts.iter().enumerate() {
                let range = part.offset as usize..(part.offset + part.length) as usize;
                assert_eq!(part.number as usize, index + 1);
                assert_eq!(part.crc64nvme, crc_fast::checksum(Crc64Nvme, &file[range]));
            }
            assert_eq!(parts.iter().map(|part| part.length).sum::<u64>(), flow.bytes);
        }
    }

    #[test]
    fn nothing_at_all_is_one_part_that_unpacks_to_nothing() {
        let (file, flow, parts) = run(b"", Compression::Gzip, 1, 1 << 20);
        assert_eq!((flow.uncompressed, flow.last.len(), parts.len()), (0, 0, 1));
        assert_eq!(io::read_to_string(flate2::read::MultiGzDecoder::new(&file[..])).expect("unpacks"), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// The number of threads is a matter of speed alone, and parts have the sizes asked for.
        #[test]
        fn threads_and_parts_change_nothing(length in 0usize..3_000_000, threads in 1usize..5, part in 1u64..300_000) {
            let input = noise(length);
            let (alone, _, _) = run(&input, Compression::Gzip, 1, u64::MAX);
            let (file, _, parts) = run(&input, Compression::Gzip, threads, part);
            prop_assert!(alone == file);
            for cut in parts.iter().rev().skip(1) {
                prop_assert_eq!(cut.length, part);
            }
        }
    }

    /// A disk with little room.
    struct Small(usize);

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = self.0.min(bytes.len());
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_stops_the_flow_and_says_so() {
        let threads = NonZeroUsize::new(2).expect("not zero");
        let input = noise(64 << 20);
        let error = flow(&input[..], Small(100_000), Compression::Gzip, threads, |_| u64::MAX, |_| {});
        assert!(matches!(error, Err(FlowError::Write(why)) if why.kind() == io::ErrorKind::StorageFull));
    }

    #[test]
    fn a_reader_that_fails_stops_the_flow_and_says_so() {
        struct Broken(usize);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::ConnectionReset)?;
                buffer.fill(7);
                Ok(buffer.len())
            }
        }
        let threads = NonZeroUsize::new(2).expect("not zero");
        let error = flow(Broken(1000), Vec::new(), Compression::Zstd, threads, |_| u64::MAX, |_| {});
        assert!(matches!(error, Err(FlowError::Read(why)) if why.kind() == io::ErrorKind::ConnectionReset));
    }
}
