//! Matching a compiled pattern: what lies between two stars is looked for from the left, once.
//!
//! Must never backtrack: a policy is somebody else's input.

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(Box<str>),
    /// `?`: one character.
    One,
    /// `*`: any number of characters.
    Any,
    /// `${key}` or `${key, 'default'}`; the key in lower case.
    Variable {
        key: Box<str>,
        default: Option<Box<str>>,
    },
}

/// Whether a wildcard in the first five segments must not reach over a colon: any but a `*` before a colon or the end.
pub(super) fn is_bounded(pieces: &[Piece]) -> bool {
    let mut colons = 0;
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Literal(text) => colons += text.matches(':').count(),
            Piece::Any if colons < 5 && !ends_segment(pieces, index) => return true,
            Piece::One if colons < 5 => return true,
            _ => {}
        }
    }
    false
}

fn ends_segment(pieces: &[Piece], index: usize) -> bool {
    match pieces.get(index + 1) {
        None => true,
        Some(Piece::Literal(text)) => text.starts_with(':'),
        Some(_) => false,
    }
}

/// Whether the text matches, every wildcard reaching as far as it likes. What stands between two stars is looked for
/// from the left, once.
pub(super) fn glob<const FOLD: bool>(pieces: &[Piece], text: &str) -> bool {
    // Most patterns are a text, or one with a star behind it.
    match pieces {
        [Piece::Any] => return true,
        [Piece::Literal(literal)] => return literal.len() == text.len() && begins::<FOLD>(text, literal),
        [Piece::Literal(literal), Piece::Any] => return begins::<FOLD>(text, literal),
        _ => {}
    }
    let mut rest = text;
    let mut run = pieces;
    let mut is_anchored = true;
    loop {
        let end = run.iter().position(|piece| *piece == Piece::Any);
        let (fixed, after) = match end {
            Some(end) => (&run[..end], Some(&run[end + 1..])),
            None => (run, None),
        };
        match (is_anchored, after) {
            (true, None) => return head::<FOLD>(fixed, rest) == Some(""),
            (true, Some(_)) => match head::<FOLD>(fixed, rest) {
                Some(left) => rest = left,
                None => return false,
            },
            (false, None) => return tail::<FOLD>(fixed, rest),
            (false, Some(_)) => match find::<FOLD>(fixed, rest) {
                Some(left) => rest = left,
                None => return false,
            },
        }
        is_anchored = false;
        run = after.unwrap_or_default();
    }
}

fn begins<const FOLD: bool>(text: &str, literal: &str) -> bool {
    let begin = text.as_bytes().get(..literal.len());
    begin.is_some_and(|begin| match FOLD {
        true => begin.eq_ignore_ascii_case(literal.as_bytes()),
        false => begin == literal.as_bytes(),
    })
}

/// What is left of the text behind pieces without a star.
fn head<'t, const FOLD: bool>(fixed: &[Piece], text: &'t str) -> Option<&'t str> {
    let mut rest = text;
    for piece in fixed {
        rest = match piece {
            Piece::Literal(literal) => {
                let (begin, left) = rest.split_at_checked(literal.len())?;
                let is_same = if FOLD { begin.eq_ignore_ascii_case(literal) } else { begin == &**literal };
                is_same.then_some(left)?
            }
            Piece::One => {
                let mut chars = rest.chars();
                chars.next()?;
                chars.as_str()
            }
            Piece::Any | Piece::Variable { .. } => return None,
        };
    }
    Some(rest)
}

/// The first place where pieces without a star match; what is left behind it.
fn find<'t, const FOLD: bool>(fixed: &[Piece], text: &'t str) -> Option<&'t str> {
    let mut chars = text.chars();
    loop {
        if let Some(rest) = head::<FOLD>(fixed, chars.as_str()) {
            return Some(rest);
        }
        chars.next()?;
    }
}

/// Whether the text ends with pieces without a star.
fn tail<const FOLD: bool>(fixed: &[Piece], text: &str) -> bool {
    let characters: usize = fixed
        .iter()
        .map(|piece| match piece {
            Piece::Literal(literal) => literal.chars().count(),
            _ => 1,
        })
        .sum();
    let mut chars = text.chars();
    for _ in 0..characters {
        if chars.next_back().is_none() {
            return false;
        }
    }
    head::<FOLD>(fixed, &text[chars.as_str().len()..]) == Some("")
}

/// Which places of the pattern can be reached by reading the whole text, wildcards kept within their segments where
/// they must be. Place `i` is before the i-th atom, an atom being one character or wildcard; the last is the end.
pub(super) fn reach(pieces: &[Piece], text: &str) -> Vec<bool> {
    let atoms = atoms(pieces);
    let mut reached = vec![false; atoms.len() + 1];
    reached[0] = true;
    skip_stars(&atoms, &mut reached);
    for c in text.chars() {
        let mut next = vec![false; atoms.len() + 1];
        for (index, atom) in atoms.iter().enumerate().filter(|(index, _)| reached[*index]) {
            match atom {
                Atom::Character(own) if *own == c => next[index + 1] = true,
                Atom::One { is_bounded } if !(*is_bounded && c == ':') => next[index + 1] = true,
                Atom::Any { is_bounded } if !(*is_bounded && c == ':') => next[index] = true,
                _ => {}
            }
        }
        skip_stars(&atoms, &mut next);
        reached = next;
    }
    reached
}

enum Atom {
    Character(char),
    One { is_bounded: bool },
    Any { is_bounded: bool },
}

fn atoms(pieces: &[Piece]) -> Vec<Atom> {
    let mut colons = 0;
    let mut atoms = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Literal(text) => {
                colons += text.matches(':').count();
                atoms.extend(text.chars().map(Atom::Character));
            }
            Piece::One => atoms.push(Atom::One { is_bounded: colons < 5 }),
            Piece::Any => atoms.push(Atom::Any { is_bounded: colons < 5 && !ends_segment(pieces, index) }),
            Piece::Variable { .. } => {}
        }
    }
    atoms
}

/// A star may match nothing: where it is reached, so is what follows.
fn skip_stars(atoms: &[Atom], reached: &mut [bool]) {
    for (index, atom) in atoms.iter().enumerate() {
        if reached[index] && matches!(atom, Atom::Any { .. }) {
            reached[index + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::document::Version;
    use super::super::pattern::{Cover, Fit, Lookup, Pattern, Reading};

    /// What wildcards mean, said as simply as can be.
    fn means(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) if means(rest, text) => true,
            (Some(('*', _)), Some((_, left))) => means(pattern, left),
            (Some(('?', rest)), Some((_, left))) => means(rest, left),
            (Some((own, rest)), Some((c, left))) if own == c => means(rest, left),
            _ => false,
        }
    }

    fn wild(text: &str) -> Pattern {
        Pattern::new(text.to_owned(), Reading::Wild, Version::V2012)
    }

    fn nothing(_: &str) -> Lookup<'static> {
        Lookup::Nothing
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn wildcards_mean_what_they_say(pattern in "[ab\u{e4}*?]{0,9}", text in "[ab\u{e4}]{0,12}") {
            let (own, chars): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            let fits = wild(&pattern).matches(&text, &nothing) == Fit::Yes;
            prop_assert_eq!(fits, means(&own, &chars));
        }

        /// Without colons nothing is bounded, and both ways of matching agree.
        #[test]
        fn what_begins_alike_is_covered_as_its_parts_are(pattern in "[ab*?]{0,8}", text in "[ab]{0,6}") {
            let (pattern, one) = (wild(&pattern), |fit| fit == Fit::Yes);
            let ends = ["a", "b", "aa", "ab", "ba", "bb", "abab", "bbbbbbbb"];
            let fits = ends.map(|end| one(pattern.matches(&format!("{text}{end}"), &nothing)));
            match pattern.covers(&text, &nothing) {
                Cover::All => prop_assert!(fits.iter().all(|fits| *fits)),
                Cover::Nothing => prop_assert!(!fits.iter().any(|fits| *fits)),
                Cover::Some => {}
            }
        }
    }

    #[test]
    fn only_a_star_at_the_end_of_a_segment_reaches_over_colons() {
        let fits = |pattern: &str, arn: &str| wild(pattern).matches_arn(arn, &nothing) == Fit::Yes;
        let snapshot = "arn:aws:rds:eu-west-1:111122223333:snapshot:nightly";
        for pattern in [
            "*",
            "arn:*",
            "arn:aws:rds:*",
            "arn:aws:rds:*:snapshot:nightly",
            "arn:aws:rds:eu-*-1:111122223333:snap*",
            "arn:aws:rds:eu-west-?:*:snapshot:night?y",
            "arn:aws:rds:eu-west-1:111122223333:s*y",
        ] {
            assert!(fits(pattern, snapshot), "{pattern}");
        }
        for pattern in ["", "arn", "arn:aws:s3:*", "arn:aws:rds:e*y", "arn:aws:rds:eu-west-1?111122223333:*"]
        {
            assert!(!fits(pattern, snapshot), "{pattern}");
        }
    }

    #[test]
    fn stars_without_end_take_no_time() {
        let pattern = wild(&"*a".repeat(5_000));
        let text = "a".repeat(20_000);
        assert_eq!(pattern.matches(&format!("{text}b"), &nothing), Fit::No);
        assert_eq!(pattern.matches(&text, &nothing), Fit::Yes);
        assert_eq!(wild(&"?*".repeat(5_000)).matches(&text, &nothing), Fit::Yes);
    }

    #[test]
    fn variables_are_texts_never_wildcards() {
        let lookup = |key: &str| match key {
            "aws:username" => Lookup::Value("d*v"),
            "open" => Lookup::Open,
            _ => Lookup::Nothing,
        };
        let fit = |pattern: &str, text: &str| wild(pattern).matches(text, &lookup);
        assert_eq!(fit("home/${AWS:UserName}/*", "home/d*v/x"), Fit::Yes);
        assert_eq!(fit("home/${aws:username}/*", "home/dev/x"), Fit::No);
        assert_eq!(fit("${aws:PrincipalTag/team, 'all {of} them'}/?", "all {of} them/x"), Fit::Yes);
        assert_eq!(fit("${aws:PrincipalTag/team}*", ""), Fit::No);
        assert_eq!(fit("${*}${?}${$}", "*?$"), Fit::Yes);
        assert_eq!(fit("${*}", "x"), Fit::No);
        assert_eq!(fit("a${open}b", "ab"), Fit::Open);
        assert_eq!(fit("${", "${"), Fit::Yes);
        assert_eq!(fit("${}", "${}"), Fit::Yes);
        let old = Pattern::new("${aws:username}".to_owned(), Reading::Wild, Version::V2008);
        assert_eq!(old.matches("${aws:username}", &lookup), Fit::Yes);
    }
}
