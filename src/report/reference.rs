//! The reference of settings, as a page of documentation: made from the table of flat keys and the schema of `backups:`,
//! so that it says what the program reads.

use serde_json::Value as Json;

use crate::settings::keys::{Fallback, KEYS, Key, Kind, Part};
use crate::settings::schema;

const HEAD: &str = "# Settings

Every key of `public.yml` that this program reads, in two layers: the flat keys of commcare-cloud, and `backups:`. Made by
`reconcile schema public --output markdown`.

Booleans may be quoted, and written `yes`, `no`, `on` or `off`; numbers may be quoted; `~` and nothing at all mean that the
key is not set. `{{ }}` is evaluated from the environment's own variables. `ENV` is the environment's name.
";

/// The page, in Markdown.
pub fn settings() -> String {
    let mut page = HEAD.to_owned();
    for part in Part::ALL {
        page.push_str(&format!(
            "\n## {}\n\n| key | takes | default | meaning |\n|---|---|---|---|\n",
            heading(part)
        ));
        KEYS.iter().filter(|key| key.part == part).for_each(|key| page.push_str(&row(key)));
    }
    let whole = schema::public();
    page.push_str(
        "\n## Below `backups:`\n\nNAME stands for a name of your own, `[]` for each item of a list.\n\n",
    );
    page.push_str("| key | takes | meaning |\n|---|---|---|\n");
    let backups = Walk { definitions: &whole["$defs"] };
    backups.members("backups", &whole["properties"]["backups"], &mut page);
    page
}

fn heading(part: Part) -> String {
    let name = match part {
        Part::Common => "Common",
        Part::Postgresql => "PostgreSQL",
        Part::Couchdb => "CouchDB",
        Part::Blobdb => "Blobdb",
        Part::Elasticsearch => "Elasticsearch",
    };
    match part.group() {
        Some(group) => format!("{name}: hosts of `[{group}]`"),
        None => name.to_owned(),
    }
}

fn row(key: &Key) -> String {
    let old: Vec<String> = key.also.iter().map(|name| format!("`{name}`")).collect();
    let old = if old.is_empty() { String::new() } else { format!(". Old spelling: {}", old.join(", ")) };
    format!(
        "| `{}` | {} | {} | {}{old} |\n",
        key.name,
        takes(key.kind),
        default(key.default),
        cell(key.meaning)
    )
}

fn takes(kind: Kind) -> String {
    match kind {
        Kind::Bool => "true or false".to_owned(),
        Kind::Hour { least, most } => format!("{least} to {most}"),
        Kind::Keep => "a number from 1".to_owned(),
        Kind::Choice { words, or_false } => {
            let words = words.iter().map(|word| format!("`{word}`"));
            words.chain(or_false.then(|| "false".to_owned())).collect::<Vec<_>>().join(", ")
        }
        Kind::Environment | Kind::Name => "a name".to_owned(),
        Kind::Path => "an absolute path".to_owned(),
        Kind::Bucket => "a bucket's name".to_owned(),
        Kind::Region => "a region".to_owned(),
        Kind::Endpoint => "a host or a URL".to_owned(),
        Kind::Addresses => "mail addresses with commas between".to_owned(),
        Kind::OsUser => "a user".to_owned(),
        Kind::HostOrFalse => "a host, or false".to_owned(),
    }
}

fn default(default: Fallback) -> String {
    match default {
        Fallback::Unset => String::new(),
        Fallback::Bool(value) => value.to_string(),
        Fallback::Number(value) => value.to_string(),
        Fallback::Text(text) => {
            let text = text.replace("ROOT", "{{ encrypted_root }}");
            format!("`{}`", text.replace("VERSION", "{{ elasticsearch_version }}"))
        }
    }
}

/// Walks the schema of `backups:`.
struct Walk<'a> {
    definitions: &'a Json,
}

impl<'a> Walk<'a> {
    fn members(&self, path: &str, schema: &'a Json, page: &mut String) {
        let Some(shape) = self.shapes(schema).into_iter().find(|shape| shape["properties"].is_object())
        else {
            return;
        };
        for (name, member) in shape["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            let words: Vec<String> =
                self.shapes(member).into_iter().filter_map(|shape| self.words(shape)).collect();
            let meaning = member["description"].as_str().unwrap_or_default();
            let example = match member["examples"].get(0) {
                Some(example) => format!(". For example `{}`", shown(example)),
                None => String::new(),
            };
            page.push_str(&format!("| `{path}` | {} | {}{example} |\n", words.join(", or "), cell(meaning)));
            self.inside(&path, member, page);
        }
    }

    /// What a member holds: its own members, those of each item, those below each name.
    fn inside(&self, path: &str, schema: &'a Json, page: &mut String) {
        for shape in self.shapes(schema) {
            if shape["properties"].is_object() {
                self.members(path, shape, page);
            } else if shape["items"].is_object() {
                self.members(&format!("{path}[]"), &shape["items"], page);
            } else if shape["additionalProperties"].is_object() {
                self.members(&format!("{path}.NAME"), &shape["additionalProperties"], page);
            }
        }
    }

    /// The shapes that a value may have, references followed, `null` left out.
    fn shapes(&self, schema: &'a Json) -> Vec<&'a Json> {
        if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/$defs/")) {
            return self.shapes(&self.definitions[name]);
        }
        match schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            Some(shapes) => shapes.iter().flat_map(|shape| self.shapes(shape)).collect(),
            None if schema["type"] == "null" => Vec::new(),
            None => vec![schema],
        }
    }

    /// What a shape takes, in words.
    fn words(&self, shape: &Json) -> Option<String> {
        if let Some(values) = shape["enum"].as_array() {
            let values: Vec<String> = values.iter().map(|value| format!("`{}`", shown(value))).collect();
            return Some(values.join(", "));
        }
        if !shape["const"].is_null() {
            return Some(format!("`{}`", shown(&shape["const"])));
        }
        let kind = match &shape["type"] {
            Json::Array(kinds) => kinds.iter().find(|kind| *kind != "null")?.as_str()?,
            kind => kind.as_str()?,
        };
        let bounds = match (shape["minimum"].as_i64(), shape["maximum"].as_i64()) {
            (Some(least), Some(most)) => format!(" from {least} to {most}"),
            (Some(least), None) => format!(" from {least}"),
            _ => String::new(),
        };
        Some(match kind {
            "boolean" => "true or false".to_owned(),
            "integer" | "number" => format!("a number{bounds}"),
            "string" => "a text".to_owned(),
            "array" => "a list".to_owned(),
            "object" => "a mapping".to_owned(),
            other => other.to_owned(),
        })
    }
}

fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A text within one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
