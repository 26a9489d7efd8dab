//! Texts with `*`, `?` and policy variables, compiled once and matched without allocating.
//!
//! The time of a match is bounded by the product of both lengths. Must never let the value of a variable act as a
//! wildcard.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::document::Version;
use super::wildcard::{Piece, glob, is_bounded, reach};

/// How a pattern's text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// `*` and `?` are wildcards.
    Wild,
    /// `*` and `?` are themselves.
    Literal,
}

/// A text with wildcards and variables
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>). Equal to another with the
/// same text; an action's is compared without case.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    pieces: Vec<Piece>,
    /// Actions are matched without case.
    folds: bool,
    has_variables: bool,
    /// The least number of bytes that can match, variables counted as nothing.
    least: usize,
    /// A `*` or `?` stands where it must not reach over a colon; see [`Pattern::matches_arn`].
    is_bounded: bool,
}

/// What the context says of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup<'a> {
    Value(&'a str),
    /// It has none, or several.
    Nothing,
    /// It may have any.
    Open,
}

/// Whether a pattern with variables matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    No,
    Open,
    Yes,
}

/// How much of what begins with a text a pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    Nothing,
    Some,
    All,
}

impl Pattern {
    /// An action with wildcards. Actions have no variables.
    pub(super) fn action(text: String) -> Self {
        Pattern { folds: true, ..Self::compiled(text, Reading::Wild, Version::V2008) }
    }

    pub(super) fn new(text: String, reading: Reading, version: Version) -> Self {
        Self::compiled(text, reading, version)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The keys of its variables, in lower case.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(&**key),
            _ => None,
        })
    }

    fn compiled(text: String, reading: Reading, version: Version) -> Self {
        let pieces = pieces(&text, reading, version);
        let least = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => text.len(),
                Piece::One => 1,
                Piece::Any | Piece::Variable { .. } => 0,
            })
            .sum();
        let has_variables = pieces.iter().any(|piece| matches!(piece, Piece::Variable { .. }));
        let is_bounded = is_bounded(&pieces);
        Pattern { text, pieces, folds: false, has_variables, least, is_bounded }
    }

    /// Whether an action matches; upper and lower case are alike.
    pub fn matches_action(&self, action: &str) -> bool {
        action.len() >= self.least && glob::<true>(&self.pieces, action)
    }

    /// Whether a whole text matches, variables looked up.
    pub(super) fn matches<'v>(&self, text: &str, lookup: &dyn Fn(&str) -> Lookup<'v>) -> Fit {
        self.fit(lookup, |pieces| text.len() >= self.least && glob::<false>(pieces, text))
    }

    /// Whether a resource's ARN matches. A `*` at the end of one of the first five segments may reach over the colon,
    /// any other wildcard in them may not
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html>).
    pub(super) fn matches_arn<'v>(&self, arn: &str, lookup: &dyn Fn(&str) -> Lookup<'v>) -> Fit {
        self.fit(lookup, |pieces| {
            arn.len() >= self.least
                && glob::<false>(pieces, arn)
                && (!self.is_bounded || reach(pieces, arn).last() == Some(&true))
        })
    }

    /// How much of the resources whose ARN begins with `prefix` the pattern matches.
    pub(super) fn covers<'v>(&self, prefix: &str, lookup: &dyn Fn(&str) -> Lookup<'v>) -> Cover {
        let cover = |pieces: &[Piece]| {
            let reached = reach(pieces, prefix);
            match (reached.iter().any(|reached| *reached), pieces.last()) {
                (false, _) => Cover::Nothing,
                // A last `*` that is already reached takes whatever follows.
                (true, Some(Piece::Any)) if reached.last() == Some(&true) => Cover::All,
                (true, _) => match reached[..reached.len() - 1].iter().any(|reached| *reached) {
                    true => Cover::Some,
                    // Only the prefix itself is matched, and what is asked begins with it and goes on.
                    false => Cover::Nothing,
                },
            }
        };
        if !self.has_variables {
            return cover(&self.pieces);
        }
        match self.resolved(lookup) {
            Resolved::Pieces(pieces) => cover(&pieces),
            Resolved::Nothing => Cover::Nothing,
            Resolved::Open => Cover::Some,
        }
    }

    /// Whether a text is the same but for case; wildcards are themselves.
    pub(super) fn equals_without_case<'v>(&self, text: &str, lookup: &dyn Fn(&str) -> Lookup<'v>) -> Fit {
        let wanted = text.to_lowercase();
        self.fit(lookup, |pieces| {
            let own: String = pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Literal(text) => text,
                    Piece::One => "?",
                    Piece::Any => "*",
                    Piece::Variable { .. } => "",
                })
                .collect();
            own.to_lowercase() == wanted
        })
    }

    fn fit<'v>(&self, lookup: &dyn Fn(&str) -> Lookup<'v>, matches: impl Fn(&[Piece]) -> bool) -> Fit {
        if !self.has_variables {
            return if matches(&self.pieces) { Fit::Yes } else { Fit::No };
        }
        match self.resolved(lookup) {
            Resolved::Pieces(pieces) if matches(&pieces) => Fit::Yes,
            Resolved::Pieces(_) | Resolved::Nothing => Fit::No,
            Resolved::Open => Fit::Open,
        }
    }

    /// The pieces with the variables' values in their place, which are texts, never wildcards.
    fn resolved<'v>(&self, lookup: &dyn Fn(&str) -> Lookup<'v>) -> Resolved {
        let mut pieces = Vec::with_capacity(self.pieces.len());
        let mut is_open = false;
        for piece in &self.pieces {
            pieces.push(match piece {
                Piece::Variable { key, default } => match (lookup(key), default) {
                    (Lookup::Value(value), _) => Piece::Literal(value.into()),
                    (Lookup::Nothing, Some(default)) => Piece::Literal(default.clone()),
                    (Lookup::Nothing, None) => return Resolved::Nothing,
                    (Lookup::Open, _) => {
                        is_open = true;
                        continue;
                    }
                },
                piece => piece.clone(),
            });
        }
        if is_open { Resolved::Open } else { Resolved::Pieces(pieces) }
    }
}

enum Resolved {
    Pieces(Vec<Piece>),
    Nothing,
    Open,
}

/// A pattern's text in pieces. Variables, and `${*}`, `${?}`, `${$}` for the characters themselves, exist since
/// version 2012-10-17; before, they are text.
fn pieces(text: &str, reading: Reading, version: Version) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((piece, length)) = variable(rest).filter(|_| version == Version::V2012) {
            rest = &rest[length..];
            match piece {
                Piece::Literal(character) => literal.push_str(&character),
                piece => push(&mut pieces, &mut literal, piece),
            }
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match (c, reading) {
            ('*', Reading::Wild) => {
                // Two stars in a row are one.
                if !literal.is_empty() || pieces.last() != Some(&Piece::Any) {
                    push(&mut pieces, &mut literal, Piece::Any);
                }
            }
            ('?', Reading::Wild) => push(&mut pieces, &mut literal, Piece::One),
            _ => literal.push(c),
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into()));
    }
    pieces
}

fn push(pieces: &mut Vec<Piece>, literal: &mut String, piece: Piece) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal).into()));
    }
    pieces.push(piece);
}

/// The variable that a text begins with, and its length in bytes.
fn variable(text: &str) -> Option<(Piece, usize)> {
    let inner = text.strip_prefix("${")?;
    let end = inner.find('}')?;
    if let special @ ("*" | "?" | "$") = &inner[..end] {
        return Some((Piece::Literal(special.into()), end + 3));
    }
    // A default may hold a brace of its own: it ends with the quote.
    if let Some(comma) = inner.find(',').filter(|comma| *comma < end) {
        let quoted = inner[comma + 1..].trim_start_matches(' ');
        let begin = inner.len() - quoted.len();
        if let Some(default) = quoted.strip_prefix('\'')
            && let Some(length) = default.find("'}")
        {
            let piece =
                Piece::Variable { key: key(&inner[..comma])?, default: Some(default[..length].into()) };
            return Some((piece, 2 + begin + 1 + length + 2));
        }
    }
    Some((Piece::Variable { key: key(&inner[..end])?, default: None }, end + 3))
}

fn key(text: &str) -> Option<Box<str>> {
    let key = text.trim();
    (!key.is_empty()).then(|| key.to_lowercase().into())
}

impl Pattern {
    fn folded(&self) -> Cow<'_, str> {
        if self.folds { self.text.to_ascii_lowercase().into() } else { Cow::Borrowed(&self.text) }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pattern {}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(&other.folded())
    }
}
