//! What is backed up: a small archive, and a dump of it that ends as it is told.

use std::collections::BTreeMap;
use std::io::{self, Read};

use reconcile::datastores::dump::{Dump, DumpError, Facts, Scratch};
use reconcile::datastores::job_file::Compression;
use reconcile::datastores::names::Content;

/// How a dump goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    Refused,
    Breaks,
    Fails,
}

/// A small archive, and how reading it ends.
pub(super) struct Archive(Vec<u8>, End);

impl Archive {
    pub(super) fn open(
        bytes: &[u8],
        end: End,
    ) -> impl FnOnce(Scratch) -> Result<Box<dyn Dump>, DumpError> + Send + use<> {
        let bytes = bytes.to_vec();
        move |_| match end {
            End::Refused => Err(DumpError::new("the source does not answer")),
            _ => Ok(Box::new(Archive(bytes, end))),
        }
    }
}

/// Ends with an error.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

impl Dump for Archive {
    fn facts(&self) -> Facts {
        Facts {
            method: "tree".to_owned(),
            content: Content::Archive,
            server_version: None,
            source: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    fn stream(&mut self) -> Result<Box<dyn Read + Send>, DumpError> {
        let bytes = std::mem::take(&mut self.0);
        Ok(match self.1 {
            End::Breaks => Box::new(io::Cursor::new(bytes[..1000].to_vec()).chain(Broken)),
            _ => Box::new(io::Cursor::new(bytes)),
        })
    }

    fn finish(self: Box<Self>, _: &[u8]) -> Result<Vec<String>, DumpError> {
        match self.1 {
            End::Fails => Err(DumpError::new("the source went away")),
            _ => Ok(Vec::new()),
        }
    }

    fn restore(&self, _: &str, _: Compression) -> Vec<String> {
        Vec::new()
    }
}
