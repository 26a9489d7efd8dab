//! `show desired`: what should be, without a look at reality.

use serde_json::Value as Json;

use super::documents;
use super::plan_words::field_lines;
use super::text::{BOLD, one_line, styled, wrapped};
use crate::state::Desired;
use crate::vocab::Value;

/// `reconcile.desired/1`.
pub fn desired_json(desired: &Desired) -> Json {
    let resources = desired.resources.iter().map(|(id, wanted)| {
        let fields = wanted.resource.fields().into_iter();
        documents::desired::Resource {
            id: id.to_string(),
            kind: id.kind().name(),
            spec: fields.filter_map(|field| Some((field.name.to_string(), field.value?.to_json()))).collect(),
        }
    });
    documents::json(&documents::desired::Desired {
        format: documents::desired::FORMAT,
        resources: resources.collect(),
    })
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
