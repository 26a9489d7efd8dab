//! What Elasticsearch answers -> plain data. Takes anything: what lacks is an error with a name, never a guess.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::EsError;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Such as `6.8.23`.
    pub version: String,
    pub cluster: String,
    /// `opensearch` where it is that.
    pub distribution: Option<String>,
}

/// A repository as it is registered; values are texts, as Elasticsearch keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    pub kind: String,
    pub settings: BTreeMap<String, String>,
}

/// How it stands with a snapshot
/// (<https://www.elastic.co/guide/en/elasticsearch/reference/7.17/get-snapshot-api.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    InProgress,
    Success,
    /// The cluster's state is there, and of some shards nothing.
    Partial,
    Failed,
    /// Of a version that this one cannot read.
    Incompatible,
    /// A word that nobody here knows: nothing to rely on.
    Unknown,
}

impl State {
    fn of(word: &str) -> State {
        match word {
            // The second word is of `_status`.
            "IN_PROGRESS" | "STARTED" | "INIT" => State::InProgress,
            "SUCCESS" => State::Success,
            "PARTIAL" => State::Partial,
            "FAILED" | "ABORTED" => State::Failed,
            "INCOMPATIBLE" => State::Incompatible,
            _ => State::Unknown,
        }
    }

    /// As Elasticsearch writes it.
    pub fn word(self) -> &'static str {
        match self {
            State::InProgress => "IN_PROGRESS",
            State::Success => "SUCCESS",
            State::Partial => "PARTIAL",
            State::Failed => "FAILED",
            State::Incompatible => "INCOMPATIBLE",
            State::Unknown => "unknown",
        }
    }
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub name: String,
    /// Before version 5 there is none.
    pub uuid: Option<String>,
    /// Of the Elasticsearch that made it.
    pub version: Option<String>,
    pub state: State,
    pub indices: Vec<String>,
    /// By the cluster's clock.
    pub started: DateTime<Utc>,
    /// `None` while it is under way.
    pub ended: Option<DateTime<Utc>>,
    pub shards: u64,
    pub failed_shards: u64,
    /// Why shards failed, `INDEX SHARD: REASON`, or why all of it did.
    pub failures: Vec<String>,
}

/// How an index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Every primary and every copy is there.
    Green,
    /// Every primary is.
    Yellow,
    /// A primary lacks; whether shards are on their way.
    Red { moves: bool },
}

/// How many failures are read: one that is the same on a thousand shards is one.
const MOST_FAILURES: usize = 20;

pub fn json(body: &[u8]) -> Result<Value, EsError> {
    serde_json::from_slice(body).map_err(|_| EsError::strange("its answer is not JSON"))
}

fn text<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    of.get(name)?.as_str()
}

fn words(of: &Value, name: &str) -> Option<String> {
    text(of, name).map(str::to_owned)
}

pub fn about(answer: &Value) -> Result<About, EsError> {
    let version = answer.get("version").ok_or_else(|| EsError::strange("it tells no version"))?;
    Ok(About {
        version: words(version, "number").ok_or_else(|| EsError::strange("it tells no version"))?,
        cluster: words(answer, "cluster_name").unwrap_or_default(),
        distribution: words(version, "distribution"),
    })
}

pub fn repository(answer: &Value, name: &str) -> Result<Repository, EsError> {
    let own = answer.get(name).ok_or_else(|| EsError::strange("it answers with another repository"))?;
    let kind = words(own, "type").ok_or_else(|| EsError::strange("the repository has no type"))?;
    let mut settings = BTreeMap::new();
    flatten(own.get("settings").unwrap_or(&Value::Null), "", &mut settings, 0);
    Ok(Repository { kind, settings })
}

/// Nested members as names with dots: both are written, and mean the same.
fn flatten(value: &Value, name: &str, into: &mut BTreeMap<String, String>, depth: usize) {
    let one = match value {
        Value::Object(members) if depth < 8 => {
            for (member, value) in members {
                let inner = if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
                flatten(value, &inner, into, depth + 1);
            }
            return;
        }
        Value::Null => return,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    into.insert(name.to_owned(), one);
}

pub fn nodes(answer: &Value) -> Result<Vec<String>, EsError> {
    let nodes = answer.get("nodes").and_then(Value::as_object);
    let nodes = nodes.ok_or_else(|| EsError::strange("it does not tell which nodes can write"))?;
    let mut names: Vec<String> =
        nodes.iter().map(|(id, node)| words(node, "name").unwrap_or_else(|| id.clone())).collect();
    names.sort();
    Ok(names)
}

pub fn snapshots(answer: &Value) -> Result<Vec<Snapshot>, EsError> {
    let all = answer.get("snapshots").and_then(Value::as_array);
    let all = all.ok_or_else(|| EsError::strange("it does not tell the snapshots"))?;
    all.iter().map(snapshot).collect()
}

fn snapshot(one: &Value) -> Result<Snapshot, EsError> {
    let lacks = |what: &str| EsError::strange(&format!("a snapshot without {what}"));
    let instant = |name: &str| {
        let millis = one.get(name).and_then(Value::as_i64).filter(|millis| *millis > 0)?;
        DateTime::<Utc>::from_timestamp_millis(millis)
    };
    let state = State::of(text(one, "state").ok_or_else(|| lacks("a state"))?);
    let shards = one.get("shards");
    let count = |name: &str| shards.and_then(|shards| shards.get(name)).and_then(Value::as_u64).unwrap_or(0);
    let listed = |name: &str| one.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut failures: Vec<String> = words(one, "reason").into_iter().collect();
    failures.extend(listed("failures").take(MOST_FAILURES).map(failure));
    Ok(Snapshot {
        name: words(one, "snapshot").ok_or_else(|| lacks("a name"))?,
        uuid: words(one, "uuid"),
        version: words(one, "version"),
        indices: listed("indices").filter_map(Value::as_str).map(str::to_owned).collect(),
        // In its first moment a snapshot has no time yet.
        started: instant("start_time_in_millis").unwrap_or(DateTime::UNIX_EPOCH),
        ended: instant("end_time_in_millis").filter(|_| state != State::InProgress),
        shards: count("total"),
        failed_shards: count("failed"),
        failures,
        state,
    })
}

/// `INDEX 0: REASON`.
fn failure(one: &Value) -> String {
    if let Some(text) = one.as_str() {
        return text.to_owned();
    }
    let shard =
        one.get("shard_id").and_then(Value::as_u64).map(|shard| format!(" {shard}")).unwrap_or_default();
    format!("{}{shard}: {}", text(one, "index").unwrap_or("?"), text(one, "reason").unwrap_or("no reason"))
}

/// `total` from version 6.4 on, `total_size_in_bytes` before.
pub fn size(answer: &Value) -> Option<u64> {
    let stats = answer.get("snapshots")?.get(0)?.get("stats")?;
    let total = stats.get("total").and_then(|total| total.get("size_in_bytes"));
    total.or_else(|| stats.get("total_size_in_bytes"))?.as_u64()
}

pub fn indices(answer: &Value) -> BTreeMap<String, bool> {
    // Without an index the filter leaves nothing of the answer.
    let indices = answer.get("metadata").and_then(|metadata| metadata.get("indices"));
    let indices = indices.and_then(Value::as_object).into_iter().flatten();
    indices.map(|(name, index)| (name.clone(), text(index, "state") != Some("close"))).collect()
}

pub fn health(answer: &Value) -> Result<Health, EsError> {
    match text(answer, "status") {
        Some("green") => Ok(Health::Green),
        Some("yellow") => Ok(Health::Yellow),
        Some("red") => {
            let moves = ["initializing_shards", "relocating_shards"];
            let count = |name: &&str| answer.get(*name).and_then(Value::as_u64).unwrap_or(0);
            Ok(Health::Red { moves: moves.iter().any(|name| count(name) > 0) })
        }
        _ => Err(EsError::strange("it does not tell how an index is")),
    }
}

pub fn count(answer: &Value) -> Result<u64, EsError> {
    let failed = answer.get("_shards").and_then(|shards| shards.get("failed")).and_then(Value::as_u64);
    if failed.unwrap_or(0) > 0 {
        return Err(EsError::strange("some shards did not count"));
    }
    answer.get("count").and_then(Value::as_u64).ok_or_else(|| EsError::strange("it does not count"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn snapshots_of_every_version_are_read() {
        let answer = json!({"snapshots": [
            {"snapshot": "a_2026_11_20", "version_id": 2_040_699, "version": "2.4.6", "indices": ["x"], "state": "SUCCESS",
             "start_time": "2026-11-20T04:00:00.000Z", "start_time_in_millis": 1_795_147_200_000_i64,
             "end_time": "2026-11-20T04:10:00.000Z", "end_time_in_millis": 1_795_147_800_000_i64,
             "duration_in_millis": 600_000, "failures": [], "shards": {"total": 5, "failed": 0, "successful": 5}},
            {"snapshot": "b", "uuid": "u", "repository": "r", "version": "8.11.1", "indices": ["x", "y"], "state": "PARTIAL",
             "start_time_in_millis": 1_795_147_200_000_i64, "end_time_in_millis": 1_795_147_800_000_i64,
             "failures": [{"index": "y", "index_uuid": "y", "shard_id": 0, "reason": "no space", "node_id": "n", "status": "500"}],
             "shards": {"total": 2, "failed": 1, "successful": 1}},
            {"snapshot": "c", "state": "IN_PROGRESS", "indices": [], "start_time_in_millis": 0, "end_time_in_millis": 0,
             "failures": [], "shards": {"total": 0, "failed": 0, "successful": 0}}
        ], "total": 3, "remaining": 0});
        let [a, b, c] = <[Snapshot; 3]>::try_from(snapshots(&answer).expect("read")).expect("three");
        assert_eq!((a.state, a.shards, a.uuid), (State::Success, 5, None));
        assert_eq!(a.ended.expect("over") - a.started, chrono::TimeDelta::minutes(10));
        assert_eq!((b.state, b.failures), (State::Partial, vec!["y 0: no space".to_owned()]));
        assert_eq!((c.state, c.ended), (State::InProgress, None));
        assert!(snapshots(&json!({})).is_err() && snapshots(&json!({"snapshots": [{}]})).is_err());
    }

    #[test]
    fn sizes_of_both_forms_are_read() {
        assert_eq!(size(&json!({"snapshots": [{"stats": {"total_size_in_bytes": 7}}]})), Some(7));
        assert_eq!(size(&json!({"snapshots": [{"stats": {"total": {"size_in_bytes": 8}}}]})), Some(8));
        assert_eq!(size(&json!({"snapshots": []})), None);
    }

    #[test]
    fn settings_are_read_however_they_are_nested() {
        let answer = json!({"r": {"type": "s3", "settings": {"bucket": "b", "compress": true, "client": {"name": "x"}}}});
        let repository = repository(&answer, "r").expect("read");
        assert_eq!(repository.settings["client.name"], "x");
        assert_eq!(repository.settings["compress"], "true");
        assert!(super::repository(&answer, "s").is_err());
    }
}
