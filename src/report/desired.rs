//! `show desired`: what should be, without a look at reality.

use serde_json::{Value as Json, json};

use super::plan_words::field_lines;
use super::text::{BOLD, one_line, styled, wrapped};
use crate::state::Desired;
use crate::vocab::Value;

/// `reconcile.desired/1`.
pub fn desired_json(desired: &Desired) -> Json {
    let resources: Vec<Json> = desired
        .resources
        .iter()
        .map(|(id, wanted)| {
            let spec: serde_json::Map<String, Json> = wanted
                .resource
                .fields()
                .into_iter()
                .filter_map(|field| Some((field.name, field.value?.to_json())))
                .collect();
            json!({"id": id, "kind": id.kind().name(), "spec": spec})
        })
        .collect();
    json!({"format": "reconcile.desired/1", "resources": resources})
}

/// One paragraph per resource.
pub fn desired_text(desired: &Desired) -> String {
    let mut text = format!("environment {}\n", styled(BOLD, &desired.environment));
    for (id, wanted) in &desired.resources {
        text.push_str(&format!("\n{}\n", styled(BOLD, id)));
        for field in wanted.resource.fields() {
            let Some(value) = field.value else { continue };
            for line in field_lines(id.kind(), &field.name, &Value::Null, &value) {
                let name = format!("    {:<22} ", line.name);
                text.push_str(&wrapped(&name, name.chars().count(), &line.to));
                text.push('\n');
            }
        }
    }
    for held in &desired.held {
        text.push_str(&format!("\n! {}  {}\n", styled(BOLD, &held.id), held.code.name()));
        text.push_str(&wrapped("    ", 4, &one_line(&held.why)));
        text.push('\n');
    }
    text
}
