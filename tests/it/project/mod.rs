//! The project around the code: what ARCHITECTURE.md, deny.toml, the Makefile and the documents promise, held to.
//! Reads the repository's own files and, for licences, asks cargo; no network, nothing written.

// clippy.toml lets test functions panic; what they share is outside of its sight.

mod layers;
mod licences;
mod paths;
mod words;

use std::path::{Path, PathBuf};

/// The repository's root. Cargo sets the variable when it runs a test.
fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// Every file below `directory`, in the order of their paths, as `(path from the root, text)`. Build output, git's
/// own files, tools of the tests and files that are not UTF-8 text are left out.
fn texts(directory: &str) -> Vec<(String, String)> {
    fn collect(directory: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("a readable directory") {
            let entry = entry.expect("a readable entry");
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("target") || [".git", ".venv"].contains(&name.as_ref()) {
                continue;
            }
            match entry.file_type().expect("a file type") {
                kind if kind.is_dir() => collect(&entry.path(), into),
                kind if kind.is_file() => into.push(entry.path()),
                _ => {}
            }
        }
    }
    let mut files = Vec::new();
    collect(&root().join(directory), &mut files);
    files.sort();
    files
        .into_iter()
        .filter_map(|file| {
            let text = String::from_utf8(std::fs::read(&file).expect("a readable file")).ok()?;
            let from_root = file.strip_prefix(root()).expect("below the root");
            Some((from_root.to_string_lossy().into_owned(), text))
        })
        .collect()
}

/// The text of one file of the repository.
fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}
