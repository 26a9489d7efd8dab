//! The calls of the API that the stand-in knows, and what each does to the cluster.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::knobs::{Knobs, Outcome};
use super::records::{Index, Kept, Records, Repository};

/// A call, with the names in its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    About,
    GetRepository(String),
    PutRepository(String),
    Verify(String),
    Snapshots(String),
    Snapshot(String, String),
    Create(String, String),
    Delete(String, String),
    Status(String, String),
    Restore(String, String),
    State,
    Health(String),
    Close(String),
    Open(String),
    Count(String),
    CreateIndex(String),
    DeleteIndex(String),
    AddDocument(String),
}

impl Operation {
    /// By method and the parts of the path.
    pub fn of(method: &str, path: &[&str]) -> Option<Operation> {
        let own = |name: &&str| (*name).to_owned();
        Some(match (method, path) {
            ("GET", []) => Operation::About,
            ("GET", ["_snapshot", name]) => Operation::GetRepository(own(name)),
            ("PUT" | "POST", ["_snapshot", name]) => Operation::PutRepository(own(name)),
            ("POST", ["_snapshot", name, "_verify"]) => Operation::Verify(own(name)),
            ("GET", ["_snapshot", name, "_all"]) => Operation::Snapshots(own(name)),
            ("GET", ["_snapshot", name, snapshot]) => Operation::Snapshot(own(name), own(snapshot)),
            ("PUT" | "POST", ["_snapshot", name, snapshot]) => Operation::Create(own(name), own(snapshot)),
            ("DELETE", ["_snapshot", name, snapshot]) => Operation::Delete(own(name), own(snapshot)),
            ("GET", ["_snapshot", name, snapshot, "_status"]) => Operation::Status(own(name), own(snapshot)),
            ("POST", ["_snapshot", name, snapshot, "_restore"]) => {
                Operation::Restore(own(name), own(snapshot))
            }
            ("GET", ["_cluster", "state", "metadata"]) => Operation::State,
            ("GET", ["_cluster", "health", index]) => Operation::Health(own(index)),
            (_, [index, ..]) if index.starts_with('_') => return None,
            ("POST", [index, "_close"]) => Operation::Close(own(index)),
            ("POST", [index, "_open"]) => Operation::Open(own(index)),
            ("GET", [index, "_count"]) => Operation::Count(own(index)),
            ("POST", [index, "_doc"]) => Operation::AddDocument(own(index)),
            ("PUT", [index]) => Operation::CreateIndex(own(index)),
            ("DELETE", [index]) => Operation::DeleteIndex(own(index)),
            _ => return None,
        })
    }

    /// The word for it in troubles.
    pub fn name(&self) -> &'static str {
        match self {
            Operation::About => "about",
            Operation::GetRepository(_) => "get-repository",
            Operation::PutRepository(_) => "put-repository",
            Operation::Verify(_) => "verify",
            Operation::Snapshots(_) => "snapshots",
            Operation::Snapshot(..) => "snapshot",
            Operation::Create(..) => "create",
            Operation::Delete(..) => "delete",
            Operation::Status(..) => "status",
            Operation::Restore(..) => "restore",
            Operation::State => "state",
            Operation::Health(_) => "health",
            Operation::Close(_) => "close",
            Operation::Open(_) => "open",
            Operation::Count(_) => "count",
            Operation::CreateIndex(_) => "create-index",
            Operation::DeleteIndex(_) => "delete-index",
            Operation::AddDocument(_) => "add-document",
        }
    }
}

/// A refusal as Elasticsearch words it.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    name: &'static str,
    reason: String,
    cause: Option<(&'static str, String)>,
}

impl Refused {
    pub fn new(status: u16, name: &'static str, reason: impl Into<String>) -> Self {
        Refused { status, name, reason: reason.into(), cause: None }
    }

    fn because(self, name: &'static str, reason: impl Into<String>) -> Self {
        Refused { cause: Some((name, reason.into())), ..self }
    }

    pub fn into_json(self) -> Value {
        let own = json!({"type": self.name, "reason": self.reason});
        let mut error = json!({"root_cause": [own], "type": self.name, "reason": self.reason});
        if let Some((name, reason)) = self.cause {
            error["caused_by"] = json!({"type": name, "reason": reason});
        }
        json!({"error": error, "status": self.status})
    }
}

/// What a call depends on besides the cluster.
pub struct Around<'a> {
    pub knobs: &'a Knobs,
    pub now: DateTime<Utc>,
    pub has_bucket: &'a dyn Fn(&str) -> bool,
}

type Answered = Result<Value, Refused>;

pub fn carry_out(operation: &Operation, records: &mut Records, body: &[u8], around: &Around<'_>) -> Answered {
    match operation {
        Operation::About => Ok(about(around)),
        Operation::GetRepository(name) => {
            let Repository { kind, settings } = repository(records, name)?;
            let mut own = Map::new();
            own.insert(name.clone(), json!({"type": kind, "settings": settings}));
            Ok(Value::Object(own))
        }
        Operation::PutRepository(name) => put_repository(records, name, body, around),
        Operation::Verify(name) => {
            let own = repository(records, name)?.clone();
            verified(name, &own, around)?;
            Ok(json!({"nodes": {"n1": {"name": "stand-in"}}}))
        }
        Operation::Snapshots(name) => {
            let all = contents(records, name)?;
            let mut all: Vec<(&String, &mut Kept)> = all.iter_mut().collect();
            all.sort_by_key(|(_, kept)| kept.started);
            let all: Vec<Value> = all.into_iter().map(|(own, kept)| seen(own, kept, around)).collect();
            Ok(json!({"snapshots": all}))
        }
        Operation::Snapshot(name, snapshot) => {
            let kept = kept(records, name, snapshot)?;
            Ok(json!({"snapshots": [seen(snapshot, kept, around)]}))
        }
        Operation::Create(name, snapshot) => create(records, name, snapshot, around),
        Operation::Delete(name, snapshot) => delete(records, name, snapshot, around),
        Operation::Status(name, snapshot) => {
            let own = kept(records, name, snapshot)?;
            let bytes = own.indices.values().map(|index| index.documents * 1000).sum::<u64>();
            let stats = match around.knobs.major() {
                ..6 => json!({"total_size_in_bytes": bytes}),
                _ => json!({"total": {"file_count": own.indices.len(), "size_in_bytes": bytes}}),
            };
            Ok(
                json!({"snapshots": [{"snapshot": snapshot, "repository": name, "state": own.state, "stats": stats}]}),
            )
        }
        Operation::Restore(name, snapshot) => restore(records, name, snapshot, body, around),
        Operation::State => {
            let state = |index: &Index| json!({"state": if index.open { "open" } else { "close" }});
            let all: BTreeMap<&String, Value> =
                records.indices.iter().map(|(name, index)| (name, state(index))).collect();
            Ok(match all.is_empty() {
                true => json!({}),
                false => json!({"metadata": {"indices": all}}),
            })
        }
        Operation::Health(name) => {
            let own = index(records, name)?;
            let status = match (own.red, own.replicas) {
                (0, 0) => "green",
                (0, _) => "yellow",
                _ => "red",
            };
            let moves = u64::from(own.red > 0 && own.red != FOR_EVER);
            if own.red != FOR_EVER {
                own.red = own.red.saturating_sub(1);
            }
            Ok(json!({
                "cluster_name": "stand-in", "status": status, "timed_out": false, "initializing_shards": moves,
                "relocating_shards": 0
            }))
        }
        Operation::Close(name) => {
            index(records, name)?.open = false;
            Ok(json!({"acknowledged": true}))
        }
        Operation::Open(name) => {
            index(records, name)?.open = true;
            Ok(json!({"acknowledged": true}))
        }
        Operation::Count(name) => count(records, name),
        Operation::CreateIndex(name) => {
            if records.indices.contains_key(name) {
                let words = format!("index [{name}] already exists");
                return Err(Refused::new(400, "resource_already_exists_exception", words));
            }
            records.indices.insert(name.clone(), Index::of(0));
            Ok(json!({"acknowledged": true, "shards_acknowledged": true, "index": name}))
        }
        Operation::DeleteIndex(name) => {
            index(records, name)?;
            records.indices.remove(name);
            Ok(json!({"acknowledged": true}))
        }
        Operation::AddDocument(name) => {
            let own = index(records, name)?;
            own.documents += 1;
            Ok(json!({"_index": name, "result": "created"}))
        }
    }
}

/// An index that is seen red so often never recovers.
const FOR_EVER: u32 = u32::MAX;

fn about(around: &Around<'_>) -> Value {
    json!({
        "name": "stand-in", "cluster_name": "stand-in", "tagline": "You Know, for Search",
        "version": {"number": around.knobs.version(), "lucene_version": "0"}
    })
}

fn repository<'a>(records: &'a Records, name: &str) -> Result<&'a Repository, Refused> {
    let missing = || Refused::new(404, "repository_missing_exception", format!("[{name}] missing"));
    records.repositories.get(name).ok_or_else(missing)
}

fn contents<'a>(records: &'a mut Records, name: &str) -> Result<&'a mut BTreeMap<String, Kept>, Refused> {
    let place = repository(records, name)?.place();
    Ok(records.contents.entry(place).or_default())
}

fn kept<'a>(records: &'a mut Records, name: &str, snapshot: &str) -> Result<&'a mut Kept, Refused> {
    let missing =
        || Refused::new(404, "snapshot_missing_exception", format!("[{name}:{snapshot}] is missing"));
    contents(records, name)?.get_mut(snapshot).ok_or_else(missing)
}

fn index<'a>(records: &'a mut Records, name: &str) -> Result<&'a mut Index, Refused> {
    let missing = || Refused::new(404, "index_not_found_exception", format!("no such index [{name}]"));
    records.indices.get_mut(name).ok_or_else(missing)
}

fn count(records: &mut Records, name: &str) -> Answered {
    let own = index(records, name)?;
    if !own.open {
        return Err(Refused::new(400, "index_closed_exception", "closed"));
    }
    if own.red > 0 {
        return Err(Refused::new(503, "search_phase_execution_exception", "all shards failed"));
    }
    let shards = own.shards;
    Ok(
        json!({"count": own.documents, "_shards": {"total": shards, "successful": shards, "skipped": 0, "failed": 0}}),
    )
}

fn put_repository(records: &mut Records, name: &str, body: &[u8], around: &Around<'_>) -> Answered {
    let unread = || Refused::new(400, "parse_exception", "request body is required");
    let body: Value = serde_json::from_slice(body).map_err(|_| unread())?;
    let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
    if !["s3", "fs"].contains(&kind) {
        return Err(Refused::new(
            500,
            "repository_exception",
            format!("[{name}] failed to create repository"),
        )
        .because("illegal_argument_exception", format!("Unknown repository type [{kind}]")));
    }
    let settings = body.get("settings").and_then(Value::as_object).into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let settings = settings.map(|(name, value)| (name.clone(), text(value))).collect();
    let own = Repository { kind: kind.to_owned(), settings };
    let needed = if kind == "s3" { "bucket" } else { "location" };
    if own.settings.get(needed).is_none_or(String::is_empty) {
        let words = format!("[{name}] missing {needed}");
        return Err(Refused::new(500, "repository_exception", words));
    }
    verified(name, &own, around)?;
    records.repositories.insert(name.to_owned(), own);
    Ok(json!({"acknowledged": true}))
}

fn verified(name: &str, own: &Repository, around: &Around<'_>) -> Result<(), Refused> {
    let words = format!("[{name}] path  is not accessible on master node");
    let failed = || Refused::new(500, "repository_verification_exception", words.clone());
    let bucket = own.settings.get("bucket").filter(|_| own.kind == "s3");
    if let Some(bucket) = bucket.filter(|bucket| !(around.has_bucket)(bucket)) {
        let words = format!("The specified bucket does not exist: {bucket}");
        return Err(failed().because("amazon_s3_exception", words));
    }
    if around.knobs.unwritable || own.settings.get("readonly").is_some_and(|text| text == "true") {
        return Err(failed().because("access_denied_exception", "Access Denied"));
    }
    Ok(())
}

/// A snapshot as the API shows it; seen often enough, it ends.
fn seen(name: &str, kept: &mut Kept, around: &Around<'_>) -> Value {
    if kept.ended.is_none() {
        match &mut kept.left {
            Some(0) => {
                kept.state.clone_from(&kept.then);
                kept.ended = Some(around.now);
            }
            Some(left) => *left -= 1,
            None => {}
        }
    }
    let total = kept.indices.values().map(|index| index.shards).sum::<u64>();
    let failed = kept.failures.len() as u64;
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let failures: Vec<Value> = kept
        .failures
        .iter()
        .map(|(index, shard, reason)| {
            json!({"index": index, "shard_id": shard, "reason": reason, "node_id": "n1", "status": "INTERNAL_SERVER_ERROR"})
        })
        .collect();
    let mut own = json!({
        "snapshot": name, "version": kept.version, "indices": kept.indices.keys().collect::<Vec<_>>(),
        "state": kept.state, "start_time": time(kept.started), "start_time_in_millis": kept.started.timestamp_millis(),
        "end_time": kept.ended.map(time), "end_time_in_millis": kept.ended.map_or(0, |at| at.timestamp_millis()),
        "failures": failures, "shards": {"total": total, "failed": failed, "successful": total - failed.min(total)}
    });
    if around.knobs.major() >= 5 {
        own["uuid"] = kept.uuid.clone().into();
    }
    if let Some(reason) = &kept.reason {
        own["reason"] = reason.clone().into();
    }
    own
}

fn is_running(kept: &Kept) -> bool {
    kept.ended.is_none()
}

fn create(records: &mut Records, name: &str, snapshot: &str, around: &Around<'_>) -> Answered {
    let own = format!("[{name}:{snapshot}]");
    let invalid = |why: &str| {
        let words = format!("{own} Invalid snapshot name [{snapshot}], {why}");
        Refused::new(400, "invalid_snapshot_name_exception", words)
    };
    let indices: BTreeMap<String, Index> = records
        .indices
        .iter()
        .filter(|(_, index)| index.open)
        .map(|(name, index)| (name.clone(), index.clone()))
        .collect();
    repository(records, name)?;
    if snapshot.starts_with('_') || snapshot.to_lowercase() != snapshot {
        return Err(invalid("must be lowercase"));
    }
    if contents(records, name)?.contains_key(snapshot) {
        return Err(invalid("snapshot with the same name already exists"));
    }
    let runs = records.contents.values().flat_map(BTreeMap::values).any(is_running);
    if runs && !around.knobs.is_concurrent() {
        let words = format!("{own} a snapshot is already running");
        return Err(Refused::new(503, "concurrent_snapshot_execution_exception", words));
    }
    let fail =
        |index: &String| (index.clone(), 0, "IndexShardSnapshotFailedException[no space left]".to_owned());
    let (then, failures, reason, left) = match around.knobs.outcome {
        Outcome::Success => ("SUCCESS", Vec::new(), None, Some(around.knobs.polls)),
        Outcome::Partial => {
            ("PARTIAL", indices.keys().last().map(fail).into_iter().collect(), None, Some(around.knobs.polls))
        }
        Outcome::Failed => {
            let why = "Indices don't have primary shards".to_owned();
            ("FAILED", Vec::new(), Some(why), Some(around.knobs.polls))
        }
        Outcome::Stuck => ("SUCCESS", Vec::new(), None, None),
    };
    records.counter += 1;
    let uuid = format!("stand-in-{:08}", records.counter);
    let kept = Kept {
        uuid,
        version: around.knobs.version().to_owned(),
        state: "IN_PROGRESS".to_owned(),
        started: around.now,
        ended: None,
        indices,
        failures,
        reason,
        left,
        then: then.to_owned(),
    };
    contents(records, name)?.insert(snapshot.to_owned(), kept);
    Ok(json!({"accepted": true}))
}

fn delete(records: &mut Records, name: &str, snapshot: &str, around: &Around<'_>) -> Answered {
    kept(records, name, snapshot)?;
    let other_runs = contents(records, name)?.iter().any(|(own, kept)| own != snapshot && is_running(kept));
    if other_runs && !around.knobs.is_concurrent() {
        let words = format!("[{name}:{snapshot}] cannot delete - another snapshot is currently running");
        return Err(Refused::new(503, "concurrent_snapshot_execution_exception", words));
    }
    contents(records, name)?.remove(snapshot);
    Ok(json!({"acknowledged": true}))
}

fn restore(records: &mut Records, name: &str, snapshot: &str, body: &[u8], around: &Around<'_>) -> Answered {
    let own = format!("[{name}:{snapshot}]");
    let refused = |why: String| Refused::new(500, "snapshot_restore_exception", format!("{own} {why}"));
    let body: Value = match body.is_empty() {
        true => json!({}),
        false => serde_json::from_slice(body)
            .map_err(|_| Refused::new(400, "parse_exception", "Failed to derive xcontent"))?,
    };
    let kept = kept(records, name, snapshot)?.clone();
    match kept.state.as_str() {
        "SUCCESS" => {}
        "PARTIAL" => return Err(refused("index wasn't fully snapshotted - cannot restore".to_owned())),
        state => return Err(refused(format!("unsupported snapshot state [{state}]"))),
    }
    let asked = body.get("indices").and_then(Value::as_str);
    let asked: Vec<&str> = match asked {
        Some(list) => list.split(',').collect(),
        None => kept.indices.keys().map(String::as_str).collect(),
    };
    let word = |name: &str| body.get(name).and_then(Value::as_str);
    // The one pattern that is used here: all of the name.
    let renamed = |index: &str| match (word("rename_pattern"), word("rename_replacement")) {
        (Some("(.+)"), Some(replacement)) => replacement.replace("$1", index),
        _ => index.to_owned(),
    };
    let mut restored = BTreeMap::new();
    for asked in asked {
        let missing = || Refused::new(404, "index_not_found_exception", format!("no such index [{asked}]"));
        let mut index = kept.indices.get(asked).ok_or_else(missing)?.clone();
        let target = renamed(asked);
        if let Some(there) = records.indices.get(&target) {
            if there.open {
                return Err(refused(format!(
                    "cannot restore index [{target}] because an open index with same name already exists in the cluster. \
                     Either close or delete the existing index or restore the index under a different name by providing a \
                     rename pattern and replacement name"
                )));
            }
            if there.shards != index.shards {
                return Err(refused(format!(
                    "cannot restore index [{target}] with [{}] shards from a snapshot of index [{asked}] with [{}] shards",
                    there.shards, index.shards
                )));
            }
        }
        index.open = true;
        index.red = if around.knobs.damaged.contains(asked) { FOR_EVER } else { around.knobs.polls };
        let replicas = body.pointer("/index_settings/index.number_of_replicas").and_then(Value::as_u64);
        index.replicas = replicas.unwrap_or(index.replicas);
        restored.insert(target, index);
    }
    records.indices.extend(restored);
    Ok(json!({"accepted": true}))
}
