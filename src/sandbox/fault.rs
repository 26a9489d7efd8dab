//! What goes wrong on purpose, and when.
//!
//! The decision is a pure function of the rules, what each rule has seen so far, and the request at hand.

use serde::Deserialize;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// 503 SlowDown.
    Throttle,
    /// 500 InternalError.
    #[serde(rename = "500")]
    InternalError,
    /// The connection ends without an answer; nothing happened.
    Reset,
    /// The call takes effect, and the connection ends before its answer.
    LostAnswer,
    /// No answer ever comes; nothing happened.
    Hang,
    /// 200 with an error in its body, as calls answer that take long
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>); nothing happened.
    LateError,
    /// An object or a part is answered as if it had been taken, and is not kept.
    Lost,
    /// The answer names a checksum that the bytes do not have.
    WrongChecksum,
    /// 403 AccessDenied.
    Denied,
    /// 501 NotImplemented, as stores answer that lack a feature of S3.
    NotImplemented,
    /// The conditions of a write (`If-Match`, `If-None-Match`) are not looked at, as by stores that know none.
    IgnoreConditions,
    /// The process ends before the call takes effect.
    CrashBefore,
    /// The process ends after the call took effect, before its answer.
    CrashAfter,
}

impl FaultKind {
    pub fn is_crash(self) -> bool {
        matches!(self, FaultKind::CrashBefore | FaultKind::CrashAfter)
    }
}

/// One rule. Counts begin anew with every process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub kind: FaultKind,
    /// Only this operation, such as `PutObject`.
    #[serde(default)]
    pub operation: Option<String>,
    /// Only this bucket.
    #[serde(default)]
    pub bucket: Option<String>,
    /// The first request that is hit, counted from one among those that match; for crashes among those that match
    /// and change something.
    #[serde(default = "first")]
    pub nth: u64,
    /// How many requests are hit. Without it one is, and all of them where access is denied, nothing implemented or
    /// no condition looked at.
    #[serde(default)]
    pub times: Option<u64>,
}

fn first() -> u64 {
    1
}

impl Fault {
    /// A rule for the first request of any operation on any bucket.
    pub fn new(kind: FaultKind) -> Self {
        Fault { kind, operation: None, bucket: None, nth: 1, times: None }
    }

    pub fn on(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    pub fn of_bucket(mut self, bucket: &str) -> Self {
        self.bucket = Some(bucket.to_owned());
        self
    }

    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth;
        self
    }

    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    fn matches(&self, request: &Seen<'_>) -> bool {
        self.operation.as_deref().is_none_or(|name| name == request.operation)
            && self.bucket.as_deref().is_none_or(|name| Some(name) == request.bucket)
            && (request.changes || !self.kind.is_crash())
    }

    fn hits(&self, count: u64) -> bool {
        let lasting =
            matches!(self.kind, FaultKind::Denied | FaultKind::NotImplemented | FaultKind::IgnoreConditions);
        let times = self.times.unwrap_or(if lasting { u64::MAX } else { 1 });
        count >= self.nth && count - self.nth < times
    }
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub operation: &'a str,
    pub bucket: Option<&'a str>,
    /// Whether the operation changes anything.
    pub changes: bool,
}

/// Rules and what they have seen.
#[derive(Debug, Default)]
pub struct Faults(Vec<(Fault, u64)>);

impl Faults {
    pub fn new(rules: impl IntoIterator<Item = Fault>) -> Self {
        Faults(rules.into_iter().map(|rule| (rule, 0)).collect())
    }

    pub fn add(&mut self, rule: Fault) {
        self.0.push((rule, 0));
    }

    /// Counts the request under every rule that matches it; the first rule that hits decides.
    pub fn judge(&mut self, request: &Seen<'_>) -> Option<FaultKind> {
        let mut verdict = None;
        for (rule, count) in self.0.iter_mut().filter(|(rule, _)| rule.matches(request)) {
            *count += 1;
            if verdict.is_none() && rule.hits(*count) {
                verdict = Some(rule.kind);
            }
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Seen<'_> = Seen { operation: "GetObject", bucket: Some("b"), changes: false };
    const WRITE: Seen<'_> = Seen { operation: "PutObject", bucket: Some("b"), changes: true };

    #[test]
    fn a_rule_hits_from_its_nth_match_as_often_as_it_says() {
        let mut faults = Faults::new([Fault::new(FaultKind::Throttle).on("PutObject").nth(2).times(2)]);
        let verdicts: Vec<bool> = (0..5).map(|_| faults.judge(&WRITE).is_some()).collect();
        assert_eq!(verdicts, [false, true, true, false, false]);
        assert_eq!(faults.judge(&READ), None);
    }

    #[test]
    fn a_crash_counts_only_what_changes_something() {
        let mut faults = Faults::new([Fault::new(FaultKind::CrashAfter).nth(2)]);
        assert_eq!(faults.judge(&WRITE), None);
        assert_eq!(faults.judge(&READ), None);
        assert_eq!(faults.judge(&WRITE), Some(FaultKind::CrashAfter));
        assert_eq!(faults.judge(&WRITE), None);
    }

    #[test]
    fn denied_stays_denied() {
        let mut faults = Faults::new([Fault::new(FaultKind::Denied).of_bucket("b")]);
        assert!((0..10).all(|_| faults.judge(&READ) == Some(FaultKind::Denied)));
        assert_eq!(faults.judge(&Seen { bucket: Some("c"), ..READ }), None);
    }
}
