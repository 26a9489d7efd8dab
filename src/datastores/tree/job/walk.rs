//! Follows a tar archive while it flows by: whether it is one, how many members it has, and whether its end was reached.
//!
//! An exit code alone says too little: a login script that prints a line, or a connection that breaks at the end of a
//! member, would otherwise end up in a backup that nothing unpacks. Reads headers alone and keeps nothing of the data.
//! The format is that of pax(1)
//! (<https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_01>).

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use tar::{EntryType, Header, PaxExtensions};

/// Everything in an archive is a multiple of this.
const BLOCK: usize = 512;

/// Extended headers beyond this are passed over: nothing of ours is in them.
const LARGEST_EXTENSION: u64 = 16 << 20;

/// An archive that is followed while it is read.
pub struct Followed<R> {
    archive: R,
    walk: Arc<Mutex<Walk>>,
    /// What makes an archive none, as a rule: behind the reason.
    hint: &'static str,
}

impl<R: Read> Followed<R> {
    pub fn new(archive: R, walk: Arc<Mutex<Walk>>, hint: &'static str) -> Self {
        Followed { archive, walk, hint }
    }
}

impl<R: Read> Read for Followed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.archive.read(buffer)?;
        let mut walk = self.walk.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = walk.feed(buffer.get(..read).unwrap_or_default());
        seen.map_err(|why| {
            let why = format!("what should be tar's archive is none: {why}{}", self.hint);
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
        Ok(read)
    }
}

/// An archive as far as it was seen.
#[derive(Debug)]
pub struct Walk {
    state: State,
    /// What is there of the block that is being read.
    block: Vec<u8>,
    /// The size that an extended header gives the member behind it.
    size: Option<u64>,
    members: u64,
}

#[derive(Debug)]
enum State {
    /// At the first byte of a header.
    Header,
    /// So many bytes of data and padding go by.
    Data(u64),
    /// An extended header: its bytes so far, how many are still to come, how much padding follows.
    Extension { text: Vec<u8>, left: u64, padding: u64 },
    /// Behind so many blocks of zeros.
    End(u32),
    /// Not an archive, from here on.
    Broken(&'static str),
}

impl Default for Walk {
    fn default() -> Self {
        Walk { state: State::Header, block: Vec::with_capacity(BLOCK), size: None, members: 0 }
    }
}

impl Walk {
    /// The next bytes. The error says why what was seen so far is no archive.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            bytes = match &mut self.state {
                State::Broken(why) => return Err(why),
                State::Data(left) => {
                    let (gone, rest) = split(bytes, *left);
                    *left -= gone.len() as u64;
                    if *left == 0 {
                        self.state = State::Header;
                    }
                    rest
                }
                State::Extension { text, left, padding } => {
                    let (part, rest) = split(bytes, *left);
                    text.extend_from_slice(part);
                    *left -= part.len() as u64;
                    if *left == 0 {
                        self.size = size_in(text).or(self.size);
                        self.state = after(*padding);
                    }
                    rest
                }
                State::Header | State::End(_) => {
                    let (part, rest) = split(bytes, (BLOCK - self.block.len()) as u64);
                    self.block.extend_from_slice(part);
                    if self.block.len() == BLOCK {
                        self.whole_block();
                        self.block.clear();
                    }
                    rest
                }
            };
        }
        match &self.state {
            State::Broken(why) => Err(why),
            _ => Ok(()),
        }
    }

    /// How many members there are, where the archive is whole.
    pub fn end(&self) -> Result<u64, &'static str> {
        match &self.state {
            State::Broken(why) => Err(why),
            State::End(2..) if self.block.is_empty() => Ok(self.members),
            _ => Err("it is cut off"),
        }
    }

    fn whole_block(&mut self) {
        let is_zero = self.block.iter().all(|byte| *byte == 0);
        self.state = match (&self.state, is_zero) {
            (State::End(seen), true) => State::End(seen.saturating_add(1)),
            (State::End(_), false) => State::Broken("something stands behind its end"),
            (_, true) => State::End(1),
            (_, false) => self.header(),
        };
    }

    fn header(&mut self) -> State {
        let Ok(block) = <&[u8; BLOCK]>::try_from(self.block.as_slice()) else {
            return State::Broken("a header is too short");
        };
        let header = Header::from_byte_slice(block);
        // The checksum counts itself as blanks.
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum::<u32>()
            - block[148..156].iter().map(|byte| u32::from(*byte)).sum::<u32>()
            + 8 * u32::from(b' ');
        if header.cksum().ok() != Some(sum) {
            return State::Broken("something else than an archive stands in it");
        }
        let Ok(size) = header.entry_size() else { return State::Broken("a header has no size") };
        let kind = header.entry_type();
        if matches!(kind, EntryType::XHeader | EntryType::XGlobalHeader) {
            return match size {
                0 => State::Header,
                1..=LARGEST_EXTENSION => State::Extension {
                    text: Vec::new(),
                    left: size,
                    padding: padded(size).map_or(0, |padded| padded - size),
                },
                _ => padded(size).map_or(State::Broken("a header is too long"), after),
            };
        }
        // Names of GNU's own format that are too long for a header stand before it as data.
        if !matches!(kind, EntryType::GNULongName | EntryType::GNULongLink) {
            self.members += 1;
        }
        let size = self.size.take().unwrap_or(size);
        padded(size).map_or(State::Broken("a member is larger than anything is"), after)
    }
}

fn after(data: u64) -> State {
    if data == 0 { State::Header } else { State::Data(data) }
}

fn split(bytes: &[u8], most: u64) -> (&[u8], &[u8]) {
    bytes.split_at(usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len()))
}

fn padded(size: u64) -> Option<u64> {
    size.checked_next_multiple_of(BLOCK as u64)
}

/// The size that an extended header tells, for members that a plain header has no digits for.
fn size_in(text: &[u8]) -> Option<u64> {
    let records = PaxExtensions::new(text).flatten();
    records
        .filter(|record| record.key_bytes() == b"size")
        .find_map(|record| record.value().ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An archive of files of these sizes.
    fn archive(sizes: &[usize]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (index, size) in sizes.iter().enumerate() {
            let mut header = Header::new_ustar();
            header.set_size(*size as u64);
            header.set_mode(0o600);
            header.set_cksum();
            let name = format!("{}{index}", "long/".repeat(if index % 2 == 0 { 1 } else { 60 }));
            builder.append_data(&mut header, name, vec![7u8; *size].as_slice()).expect("appended");
        }
        builder.into_inner().expect("ended")
    }

    fn walked(bytes: &[u8], step: usize) -> Result<u64, &'static str> {
        let mut walk = Walk::default();
        bytes.chunks(step).try_for_each(|part| walk.feed(part))?;
        walk.end()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_whole_archive_is_one_however_it_comes_and_no_part_of_it_is(
            sizes in prop::collection::vec(0usize..3000, 0..6), step in 1usize..2000, cut in any::<prop::sample::Index>(),
        ) {
            let bytes = archive(&sizes);
            prop_assert_eq!(walked(&bytes, step), Ok(sizes.len() as u64));
            // GNU tar fills its last record with zeros.
            prop_assert_eq!(walked(&[bytes.as_slice(), &[0; 10240]].concat(), step), Ok(sizes.len() as u64));
            let short = &bytes[..cut.index(bytes.len())];
            prop_assert_eq!(walked(short, step), Err("it is cut off"));
        }

        #[test]
        fn any_bytes_are_followed_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..3000), step in 1usize..600) {
            let _ = walked(&bytes, step);
        }
    }

    #[test]
    fn what_a_login_script_prints_is_no_archive() {
        let bytes = [b"Welcome to web!\n".as_slice(), &archive(&[3])].concat();
        assert_eq!(walked(&bytes, 100), Err("something else than an archive stands in it"));
        let behind = [archive(&[3]).as_slice(), b"logged out\n", &[0; 501]].concat();
        assert_eq!(walked(&behind, 100), Err("something stands behind its end"));
    }

    #[test]
    fn sizes_beyond_a_plain_header_are_read() {
        let record = b"19 size=9000000000\n";
        let mut extension = Header::new_ustar();
        extension.set_entry_type(EntryType::XHeader);
        extension.set_size(record.len() as u64);
        extension.set_cksum();
        let mut file = Header::new_ustar();
        file.set_size(0);
        file.set_cksum();
        let mut walk = Walk::default();
        let mut padded = record.to_vec();
        padded.resize(BLOCK, 0);
        for part in [extension.as_bytes().as_slice(), &padded, file.as_bytes()] {
            walk.feed(part).expect("an archive");
        }
        assert!(matches!(walk.state, State::Data(left) if left >= 9_000_000_000 && left % 512 == 0));
    }
}
