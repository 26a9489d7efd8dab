//! Whether a condition holds in a context: each operator, sets, absent keys
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>,
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>).
//!
//! What cannot be compared is unknown, never false.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::condition::{ArnPattern, Condition, Meaning, Operator, Set, Test, bytes, instant, number, truth};
use super::context::Found;
use super::decision::Request;
use super::pattern::{Fit, Lookup};
use super::truth::Truth;

impl Request<'_> {
    /// What the context says of a key in lower case.
    pub(super) fn find(&self, folded: &str) -> Found<'_> {
        self.context.find(folded, self.principal, self.resource_account.or(self.principal.account()))
    }

    /// The value of a variable.
    pub(super) fn variable(&self, folded: &str) -> Lookup<'_> {
        self.find(folded).as_variable()
    }
}

impl From<Fit> for Truth {
    fn from(fit: Fit) -> Truth {
        match fit {
            Fit::No => Truth::False,
            Fit::Open => Truth::Open,
            Fit::Yes => Truth::True,
        }
    }
}

impl Condition {
    pub(super) fn holds(&self, request: &Request<'_>) -> Truth {
        let Operator::Known { set, test, if_exists } = self.operator else { return Truth::Unknown };
        let found = request.find(&self.folded);
        if test == Test::Null {
            return self.is_null(found);
        }
        let values: &[&str] = match &found {
            Found::Open => return Truth::Open,
            Found::Absent => return absent(set, test, if_exists),
            Found::One(value) => &[value],
            Found::Many(values) => {
                let each = values.iter().map(|value| self.matches(test, value, request));
                return match set {
                    Some(Set::ForAllValues) => Truth::all(each),
                    Some(Set::ForAnyValue) => Truth::any(each),
                    // IAM asks for a set operator here, and says nothing about what happens without.
                    None => Truth::Unknown,
                };
            }
        };
        match (set, values) {
            // "A null data set, such as an empty string", is as good as none.
            (Some(Set::ForAllValues), [""]) => Truth::True,
            (_, values) => Truth::all(values.iter().map(|value| self.matches(test, value, request))),
        }
    }

    /// `Null`: `true` asks that the key be absent, `false` that it be there.
    fn is_null(&self, found: Found<'_>) -> Truth {
        Truth::any(self.values.iter().map(|value| match (&value.meaning, found) {
            (Meaning::Truth(_), Found::Open) => Truth::Open,
            (Meaning::Truth(wanted), found) => Truth::from(*wanted == (found == Found::Absent)),
            _ => Truth::Unknown,
        }))
    }

    /// One value of the context with those of the policy: any must match, or of a negated test none.
    fn matches(&self, test: Test, value: &str, request: &Request<'_>) -> Truth {
        let each = self.values.iter().map(|own| compare(test, &own.meaning, value, request));
        if test.is_negated() { Truth::all(each.map(Truth::not)) } else { Truth::any(each) }
    }
}

/// Where the key is absent.
fn absent(set: Option<Set>, test: Test, if_exists: bool) -> Truth {
    Truth::from(match (if_exists, set) {
        (true, _) | (false, Some(Set::ForAllValues)) => true,
        (false, Some(Set::ForAnyValue)) => false,
        (false, None) => test.is_negated(),
    })
}

/// Whether a value of the context is one that the policy means; of a negated test, one that it excludes.
fn compare(test: Test, own: &Meaning, value: &str, request: &Request<'_>) -> Truth {
    let lookup = |key: &str| request.variable(key);
    let ordered = |order: Option<Ordering>| match order {
        Some(order) => Truth::from(is_ordered(test, order)),
        None => Truth::Unknown,
    };
    match own {
        Meaning::Text(pattern) => match test {
            Test::StringEqualsIgnoreCase | Test::StringNotEqualsIgnoreCase => {
                pattern.equals_without_case(value, &lookup).into()
            }
            _ => pattern.matches(value, &lookup).into(),
        },
        Meaning::Arn(pattern) => arn(pattern, value, &lookup),
        Meaning::Number(own) => ordered(number(value).and_then(|value| value.partial_cmp(own))),
        Meaning::Instant(own) => ordered(instant(value).map(|value| value.cmp(own))),
        Meaning::Truth(own) => truth(value).map_or(Truth::Unknown, |value| Truth::from(value == *own)),
        Meaning::Bytes(own) => bytes(value).map_or(Truth::Unknown, |value| Truth::from(value == *own)),
        Meaning::Network(own) => match value.parse::<IpAddr>() {
            Ok(address) => Truth::from(own.contains(address)),
            Err(_) => Truth::Unknown,
        },
        Meaning::Unmodelled => Truth::Unknown,
    }
}

/// Whether the context's value stands to the policy's as the test asks; a negated test excludes equals.
fn is_ordered(test: Test, order: Ordering) -> bool {
    match test {
        Test::NumericLessThan | Test::DateLessThan => order.is_lt(),
        Test::NumericLessThanEquals | Test::DateLessThanEquals => order.is_le(),
        Test::NumericGreaterThan | Test::DateGreaterThan => order.is_gt(),
        Test::NumericGreaterThanEquals | Test::DateGreaterThanEquals => order.is_ge(),
        _ => order.is_eq(),
    }
}

/// Segment by segment; the last holds what colons are left.
fn arn<'v>(pattern: &ArnPattern, value: &str, lookup: &dyn Fn(&str) -> Lookup<'v>) -> Truth {
    let is_arn = value.starts_with("arn:") && value.bytes().filter(|b| *b == b':').count() >= 5;
    match pattern {
        _ if !is_arn => Truth::False,
        ArnPattern::Every => Truth::True,
        ArnPattern::Segments(segments) => Truth::all(
            segments
                .iter()
                .zip(value.splitn(6, ':'))
                .map(|(pattern, segment)| pattern.matches(segment, lookup).into()),
        ),
    }
}
