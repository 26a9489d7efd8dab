//! The JSON Schema (2020-12) of `public.yml`, for editors: the table of flat keys and the types of `backups:`, in one
//! document. Keys that are about other things than backups are allowed: this file is commcare-cloud's too.

use serde_json::{Map, Value as Json, json};

use super::backups::BackupsFile;
use super::keys::{Fallback, KEYS, Key, Kind, MOST_KEPT};

/// The schema of `public.yml`.
pub fn public() -> Json {
    let mut backups = schemars::schema_for!(BackupsFile).to_value();
    let mut definitions = Json::Object(Map::new());
    if let Some(object) = backups.as_object_mut() {
        object.remove("$schema");
        object.remove("title");
        definitions = object.remove("$defs").unwrap_or(definitions);
    }
    let mut properties = Map::new();
    for key in KEYS {
        properties.insert(key.name.to_owned(), one(key));
        for old in key.also {
            let mut schema = one(key);
            schema["deprecated"] = true.into();
            schema["description"] = format!("Old spelling of {}", key.name).into();
            properties.insert((*old).to_owned(), schema);
        }
        for unread in key.never {
            let description = format!("Nothing reads this key; did you mean {}?", key.name);
            properties.insert((*unread).to_owned(), json!({"description": description, "deprecated": true}));
        }
    }
    properties.insert("backups".to_owned(), json!({"anyOf": [backups, {"type": "null"}]}));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "public.yml",
        "description": "Settings of an environment. Keys that are not about backups are ignored.",
        "type": "object",
        "properties": properties,
        "$defs": definitions,
    })
}

fn one(key: &Key) -> Json {
    let mut shapes = shapes(key.kind);
    shapes.push(json!({"type": "string", "pattern": "\\{\\{", "description": "a template of Ansible"}));
    if key.kind != Kind::Keep {
        shapes.push(json!({"type": "null"}));
    }
    let mut schema = json!({"description": key.meaning, "anyOf": shapes});
    match key.default {
        Fallback::Unset => {}
        Fallback::Bool(value) => schema["default"] = value.into(),
        Fallback::Number(value) => schema["default"] = value.into(),
        // A default that depends on the environment is told in words.
        Fallback::Text(text) if ["ENV", "ROOT", "VERSION"].iter().any(|word| text.contains(word)) => {
            let text = text.replace("ENV", "{{ deploy_env }}").replace("ROOT", "{{ encrypted_root }}");
            let text = text.replace("VERSION", "{{ elasticsearch_version }}");
            schema["description"] = format!("{}. Default: {text}", key.meaning).into();
        }
        Fallback::Text(text) => schema["default"] = text.into(),
    }
    if let Some(example) = example(key.kind) {
        schema["examples"] = json!([example]);
    }
    schema
}

fn shapes(kind: Kind) -> Vec<Json> {
    let text = |pattern: &str| json!({"type": "string", "pattern": pattern});
    let number = |least: i64, most: i64| {
        vec![
            json!({"type": "integer", "minimum": least, "maximum": most}),
            json!({"type": "string", "pattern": "^\\s*[0-9]+\\s*$", "description": "a quoted number"}),
        ]
    };
    let words = ["true", "false", "yes", "no", "on", "off"];
    let spelled: Vec<String> = words.iter().flat_map(|word| [(*word).to_owned(), title(word)]).collect();
    match kind {
        Kind::Bool => vec![json!({"type": "boolean"}), json!({"enum": spelled})],
        Kind::Hour { least, most } => number(least, most),
        Kind::Keep => number(1, MOST_KEPT),
        Kind::Choice { words, or_false: false } => vec![json!({"enum": words})],
        Kind::Choice { words, or_false: true } => {
            vec![
                json!({"enum": words}),
                json!({"const": false}),
                json!({"enum": ["false", "False", "no", "off"]}),
            ]
        }
        Kind::Environment => vec![text("^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$")],
        Kind::Path => vec![text("^/[A-Za-z0-9/_.+@,:=-]+$")],
        Kind::Bucket => vec![text("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")],
        Kind::Region => vec![text("^[a-z0-9-]{1,32}$")],
        Kind::Endpoint => vec![text("^(https?://)?[A-Za-z0-9._:-]+/*$")],
        Kind::Addresses => {
            vec![text(
                "^\\s*$|^\\s*[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+(\\s*,\\s*[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+)*\\s*,?\\s*$",
            )]
        }
        Kind::OsUser => vec![text("^[A-Za-z0-9_][A-Za-z0-9._-]{0,31}$")],
        Kind::HostOrFalse => vec![text("^[A-Za-z0-9_:][A-Za-z0-9._:-]*$"), json!({"const": false})],
        Kind::Name => vec![text("^[A-Za-z0-9._-]+$")],
    }
}

fn title(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

fn example(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Environment => Some("production"),
        Kind::Bucket => Some("example-org-postgres-backups"),
        Kind::Region => Some("eu-west-2"),
        Kind::Endpoint => Some("https://s3.example.org"),
        Kind::Addresses => Some("ops@example.org"),
        _ => None,
    }
}
