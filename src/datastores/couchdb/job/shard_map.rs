//! The map of a database's shards, a document of `_dbs`: which node holds which. Pure.
//!
//! A data directory that was restored on a machine of another name speaks of the old one, and CouchDB looks for every shard
//! there. With exactly one node that can be mended by its name alone; where several held shards, what is missing here lies on
//! another of them, and a new name would hide that
//! (<https://docs.couchdb.org/en/stable/cluster/sharding.html#updating-cluster-metadata-to-reflect-the-new-target-shard-s>).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Why a map cannot be corrected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    #[error("its map of shards is not understood: it has no `{0}`")]
    Unknown(&'static str),
    #[error("its shards lie on {} nodes ({}), and a backup of one of them holds only its own", .0.len(), joined(.0))]
    Several(BTreeSet<String>),
}

fn joined(nodes: &BTreeSet<String>) -> String {
    nodes.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The one node that holds the shards of a database.
pub fn node(map: &Value) -> Result<String, MapError> {
    let by_node = map.get("by_node").and_then(Value::as_object).ok_or(MapError::Unknown("by_node"))?;
    let by_range = map.get("by_range").and_then(Value::as_object).ok_or(MapError::Unknown("by_range"))?;
    let of_range = by_range.values().flat_map(|nodes| nodes.as_array().into_iter().flatten());
    let named = of_range.filter_map(Value::as_str).map(str::to_owned);
    let mut nodes: BTreeSet<String> = by_node.keys().cloned().chain(named).collect();
    match (nodes.len(), nodes.pop_first()) {
        (1, Some(only)) => Ok(only),
        (_, None) => Err(MapError::Unknown("node")),
        (_, Some(first)) => {
            nodes.insert(first);
            Err(MapError::Several(nodes))
        }
    }
}

/// The map with another name for its only node; everything else as it was, the revision included.
pub fn renamed(map: &Value, from: &str, to: &str) -> Value {
    let name = |value: &Value| match value.as_str() {
        Some(node) if node == from => Value::from(to),
        _ => value.clone(),
    };
    let list = |value: &Value| match value.as_array() {
        Some(items) => Value::Array(items.iter().map(name).collect()),
        None => value.clone(),
    };
    let mut map = map.clone();
    for (member, value) in map.as_object_mut().into_iter().flatten() {
        let renamed = match (member.as_str(), &*value) {
            ("by_node", Value::Object(ranges)) => {
                let node = |node: &String| if node == from { to.to_owned() } else { node.clone() };
                let ranges = ranges.iter().map(|(of, ranges)| (node(of), ranges.clone()));
                Value::Object(ranges.collect::<Map<_, _>>())
            }
            ("by_range", Value::Object(nodes)) => {
                Value::Object(nodes.iter().map(|(range, nodes)| (range.clone(), list(nodes))).collect())
            }
            // What was done to which shard: `["add", RANGE, NODE]`.
            ("changelog", Value::Array(entries)) => Value::Array(entries.iter().map(list).collect()),
            _ => continue,
        };
        *value = renamed;
    }
    map
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// As the manual shows it.
    fn map(nodes: &[&str]) -> Value {
        let ranges = ["00000000-7fffffff", "80000000-ffffffff"];
        let by_node: Map<String, Value> =
            nodes.iter().map(|node| ((*node).to_owned(), json!(ranges))).collect();
        let by_range: Map<String, Value> =
            ranges.iter().map(|range| ((*range).to_owned(), json!(nodes))).collect();
        let changelog: Vec<Value> = ranges
            .iter()
            .flat_map(|range| nodes.iter().map(move |node| json!(["add", range, node])))
            .collect();
        json!({
            "_id": "commcarehq", "_rev": "1-e13fb7e79af3b3107ed62925058bfa3a",
            "shard_suffix": [46, 49, 53, 51, 48, 50, 51, 50, 53, 50, 54],
            "changelog": changelog, "by_node": by_node, "by_range": by_range, "props": {"partitioned": true},
        })
    }

    #[test]
    fn the_name_of_the_only_node_is_replaced_wherever_it_stands() {
        let (old, new) = ("couchdb@10.0.0.1", "couchdb@10.0.0.2");
        assert_eq!(node(&map(&[old])).as_deref(), Ok(old));
        assert_eq!(renamed(&map(&[old]), old, new), map(&[new]));
        assert_eq!(renamed(&map(&[new]), new, new), map(&[new]));
        // A part of a name is another name.
        assert_eq!(renamed(&map(&["couchdb@10.0.0.11"]), old, new), map(&["couchdb@10.0.0.11"]));
    }

    #[test]
    fn several_nodes_and_what_is_no_map_are_refused() {
        let error = node(&map(&["couchdb@b", "couchdb@a"])).expect_err("two");
        assert!(error.to_string().contains("lie on 2 nodes (couchdb@a, couchdb@b)"), "{error}");
        let mut half = map(&["couchdb@a"]);
        half["by_range"]["00000000-7fffffff"] = json!(["couchdb@c"]);
        assert!(matches!(node(&half), Err(MapError::Several(_))));
        for nothing in [
            json!(null),
            json!([]),
            json!({}),
            json!({"by_node": {}}),
            json!({"by_node": {}, "by_range": {}}),
        ] {
            assert!(matches!(node(&nothing), Err(MapError::Unknown(_))), "{nothing}");
        }
    }

    proptest! {
        /// Renaming twice is renaming once, and back again is where it began.
        #[test]
        fn renaming_is_idempotent_and_can_be_undone(old in "[a-z]{1,9}@[a-z0-9.]{1,9}", new in "[A-Z]{1,9}@[a-z0-9.]{1,9}") {
            let before = map(&[&old]);
            let once = renamed(&before, &old, &new);
            prop_assert_eq!(&renamed(&once, &old, &new), &once);
            prop_assert_eq!(node(&once), Ok(new.clone()));
            prop_assert_eq!(renamed(&once, &new, &old), before);
        }
    }
}
