//! Where CouchDB answers on this machine, as its own configuration says.
//!
//! Files are read in CouchDB's order, the last word wins (<https://docs.couchdb.org/en/stable/config/intro.html>). Nothing but
//! addresses and ports is taken from them, and they are never quoted: they may hold passwords.

use std::fs;
use std::path::{Path, PathBuf};

use super::after_start::Address;

/// Where packages and commcare-cloud put it.
const DIRECTORIES: [&str; 3] = ["opt/couchdb/etc", "etc/couchdb", "usr/local/etc/couchdb"];
const PORT: u16 = 5984;
/// The node's own, before version 3.
const NODE_PORT: u16 = 5986;
/// More than any such file.
const LIMIT: u64 = 1 << 20;

/// What a file may say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Listens {
    bind: Option<String>,
    port: Option<u16>,
    node_bind: Option<String>,
    node_port: Option<u16>,
}

/// Where it answers by what its files below `root` say; by its defaults where there are none, or nobody may read them.
pub fn of(root: &Path) -> Address {
    let mut listens = Listens::default();
    for file in DIRECTORIES
        .iter()
        .map(|path| root.join(path))
        .find(|path| path.is_dir())
        .map(files)
        .unwrap_or_default()
    {
        let is_small = fs::metadata(&file).is_ok_and(|file| file.is_file() && file.len() <= LIMIT);
        if let (true, Ok(text)) = (is_small, fs::read_to_string(&file)) {
            read(&text, &mut listens);
        }
    }
    let url = |bind: Option<&String>, port: Option<u16>, usual: u16| {
        format!("http://{}:{}", host(bind.map(String::as_str)), port.unwrap_or(usual))
    };
    Address {
        url: url(listens.bind.as_ref(), listens.port, PORT),
        node_url: Some(url(listens.node_bind.as_ref(), listens.node_port, NODE_PORT)),
    }
}

/// `default.ini`, `default.d/*.ini`, `local.ini`, `local.d/*.ini`.
fn files(directory: PathBuf) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for name in ["default", "local"] {
        files.push(directory.join(format!("{name}.ini")));
        let entries = fs::read_dir(directory.join(format!("{name}.d"))).into_iter().flatten().flatten();
        let mut more: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        more.retain(|path| path.extension().is_some_and(|ending| ending == "ini"));
        more.sort();
        files.extend(more);
    }
    files
}

/// One that listens everywhere answers here.
fn host(bind: Option<&str>) -> String {
    match bind {
        None | Some("0.0.0.0" | "any" | "") => "127.0.0.1".to_owned(),
        Some("::") => "[::1]".to_owned(),
        Some(address) if address.contains(':') => format!("[{address}]"),
        Some(address) => address.to_owned(),
    }
}

/// Takes over what the text says: `[chttpd]` is where everybody asks, `[httpd]` the node itself.
fn read(text: &str, listens: &mut Listens) {
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            section = name.0.trim().to_owned();
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with([';', '#'])) else {
            continue;
        };
        // What follows a blank and a semicolon is a comment.
        let value = value.split_once(" ;").map_or(value, |(value, _)| value).trim();
        match (section.as_str(), key.trim()) {
            ("chttpd", "bind_address") => listens.bind = Some(value.to_owned()),
            ("chttpd", "port") => listens.port = value.parse().ok(),
            ("httpd", "bind_address") => listens.node_bind = Some(value.to_owned()),
            ("httpd", "port") => listens.node_port = value.parse().ok(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_wins_and_everywhere_is_here() {
        let root = tempfile::tempdir().expect("a directory");
        let url = |root: &Path| (of(root).url, of(root).node_url.expect("one"));
        let usual = ("http://127.0.0.1:5984".to_owned(), "http://127.0.0.1:5986".to_owned());
        assert_eq!(url(root.path()), usual);
        let etc = root.path().join("opt/couchdb/etc");
        fs::create_dir_all(etc.join("local.d")).expect("made");
        fs::write(etc.join("default.ini"), "[chttpd]\nport = 5984\nbind_address = 127.0.0.1\n")
            .expect("written");
        fs::write(etc.join("local.ini"), "[admins]\nport = canary\n[chttpd]\n;port = 1\n").expect("written");
        fs::write(
            etc.join("local.d/extras.ini"),
            "[chttpd]\nbind_address = 0.0.0.0 ; everywhere\nport = 15984\n[httpd]\nport=15986\nbind_address = 10.0.0.2\n",
        )
        .expect("written");
        fs::write(etc.join("local.d/extras.ini.bak"), "[chttpd]\nport = 9\n").expect("written");
        assert_eq!(
            url(root.path()),
            ("http://127.0.0.1:15984".to_owned(), "http://10.0.0.2:15986".to_owned())
        );
        assert_eq!((host(Some("::")), host(Some("fe80::1"))), ("[::1]".to_owned(), "[fe80::1]".to_owned()));
    }
}
