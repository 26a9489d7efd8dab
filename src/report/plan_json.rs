//! Plans and reports as JSON: `reconcile.plan/1` and `reconcile.report/1`, a contract with other people's scripts.

use serde_json::{Value as Json, json};

use super::plan_words::reason;
use super::text::rfc3339;
use crate::plan::{Change, Outcome, Plan, Report, Summary};
use crate::state::Tag;

/// The plan's document.
pub fn plan(plan: &Plan) -> Json {
    document(plan, "reconcile.plan/1", |_| None)
}

/// The report's document: the plan's, with the outcome of each change.
pub fn report(report: &Report) -> Json {
    document(&report.plan, "reconcile.report/1", |change| report.outcomes.get(&change.id))
}

fn document<'a>(plan: &Plan, format: &str, outcome: impl Fn(&Change) -> Option<&'a Outcome>) -> Json {
    let Summary { create, adopt, update, remove, unchanged, held } = plan.summary();
    let changes: Vec<Json> = plan.changes.iter().map(|change| change_json(change, outcome(change))).collect();
    let held_items: Vec<Json> = plan
        .held
        .iter()
        .map(|held| json!({"id": held.id, "kind": held.id.kind().name(), "code": held.code, "why": held.why}))
        .collect();
    let mut document = json!({
        "format": format,
        "version": env!("CARGO_PKG_VERSION"),
        "environment": plan.environment,
        "account": plan.caller.account,
        "tags": plan.selection.tags.iter().map(Tag::name).collect::<Vec<_>>(),
        "limit": plan.selection.limit,
        "fingerprint": plan.fingerprint,
        "changes": changes,
        "held": held_items,
        "summary": {
            "create": create, "adopt": adopt, "update": update, "remove": remove, "unchanged": unchanged, "held": held,
        },
    });
    if !plan.failures.is_empty() {
        let failures = plan.failures.iter().map(|failure| {
            json!({"host": failure.host, "datastore": failure.datastore, "at": rfc3339(failure.at), "message": failure.message})
        });
        document["failures"] = failures.collect();
    }
    if let Some(endpoint) = &plan.caller.endpoint {
        document["endpoint"] = json!(endpoint);
    }
    document
}

fn change_json(change: &Change, outcome: Option<&Outcome>) -> Json {
    let fields: Vec<Json> = change
        .fields
        .iter()
        .map(|field| {
            let (from, to) = field.shown();
            json!({"field": field.field, "from": from, "to": to, "risk": field.risk, "may_break": field.may_break})
        })
        .collect();
    let reasons: Vec<Json> = change
        .reasons
        .iter()
        .map(|why| {
            let (code, text) = reason(why);
            json!({"code": code, "text": text})
        })
        .collect();
    let loses: Vec<Json> = change
        .losses
        .first
        .iter()
        .map(|loss| {
            json!({"backup": loss.backup, "taken": rfc3339(loss.taken), "bytes": loss.bytes, "when": rfc3339(loss.when)})
        })
        .collect();
    let mut json = json!({
        "id": change.id,
        "kind": change.id.kind().name(),
        "action": change.action.name(),
        "risk": change.risk,
        "fields": fields,
        "reasons": reasons,
        "datastores": change.datastores,
        "loses": loses,
    });
    if change.losses.count > change.losses.first.len() as u64 {
        json["loses_in_all"] = json!({"backups": change.losses.count, "bytes": change.losses.bytes});
    }
    if let Some(outcome) = outcome {
        let (word, error) = match outcome {
            Outcome::Done => ("done", None),
            Outcome::Failed(why) => ("failed", Some(why)),
            Outcome::Skipped(why) => ("skipped", Some(why)),
        };
        json["outcome"] = json!(word);
        json["error"] = json!(error);
    }
    json
}
