//! A repository of Elasticsearch: the place where a cluster keeps its snapshots, registered under a name. It belongs to the
//! cluster of a host; it cannot carry a mark, is ours when present, and is never removed.
//!
//! Only where it leads is managed. What else it is registered with (a client's name, throttles, a base path that nobody here
//! asks for) stays.

pub mod live;

use super::{Field, Judgement};
use crate::vocab::{Risk, Value};

/// A repository in its normal form. Desired: `None` leaves it as it is. Observed: `None` says that it is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRepository {
    /// Where the cluster may listen, as its host reaches it; no part of the comparison.
    pub at: Vec<String>,
    /// `s3`, `fs`, or what a plugin calls it.
    pub kind: String,
    pub bucket: Option<String>,
    /// What stands before every key.
    pub base_path: Option<String>,
    /// Host and port of an S3-compatible store, without a scheme.
    pub endpoint: Option<String>,
    /// A directory.
    pub location: Option<String>,
    /// Whether it takes no snapshots.
    pub read_only: Option<bool>,
}

/// Names of fields, as the plan shows them.
pub mod field {
    pub const TYPE: &str = "type";
    pub const BUCKET: &str = "bucket";
    pub const BASE_PATH: &str = "base_path";
    pub const ENDPOINT: &str = "endpoint";
    pub const LOCATION: &str = "location";
    pub const READ_ONLY: &str = "readonly";
}

impl SnapshotRepository {
    pub fn fields(&self) -> Vec<Field> {
        let SnapshotRepository { at: _, kind, bucket, base_path, endpoint, location, read_only } = self;
        vec![
            Field::new(field::TYPE, kind.as_str()),
            Field::managed(field::BUCKET, bucket.as_deref()),
            Field::managed(field::BASE_PATH, base_path.as_deref()),
            Field::managed(field::ENDPOINT, endpoint.as_deref()),
            Field::managed(field::LOCATION, location.as_deref()),
            Field::managed(field::READ_ONLY, *read_only),
        ]
    }

    /// What it becomes on top of what is there: of another type nothing stays.
    pub fn over(&self, present: Option<&SnapshotRepository>) -> SnapshotRepository {
        let present = present.filter(|present| present.kind == self.kind);
        let kept = |own: &Option<String>, of: fn(&SnapshotRepository) -> &Option<String>| {
            own.clone().or_else(|| present.and_then(|present| of(present).clone()))
        };
        SnapshotRepository {
            at: self.at.clone(),
            kind: self.kind.clone(),
            bucket: kept(&self.bucket, |one| &one.bucket),
            base_path: kept(&self.base_path, |one| &one.base_path),
            endpoint: kept(&self.endpoint, |one| &one.endpoint),
            location: kept(&self.location, |one| &one.location),
            read_only: Some(
                self.read_only.or(present.and_then(|present| present.read_only)).unwrap_or(false),
            ),
        }
    }

    /// Where it leads otherwise than wanted, in words; `None`: nowhere.
    pub fn differs_from(&self, wanted: &SnapshotRepository) -> Option<String> {
        let have = self.fields();
        let different = wanted
            .fields()
            .into_iter()
            .zip(have)
            .find(|(wanted, have)| wanted.value.is_some() && wanted.value != have.value)?;
        let (wanted, have) = different;
        let word = |value: Option<Value>| match value {
            Some(Value::Text(text)) => text,
            Some(Value::Bool(is)) => is.to_string(),
            _ => "none".to_owned(),
        };
        Some(format!("its {} is {}, and settings say {}", wanted.name, word(have.value), word(wanted.value)))
    }
}

/// `https://s3.example.org/` as `s3.example.org`: Elasticsearch takes either.
pub fn normal_endpoint(text: &str) -> String {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.trim_end_matches('/').to_owned()
}

/// Another place: the snapshots in the present one are found by nobody any more, and whoever else uses the name writes
/// elsewhere from then on. A repository that is read only was made so by somebody.
pub fn risk(name: &str, from: &Value, to: &Value) -> Judgement {
    match name {
        field::READ_ONLY if *from == Value::Bool(true) && *to != Value::Bool(true) => Judgement {
            risk: Risk::Widening,
            may_break: vec!["whoever made it read only, such as another cluster that writes to it"],
        },
        field::READ_ONLY => Risk::Routine.into(),
        _ => Judgement {
            risk: Risk::Destructive,
            may_break: vec![
                "whoever uses the repository of this name: its snapshots stay where they are, and are no longer found",
            ],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(bucket: &str) -> SnapshotRepository {
        SnapshotRepository {
            at: Vec::new(),
            kind: "s3".to_owned(),
            bucket: Some(bucket.to_owned()),
            base_path: None,
            endpoint: None,
            location: None,
            read_only: Some(false),
        }
    }

    #[test]
    fn another_place_is_destructive_and_writing_widens() {
        for name in [field::TYPE, field::BUCKET, field::BASE_PATH, field::LOCATION, field::ENDPOINT] {
            assert_eq!(risk(name, &"a".into(), &"b".into()).risk, Risk::Destructive, "{name}");
        }
        assert_eq!(risk(field::READ_ONLY, &true.into(), &false.into()).risk, Risk::Widening);
        assert_eq!(risk(field::READ_ONLY, &false.into(), &true.into()).risk, Risk::Routine);
    }

    #[test]
    fn what_is_not_managed_stays_unless_the_type_is_another() {
        let present = SnapshotRepository { base_path: Some("below".to_owned()), ..s3("a") };
        assert_eq!(s3("b").over(Some(&present)).base_path.as_deref(), Some("below"));
        let directory =
            SnapshotRepository { kind: "fs".to_owned(), location: Some("x".to_owned()), ..s3("a") };
        assert_eq!(s3("b").over(Some(&directory)).location, None);
        assert_eq!(present.differs_from(&s3("a")), None);
        let why = present.differs_from(&s3("b")).expect("another bucket");
        assert_eq!(why, "its bucket is a, and settings say b");
    }

    #[test]
    fn endpoints_are_the_same_with_and_without_a_scheme() {
        for text in ["s3.example.org", "https://s3.example.org/", "http://s3.example.org"] {
            assert_eq!(normal_endpoint(text), "s3.example.org");
        }
    }
}
