//! Files of an inventory, opened where they are encrypted and the password is at hand.
//!
//! Must never put plain text of what was encrypted into a problem.

use std::path::Path;

use super::super::files::{self, Sources};
use super::super::source::Source;
use super::super::vault::{self, Keyring};
use crate::settings::checks::table;
use crate::vocab::Problem;

/// A file's text.
pub enum Text {
    Absent,
    Plain(Source),
    /// It was encrypted.
    Opened(Source),
    /// It is encrypted, and no password opens it; the file's name.
    Closed(String),
}

/// Opens files with the environment's passwords.
pub struct Opener<'a> {
    keyring: &'a Keyring,
}

impl<'a> Opener<'a> {
    pub fn new(sources: &'a Sources) -> Self {
        Opener { keyring: &sources.keyring }
    }

    /// The inventory itself: in INI, bytes that are not UTF-8 become U+FFFD, since Ansible lets them stand.
    pub fn inventory(&self, path: &Path) -> Result<Text, Box<Problem>> {
        let is_ini = path.extension().is_some_and(|ending| ending == "ini");
        let source = if is_ini { files::read_loosely(path)? } else { files::read(path)? };
        Ok(source.map_or(Text::Absent, |source| self.open(source)))
    }

    /// A file of variables.
    pub fn read(&self, path: &Path) -> Result<Text, Box<Problem>> {
        Ok(files::read(path)?.map_or(Text::Absent, |source| self.open(source)))
    }

    fn open(&self, source: Source) -> Text {
        if !vault::is_envelope(source.text.as_bytes()) {
            return Text::Plain(source);
        }
        match self.plain(&source.text) {
            Some(plain) => match std::str::from_utf8(&plain) {
                Ok(text) => Text::Opened(Source::new(&source.name, text)),
                Err(_) => Text::Closed(source.name.to_string()),
            },
            None => Text::Closed(source.name.to_string()),
        }
    }

    fn plain(&self, envelope: &str) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        Some(self.keyring.open(&vault::Envelope::parse(envelope).ok()?).ok()?.text)
    }
}

/// That a file stays closed, and how to open it.
pub fn closed(name: &str, message: &str) -> Problem {
    Problem::of_file(table::CLOSED_FILE, name, message)
        .helped("give its password with --vault-password-file, or move what is no secret into plain files")
}

/// A problem of decrypted text keeps its line and loses everything that quotes the text.
pub fn anonymous(mut fault: Problem) -> Problem {
    let line = fault.place.take().map_or(0, |place| place.line);
    veil(&mut fault);
    Problem { key: None, message: format!("line {line} of what is encrypted: {}", fault.message), ..fault }
}

/// Leaves what is wrong, without the words it is wrong with.
pub fn veil(fault: &mut Problem) {
    let mut message = String::new();
    for (index, part) in fault.message.split('`').enumerate() {
        message.push_str(match (index % 2, part) {
            (0, part) => part,
            (_, "name=value") => "`name=value`",
            _ => "(secret)",
        });
    }
    (fault.message, fault.span, fault.label) = (message, None, None);
}
