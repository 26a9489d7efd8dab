//! One text that an operator wrote, with its name, and places in it.

use std::sync::Arc;

use zeroize::Zeroize;

use crate::vocab::{Check, Place, Problem, Span};

/// Where something stands in a text; line and column count from one, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub line: u32,
    pub column: u32,
    /// Bytes of the text.
    pub span: Span,
}

/// A file's text under the name that the operator would type.
#[derive(Clone)]
pub struct Source {
    pub name: Arc<str>,
    pub text: Arc<str>,
}

/// The name alone: texts hold secrets.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Source {
    pub fn new(name: &str, text: &str) -> Self {
        Source { name: name.into(), text: text.into() }
    }

    pub fn place(&self, mark: &Mark) -> Place {
        Place { file: self.name.clone(), line: mark.line, column: mark.column }
    }

    /// A problem of a kind, at a place of this text.
    pub fn problem(&self, check: Check, mark: &Mark, message: impl Into<String>) -> Problem {
        Problem {
            place: Some(self.place(mark)),
            span: Some(mark.span.clone()),
            ..Problem::of_file(check, &self.name, message)
        }
    }

    /// Overwrites the text, where nobody else holds it: for what was encrypted.
    pub fn wipe(&mut self) {
        if let Some(text) = Arc::get_mut(&mut self.text) {
            text.zeroize();
        }
    }

    /// The place of a byte of the text; past the end is the end.
    pub fn mark_at(&self, start: usize, end: usize) -> Mark {
        mark_at(&self.text, start, end)
    }
}

fn mark_at(text: &str, start: usize, end: usize) -> Mark {
    let start = floor(text, start);
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Mark {
        line: count(before.bytes().filter(|byte| *byte == b'\n').count()),
        column: count(before.get(line_start..).unwrap_or_default().chars().count()),
        span: start..floor(text, end).max(start),
    }
}

/// The character boundary at or before a byte.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A count from zero as a number from one.
fn count(from_zero: usize) -> u32 {
    u32::try_from(from_zero).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let source = Source::new("x", "ä: 1\nöß: 2\n");
        let mark = source.mark_at(10, 11);
        assert_eq!((mark.line, mark.column, mark.span), (2, 3, 10..11));
        assert_eq!(source.mark_at(0, 0).line, 1);
        assert_eq!(source.mark_at(999, 999).line, 3);
    }
}
