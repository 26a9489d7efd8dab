//! The table of checks and its pages: each check has a page whose example shows that check and no other, and whose
//! mended form shows nothing.
//!
//! A page's convention: the fenced blocks of the section Example are files, named behind the language; those of the
//! section Mend stand in their place. A name that ends in `/` is a directory; behind the name, `latin-1` is an
//! encoding and `removed` takes the file away. `password.txt` is the vault's password.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use reconcile::report;
use reconcile::settings::checks::table::TABLE;
use reconcile::settings::{self, VaultPassword};
use reconcile::vocab::{Problems, Severity};

use super::folder::Folder;

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/checks")
}

fn page(name: &str) -> String {
    let path = pages().join(format!("{name}.md"));
    std::fs::read_to_string(&path)
        .unwrap_or_else(|_| panic!("the check {name} has no page {}", path.display()))
}

/// A file of an example: its name, what stands behind the name, its text.
type Files = BTreeMap<String, (String, String)>;

/// The fenced blocks of a section.
fn blocks(page: &str, section: &str) -> Files {
    let mut files = Files::new();
    let text = page.split("\n## ").find_map(|part| part.strip_prefix(section)).unwrap_or_default();
    let mut open: Option<(String, String, String)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                let mut words = info.split_whitespace().skip(1);
                let name = words.next().expect("a file's name").to_owned();
                open = Some((name, words.collect::<Vec<_>>().join(" "), String::new()));
            }
            (Some(_), Some((name, how, text))) => _ = files.insert(name, (how, text)),
            (None, Some((name, how, text))) => open = Some((name, how, text + line + "\n")),
            (None, None) => {}
        }
    }
    files
}

/// What `validate` finds in these files, and how it shows it.
fn found(files: &Files) -> (Problems, String) {
    let folder = Folder::new(&[]);
    for (name, (how, text)) in files {
        let path = folder.path().join(name);
        match how.as_str() {
            "removed" => {}
            _ if name.ends_with('/') => std::fs::create_dir(path).expect("a directory"),
            "latin-1" => {
                let bytes: Vec<u8> =
                    text.chars().map(|c| u8::try_from(u32::from(c)).expect("of Latin-1")).collect();
                std::fs::write(path, bytes).expect("written");
            }
            "" => std::fs::write(path, text).expect("written"),
            other => panic!("{other} is nothing that a block can be"),
        }
    }
    let password = folder.path().join("password.txt");
    let password = password.exists().then(|| VaultPassword::File(password));
    let loaded = settings::load(&folder.sources().with_vault_password(password));
    let problems = loaded.map_or_else(|problems| problems, |settings| settings.problems);
    let place = folder.path().display().to_string();
    let name = folder.path().file_name().expect("a name").to_string_lossy().into_owned();
    let text = report::problems::text(&problems, &place);
    let text = anstream::adapter::strip_str(&text).to_string();
    (problems, text.replace(&place, "ENV").replace(&name, "DIR"))
}

fn names(problems: &Problems) -> BTreeSet<&'static str> {
    problems.list.iter().map(|problem| problem.check.name).collect()
}

#[test]
fn names_are_words_with_dashes_and_stand_once() {
    let mut seen = BTreeSet::new();
    for row in TABLE {
        let name = row.check.name;
        assert!(seen.insert(name), "{name} stands twice");
        assert!(
            name.len() <= 20
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        );
        assert!(!row.check.meaning.ends_with('.'), "{name}");
    }
}

#[test]
fn every_check_has_a_page_and_every_page_a_check() {
    for row in TABLE {
        let severity = match row.check.severity {
            Severity::Error => "Error",
            Severity::Warning => "Warning",
        };
        let start = format!("# {}\n\n{severity}: {}.\n\n", row.check.name, row.check.meaning);
        assert!(
            page(row.check.name).starts_with(&start),
            "{}.md does not begin with\n{start}",
            row.check.name
        );
    }
    for entry in std::fs::read_dir(pages()).expect("pages") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let stem = name.trim_end_matches(".md");
        assert!(
            stem == "README" || TABLE.iter().any(|row| row.check.name == stem),
            "{name} is no check's page"
        );
    }
}

#[test]
fn every_example_shows_its_check_and_no_other() {
    for row in TABLE {
        let files = blocks(&page(row.check.name), "Example");
        assert!(!files.is_empty(), "{} has no example", row.check.name);
        let (problems, text) = found(&files);
        assert_eq!(names(&problems), BTreeSet::from([row.check.name]), "{text}");
        assert!(problems.list.iter().all(|problem| problem.severity() == row.check.severity));
    }
}

#[test]
fn every_mended_example_is_clean() {
    for row in TABLE {
        let page = page(row.check.name);
        let mut files = blocks(&page, "Example");
        let mended = blocks(&page, "Mend");
        assert!(!mended.is_empty(), "{} is not mended", row.check.name);
        if mended.contains_key("public.yml") {
            files.remove("public.yml/");
        }
        files.extend(mended);
        let (problems, text) = found(&files);
        assert!(problems.list.is_empty(), "{}: {text}", row.check.name);
    }
}

/// What a person reads, of every check.
#[test]
fn every_check_reads_well() {
    let texts = TABLE.iter().map(|row| found(&blocks(&page(row.check.name), "Example")).1);
    let all = texts.collect::<Vec<_>>().join("\n");
    assert!(all.lines().all(|line| line.chars().count() <= 80), "a line is longer than 80 columns");
    insta::assert_snapshot!(all);
}

fn index() -> String {
    let mut text = "# Checks\n\nWhat `reconcile validate` can find, by name. The name stands in brackets behind `error` \
                    or `warning`, in JSON as\n`check`, in SARIF as the rule. An error cannot be carried out or loses \
                    data; a warning is doubtful, or does nothing.\n\n| check | | what it says |\n|---|---|---|\n"
        .to_owned();
    for row in TABLE {
        let check = &row.check;
        let severity = if check.severity == Severity::Error { "error" } else { "warning" };
        text.push_str(&format!("| [{0}]({0}.md) | {severity} | {1} |\n", check.name, check.meaning));
    }
    text
}

#[test]
fn the_index_is_the_table() {
    let path = pages().join("README.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, index()).expect("written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == index(),
        "the table moved: UPDATE_GOLDEN=1 cargo test --test it the_index_is_the_table"
    );
}

/// The page has several senders; here the second host is one of those that make the backups.
#[test]
fn a_second_host_that_makes_backups_itself_loses_them() {
    let said = |public: &str, inventory: &str| {
        let public = format!("deploy_env: prod\n{public}");
        Folder::new(&[("public.yml", &public), ("inventory.ini", inventory)]).validated()
    };
    let flat = |host: &str| format!("backup_couch: true\nremote_couch_backup: {host}\n");
    let nodes = "[couchdb2]\nc1\nc2 ansible_host=10.0.0.2\n";
    for host in ["c2", "10.0.0.2"] {
        let text = said(&flat(host), nodes);
        assert!(
            text.contains("error[shared-copy]") && text.contains("makes CouchDB's backups too"),
            "{text}"
        );
    }
    assert!(said(&flat("c1"), "[couchdb2]\nc1\n").contains("copies of its backups to itself"));
    let direct = "remote_couch_backup: b1\nbackups:\n  couchdb: {hosts: [c1, c2]}\n";
    assert!(said(direct, nodes).contains("2 hosts would send"), "{}", said(direct, nodes));
    // One sender to a host that makes none, and nobody who sends at all.
    assert!(!said(&flat("b1"), "[couchdb2]\nc1\n").contains("shared-copy"));
    assert!(!said("remote_couch_backup: c2\n", nodes).contains("shared-copy"));
}
