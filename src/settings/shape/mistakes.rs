//! What the schema has to say of a document, in words for the person who wrote it: what is wrong, what it must be,
//! what was probably meant.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value as Json;

use super::{Places, range};
use crate::settings::backups::BackupsFile;
use crate::settings::checks::table;
use crate::settings::scalar::{boolean, whole};
use crate::settings::suggest;
use crate::settings::values::shown;
use crate::vocab::Check;

/// The schema of `backups:` alone.
pub(super) struct Schema {
    json: Json,
    validator: Validator,
}

/// One mistake of shape, in words.
pub(super) struct Mistake {
    pub check: Check,
    /// The members that lead to it.
    pub path: Vec<String>,
    /// Whether the key is wrong rather than its value.
    pub at_key: bool,
    pub message: String,
    pub label: Option<String>,
    pub help: Option<String>,
}

impl Schema {
    pub(super) fn new() -> Result<Self, String> {
        let json = schemars::schema_for!(BackupsFile).to_value();
        let validator =
            jsonschema::draft202012::new(&json).map_err(|error| format!("the schema is wrong: {error}"))?;
        Ok(Schema { json, validator })
    }

    /// Ansible's leniency: a number or a boolean may be quoted, and a number where text is wanted is its digits as
    /// written.
    pub(super) fn soften(&self, json: &mut Json, places: &Places) {
        let softer: Vec<(String, Json)> = self
            .validator
            .iter_errors(json)
            .filter_map(|error| {
                let ValidationErrorKind::Type { kind } = error.kind() else { return None };
                let path = segments(&error);
                let word = places.words.get(&path)?;
                let wanted = wanted(kind);
                let value = match error.instance().as_ref() {
                    Json::String(text) if wanted.contains(&"integer") => Json::from(whole(text)?),
                    Json::String(text) if wanted.contains(&"boolean") => Json::from(boolean(text)?),
                    Json::Number(_) if wanted.contains(&"string") => Json::from(word.text.as_str()),
                    _ => return None,
                };
                Some((error.instance_path().as_str().to_owned(), value))
            })
            .collect();
        for (pointer, value) in softer {
            if let Some(place) = json.pointer_mut(&pointer) {
                *place = value;
            }
        }
    }

    /// Every mistake of shape. A value that is none of the known ones is told once, also where its type is wrong too.
    pub(super) fn mistakes(&self, json: &Json) -> Vec<Mistake> {
        let errors: Vec<_> = self.validator.iter_errors(json).collect();
        let is_choice =
            |error: &&ValidationError<'_>| matches!(error.kind(), ValidationErrorKind::Enum { .. });
        let choices: Vec<_> = errors.iter().filter(is_choice).map(segments).collect();
        let is_told = |error: &&ValidationError<'_>| {
            matches!(error.kind(), ValidationErrorKind::Type { .. }) && choices.contains(&segments(error))
        };
        errors.iter().filter(|error| !is_told(error)).flat_map(|error| self.explain(error)).collect()
    }

    /// What a validator's error means to the person who wrote the file.
    fn explain(&self, error: &ValidationError<'_>) -> Vec<Mistake> {
        let path = segments(error);
        let instance = error.instance();
        let one = |check: Check, message: String, label: Option<String>| {
            vec![Mistake { check, path: path.clone(), at_key: false, message, label, help: None }]
        };
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = self.members(error.schema_path().as_str());
                unexpected.iter().map(|name| unknown_key(&path, name, &known)).collect()
            }
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default().to_owned();
                vec![Mistake {
                    check: table::MISSING_KEY,
                    path,
                    at_key: true,
                    message: format!("`{name}` is missing, and there is no default for it"),
                    label: Some(format!("needs {name}")),
                    help: None,
                }]
            }
            ValidationErrorKind::Type { kind } => {
                let wanted: Vec<&str> =
                    wanted(kind).into_iter().filter(|kind| *kind != "null").map(in_words).collect();
                let wanted = wanted.join(" or ");
                one(
                    table::WRONG_TYPE,
                    format!("this is {}, and {wanted} is needed", is_what(instance)),
                    Some(format!("must be {wanted}")),
                )
            }
            ValidationErrorKind::Enum { options } => {
                let options: Vec<&str> =
                    options.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
                let mut mistakes = one(
                    table::BAD_VALUE,
                    format!("this is {}, which is none of the values that are known", is_what(instance)),
                    Some(format!("must be {}", options.join(" or "))),
                );
                let near = instance.as_str().and_then(|text| suggest::nearest(text, options.iter().copied()));
                if let (Some(near), Some(first)) = (near, mistakes.first_mut()) {
                    first.help = Some(format!("did you mean {near}?"));
                }
                mistakes
            }
            ValidationErrorKind::Minimum { limit } => {
                let (check, why) = range::too_small(&path, instance.as_ref());
                one(check, why, Some(format!("must be {limit} or more")))
            }
            ValidationErrorKind::Maximum { limit } => {
                let (check, why) = range::too_large(&path, instance.as_ref());
                one(check, why, Some(format!("must be {limit} or less")))
            }
            ValidationErrorKind::Pattern { pattern } => {
                let (check, wanted) = range::pattern_in_words(pattern);
                let is = is_what(instance);
                one(check, format!("{is} is not {wanted}"), Some(format!("must be {wanted}")))
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                self.best_branch(context, instance, &path)
            }
            other => one(
                table::BAD_VALUE,
                format!("{} does not fit ({})", is_what(instance), other.keyword()),
                None,
            ),
        }
    }

    /// Of several alternatives the one that the writer most likely meant: whose kind of value is right, else deepest.
    fn best_branch(
        &self,
        context: &[Vec<ValidationError<'static>>],
        instance: &Json,
        path: &[String],
    ) -> Vec<Mistake> {
        let is_null = |errors: &Vec<ValidationError<'static>>| {
            errors.iter().any(|error| {
            matches!(error.kind(), ValidationErrorKind::Type { kind } if wanted(kind) == ["null"])
        })
        };
        let fits = |errors: &&Vec<ValidationError<'static>>| {
            !errors.iter().any(|error| {
                matches!(error.kind(), ValidationErrorKind::Type { .. })
                    && segments(error).len() == path.len()
            })
        };
        let branches: Vec<_> = context.iter().filter(|errors| !is_null(errors)).collect();
        if let Some(best) = branches.iter().copied().find(fits).or(match branches.as_slice() {
            [only] => Some(*only),
            _ => None,
        }) {
            return best.iter().flat_map(|error| self.explain(error)).collect();
        }
        let mut wanted_here: Vec<&str> = branches
            .iter()
            .flat_map(|errors| errors.iter())
            .filter_map(|error| match error.kind() {
                ValidationErrorKind::Type { kind } => Some(wanted(kind)),
                _ => None,
            })
            .flatten()
            .map(in_words)
            .collect();
        wanted_here.dedup();
        let wanted_here = wanted_here.join(" or ");
        vec![Mistake {
            check: table::WRONG_TYPE,
            path: path.to_vec(),
            at_key: false,
            message: format!("this is {}, and {wanted_here} is needed", is_what(instance)),
            label: Some(format!("must be {wanted_here}")),
            help: None,
        }]
    }

    /// The members that the schema knows beside the keyword at a path of the schema.
    fn members(&self, schema_path: &str) -> Vec<&str> {
        let around = schema_path.rsplit_once('/').map_or("", |(around, _)| around);
        let properties = self.json.pointer(around).and_then(|around| around.get("properties"));
        properties
            .and_then(Json::as_object)
            .map_or_else(Vec::new, |names| names.keys().map(String::as_str).collect())
    }
}

fn unknown_key(path: &[String], name: &str, known: &[&str]) -> Mistake {
    let mut path = path.to_vec();
    path.push(name.to_owned());
    let near = suggest::nearest(name, known.iter().copied());
    Mistake {
        check: table::UNKNOWN_KEY,
        path,
        at_key: true,
        message: format!("there is no setting `{}` here, so it would do nothing", shown(name)),
        label: near.map(|near| format!("did you mean {near}?")),
        help: (near.is_none() && !known.is_empty()).then(|| format!("known here: {}", known.join(", "))),
    }
}

fn segments(error: &ValidationError<'_>) -> Vec<String> {
    error.instance_path().segments().map(|segment| segment.to_string()).collect()
}

fn wanted(kind: &TypeKind) -> Vec<&'static str> {
    match kind {
        TypeKind::Single(one) => vec![one.as_str()],
        TypeKind::Multiple(many) => many.iter().map(|one| one.as_str()).collect(),
    }
}

fn in_words(kind: &str) -> &'static str {
    match kind {
        "object" => "a mapping of keys and values",
        "array" => "a list",
        "string" => "text",
        "integer" | "number" => "a whole number",
        "boolean" => "true or false",
        _ => "nothing",
    }
}

fn is_what(json: &Json) -> String {
    match json {
        Json::Null => "nothing".to_owned(),
        Json::Bool(value) => format!("{value}"),
        Json::Number(value) => format!("the number {value}"),
        Json::String(text) => format!("the text `{}`", shown(text)),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "a mapping".to_owned(),
    }
}
