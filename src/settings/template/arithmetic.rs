//! Multiplication in templates, of numbers alone: `'x' * 100000000` and `[1] * 100000000` make much of little, before any
//! limit on the result could see it. Pure: texts, and a question about names.

/// Filters that give a number, whatever they are given.
const TO_NUMBER: [&str; 6] = ["int", "float", "length", "count", "abs", "round"];

/// A part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Number,
    /// A variable, with what is picked out of it: `a.b[0]`.
    Name(String),
    /// `|` and a filter's name.
    Filter(String),
    /// `+ - * / % ( )`
    Sign(char),
    /// Anything else.
    Other(String),
}

/// Refuses a text in which something else than numbers is multiplied. `is_number` evaluates a variable.
pub fn check(text: &str, mut is_number: impl FnMut(&str) -> bool) -> Result<(), String> {
    let Some((_, blocks)) = text.split_once("{{").filter(|(_, blocks)| blocks.contains('*')) else {
        return Ok(());
    };
    for block in blocks.split("{{") {
        let block = block.split("}}").next().unwrap_or_default();
        // Without these a block ends at the first `}}`, so that nothing of it is overlooked.
        if let Some(sign) = block.chars().find(|c| ['\'', '"', '{', '}'].contains(c)) {
            return Err(format!("`{sign}` is not evaluated beside `*`: numbers alone are multiplied"));
        }
        if block.contains('*') {
            numbers_only(&tokens(block), &mut is_number)?;
        }
    }
    Ok(())
}

fn numbers_only(tokens: &[Token], is_number: &mut impl FnMut(&str) -> bool) -> Result<(), String> {
    for (at, token) in tokens.iter().enumerate() {
        let becomes_number =
            matches!(tokens.get(at + 1), Some(Token::Filter(name)) if TO_NUMBER.contains(&name.as_str()));
        match token {
            Token::Number | Token::Sign(_) => {}
            Token::Name(_) if becomes_number => {}
            Token::Name(name) if is_number(name) => {}
            Token::Name(name) => {
                return Err(format!("`{name}` is multiplied and is no number; write {name} | int"));
            }
            Token::Filter(name) if TO_NUMBER.contains(&name.as_str()) => {}
            Token::Filter(name) => {
                return Err(format!(
                    "`{name}` is no filter of numbers, and numbers alone are multiplied here"
                ));
            }
            Token::Other(text) => {
                return Err(format!("`{text}` is not evaluated beside `*`: numbers alone are multiplied"));
            }
        }
    }
    Ok(())
}

fn tokens(block: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = block.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '0'..='9' => length(rest, |c| c.is_ascii_alphanumeric() || c == '.' || c == '_'),
            _ if is_of_name(first) => path(rest),
            '|' => {
                let name = rest.get(1..).unwrap_or_default();
                let space = name.len() - name.trim_start().len();
                1 + space + length(name.trim_start(), is_of_name)
            }
            other => other.len_utf8(),
        };
        let word = rest.get(..end).unwrap_or_default();
        tokens.push(match first {
            '0'..='9' => Token::Number,
            '|' => Token::Filter(word.trim_start_matches('|').trim().to_owned()),
            _ if is_of_name(first) => Token::Name(word.to_owned()),
            '+' | '-' | '*' | '/' | '%' | '(' | ')' => Token::Sign(first),
            _ => Token::Other(word.to_owned()),
        });
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    tokens
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The bytes at the front that are such characters.
fn length(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is(c)).unwrap_or(text.len())
}

/// The bytes of a name and of what is picked out of it.
fn path(text: &str) -> usize {
    let mut end = length(text, is_of_name);
    loop {
        let rest = text.get(end..).unwrap_or_default();
        let more = match rest.chars().next() {
            Some('.') => match length(rest.get(1..).unwrap_or_default(), is_of_name) {
                0 => return end,
                name => 1 + name,
            },
            Some('[') => match rest.split_once(']') {
                Some((index, _)) if index.bytes().skip(1).all(|byte| byte.is_ascii_digit()) => {
                    index.len() + 1
                }
                _ => return end,
            },
            _ => return end,
        };
        end += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_multiplied_and_nothing_else_is() {
        let is_number = |name: &str| ["weeks", "a.b[0]"].contains(&name);
        let good = |text: &str| assert_eq!(check(text, is_number), Ok(()), "{text}");
        good("{{ 7 * weeks }}/it's here");
        good("x * y {{ z ~ 'w' }}");
        good("{{ (weeks + 1) * a.b[0] // 2 % 3 - -1.5 * 2 ** 3 }}");
        good("{{ groups.web | length * 2 + text | int * 3 }}");
        let bad = |text: &str| check(text, is_number).expect_err(text);
        assert!(bad("{{ 'x' * 100000000 }}").contains("numbers alone"));
        assert!(bad("{{ text * 3 }}").contains("`text` is multiplied and is no number; write text | int"));
        for text in [
            "{{ [1] * 9 }}",
            "{{ 3 * (1, 2) }}",
            "{{ weeks | string * 9 }}",
            "{{ 3 * \"{{\" }}",
            "{{ weeks * x() }}",
            "{{ a['*'] }}",
            "{{ '}}' * 99999999 }}",
            "{{ [{1: {2: 3}}] * 99999999 }}",
            "{{ a[text * 9] }}",
            "{{ weeks }}{{{ 1 * 2 }}}",
            "{{ (weeks, 1) * 2 }}",
            "{{ weeks ~ weeks * 2 }}",
            "{{ weeks if 1 else 2 * 3 }}",
        ] {
            bad(text);
        }
    }
}
