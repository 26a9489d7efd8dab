//! The fingerprint: what was reviewed is what is applied, or nothing is.
//!
//! SHA-256 over the canonical JSON of everything that decides what apply would do. Reasons and losses are outside: they
//! change every night.

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::Plan;
use crate::state::Tag;

/// The name of the plan's format, part of the fingerprint.
pub const FORMAT: &str = "reconcile.plan/1";

pub fn of(plan: &Plan, vault_digest: Option<&str>) -> String {
    let changes: Vec<Json> = plan
        .changes
        .iter()
        .map(|change| {
            let fields: Vec<Json> = change
                .fields
                .iter()
                .map(|field| {
                    let (from, to) = field.shown();
                    json!({"field": field.field, "from": from, "risk": field.risk, "to": to})
                })
                .collect();
            json!({"action": change.action.name(), "fields": fields, "id": change.id})
        })
        .collect();
    let held: Vec<Json> = plan.held.iter().map(|held| json!({"code": held.code, "id": held.id})).collect();
    let tags: Vec<&str> = plan.selection.tags.iter().map(Tag::name).collect();
    let document = json!({
        "account": plan.caller.account,
        "changes": changes,
        "endpoint": plan.caller.endpoint,
        "environment": plan.environment,
        "format": FORMAT,
        "held": held,
        "limit": plan.selection.limit,
        "tags": tags,
        "vault": vault_digest,
    });
    format!("sha256:{}", hex::encode(Sha256::digest(document.to_string())))
}
