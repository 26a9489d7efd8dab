//! SIGKILL at a chosen moment: a library that counts what the program changes below a directory, and ends it there.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The library; built once for each test that wants it.
pub struct Killer {
    _folder: tempfile::TempDir,
    library: PathBuf,
}

impl Killer {
    /// `None` where there is no C compiler.
    pub fn build() -> Option<Killer> {
        let folder = tempfile::tempdir().expect("a folder");
        let library = folder.path().join("kill.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/kill.c");
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output();
        match built {
            Ok(output) if output.status.success() => Some(Killer { _folder: folder, library }),
            Ok(output) => panic!("kill.c: {}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => {
                super::skip("cc", "there is no C compiler to build what kills at a chosen moment");
                None
            }
        }
    }

    /// Lets a program die before it changes something below `directory` for the `nth` time.
    pub fn arm(&self, command: &mut Command, directory: &Path, nth: u32) {
        command.env("LD_PRELOAD", &self.library).env("KILL_BELOW", directory).env("KILL_AT", nth.to_string());
    }
}
