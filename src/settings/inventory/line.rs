//! One line of an inventory in INI: section headers, words with quotes, assignments.
//!
//! The rules are those of ansible-core's `lib/ansible/plugins/inventory/ini.py`, whose words are Python's
//! `shlex.split(line, comments=True)`.

use std::ops::Range;

/// What the lines below a header are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Section {
    Hosts(String),
    Children(String),
    Vars(String),
}

impl Default for Section {
    /// Hosts before any header are in no group.
    fn default() -> Self {
        Section::Hosts("ungrouped".to_owned())
    }
}

/// A word, quotes resolved, with its bytes in the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub span: Range<usize>,
}

/// Reads `[name]`, `[name:children]`, `[name:vars]`, each with a comment behind it if need be.
///
/// `None` for a line that is no section: `[a:c].example.org` is a host. Errors: brackets from end to end with
/// something else in them.
pub fn section(line: &str) -> Option<Result<Section, String>> {
    let wrong = || Err("a section is written `[group]`, `[group:children]` or `[group:vars]`".to_owned());
    match header(line) {
        Some((group, "hosts")) => Some(Ok(Section::Hosts(group.to_owned()))),
        Some((group, "children")) => Some(Ok(Section::Children(group.to_owned()))),
        Some((group, "vars")) => Some(Ok(Section::Vars(group.to_owned()))),
        Some(_) => Some(wrong()),
        None => (line.starts_with('[') && line.ends_with(']')).then(wrong),
    }
}

fn header(line: &str) -> Option<(&str, &str)> {
    let (name, tail) = line.strip_prefix('[')?.split_once(']')?;
    if !tail.trim_start().is_empty() && !tail.trim_start().starts_with('#') {
        return None;
    }
    let (group, kind) = name.split_once(':').unwrap_or((name, "hosts"));
    let is_group = !group.is_empty() && !group.contains(char::is_whitespace);
    let is_kind = !kind.is_empty() && kind.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_group && is_kind).then_some((group, kind))
}

/// The group that a line of a `:children` section names: one word, and a comment behind it if need be.
pub fn child(line: &str) -> Option<&str> {
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let (name, tail) = line.split_at_checked(end)?;
    let tail = tail.trim_start();
    let is_name = !name.is_empty() && !name.contains([':', ']']);
    (is_name && (tail.is_empty() || tail.starts_with('#'))).then_some(name)
}

/// Splits a line as a shell would: quotes hold words together, `#` begins a comment wherever it is not quoted.
pub fn words(line: &str) -> Result<Vec<Word>, String> {
    let mut words: Vec<Word> = Vec::new();
    let mut open: Option<Word> = None;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        let here = at..at + c.len_utf8();
        let mut push = |text: &[char]| {
            let word = open.get_or_insert_with(|| Word { text: String::new(), span: here.clone() });
            word.span.end = here.end;
            word.text.extend(text);
        };
        if std::mem::take(&mut escaped) {
            // Between double quotes only a quote and the backslash itself are escaped.
            match quote {
                Some(_) if c != '"' && c != '\\' => push(&['\\', c]),
                _ => push(&[c]),
            }
            continue;
        }
        match (quote, c) {
            (Some(q), c) if c == q => {
                push(&[]);
                quote = None;
            }
            (None, '\'' | '"') => {
                push(&[]);
                quote = Some(c);
            }
            (None | Some('"'), '\\') => {
                push(&[]);
                escaped = true;
            }
            (None, '#') => break,
            (None, ' ' | '\t' | '\r' | '\n') => words.extend(open.take()),
            (_, c) => push(&[c]),
        }
    }
    if quote.is_some() {
        return Err("a quote is opened and not closed".to_owned());
    }
    if escaped {
        return Err("a backslash at the end of the line escapes nothing".to_owned());
    }
    words.extend(open);
    Ok(words)
}

/// Reads `name = value` of a `:vars` section: whatever stands before and behind the first `=`.
pub fn assignment(line: &str) -> Option<(&str, &str)> {
    line.split_once('=').map(|(name, value)| (name.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::inventory::pattern;

    fn texts(line: &str) -> Vec<String> {
        words(line).expect("words").into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(texts(r#"h a='b c' d="e\"\n" f\ g#no"#), ["h", "a=b c", "d=e\"\\n", "f g"]);
        assert!(words("h a='b").is_err() && words("h a\\").is_err());
    }

    #[test]
    fn a_header_is_a_whole_line() {
        assert_eq!(section("[a-b] # why"), Some(Ok(Section::Hosts("a-b".to_owned()))));
        assert_eq!(section("[a=b:vars]"), Some(Ok(Section::Vars("a=b".to_owned()))));
        assert_eq!(section("[a:c].example.org"), None);
        assert!(matches!(section("[a b]"), Some(Err(_))));
        assert!(matches!(section("[a:things]"), Some(Err(_))));
        assert_eq!((child("a  # why"), child("a b"), child("a:b")), (Some("a"), None, None));
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_reader(line in "[-a-c0-9 \\[\\]:='\"#\\\\ä.]{0,40}") {
            if let Ok(words) = words(&line) {
                for word in words {
                    prop_assert!(line.get(word.span).is_some());
                    let _ = pattern::hosts(&word.text);
                }
            }
            let _ = (section(&line), child(&line), assignment(&line));
        }
    }
}
