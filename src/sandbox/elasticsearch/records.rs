//! What the stand-in remembers, in memory or in a file that several processes share.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::locked;

/// A cluster, and what its repositories hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    pub indices: BTreeMap<String, Index>,
    pub repositories: BTreeMap<String, Repository>,
    /// By place, then by name.
    pub contents: BTreeMap<String, BTreeMap<String, Kept>>,
    /// Makes names that are there once.
    pub counter: u64,
}

/// One index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    pub documents: u64,
    pub shards: u64,
    pub replicas: u64,
    pub open: bool,
    /// How often it is still seen red.
    pub red: u32,
}

impl Index {
    pub fn of(documents: u64) -> Self {
        Index { documents, shards: 2, replicas: 1, open: true, red: 0 }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    pub kind: String,
    pub settings: BTreeMap<String, String>,
}

impl Repository {
    /// Where its snapshots lie: two repositories may share it.
    pub fn place(&self) -> String {
        let of = |name: &str| self.settings.get(name).map(String::as_str).unwrap_or_default();
        match self.kind.as_str() {
            "s3" => format!("s3 {}/{}", of("bucket"), of("base_path")),
            kind => format!("{kind} {}", of("location")),
        }
    }
}

/// One snapshot in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub uuid: String,
    pub version: String,
    /// As the API has it.
    pub state: String,
    pub started: DateTime<Utc>,
    pub ended: Option<DateTime<Utc>>,
    pub indices: BTreeMap<String, Index>,
    /// Index, shard, reason.
    pub failures: Vec<(String, u64, String)>,
    pub reason: Option<String>,
    /// How often it is still seen under way, and what it is then; `None`: for ever.
    pub left: Option<u32>,
    pub then: String,
}

impl Default for Records {
    /// A cluster that somebody uses.
    fn default() -> Self {
        let indices = [("cases_2024-05-09", 1200), ("forms_2024-05-09", 4800), ("users_2024-05-09", 35)];
        Records {
            indices: indices.map(|(name, documents)| (name.to_owned(), Index::of(documents))).into(),
            repositories: BTreeMap::new(),
            contents: BTreeMap::new(),
            counter: 0,
        }
    }
}

/// Where it is remembered.
pub enum Shelf {
    Memory(Box<Mutex<Records>>),
    File(PathBuf),
}

impl Shelf {
    pub fn memory() -> Self {
        Shelf::Memory(Box::default())
    }

    /// One change at a time, whoever makes it.
    pub fn change<T>(&self, change: impl FnOnce(&mut Records) -> T) -> io::Result<T> {
        let path = match self {
            Shelf::Memory(records) => return Ok(change(&mut locked(records))),
            Shelf::File(path) => path,
        };
        let directory = path.parent().unwrap_or(std::path::Path::new("/"));
        fs::create_dir_all(directory)?;
        let lock = File::create(directory.join(".stand-in.lock"))?;
        lock.lock()?;
        let before = match fs::read(path) {
            Ok(text) => Some(serde_json::from_slice::<Records>(&text).map_err(io::Error::other)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut records = before.clone().unwrap_or_default();
        let done = change(&mut records);
        if before.as_ref() != Some(&records) {
            let file = tempfile::Builder::new().prefix(".stand-in-").tempfile_in(directory)?;
            serde_json::to_writer_pretty(&file, &records).map_err(io::Error::other)?;
            file.persist(path).map_err(|error| error.error)?;
        }
        Ok(done)
    }
}
