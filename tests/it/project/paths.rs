//! Every path that a Rust file mentions, as written out in full: enough of the language to tell who uses whom.
//!
//! Reads tokens, not syntax: comments and literals are dropped, `use` trees are multiplied out, `crate`, `self` and
//! `super` are resolved against the module that they stand in. It knows no types and needs none.

/// A path such as `["crate", "vocab", "Id"]` or `["std", "fs", "read"]`, and the line where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    /// A macro's call: the name is followed by `!`.
    pub(super) is_macro: bool,
    /// Inside a module under `#[cfg(test)]`.
    pub(super) in_tests: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// One character, or `::`.
    Mark(&'static str),
    Other,
}

/// Every path in `source`, the text of the module `module` (its names from the crate's root down).
pub(super) fn mentions(module: &[&str], source: &str) -> Vec<Mention> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    // The inline modules around the present token: name, whether for tests, and the depth of braces outside.
    let mut inside: Vec<(String, bool, usize)> = Vec::new();
    let (mut depth, mut at, mut test_attribute) = (0_usize, 0, false);
    while at < tokens.len() {
        let word = |offset: usize| match tokens.get(at + offset) {
            Some((Token::Word(word), _)) => Some(word.as_str()),
            _ => None,
        };
        let mark = |offset: usize| match tokens.get(at + offset) {
            Some((Token::Mark(mark), _)) => Some(*mark),
            _ => None,
        };
        match &tokens[at].0 {
            Token::Mark("#") if word(2) == Some("cfg") && mark(3) == Some("(") && word(4) == Some("test") => {
                test_attribute = true;
                at += 7; // # [ cfg ( test ) ]
                continue;
            }
            Token::Mark("{") => depth += 1,
            Token::Mark("}") => {
                (depth, test_attribute) = (depth.saturating_sub(1), false);
                if inside.last().is_some_and(|(_, _, outside)| *outside == depth) {
                    inside.pop();
                }
            }
            Token::Word(keyword) if keyword == "mod" && mark(2) == Some("{") => {
                let name = word(1).unwrap_or_default().to_owned();
                let tests = test_attribute || inside.iter().any(|(_, tests, _)| *tests);
                inside.push((name, tests, depth));
                (depth, at, test_attribute) = (depth + 1, at + 3, false);
                continue;
            }
            Token::Word(_) => {
                let mut written = Vec::new();
                let end = path(&tokens, at, &[], &mut written);
                let is_macro = matches!(tokens.get(end), Some((Token::Mark("!"), _)));
                let here: Vec<&str> =
                    module.iter().copied().chain(inside.iter().map(|(name, ..)| name.as_str())).collect();
                let in_tests = test_attribute || inside.iter().any(|(_, tests, _)| *tests);
                found.extend(written.into_iter().map(|path| Mention {
                    path: resolve(&here, path),
                    line: tokens[at].1,
                    is_macro,
                    in_tests,
                }));
                at = end;
                continue;
            }
            // An attribute for tests covers one item; the body of a `mod` is remembered above.
            Token::Mark(";") => test_attribute = false,
            _ => {}
        }
        at += 1;
    }
    found
}

/// Multiplies out the path or `use` tree that begins at `at`; the index behind it.
fn path(tokens: &[(Token, usize)], mut at: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at) {
            Some((Token::Word(word), _)) => path.push(word.clone()),
            Some((Token::Mark("*"), _)) if !path.is_empty() => path.push("*".to_owned()),
            Some((Token::Mark("{"), _)) if !path.is_empty() => {
                at += 1;
                while let Some((token, _)) = tokens.get(at) {
                    at = match token {
                        Token::Mark("}") => return at + 1,
                        Token::Word(word) if word == "as" => at + 2,
                        Token::Mark("::") | Token::Word(_) | Token::Mark("{" | "*") => {
                            let start = if *token == Token::Mark("::") { at + 1 } else { at };
                            self::path(tokens, start, &path, found).max(at + 1)
                        }
                        _ => at + 1,
                    };
                }
                return at;
            }
            _ => break,
        }
        at += 1;
        match tokens.get(at) {
            Some((Token::Mark("::"), _)) => at += 1,
            _ => break,
        }
    }
    found.push(path);
    at
}

/// The path from the crate's root, where it begins with `crate`, `self` or `super`; as written otherwise.
fn resolve(here: &[&str], path: Vec<String>) -> Vec<String> {
    let (mut up, mut skip, mut relative) = (0, 0, false);
    for word in &path {
        match word.as_str() {
            "self" => relative = true,
            "super" => (up, relative) = (up + 1, true),
            _ => break,
        }
        skip += 1;
    }
    // A lone `self` is a method's receiver.
    if !relative || path == ["self"] {
        return path;
    }
    let from = &here[..here.len().saturating_sub(up)];
    let root = std::iter::once("crate").chain(from.iter().copied()).map(str::to_owned);
    root.chain(path.into_iter().skip(skip)).collect()
}

/// The tokens of `source` with their lines, comments and literals dropped.
fn tokens(source: &str) -> Vec<(Token, usize)> {
    let chars: Vec<char> = source.chars().collect();
    let get = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let start = at;
        let mut token = None;
        match get(at) {
            '/' if get(at + 1) == '/' => {
                while at < chars.len() && get(at) != '\n' {
                    at += 1;
                }
            }
            '/' if get(at + 1) == '*' => {
                let mut depth = 0;
                while at < chars.len() {
                    match (get(at), get(at + 1)) {
                        ('/', '*') => (depth, at) = (depth + 1, at + 2),
                        ('*', '/') => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            '"' => {
                at = quoted(&chars, at);
                token = Some(Token::Other);
            }
            // A character, or a lifetime: 'a' has its second quote two or more characters on.
            '\'' => {
                token = Some(Token::Other);
                at = match (get(at + 1), get(at + 2)) {
                    ('\\', _) => {
                        let from = at + 3;
                        (from..chars.len()).find(|&i| get(i) == '\'').map_or(chars.len(), |i| i + 1)
                    }
                    (_, '\'') => at + 3,
                    _ => at + 1,
                };
            }
            c if c.is_alphanumeric() || c == '_' => {
                while get(at).is_alphanumeric() || get(at) == '_' {
                    at += 1;
                }
                let word: String = chars[start..at].iter().collect();
                let hashes = (at..chars.len()).take_while(|&i| get(i) == '#').count();
                match word.as_str() {
                    "r" | "br" | "cr" if get(at + hashes) == '"' => {
                        let end: String = std::iter::once('"').chain("#".repeat(hashes).chars()).collect();
                        at += hashes + 1;
                        while at < chars.len() && !end.chars().enumerate().all(|(i, c)| get(at + i) == c) {
                            at += 1;
                        }
                        at += end.len();
                        token = Some(Token::Other);
                    }
                    "b" | "c" if get(at) == '"' => {
                        at = quoted(&chars, at);
                        token = Some(Token::Other);
                    }
                    // A raw identifier: its name follows.
                    "r" if hashes == 1 => at += 1,
                    _ if c.is_ascii_digit() => token = Some(Token::Other),
                    _ => token = Some(Token::Word(word)),
                }
            }
            ':' if get(at + 1) == ':' => {
                at += 2;
                token = Some(Token::Mark("::"));
            }
            c => {
                at += 1;
                const MARKS: [&str; 10] = ["{", "}", "(", ")", "*", "#", "!", ";", ",", "."];
                token = match MARKS.into_iter().find(|mark| mark.starts_with(c)) {
                    Some(mark) => Some(Token::Mark(mark)),
                    None => (!c.is_whitespace()).then_some(Token::Other),
                };
            }
        }
        let end = at.min(chars.len());
        tokens.extend(token.map(|token| (token, line)));
        line += chars[start..end].iter().filter(|&&c| c == '\n').count();
    }
    tokens
}

/// The index behind the string that begins at the quote `at`.
fn quoted(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(module: &[&str], source: &str) -> Vec<String> {
        mentions(module, source).into_iter().map(|mention| mention.path.join("::")).collect()
    }

    #[test]
    fn a_use_tree_is_multiplied_out() {
        let paths =
            written(&["plan"], "use crate::{vocab::{Id, names::*}, world::{self, live as l}, state};");
        let crates: Vec<&str> =
            paths.iter().map(String::as_str).filter(|path| path.starts_with("crate")).collect();
        assert_eq!(
            crates,
            [
                "crate::vocab::Id",
                "crate::vocab::names::*",
                "crate::world::self",
                "crate::world::live",
                "crate::state",
            ]
        );
    }

    #[test]
    fn super_leads_to_where_it_points() {
        let source =
            "use super::world::A; mod tests { use super::*; use super::super::cli; } fn f() { self.x }";
        let paths = written(&["plan"], source);
        for path in ["crate::world::A", "crate::plan::*", "crate::cli"] {
            assert!(paths.contains(&path.to_owned()), "{path} in {paths:?}");
        }
    }

    #[test]
    fn comments_and_literals_mention_nothing() {
        let source = r####"
            // crate::a
            /* crate::b /* crate::c */ crate::d */
            fn f<'a>(x: &'a str) -> char { "crate::e \" crate::f"; r#"crate::g " crate::h"#; b"crate::i"; '"'; '\''; crate::j }
        "####;
        let paths = written(&["plan"], source);
        let crates: Vec<&String> = paths.iter().filter(|path| path.starts_with("crate")).collect();
        assert_eq!(crates, ["crate::j"]);
    }

    #[test]
    fn tests_lines_and_macros_are_told() {
        let source = "fn a() { println!(); }\n#[cfg(test)]\nmod tests {\n std::fs::read(x);\n}\nfn b() { std::fs::write(x); }";
        let found = mentions(&["plan"], source);
        let find =
            |path: &str| found.iter().find(|mention| mention.path.join("::") == path).expect("mentioned");
        assert!(find("println").is_macro);
        assert!(find("std::fs::read").in_tests && find("std::fs::read").line == 4);
        assert!(!find("std::fs::write").in_tests && find("std::fs::write").line == 6);
    }
}
