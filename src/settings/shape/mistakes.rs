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
    /// The member that is missing below the path.
    pub missing: Option<String>,
    /// Told already, by another mistake.
    pub is_told: bool,
    /// A value of the right shape, to stand there while the rest is judged.
    pub filler: Json,
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
        let mut softer: Vec<(String, Json)> = Vec::new();
        for error in self.validator.iter_errors(json) {
            soft(&error, places, &mut softer);
        }
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
        let mistakes: Vec<Mistake> =
            errors.iter().filter(|error| !is_told(error)).flat_map(|error| self.explain(error)).collect();
        let misspelled: Vec<(Vec<String>, String)> = mistakes
            .iter()
            .filter(|mistake| mistake.check == table::UNKNOWN_KEY)
            .filter_map(|mistake| {
                let (_, around) = mistake.path.split_last()?;
                Some((around.to_vec(), mistake.label.clone()?))
            })
            .collect();
        let is_there = |mistake: &Mistake| {
            let label = mistake.missing.as_ref().map(|name| did_you_mean(name));
            label.is_some_and(|label| misspelled.contains(&(mistake.path.clone(), label)))
        };
        // What is missing because its key has a slip in it is told there.
        mistakes.into_iter().map(|mistake| Mistake { is_told: is_there(&mistake), ..mistake }).collect()
    }

    /// What a validator's error means to the person who wrote the file.
    fn explain(&self, error: &ValidationError<'_>) -> Vec<Mistake> {
        let path = segments(error);
        let instance = error.instance();
        let one = |check: Check, message: String, label: Option<String>| {
            vec![Mistake {
                check,
                path: path.clone(),
                at_key: false,
                message,
                label,
                help: None,
                missing: None,
                is_told: false,
                filler: filler(error.kind()),
            }]
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
                    missing: Some(name),
                    is_told: false,
                    filler: Json::Null,
                }]
            }
            ValidationErrorKind::Type { kind } => {
                let wanted: Vec<&str> =
                    wanted(kind).into_iter().filter(|kind| *kind != "null").map(in_words).collect();
                let wanted = alternatives(&wanted);
                let label = match instance.as_ref() {
                    Json::String(text) if wanted == "a list" => format!("must be a list: [{}]", shown(text)),
                    _ => format!("must be {wanted}"),
                };
                let is = is_what(instance);
                one(table::WRONG_TYPE, format!("this is {is}, and {wanted} is needed"), Some(label))
            }
            ValidationErrorKind::Enum { options } => {
                let options: Vec<&str> =
                    options.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
                let mut mistakes = one(
                    table::BAD_VALUE,
                    format!("this is {}, which is none of the values that are known", is_what(instance)),
                    Some(format!("must be {}", alternatives(&options))),
                );
                let near = instance.as_str().and_then(|text| suggest::nearest(text, options.iter().copied()));
                if let (Some(near), Some(first)) = (near, mistakes.first_mut()) {
                    first.help = Some(did_you_mean(near));
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
        let mut wanted_here: Vec<&str> = branches.iter().flat_map(|errors| wanted_by(errors)).collect();
        wanted_here.dedup();
        let wanted_here = alternatives(&wanted_here);
        vec![Mistake {
            check: table::WRONG_TYPE,
            path: path.to_vec(),
            at_key: false,
            message: format!("this is {}, and {wanted_here} is needed", is_what(instance)),
            label: Some(format!("must be {wanted_here}")),
            help: None,
            missing: None,
            is_told: false,
            filler: Json::from(FILLER),
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
        label: near.map(did_you_mean),
        help: (near.is_none() && !known.is_empty()).then(|| format!("known here: {}", known.join(", "))),
        missing: None,
        is_told: false,
        filler: Json::Null,
    }
}

/// What stands for a text that is wrong, while the rest is judged: fits every pattern of what has no default.
const FILLER: &str = "x";

fn filler(kind: &ValidationErrorKind) -> Json {
    match kind {
        ValidationErrorKind::Type { kind } => match wanted(kind).first() {
            Some(&"array") => Json::Array(Vec::new()),
            Some(&"object") => Json::Object(serde_json::Map::new()),
            Some(&"integer" | &"number") => Json::from(1),
            Some(&"boolean") => Json::from(false),
            _ => Json::from(FILLER),
        },
        ValidationErrorKind::Enum { options } => options.get(0).cloned().unwrap_or_default(),
        ValidationErrorKind::Minimum { limit } | ValidationErrorKind::Maximum { limit } => limit.clone(),
        _ => Json::from(FILLER),
    }
}

/// The value that is meant, where a type is wrong as Ansible would let pass; also within an optional value.
fn soft(error: &ValidationError<'_>, places: &Places, softer: &mut Vec<(String, Json)>) {
    if let ValidationErrorKind::AnyOf { context } = error.kind() {
        context.iter().flatten().for_each(|error| soft(error, places, softer));
    }
    let ValidationErrorKind::Type { kind } = error.kind() else { return };
    let Some(word) = places.words.get(&segments(error)) else { return };
    let wanted = wanted(kind);
    let value = match error.instance().as_ref() {
        Json::String(text) if wanted.contains(&"integer") => whole(text).map(Json::from),
        Json::String(text) if wanted.contains(&"boolean") => boolean(text).map(Json::from),
        Json::Number(_) if wanted.contains(&"string") => Some(Json::from(word.text.as_str())),
        _ => None,
    };
    softer.extend(value.map(|value| (error.instance_path().as_str().to_owned(), value)));
}

/// What one alternative wants: one of its words, or a kind of value.
fn wanted_by<'a>(errors: &'a [ValidationError<'static>]) -> Vec<&'a str> {
    let words = errors.iter().find_map(|error| match error.kind() {
        ValidationErrorKind::Enum { options } => options.as_array(),
        _ => None,
    });
    if let Some(words) = words {
        return words.iter().filter_map(Json::as_str).collect();
    }
    let kinds = errors.iter().filter_map(|error| match error.kind() {
        ValidationErrorKind::Type { kind } => Some(wanted(kind)),
        _ => None,
    });
    kinds.flatten().map(in_words).collect()
}

/// `a, b or c`.
fn alternatives(words: &[&str]) -> String {
    match words {
        [] => "something else".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn did_you_mean(name: &str) -> String {
    format!("did you mean {name}?")
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
