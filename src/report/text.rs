//! Text that is safe and fits.

/// The width that every text view keeps to.
pub const WIDTH: usize = 80;

/// A text from a file, without anything that a terminal would obey: control characters, and the marks that turn the
/// direction of writing.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => '\n',
            '\t' => ' ',
            c if u32::from(c) < 0x20 => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
            '\u{7f}' => '\u{2421}',
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                '\u{fffd}'
            }
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Breaks a text at spaces, `first` columns being taken on its first line and `rest` on the others.
pub fn wrapped(text: &str, first: usize, rest: usize) -> String {
    let mut lines = vec![String::new()];
    let mut room = WIDTH.saturating_sub(first);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + length > room {
            lines.push(String::new());
            room = WIDTH.saturating_sub(rest);
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

/// `1 error`, `2 errors`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_texts_break_at_spaces() {
        let text = wrapped(&"word ".repeat(40), 7, 2);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH - 2), "{text}");
        assert_eq!(text.split_whitespace().count(), 40);
    }

    proptest! {
        #[test]
        fn nothing_that_a_terminal_obeys_is_left(text in "[\\x00-\\x1f\\x7f-\\u{9f}\u{202e}a]{0,20}") {
            let safe = harmless(&text);
            prop_assert!(safe.chars().all(|c| c == '\n' || !c.is_control()));
            let turns = safe.contains('\u{202e}');
            prop_assert!(!turns, "writing is turned around");
        }
    }
}
