//! The JSON documents that scripts read, as types: what they hold is what their schemas say (`schemas/`), and the
//! comments here are those schemas' descriptions.
//!
//! Members are added within a version of a format, never renamed or removed (docs/scripting.md). Must never hold a
//! secret: values come as they are shown.

pub mod audit;
pub mod decision;
pub mod desired;
pub mod lock;
pub mod plan;
pub mod problems;
pub mod settings;
pub mod status;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::policy;

/// The documents that have a schema, by the name that `reconcile schema` knows.
pub const NAMES: [&str; 10] =
    ["plan", "report", "problems", "settings", "desired", "decision", "request", "audit", "locks", "status"];

/// The JSON Schema (2020-12) of a document; `None` for a name that there is none of.
pub fn schema(name: &str) -> Option<Json> {
    Some(match name {
        "plan" => of::<plan::Plan<plan::Change>>(plan::PLAN),
        "report" => of::<plan::Plan<plan::Carried>>(plan::REPORT),
        "problems" => of::<problems::Problems>(problems::FORMAT),
        "settings" => of::<settings::Settings>(settings::FORMAT),
        "desired" => of::<desired::Desired>(desired::FORMAT),
        "audit" => of::<audit::Audit>(audit::FORMAT),
        "decision" => of::<decision::Decision>(decision::FORMAT),
        "status" => of::<status::Status>(status::FORMAT),
        "locks" => of::<lock::Locks>(lock::FORMAT),
        "request" => read::<policy::QuestionDocument>(policy::REQUEST),
        _ => return None,
    })
}

/// The schema of a type that is written, its `format` being this one.
fn of<T: JsonSchema>(format: &str) -> Json {
    made::<T>(SchemaSettings::draft2020_12().for_serialize(), format)
}

/// The schema of a type that is read: what has a default may be left out.
fn read<T: JsonSchema>(format: &str) -> Json {
    made::<T>(SchemaSettings::draft2020_12().for_deserialize(), format)
}

fn made<T: JsonSchema>(settings: SchemaSettings, format: &str) -> Json {
    let mut schema = schemars::SchemaGenerator::from(settings).into_root_schema_for::<T>().to_value();
    schema["title"] = format.into();
    schema["properties"]["format"] =
        json!({"const": format, "description": "The name and version of the format"});
    schema
}

/// A document as JSON. Documents are plain data, which always serialises.
pub fn json(document: &impl Serialize) -> Json {
    serde_json::to_value(document).unwrap_or_default()
}
