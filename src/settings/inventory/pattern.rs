//! Host patterns: `db[01:12:2].example.org:22` to the names of hosts and their port.
//!
//! Follows ansible-core's `parse_address` (`lib/ansible/parsing/utils/addresses.py`) and `expand_hostname_range`
//! (`lib/ansible/plugins/inventory/__init__.py`), also where they surprise: a port is one only behind what looks like
//! a host's name or address, and what looks like neither is a name as it stands.

use std::net::Ipv6Addr;

/// A pattern may make this many hosts; more is a slip.
const MAX_HOSTS: usize = 10_000;
/// Python's `string.ascii_letters`: a range of letters may run from small ones into capitals.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The hosts of a pattern, and the port; a port that is no 64-bit number is the largest one.
///
/// Errors: a range that Ansible would refuse, or that makes more hosts than any fleet has. A range from more to less
/// makes no host, as it does for Ansible.
pub fn hosts(pattern: &str) -> Result<(Vec<String>, Option<u64>), String> {
    let (name, port) = address(pattern);
    let mut names = vec![name.to_owned()];
    // The names of one round all have the same ranges left.
    while names.iter().any(|name| name.contains('[')) {
        let mut next = Vec::new();
        for name in &names {
            next.extend(expand(pattern, name, MAX_HOSTS.saturating_sub(next.len()))?);
        }
        names = next;
    }
    Ok((names, port))
}

/// Takes a port off what is a host's name or address; anything else stays whole.
fn address(pattern: &str) -> (&str, Option<u64>) {
    let mut name = pattern;
    let mut port = None;
    for split in [bracketed_port, plain_port] {
        if let Some((before, number)) = split(name) {
            name = before;
            port = Some(number.parse().unwrap_or(u64::MAX));
        }
    }
    if is_name(name) || is_ipv6(name) { (name, port) } else { (pattern, None) }
}

/// `[..]:22`
fn bracketed_port(text: &str) -> Option<(&str, &str)> {
    let (before, port) = text.rsplit_once("]:")?;
    let inner = before.strip_prefix('[').filter(|inner| !inner.is_empty())?;
    is_digits(port).then_some((inner, port))
}

/// `name:22`, where colons before the last stand in brackets only.
fn plain_port(text: &str) -> Option<(&str, &str)> {
    let (before, port) = text.rsplit_once(':').filter(|(_, port)| is_digits(port))?;
    let mut rest = before;
    while let Some(at) = rest.find(['[', ']', ':']) {
        let inner = rest.get(at..)?.strip_prefix('[')?;
        rest = inner.split_once(']')?.1;
    }
    Some((before, port))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A text with each of its ranges replaced by one character, as long as all are ranges of this kind.
fn without_ranges(text: &str, is_range: impl Fn(&str, &str) -> bool, with: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let (range, after) = after.split_once(']')?;
        let parts: Vec<&str> = range.split(':').collect();
        let good = match parts.as_slice() {
            [first, last] => is_range(first, last),
            [first, last, step] => is_range(first, last) && is_digits(step),
            _ => false,
        };
        if !good {
            return None;
        }
        plain.push_str(before);
        plain.push_str(with);
        rest = after;
    }
    plain.push_str(rest);
    Some(plain)
}

/// Labels of letters, digits, `-`, `_` and ranges between dots; a label ends with neither `-` nor `_`. Numeric
/// addresses are such names as well.
fn is_name(text: &str) -> bool {
    let is_letter = |text: &str| text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_range = |first: &str, last: &str| {
        (is_digits(first) && is_digits(last)) || (is_letter(first) && is_letter(last))
    };
    let Some(plain) = without_ranges(text, is_range, "a") else { return false };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    plain.split('.').all(|label| {
        label.starts_with(is_word)
            && !label.ends_with(['-', '_'])
            && label.chars().all(|c| is_word(c) || c == '-')
    })
}

fn is_ipv6(text: &str) -> bool {
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    without_ranges(text, |first, last| is_hex(first) && is_hex(last), "1")
        .is_some_and(|plain| plain.parse::<Ipv6Addr>().is_ok())
}

/// Writes the first range of a name out.
fn expand(pattern: &str, name: &str, room: usize) -> Result<Vec<String>, String> {
    let wrong = |why: &str| format!("`{}` has a range that {why}", crate::settings::values::shown(pattern));
    let (head, rest) = name.split_once('[').unwrap_or((name, ""));
    let (range, tail) = rest.split_once(']').ok_or_else(|| wrong("is opened and not closed"))?;
    let bounds: Vec<&str> = range.split(':').collect();
    let (first, last, step) = match bounds.as_slice() {
        [first, last] => (*first, *last, "1"),
        [first, last, step] => (*first, *last, *step),
        _ => return Err(wrong("is none: write [1:12], [01:12], [a:f] or [1:12:2]")),
    };
    let first = if first.is_empty() { "0" } else { first };
    if last.is_empty() {
        return Err(wrong("has no end"));
    }
    let width = if first.starts_with('0') && first.len() > 1 { first.len() } else { 0 };
    if width > 0 && width != last.len() {
        return Err(wrong("begins with zeros, and its end is not as long"));
    }
    let step = python_int(step).filter(|step| *step != 0).ok_or_else(|| wrong("has no step to go by"))?;
    let steps = match (LETTERS.find(first), LETTERS.find(last)) {
        (Some(from), Some(to)) if from > to => return Err(wrong("runs backwards")),
        (Some(from), Some(to)) => letters(from, to, step),
        _ => match (python_int(first), python_int(last)) {
            (Some(from), Some(to)) => numbers(from, to, step, width, room),
            _ => return Err(wrong("is none: write [1:12], [01:12], [a:f] or [1:12:2]")),
        },
    };
    if steps.len() > room {
        return Err(format!("`{pattern}` makes more than {MAX_HOSTS} hosts"));
    }
    Ok(steps.iter().map(|step| format!("{head}{step}{tail}")).collect())
}

/// Python's slice `ascii_letters[from:to + 1:step]`: empty when it goes backwards, since it begins before its end.
fn letters(from: usize, to: usize, step: i64) -> Vec<String> {
    let Ok(step) = usize::try_from(step) else { return Vec::new() };
    let letters = LETTERS.get(from..=to).unwrap_or_default().chars();
    letters.step_by(step.max(1)).map(String::from).collect()
}

/// Python's `range(from, to + 1, step)`, and one more than there is room for where it is longer.
fn numbers(from: i64, to: i64, step: i64, width: usize, room: usize) -> Vec<String> {
    let end = to.saturating_add(1);
    let is_inside = |number: &i64| if step > 0 { *number < end } else { *number > end };
    std::iter::successors(Some(from), |number| number.checked_add(step))
        .take_while(is_inside)
        .take(room + 1)
        .map(|number| format!("{number:0width$}"))
        .collect()
}

/// A text as Python's `int` reads it: signs, spaces around, `_` between digits.
fn python_int(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let groups_are_whole = digits.split('_').all(is_digits);
    groups_are_whole.then(|| text.replace('_', "").parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pattern: &str) -> String {
        hosts(pattern).map_or_else(|why| why, |(names, _)| names.join(" "))
    }

    #[test]
    fn ranges_keep_leading_zeros_and_steps() {
        assert_eq!(names("a[08:10]b"), "a08b a09b a10b");
        assert_eq!(names("[1:5:2]"), "1 3 5");
        assert_eq!(names("x[a:b][1:2]"), "xa1 xa2 xb1 xb2");
        assert_eq!(names("x[:2]"), "x0 x1 x2");
        assert_eq!(names("x[y:B]"), "xy xz xA xB");
        assert_eq!(names("x[3:1]"), "");
        assert_eq!(names("x[5:1:-2]"), "x5 x3");
        assert_eq!(names("10.0.0.[8:9]"), "10.0.0.8 10.0.0.9");
        for wrong in ["x[1", "x[1:2:0]", "x[1:]", "x[01:100]", "x[c:a]", "x[1]", "x[1:2:3:4]", "x[a:9]"] {
            assert!(hosts(wrong).is_err(), "{wrong}");
        }
        assert!(names("h[1:9999999]").contains("more than"));
        assert!(names("h[1:200][1:200]").contains("more than"));
    }

    #[test]
    fn a_port_stands_behind_what_looks_like_a_host() {
        let read = |pattern| {
            let (names, port) = hosts(pattern).expect("hosts");
            (names.join(" "), port)
        };
        assert_eq!(read("db:5432"), ("db".into(), Some(5432)));
        assert_eq!(read("db[1:2].x:22"), ("db1.x db2.x".into(), Some(22)));
        assert_eq!(read("fe80::1"), ("fe80::1".into(), None));
        assert_eq!(read("[fe80::1]:22"), ("fe80::1".into(), Some(22)));
        assert_eq!(read("[fe80::[a:b]]:22").1, Some(22));
        assert_eq!(read("db-:22"), ("db-:22".into(), None));
        assert_eq!(read("db:99999999999999999999"), ("db".into(), Some(u64::MAX)));
    }
}
