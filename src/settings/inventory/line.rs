//! One line of an inventory: section headers, words with quotes, host ranges, values.

use std::ops::Range;

use crate::vocab::Value;

/// A range may make this many hosts; more is a slip.
const MAX_RANGE: u64 = 10_000;

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

/// Reads `[name]`, `[name:children]`, `[name:vars]`.
pub fn section(line: &str) -> Result<Section, String> {
    let wrong = || "a section is written `[group]`, `[group:children]` or `[group:vars]`".to_owned();
    let (name, tail) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(wrong)?;
    // A comment may follow.
    if !tail.trim_start().is_empty() && !tail.trim_start().starts_with(['#', ';']) {
        return Err(wrong());
    }
    let (group, kind) = name.trim().split_once(':').unwrap_or((name.trim(), "hosts"));
    if group.is_empty() || group.contains(char::is_whitespace) {
        return Err(wrong());
    }
    match kind {
        "hosts" => Ok(Section::Hosts(group.to_owned())),
        "children" => Ok(Section::Children(group.to_owned())),
        "vars" => Ok(Section::Vars(group.to_owned())),
        _ => Err(wrong()),
    }
}

/// Splits a line as a shell would: quotes hold words together, `#` begins a comment.
pub fn words(line: &str) -> Result<Vec<Word>, String> {
    let mut words: Vec<Word> = Vec::new();
    let mut open: Option<Word> = None;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        let here = at..at + c.len_utf8();
        let word = |open: &mut Option<Word>| {
            let word = open.get_or_insert_with(|| Word { text: String::new(), span: here.clone() });
            word.span.end = here.end;
        };
        if std::mem::take(&mut escaped) {
            word(&mut open);
            open.iter_mut().for_each(|open| open.text.push(c));
            continue;
        }
        match (quote, c) {
            (Some(q), c) if c == q => {
                word(&mut open);
                quote = None;
            }
            (None, '\'' | '"') => {
                word(&mut open);
                quote = Some(c);
            }
            (None | Some('"'), '\\') => {
                word(&mut open);
                escaped = true;
            }
            (None, '#') => break,
            (None, c) if c.is_whitespace() => words.extend(open.take()),
            (_, c) => {
                word(&mut open);
                open.iter_mut().for_each(|open| open.text.push(c));
            }
        }
    }
    if quote.is_some() {
        return Err("a quote is opened and not closed".to_owned());
    }
    words.extend(open);
    Ok(words)
}

/// Reads `name = value` of a `:vars` section, with the bytes of the whole assignment.
pub fn variable(line: &str) -> Option<(String, Value, Range<usize>)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    if name.is_empty() || name.contains(char::is_whitespace) {
        return None;
    }
    // Behind an unquoted value a comment may follow; a quoted one ends with its quote.
    let value = value.trim();
    let end = match value.chars().next().filter(|c| ['\'', '"'].contains(c)) {
        Some(quote) => value.get(1..)?.find(quote).map_or(value.len(), |close| close + 2),
        None => value.find(" #").unwrap_or(value.len()),
    };
    let value = value.get(..end)?.trim();
    let length = line.find('=')? + 1 + line.split_once('=')?.1.find(value)? + value.len();
    Some((name.to_owned(), literal(value), 0..length))
}

/// A value as Ansible reads it: a Python literal where it is one, else text.
pub fn literal(text: &str) -> Value {
    for quote in ['\'', '"'] {
        let inner = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner.filter(|inner| !inner.contains(quote)) {
            return Value::text(inner);
        }
    }
    match text {
        "True" => return Value::Bool(true),
        "False" => return Value::Bool(false),
        "None" => return Value::Null,
        _ => {}
    }
    // Python refuses a leading zero, so that `0755` stays text.
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    match text.parse() {
        Ok(number) if is_number => Value::Number(number),
        _ => Value::text(text),
    }
}

/// The hosts of a pattern such as `db[01:12:2].example.org:22`, and the port.
pub fn hosts(pattern: &str) -> Result<(Vec<String>, Option<u16>), String> {
    let (pattern, port) = split_port(pattern);
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('[') {
        let (range, after) =
            after.split_once(']').ok_or_else(|| format!("the range in `{pattern}` has no closing `]`"))?;
        let steps = expand(range)?;
        if names.len() as u64 * steps.len() as u64 > MAX_RANGE {
            return Err(format!("`{pattern}` makes more than {MAX_RANGE} hosts"));
        }
        names = names
            .iter()
            .flat_map(|name| steps.iter().map(move |step| format!("{name}{before}{step}")))
            .collect();
        rest = after;
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok((names, port))
}

/// `host:port`; an IPv6 address has more than one colon, and a range has its colons in brackets.
fn split_port(pattern: &str) -> (&str, Option<u16>) {
    let behind_ranges = pattern.rfind(']').map_or(0, |at| at + 1);
    let tail = pattern.get(behind_ranges..).unwrap_or_default();
    match tail.rsplit_once(':') {
        Some((before, port)) if !before.contains(':') => match port.parse() {
            Ok(port) => (pattern.get(..behind_ranges + before.len()).unwrap_or(pattern), Some(port)),
            Err(_) => (pattern, None),
        },
        _ => (pattern, None),
    }
}

fn expand(range: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("`[{range}]` is no range: write [1:12], [01:12], [a:f] or [1:12:2]");
    let parts: Vec<&str> = range.split(':').collect();
    let (first, last, step) = match parts.as_slice() {
        [first, last] => (*first, *last, 1),
        [first, last, step] => (*first, *last, step.parse::<usize>().map_err(|_| wrong())?),
        _ => return Err(wrong()),
    };
    if step == 0 {
        return Err(wrong());
    }
    let first = if first.is_empty() { "0" } else { first };
    if let (Ok(from), Ok(to)) = (first.parse::<u64>(), last.parse::<u64>()) {
        if from > to {
            return Err(wrong());
        }
        if (to - from) / step as u64 >= MAX_RANGE {
            return Err(format!("`[{range}]` makes more than {MAX_RANGE} hosts"));
        }
        let width = if first.starts_with('0') && first.len() > 1 { first.len() } else { 0 };
        return Ok((from..=to).step_by(step).map(|number| format!("{number:0width$}")).collect());
    }
    match (first.as_bytes(), last.as_bytes()) {
        ([from], [to]) if from <= to && from.is_ascii_alphabetic() && to.is_ascii_alphabetic() => {
            let letters = (*from..=*to).filter(u8::is_ascii_alphabetic).step_by(step);
            Ok(letters.map(|letter| char::from(letter).to_string()).collect())
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_keep_leading_zeros_and_steps() {
        let names = |pattern| hosts(pattern).map(|(names, _)| names);
        assert_eq!(names("a[08:10]b"), Ok(vec!["a08b".into(), "a09b".into(), "a10b".into()]));
        assert_eq!(names("[1:5:2]"), Ok(vec!["1".into(), "3".into(), "5".into()]));
        assert_eq!(names("x[a:b][1:2]").map(|names| names.join(" ")), Ok("xa1 xa2 xb1 xb2".to_owned()));
        assert!(names("x[3:1]").is_err() && names("x[1").is_err() && names("x[1:2:0]").is_err());
        assert_eq!(hosts("db:5432"), Ok((vec!["db".into()], Some(5432))));
        assert_eq!(hosts("fe80::1"), Ok((vec!["fe80::1".into()], None)));
    }

    #[test]
    fn values_are_python_literals_or_text() {
        assert_eq!(literal("7"), Value::Number(7));
        assert_eq!(literal("0755"), Value::text("0755"));
        assert_eq!(literal("True"), Value::Bool(true));
        assert_eq!(literal("yes"), Value::text("yes"));
        assert_eq!(literal("'[\"/dev/xvdb\"]'"), Value::text("[\"/dev/xvdb\"]"));
    }

    proptest! {
        #[test]
        fn no_line_breaks_the_reader(line in "[-a-c0-9 \\[\\]:='\"#\\\\ä.]{0,40}") {
            if let Ok(words) = words(&line) {
                for word in words {
                    prop_assert!(line.get(word.span).is_some());
                    let _ = hosts(&word.text);
                }
            }
            if let Some((_, _, span)) = variable(&line) {
                prop_assert!(line.get(span).is_some());
            }
            let _ = section(&line);
        }
    }
}
