//! A dump that the test makes up: bytes that do not compress, and an end of the test's choice.

use std::io::{self, Read};

use reconcile::datastores::dump::{Dump, DumpError, Facts, Scratch};
use reconcile::datastores::job_file::Compression;
use reconcile::datastores::names::Content;

/// How the dump ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Whole,
    /// The bytes end, and then the dump says that it failed.
    Failed,
    /// Reading breaks off half way.
    Broken,
}

pub struct Made {
    pub bytes: u64,
    pub end: End,
}

impl Made {
    /// What `jobs::backup_with` takes.
    pub fn open(
        bytes: u64,
        end: End,
    ) -> impl FnOnce(Scratch) -> Result<Box<dyn Dump>, DumpError> + Send + 'static {
        move |_| Ok(Box::new(Made { bytes, end }))
    }
}

impl Dump for Made {
    fn facts(&self) -> Facts {
        let method = "plain".to_owned();
        Facts {
            method,
            content: Content::Archive,
            server_version: None,
            source: Default::default(),
            notes: Vec::new(),
        }
    }

    fn stream(&mut self) -> Result<Box<dyn Read + Send>, DumpError> {
        Ok(Box::new(Noise { left: self.bytes, state: 1, broken: self.end == End::Broken }))
    }

    fn finish(self: Box<Self>, _last: &[u8]) -> Result<Vec<String>, DumpError> {
        match self.end {
            End::Failed => Err(DumpError::new("the dump failed: because of the test")),
            _ => Ok(Vec::new()),
        }
    }

    fn restore(&self, _name: &str, _compression: Compression) -> Vec<String> {
        Vec::new()
    }
}

struct Noise {
    left: u64,
    state: u64,
    broken: bool,
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if length == 0 && self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        for chunk in buffer[..length].chunks_mut(8) {
            self.state = self.state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let noise = (self.state ^ (self.state >> 29)).to_le_bytes();
            chunk.copy_from_slice(&noise[..chunk.len()]);
        }
        self.left -= length as u64;
        Ok(length)
    }
}
