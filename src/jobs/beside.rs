//! Notes beside a backup, on disk and in the bucket: JSON with its format as a member, under the backup's name and an
//! ending of its own. Manifest and evidence are two.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::directory;

/// A note of one kind.
pub trait Beside: Serialize + DeserializeOwned {
    /// The format that this program writes, and the only one that it reads.
    const FORMAT: &str;
    /// What follows the backup's name.
    const ENDING: &str;
    /// The most that one may hold, in bytes; what is larger is none.
    const LIMIT: u64;

    /// The format that this one says.
    fn format(&self) -> &str;

    /// The backup's name.
    fn name(&self) -> &str;

    /// The note's file or key for a backup's.
    fn file(name: &str) -> String {
        format!("{name}{}", Self::ENDING)
    }

    /// The backup's file or key for a note's.
    fn backup_of(name: &str) -> Option<&str> {
        name.strip_suffix(Self::ENDING)
    }

    /// As it is written: for people too.
    fn render(&self) -> io::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Reads what [`Beside::render`] wrote; what is broken or of an unknown format proves nothing.
    fn parse(text: &[u8]) -> Option<Self> {
        let note: Self = serde_json::from_slice(text).ok()?;
        (note.format() == Self::FORMAT).then_some(note)
    }

    /// Writes it beside its backup.
    fn write(&self, place: &Path) -> io::Result<()> {
        directory::write(place, &Self::file(self.name()), &self.render()?)
    }

    /// Reads the note of a backup. One that is absent, broken, of an unknown format or of another backup is none.
    fn read(place: &Path, name: &str) -> Option<Self> {
        let path = place.join(Self::file(name));
        let metadata = fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > Self::LIMIT {
            return None;
        }
        Self::parse(&fs::read(&path).ok()?).filter(|note| note.name() == name)
    }

    /// All of this kind in a directory, in no order.
    fn all(place: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(place)? {
            let entry = entry?;
            let name = entry.file_name();
            found.extend(name.to_str().and_then(Self::backup_of).and_then(|name| Self::read(place, name)));
        }
        Ok(found)
    }
}
