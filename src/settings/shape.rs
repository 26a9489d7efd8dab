//! The shape of `backups:`: the tree as JSON, held against the schema, every mistake of shape in one run with its
//! place and in words of our own.

mod doubts;
mod leaves;
mod mistakes;
mod prune;
mod range;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::Effective;
use super::backups::BackupsFile;
use super::checks::table;
use super::scalar::{Meaning, Scalar, Style};
use super::source::{Mark, Source};
use super::template::{self, Variables};
use super::tree::{Content, Entry, Map, Node};
use crate::vocab::Problem;
use mistakes::{Mistake, Schema};

/// Where each key and value of `backups:` stands, by path (`buckets/NAME/region`).
#[derive(Clone, Debug, Default)]
pub struct Places {
    keys: BTreeMap<Vec<String>, Mark>,
    values: BTreeMap<Vec<String>, Mark>,
    /// The words as written: `012` is a number to YAML, and an account to its writer.
    words: BTreeMap<Vec<String>, Scalar>,
    /// Values that were wrong, and are gone or stand-ins: what is found wrong with those says nothing.
    guessed: BTreeSet<Vec<String>>,
}

impl Places {
    /// The place of a key; of the nearest one around it where it is not written itself.
    pub fn key(&self, path: &[&str]) -> Mark {
        nearest(&self.keys, path)
    }

    /// The place of a value.
    pub fn value(&self, path: &[&str]) -> Mark {
        match self.values.get(&owned(path)) {
            Some(mark) => mark.clone(),
            None => self.key(path),
        }
    }

    /// Whether a problem is about a stand-in, by its key: `backups.files.0.hosts`.
    pub fn is_guess(&self, key: &str) -> bool {
        let Some(key) = key.strip_prefix("backups.") else { return false };
        self.guessed.iter().any(|path| {
            let path = path.join(".");
            key == path || key.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.'))
        })
    }

    /// Whether some of what is below a path was wrong.
    pub fn is_partial(&self, path: &[&str]) -> bool {
        let path = owned(path);
        self.guessed.iter().any(|guess| guess.starts_with(&path))
    }

    /// The word at a path, as written.
    pub fn word(&self, path: &[&str]) -> Option<&Scalar> {
        self.words.get(&owned(path))
    }
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|part| (*part).to_owned()).collect()
}

fn nearest(marks: &BTreeMap<Vec<String>, Mark>, path: &[&str]) -> Mark {
    let mut path = owned(path);
    loop {
        if let Some(mark) = marks.get(&path) {
            return mark.clone();
        }
        if path.pop().is_none() {
            return Mark { line: 1, column: 1, span: 0..0 };
        }
    }
}

/// What is missing once something is left out is filled in, level by level; nothing nests deeper than this.
const MOST_ROUNDS: usize = 16;

/// `backups:` as it was read.
#[derive(Debug, Default)]
pub struct Read {
    pub file: BackupsFile,
    pub places: Places,
    /// Every value that is written, by its path: `backups.buckets.NAME.region`.
    pub values: BTreeMap<String, Effective>,
}

/// Reads `backups:`, its mistakes of shape told and left out; `None` where nothing can be read.
pub fn read(
    source: &Source,
    entry: &Entry,
    variables: &Variables<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Read> {
    let mut reader = Reader {
        source,
        variables,
        places: Places::default(),
        problems: Vec::new(),
        unread: Vec::new(),
        path: Vec::new(),
    };
    reader.places.keys.insert(Vec::new(), entry.key_mark.clone());
    let mut json = reader.value(&entry.value).unwrap_or_else(|| Json::Object(serde_json::Map::new()));
    let Reader { mut places, problems: found, unread, .. } = reader;
    problems.extend(found);
    let cannot = |why: String, places: &Places| {
        source.problem(table::WRONG_TYPE, &places.key(&[]), format!("`backups` cannot be read: {why}"))
    };
    let schema = match Schema::new() {
        Ok(schema) => schema,
        Err(why) => {
            problems.push(cannot(why, &places));
            return None;
        }
    };
    schema.soften(&mut json, &places);
    problems.extend(doubts::all(source, &json, &places));
    let mut mistakes = schema.mistakes(&json);
    tell(
        mistakes.iter().filter(|one| !one.is_told && !unread.contains(&one.path)),
        source,
        &places,
        problems,
    );
    // What is left without the mistakes is judged too, so that every mistake is told at once.
    let mut unread = unread.as_slice();
    for _ in 0..MOST_ROUNDS {
        if mistakes.is_empty() && unread.is_empty() {
            break;
        }
        prune::mend(&mut json, &mut places, unread, &mistakes);
        unread = &[];
        mistakes = schema.mistakes(&json);
    }
    let values = leaves::of(&json, source, &places);
    match serde_json::from_value(json) {
        Ok(file) => Some(Read { file, places, values }),
        Err(why) => {
            problems.push(cannot(why.to_string(), &places));
            None
        }
    }
}

fn tell<'a>(
    mistakes: impl Iterator<Item = &'a Mistake>,
    source: &Source,
    places: &Places,
    problems: &mut Vec<Problem>,
) {
    for mistake in mistakes {
        let path: Vec<&str> = mistake.path.iter().map(String::as_str).collect();
        let mark = if mistake.at_key { places.key(&path) } else { places.value(&path) };
        let key = std::iter::once("backups").chain(path.iter().copied()).collect::<Vec<_>>().join(".");
        let mut problem =
            source.problem(mistake.check, &mark, mistake.message.as_str()).at_key(shown_key(&key));
        problem.label = mistake.label.clone();
        problem.help = mistake.help.clone();
        problems.push(problem);
    }
}

fn shown_key(key: &str) -> String {
    key.chars().flat_map(char::escape_debug).collect::<String>().replace("\\'", "'")
}

/// From tree to JSON, with places noted and templates evaluated.
struct Reader<'a> {
    source: &'a Source,
    variables: &'a Variables<'a>,
    places: Places,
    problems: Vec<Problem>,
    /// Values that could not be had; whatever stands for them must not be judged.
    unread: Vec<Vec<String>>,
    path: Vec<String>,
}

impl Reader<'_> {
    /// `None` for what equals not being written.
    fn value(&mut self, node: &Node) -> Option<Json> {
        self.places.values.insert(self.path.clone(), node.mark.clone());
        match &node.content {
            Content::Scalar(scalar) => self.scalar(scalar, &node.mark),
            Content::List(items) => {
                let mut list = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    self.path.push(index.to_string());
                    self.places.keys.insert(self.path.clone(), item.mark.clone());
                    list.push(self.value(item).unwrap_or(Json::Null));
                    self.path.pop();
                }
                Some(Json::Array(list))
            }
            Content::Map(map) => Some(self.map(map)),
            Content::Vaulted(_) => {
                self.problems.push(
                    self.source
                        .problem(
                            table::ENCRYPTED_SETTING,
                            &node.mark,
                            "this setting is encrypted, and plans show every setting",
                        )
                        .helped("write it in plain; only passwords and keys belong into the vault"),
                );
                Some(self.unread())
            }
        }
    }

    fn map(&mut self, map: &Map) -> Json {
        let mut object = serde_json::Map::new();
        for entry in &map.entries {
            // A bucket's name with nothing behind it is a bucket with every default.
            let names_something = self.path.last().is_some_and(|last| last == "buckets");
            self.path.push(entry.key.clone());
            self.places.keys.insert(self.path.clone(), entry.key_mark.clone());
            match self.value(&entry.value) {
                Some(value) => _ = object.insert(entry.key.clone(), value),
                None if names_something => {
                    object.insert(entry.key.clone(), Json::Object(serde_json::Map::new()));
                }
                None => {}
            }
            self.path.pop();
        }
        Json::Object(object)
    }

    fn unread(&mut self) -> Json {
        self.unread.push(self.path.clone());
        Json::from("")
    }

    fn scalar(&mut self, scalar: &Scalar, mark: &Mark) -> Option<Json> {
        let rendered = match scalar.is_template() {
            false => scalar.clone(),
            true => match template::render(&scalar.text, self.variables) {
                Ok(text) => Scalar { text, style: Style::Quoted },
                Err(why) => {
                    self.problems.push(
                        self.source
                            .problem(table::BAD_TEMPLATE, mark, format!("this template has no value: {why}"))
                            .helped("use variables of public.yml, or write the value out"),
                    );
                    return Some(self.unread());
                }
            },
        };
        let json = match rendered.meaning() {
            Meaning::Null => return None,
            Meaning::Bool(value) => value.into(),
            Meaning::Int(value) => value.into(),
            Meaning::Sexagesimal(_) => rendered.text.as_str().into(),
            Meaning::Float(value) => serde_json::Number::from_f64(value)
                .map_or_else(|| rendered.text.as_str().into(), Json::Number),
            Meaning::Text(text) => text.into(),
        };
        self.places.words.insert(self.path.clone(), rendered);
        Some(json)
    }
}
