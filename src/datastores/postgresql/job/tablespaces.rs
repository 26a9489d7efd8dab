//! Tablespaces of a base backup: the map that says where each was, and moving them elsewhere.
//!
//! A server that starts on a backup follows the map and links each tablespace to its directory
//! (<https://www.postgresql.org/docs/current/continuous-archiving.html>): unchanged, a scratch server would write into
//! the living one's files.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::datastores::dump::DumpError;

const MAP: &str = "tablespace_map";
const LINKS: &str = "pg_tblspc";

/// One tablespace beyond the two that every cluster has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tablespace {
    pub oid: String,
    /// Where it was when the backup was made.
    pub location: PathBuf,
    /// Where this restore unpacked it.
    pub unpacked: Option<PathBuf>,
}

/// The tablespaces of an unpacked base backup.
pub fn read(data: &Path) -> Result<Vec<Tablespace>, DumpError> {
    let text = match fs::read_to_string(data.join(MAP)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => {
            text.map_err(|error| DumpError::new(format!("the backup's {MAP} cannot be read: {error}")))?
        }
    };
    parse(&text).ok_or_else(|| DumpError::new(format!("the backup's {MAP} is not understood")))
}

/// One tablespace a line, `OID PATH`; a newline or backslash in the path has a backslash before it.
fn parse(text: &str) -> Option<Vec<Tablespace>> {
    let (mut lines, mut line, mut escaped) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '\n' if !escaped => lines.push(std::mem::take(&mut line)),
            c => {
                line.push(c);
                escaped = false;
            }
        }
    }
    lines.push(line);
    let tablespace = |line: &String| {
        let (oid, location) = line.split_once(' ')?;
        let whole = !oid.is_empty() && oid.bytes().all(|byte| byte.is_ascii_digit());
        whole.then(|| Tablespace { oid: oid.to_owned(), location: location.into(), unpacked: None })
    };
    lines.iter().filter(|line| !line.is_empty()).map(tablespace).collect()
}

fn escape(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace('\n', "\\\n")
}

/// Makes the data directory look for each tablespace where `at` says it will be.
pub fn point(data: &Path, tablespaces: &[Tablespace], at: impl Fn(&Tablespace) -> PathBuf) -> io::Result<()> {
    if tablespaces.is_empty() {
        return Ok(());
    }
    let mut map = String::new();
    for tablespace in tablespaces {
        let place = at(tablespace);
        map.push_str(&format!("{} {}\n", tablespace.oid, escape(&place)));
        let link = data.join(LINKS).join(&tablespace.oid);
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(place, link)?;
    }
    // The server reads it before anything else, and makes the links again.
    let path = data.join(MAP);
    match path.exists() {
        true => fs::write(path, map),
        false => Ok(()),
    }
}

/// Refuses an archive that was made by packing a living directory with links to tablespaces in it: what they lead to is
/// the living data.
pub fn refuse_unpacked(data: &Path) -> Result<(), DumpError> {
    let unread = |error: io::Error| DumpError::new(format!("the backup's {LINKS} cannot be read: {error}"));
    let entries = match fs::read_dir(data.join(LINKS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(unread)?,
    };
    for entry in entries {
        let entry = entry.map_err(unread)?;
        if entry.file_type().map_err(unread)?.is_symlink() || data.join(MAP).exists() {
            return Err(DumpError::new(format!(
                "the archive leads to the tablespace {} outside of it, which it does not hold",
                entry.file_name().to_string_lossy()
            ))
            .help("only backups that this program or pg_basebackup -Ft made hold tablespaces; restore this one by hand"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_as_it_is_written() {
        let read = parse("16384 /srv/fast\n16385 /srv/a\\\nb c\\\\d\n").expect("whole");
        let locations: Vec<_> = read.iter().map(|one| (one.oid.as_str(), one.location.as_path())).collect();
        assert_eq!(locations, [("16384", Path::new("/srv/fast")), ("16385", Path::new("/srv/a\nb c\\d"))]);
        let again: String =
            read.iter().map(|one| format!("{} {}\n", one.oid, escape(&one.location))).collect();
        assert_eq!(parse(&again), Some(read));
        assert_eq!(parse(""), Some(Vec::new()));
        assert_eq!(parse("../x /srv\n"), None);
    }

    #[test]
    fn links_lead_to_the_new_place_and_nowhere_else() {
        let data = tempfile::tempdir().expect("a directory");
        fs::create_dir(data.path().join(LINKS)).expect("made");
        fs::write(data.path().join(MAP), "16384 /living\n").expect("written");
        symlink("/living", data.path().join(LINKS).join("16384")).expect("linked");
        assert!(refuse_unpacked(data.path()).is_err());
        let tablespaces = read(data.path()).expect("read");
        point(data.path(), &tablespaces, |_| "/scratch".into()).expect("pointed");
        assert_eq!(
            fs::read_link(data.path().join(LINKS).join("16384")).expect("a link"),
            Path::new("/scratch")
        );
        assert_eq!(read(data.path()).expect("read")[0].location, Path::new("/scratch"));
    }
}
