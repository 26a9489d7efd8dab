//! Conditions as they are written: operator, key, values, each value read once for what its operator compares
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>).

use std::cmp::Ordering;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDate, Utc};

use super::document::Version;
use super::network::Network;
use super::pattern::{Pattern, Reading};

/// One operator on one key.
#[derive(Clone, Debug)]
pub struct Condition {
    pub operator: Operator,
    /// As it is written; its case does not matter.
    pub key: String,
    /// In order. Any of them suffices; of a negated operator none may match.
    pub values: Vec<ConditionValue>,
    /// The key in lower case.
    pub(super) folded: String,
}

/// What a condition asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    Known {
        set: Option<Set>,
        test: Test,
        /// `...IfExists`: true where the key is absent.
        if_exists: bool,
    },
    /// One that this program does not know, as it is written: whether it holds is unknown.
    Unmodelled(String),
}

/// How an operator treats the values of a key that has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    ForAllValues,
    ForAnyValue,
}

impl Set {
    pub fn as_str(self) -> &'static str {
        match self {
            Set::ForAllValues => "ForAllValues",
            Set::ForAnyValue => "ForAnyValue",
        }
    }
}

macro_rules! tests {
    ($($test:ident),* $(,)?) => {
        /// The comparison of an operator, by IAM's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Test { $($test),* }

        impl Test {
            pub const ALL: &[Test] = &[$(Test::$test),*];

            pub fn as_str(self) -> &'static str {
                match self { $(Test::$test => stringify!($test)),* }
            }
        }
    };
}

tests!(
    StringEquals,
    StringNotEquals,
    StringEqualsIgnoreCase,
    StringNotEqualsIgnoreCase,
    StringLike,
    StringNotLike,
    NumericEquals,
    NumericNotEquals,
    NumericLessThan,
    NumericLessThanEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    DateEquals,
    DateNotEquals,
    DateLessThan,
    DateLessThanEquals,
    DateGreaterThan,
    DateGreaterThanEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    NotIpAddress,
    ArnEquals,
    ArnNotEquals,
    ArnLike,
    ArnNotLike,
    Null,
);

impl Test {
    /// Whether it holds where nothing matches, and where the key is absent.
    pub fn is_negated(self) -> bool {
        matches!(
            self,
            Test::StringNotEquals
                | Test::StringNotEqualsIgnoreCase
                | Test::StringNotLike
                | Test::NumericNotEquals
                | Test::DateNotEquals
                | Test::NotIpAddress
                | Test::ArnNotEquals
                | Test::ArnNotLike
        )
    }
}

impl Operator {
    /// Reads a name; its case does not matter.
    pub(super) fn parse(text: &str) -> Self {
        let strip = |text: &'_ str, prefix: &str| -> Option<String> {
            let (begin, rest) = text.split_at_checked(prefix.len())?;
            begin.eq_ignore_ascii_case(prefix).then(|| rest.to_owned())
        };
        let (set, rest) = match (strip(text, "ForAllValues:"), strip(text, "ForAnyValue:")) {
            (Some(rest), _) => (Some(Set::ForAllValues), rest),
            (_, Some(rest)) => (Some(Set::ForAnyValue), rest),
            _ => (None, text.to_owned()),
        };
        let named =
            |name: &str| Test::ALL.iter().copied().find(|test| test.as_str().eq_ignore_ascii_case(name));
        if let Some(test) = named(&rest) {
            return Operator::Known { set, test, if_exists: false };
        }
        let ending = rest.len().saturating_sub("IfExists".len());
        match rest.split_at_checked(ending) {
            Some((name, ending)) if ending.eq_ignore_ascii_case("IfExists") => match named(name) {
                // Whether a key exists is no question where it need not.
                Some(test) if test != Test::Null => Operator::Known { set, test, if_exists: true },
                _ => Operator::Unmodelled(text.to_owned()),
            },
            _ => Operator::Unmodelled(text.to_owned()),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operator::Unmodelled(text) => f.write_str(text),
            Operator::Known { set, test, if_exists } => {
                if let Some(set) = set {
                    write!(f, "{}:", set.as_str())?;
                }
                write!(f, "{}{}", test.as_str(), if *if_exists { "IfExists" } else { "" })
            }
        }
    }
}

/// A value of a condition.
#[derive(Clone, Debug)]
pub struct ConditionValue {
    /// As IAM reads it: booleans and numbers are texts.
    pub text: String,
    pub(super) meaning: Meaning,
}

/// A value as its operator compares it.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    Text(Pattern),
    Arn(ArnPattern),
    Number(f64),
    Instant(DateTime<Utc>),
    Truth(bool),
    Bytes(Vec<u8>),
    Network(Network),
    /// Not what the operator compares, or the operator is not known: what it says is unknown.
    Unmodelled,
}

/// An ARN of a condition, whose six segments are compared one by one.
#[derive(Clone, Debug)]
pub(super) enum ArnPattern {
    /// `*` alone.
    Every,
    Segments(Box<[Pattern; 6]>),
}

impl ArnPattern {
    fn parse(text: &str, version: Version) -> Option<Self> {
        if text == "*" {
            return Some(ArnPattern::Every);
        }
        let mut segments = Vec::with_capacity(6);
        let (mut begin, mut depth) = (0, 0);
        for (index, c) in text.char_indices() {
            match c {
                // The key of a variable has colons of its own.
                '{' if text[..index].ends_with('$') => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ':' if depth == 0 && segments.len() < 5 => {
                    segments.push(&text[begin..index]);
                    begin = index + 1;
                }
                _ => {}
            }
        }
        segments.push(&text[begin..]);
        let patterns: Vec<Pattern> = segments
            .into_iter()
            .map(|segment| Pattern::new(segment.to_owned(), Reading::Wild, version))
            .collect();
        patterns.try_into().ok().map(|segments| ArnPattern::Segments(Box::new(segments)))
    }
}

impl ConditionValue {
    /// The keys of its variables, in lower case.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let patterns = match &self.meaning {
            Meaning::Text(pattern) => std::slice::from_ref(pattern),
            Meaning::Arn(arn) => match arn {
                ArnPattern::Segments(segments) => &segments[..],
                ArnPattern::Every => &[],
            },
            _ => &[],
        };
        patterns.iter().flat_map(Pattern::variables)
    }

    pub(super) fn new(text: String, operator: &Operator, version: Version) -> Self {
        let Operator::Known { test, .. } = operator else {
            return ConditionValue { text, meaning: Meaning::Unmodelled };
        };
        // One spelling of true and false.
        let text = match test {
            Test::Bool | Test::Null if truth(&text).is_some() => text.to_ascii_lowercase(),
            _ => text,
        };
        let meaning = match test {
            Test::StringEquals
            | Test::StringNotEquals
            | Test::StringEqualsIgnoreCase
            | Test::StringNotEqualsIgnoreCase => {
                Some(Meaning::Text(Pattern::new(text.clone(), Reading::Literal, version)))
            }
            Test::StringLike | Test::StringNotLike => {
                Some(Meaning::Text(Pattern::new(text.clone(), Reading::Wild, version)))
            }
            Test::ArnEquals | Test::ArnNotEquals | Test::ArnLike | Test::ArnNotLike => {
                ArnPattern::parse(&text, version).map(Meaning::Arn)
            }
            Test::NumericEquals
            | Test::NumericNotEquals
            | Test::NumericLessThan
            | Test::NumericLessThanEquals
            | Test::NumericGreaterThan
            | Test::NumericGreaterThanEquals => number(&text).map(Meaning::Number),
            Test::DateEquals
            | Test::DateNotEquals
            | Test::DateLessThan
            | Test::DateLessThanEquals
            | Test::DateGreaterThan
            | Test::DateGreaterThanEquals => instant(&text).map(Meaning::Instant),
            Test::Bool | Test::Null => truth(&text).map(Meaning::Truth),
            Test::BinaryEquals => STANDARD.decode(&text).ok().map(Meaning::Bytes),
            Test::IpAddress | Test::NotIpAddress => Network::parse(&text).map(Meaning::Network),
        };
        ConditionValue { text, meaning: meaning.unwrap_or(Meaning::Unmodelled) }
    }
}

/// An integer or decimal.
pub(super) fn number(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse::<f64>().ok().filter(|number| is_plain && number.is_finite())
}

/// A date of ISO 8601 as the W3C profiles it, or seconds since 1970.
pub(super) fn instant(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // Four digits are a year.
    if digits(text.strip_prefix('-').unwrap_or(text)) && text.len() != 4 {
        return DateTime::from_timestamp(text.parse().ok()?, 0);
    }
    // Without seconds; then without a time, a day, a month.
    if let Some(minute) = text.strip_suffix('Z').filter(|minute| minute.len() == 16) {
        return DateTime::parse_from_rfc3339(&format!("{minute}:00Z")).ok().map(|at| at.to_utc());
    }
    if text.len() == 22 && text.is_ascii() && matches!(text.as_bytes()[16], b'+' | b'-') {
        let at = DateTime::parse_from_rfc3339(&format!("{}:00{}", &text[..16], &text[16..]));
        return at.ok().map(|at| at.to_utc());
    }
    let day = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    };
    let day = NaiveDate::parse_from_str(&day, "%Y-%m-%d").ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc())
}

pub(super) fn truth(text: &str) -> Option<bool> {
    [("true", true), ("false", false)]
        .into_iter()
        .find_map(|(name, truth)| text.eq_ignore_ascii_case(name).then_some(truth))
}

/// Bytes in base64, as contexts hold them too.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

impl Condition {
    fn order(&self) -> (&Operator, &str, &[ConditionValue]) {
        (&self.operator, &self.folded, &self.values)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Condition {}

impl PartialOrd for Condition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Condition {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

// A meaning follows from text and operator.
impl PartialEq for ConditionValue {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ConditionValue {}

impl PartialOrd for ConditionValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ConditionValue {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_read_whatever_their_case() {
        for text in
            ["StringEquals", "ForAnyValue:StringLike", "ForAllValues:ArnNotLikeIfExists", "BoolIfExists"]
        {
            assert_eq!(Operator::parse(text).to_string(), text);
            assert_eq!(Operator::parse(&text.to_uppercase()), Operator::parse(text));
        }
        for text in ["StringMatches", "NullIfExists", "IfExists", "", "ForEveryValue:Bool", "ÄIfExists"] {
            assert_eq!(Operator::parse(text), Operator::Unmodelled(text.to_owned()));
        }
    }

    #[test]
    fn dates_are_read_as_the_w3c_profiles_them() {
        let at = |text: &str| instant(text).map(|at| at.to_rfc3339());
        assert_eq!(at("2026-01-01T00:00:00Z"), at("2026-01-01"));
        assert_eq!(at("2026-01"), at("2026"));
        assert_eq!(at("1767225600"), at("2026"));
        assert_eq!(at("2026-01-01T02:00+02:00"), at("2026-01-01T00:00Z"));
        assert_eq!(at("2026-01-01T00:00:00.5Z").as_deref(), Some("2026-01-01T00:00:00.500+00:00"));
        for text in
            ["", "yesterday", "2026-13", "2026-01-01T25:00Z", "99999999999999999999", "é026-01-01T00:00+0"]
        {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_digits() {
        assert_eq!(number("-1.50"), Some(-1.5));
        for text in ["", "inf", "NaN", "1e999", "0x1", "1_000", " 1"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
