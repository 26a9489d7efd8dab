//! What an unquoted word of YAML means to Ansible, which reads YAML 1.1 as PyYAML does
//! (<https://yaml.org/type/>): `yes` is true, `~` is nothing, `12:30` is 750.

/// A word as it was written, escapes resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    pub text: String,
    pub style: Style,
}

/// How a word was written, as far as its meaning depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Unquoted: the text decides between number, boolean, nothing and text.
    Plain,
    /// Quoted, a block, or tagged `!!str`: text.
    Quoted,
    /// Tagged `!unsafe`: text in which `{{` is just two braces.
    Unsafe,
}

/// The meaning of a scalar by itself, before a key says what it wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// `12:30` and the like: base sixty.
    Sexagesimal(i64),
    Float(f64),
    Text(&'a str),
}

impl Scalar {
    pub fn meaning(&self) -> Meaning<'_> {
        match self.style {
            Style::Plain => plain(&self.text),
            Style::Quoted | Style::Unsafe => Meaning::Text(&self.text),
        }
    }

    /// Whether Ansible would evaluate the text.
    pub fn is_template(&self) -> bool {
        self.style != Style::Unsafe && (self.text.contains("{{") || self.text.contains("{%"))
    }
}

/// A boolean as Ansible's `bool` filter takes it, quoted or not.
pub fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "t" | "1" => Some(true),
        "false" | "no" | "off" | "n" | "f" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number in decimal digits, quoted or not.
pub fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn plain(text: &str) -> Meaning<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Meaning::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Meaning::Bool(false);
        }
        _ => {}
    }
    integer(text).or_else(|| float(text)).unwrap_or(Meaning::Text(text))
}

fn integer(text: &str) -> Option<Meaning<'_>> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.contains(':') {
        return sexagesimal(digits).map(|number| Meaning::Sexagesimal(sign * number));
    }
    let (radix, digits) = if let Some(hex) = digits.strip_prefix("0x") {
        (16, hex)
    } else if let Some(binary) = digits.strip_prefix("0b") {
        (2, binary)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, digits)
    } else {
        (10, digits)
    };
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    let number = i64::from_str_radix(&digits.replace('_', ""), radix).ok()?;
    Some(Meaning::Int(sign * number))
}

fn sexagesimal(digits: &str) -> Option<i64> {
    let mut parts = digits.split(':');
    let first = parts.next().filter(|part| part.starts_with(|c: char| ('1'..='9').contains(&c)))?;
    parts.try_fold(whole(first)?, |sum, part| {
        let part = whole(part).filter(|part| (0..60).contains(part))?;
        sum.checked_mul(60)?.checked_add(part)
    })
}

fn float(text: &str) -> Option<Meaning<'_>> {
    let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
    match bare {
        ".inf" | ".Inf" | ".INF" => {
            return Some(Meaning::Float(if text.starts_with('-') {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            }));
        }
        ".nan" | ".NaN" | ".NAN" => return Some(Meaning::Float(f64::NAN)),
        _ => {}
    }
    // PyYAML wants the dot, so that `1e3` stays text.
    let numeric = bare.contains('.')
        && bare.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && bare.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-_".contains(&byte));
    numeric.then(|| text.replace('_', "").parse().ok().map(Meaning::Float))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquoted_words_mean_what_they_mean_to_ansible() {
        let meaning = |text: &'static str| plain(text);
        assert_eq!(meaning("~"), Meaning::Null);
        assert_eq!(meaning(""), Meaning::Null);
        assert_eq!(meaning("On"), Meaning::Bool(true));
        assert_eq!(meaning("off"), Meaning::Bool(false));
        assert_eq!(meaning("0755"), Meaning::Int(0o755));
        assert_eq!(meaning("0x1F"), Meaning::Int(31));
        assert_eq!(meaning("-1_000"), Meaning::Int(-1000));
        assert_eq!(meaning("12:30"), Meaning::Sexagesimal(750));
        assert_eq!(meaning("1.10"), Meaning::Float(1.1));
        assert_eq!(meaning("1e3"), Meaning::Text("1e3"));
        assert_eq!(meaning("10.0.0.1"), Meaning::Text("10.0.0.1"));
        assert_eq!(meaning("y"), Meaning::Text("y"));
        assert_eq!(meaning("08"), Meaning::Text("08"));
        assert_eq!(meaning("99999999999999999999999999"), Meaning::Text("99999999999999999999999999"));
    }

    #[test]
    fn a_quoted_word_is_text_until_a_key_wants_more() {
        let quoted = Scalar { text: "True".to_owned(), style: Style::Quoted };
        assert_eq!(quoted.meaning(), Meaning::Text("True"));
        assert_eq!(boolean("True"), Some(true));
        assert_eq!(boolean("maybe"), None);
        assert_eq!(whole(" 5 "), Some(5));
        assert_eq!(whole("5 days"), None);
        assert_eq!(whole("-"), None);
    }
}
