//! Values of an inventory in INI: a Python literal where it is one, else text, as Ansible's `ast.literal_eval` has it
//! (<https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ini_inventory.html>).
//!
//! Pure. Nothing is evaluated: what is more than a literal is text.

use crate::settings::scalar::{Scalar, Style};
use crate::settings::source::Mark;
use crate::settings::tree::{Content, Entry, Map, Node};

/// How deep collections may nest; Python's own parser gives up at 200.
const MAX_DEPTH: usize = 60;

/// Reads a value; `mark` becomes the place of everything in it.
pub fn read(text: &str, mark: &Mark) -> Node {
    let mut reader = Reader { rest: text.trim_start_matches([' ', '\t']), mark };
    let node = reader.top().filter(|_| reader.at_end());
    node.unwrap_or_else(|| Node { mark: mark.clone(), content: scalar(text, Style::Quoted) })
}

fn scalar(text: &str, style: Style) -> Content {
    Content::Scalar(Scalar { text: text.to_owned(), style })
}

struct Reader<'a> {
    rest: &'a str,
    mark: &'a Mark,
}

impl Reader<'_> {
    fn node(&self, content: Content) -> Node {
        Node { mark: self.mark.clone(), content }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\x0c']);
    }

    /// Past white space; a comment may follow.
    fn at_end(&mut self) -> bool {
        self.space();
        self.rest.is_empty() || self.rest.starts_with('#')
    }

    fn takes(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A value, or a tuple without parentheses.
    fn top(&mut self) -> Option<Node> {
        let first = self.value(0)?;
        if !self.takes(",") {
            return Some(first);
        }
        let mut items = vec![first];
        while !self.at_end() {
            items.push(self.value(0)?);
            if !self.takes(",") {
                break;
            }
        }
        Some(self.node(Content::List(items)))
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.space();
        match self.rest.chars().next()? {
            '[' => self.list(depth, "[", "]").map(|(items, _)| self.node(Content::List(items))),
            '(' => match self.list(depth, "(", ")")? {
                (mut items, false) if items.len() == 1 => items.pop(),
                (items, _) => Some(self.node(Content::List(items))),
            },
            '{' => self.braces(depth),
            '+' | '-' | '.' | '0'..='9' if !self.rest.starts_with("...") => self.number(),
            _ => self.constant().or_else(|| self.strings()),
        }
    }

    /// The items between two brackets, and whether a comma follows one of them.
    fn list(&mut self, depth: usize, open: &str, close: &str) -> Option<(Vec<Node>, bool)> {
        self.takes(open);
        let mut items = Vec::new();
        let mut has_comma = false;
        while !self.takes(close) {
            items.push(self.value(depth + 1)?);
            if self.takes(",") {
                has_comma = true;
            } else if self.takes(close) {
                break;
            } else {
                return None;
            }
        }
        Some((items, has_comma))
    }

    /// A dictionary, or a set, which Ansible makes a list.
    fn braces(&mut self, depth: usize) -> Option<Node> {
        self.takes("{");
        let mut map = Map::default();
        let mut items = Vec::new();
        while !self.takes("}") {
            let key = self.value(depth + 1)?;
            if self.takes(":") {
                let Content::Scalar(Scalar { text: key, .. }) = key.content else { return None };
                let value = self.value(depth + 1)?;
                map.entries.retain(|entry| entry.key != key);
                map.entries.push(Entry { key, key_mark: self.mark.clone(), value });
            } else {
                items.push(key);
            }
            if !self.takes(",") {
                if self.takes("}") {
                    break;
                }
                return None;
            }
        }
        match (map.entries.is_empty(), items.is_empty()) {
            (false, false) => None,
            (true, false) => Some(self.node(Content::List(items))),
            _ => Some(self.node(Content::Map(map))),
        }
    }

    fn constant(&mut self) -> Option<Node> {
        let words = [("True", "true"), ("False", "false"), ("None", "null"), ("...", "...")];
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
        let word = self.rest.get(..end.unwrap_or(self.rest.len()))?;
        let (_, text) = words.iter().find(|(name, _)| *name == word)?;
        self.rest = self.rest.get(word.len()..)?;
        let style = if *text == "..." { Style::Quoted } else { Style::Plain };
        Some(self.node(scalar(text, style)))
    }

    /// A number in Python's spelling, as the number that YAML would write.
    fn number(&mut self) -> Option<Node> {
        let negative = self.rest.starts_with('-');
        self.rest = self.rest.strip_prefix(['+', '-']).unwrap_or(self.rest);
        self.space();
        let mut end = 0;
        let mut before = ' ';
        for (at, c) in self.rest.char_indices() {
            let is_hex = self.rest.starts_with("0x") || self.rest.starts_with("0X");
            let is_sign = ['+', '-'].contains(&c) && ['e', 'E'].contains(&before) && !is_hex;
            if !(c.is_alphanumeric() || c == '_' || c == '.' || is_sign) {
                break;
            }
            end = at + c.len_utf8();
            before = c;
        }
        let word = self.rest.get(..end)?;
        let text = integer(word).or_else(|| float(word))?;
        self.rest = self.rest.get(end..)?;
        let sign = if negative && text != "0" { "-" } else { "" };
        Some(self.node(scalar(&format!("{sign}{text}"), Style::Plain)))
    }

    /// One text, or several behind one another, which are one.
    fn strings(&mut self) -> Option<Node> {
        let mut text = self.string()?;
        loop {
            self.space();
            let before = self.rest;
            match self.string() {
                Some(more) => text.push_str(&more),
                None if self.rest == before => break,
                None => return None,
            }
        }
        Some(self.node(scalar(&text, Style::Quoted)))
    }

    /// `None` with nothing taken where no text begins; with something taken where it does not end.
    fn string(&mut self) -> Option<String> {
        let quote_at = self.rest.find(['\'', '"'])?;
        let prefix = self.rest.get(..quote_at)?.to_ascii_lowercase();
        if !["", "r", "u", "b", "br", "rb"].contains(&prefix.as_str()) {
            return None;
        }
        let rest = self.rest.get(quote_at..)?;
        let triple = ["'''", "\"\"\""].into_iter().find(|quote| rest.starts_with(quote));
        let quote = triple.or_else(|| rest.get(..1))?;
        self.rest = rest.get(quote.len()..)?;
        let is_raw = prefix.contains('r');
        let mut text = String::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                self.rest = rest;
                return Some(text);
            }
            let c = self.take()?;
            match c {
                '\\' if is_raw => text.extend(['\\', self.take()?]),
                '\\' => self.escape(&mut text, !prefix.contains('b'))?,
                c => text.push(c),
            }
        }
    }

    fn take(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..)?;
        Some(c)
    }

    /// Python's escapes; what is none stays as written.
    fn escape(&mut self, text: &mut String, unicode: bool) -> Option<()> {
        let c = self.take()?;
        let hex = |reader: &mut Self, digits: usize| {
            let word =
                reader.rest.get(..digits).filter(|word| word.bytes().all(|b| b.is_ascii_hexdigit()))?;
            reader.rest = reader.rest.get(digits..)?;
            char::from_u32(u32::from_str_radix(word, 16).ok()?)
        };
        let escaped = match c {
            '\\' | '\'' | '"' => c,
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            '0'..='7' => {
                let more = self.rest.bytes().take(2).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
                let digits = format!("{c}{}", self.rest.get(..more)?);
                self.rest = self.rest.get(more..)?;
                char::from_u32(u32::from_str_radix(&digits, 8).ok()?)?
            }
            'x' => hex(self, 2)?,
            'u' if unicode => hex(self, 4)?,
            'U' if unicode => hex(self, 8)?,
            // A character by its name: not worth Unicode's table, so that the value stays text as a whole.
            'N' if unicode => return None,
            c => {
                text.push('\\');
                c
            }
        };
        text.push(escaped);
        Some(())
    }
}

/// A whole number in decimal digits; `None` where it is none or Python refuses it (`0755`).
fn integer(word: &str) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    let radixes = [("0x", 16), ("0o", 8), ("0b", 2)];
    let (radix, digits) = radixes
        .iter()
        .find_map(|(prefix, radix)| Some((*radix, lower.strip_prefix(prefix)?)))
        .unwrap_or((10, lower.as_str()));
    // Behind a prefix one `_` may stand as well.
    let digits = if radix == 10 { digits } else { digits.strip_prefix('_').unwrap_or(digits) };
    if !digits.split('_').all(|group| !group.is_empty() && group.chars().all(|c| c.is_digit(radix))) {
        return None;
    }
    let digits = digits.replace('_', "");
    if radix == 10 {
        let significant = digits.trim_start_matches('0');
        return match significant {
            "" => Some("0".to_owned()),
            _ if significant.len() == digits.len() => Some(digits),
            _ => None,
        };
    }
    u128::from_str_radix(&digits, radix).ok().map(|number| number.to_string())
}

fn float(word: &str) -> Option<String> {
    let is_float = word.contains(['.', 'e', 'E'])
        && word.contains(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || ".eE+-_".contains(c))
        && !word.starts_with('_')
        && !word.ends_with('_');
    let number: f64 = is_float.then(|| word.replace('_', "").parse().ok())??;
    number.is_finite().then(|| format!("{number:?}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::settings::source::Source;
    use crate::vocab::Value;

    fn value(text: &str) -> Value {
        let mark = Source::new("x", text).mark_at(0, text.len());
        crate::settings::inventory::value(&read(text, &mark))
    }

    #[test]
    fn values_are_python_literals_or_text() {
        let cases: &[(&str, Value)] = &[
            ("7", Value::Number(7)),
            ("-7", Value::Number(-7)),
            ("1_000 # why", Value::Number(1000)),
            ("0x1F", Value::Number(31)),
            ("00", Value::Number(0)),
            ("0755", Value::text("0755")),
            ("True", Value::Bool(true)),
            ("yes", Value::text("yes")),
            ("None", Value::Null),
            ("word # no comment", Value::text("word # no comment")),
            ("'in ner' # a comment", Value::text("in ner")),
            ("'[\"/dev/xvdb\"]'", Value::text("[\"/dev/xvdb\"]")),
            ("'a' \"b\"", Value::text("ab")),
            ("r'\\d' ", Value::text("\\d")),
            ("'\\d\\n\\x41'", Value::text("\\d\nA")),
            ("'open", Value::text("'open")),
            ("5 days", Value::text("5 days")),
            ("1.2.3.4", Value::text("1.2.3.4")),
            ("2020-10-10", Value::text("2020-10-10")),
            ("--5", Value::text("--5")),
            ("1.5", Value::text("1.5")),
            ("[1, 'a',]", Value::List(vec![1.into(), "a".into()])),
            ("(1)", Value::Number(1)),
            ("(1,)", Value::List(vec![1.into()])),
            ("1, 2", Value::List(vec![1.into(), 2.into()])),
            ("{'a': [True]}", Value::Map([("a".to_owned(), Value::List(vec![true.into()]))].into())),
            ("[1", Value::text("[1")),
            ("{{ x }}", Value::text("{{ x }}")),
            ("[{{ x }}]", Value::text("[{{ x }}]")),
            ("Trueish", Value::text("Trueish")),
            ("", Value::text("")),
        ];
        for (text, expected) in cases {
            assert_eq!(&value(text), expected, "{text}");
        }
        let deep = "[".repeat(5000);
        assert_eq!(value(&deep), Value::text(deep.clone()));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,40}|[-+0-9a-fxN_.'\"\\\\\\[\\](){}:, #]{0,40}") {
            let _ = value(&text);
        }
    }
}
