//! The texts of the repository: module comments, links, commands that documents name, and words that nothing holds.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{root, text, texts};

/// Words that no file holds, put together here so that this file does not hold them either.
const UNWANTED: [(&str, &str); 4] = [
    (concat!("todo", "!("), "finish it, or leave it out"),
    (concat!("unimplemented", "!("), "finish it, or leave it out"),
    (concat!("#[", "ignore"), "a test runs, or skips visibly when a tool is missing"),
    (concat!("/wo", "rk/"), "a path of one machine"),
];

#[test]
fn no_file_holds_unwanted_words() {
    let mut found = Vec::new();
    for (file, text) in texts("") {
        for (number, line) in text.lines().enumerate() {
            for (word, why) in UNWANTED.iter().filter(|(word, _)| line.contains(word)) {
                found.push(format!("{file}:{}: {word}: {why}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_module_says_what_it_is() {
    let silent: Vec<String> = ["src", "tests"]
        .into_iter()
        .flat_map(texts)
        .filter(|(file, text)| file.ends_with(".rs") && !text.starts_with("//! "))
        .map(|(file, _)| file)
        .collect();
    assert!(silent.is_empty(), "these begin without `//!`: {}", silent.join(", "));
}

/// The targets of `[text](target)` in Markdown outside of fenced and indented code, with their lines.
fn links(markdown: &str) -> Vec<(usize, String)> {
    let (mut links, mut fenced) = (Vec::new(), false);
    for (number, line) in markdown.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced || line.starts_with("    ") {
            continue;
        }
        for rest in line.split("](").skip(1) {
            links.extend(rest.split_once(')').map(|(target, _)| (number + 1, target.to_owned())));
        }
    }
    links
}

/// The anchors of Markdown's headings, as GitHub makes them.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let headings = markdown.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            title.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
        })
        .collect()
}

/// `directory/../file` without the detour.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
        plain
    })
}

#[test]
fn every_link_between_files_leads_somewhere() {
    let mut broken = Vec::new();
    let mut followed = 0;
    for (file, markdown) in texts("").into_iter().filter(|(file, _)| file.ends_with(".md")) {
        for (line, target) in links(&markdown).into_iter().filter(|(_, target)| !target.contains("://")) {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let to = match path {
                "" => PathBuf::from(&file),
                path => plain(&Path::new(&file).parent().unwrap_or(Path::new("")).join(path)),
            };
            followed += 1;
            if !root().join(&to).exists() {
                broken.push(format!("{file}:{line}: no file {}", to.display()));
            } else if !anchor.is_empty() && !anchors(&text(&to.to_string_lossy())).contains(anchor) {
                broken.push(format!("{file}:{line}: no heading #{anchor} in {}", to.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(followed > 0, "README.md links to other files");
}

/// The words behind `make` in a document's code: in backticks, and at the beginning of lines of code blocks.
fn make_targets(markdown: &str) -> BTreeSet<String> {
    let is_target = |c: char| c.is_ascii_lowercase() || c == '-';
    let (mut targets, mut fenced) = (BTreeSet::new(), false);
    let mut take = |code: &str| {
        if let Some(rest) = code.trim_start().trim_start_matches("$ ").strip_prefix("make ") {
            targets.insert(rest.chars().take_while(|c| is_target(*c)).collect());
        }
    };
    for line in markdown.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            take(line);
        } else {
            line.split('`').skip(1).step_by(2).for_each(&mut take);
        }
    }
    targets
}

#[test]
fn every_make_command_of_the_documents_exists_and_is_explained() {
    let makefile = text("Makefile");
    let explained: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| line.contains(":") && line.contains(" ## "))
        .filter_map(|line| line.split(':').next())
        .collect();
    let phony = makefile.lines().find_map(|line| line.strip_prefix(".PHONY: ")).expect("a list of targets");
    assert_eq!(
        phony.split(' ').collect::<BTreeSet<_>>(),
        explained,
        "every target has its line in `make help`"
    );

    let named = make_targets(&text("README.md"));
    for two in ["demo", "test"] {
        assert!(named.contains(two), "README.md says `make {two}`");
    }
    for file in ["README.md", "CONTRIBUTING.md"] {
        for target in make_targets(&text(file)) {
            assert!(explained.contains(target.as_str()), "{file} says `make {target}`, which is no target");
        }
    }
}

#[test]
fn links_and_commands_are_found_where_they_are_meant() {
    let markdown =
        "see [a](b.md#c) and [d](../e.md)\n```\n[x](y)\nmake one\n```\nuse `make two` to make three\n";
    assert_eq!(links(markdown), [(1, "b.md#c".to_owned()), (1, "../e.md".to_owned())]);
    assert_eq!(make_targets(markdown), ["one", "two"].map(str::to_owned).into());
    assert!(anchors("## Exit codes, `everywhere`\n").contains("exit-codes-everywhere"));
    assert_eq!(plain(Path::new("docs/./x/../a.md")), Path::new("docs/a.md"));
}

/// The tests that a line of docs/threat-model.md names, by file: `` `path`: `function`, `function`; `path`: .. ``.
fn named_tests<'a>(line: &'a str) -> Option<Vec<(&'a str, Vec<&'a str>)>> {
    let held_by = line.trim_end_matches('|').rsplit('|').next()?.trim();
    let of_a_file = |tests: &'a str| {
        let (path, functions) = tests.split_once("`: ")?;
        let functions = functions.split(", ").map(|name| name.trim_matches('`')).collect();
        Some((path.trim_start_matches('`'), functions))
    };
    held_by.split("; ").map(of_a_file).collect()
}

#[test]
fn every_promise_of_the_threat_model_is_held_by_a_test() {
    let model = text("docs/threat-model.md");
    let promises = model.split("## What is promised").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows: Vec<&str> = promises
        .expect("a section of promises")
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| promise"))
        .collect();
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        for (file, functions) in named_tests(row).unwrap_or_else(|| panic!("no test holds: {row}")) {
            let source = text(file);
            for function in functions {
                assert!(source.contains(&format!("fn {function}(")), "{file} has no test {function}");
            }
        }
    }
}
