//! What all views in text share: glyphs, colours, sizes, instants, wrapping.

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Utc};

pub use crate::vocab::words::bytes;

/// Columns of a terminal that nobody widened.
pub const WIDTH: usize = 80;

pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();
pub const GREEN: Style = AnsiColor::Green.on_default();
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
pub const CYAN: Style = AnsiColor::Cyan.on_default();
pub const MAGENTA: Style = AnsiColor::Magenta.on_default();
pub const RED: Style = AnsiColor::Red.on_default();
pub const ALARM: Style = AnsiColor::Red.on_default().bold();

/// A text in a style.
pub fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// An instant to the minute, UTC: `2026-11-21 00:14`.
pub fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// A day, UTC: `2026-11-21`.
pub fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

/// An instant as scripts read it.
pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// `1 error`, `2 errors`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A paragraph within the columns, its first line behind `first`, the others behind as many spaces as `indent`.
pub fn wrapped(first: &str, indent: usize, text: &str) -> String {
    let spaces = " ".repeat(indent);
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(&spaces)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(text, options)
}

/// Breaks a text at spaces, `first` columns being taken on its first line and `rest` on the others.
pub fn broken(text: &str, first: usize, rest: usize) -> String {
    let (first, rest) = (" ".repeat(first), " ".repeat(rest));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(&first)
        .subsequent_indent(&rest)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(&text, options).iter().map(|line| line.trim_start()).collect::<Vec<_>>().join("\n")
}

/// A text from a file, without anything that a terminal would obey: control characters, and the marks that turn the
/// direction of writing. Lines stay lines.
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

/// A harmless text on one line: what others wrote into tags, names and files.
pub fn one_line(text: &str) -> String {
    harmless(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_texts_break_at_spaces() {
        let text = broken(&"word ".repeat(40), 7, 2);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH - 2), "{text}");
        assert_eq!(text.split_whitespace().count(), 40);
    }

    proptest! {
        #[test]
        fn nothing_that_a_terminal_obeys_is_left(text in "[\\x00-\\x1f\\x7f-\\u{9f}\u{202e}a]{0,20}") {
            let safe = one_line(&text);
            prop_assert!(safe.chars().all(|c| !c.is_control()));
            let turns = safe.contains('\u{202e}');
            prop_assert!(!turns, "writing is turned around");
        }
    }
}
